"""The text layer of a PDF page -> tokens.

PDFium gives characters in the order they were drawn, with a space or a line end of its own where one is missing. They
are joined to words in that order, so that overlapping text does not mix; reading order is the layout's business.
"""

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

from elmtex_batch.boxes import Boxes, as_boxes, straighten, union
from elmtex_batch.document import Box
from elmtex_batch.layout import Sheet, Token

WORD_GAP = 0.5
"""Gap in character heights from which two characters belong to different words, even without a space between them."""
LINE_END_HYPHEN = "\x02"
"""What PDFium makes of a hyphen at the end of a line."""

Angles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TextLayer:
    """What a PDF page says its text is.

    `hidden` is the share of text objects that are drawn invisibly (render mode 3), as OCR tools do over a scan;
    `unmapped` the share of characters whose font gives no way to Unicode.
    """

    sheet: Sheet
    hidden: float
    unmapped: float


def read_text_layer(page: pdfium.PdfPage, user_unit: float = 1.0) -> TextLayer:
    """The tokens of a page as a viewer shows it: rotated, cropped, in points. Text outside of the page is left out.

    `user_unit` is the length in points of the page's unit.

    Raises:
        pypdfium2.PdfiumError: the page cannot be read.
    """
    text_page = page.get_textpage()
    try:
        indices = range(text_page.count_chars())
        chars = [_char(text_page, i) for i in indices]
        angles = np.array([_angle(text_page, i) for i in indices]) + page.get_rotation()
        boxes = _as_viewed(page, as_boxes([_box(text_page, i) for i in indices])) * user_unit
        unmapped = [pdfium_c.FPDFText_HasUnicodeMapError(text_page, i) == 1 for i in indices]
    finally:
        text_page.close()
    width, height = (side * user_unit for side in page.get_size())
    tokens = (token for token in _tokens(chars, boxes, angles) if _on_page(token.box, width, height))
    return TextLayer(Sheet(width, height, tuple(tokens)), _hidden_share(page), sum(unmapped) / max(len(chars), 1))


def _char(text_page: pdfium.PdfTextPage, index: int) -> str:
    code = pdfium_c.FPDFText_GetUnicode(text_page, index)
    if chr(code) == LINE_END_HYPHEN and pdfium_c.FPDFText_IsHyphen(text_page, index) == 1:
        return "-"
    return chr(code)


def _box(text_page: pdfium.PdfTextPage, index: int) -> Box:
    """From the font's descent to its ascent and over the whole advance; y grows upwards."""
    rect = pdfium_c.FS_RECTF()
    pdfium_c.FPDFText_GetLooseCharBox(text_page, index, rect)
    return rect.left, rect.bottom, rect.right, rect.top


def _angle(text_page: pdfium.PdfTextPage, index: int) -> float:
    """Degrees clockwise, to a tenth: text on a curve would else have as many directions as characters."""
    return round(math.degrees(pdfium_c.FPDFText_GetCharAngle(text_page, index)), 1)


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


def _hidden_share(page: pdfium.PdfPage) -> float:
    modes = [pdfium_c.FPDFTextObj_GetTextRenderMode(text) for text in page.get_objects([pdfium_c.FPDF_PAGEOBJ_TEXT])]
    return modes.count(pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE) / max(len(modes), 1)


def _on_page(box: Box, width: float, height: float) -> bool:
    return 0 <= box[0] + box[2] <= 2 * width and 0 <= box[1] + box[3] <= 2 * height


def _tokens(chars: list[str], boxes: Boxes, angles: Angles) -> Iterator[Token]:
    """Characters joined to words: up to white space, a jump, or a change of direction."""
    straight = _straightened(boxes, angles)
    start = 0
    for i in range(1, len(chars) + 1):
        if i == len(chars) or chars[i].isspace() or chars[start].isspace() or _jump(straight, angles, i):
            if not chars[start].isspace():
                text = _joined(chars[start:i])
                yield Token(text, union(boxes[start:i]), float(angles[start]) % 360)
            start = i


def _straightened(boxes: Boxes, angles: Angles) -> Boxes:
    """Each box as it is in a page turned so that its text runs from left to right."""
    straight = boxes.copy()
    for angle in np.unique(angles):
        members = angles == angle
        straight[members] = straighten(boxes[members], float(angle), (0.0, 0.0))
    return straight


def _jump(boxes: Boxes, angles: Angles, index: int) -> bool:
    """Whether a character does not follow its predecessor on the same line."""
    before, here = boxes[index - 1], boxes[index]
    height = max(before[3] - before[1], here[3] - here[1])
    gap = here[0] - before[2]
    return bool(
        abs(angles[index] - angles[index - 1]) > 5
        or gap > WORD_GAP * height
        or here[0] < before[0] - WORD_GAP * height
        or abs(here[1] + here[3] - before[1] - before[3]) > height
    )


def _joined(chars: list[str]) -> str:
    """One string; the two halves of a character beyond the Basic Multilingual Plane come from PDFium one by one."""
    return "".join(chars).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
