"""Long attacks, run by `make soak`; `test_mutated_files_never_harm_the_parent` runs in small in the normal suite."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from canaries import FAULTY
from test_reliability import SCRIPT, rows

from elmtex_batch.fakes import PatternReader
from elmtex_batch.pipeline import Model, convert
from elmtex_batch.sandbox import CHILD, Sandbox
from elmtex_batch.settings import OcrSettings, PageSettings, Settings
from elmtex_batch.summary import Summary

SAMPLES = Path(__file__).parent.parent / "sample_inputs"
FAKE = Model("fake", PatternReader)


@pytest.mark.soak
def test_a_thousand_documents_of_which_one_in_six_breaks_its_reader(tmp_path: Path) -> None:
    codes = {
        "segfault": "reader_crashed", "exit": "reader_crashed", "memory": "out_of_memory", "hang": "timed_out",
        "recursion": "internal_error",
    }  # fmt: skip
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(840):
        (folder / f"{i:04}.txt").write_text(f"A {i}-day-old girl, no. {i}.", encoding="utf-8")
    for i, fault in enumerate(codes):
        for j in range(32):
            (folder / f"{i}-{j}.txt").write_text(f"FAULT {fault} no. {j}", encoding="utf-8")
    settings = Settings(pages=PageSettings(page_timeout_s=1, memory_mb=2_000), ocr=OcrSettings(page_timeout_s=1))
    summary = convert([str(folder)], str(tmp_path / "out"), settings, lambda _: None, FAKE, child=FAULTY)
    assert summary.statuses == {"extracted": 840, "rejected": 160}
    assert summary.reasons == {code: 32 * count for code, count in Counter(codes.values()).items()}


@pytest.mark.soak
def test_fifty_kills_at_random_moments(tmp_path: Path) -> None:
    """At most the documents of one unpublished part are done again after each."""
    rng = random.Random(0)
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (tmp_path / "job.toml").write_text("[run]\npart_documents = 8\nbatch_documents = 4\n")
    for i in range(2_000):
        (folder / f"{i:04}.txt").write_text(f"A {i}-day-old boy, no. {i}.", encoding="utf-8")
    script = SCRIPT.format(folder=str(folder), out=str(out)).replace(
        '"--out"', f'"--config", {str(tmp_path / "job.toml")!r}, "--out"'
    )
    published = 0
    for number in range(50):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout
            next(line for line in run.stdout if line.strip().isdigit() and int(line) > 0)
            time.sleep(rng.uniform(0, 3))
            run.send_signal(signal.SIGKILL)
        found = rows(out)
        assert len(found) == len({doc_id for doc_id, _, _ in found}) >= published
        published = len(found)
        print(number + 1, "kills,", published, "documents", flush=True)
        for path in out.rglob("*.parquet"):
            pq.read_table(path)
    summary = convert([str(folder)], str(out), Settings(), lambda _: None, FAKE)
    assert 0 < summary.skipped == published < 2_000
    assert len(rows(out)) == len({doc_id for doc_id, _, _ in rows(out)}) == 2_000


@pytest.mark.soak
@pytest.mark.skipif("HOSTILE" not in os.environ, reason="HOSTILE names no folder of hostile files")
def test_every_hostile_file_is_one_row(tmp_path: Path) -> None:
    """Of a collection of one's own: `make soak HOSTILE=FOLDER`. The table of reasons is for people to look at."""
    folder = os.environ["HOSTILE"]
    summary = convert([folder], str(tmp_path / "out"), Settings(), lambda _: None, FAKE)
    found = rows(tmp_path / "out")
    for (state, reasons), count in sorted(Counter((state, reasons) for _, state, reasons in found).items()):
        print(f"{state:10} {reasons:20} {count}")
    assert len(found) == len({doc_id for doc_id, _, _ in found}) == summary.documents > 0
    assert not {"reader_crashed", "internal_error"} & set(summary.reasons)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """With a Tesseract that only fails, at once: what is attacked is all before it."""
    (tmp_path / "tesserocr.py").write_text("class PSM: AUTO = 3\ndef PyTessBaseAPI(**_): raise RuntimeError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    sandbox = Sandbox(CHILD, PageSettings(page_timeout_s=20, max_megapixels=20), OcrSettings(page_timeout_s=5))
    yield sandbox
    sandbox.stop()


@pytest.mark.parametrize("count", [100, pytest.param(20_000, marks=pytest.mark.soak)])
def test_mutated_files_never_harm_the_parent(count: int, sandbox: Sandbox) -> None:
    """Bits flipped, bytes cut out, ends cut off; small files, so that a flip hits something that matters."""
    rng = random.Random(1)
    files = sorted(path.read_bytes() for path in SAMPLES.iterdir() if path.stat().st_size < 120_000)
    states: Counter[str] = Counter()
    for number in range(count):
        if number % 1_000 == 999:
            print(number + 1, dict(states), flush=True)
        data = bytearray(rng.choice(files))
        for _ in range(rng.choice([1, 4, 64])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        cut = rng.randrange(len(data))
        if rng.random() < 0.3:
            del data[cut : cut + rng.choice([1, 100, len(data)])]
        row = sandbox.read(bytes(data))
        assert row["pages"] or row["reasons"]
        states.update({reason["code"] for reason in row["reasons"]} or {"read"})
    assert states["read"] > 0 and sum(states.values()) > states["read"]
    print(dict(states))


@pytest.mark.soak
def test_memory_stays_flat_over_ten_thousand_documents(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(10_000):
        (folder / f"{i:05}.txt").write_text(
            f"A {i}-day-old girl, no. {i}. " + "No other findings. " * 20, encoding="utf-8"
        )
    seen: dict[int, float] = {}

    def watch(summary: Summary) -> None:
        if summary.done // 1_000 > len(seen):
            processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
            seen[summary.done] = sum(p.memory_full_info().uss for p in processes) / 1e6

    summary = convert([str(folder)], str(tmp_path / "out"), Settings(), watch, FAKE)
    print(seen, f"{summary.seconds / summary.done * 1_000:.1f} ms a document")
    megabytes = list(seen.values())
    assert summary.statuses == {"extracted": 10_000}
    assert max(megabytes[5:]) < 1.1 * max(megabytes[2:5])
