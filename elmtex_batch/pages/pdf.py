"""PDF files: opening them, their pages, and rendering a page to a raster."""

import ctypes
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import repeat
from typing import Any

import pdfplumber
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from pdfplumber.pdf import PDF
from pdfplumber.utils.pdfinternals import resolve

from elmtex_batch.pages.problems import PageProblem
from elmtex_batch.pages.raster import Raster
from elmtex_batch.reasons import Code

RULING, LONG = 3.0, 18.0
"""Units up to which a stroke is thin, and from which it is too long for one of a letter."""
FORMS = 15
"""Levels of forms within forms that are looked into."""
_NEEDS_PASSWORD = {pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY}


@contextmanager
def open_pdf(data: bytes) -> Iterator[pdfium.PdfDocument]:
    """A PDF file that opens without a password (one with an empty user password does).

    Raises:
        PageProblem: it needs a password, is damaged, has no pages, or is a dynamic XFA form, which is no document but a
            program that draws one.
    """
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if error.err_code in _NEEDS_PASSWORD:
            raise PageProblem(Code.ENCRYPTED) from None
        raise PageProblem(Code.NO_PAGES if _has_no_pages(data) else Code.DAMAGED) from None
    with closing(document):
        if document.get_formtype() == pdfium_c.FORMTYPE_XFA_FULL:
            raise PageProblem(Code.UNSUPPORTED_TYPE)
        yield document


@contextmanager
def open_page(document: pdfium.PdfDocument, index: int) -> Iterator[pdfium.PdfPage]:
    """A page with the values of its form fields and its notes drawn on it, as a viewer shows it.

    Raises:
        PageProblem: the page is damaged; so does everything that is done with it and fails in PDFium.
    """
    try:
        page = document[index]
        if pdfium_c.FPDFPage_GetAnnotCount(page) > 0:
            pdfium_c.FPDFPage_Flatten(page, pdfium_c.FLAT_NORMALDISPLAY)
            page.close()
            page = document[index]
        with closing(page):
            yield page
    except (pdfium.PdfiumError, ValueError):  # ValueError: pages without an area
        raise PageProblem(Code.PAGE_DAMAGED) from None


Objects = Sequence[tuple[int, Any]]
"""Kind (`FPDF_PAGEOBJ_*`) and handle of what is on a page."""


def has_graphics(objects: Objects) -> bool:
    """Whether more is on a page than text and parallel ruling lines, which hide nothing and make no table."""
    others = [(kind, item) for kind, item in objects if kind != pdfium_c.FPDF_PAGEOBJ_TEXT]
    if any(kind != pdfium_c.FPDF_PAGEOBJ_PATH for kind, _ in others):
        return True
    sizes = [_size(item) for _, item in others]
    across = all(height <= RULING < LONG <= width for width, height in sizes)
    down = all(width <= RULING < LONG <= height for width, height in sizes)
    return not (across or down)


def _size(item: Any) -> tuple[float, float]:
    """Width and height of the upright box around something on a page."""
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium_c.FPDFPageObj_GetBounds(item, left, bottom, right, top)
    return right.value - left.value, top.value - bottom.value


def page_objects(page: pdfium.PdfPage) -> Objects:
    """Everything on a page and in its forms, which are there themselves too, `FORMS` levels deep."""
    return _objects(pdfium_c.FPDFPage_CountObjects, pdfium_c.FPDFPage_GetObject, page.raw, FORMS)


def _objects(count: Callable[..., int], get: Callable[..., Any], parent: Any, depth: int) -> list[tuple[int, Any]]:
    # pypdfium2's own objects cost more than what is asked of them here: a page may have a text object for each letter.
    items = list(map(get, repeat(parent), range(count(parent))))
    objects = list(zip(map(pdfium_c.FPDFPageObj_GetType, items), items, strict=True))
    for form in [item for kind, item in objects if kind == pdfium_c.FPDF_PAGEOBJ_FORM] if depth > 1 else []:
        objects += _objects(pdfium_c.FPDFFormObj_CountObjects, pdfium_c.FPDFFormObj_GetObject, form, depth - 1)
    return objects


def render(page: pdfium.PdfPage, user_unit: float, max_megapixels: float, dpi: float) -> Raster:
    """A page as a viewer shows it, at `dpi` or, if that makes too many pixels, at the resolution that is left.

    `user_unit` is the length in points of the page's unit.

    Raises:
        pypdfium2.PdfiumError, ValueError: the page cannot be rendered.
    """
    inches = page.get_width() * page.get_height() * (user_unit / 72) ** 2
    dpi = min(dpi, (max_megapixels * 1e6 / max(inches, 1e-6)) ** 0.5)
    # Smoothed, a hairline is spread over two rows of pixels and hardly grey; letters are smoothed all the same.
    bitmap = page.render(scale=dpi * user_unit / 72, grayscale=True, no_smoothpath=True)
    return Raster(bitmap.to_numpy(), dpi)


def user_units(data: bytes, pages: int) -> list[float]:
    """Length in points of the unit of every page; PDFium does not tell. It is 1 but for posters and plans."""
    units = [1.0] * pages
    if b"/UserUnit" in data:
        with suppress(Exception), _pdfplumber(data) as pdf:  # it raises whatever a damaged file leads it to
            for index, page in enumerate(pdf.pages):
                units[index] = min(max(float(resolve(page.page_obj.attrs.get("UserUnit", 1))), 0.1), 1_000.0)
    return units


def _has_no_pages(data: bytes) -> bool:
    """Whether the file says so itself; to PDFium it is damaged then."""
    with suppress(Exception), _pdfplumber(data) as pdf:  # see user_units
        return bool(resolve(resolve(pdf.doc.catalog["Pages"])["Kids"]) == [])
    return False


def _pdfplumber(data: bytes) -> PDF:
    logging.getLogger("pdfminer").setLevel(logging.CRITICAL)  # it quotes what it stumbles over
    return pdfplumber.open(io.BytesIO(data))
