"""The record of every run in `OUT/runs/`: a row of `records.RUNS` as a part of its own, and the same as JSON."""

import json
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import pyarrow as pa
import pytesseract

from elmtex_batch import records
from elmtex_batch.errors import InputMissing, RunHeld, SettingsError
from elmtex_batch.gates import judge
from elmtex_batch.records import Row
from elmtex_batch.settings import GateSettings
from elmtex_batch.summary import Summary
from elmtex_batch.tables import Tables
from elmtex_batch.versions import RUNS

_PACKAGES = ("elmtex-batch", "ray", "pyarrow", "torch", "transformers", "peft", "pypdfium2", "tesserocr")
"""Whose versions are recorded, beside those of Python and Tesseract."""


class Runs:
    """The records of an output folder; those of runs that were killed are missing."""

    def __init__(self, uri: str) -> None:
        self._tables = Tables(uri)

    def all(self) -> list[Row]:
        """Rows of `records.RUNS`, in the order of time."""
        return [row for part in self._tables.parts(RUNS) for row in self._tables.read(RUNS, part).to_pylist()]

    def add(self, record: Row) -> None:
        """Publishes the record of a run that has none yet.

        Raises:
            OutputError: it cannot be written.
        """
        self._tables.create(RUNS)
        self._write(f"{record['run_id']}.parquet", pa.Table.from_pylist([record], records.RUNS), record)

    def release(self, run_id: str) -> None:
        """Publishes a run that is held.

        Raises:
            InputMissing: there is no such run.
            SettingsError: it is not held.
        """
        for part in self._tables.parts(RUNS):
            runs = self._tables.read(RUNS, part)
            rows = runs.to_pylist()
            for row in rows:
                if row["run_id"] == run_id:
                    _publish(row)
                    self._write(part, pa.Table.from_pylist(rows, runs.schema), row)
                    return
        raise InputMissing(f"this output folder has no record of a run {run_id}; `elmtex-batch status` lists them")

    def _write(self, part: str, runs: pa.Table, record: Row) -> None:
        self._tables.write(RUNS, runs, part)
        self._tables.write_file(RUNS, f"{record['run_id']}.json", _as_json(record))


@contextmanager
def recorded(runs: Runs, summary: Summary, gates: GateSettings, keys: Mapping[str, str | None]) -> Iterator[None]:
    """Leaves a record of the run, however it ends: only a process that is killed leaves none.

    `keys`: `schema`, `model`, `text_key` and `retried` of `records.RUNS`. A run that the gates stop is told in
    `summary.held_because`.

    Raises:
        OutputError: the record of a run that went well cannot be written.
    """
    try:
        yield
    except BaseException as error:
        outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        with suppress(Exception):  # what stopped the run is to be told, not what came of it
            runs.add(_record(summary, keys) | {"outcome": outcome, "error": type(error).__name__})
        raise
    record = _record(summary, keys)
    summary.held_because = tuple(judge(record, runs.all(), gates))
    outcome = "held" if summary.held_because else "published"
    runs.add({**record, "outcome": outcome, "held_because": list(summary.held_because)})


def raise_if_held(summary: Summary) -> None:
    """For whoever started the run.

    Raises:
        RunHeld: a quality gate holds it.
    """
    if summary.held_because:
        raise RunHeld(
            f"the run {summary.run_id} is held ({', '.join(summary.held_because)}): look at it, "
            f"then publish it with `elmtex-batch release OUT {summary.run_id}`"
        )


def _publish(record: Row) -> None:
    if record["outcome"] != "held":
        raise SettingsError(f"the run {record['run_id']} is not held but {record['outcome']}: nothing to release")
    record["outcome"] = "published"


def _record(summary: Summary, keys: Mapping[str, str | None]) -> Row:
    seconds = time.monotonic() - summary.begun
    plain = ("run_id", "sources", "documents", "skipped", "pages", "tokens", "values", "values_ungrounded")
    return {
        **{name: getattr(summary, name) for name in plain},
        **keys,
        "started": datetime.now(UTC) - timedelta(seconds=seconds),
        "seconds": seconds,
        "statuses": _pairs(summary.statuses, "status", "documents"),
        "reasons": _pairs(summary.reasons, "code", "documents"),
        "methods": _pairs(summary.methods, "method", "pages"),
        "stages": _pairs(summary.stages, "stage", "seconds"),
        "fill_rates": _pairs(summary.fill_rates(), "category", "share"),
        "mean_score": summary.score.value,
        "mean_ocr_confidence": summary.ocr_confidence.value,
        "versions": _pairs(_versions(), "name", "version"),
        "held_because": [],
    }


def _pairs(values: Mapping[str, object], key: str, value: str) -> list[Row]:
    return [{key: name, value: figure} for name, figure in values.items()]


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in _PACKAGES}
    return {**found, "python": platform.python_version(), "tesseract": str(pytesseract.get_tesseract_version())}


def _as_json(record: Row) -> bytes:
    """Lists of pairs as objects, which is how people and `jq` like them."""
    told = {name: _as_object(value) for name, value in record.items()}
    return json.dumps(told, indent=2, default=datetime.isoformat).encode() + b"\n"


def _as_object(value: object) -> object:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return dict(tuple(pair.values()) for pair in value)
    return value
