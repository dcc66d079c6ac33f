"""What came of an evaluation: every figure that is reported, and nothing of any report's text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elmtex_batch import __version__
from elmtex_batch.evaluation.estimates import Figures, by_category, draw_weights, overall
from elmtex_batch.evaluation.predictions import Run
from elmtex_batch.evaluation.settings import EvaluationSettings
from elmtex_batch.evaluation.tallies import Mask, Mode, Tally
from elmtex_batch.schema import Schema
from elmtex_batch.training.data import Report


@dataclass(frozen=True, slots=True)
class ModeResult:
    """The scores of a run in one mode. `by`: kind of group (category, language, source), then group."""

    overall: Figures
    by: dict[str, dict[str, Figures]]


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run's figures. Shares are 0 to 1; None means not known."""

    name: str
    form: str
    model: str
    valid_outputs: float
    values: int
    values_not_in_text: int
    share_not_in_text: float
    cut_short: float | None
    documents_per_second: float | None
    modes: dict[Mode, ModeResult]

    @property
    def title(self) -> str:
        return f"{self.name} · {self.form}" if self.form else self.name


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All runs on the same reports. `version` is this package's."""

    version: str
    data_sha256: str
    schema: str
    reports: int
    languages: dict[str, int]
    sources: dict[str, int]
    """Reports by language and by source."""
    values: int
    """Annotated values."""
    resamples: int
    seed: int
    bert_model: str | None
    bert_layer: int | None
    runs: list[RunResult]

    def groupings(self, schema: Schema) -> dict[str, dict[str, str]]:
        """The kinds of groups that there are, and of each its groups as shown to people, by name."""
        kinds = {
            "category": {category.key: category.title.en for category in schema.category},
            "language": {name: f"{name} ({size})" for name, size in self.languages.items()},
            "source": {name: f"{name} ({size})" for name, size in self.sources.items()},
        }
        return {kind: names for kind, names in kinds.items() if names}


def evaluation_of(
    settings: EvaluationSettings,
    schema: Schema,
    reports: Sequence[Report],
    runs: Sequence[tuple[Run, Tally]],
    data_sha256: str = "",
) -> Evaluation:
    """All figures of all runs; `data_sha256` says which file the reports are from."""
    return Evaluation(
        version=__version__,
        data_sha256=data_sha256,
        schema=schema.label,
        reports=len(reports),
        languages=_sizes([report.language for report in reports]),
        sources=_sizes([report.source for report in reports]),
        values=sum(len(values) for report in reports for values in report.labels.values()),
        resamples=settings.resamples,
        seed=settings.seed,
        bert_model=settings.bert_model,
        bert_layer=settings.bert_layer,
        runs=[_run_result(run, counts, reports, schema, settings) for run, counts in runs],
    )


def _sizes(names: Sequence[str]) -> dict[str, int]:
    return {name: names.count(name) for name in sorted(set(names)) if name}


def _run_result(
    run: Run, tally: Tally, reports: Sequence[Report], schema: Schema, settings: EvaluationSettings
) -> RunResult:
    values, loose = int(tally.predicted.sum()), int(tally.ungrounded.sum())
    return RunResult(
        name=run.name,
        form=run.form,
        model=run.model,
        valid_outputs=float(tally.valid.mean()),
        values=values,
        values_not_in_text=loose,
        share_not_in_text=loose / values if values else 0.0,
        cut_short=None if tally.cut_short is None else float(tally.cut_short.mean()),
        documents_per_second=run.documents_per_second,
        modes={mode: _mode_result(tally, tally.scored(mode), reports, schema, settings) for mode in Mode},
    )


def _mode_result(
    tally: Tally, scored: Mask, reports: Sequence[Report], schema: Schema, settings: EvaluationSettings
) -> ModeResult:
    weights = draw_weights(len(reports), settings.resamples, settings.seed)

    def groups(names: Sequence[str]) -> dict[str, Figures]:
        """Reports of a group are drawn from the group alone."""
        members = {name: np.array([own == name for own in names]) for name in _sizes(names)}
        return {name: _group(tally, scored, chosen, settings) for name, chosen in members.items()}

    by = {
        "category": dict(zip(schema.keys, by_category(tally, scored, weights), strict=True)),
        "language": groups([report.language for report in reports]),
        "source": groups([report.source for report in reports]),
    }
    return ModeResult(overall(tally, scored, weights), by)


def _group(tally: Tally, scored: Mask, chosen: Mask, settings: EvaluationSettings) -> Figures:
    drawn = draw_weights(int(chosen.sum()), settings.resamples, settings.seed)
    weights = np.zeros((len(drawn), len(chosen)), np.int64)
    weights[:, chosen] = drawn
    return overall(tally, scored, weights)
