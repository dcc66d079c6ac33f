"""Words of a page from Tesseract's engine, which runs in a process of its own (`elmtex_batch.tesseract`).

A page that hangs or crashes the engine costs that page, and a new engine for the next one.
"""

import json
import os
import re
import subprocess
import sys
from functools import cache

import pytesseract

from elmtex_batch.channel import Child, GoneError, NotStartedError, SilentError, start
from elmtex_batch.errors import ToolMissing
from elmtex_batch.pages.problems import PageProblem
from elmtex_batch.pages.raster import Raster
from elmtex_batch.reasons import Code
from elmtex_batch.tesseract import PAGE, READY, WORDS

_COMMAND = (sys.executable, "-m", "elmtex_batch.tesseract")
_FOLDER_OF_4 = "/usr/share/tesseract-ocr/4.00/tessdata"
"""Where Debian's Tesseract 4 keeps its language data; from 5 on the program tells."""
_PROGRAM_S = 10


class Engine:
    """The engine's process: started at the first page, and again after a page that it did not survive."""

    def __init__(self) -> None:
        self._child: Child | None = None

    def read(self, raster: Raster, languages: tuple[str, ...], seconds: float) -> str:
        """Tesseract's table (TSV) of what stands on an upright page.

        Raises:
            PageProblem: it took more than `seconds`, or the engine failed.
            ToolMissing: the engine does not start.
        """
        rows, columns = raster.pixels.shape
        asked = json.dumps([data_folder(), "+".join(languages), columns, rows, round(raster.dpi), seconds]).encode()
        try:
            kind, content = self._running().ask(PAGE, asked + b"\n" + raster.pixels.tobytes(), seconds)
        except SilentError:
            self.stop()
            raise PageProblem(Code.OCR_TIMEOUT) from None
        except GoneError:
            self.stop()
            raise PageProblem(Code.OCR_FAILED) from None
        if kind != WORDS:
            raise PageProblem(Code.OCR_FAILED)
        return content.decode()

    def stop(self) -> None:
        """Ends the process."""
        if self._child:
            self._child.kill()
        self._child = None

    def _running(self) -> Child:
        if self._child is None or not self._child.is_running:
            self.stop()
            try:
                # In this process's group: whoever ends that, ends the engine.
                self._child = start(_COMMAND, READY, own_group=False)
            except NotStartedError:
                raise ToolMissing("Tesseract's engine does not start; is this node out of memory?") from None
        return self._child


@cache
def engine() -> Engine:
    """The one engine of this process."""
    return Engine()


@cache
def data_folder() -> str:
    """The folder with the language data of the Tesseract that is installed.

    Raises:
        ToolMissing: the program does not tell.
    """
    if folder := os.environ.get("TESSDATA_PREFIX"):
        return folder
    command = [pytesseract.pytesseract.tesseract_cmd, "--list-langs"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PROGRAM_S).stdout
    except (OSError, subprocess.SubprocessError):
        raise ToolMissing("Tesseract is not installed; try: apt-get install tesseract-ocr") from None
    named = re.search(r'"(.+)"', told.partition("\n")[0])
    return named[1] if named else _FOLDER_OF_4
