"""Disks that are full, read-only or failing: exit code 6, nothing half published, and the next run goes on."""

import errno
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from elmtex_batch.cli import main
from elmtex_batch.fakes import PatternReader
from elmtex_batch.pipeline import Model
from elmtex_batch.warehouse import Warehouse

COUNT = 24


def mount(folder: Path, options: str) -> bool:
    """Needs root, and a kernel that lets this container mount."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for the output, which a test can fill."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not mount(folder, "size=1m"):
        pytest.skip("no permission to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Documents that hardly compress: together more than the disk holds, a few of them less."""
    monkeypatch.setattr(Model, "from_settings", classmethod(lambda cls, *_: cls("fake", PatternReader)))
    rng = random.Random(0)
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(COUNT):
        words = " ".join(f"{rng.randrange(16**8):08x}" for _ in range(2_000))
        (folder / f"{i:02}.txt").write_text(f"A {20 + i}-year-old man. {words}")
    (tmp_path / "job.toml").write_text("[run]\npart_documents = 4\nbatch_documents = 4\n")
    return folder


def convert(archive: Path, out: Path) -> int:
    return main(["convert", str(archive), "--out", str(out), "--config", str(archive.parent / "job.toml")])


def published(out: Path) -> list[str]:
    """The documents in the ledger; every part that a reader would see can be read."""
    for path in out.rglob("*.parquet"):
        pq.read_table(path)
    return [row["doc_id"] for row in Warehouse.open(str(out)).ledger().to_pylist()]


@pytest.mark.usefixtures("present_ray")
def test_a_disk_that_fills_up_stops_the_run_and_the_next_one_goes_on(
    archive: Path, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(archive, disk / "out") == 6
    assert "No space left on device" in capsys.readouterr().err
    before = published(disk / "out")
    assert 0 < len(before) == len(set(before)) < COUNT
    assert not [path for path in (disk / "out").rglob(".*") if path.name != ".lock"]
    subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
    assert convert(archive, disk / "out") == 0
    after = published(disk / "out")
    assert len(after) == len(set(after)) == COUNT and set(before) < set(after)


def test_a_read_only_disk_is_told_before_any_work(
    archive: Path, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Warehouse.create(str(disk / "out"))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for out in (disk / "out", disk / "new"):
        assert convert(archive, out) == 6
        assert "Read-only file system" in capsys.readouterr().err
    assert published(disk / "out") == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_disk_is_an_exit_code_and_leaves_nothing_half(
    call: str, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        assert convert(archive, tmp_path / "out") == 6
    assert "Input/output error" in capsys.readouterr().err
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != ".lock"] == []
