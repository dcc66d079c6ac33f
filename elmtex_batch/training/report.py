"""One annotated report, and where in its text the labels stand."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from elmtex_batch.tags import Gold

COPY = "#"
"""Parts a report's id from what was done to a copy of it: `letter-7#scan2`."""


@dataclass(frozen=True, slots=True)
class Report:
    """One annotated report.

    `labels`: for each category of the schema the values in order of appearance, verbatim as a rule; those that are not
    serve generators in the paper's format only. `spans`: exactly where the values stand, where that is known; None as a
    category marks text whose annotation is undecided. `patient`: whose report it is, empty if unknown.
    """

    id: str
    language: str
    text: str
    labels: dict[str, list[str]]
    source: str = ""
    patient: str = ""
    spans: tuple[Gold, ...] | None = None

    @property
    def person(self) -> str:
        """What must not be parted between training and evaluation: all reports of a patient, all copies of a report."""
        return self.patient or self.id.split(COPY)[0]


def place(report: Report) -> tuple[list[Gold], int]:
    """Where in the text the labels stand, and how many could not be placed.

    Spans that the report brings are taken as they are. Otherwise labels are strings, so a value that occurs several
    times is ambiguous: long values, mostly unique, are placed first; a short one then takes the first free occurrence
    between its neighbours in the list (values stand in order of appearance), else the first free one. What remains of a
    placed value's occurrences is undecided: no loss is taken.
    """
    golds = _search(report) if report.spans is None else sorted(report.spans, key=lambda gold: gold.start)
    found = {(gold.category, report.text[gold.start : gold.end]) for gold in golds}
    missing = sum((key, value) not in found for key, values in report.labels.items() for value in values)
    return golds + list(_undecided(report.text, golds)), missing


def _search(report: Report) -> list[Gold]:
    placed: dict[tuple[str, int], Gold] = {}
    wanted = [(key, i, value) for key, values in report.labels.items() for i, value in enumerate(values)]
    for key, i, value in sorted(wanted, key=lambda item: -len(item[2])):
        free = [span for span in _occurrences(report.text, value) if not _overlaps(span, placed.values())]
        if free:
            low, high = _neighbours(placed, key, i)
            start, end = min(free, key=lambda span: (not low <= span[0] < high, span[0]))
            placed[key, i] = Gold(key, start, end)
    return sorted(placed.values(), key=lambda gold: gold.start)


def _occurrences(text: str, value: str) -> list[tuple[int, int]]:
    """Whole words where there are any ("he" is not looked for in "the"), else anywhere."""
    spans = [match.span() for match in re.finditer(re.escape(value), text)]
    whole = [(a, b) for a, b in spans if not _inner(text, a) and not _inner(text, b)]
    return whole or spans


def _inner(text: str, position: int) -> bool:
    return 0 < position < len(text) and text[position - 1].isalnum() and text[position].isalnum()


def _overlaps(span: tuple[int, int], placed: Iterable[Gold]) -> bool:
    return any(span[0] < gold.end and gold.start < span[1] for gold in placed)


def _neighbours(placed: dict[tuple[str, int], Gold], key: str, index: int) -> tuple[int, float]:
    """Between which offsets the value with this index should begin, as far as its list's placed values tell."""
    before = [gold.end for (k, i), gold in placed.items() if k == key and i < index]
    behind = [gold.start for (k, i), gold in placed.items() if k == key and i > index]
    return max(before, default=0), min(behind, default=float("inf"))


def _undecided(text: str, golds: list[Gold]) -> Iterator[Gold]:
    for value in dict.fromkeys(text[gold.start : gold.end] for gold in golds if gold.category is not None):
        for span in _occurrences(text, value):
            if not _overlaps(span, golds):
                yield Gold(None, *span)
