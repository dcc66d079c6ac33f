"""What a system found in annotated reports, and the JSON lines that carry it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elmtex_batch.errors import InputMissing
from elmtex_batch.schema import Schema


@dataclass(frozen=True, slots=True)
class Prediction:
    """The values found in one report, by category; None is an invalid output, of which nothing can be scored.

    `text` is what the system read where that is not the report's own text (a scan, say). `cut_short` tells whether the
    answer lost something to a limit; None means not known.
    """

    labels: Mapping[str, list[str]] | None
    text: str | None = None
    cut_short: bool | None = None


Predictions = Mapping[str, Prediction]
"""By report id. A report without one counts as an invalid output."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one system made of the reports, in one form of theirs (`form` is empty for ready predictions)."""

    name: str
    predictions: Predictions
    form: str = ""
    model: str = ""
    documents_per_second: float | None = None

    @property
    def title(self) -> str:
        return f"{self.name} · {self.form}" if self.form else self.name


def read_predictions(path: Path, schema: Schema) -> dict[str, Prediction]:
    """Predictions from JSON lines `{"id", "labels": {category: [value, ...]}}`; `labels: null` is an invalid output.

    `text` and `cut_short` may be there as well, see `Prediction`.

    Raises:
        InputMissing: the file cannot be read, or a line is not such a record.
        SettingsError: a category is not one of the schema's.
    """
    try:
        with path.open(encoding="utf-8") as file:
            records = [json.loads(line) for line in file if line.strip()]
        return {
            record["id"]: Prediction(_labels(record["labels"], schema), record.get("text"), record.get("cut_short"))
            for record in records
        }
    except OSError as error:
        raise InputMissing(f"cannot read the predictions: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputMissing("predictions are JSON lines with id and labels (category to list of values)") from None


def _labels(labels: Any, schema: Schema) -> dict[str, list[str]] | None:
    if labels is None:
        return None
    return schema.training_target({key: _values(values) for key, values in labels.items()})


def _values(values: Any) -> list[str]:
    found = [values] if isinstance(values, str) else list(values)
    if not all(isinstance(value, str) for value in found):
        raise TypeError("values are strings")
    return found


def write_predictions(predictions: Iterable[tuple[str, Prediction]], path: Path) -> None:
    """The same file, whole or not at all; read again it scores the same."""
    lines = [json.dumps({"id": key, **_fields(prediction)}, ensure_ascii=False) for key, prediction in predictions]
    hidden = path.with_name(f".{path.name}.part")
    hidden.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    hidden.replace(path)


def _fields(prediction: Prediction) -> dict[str, Any]:
    extra = {"text": prediction.text, "cut_short": prediction.cut_short}
    known = {name: value for name, value in extra.items() if value is not None}
    return {"labels": prediction.labels, **known}
