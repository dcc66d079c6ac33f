"""Binds scanned pages into PDF files, and damages PDF files the way the world does."""

from io import BytesIO

import numpy as np
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

POINTS = 72


def bind(jpegs: list[bytes], *, garbage: int = 0, shown_turned: int = 0) -> bytes:
    """A PDF with one image a page.

    Args:
        jpegs: the pages; their resolution decides the size of the sheet.
        garbage: seed of an invisible text layer of senseless characters, as an OCR program leaves it that took the page
            for upside down; 0 for none.
        shown_turned: how far viewers shall turn the page clockwise, in degrees.
    """
    file = BytesIO()
    canvas = Canvas(file, invariant=1)
    for page in jpegs:
        width, height = _size(page)
        # reportlab takes the size as shown and lays the sheet down itself.
        canvas.setPageSize((height, width) if shown_turned % 180 else (width, height))
        canvas.setPageRotation(shown_turned)
        canvas.drawImage(ImageReader(BytesIO(page)), 0, 0, width, height)
        if garbage:
            _write_invisibly(canvas, _gibberish(garbage, 44), height)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def lose_unicode(pdf: bytes) -> bytes:
    """The PDF without the tables that say which characters its glyphs stand for: it looks right and reads wrong."""
    return pdf.replace(b"/ToUnicode", b"/NoUnicode")  # of equal length: the cross-references stay true


def truncate(pdf: bytes) -> bytes:
    """The first third of a PDF, as a broken download leaves it."""
    return pdf[: len(pdf) // 3]


def _size(page: bytes) -> tuple[float, float]:
    with Image.open(BytesIO(page)) as picture:
        dpi = picture.info["dpi"][0]
        return picture.width * POINTS / dpi, picture.height * POINTS / dpi


def _gibberish(seed: int, lines: int) -> list[str]:
    random = np.random.default_rng(seed)
    letters = np.array(list("|l1!Ij;:.,'^~rnuvJq°§¬}{)(]["))
    return [
        " ".join("".join(random.choice(letters, length)) for length in random.integers(2, 9, 12)) for _ in range(lines)
    ]


def _write_invisibly(canvas: Canvas, lines: list[str], height: float) -> None:
    text = canvas.beginText(60, height - 70)
    text.setTextRenderMode(3)
    text.setFont("Helvetica", 10, leading=16)
    text.textLines(lines)
    canvas.drawText(text)
