"""The child of a sandbox as it reads files, with faults on demand: a file that says `FAULT segfault`, say."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from elmtex_batch.document import Document
from elmtex_batch.pages import read_document
from elmtex_batch.pages.child import serve
from elmtex_batch.pages.picture import draw_page
from elmtex_batch.reasons import Code
from elmtex_batch.settings import OcrSettings, PageSettings


def recurse(depth: int) -> int:
    return 1 + recurse(depth + 1)


def leave_a_child_and_hang() -> None:
    subprocess.Popen(["sleep", "1000"])
    time.sleep(1000)


def spin() -> None:
    while True:
        pass


FAULTS: dict[bytes, Callable[[], Any]] = {
    b"segfault": lambda: ctypes.string_at(0),
    b"abort": os.abort,
    b"exit": lambda: os._exit(3),
    b"worker": lambda: os.kill(os.getppid(), signal.SIGKILL),
    b"hang": leave_a_child_and_hang,
    b"spin": spin,
    b"memory": lambda: bytearray(1 << 40),
    b"native-memory": lambda: ctypes.memset(ctypes.CDLL(None).malloc(ctypes.c_size_t(1 << 40)), 1, 1 << 40),
    b"recursion": lambda: recurse(0),
    b"print": lambda: os.write(1, b"D" + bytes(8) + b"45-year-old man"),
}


def fail_as_told(data: bytes) -> None:
    if data.startswith(b"FAULT "):
        FAULTS[data.split()[1]]()


def read(data: bytes, pages: PageSettings, ocr: OcrSettings, progress: Callable[[], None]) -> Document:
    """Reads a file, or fails as it says; `FAULT reason CODE` rejects it."""
    if data.startswith(b"FAULT reason "):
        return Document.rejected(Code(data.split()[2].decode()))
    fail_as_told(data)
    return read_document(data, pages, ocr, progress)


def draw(data: bytes, number: int, rotation: int, dpi: float, pages: PageSettings) -> bytes:
    """Draws a page, or fails as the file says."""
    fail_as_told(data)
    return draw_page(data, number, rotation, dpi, pages)


if __name__ == "__main__":
    serve(read, draw)
