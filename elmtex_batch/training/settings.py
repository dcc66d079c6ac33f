"""Settings of a training: what to train on what, and how."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from elmtex_batch.settings import Section, load_section


class LoraSettings(Section):
    """Low-rank adaptation (arXiv 2106.09685) of all linear layers (as QLoRA found best, arXiv 2305.14314)."""

    rank: PositiveInt = 16
    alpha: PositiveInt = 32
    dropout: float = Field(0.0, ge=0, lt=1)
    """On the inputs of every LoRA matrix. Costs a quarter of the training speed on a CPU, unlike `head_dropout`."""
    targets: str | tuple[str, ...] = "all-linear"
    """Names of the linear layers to adapt, as peft takes them."""


class OptimiserSettings(Section):
    """AdamW with a linear warm-up and a cosine schedule to zero, as in the ELMTEX paper."""

    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01
    warmup: float = Field(0.06, ge=0, lt=1)
    """Share of all steps."""
    clip_norm: PositiveFloat = 1.0
    epochs: PositiveInt = 8
    batch_tokens: PositiveInt = 1_300
    """Padded tokens per forward and backward pass."""
    accumulation: PositiveInt = 2
    """Passes per optimiser step; several workers share them, so that their number does not change the result."""
    head_dropout: float = Field(0.1, ge=0, lt=1)
    """On the hidden states that the tagger's head sees."""
    averaged: float = Field(0.0, ge=0, le=1)
    """The last share of the steps whose weights are averaged into the adapter (arXiv 1803.05407); 0 takes the last."""


class VariationSettings(Section):
    """How the tagger's training reports differ from epoch to epoch; see `elmtex_batch.training.variation`."""

    swapped_values: float = Field(0.0, ge=0, le=1)
    """Share of the values that give way to another of their category from the training reports."""
    dropped_tokens: float = Field(0.0, ge=0, lt=1)
    """Share of the tokens that the model does not get to see."""


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, (str, Path)) else value


class TrainSettings(Section):
    """A whole training. `data` and `dev` are annotated reports (see `elmtex_batch.training.data`)."""

    name: str
    data: Annotated[tuple[Path, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
    dev: Path | None = None
    dev_share: float = Field(0.0, ge=0, lt=1)
    """Without `dev`: the share of `data` to hold out for development, all reports of a patient together."""
    out: Path
    reader: Literal["tagger", "generator"] = "tagger"
    answer_format: Literal["compact", "paper"] = "compact"
    """What a generator learns to write."""
    start: str | None = None
    """Adapter to go on from, `bundled` or a folder, instead of fresh matrices; its base, rank and targets must fit."""
    base: str = "gemma3-270m"
    schema_: str = Field("elmtex", alias="schema")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: PositiveInt = 1
    """Processes that share each step through Ray Train, each with a GPU where there are any; 1 does without Ray."""
    compile: bool = True
    """Fuses element-wise work (torch.compile) where a C++ compiler is at hand; a minute of warm-up."""
    window_tokens: PositiveInt = 1_024
    least_window: float = Field(0.4, gt=0, le=1)
    """Every epoch cuts each report anew, into windows of between this share of `window_tokens` and all of it."""
    seed: int = 0
    remarks: Path | None = None
    """Markdown to go into the model card: what was tried and lost, say."""
    checkpoint_minutes: NonNegativeFloat = 5.0
    lora: LoraSettings = LoraSettings()
    variation: VariationSettings = VariationSettings()
    optimiser: OptimiserSettings = OptimiserSettings()


def with_absolute_paths(settings: TrainSettings) -> TrainSettings:
    """The same settings for processes that start in other folders."""
    paths = {name: path.resolve() for name in ("dev", "out", "remarks") if (path := getattr(settings, name))}
    names = {
        name: str(Path(value).resolve())
        for name in ("start", "base", "schema_")
        if (value := getattr(settings, name)) and Path(value).exists()
    }
    return settings.model_copy(update={"data": tuple(path.resolve() for path in settings.data), **paths, **names})


def load_train_settings(path: Path | None, overrides: Mapping[str, Any]) -> TrainSettings:
    """Settings from a TOML file with `overrides` laid over it.

    Raises:
        SettingsError: the file cannot be read, or a setting is missing, unknown or out of range.
    """
    return load_section(TrainSettings, path, overrides)
