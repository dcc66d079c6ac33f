"""The text layer of a PDF page -> tokens.

PDFium gives characters in the order they were drawn, with a space or a line end of its own where one is missing. They
are joined to words in that order, so that overlapping text does not mix; reading order is the layout's business.
"""

import ctypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

from elmtex_batch.boxes import Boxes, heights, straighten
from elmtex_batch.document import Box
from elmtex_batch.layout import Sheet, Token
from elmtex_batch.pages.pdf import Objects

WORD_GAP = 0.5
"""Gap in character heights from which two characters belong to different words, even without a space between them."""
SAMPLED = 4
"""Of so many characters one is asked for its way to Unicode."""
LINE_END_HYPHENS = frozenset("\x02\ufffe")
"""What PDFium makes of a hyphen at the end of a line, asked for one character or for the whole text."""

Angles = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TextLayer:
    """What a PDF page says its text is.

    `hidden` is the share of text objects that are drawn invisibly (render mode 3), as OCR tools do over a scan;
    `unmapped` the share of characters whose font gives no way to Unicode.
    """

    sheet: Sheet
    hidden: float
    unmapped: float


def read_text_layer(page: pdfium.PdfPage, objects: Objects, user_unit: float = 1.0) -> TextLayer:
    """The tokens of a page as a viewer shows it: rotated, cropped, in points. Text outside of the page is left out.

    `objects` are those of the page; `user_unit` is the length in points of the page's unit.

    Raises:
        pypdfium2.PdfiumError: the page cannot be read.
    """
    text_page = page.get_textpage()
    try:
        chars = _chars(text_page)
        angles = _angles(text_page, chars) + page.get_rotation()
        boxes = _as_viewed(page, _boxes(text_page)) * user_unit
        unmapped = _of_each(text_page, pdfium_c.FPDFText_HasUnicodeMapError, range(0, len(chars), SAMPLED))
    finally:
        text_page.close()
    width, height = (side * user_unit for side in page.get_size())
    tokens = (token for token in _tokens(chars, boxes, angles) if _on_page(token.box, width, height))
    return TextLayer(Sheet(width, height, tuple(tokens)), _hidden_share(objects), sum(unmapped) / max(len(unmapped), 1))


def _of_each(text_page: pdfium.PdfTextPage, function: Callable[..., T], *arguments: Iterable[Any]) -> list[T]:
    """What a function of PDFium says of characters; `arguments`: their indices, and where it puts more."""
    # A page has thousands of characters: no Python between the calls, and no looking up of the handle.
    return list(map(function, repeat(text_page.raw), *arguments))


def _chars(text_page: pdfium.PdfTextPage) -> list[str]:
    count = text_page.count_chars()
    units = (ctypes.c_ushort * (2 * count + 2))()
    at_once = pdfium_c.FPDFText_GetText(text_page, 0, count, units) - 1 == count
    # Else PDFium has left out some, characters without a code above all, and only knows their places one by one.
    codes = units[:count] if at_once else _of_each(text_page, pdfium_c.FPDFText_GetUnicode, range(count))
    chars = list(map(chr, codes))
    for index, char in enumerate(chars):
        if char in LINE_END_HYPHENS and pdfium_c.FPDFText_IsHyphen(text_page, index) == 1:
            chars[index] = "-"
    return chars


def _boxes(text_page: pdfium.PdfTextPage) -> Boxes:
    """From the font's descent to its ascent and over the whole advance; y grows upwards."""
    rects = (pdfium_c.FS_RECTF * text_page.count_chars())()
    _of_each(text_page, pdfium_c.FPDFText_GetLooseCharBox, range(len(rects)), rects)
    left, top, right, bottom = np.frombuffer(rects, np.float32).reshape(-1, 4).T
    return np.stack((left, bottom, right, top), axis=1).astype(np.float64)


def _angles(text_page: pdfium.PdfTextPage, chars: Sequence[str]) -> Angles:
    """Degrees clockwise, to a tenth: text on a curve would else have as many directions as characters."""
    starts = [index for index, before in enumerate([" ", *chars[:-1]]) if before.isspace()]
    radians = _of_each(text_page, pdfium_c.FPDFText_GetCharAngle, starts)
    if len(set(radians)) == 1:  # where all words begin in one direction they go on in it: not all need be asked
        radians = radians[:1] * len(chars)
    else:
        radians = _of_each(text_page, pdfium_c.FPDFText_GetCharAngle, range(len(chars)))
    return np.degrees(np.array(radians, dtype=np.float64)).round(1)


def _as_viewed(page: pdfium.PdfPage, boxes: Boxes) -> Boxes:
    """Boxes in PDF coordinates as boxes on the page as shown. PDFium knows /Rotate, /CropBox and their inheritance."""
    origin, right, up = (_on_device(page, x, y) for x, y in ((0, 0), (1_000, 0), (0, 1_000)))
    matrix = np.stack((right - origin, up - origin)) / 1_000
    corners = np.stack((boxes[:, :2] @ matrix + origin, boxes[:, 2:] @ matrix + origin))
    viewed: Boxes = np.concatenate((corners.min(0), corners.max(0)), axis=1)
    return viewed


def _on_device(page: pdfium.PdfPage, x: float, y: float) -> NDArray[np.float64]:
    """Where a point in PDF coordinates lies on the page as shown, in units from the top left."""
    width, height = page.get_size()
    scale = min(1_000.0, 1e8 / max(width, height))  # device coordinates are whole numbers of 32 bits
    across, down = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDF_PageToDevice(page, 0, 0, round(width * scale), round(height * scale), 0, x, y, across, down)
    return np.array((across.value / scale, down.value / scale))


def _hidden_share(objects: Objects) -> float:
    texts = [item for kind, item in objects if kind == pdfium_c.FPDF_PAGEOBJ_TEXT]
    modes = list(map(pdfium_c.FPDFTextObj_GetTextRenderMode, texts))
    return modes.count(pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE) / max(len(modes), 1)


def _on_page(box: Box, width: float, height: float) -> bool:
    return 0 <= box[0] + box[2] <= 2 * width and 0 <= box[1] + box[3] <= 2 * height


def _tokens(chars: list[str], boxes: Boxes, angles: Angles) -> Iterator[Token]:
    """Characters joined to words: up to white space, a jump, or a change of direction."""
    if not chars:
        return
    space = np.array([char.isspace() for char in chars])
    parted = space[1:] | space[:-1] | _jumps(_straightened(boxes, angles), angles)
    starts = np.flatnonzero(np.concatenate(([True], parted)))
    ends = [*starts[1:].tolist(), len(chars)]
    corners = np.minimum.reduceat(boxes[:, :2], starts), np.maximum.reduceat(boxes[:, 2:], starts)
    outlines = np.concatenate(corners, axis=1).round(3).tolist()  # shorter to write, to read, and to store
    for start, end, box in zip(starts.tolist(), ends, outlines, strict=True):
        if not space[start]:
            yield Token(_joined(chars[start:end]), tuple(box), float(angles[start]) % 360)


def _straightened(boxes: Boxes, angles: Angles) -> Boxes:
    """Each box as it is in a page turned so that its text runs from left to right."""
    straight = boxes.copy()
    for angle in np.unique(angles):
        members = angles == angle
        straight[members] = straighten(boxes[members], float(angle), (0.0, 0.0))
    return straight


def _jumps(boxes: Boxes, angles: Angles) -> NDArray[np.bool_]:
    """Whether a character, from the second on, does not follow its predecessor on the same line."""
    before, here = boxes[:-1], boxes[1:]
    height = np.maximum(heights(before), heights(here))
    jumps: NDArray[np.bool_] = (
        (np.abs(np.diff(angles)) > 5)
        | (here[:, 0] - before[:, 2] > WORD_GAP * height)
        | (here[:, 0] < before[:, 0] - WORD_GAP * height)
        | (np.abs(here[:, 1] + here[:, 3] - before[:, 1] - before[:, 3]) > height)
    )
    return jumps


def _joined(chars: list[str]) -> str:
    """One string; the two halves of a character beyond the Basic Multilingual Plane come from PDFium one by one."""
    text = "".join(chars)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
