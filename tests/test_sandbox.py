"""Whatever happens while a file is read happens to a child process, and becomes a reason."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from paper import pdf, write
from PIL import Image, ImageDraw, ImageFont

from elmtex_batch.errors import ToolMissing
from elmtex_batch.sandbox import Sandbox
from elmtex_batch.settings import OcrSettings, PageSettings

COMMAND = (sys.executable, str(Path(__file__).with_name("faulty_child.py")))
GOOD = b"A 45-year-old man."


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(COMMAND, PageSettings(page_timeout_s=1, memory_mb=2_000), OcrSettings(page_timeout_s=1))
    yield sandbox
    sandbox.stop()


def codes(row: dict[str, list[dict[str, object]]]) -> list[object]:
    return [reason["code"] for reason in row["reasons"]]


def own_children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("segfault", "reader_crashed"), ("abort", "reader_crashed"), ("exit", "reader_crashed"),
        ("native-memory", "reader_crashed"), ("recursion", "internal_error"), ("hang", "timed_out"),
        ("spin", "timed_out"), ("memory", "out_of_memory"),
    ],
)  # fmt: skip
def test_a_fault_costs_its_document_only(fault: str, code: str, sandbox: Sandbox) -> None:
    before = own_children()
    assert codes(sandbox.read(GOOD)) == []
    assert codes(sandbox.read(f"FAULT {fault}".encode())) == [code]
    row = sandbox.read(GOOD)
    assert codes(row) == [] and [word["text"] for word in row["pages"][0]["words"]] == ["A", "45-year-old", "man."]
    assert len(own_children() - before) == 1


def test_a_child_that_fails_to_start_is_started_again(tmp_path: Path) -> None:
    at_second = ("sh", "-c", f'[ -e {tmp_path}/tried ] && exec "$@"; touch {tmp_path}/tried; exit 1', "sh", *COMMAND)
    sandbox = Sandbox(at_second, PageSettings(), OcrSettings())
    assert codes(sandbox.read(GOOD)) == []
    sandbox.stop()
    with pytest.raises(ToolMissing, match="does not start"):
        Sandbox(("false",), PageSettings(), OcrSettings()).read(GOOD)


@pytest.mark.parametrize("fault", ["segfault", "memory", "recursion", "hang"])
def test_a_fault_costs_its_picture_only(fault: str, sandbox: Sandbox) -> None:
    good = pdf(write("A 45-year-old man."))
    assert sandbox.draw(f"FAULT {fault}".encode(), 1, 0, 72) is None
    assert (sandbox.draw(good, 1, 0, 72) or b"")[8:12] == b"WEBP"


def test_what_a_library_prints_goes_nowhere(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    row = sandbox.read(b"FAULT print")
    assert [word["text"] for word in row["pages"][0]["words"]] == ["FAULT", "print"]
    assert "45" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("fault", "code"),
    [("subprocess.Popen(['sleep', '1000']); time.sleep(1000)", "ocr_timeout"), ("os.abort()", "ocr_failed")],
)
def test_an_engine_that_fails_costs_the_page_and_leaves_nothing_behind(
    fault: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tesserocr.py").write_text(
        f"import os, subprocess, time\nclass PSM: AUTO = 3\ndef PyTessBaseAPI(**_): {fault}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    image = Image.new("L", (1240, 1754), 255)
    ImageDraw.Draw(image).text((100, 200), "Diagnosis: gout " * 3, font=ImageFont.load_default(40))
    path = tmp_path / "scan.png"
    image.save(path, dpi=(150, 150))
    before = own_children()
    sandbox = Sandbox(COMMAND, PageSettings(), OcrSettings(page_timeout_s=2))
    sandbox.read(GOOD)
    begun = time.monotonic()
    assert codes(sandbox.read(path.read_bytes())) == [code]
    assert time.monotonic() - begun < 2 + 5
    assert codes(sandbox.read(GOOD)) == []
    sandbox.stop()
    assert own_children() <= before


def test_a_child_does_not_outlive_its_parent() -> None:
    """Nor does what it has started, although it hangs and nothing tells it to end."""
    script = f"""
import os, threading, time
from elmtex_batch.sandbox import *
sandbox = Sandbox({COMMAND!r}, PageSettings(), OcrSettings())
sandbox.read(b'A man.')
threading.Thread(target=sandbox.read, args=(b'FAULT hang',), daemon=True).start()
time.sleep(1)
print(sandbox._child._process.pid, flush=True)
os._exit(9)
"""
    group = int(subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=False).stdout)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and alive(group):
        time.sleep(0.1)
    assert not alive(group)


def alive(group: int) -> list[int]:
    """The processes of a process group, but for zombies."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found
