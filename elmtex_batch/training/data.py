"""Annotated reports from files: the project's JSON lines, the ELMTEX data set's records, letters with inline markup."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from elmtex_batch.errors import InputMissing
from elmtex_batch.schema import Schema
from elmtex_batch.tags import Gold
from elmtex_batch.training import elmtex_format
from elmtex_batch.training.markup import read_letters
from elmtex_batch.training.report import Report, place

__all__ = ["Report", "fraction", "place", "read_reports", "split_by_patient", "to_record"]

_FORMATS = (
    "annotated reports are JSON lines with id, lang, text and labels, records of the ELMTEX data set with report and "
    "summary (JSON lines or one list), or a folder of letters with inline markup"
)


def read_reports(path: Path, schema: Schema) -> list[Report]:
    """Annotated reports from a file or folder; its content tells in which format.

    - JSON lines with `id`, `lang`, `text` and `labels` (category to list of verbatim values); optional are `source`,
      `patient` and `spans` (`[category or null, start, end]`, see `Report`).
    - Records of the ELMTEX data set: see `elmtex_batch.training.elmtex_format`.
    - A folder of letters with inline markup: see `elmtex_batch.training.markup`.

    Raises:
        InputMissing: the file cannot be read, or a record is not of these formats.
        SettingsError: a label names a category that the schema does not have.
    """
    try:
        if path.is_dir():
            return read_letters(path, schema)
        records = _parse(path.read_text(encoding="utf-8"))
        if any(map(elmtex_format.is_record, records)):
            return elmtex_format.to_reports(records, schema)
        return [_report(record, schema) for record in records]
    except OSError as error:
        raise InputMissing(f"cannot read the annotated reports: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputMissing(_FORMATS) from None


def to_record(report: Report) -> dict[str, Any]:
    """A report as `read_reports` takes it, one JSON object a line."""
    record = {"id": report.id, "lang": report.language, "source": report.source, "patient": report.patient}
    spans = [[gold.category, gold.start, gold.end] for gold in report.spans or ()]
    placed = {} if report.spans is None else {"spans": spans}
    return {**record, "text": report.text, "labels": report.labels, **placed}


def split_by_patient(reports: Iterable[Report], dev_share: float, seed: int = 0) -> tuple[list[Report], list[Report]]:
    """Reports for training and for development, about `dev_share` (0 to 1) of them for the latter.

    All reports of one patient fall on the same side, and stay there when reports are added.
    """
    train: list[Report] = []
    dev: list[Report] = []
    for report in reports:
        (dev if fraction(seed, report.person) < dev_share else train).append(report)
    return train, dev


def fraction(seed: int, name: str) -> float:
    """A number from 0 to below 1 that looks random and is always the same for the same arguments."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:6]) / 2**48


def _parse(content: str) -> list[Any]:
    if content.lstrip().startswith("["):
        records: list[Any] = json.loads(content)
        return records
    return [json.loads(line) for line in content.split("\n") if line.strip()]


def _report(record: Any, schema: Schema) -> Report:
    return Report(
        record["id"],
        record["lang"],
        record["text"],
        schema.training_target(record["labels"]),
        record.get("source", ""),
        record.get("patient", ""),
        _spans(record, schema) if "spans" in record else None,
    )


def _spans(record: Any, schema: Schema) -> tuple[Gold, ...]:
    spans = tuple(Gold(category, start, end) for category, start, end in record["spans"])
    if not all(0 <= s.start < s.end <= len(record["text"]) and s.category in (None, *schema.keys) for s in spans):
        raise ValueError("a span outside its text, or of an unknown category")
    return spans
