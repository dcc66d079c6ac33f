"""What people and machines see of a run."""

import json
import os
import pty
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from elmtex_batch.cli import main
from elmtex_batch.logs import show_log
from elmtex_batch.progress import live_progress, print_summary
from elmtex_batch.summary import Summary

SCRIPT = """
from collections import Counter
from elmtex_batch.progress import live_progress
from elmtex_batch.summary import Summary

summary = Summary("run", documents=100, seconds=10.0)
with live_progress() as progress:
    for done in range(0, 101, 20):
        summary.statuses = Counter(extracted=done)
        progress(summary)
"""


def test_a_cron_log_stays_short_and_plain(capfd: pytest.CaptureFixture[str]) -> None:
    show_log("text")
    summary = Summary("run", documents=100, seconds=10.0)
    with live_progress() as progress:
        for done in range(101):
            summary.statuses = Counter(extracted=done)
            progress(summary)
    assert capfd.readouterr().err == "elmtex-batch: 100 to do\n"


def test_a_terminal_shows_states_rate_and_time_left() -> None:
    own, terminal = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=terminal, env={**os.environ, "COLUMNS": "160"}) as run:
        assert run.wait(60) == 0
    os.close(terminal)
    shown = os.read(own, 1 << 16).decode()
    os.close(own)
    assert all(text in shown for text in ("100/100", "100 extracted", "10.00 documents/s", "left"))


def test_a_json_log_has_an_object_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    show_log("json")
    summary = Summary("run", documents=3, statuses=Counter(extracted=2, rejected=1), held_because=("rejected_limit",))
    with live_progress("json") as progress:
        progress(summary)
    print_summary(summary, "json")
    out, err = capfd.readouterr()
    first, last = map(json.loads, err.splitlines())
    assert out == "" and first["message"] == "3 of 3 documents, 0 pages" and first["todo"] == 3
    assert {"run_id": "run", "statuses": {"extracted": 2, "rejected": 1}, "level": "info"}.items() <= last.items()
    assert last["message"] == "ended" and last["held_because"] == ["rejected_limit"] and last["time"].endswith("+00:00")


def test_failures_are_json_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "nothing"), "--out", str(tmp_path), "--log", "json"]) == 4
    line = json.loads(capfd.readouterr().err)
    assert (line["level"], line["error"], line["exit_code"]) == ("error", "InputMissing", 4)
