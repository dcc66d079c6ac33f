"""Promises under attack, with real Ray: faults in the child that reads files, signals, and what others get to see."""

import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from canaries import CANARY, FAULTY

from elmtex_batch.fakes import PatternReader
from elmtex_batch.pipeline import Model, convert
from elmtex_batch.reasons import Code
from elmtex_batch.runs import Runs
from elmtex_batch.settings import OcrSettings, PageSettings, Settings
from elmtex_batch.warehouse import Warehouse


def rows(out: Path) -> list[tuple[str, str, str]]:
    return sorted(
        (row["doc_id"], row["status"], ",".join(reason["code"] for reason in row["reasons"]))
        for row in Warehouse.open(str(out)).ledger().to_pylist()
    )


def test_faults_cost_their_documents_only_and_can_be_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On this machine, although Ray's variable names a cluster, which no setting of ours does."""
    monkeypatch.setenv("RAY_ADDRESS", "203.0.113.1:6379")
    faults = {"segfault": "reader_crashed", "exit": "reader_crashed", "memory": "out_of_memory", "spin": "timed_out"}
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for i in range(20):
        (folder / f"{i:02}.txt").write_text(f"A {20 + i}-year-old man.", encoding="utf-8")
    for fault in faults:
        (folder / f"{fault}.txt").write_text(f"FAULT {fault} in a 50-year-old woman.", encoding="utf-8")
    settings = Settings(pages=PageSettings(page_timeout_s=1, memory_mb=2_000), ocr=OcrSettings(page_timeout_s=1))
    fake = Model("fake", PatternReader)
    summary = convert([str(folder)], str(out), settings, lambda _: None, fake, child=FAULTY)
    assert summary.statuses == {"extracted": 20, "rejected": 4}
    assert summary.reasons == Counter(faults.values())
    again = convert([str(folder)], str(out), settings, lambda _: None, fake, retried=Code.READER_CRASHED)
    assert again.statuses == {"extracted": 2} and again.skipped == 22
    assert Counter(state for _, state, _ in rows(out)) == {"extracted": 22, "rejected": 2}
    assert len({doc_id for doc_id, _, _ in rows(out)}) == 24


SCRIPT = """
import sys, time
from contextlib import nullcontext
from elmtex_batch import pipeline, progress
from elmtex_batch.cli import main
from elmtex_batch.fakes import PatternReader

class SlowReader(PatternReader):
    def read(self, texts):
        time.sleep(0.1 * len(texts))
        return super().read(texts)

pipeline.Model.from_settings = classmethod(lambda cls, *_: cls("fake", SlowReader))
progress.live_progress = lambda _: nullcontext(lambda summary: print(summary.done, flush=True))
sys.exit(main(["convert", {folder!r}, "--out", {out!r}]))
"""


@pytest.mark.usefixtures("present_ray")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_goes_on_without_loss_or_repetition(number: signal.Signals, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for i in range(120):
        (folder / f"{i:03}.txt").write_text(f"A {i}-year-old man.", encoding="utf-8")
    script = SCRIPT.format(folder=str(folder), out=str(out))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        for line in run.stdout:
            if line.strip().isdigit() and int(line) >= 16:
                break
        run.send_signal(number)
        begun = time.monotonic()
        code = run.wait(60)
    assert time.monotonic() - begun < 30
    assert code == (130 if number == signal.SIGTERM else -signal.SIGKILL)
    before = rows(out)
    outcomes = ["interrupted"] if number == signal.SIGTERM else []  # a run that is killed leaves no record
    assert [record["outcome"] for record in Runs(str(out)).all()] == outcomes
    assert (len(before) >= 16) == (number == signal.SIGTERM) and len(before) < 120
    summary = convert([str(folder)], str(out), Settings(), lambda _: None, Model("fake", PatternReader))
    assert summary.skipped == len(before) and summary.done == 120 - len(before)
    assert len(rows(out)) == len({doc_id for doc_id, _, _ in rows(out)}) == 120


def test_nothing_of_a_document_is_shown_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    """Names, texts, metadata, pictures and messages of errors hold a word that must turn up in the tables only."""
    folder, out, report = tmp_path / f"in-{CANARY}", tmp_path / "out", tmp_path / "report.txt"
    program = str(Path(__file__).with_name("canaries.py"))
    run = subprocess.run(
        [sys.executable, program, str(folder), str(out), str(report)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "logs of Ray searched" in run.stdout and not run.stdout.startswith("0 logs")
    assert CANARY not in run.stdout + run.stderr
    assert report.read_text() == ""
    ledger = Warehouse.open(str(out)).ledger().to_pylist()
    assert {reason["code"] for row in ledger for reason in row["reasons"]} == set(Code)
    assert CANARY not in str(ledger)
    texts = [str(row["text"]) for row in _tables(out, "documents")]
    assert sum(CANARY in text for text in texts) >= 6 and CANARY in " ".join(map(str, _tables(out, "items")))
    for table in {path.parent.name for path in out.rglob("*.parquet")} - {"documents", "items", "texts", "manifests"}:
        assert CANARY not in str(_tables(out, table)), table
    for path in out.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path.name


def _tables(out: Path, name: str) -> list[dict[str, object]]:
    return [row for path in (out / name).glob("*.parquet") for row in pq.read_table(path).to_pylist()]
