"""All settings of an evaluation: frozen, checked before any work."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, StringConstraints

from elmtex_batch.errors import SettingsError
from elmtex_batch.settings import Section, Settings, load_section, load_settings

RunName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.+-]{0,62}$")]
"""Names a folder, too."""
FormName = Literal["text", "pdf", "scan1", "scan2", "scan3"]


class EvaluationSettings(Section):
    """Which reports, which runs, which metrics."""

    data: Path
    """Annotated reports, in any format that training takes."""
    out: Path
    runs: dict[RunName, str] = Field(min_length=1)
    """By name: the path of ready predictions (`*.jsonl`) or of a settings file as `convert` takes it (`*.toml`), or
    settings of the model on one line, such as `reader=generator,prompt=naive`."""
    forms: tuple[FormName, ...] = Field(("text",), min_length=1)
    """In which forms the models get the reports; ready predictions are taken as they are."""
    schema_: str = Field("elmtex", alias="schema")
    bert_model: str | None = None
    """Name or folder of an encoder for BERTScore, which is left out without one."""
    bert_layer: PositiveInt | None = None
    """Hidden layer to compare; None takes the last one. bert-score recommends 9 for bert-base-multilingual-cased."""
    resamples: PositiveInt = 1_000
    """How often the reports are drawn anew for the confidence intervals."""
    seed: NonNegativeInt = 0


def load_evaluation_settings(path: Path | None, overrides: Mapping[str, Any]) -> EvaluationSettings:
    """Settings from a TOML file, with `overrides` laid over it.

    Raises:
        SettingsError: the file cannot be read, or a setting is unknown or out of range.
    """
    return load_section(EvaluationSettings, path, overrides)


def parse_runs(arguments: list[str]) -> dict[str, str]:
    """`NAME=SPEC` from the command line, as `EvaluationSettings.runs` wants it.

    Raises:
        SettingsError: one of them has no name, or two have the same.
    """
    runs: dict[str, str] = {}
    for argument in arguments:
        name, equals, spec = argument.partition("=")
        if not equals or name in runs:
            raise SettingsError("a run is NAME=SPEC, each name once")
        runs[name] = spec
    return runs


def model_settings(spec: str, schema: str) -> Settings | None:
    """The settings that a run's model is converted with; None if the run is a file of ready predictions.

    Raises:
        SettingsError: a setting is unknown or out of range.
    """
    is_file = "=" not in spec
    if is_file and spec.endswith(".jsonl"):
        return None
    if is_file and spec.endswith(".toml"):
        return load_settings(Path(spec), {"schema": schema})
    pairs = [pair.partition("=") for pair in spec.split(",") if pair.strip()]
    return load_settings(None, {"schema": schema, **{f"model.{name.strip()}": value for name, _, value in pairs}})
