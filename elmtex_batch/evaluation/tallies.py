"""What there is to count in one run: for each report and category the values and text scores, as arrays.

Everything that is reported follows from these arrays by choosing cells and adding up, resampled or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.evaluation.entities import EXACT, RELAXED, Labels, pair_off
from elmtex_batch.evaluation.overlap import TextScorer, field_text
from elmtex_batch.evaluation.predictions import Prediction, Predictions
from elmtex_batch.training.data import Report

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MATCHES = {"relaxed": RELAXED, "exact": EXACT}
_INVALID = Prediction(None)


class Mode(StrEnum):
    """Which cells, pairs of a report and a field, are scored.

    PAPER, as ELMTEX reports it: fields with an annotation, of reports with a valid output. Invalid outputs are skipped,
    and so are fields that the annotation leaves empty, whatever was predicted there.

    STRICT: every field with an annotation or a prediction, of all reports. An invalid output has found nothing, so it
    misses every annotated value and scores 0 in each annotated field. A value on an empty field is a false positive,
    and the field scores 0. Fields empty on both sides say nothing and are left out.

    Within a scored cell both count alike.
    """

    STRICT = "strict"
    PAPER = "paper"


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts and scores of R reports in K categories; arrays are (R, K) unless stated otherwise."""

    gold: Ints
    predicted: Ints
    matched: Mapping[str, Ints]
    """By the keys of `MATCHES`."""
    texts: Mapping[str, Floats]
    """F measures of field texts by name, 0 where either side is empty."""
    valid: Mask
    """(R,)"""
    ungrounded: Ints
    """(R,) Values that do not stand in the text that was read."""
    cut_short: Mask | None
    """(R,) None if the run does not tell."""

    def scored(self, mode: Mode) -> Mask:
        """The cells that a mode looks at, (R, K)."""
        if mode is Mode.PAPER:
            return self.valid[:, None] & (self.gold > 0)
        return (self.gold > 0) | (self.predicted > 0)


def tally(
    reports: Sequence[Report], predictions: Predictions, keys: Sequence[str], scorers: Sequence[TextScorer]
) -> Tally:
    """Counts one run; `keys` are the schema's categories."""
    given = [predictions.get(report.id, _INVALID) for report in reports]
    labels: list[Labels] = [prediction.labels or {} for prediction in given]
    cells = [
        [(r.labels.get(key, []), own.get(key, [])) for key in keys] for r, own in zip(reports, labels, strict=True)
    ]
    known = [prediction.cut_short is not None for prediction in given]
    return Tally(
        gold=np.array([[len(gold) for gold, _ in row] for row in cells]),
        predicted=np.array([[len(found) for _, found in row] for row in cells]),
        matched={
            name: np.array([[len(pair_off(*cell, threshold)) for cell in row] for row in cells])
            for name, threshold in MATCHES.items()
        },
        texts=_text_scores(cells, scorers),
        valid=np.array([prediction.labels is not None for prediction in given]),
        ungrounded=np.array([_ungrounded(*pair) for pair in zip(reports, given, strict=True)]),
        cut_short=np.array([bool(p.cut_short) for p in given]) if any(known) else None,
    )


_Cell = tuple[Sequence[str], Sequence[str]]


def _text_scores(cells: Sequence[Sequence[_Cell]], scorers: Sequence[TextScorer]) -> dict[str, Floats]:
    shape = (len(cells), len(cells[0]))
    scores = {name: np.zeros(shape) for scorer in scorers for name in scorer.names}
    for i, row in enumerate(cells):
        for j, (gold, found) in enumerate(row):
            for name, score in _score(gold, found, scorers).items():
                scores[name][i, j] = score
    return scores


def _score(gold: Sequence[str], found: Sequence[str], scorers: Sequence[TextScorer]) -> dict[str, float]:
    if not gold or not found:
        return {}
    return {n: s for scorer in scorers for n, s in scorer(field_text(gold), field_text(found)).items()}


def _ungrounded(report: Report, prediction: Prediction) -> int:
    return sum(not is_grounded(value, report, prediction) for vs in (prediction.labels or {}).values() for value in vs)


def is_grounded(value: str, report: Report, prediction: Prediction) -> bool:
    """Whether a value stands verbatim in the text that was read."""
    return value in (report.text if prediction.text is None else prediction.text)
