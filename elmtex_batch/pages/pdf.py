"""PDF files: opening them, their pages, and rendering a page to a raster."""

import io
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pdfplumber
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from pdfplumber.pdf import PDF
from pdfplumber.utils.pdfinternals import resolve

from elmtex_batch.pages.problems import PageProblem
from elmtex_batch.pages.raster import Raster
from elmtex_batch.reasons import Code

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


def has_graphics(page: pdfium.PdfPage) -> bool:
    """Whether anything but text is on a page."""
    return any(item.type != pdfium_c.FPDF_PAGEOBJ_TEXT for item in page.get_objects(max_depth=1))


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
