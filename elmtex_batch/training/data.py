"""Annotated reports: JSON lines of text and verbatim labels, with each label found again in its text."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from elmtex_batch.errors import InputMissing
from elmtex_batch.schema import Schema
from elmtex_batch.tags import Gold


@dataclass(frozen=True, slots=True)
class Report:
    """One annotated report. `labels`: for each category of the schema the values, verbatim, in order of appearance."""

    id: str
    language: str
    text: str
    labels: dict[str, list[str]]


def read_reports(path: Path, schema: Schema) -> list[Report]:
    """Reports from JSON lines with `id`, `lang`, `text` and `labels` (category to list of verbatim values).

    Raises:
        InputMissing: the file cannot be read, or a line is not such a record.
        SettingsError: a label names a category that the schema does not have.
    """
    try:
        with path.open(encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        return [Report(r["id"], r["lang"], r["text"], schema.training_target(r["labels"])) for r in records]
    except OSError as error:
        raise InputMissing(f"cannot read the annotated reports: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise InputMissing("annotated reports are JSON lines with id, lang, text and labels") from None


def place(report: Report) -> tuple[list[Gold], int]:
    """Where in the text the labels stand, and how many could not be placed.

    Labels are strings, so a value that occurs several times is ambiguous. Long values, mostly unique, are placed first;
    a short one then takes the first free occurrence between its neighbours in the list (values stand in order of
    appearance), else the first free one. What remains of a placed value's occurrences is undecided: no loss is taken.
    """
    placed: dict[tuple[str, int], Gold] = {}
    wanted = [(key, i, value) for key, values in report.labels.items() for i, value in enumerate(values)]
    for key, i, value in sorted(wanted, key=lambda item: -len(item[2])):
        free = [span for span in _occurrences(report.text, value) if not _overlaps(span, placed.values())]
        if free:
            low, high = _neighbours(placed, key, i)
            start, end = min(free, key=lambda span: (not low <= span[0] < high, span[0]))
            placed[key, i] = Gold(key, start, end)
    golds = sorted(placed.values(), key=lambda gold: gold.start)
    return golds + list(_undecided(report.text, golds)), len(wanted) - len(placed)


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
    for gold in golds:
        for span in _occurrences(text, text[gold.start : gold.end]):
            if not _overlaps(span, golds):
                yield Gold(None, *span)
