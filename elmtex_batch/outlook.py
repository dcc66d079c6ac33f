"""What a conversion would do, told without doing it: nothing is written, and no document opened."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elmtex_batch.choice import choose_model
from elmtex_batch.inputs import Source, list_sources
from elmtex_batch.keys import text_key
from elmtex_batch.pages.ocr import check_tesseract
from elmtex_batch.records import Row
from elmtex_batch.runs import Runs
from elmtex_batch.schema import load_schema
from elmtex_batch.settings import Settings
from elmtex_batch.warehouse import Warehouse

_RUNS = 10
"""The last ones, from which the time is estimated."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Files of a conversion, by what is known of them from the lists of earlier runs."""

    model: str
    files: int
    done: int
    new: int
    """No earlier run saw them. Those that are copies of others turn out as done."""
    changed: int
    """They had another size or time of modification when an earlier run saw them."""
    again: int
    """Unchanged, but not yet done with this schema, model and settings of OCR and text."""
    without_reading: int
    """Of these, the ones whose text is in `texts/`: the model alone has work."""
    seconds: float | None
    """Estimated from the last runs; None where there is none to learn from."""

    @property
    def todo(self) -> int:
        return self.new + self.changed + self.again


def look_ahead(inputs: Sequence[str], out: str, settings: Settings) -> Outlook:
    """Settings, tools, adapter and inputs are checked as `convert` does; the base model is not loaded.

    Raises:
        ElmtexError: what would stop a conversion before its first document.
    """
    schema = load_schema(settings.schema_)
    sources = list_sources(inputs)
    check_tesseract(settings.ocr)
    model = choose_model(settings.model, schema).name
    warehouse, key = Warehouse(out), text_key(settings)
    seen = {row["source"]: row for row in warehouse.files().to_pylist()}
    done, stored = warehouse.ids_done(schema, model, key), warehouse.texts_with(key)
    new = [source for source in sources if source.path not in seen]
    unchanged = [seen[source.path]["doc_id"] for source in sources if _is_unchanged(source, seen)]
    again = [doc_id for doc_id in unchanged if doc_id not in done]
    changed = len(sources) - len(new) - len(unchanged)
    todo = len(new) + changed + len(again)
    return Outlook(
        model,
        len(sources),
        len(unchanged) - len(again),
        len(new),
        changed,
        len(again),
        sum(doc_id in stored for doc_id in again),
        estimate_seconds(todo, Runs(out).all(), model) if todo else 0.0,
    )


def estimate_seconds(documents: int, runs: Sequence[Row], model: str) -> float | None:
    """Of a run with so many documents, from the last runs (`records.RUNS`) of the same model.

    A line is laid through them by least squares: start-up, and seconds per document. Where that makes no sense, as with
    a single run, the time per document is theirs, start-up included. None without runs.
    """
    done = [(sum(s["documents"] for s in run["statuses"]), run["seconds"]) for run in runs if _is_telling(run, model)]
    last = [pair for pair in done if pair[0]][-_RUNS:]
    if not last:
        return None
    counts, seconds = np.array(last, float).T
    if len(set(counts)) > 1:
        slope, start = np.polyfit(counts, seconds, 1)
        if slope > 0 and start >= 0:
            return float(start + slope * documents)
    return float(seconds.sum() / counts.sum() * documents)


def _is_telling(run: Row, model: str) -> bool:
    return run["outcome"] in ("published", "held") and run["model"] == model


def _is_unchanged(source: Source, seen: dict[str, Row]) -> bool:
    row = seen.get(source.path)
    return row is not None and (row["size"], row["modified"]) == (source.size, source.modified)
