"""Settings of a training: what to train on what, and how."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from elmtex_batch.settings import Section, load_section


class LoraSettings(Section):
    """Low-rank adaptation (arXiv 2106.09685) of all linear layers (as QLoRA found best, arXiv 2305.14314)."""

    rank: PositiveInt = 16
    alpha: PositiveInt = 32
    dropout: float = Field(0.0, ge=0, lt=1)
    """On the inputs of every LoRA matrix. Costs a quarter of the training speed on a CPU, unlike `head_dropout`."""


class OptimiserSettings(Section):
    """AdamW with a linear warm-up and a cosine schedule to zero, as in the ELMTEX paper."""

    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01
    warmup: float = Field(0.06, ge=0, lt=1)
    """Share of all steps."""
    clip_norm: PositiveFloat = 1.0
    epochs: PositiveInt = 6
    batch_tokens: PositiveInt = 2_500
    """Padded tokens per optimiser step."""
    head_dropout: float = Field(0.1, ge=0, lt=1)


class TrainSettings(Section):
    """A whole training. `data` and `dev` are JSON lines (see `elmtex_batch.training.data`)."""

    name: str
    data: Path
    dev: Path | None = None
    out: Path
    base: str = "gemma3-270m"
    schema_: str = Field("elmtex", alias="schema")
    device: str = "auto"
    window_tokens: PositiveInt = 1_024
    seed: int = 0
    checkpoint_minutes: NonNegativeFloat = 5.0
    lora: LoraSettings = LoraSettings()
    optimiser: OptimiserSettings = OptimiserSettings()


def load_train_settings(path: Path | None, overrides: Mapping[str, Any]) -> TrainSettings:
    """Settings from a TOML file with `overrides` laid over it.

    Raises:
        SettingsError: the file cannot be read, or a setting is missing, unknown or out of range.
    """
    return load_section(TrainSettings, path, overrides)
