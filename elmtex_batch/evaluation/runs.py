"""Annotated reports through the converter, as any documents go, and what it published for each of them."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elmtex_batch.errors import InputMissing, OutputError
from elmtex_batch.evaluation.forms import FORMS, Form
from elmtex_batch.evaluation.predictions import Prediction, Run, read_predictions, write_predictions
from elmtex_batch.reasons import STAGE_OF, Code, Stage
from elmtex_batch.runs import Runs
from elmtex_batch.schema import Schema
from elmtex_batch.settings import Settings
from elmtex_batch.training.data import Report
from elmtex_batch.validate import Status

if TYPE_CHECKING:
    from elmtex_batch.pipeline import Model, Progress

PREDICTIONS = "predictions.jsonl"


def ready_run(name: str, path: Path, reports: Sequence[Report], schema: Schema) -> Run:
    """A run whose predictions are there already.

    Raises:
        InputMissing: the file cannot be read, or holds predictions for other reports only.
    """
    predictions = read_predictions(path, schema)
    if not predictions.keys() & {report.id for report in reports}:
        raise InputMissing(f"the predictions of {name} are for none of the annotated reports: no id is the same")
    return Run(name, predictions)


def converted_run(
    name: str,
    form: str,
    reports: Sequence[Report],
    settings: Settings,
    folder: Path,
    progress: "Progress",
    model: "Model | None" = None,
) -> Run:
    """A run of the converter on the reports in one form; `folder` keeps files, tables and predictions.

    A folder that was left half done with the same settings is completed, any other is made anew. Documents per second
    are those of all runs that it took, start-up included.

    Raises:
        ElmtexError: what stops a conversion.
    """
    from elmtex_batch.pipeline import convert

    _prepare(folder, form, reports, settings)
    converted = str(folder / "converted")
    convert([str(folder / "inputs")], converted, settings, progress, model)
    rows = _published(folder / "converted" / "documents")
    # Reports with the same content share one row.
    found = {reports[int(Path(source).stem)].id: _prediction(row) for row in rows for source in row["sources"]}
    write_predictions(((report.id, found[report.id]) for report in reports), folder / PREDICTIONS)
    records = Runs(converted).all()
    seconds = sum(record["seconds"] for record in records)
    done = sum(status["documents"] for record in records for status in record["statuses"])
    return Run(name, found, form, rows[0]["model"], done / seconds if done else None)


def _prepare(folder: Path, form: str, reports: Sequence[Report], settings: Settings) -> None:
    """The reports as files, named by their number: an id need not make a file name."""
    content = hashlib.sha256("\0".join(part for report in reports for part in (report.id, report.text)).encode())
    stamp = json.dumps([form, settings.model_dump(mode="json"), content.hexdigest()])
    try:
        if not _is_stamped(folder, stamp):
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "inputs").mkdir(parents=True)
            _render(reports, FORMS[form], folder / "inputs")
            (folder / "stamp.json").write_text(stamp, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write to the output folder: {error.strerror}") from None


def _is_stamped(folder: Path, stamp: str) -> bool:
    path = folder / "stamp.json"
    return path.exists() and path.read_text(encoding="utf-8") == stamp


def _render(reports: Sequence[Report], form: Form, folder: Path) -> None:
    for number, report in enumerate(reports):
        (folder / f"{number}.{form.suffix}").write_bytes(form.render(report))


def _published(documents: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    columns = ["sources", "status", "reasons", "text", "extraction", "model"]
    rows: list[dict[str, Any]] = pq.read_table(documents, columns=columns).to_pylist()
    return rows


def _prediction(row: dict[str, Any]) -> Prediction:
    if row["status"] == Status.REJECTED.value:
        return Prediction(None, row["text"], None)
    labels = {key: [value["value"] for value in values] for key, values in row["extraction"].items() if values}
    stages = {STAGE_OF[Code(reason["code"])] for reason in row["reasons"]}
    # These two stages leave a reason only where a limit took something from the answer.
    return Prediction(labels, row["text"], bool(stages & {Stage.MODEL, Stage.VALIDATION}))
