"""Where a run went wrong, report by report: its text with annotated and predicted values marked, and what differs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from elmtex_batch.evaluation.entities import EXACT, RELAXED, Counts, Labels, count_matches, micro, pair_off
from elmtex_batch.evaluation.predictions import Prediction, Run
from elmtex_batch.evaluation.tallies import is_grounded
from elmtex_batch.training.data import Report, place

Kind = Literal["plain", "found", "missed", "invented", "confused"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a report's text; all its characters are marked alike. `title` says what with."""

    text: str
    kind: Kind
    title: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What is wrong in one category. `shifted`: annotated and predicted value of each match that is not exact."""

    category: str
    missed: tuple[str, ...]
    invented: tuple[str, ...]
    shifted: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Review:
    """One report in one run."""

    run: str
    valid: bool
    f1: float
    pieces: tuple[Piece, ...]
    differences: tuple[Difference, ...]
    ungrounded: tuple[str, ...]
    """Predicted values that do not stand in the text that was read."""


def review(report: Report, run: Run, titles: Mapping[str, str]) -> Review:
    """Compares one report's prediction with its annotation, strictly. `titles`: categories as shown, in order."""
    prediction = run.predictions.get(report.id, Prediction(None))
    found: Labels = prediction.labels or {}
    total = micro([count_matches(report.labels, found, RELAXED)])
    differences = (_difference(title, report.labels.get(key, ()), found.get(key, ())) for key, title in titles.items())
    return Review(
        run=run.title,
        valid=prediction.labels is not None,
        f1=total.f1 if total != Counts() else 1.0,
        pieces=tuple(_pieces(report, found, titles)),
        differences=tuple(d for d in differences if d.missed or d.invented or d.shifted),
        ungrounded=tuple(v for vs in found.values() for v in vs if not is_grounded(v, report, prediction)),
    )


def _difference(title: str, gold: Sequence[str], found: Sequence[str]) -> Difference:
    pairs, same = pair_off(gold, found, RELAXED), set(pair_off(gold, found, EXACT))
    left, right = {i for i, _ in pairs}, {j for _, j in pairs}
    return Difference(
        title,
        missed=tuple(value for i, value in enumerate(gold) if i not in left),
        invented=tuple(value for j, value in enumerate(found) if j not in right),
        shifted=tuple((gold[i], found[j]) for i, j in sorted(pairs) if (i, j) not in same),
    )


def _pieces(report: Report, found: Labels, titles: Mapping[str, str]) -> list[Piece]:
    """The text, cut wherever a value begins or ends. A value that does not stand in the text marks nothing."""
    golds = _spans(report)
    predicted = {key: [value for value in values if value] for key, values in found.items()}
    founds = _spans(replace(report, labels=predicted, spans=None))
    cuts = sorted({0, len(report.text), *(cut for _, *span in [*golds, *founds] for cut in span)})
    return [
        _piece(report.text[start:end], _at(start, golds, titles), _at(start, founds, titles))
        for start, end in pairwise(cuts)
    ]


def _spans(report: Report) -> list[tuple[str, int, int]]:
    placed, _ = place(report)
    return [(gold.category, gold.start, gold.end) for gold in placed if gold.category is not None]


def _at(position: int, spans: Sequence[tuple[str, int, int]], titles: Mapping[str, str]) -> str | None:
    """Placed values never overlap, so at most one covers a position."""
    return next((titles[category] for category, start, end in spans if start <= position < end), None)


def _piece(text: str, gold: str | None, found: str | None) -> Piece:
    if gold is None and found is None:
        return Piece(text, "plain", "")
    if gold == found:
        return Piece(text, "found", f"{gold}: found")
    if found is None:
        return Piece(text, "missed", f"{gold}: missed")
    if gold is None:
        return Piece(text, "invented", f"{found}: not annotated")
    return Piece(text, "confused", f"{gold}, predicted as {found}")
