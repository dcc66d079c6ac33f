"""The bytes of one file -> its pages, each with its words in reading order.

Every page of a PDF file is decided on its own: a text layer that can be trusted is taken, everything else is rendered
and read by OCR. `Page.why` holds the finding, a `Why`.
"""

from collections.abc import Callable, Iterator
from functools import partial

from PIL.Image import Image
from pypdfium2 import PdfDocument

from elmtex_batch.boxes import as_boxes
from elmtex_batch.document import Document
from elmtex_batch.errors import ElmtexError
from elmtex_batch.pages.images import open_image, page_frames, read_frame
from elmtex_batch.pages.media import Media, detect_media
from elmtex_batch.pages.ocr import READABLE_MEGAPIXELS, check_tesseract, for_page_after
from elmtex_batch.pages.pdf import has_graphics, open_page, open_pdf, page_objects, render, user_units
from elmtex_batch.pages.plaintext import decode_text
from elmtex_batch.pages.problems import PageProblem
from elmtex_batch.pages.scans import Outcome, by_both, by_layer, by_ocr, unread
from elmtex_batch.pages.sketch import DPI as SKETCH_DPI
from elmtex_batch.pages.sketch import Sketch
from elmtex_batch.pages.textlayer import read_text_layer
from elmtex_batch.pages.trust import TRUSTED, judge
from elmtex_batch.pages.why import Why
from elmtex_batch.reasons import Code, Reason
from elmtex_batch.settings import OcrSettings, PageSettings
from elmtex_batch.text import plain_pages

__all__ = ["Why", "check_tesseract", "read_document"]

MISSED = 3.0
"""Square inches of writing beside the words of a text layer from which OCR has a look at the page too: three lines."""


def read_document(
    data: bytes, settings: PageSettings, ocr: OcrSettings, progress: Callable[[], None] = lambda: None
) -> Document:
    """All pages of a file; what cannot be read is told in `Document.reasons`, never raised.

    `progress` is called after each page.

    Raises:
        ToolMissing: Tesseract is not installed (see `check_tesseract`).
    """
    if not data:
        return Document.rejected(Code.EMPTY_FILE)
    media = detect_media(data)
    if media is None:
        return Document.rejected(Code.UNSUPPORTED_TYPE)
    try:
        outcomes = []
        for outcome in _read_pages(data, media, settings, ocr):
            outcomes.append(outcome)
            progress()
    except PageProblem as problem:
        return Document.rejected(problem.code, media)
    if all(code is Code.PAGE_DAMAGED for _, code in outcomes):
        return Document.rejected(Code.DAMAGED, media)
    reasons = tuple(Reason(code, page.number) for page, code in outcomes if code)
    return Document(media, tuple(page for page, _ in outcomes), reasons)


def _read_pages(data: bytes, media: Media, settings: PageSettings, ocr: OcrSettings) -> Iterator[Outcome]:
    match media:
        case Media.TEXT:
            return _text_pages(data, settings)
        case Media.PDF:
            return _pdf_pages(data, settings, ocr)
        case _:
            return _image_pages(data, media, settings, ocr)


def _text_pages(data: bytes, settings: PageSettings) -> Iterator[Outcome]:
    pages = plain_pages(decode_text(data) or "")
    _check_count(len(pages), settings)
    for page in pages:
        yield page, None


def _image_pages(data: bytes, media: Media, settings: PageSettings, ocr: OcrSettings) -> Iterator[Outcome]:
    with open_image(data, media) as image:
        frames = page_frames(image, settings.max_pages + 1)
        _check_count(len(frames), settings)
        page_ocr = ocr
        for number, frame in enumerate(frames, start=1):
            outcome = _contained(number, partial(_image_page, image, frame, number, settings, page_ocr))
            page_ocr = for_page_after(outcome[0], ocr)
            yield outcome


def _pdf_pages(data: bytes, settings: PageSettings, ocr: OcrSettings) -> Iterator[Outcome]:
    with open_pdf(data) as document:
        _check_count(len(document), settings)
        page_ocr = ocr
        for number, user_unit in enumerate(user_units(data, len(document)), start=1):
            outcome = _contained(number, partial(_pdf_page, document, number, user_unit, settings, page_ocr))
            page_ocr = for_page_after(outcome[0], ocr)
            yield outcome


def _contained(number: int, read: Callable[[], Outcome]) -> Outcome:
    """What reading a page gives. An unforeseen error costs this page only, and is not quoted."""
    try:
        return read()
    except PageProblem as problem:
        return unread(number, problem.code)
    except ElmtexError:
        raise
    except MemoryError:
        return unread(number, Code.OUT_OF_MEMORY)
    except Exception:  # noqa: BLE001 - the promise: a document never stops the run
        return unread(number, Code.INTERNAL_ERROR)


def _image_page(image: Image, frame: int, number: int, settings: PageSettings, ocr: OcrSettings) -> Outcome:
    return by_ocr(number, read_frame(image, frame, settings.max_megapixels), Why.IMAGE, ocr)


def _pdf_page(document: PdfDocument, number: int, unit: float, settings: PageSettings, ocr: OcrSettings) -> Outcome:
    with open_page(document, number - 1) as page:
        objects = page_objects(page)
        layer = read_text_layer(page, objects, unit)
        raster = partial(render, page, unit, min(settings.max_megapixels, READABLE_MEGAPIXELS))
        why = judge(layer)
        if why not in TRUSTED:
            return by_ocr(number, raster(ocr.dpi), why, ocr)
        if not has_graphics(objects):
            return by_layer(number, layer.sheet, why, None), None
        sketch = Sketch.of(raster(SKETCH_DPI))
        found = by_layer(number, layer.sheet, why, sketch.turned(-layer.sheet.direction).rulings)
        if sketch.written(covered=as_boxes([token.box for token in layer.sheet.tokens])) <= MISSED:
            return found, None
        if why is Why.HIDDEN_LAYER_TRUSTED:
            return by_ocr(number, raster(ocr.dpi), Why.TEXT_LAYER_INCOMPLETE, ocr)
        return by_both(found, layer.sheet, raster(ocr.dpi), ocr)


def _check_count(pages: int, settings: PageSettings) -> None:
    if pages > settings.max_pages:
        raise PageProblem(Code.TOO_MANY_PAGES)
