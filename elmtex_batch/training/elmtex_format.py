"""The ELMTEX data set as published (Zenodo 14793810, arXiv 2502.05638, CC BY 4.0).

A JSON list (or JSON lines) of records with `report`, `summary` and `patient_uid`. `summary` is an object (or the same
as a JSON string) of 15 strings; several entries are joined by `;`, a missing one is `N/A`.
"""

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from elmtex_batch.language import detect_language
from elmtex_batch.schema import Schema
from elmtex_batch.training.report import Report

SEPARATOR, MISSING = ";", "N/A"

_SPACES = re.compile(r"\s+")


def is_record(record: Any) -> bool:
    """Whether a parsed JSON value looks like a record of this data set."""
    return isinstance(record, dict) and "report" in record and "summary" in record


def to_reports(records: Iterable[Any], schema: Schema) -> list[Report]:
    """Records as reports; a value that the text has in other case or spacing is replaced by the text's own words.

    Values that the text does not have at all stay among the labels, where generators in the paper's format may learn
    them; how many there are is logged for each category.

    Raises:
        SettingsError: a summary has a category that the schema does not have.
        KeyError, TypeError, ValueError: a record is not of this form.
    """
    reports = [_report(record, schema) for record in records]
    _log_paraphrased(reports)
    return reports


def entries(field: object) -> list[str]:
    """The values of one field of a summary: each once, in their order."""
    values = (_SPACES.sub(" ", part).strip() for part in str(field).split(SEPARATOR))
    return list(dict.fromkeys(value for value in values if value and value.upper() != MISSING))


def to_record(text: str, labels: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A report and its values as a record of the data set; a value with a `;` of its own reads back as two."""
    fields = {key: f"{SEPARATOR} ".join(dict.fromkeys(values)) or MISSING for key, values in labels.items()}
    return {"report": text, "summary": fields}


def _report(record: Any, schema: Schema) -> Report:
    text, summary = record["report"], record["summary"]
    fields = json.loads(summary) if isinstance(summary, str) else summary
    labels = {key: [] if field is None else entries(field) for key, field in fields.items()}
    labels = {key: list(dict.fromkeys(_as_in_text(v, text) or v for v in values)) for key, values in labels.items()}
    patient = str(record.get("patient_uid") or "")
    # A patient may have several reports, so the text has a share in the id.
    name = f"{patient or 'report'}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return Report(name, detect_language(text), text, schema.training_target(labels), "elmtex", patient)


def _as_in_text(value: str, text: str) -> str | None:
    """The text's own words for a value: whole words, the same case if possible, any spacing but line ends."""
    words = r"[^\S\n]+".join(map(re.escape, value.split()))
    pattern = rf"(?<!\w){words}(?!\w)"
    found = re.search(pattern, text) or re.search(pattern, text, re.IGNORECASE)
    return found.group() if found else None


def _log_paraphrased(reports: list[Report]) -> None:
    total = sum(len(values) for report in reports for values in report.labels.values())
    missing = Counter(
        key for report in reports for key, values in report.labels.items() for v in values if v not in report.text
    )
    if missing:
        told = ", ".join(f"{key} {count}" for key, count in missing.most_common())
        message = "%d of %d values are worded otherwise than in their report and no targets for a tagger: %s"
        logging.getLogger(__name__).warning(message, missing.total(), total, told)
