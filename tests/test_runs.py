"""What a run leaves behind, however it ends; what a held run waits for; what `check` foretells."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elmtex_batch import records
from elmtex_batch.cli import main
from elmtex_batch.errors import InputMissing, RunHeld, SettingsError
from elmtex_batch.fakes import PatternReader
from elmtex_batch.inputs import list_sources
from elmtex_batch.keys import text_key
from elmtex_batch.outlook import estimate_seconds, look_ahead
from elmtex_batch.plan import make_plan
from elmtex_batch.runs import Runs, raise_if_held, recorded
from elmtex_batch.schema import Schema
from elmtex_batch.settings import GateSettings, OcrSettings, Settings
from elmtex_batch.stages import Extract, NormaliseText, ReadAnswers, ReadPages
from elmtex_batch.summary import Summary
from elmtex_batch.warehouse import Warehouse

KEYS = {"schema": "elmtex/1", "model": "fake", "text_key": "key", "retried": None}
NAME = "Kanarienvogel"


def results(folder: Path, schema: Schema, model: str = "fake", text_key: str = "key") -> pa.Table:
    """A grown-up and a child, and a file that is no report, as they come out of the flow without Ray."""
    folder.mkdir(exist_ok=True)
    (folder / f"{NAME}.txt").write_text("A 45-year-old man. Glucose 98 mg/dl.", encoding="utf-8")
    (folder / "b.txt").write_text("A 3-month-old.", encoding="utf-8")
    (folder / "c.txt").write_bytes(b"%PDF-1.4 ")
    plan = make_plan(list_sources([str(folder)]), Warehouse(str(folder / "none")), Settings(), schema, model)
    table = plan.todo
    for stage in (
        ReadPages(Settings().pages, OcrSettings()),
        NormaliseText(10_000),
        ReadAnswers(PatternReader),
        Extract(schema, model, "run", text_key),
    ):
        table = stage(table)
    return table


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory, schema: Schema) -> Summary:
    summary = Summary("run", sources=3, documents=3)
    summary.add(results(tmp_path_factory.mktemp("in"), schema))
    return summary


def test_the_record_counts_what_was_published_and_names_nothing(tmp_path: Path, summary: Summary) -> None:
    with recorded(Runs(str(tmp_path)), summary, GateSettings(), KEYS):
        pass
    (row,) = Runs(str(tmp_path)).all()
    assert pq.read_schema(tmp_path / "runs" / "run.parquet").equals(records.RUNS)
    text = (tmp_path / "runs" / "run.json").read_text(encoding="utf-8")
    told = json.loads(text)
    assert NAME not in text and "Glucose" not in text and row["outcome"] == told["outcome"] == "published"
    assert told["statuses"] == {"extracted": 2, "rejected": 1} and told["reasons"] == {"damaged": 1}
    assert told["methods"] == {"plain": 2} and (told["pages"], told["tokens"], told["values"]) == (2, 8, 4)
    assert told["fill_rates"] | {"age": 1.0, "gender": 0.5, "laboratory_values": 0.5} == told["fill_rates"]
    assert told["mean_score"] == 1.0 and told["mean_ocr_confidence"] is None
    assert set(told["stages"]) == set(records.STAGES) and all(seconds > 0 for seconds in told["stages"].values())
    assert {"elmtex-batch", "ray", "torch", "tesseract", "python"} <= set(told["versions"])
    assert told | KEYS == told and row["started"].tzinfo


@pytest.mark.parametrize(("error", "outcome"), [(KeyboardInterrupt(), "interrupted"), (OSError(NAME), "failed")])
def test_a_run_that_is_stopped_leaves_a_record_too(
    tmp_path: Path, summary: Summary, error: BaseException, outcome: str
) -> None:
    with pytest.raises(type(error)), recorded(Runs(str(tmp_path)), summary, GateSettings(), KEYS):
        raise error
    (row,) = Runs(str(tmp_path)).all()
    assert (row["outcome"], row["error"]) == (outcome, type(error).__name__) and NAME not in str(row)


def test_a_record_that_cannot_be_written_hides_no_failure(tmp_path: Path, summary: Summary) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(ZeroDivisionError), recorded(Runs(str(tmp_path)), summary, GateSettings(), KEYS):
        raise ZeroDivisionError


def test_a_held_run_is_released_once(tmp_path: Path, schema: Schema, capfd: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    warehouse, runs = Warehouse.create(out), Runs(out)
    summary = Summary("run")
    summary.add(table := results(tmp_path / "in", schema))
    warehouse.write_results(table)
    with recorded(runs, summary, GateSettings(min_documents=3, max_rejected=0.2), KEYS):
        pass
    with pytest.raises(RunHeld, match=r"rejected_limit.*elmtex-batch release OUT run"):
        raise_if_held(summary)
    assert main(["status", out]) == 0 and "held rejected_limit" in capfd.readouterr().out
    assert main(["release", out, "run"]) == 0
    (row,) = runs.all()
    assert row["outcome"] == "published" and row["held_because"] == ["rejected_limit"]
    assert json.loads((tmp_path / "out" / "runs" / "run.json").read_bytes())["outcome"] == "published"
    with pytest.raises(SettingsError, match="not held but published"):
        runs.release("run")
    with pytest.raises(InputMissing, match="no record of a run other"):
        runs.release("other")


def test_a_run_is_released_after_its_record_was_merged_with_others(tmp_path: Path, summary: Summary) -> None:
    runs, gates = Runs(str(tmp_path)), GateSettings(min_documents=1, max_rejected=0.2)
    for run_id in ("a", "b", "c"):
        with recorded(runs, Summary(run_id, statuses=summary.statuses), gates, KEYS):
            pass
    Warehouse.create(str(tmp_path)).compact(1 << 20)
    assert len(list((tmp_path / "runs").glob("*.parquet"))) == 1
    runs.release("b")
    assert {row["run_id"]: row["outcome"] for row in runs.all()} == {"a": "held", "b": "published", "c": "held"}


def test_check_tells_new_changed_and_done_and_writes_nothing(
    tmp_path: Path, schema: Schema, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    before = look_ahead([str(Path(__file__))], str(out), Settings())
    assert (before.new, before.todo, before.seconds, out.exists()) == (1, 1, None, False)
    warehouse = Warehouse.create(str(out))
    table = results(folder, schema, before.model, text_key(Settings()))
    plan = make_plan(list_sources([str(folder)]), warehouse, Settings(), schema, before.model)
    warehouse.write_files(plan.files, plan.before, "run")
    warehouse.write_results(table)
    (folder / "b.txt").write_text("A 4-month-old girl.", encoding="utf-8")
    (folder / "new.txt").write_text("A 5-month-old.", encoding="utf-8")
    files = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    outlook = look_ahead([str(folder)], str(out), Settings())
    assert (outlook.files, outlook.done, outlook.new, outlook.changed, outlook.again) == (4, 2, 1, 1, 0)
    coarse = look_ahead([str(folder)], str(out), Settings(ocr=OcrSettings(dpi=150)))
    assert (coarse.done, coarse.again, coarse.without_reading) == (0, 2, 0)
    assert main(["check", str(folder), "--out", str(out)]) == 0 and "to do" in capfd.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == files


def test_the_time_is_estimated_from_runs_of_the_same_model() -> None:
    def run(documents: int, seconds: float, **changes: object) -> dict[str, object]:
        statuses = [{"status": "extracted", "documents": documents}]
        return {"statuses": statuses, "seconds": seconds, "outcome": "published", "model": "m", **changes}

    assert estimate_seconds(10, [], "m") is None
    assert estimate_seconds(10, [run(5, 20.0)], "m") == pytest.approx(40.0)
    steady = [run(100, 30.0), run(200, 40.0), run(900, 1.0, model="other"), run(900, 1.0, outcome="interrupted")]
    assert estimate_seconds(1_000, steady, "m") == pytest.approx(120.0)
    assert estimate_seconds(10, [run(10, 20.0), run(20, 10.0)], "m") == pytest.approx(10.0)
