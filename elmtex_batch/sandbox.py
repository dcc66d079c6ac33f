"""Reads files in a child process that is limited, and killed with all its own children when it overruns.

Parsers of PDF and images are native code that runs on whatever bytes an archive holds. What goes wrong in there, from a
segmentation fault to an endless loop, costs the document and a child, never the worker that asked. The child answers in
JSON, or with a picture that nobody here decodes, so that nothing that comes out of it is ever executed.
`elmtex_batch.pages.child` is its side.
"""

import json
import signal
import sys
from collections.abc import Sequence
from functools import cache

from elmtex_batch import records
from elmtex_batch.channel import Child, GoneError, Message, NotStartedError, SilentError, start
from elmtex_batch.errors import ToolMissing
from elmtex_batch.reasons import Code, Reason
from elmtex_batch.records import Row
from elmtex_batch.settings import OcrSettings, PageSettings

SETTINGS, FILE, DOCUMENT, DRAW, PICTURE, TOOL_MISSING = b"S", b"F", b"D", b"P", b"W", b"T"
"""Kinds of messages; see `elmtex_batch.channel`."""
CHILD = (sys.executable, "-m", "elmtex_batch.pages.child")
_ATTEMPTS = 2
"""A child that dies may have suffered from an earlier document: the next one gets a second, fresh child."""
_GRACE_S = 2
"""The child ends itself when a page takes too long; so much later it is taken for unable to."""


def page_seconds(pages: PageSettings, ocr: OcrSettings) -> float:
    """How long a page may take, reading by OCR included."""
    return pages.page_timeout_s + ocr.page_timeout_s


@cache
def sandbox(command: tuple[str, ...], pages: PageSettings, ocr: OcrSettings) -> "Sandbox":
    """The one sandbox of this process for these settings."""
    return Sandbox(command, pages, ocr)


class Sandbox:
    """A child process that reads one file after the other, started at the first and replaced as needed."""

    def __init__(self, command: Sequence[str], pages: PageSettings, ocr: OcrSettings) -> None:
        self._command = command
        self._silence_s = page_seconds(pages, ocr) + _GRACE_S
        self._settings = json.dumps({"pages": pages.model_dump(mode="json"), "ocr": ocr.model_dump(mode="json")})
        self._child: Child | None = None

    def read(self, data: bytes) -> Row:
        """`media_type`, `pages` and `reasons` of a file, as `records.PAGES` has them.

        Raises:
            ToolMissing: Tesseract is not installed, or the child cannot be started.
        """
        answer = self._try(FILE, data)
        if isinstance(answer, Code):
            return {"media_type": None, "pages": [], "reasons": records.encode_reasons([Reason(answer)])}
        kind, content = answer
        if kind == TOOL_MISSING:
            raise ToolMissing(content.decode())
        row: Row = json.loads(content)
        if any(reason["code"] == Code.OCR_TIMEOUT for reason in row["reasons"]):
            self.stop()  # Tesseract is gone, but perhaps not what it had started
        return row

    def draw(self, data: bytes, number: int, rotation: int, dpi: float) -> bytes | None:
        """A page of a file as WebP, see `elmtex_batch.pages.picture`; None if it cannot be shown.

        Raises:
            ToolMissing: the child cannot be started.
        """
        asked = json.dumps([number, rotation, dpi]).encode()
        answer = self._try(DRAW, asked + b"\n" + data)
        return None if isinstance(answer, Code) else answer[1] or None

    def stop(self) -> None:
        """Ends the child and every process that it has started."""
        if self._child:
            self._child.kill()
        self._child = None

    def _try(self, kind: bytes, content: bytes) -> Message | Code:
        """The child's answer, or what became of the child."""
        code = Code.READER_CRASHED
        for _ in range(_ATTEMPTS):
            try:
                return self._running().ask(kind, content, self._silence_s)
            except SilentError:
                code = Code.TIMED_OUT
            except GoneError as gone:
                code = _why(gone)
            self.stop()
            if code is Code.TIMED_OUT:
                break
        return code

    def _running(self) -> Child:
        if self._child is None or not self._child.is_running:
            self.stop()
            try:
                self._child = start(self._command, SETTINGS, self._settings.encode())
            except NotStartedError:
                # Before any document: not its fault, and no other would fare better.
                raise ToolMissing("the process that reads files does not start; is this node out of memory?") from None
        return self._child


def _why(gone: GoneError) -> Code:
    match -(gone.status or 0):
        case signal.SIGALRM | signal.SIGXCPU:
            return Code.TIMED_OUT
        case signal.SIGKILL:  # nobody but the kernel does that: the machine, or the container, is out of memory
            return Code.OUT_OF_MEMORY
        case _:
            return Code.READER_CRASHED
