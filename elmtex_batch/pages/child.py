"""The child process of `elmtex_batch.sandbox`: reads files one after the other, within limits it sets itself.

The time that a page may take is limited by the kernel's alarm and CPU limit, which end native code as well, and work
when nobody is left who could kill this process.
"""

import gc
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable

from elmtex_batch import records
from elmtex_batch.channel import ALIVE, frame, own_pipes, receive
from elmtex_batch.document import Document
from elmtex_batch.errors import ToolMissing
from elmtex_batch.pages import read_document
from elmtex_batch.pages.picture import draw_page
from elmtex_batch.reasons import Code
from elmtex_batch.sandbox import DOCUMENT, DRAW, PICTURE, SETTINGS, TOOL_MISSING, page_seconds
from elmtex_batch.settings import OcrSettings, PageSettings

_FILE_MB = 2_000
"""Of a temporary file: the raster that Tesseract is given."""

Read = Callable[[bytes, PageSettings, OcrSettings, Callable[[], None]], Document]
Draw = Callable[[bytes, int, int, float, PageSettings], bytes]


def serve(read: Read, draw: Draw) -> None:
    """Answers until the parent closes the pipe."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    questions, answers = own_pipes()
    _, content = receive(questions)
    settings = json.loads(content)
    pages, ocr = PageSettings(**settings["pages"]), OcrSettings(**settings["ocr"])
    _limit(resource.RLIMIT_AS, pages.memory_mb << 20)
    _limit(resource.RLIMIT_FSIZE, _FILE_MB << 20)
    _limit(resource.RLIMIT_CORE, 0)
    seconds = page_seconds(pages, ocr)
    gc.freeze()  # what is loaded stays, and need not be looked through again for every few hundred words

    def say(message: bytes) -> None:
        answers.write(message)
        answers.flush()

    def alive() -> None:
        _allow(seconds)
        say(frame(ALIVE))

    say(frame(SETTINGS))
    while (question := receive(questions))[0]:
        _allow(seconds)
        kind, content = question
        answer = _picture(draw, content, pages) if kind == DRAW else _answer(read, content, pages, ocr, alive)
        signal.alarm(0)
        say(answer)


def _answer(read: Read, data: bytes, pages: PageSettings, ocr: OcrSettings, alive: Callable[[], None]) -> bytes:
    try:
        document = read(data, pages, ocr, alive)
        return frame(DOCUMENT, _encode(document))
    except ToolMissing as error:
        return frame(TOOL_MISSING, str(error).encode())
    except MemoryError:
        return frame(DOCUMENT, _encode(Document.rejected(Code.OUT_OF_MEMORY)))
    except Exception:  # noqa: BLE001 - the promise: a document never stops the run, and nothing of it is quoted
        return frame(DOCUMENT, _encode(Document.rejected(Code.INTERNAL_ERROR)))


def _picture(draw: Draw, content: bytes, pages: PageSettings) -> bytes:
    """The page that was asked for; empty if there is none to show."""
    asked, _, data = content.partition(b"\n")
    try:
        number, rotation, dpi = json.loads(asked)
        return frame(PICTURE, draw(data, number, rotation, dpi, pages))
    except Exception:  # noqa: BLE001 - see _answer
        return frame(PICTURE)


def _encode(document: Document) -> bytes:
    row = {
        "media_type": document.media_type,
        "pages": records.encode_pages(document.pages),
        "reasons": records.encode_reasons(document.reasons),
    }
    return json.dumps(row).encode()


def _end_with(parent: int) -> None:
    """Ends this process and all that it has started once its parent is gone; when idle, the closed pipe does it."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, most))


def _allow(seconds: float) -> None:
    """From now on so much time and, of one core and a little, so much CPU time."""
    signal.alarm(max(1, round(seconds)))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (round(used + 2 * seconds) + 1, most))


if __name__ == "__main__":
    serve(read_document, draw_page)
    sys.exit(0)
