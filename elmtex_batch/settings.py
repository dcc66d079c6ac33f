"""All settings of a run: frozen, checked before any work, from one TOML file and the command line."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from elmtex_batch.errors import SettingsError


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

    languages: tuple[str, ...] = ("eng", "deu")
    dpi: PositiveInt = 300
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
    model_actors: PositiveInt = 1
    """How many copies of the model read at a time."""
    model_cpus: PositiveInt = 1
    """CPU threads of each model actor; on a GPU each actor takes one GPU as well."""
    batch_documents: PositiveInt = 16
    """Documents a model actor receives at a time."""
    rehash: bool = False
    """Read every input to know its content, also where path, size and time say that it is unchanged."""
    part_documents: PositiveInt = 500
    part_seconds: PositiveFloat = 300.0
    """A Parquet part is published when it holds so many documents, or is so old."""


class Settings(Section):
    """Everything that shapes a run."""

    schema_: str = Field("elmtex", alias="schema")
    """A schema that ships with the package, or the path of a TOML file."""
    pages: PageSettings = PageSettings()
    ocr: OcrSettings = OcrSettings()
    text: TextSettings = TextSettings()
    model: ModelSettings = ModelSettings()
    run: RunSettings = RunSettings()


S = TypeVar("S", bound=Section)


def load_settings(path: Path | None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from a TOML file, with `overrides` ("section.name" to value) laid over it.

    Raises:
        SettingsError: the file cannot be read, or a setting is unknown or out of range.
    """
    return load_section(Settings, path, overrides or {})


def load_section(kind: type[S], path: Path | None, overrides: Mapping[str, Any]) -> S:
    """The same for any group of settings."""
    values = _read_toml(path) if path else {}
    for dotted, value in overrides.items():
        *sections, name = dotted.split(".")
        target = values
        for section in sections:
            target = target.setdefault(section, {})
        target[name] = value
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the configuration file {path}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def _explain(error: ValidationError) -> str:
    lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
    return "invalid settings\n  " + "\n  ".join(lines)
