"""What Prometheus gets from a run."""

import re
import socket
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from elmtex_batch.fakes import PatternReader
from elmtex_batch.pipeline import Model, convert
from elmtex_batch.settings import RunSettings, Settings
from elmtex_batch.summary import Summary


def test_prometheus_finds_what_a_run_has_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.prometheus", reason="Ray's metrics need ray[default]")
    monkeypatch.setenv("RAY_metrics_report_interval_ms", "500")
    for i in range(3):
        (tmp_path / f"{i}.txt").write_text(f"A {i}-year-old man.", encoding="utf-8")
    (tmp_path / "empty.txt").write_text("")
    port, seen = _free_port(), ""

    def scrape(summary: Summary) -> None:
        nonlocal seen
        until = time.monotonic() + 40
        while summary.done == 4 and "elmtex_tokens" not in seen and time.monotonic() < until:
            time.sleep(0.5)
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                seen = answer.read().decode()

    settings = Settings(run=RunSettings(metrics_port=port))
    summary = convert([str(tmp_path)], str(tmp_path / "out"), settings, scrape, Model("fake", PatternReader))
    line = r'^ray_elmtex_(\w+?)(?:_total)?\{(?:.*\b(?:status|code|method)="(\w+)")?.*\} (\S+)$'
    figures = re.findall(line, seen, re.MULTILINE)
    counted = {(name, label): float(figure) for name, label, figure in figures}
    assert counted["documents", "extracted"] == 3 and counted["documents", "rejected"] == 1
    assert counted["reasons", "empty_file"] == 1 and counted["pages", "plain"] == 3
    assert counted["tokens", ""] == summary.tokens == 9


def _free_port() -> int:
    with socket.socket() as unbound:
        unbound.bind(("127.0.0.1", 0))
        return int(unbound.getsockname()[1])
