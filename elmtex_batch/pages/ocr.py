"""A raster of a page -> tokens, with Tesseract.

The page is turned upright and straight for Tesseract, which loses words on pages that are not. It is told to find text
anywhere on the page; the order in which it reports words is not used (see `layout`).
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np
import pytesseract
from PIL import Image

from elmtex_batch.boxes import as_boxes, slant
from elmtex_batch.document import Method, Page
from elmtex_batch.errors import ToolMissing
from elmtex_batch.language import GERMAN, detect_language
from elmtex_batch.layout import Sheet, Token
from elmtex_batch.layout.rulings import Rulings
from elmtex_batch.pages.engine import engine
from elmtex_batch.pages.noise import is_writing
from elmtex_batch.pages.problems import PageProblem
from elmtex_batch.pages.raster import Raster, cleaned
from elmtex_batch.pages.sketch import Sketch
from elmtex_batch.reasons import Code
from elmtex_batch.settings import OcrSettings

OSD_DPI = 150
"""Enough to find the orientation, in two thirds of the time."""
READABLE_MEGAPIXELS = 40.0
"""A sheet of A2 at 300 dpi; larger pages are read at a lower resolution."""
MAX_ENLARGEMENT = 3
"""Letters that are small still for Tesseract when three times as large hold no more to be read."""
MIN_SKEW = 0.15
"""Degrees of skew that do no harm."""
CERTAIN = 0.65
"""Confidence from which a page is the right way up; upside down it is 0.3, while bad scans reach 0.6."""
BLANK = 0.2
"""Square inches of writing that are taken for dust if nothing on the page is legible: a word or two."""
LEGIBLE, LETTERS = 0.6, 2
"""Confidence, and letters and digits, that one word at least must have in a page that is not empty: 2 of 30 scribbles
have one, and 7 a letter at 0.5."""

WORD = "5"
"""The level of words in Tesseract's table."""
GERMAN_DATA = "deu"
TELLING = 200
"""Characters of a page from which its language is taken for that of the next."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time until which all Tesseract calls of one page must be over."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, more than 0.

        Raises:
            PageProblem: the time is up.
        """
        left = self.at - time.monotonic()
        if left <= 0:
            raise PageProblem(Code.OCR_TIMEOUT)
        return left


@dataclass(frozen=True)
class Reading:
    """What was read on a page after turning it clockwise by `rotation` degrees; `sheet` is the turned page."""

    rotation: int
    sheet: Sheet
    rulings: Rulings

    @cached_property
    def confidence(self) -> float:
        """Mean over the words, weighted by their length; words that run down the page count as not recognised."""
        lengths = np.array([len(token.text) for token in self.sheet.tokens])
        confidences = np.array([0.0 if _is_upended(token) else token.confidence or 0.0 for token in self.sheet.tokens])
        return float(lengths @ confidences) / max(int(lengths.sum()), 1)

    @property
    def letters(self) -> float:
        """Expected number of characters that were read correctly."""
        return self.confidence * sum(len(token.text) for token in self.sheet.tokens)

    def is_legible(self) -> bool:
        return any(
            (token.confidence or 0) >= LEGIBLE and sum(map(str.isalnum, token.text)) >= LETTERS
            for token in self.sheet.tokens
        )


def check_tesseract(settings: OcrSettings) -> None:
    """Make sure that Tesseract runs and has the languages asked for, and the data for finding the orientation.

    Raises:
        ToolMissing: it has not; the message says what to install.
    """
    try:
        pytesseract.get_tesseract_version()
        installed = set(pytesseract.get_languages())
    except (pytesseract.TesseractNotFoundError, SystemExit):
        raise ToolMissing("Tesseract 4 or later is not installed; try: apt-get install tesseract-ocr") from None
    if missing := sorted({*settings.languages, "osd"} - installed):
        packages = " ".join(f"tesseract-ocr-{language.replace('_', '-')}" for language in missing)
        raise ToolMissing(f"Tesseract lacks language data: {', '.join(missing)}; try: apt-get install {packages}")


def for_page_after(page: Page, settings: OcrSettings) -> OcrSettings:
    """Settings for the next page, which is in the same language as a rule.

    Only a page that OCR has read is asked for its language: that would slow down text layers by a fifth.

    After a German page they are those for German alone, where errors are the same and the time is three quarters; were
    the next one English after all, it would be read nearly as well. Beside English, German costs next to nothing.
    """
    if page.method is not Method.OCR or GERMAN_DATA not in settings.languages:
        return settings
    text = " ".join(word.text for word in page.words)
    if len(text) >= TELLING and detect_language(text) == GERMAN:
        return settings.model_copy(update={"languages": (GERMAN_DATA,)})
    return settings


def read_raster(raster: Raster, settings: OcrSettings) -> Reading | None:
    """The words on a page, the right way up; None if it is blank.

    Raises:
        PageProblem: the time is up, Tesseract failed, or nothing legible was found on a page that is not blank.
        ToolMissing: Tesseract is not installed.
    """
    sketch = Sketch.of(raster)
    if sketch.is_empty():
        return None
    hardly_written = sketch.written() < BLANK
    reading = _best_reading(_for_tesseract(raster, settings), sketch, 1 if hardly_written else 4, settings)
    if reading.is_legible():
        return reading
    if hardly_written:
        return None
    raise PageProblem(Code.OCR_EMPTY)


def _for_tesseract(raster: Raster, settings: OcrSettings) -> Raster:
    most = raster.dpi * (READABLE_MEGAPIXELS * 1e6 / raster.pixels.size) ** 0.5
    dpi = min(float(settings.dpi), raster.dpi * MAX_ENLARGEMENT, most)
    return cleaned(raster if 0.8 <= raster.dpi / dpi <= 1.2 else raster.scaled(dpi))


def _best_reading(raster: Raster, sketch: Sketch, attempts: int, settings: OcrSettings) -> Reading:
    """The first reading that is certain, else the best of all."""
    deadline = Deadline.after(settings.page_timeout_s)
    readings: dict[int, Reading] = {}
    for rotation in islice(_rotations(raster, sketch.is_sideways(), deadline), attempts):
        if rotation not in readings:
            skew = sketch.turned(rotation).skew()
            readings[rotation] = _read_turned(raster, rotation, skew, settings, deadline)
        if readings[rotation].confidence >= CERTAIN:
            return readings[rotation]
    return max(readings.values(), key=lambda reading: reading.letters)


def _rotations(raster: Raster, sideways: bool, deadline: Deadline) -> Iterator[int]:
    """Clockwise turns to try, likeliest first; Tesseract is asked only if the page does not read well as it lies."""
    if not sideways:
        yield 0
    found = _orientation(raster, deadline)
    if found is not None:
        yield found
    else:
        yield from (90, 270, 0, 180) if sideways else (180, 90, 270)


def _orientation(raster: Raster, deadline: Deadline) -> int | None:
    """The clockwise turn that makes the page upright, as Tesseract sees it; None if there is too little text."""
    os.environ["OMP_THREAD_LIMIT"] = "1"  # its threads make many pages at once much slower
    image = Image.fromarray(raster.scaled(OSD_DPI).pixels)
    image.format = "PPM"  # what pytesseract writes the page as; its default, PNG, is slow to pack
    dictionary = pytesseract.Output.DICT
    try:
        found = pytesseract.image_to_osd(
            image, config=f"--dpi {OSD_DPI}", timeout=deadline.remaining(), output_type=dictionary
        )
    except pytesseract.TesseractNotFoundError:
        raise ToolMissing("Tesseract is not installed; try: apt-get install tesseract-ocr") from None
    except pytesseract.TesseractError:
        return None
    except RuntimeError:  # pytesseract says so, and has killed the process
        raise PageProblem(Code.OCR_TIMEOUT) from None
    rotation: int = found["rotate"]
    return rotation


def _read_turned(raster: Raster, rotation: int, skew: float, settings: OcrSettings, deadline: Deadline) -> Reading:
    """The words of a page after a clockwise turn; `skew` is what is then left, in degrees clockwise."""
    turned = raster.turned(rotation)
    skew = skew if abs(skew) >= MIN_SKEW else 0.0
    straight = turned.rotated(-skew) if skew else turned
    table = engine().read(straight, settings.languages, deadline.remaining())
    rulings = Sketch.of(straight).rulings
    found = [token for token in _tokens(table, straight.dpi) if is_writing(token, rulings, straight.size)]
    return Reading(rotation, Sheet(*straight.size, _slanted(found, skew, straight.size)), rulings)


def _tokens(table: str, dpi: float) -> Iterator[Token]:
    """The words of Tesseract's table, with boxes in points on the straight page."""
    for line in filter(None, table.split("\n")):  # not at whatever else Unicode takes for a line end
        level, _, _, _, _, _, left, top, width, height, confidence, text = line.split("\t", 11)
        if level == WORD and (word := text.strip()):
            x0, y0, wide, high = (int(side) * 72 / dpi for side in (left, top, width, height))
            yield Token(word, (x0, y0, x0 + wide, y0 + high), confidence=float(confidence) / 100)


def _slanted(tokens: Sequence[Token], skew: float, size: tuple[float, float]) -> tuple[Token, ...]:
    """The words as they stand on the page before it was straightened."""
    boxes = slant(as_boxes([token.box for token in tokens]), skew, (size[0] / 2, size[1] / 2))
    return tuple(
        replace(token, box=tuple(box), angle=skew % 360) for token, box in zip(tokens, boxes.tolist(), strict=True)
    )


def _is_upended(token: Token) -> bool:
    """Whether a word stands on end: Tesseract reads columns of such words too, but not in our order."""
    x0, y0, x1, y1 = token.box
    return len(token.text) >= 4 and y1 - y0 > x1 - x0
