"""All settings of a run: frozen, checked before any work, from a TOML file, the environment and the command line."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from elmtex_batch import sources
from elmtex_batch.errors import SettingsError
from elmtex_batch.sources import Given

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Section(BaseModel):
    """A group of settings; unknown names are errors, so that a typo never passes silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PageSettings(Section):
    """What a file may cost before it is rejected."""

    max_file_mb: PositiveFloat = 200.0
    max_pages: PositiveInt = 2_000
    max_megapixels: PositiveFloat = 150.0
    """Raster images above this are rejected; PDF pages are rendered at a lower resolution instead."""
    page_timeout_s: PositiveFloat = 60.0
    """What a page may take beside OCR before the process that reads it is killed, and the document rejected."""
    memory_mb: PositiveInt = 4_096
    """Address space of the process that reads files, and of Tesseract."""


class OcrSettings(Section):
    """How Tesseract reads pages that have no trustworthy text layer."""

    languages: tuple[str, ...] = ("deu", "eng")
    """Tesseract asks the later ones where the first is unsure; English as the first takes umlauts for vowels."""
    dpi: PositiveInt = 250
    page_timeout_s: PositiveFloat = 120.0


class TextSettings(Section):
    """What a text may be."""

    max_characters: PositiveInt = 1_000_000


class ModelSettings(Section):
    """Which language model reads the texts."""

    reader: Literal["tagger", "generator"] = "tagger"
    """`tagger` labels every token of a report in one pass, `generator` writes the values down."""
    prompt: Literal["finetuned", "naive", "advanced"] = "finetuned"
    """How a generator is asked: as its adapter was trained, or as in the ELMTEX paper without and with examples."""
    adapter: str = "bundled"
    """`bundled`, or the folder of an adapter made by `elmtex-batch train`. The prompts `naive` and `advanced` take the
    base model as it is, unless a folder is named."""
    base: str | None = None
    """Overrides where the adapter's base model is loaded from: an embedded base's name, a folder or a hub id."""
    examples: Path | None = None
    """Annotated reports (JSON lines) from which the prompt `advanced` takes those most like the report to read."""
    shots: PositiveInt = 3
    """How many of them; fewer where they do not fit into the model's context."""
    embedder: str | None = None
    """What likeness is measured with: a sentence embedding model by folder or hub id; None counts common words."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_tokens: PositiveInt | None = None
    """Padded tokens per forward pass of the tagger; None takes what suits the device."""
    batch_answers: PositiveInt = 16
    """Answers that a generator writes at a time."""

    @model_validator(mode="after")
    def _prompts_are_for_generators(self) -> Self:
        if self.prompt != "finetuned" and self.reader != "generator":
            raise ValueError(f"the prompt {self.prompt} needs the reader generator")
        if self.prompt == "advanced" and self.examples is None:
            raise ValueError("the prompt advanced needs examples: annotated reports as JSON lines")
        return self


class RunSettings(Section):
    """Where and how wide the work runs."""

    ray_address: str | None = None
    """None starts an embedded Ray on this machine; else the address of a running cluster, or `auto`."""
    model_actors: PositiveInt | tuple[PositiveInt, PositiveInt] = 1
    """How many copies of the model read at a time; or the least and the most, as there is work for them."""
    model_cpus: PositiveInt = 1
    """CPU threads of each model actor."""
    model_gpus: NonNegativeFloat | None = None
    """GPUs of each model actor; None means one, if the cluster has any when the run starts."""
    model_resources: dict[str, PositiveFloat] = {}
    """Custom resources of Ray (`ray start --resources`) that a node must have to hold a model actor."""
    page_resources: dict[str, PositiveFloat] = {}
    """The same for each file that is read."""
    batch_documents: PositiveInt = 16
    """Documents a model actor receives at a time."""
    rehash: bool = False
    """Read every input to know its content, also where path, size and time say that it is unchanged."""
    part_documents: PositiveInt = 500
    part_seconds: PositiveFloat = 300.0
    """A Parquet part is published when it holds so many documents, or is so old."""
    log: Literal["text", "json"] = "text"
    """What goes to standard error: lines for people, or JSON lines for machines."""
    metrics_port: Annotated[int, Field(ge=1024, le=65535)] | None = None
    """Where an embedded Ray shows the run's counters to Prometheus; a cluster has its own port."""

    @property
    def least_actors(self) -> int:
        return self.model_actors if isinstance(self.model_actors, int) else self.model_actors[0]

    @property
    def most_actors(self) -> int:
        return self.model_actors if isinstance(self.model_actors, int) else self.model_actors[1]

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        if self.least_actors > self.most_actors:
            raise ValueError("model_actors: the least comes before the most, as in [1, 4]")
        return self


Share = Annotated[float, Field(ge=0, le=1)]


class GateSettings(Section):
    """When a run is held for people to look at; see `elmtex_batch.gates`. None judges nothing."""

    min_documents: PositiveInt = 50
    """Runs with fewer documents are neither judged nor compared with."""
    runs: PositiveInt = 7
    """How many of the last published runs make the mean that a run is compared with."""
    max_rejected: Share | None = None
    """Largest share of rejected documents."""
    min_score: Share | None = None
    """Least mean probability of the values."""
    min_ocr_confidence: Share | None = None
    """Least mean confidence of the pages read by OCR."""
    min_fill_rates: dict[str, Share] = {}
    """For each category named the least share of documents that have a value of it."""
    rejected_rise: Share | None = None
    """By how much the share of rejected documents may be above that of the runs before."""
    score_fall: Share | None = None
    """By how much the mean probability may be below that of the runs before."""
    ocr_confidence_fall: Share | None = None
    """By how much the mean confidence may be below that of the runs before."""
    fill_rate_change: Share | None = None
    """By how much any category's fill rate may differ from that of the runs before."""


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Settings(Section):
    """Everything that shapes a run."""

    inputs: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    """Files, folders, globs, URIs, or lists of these (`@FILE`)."""
    out: str | None = None
    """Output folder or URI."""
    schema_: str = Field("elmtex", alias="schema")
    """A schema that ships with the package, or the path of a TOML file."""
    pages: PageSettings = PageSettings()
    ocr: OcrSettings = OcrSettings()
    text: TextSettings = TextSettings()
    model: ModelSettings = ModelSettings()
    run: RunSettings = RunSettings()
    gates: GateSettings = GateSettings()


S = TypeVar("S", bound=Section)


def load_settings(
    path: Path | None,
    overrides: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Settings from a TOML file, then the environment, then the command line; what comes later wins.

    `overrides` are "section.name" to value, `assignments` "section.name=value", `environment` as in `os.environ`.

    Raises:
        SettingsError: the file cannot be read, or a setting is unknown or out of range; it names setting and origin.
    """
    given = [*(sources.from_file(path) if path else ()), *sources.from_environment(environment or {})]
    return _validated(Settings, [*given, *sources.from_assignments(assignments), *_overriding(overrides or {})])


def destination(settings: Settings) -> str:
    """Where a conversion writes to.

    Raises:
        SettingsError: that, or what to convert, is not set.
    """
    if not settings.inputs:
        raise SettingsError("inputs: none are given; name them here, in ELMTEX_INPUTS, or as inputs in a --config file")
    if not settings.out:
        raise SettingsError("out: no output folder is given; use --out, ELMTEX_OUT, or out in a --config file")
    return settings.out


def load_section(kind: type[S], path: Path | None, overrides: Mapping[str, Any]) -> S:
    """Any group of settings from a TOML file with `overrides` laid over it; errors as above."""
    return _validated(kind, [*(sources.from_file(path) if path else ()), *_overriding(overrides)])


def names_of(kind: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All settings of a group, as "section.name"."""
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from names_of(inner, f"{prefix}{name}.")
        else:
            yield prefix + (field.alias or name)


def _overriding(overrides: Mapping[str, Any]) -> list[Given]:
    return [Given(setting, value, "command line") for setting, value in overrides.items()]


def _validated(kind: type[S], given: Sequence[Given]) -> S:
    try:
        return kind.model_validate(sources.merged(given))
    except ValidationError as error:
        lines = [_explain(kind, e, given) for e in error.errors(include_input=False)]
        raise SettingsError("invalid settings\n  " + "\n  ".join(lines)) from None


def _explain(kind: type[BaseModel], error: "ErrorDetails", given: Sequence[Given]) -> str:
    """What is wrong with which setting, and who said so."""
    setting = ".".join(map(str, error["loc"]))
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        near = get_close_matches(setting, list(names_of(kind)), 1)
        message = f"there is no such setting{f'; did you mean {near[0]}?' if near else ''}"
    origins = [one.origin for one in given if f"{setting}.".startswith(f"{one.setting}.")]
    return f"{setting}: {message}{f' (from {origins[-1]})' if origins else ''}"
