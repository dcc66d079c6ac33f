"""What was found on a page -> a `Page`: by its text layer, by OCR, or by both."""

from elmtex_batch.boxes import as_boxes, centres
from elmtex_batch.document import Method, Page, Word
from elmtex_batch.layout import Sheet, Token, arrange
from elmtex_batch.layout.rulings import Rulings
from elmtex_batch.pages.ocr import LEGIBLE, read_raster
from elmtex_batch.pages.problems import PageProblem
from elmtex_batch.pages.raster import Raster
from elmtex_batch.pages.why import Why
from elmtex_batch.reasons import Code
from elmtex_batch.settings import OcrSettings

Outcome = tuple[Page, Code | None]
"""A page, and the reason if it could not be read, or not wholly."""


def unread(number: int, code: Code) -> Outcome:
    """A page that could not even be looked at."""
    why = {Code.PAGE_TOO_LARGE: Why.TOO_LARGE, Code.INTERNAL_ERROR: Why.INTERNAL_ERROR}.get(code, Why.DAMAGED)
    return Page(number, Method.FAILED, why), code


def by_layer(number: int, layer: Sheet, why: Why, rulings: Rulings | None) -> Page:
    """A page with the words of its text layer; `rulings` are those of the upright page."""
    rotation = -layer.direction % 360
    return _page(number, Method.TEXT_LAYER, why, layer.turned(rotation), rotation, rulings)


def by_ocr(number: int, raster: Raster, why: Why, settings: OcrSettings) -> Outcome:
    """A page of which nothing but the picture can be trusted; `why` says what led here."""
    width, height = raster.size
    try:
        reading = read_raster(raster, settings)
    except PageProblem as problem:
        return Page(number, Method.FAILED, why, width=width, height=height), problem.code
    if reading is None:
        return Page(number, Method.BLANK, why, width=width, height=height), None
    return _page(number, Method.OCR, why, reading.sheet, reading.rotation, reading.rulings), None


def by_both(page: Page, layer: Sheet, raster: Raster, settings: OcrSettings) -> Outcome:
    """A page with the words of its text layer, and those that OCR finds beside them.

    `page` is what the layer alone gives. It stays if there is nothing beside it but drawings and photographs, which is
    no problem; running out of time is.
    """
    try:
        reading = read_raster(raster, settings)
    except PageProblem as problem:
        return page, None if problem.code is Code.OCR_EMPTY else problem.code
    if reading is None:
        return page, None
    upright = layer.turned(reading.rotation)
    added = _beside(upright, reading.sheet)
    if not added:
        return page, None
    both = Sheet(upright.width, upright.height, upright.tokens + added)
    return _page(page.number, Method.OCR, Why.TEXT_LAYER_INCOMPLETE, both, reading.rotation, reading.rulings), None


def _page(number: int, method: Method, why: Why, sheet: Sheet, rotation: int, rulings: Rulings | None) -> Page:
    words = arrange(sheet, rulings)
    return Page(number, method, why, words, sheet.width, sheet.height, rotation, _confidence(words))


def _confidence(words: tuple[Word, ...]) -> float | None:
    recognised = [(word.confidence, len(word.text)) for word in words if word.confidence is not None]
    letters = sum(length for _, length in recognised)
    return sum(confidence * length for confidence, length in recognised) / letters if letters else None


def _beside(layer: Sheet, found: Sheet) -> tuple[Token, ...]:
    """Words that OCR is sure of and that stand where the layer has none."""
    boxes = as_boxes([token.box for token in layer.tokens])
    middles = centres(as_boxes([token.box for token in found.tokens]))
    return tuple(
        token
        for token, (x, y) in zip(found.tokens, middles, strict=True)
        if (token.confidence or 0.0) >= LEGIBLE
        and not ((boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])).any()
    )
