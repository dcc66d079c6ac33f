"""Tesseract's engine as a process of its own, which keeps its languages loaded from page to page.

`elmtex_batch.pages.engine` starts and asks it. This module imports next to nothing, so that it starts at once.
"""

import json
import os
import resource
import signal
from collections.abc import Callable
from typing import BinaryIO

from elmtex_batch.channel import frame, own_pipes, receive

READY, PAGE, WORDS, FAILED = b"R", b"P", b"W", b"F"
"""Kinds of messages; see `elmtex_batch.channel`."""

Read = Callable[[bytes, int, int, int], str]
"""Grey pixels, their columns and rows, dots per inch -> Tesseract's table of words (TSV)."""


def serve(load: Callable[[str, str], Read], questions: BinaryIO, answers: BinaryIO) -> None:
    """Answers until the asking process is gone.

    `load` prepares the engine for a folder of language data and languages joined by `+`; it and what it returns raise a
    RuntimeError where Tesseract fails.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))  # the parent's was for one page
    loaded: dict[tuple[str, str], Read] = {}
    while (question := receive(questions))[0]:
        kind, content = question
        answers.write(_answer(load, loaded, content) if kind == PAGE else frame(READY))
        answers.flush()


def _answer(load: Callable[[str, str], Read], loaded: dict[tuple[str, str], Read], content: bytes) -> bytes:
    head, _, pixels = content.partition(b"\n")
    folder, languages, columns, rows, dpi, seconds = json.loads(head)
    signal.alarm(round(seconds) + 1)  # the parent gives up before: this is for when it is gone
    try:
        if (folder, languages) not in loaded:
            loaded[folder, languages] = load(folder, languages)
        return frame(WORDS, loaded[folder, languages](pixels, columns, rows, dpi).encode())
    except RuntimeError:
        return frame(FAILED)
    finally:
        signal.alarm(0)


def load(folder: str, languages: str) -> Read:
    """Tesseract's engine; see `serve`."""
    import tesserocr

    # Text anywhere on the page; the order in which it is reported is not used (see `layout`).
    api = tesserocr.PyTessBaseAPI(path=folder, lang=languages, psm=tesserocr.PSM.AUTO)

    def read(pixels: bytes, columns: int, rows: int, dpi: int) -> str:
        api.SetImageBytes(pixels, columns, rows, 1, columns)
        api.SetSourceResolution(dpi)
        words: str = api.GetTSVText(0)
        api.Clear()
        return words

    return read


if __name__ == "__main__":
    # Tesseract's own threads make one page little faster and many pages at once much slower.
    os.environ["OMP_THREAD_LIMIT"] = "1"
    import tesserocr  # noqa: F401 - what cannot be imported ends the process before it has answered

    serve(load, *own_pipes())
