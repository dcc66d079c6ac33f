"""Small files for the tests of the page readers: PDF pages drawn with reportlab, and scans of them."""

import io
from collections.abc import Callable, Sequence

import numpy as np
import pypdfium2 as pdfium
from PIL import Image
from reportlab.lib.pagesizes import A5
from reportlab.pdfgen.canvas import Canvas

from elmtex_batch.document import Page
from elmtex_batch.settings import OcrSettings, PageSettings

Draw = Callable[[Canvas], None]

PAGES = PageSettings()
OCR = OcrSettings(dpi=200, page_timeout_s=600)

LEFT = (
    "Die Patientin wurde wegen Atemnot",
    "und Fieber stationär aufgenommen.",
    "Das Röntgenbild zeigte ein Infiltrat",
    "im rechten Unterlappen der Lunge.",
    "Unter Antibiotika besserte sich der",
    "Zustand innerhalb von drei Tagen.",
)
RIGHT = (
    "Nebenbefundlich besteht seit Jahren",
    "ein gut eingestellter Diabetes mit",
    "Metformin als einziger Medikation.",
    "Der Vater erlitt einen Herzinfarkt,",
    "die Mutter ist gesund. Frau Beispiel",
    "raucht nicht und trinkt kaum Wein.",
)
LABORATORY = (
    ("Parameter", "Ergebnis", "Einheit", "Referenz"),
    ("Natrium", "139", "mmol/l", "135-145"),
    ("Kalium", "5,8", "mmol/l", "3,5-5,1"),
    ("Kreatinin", "1,27", "mg/dl", "0,51-0,95"),
    ("Leukozyten", "12,4", "Zellen/nl", "4,0-10,0"),
    ("Thrombozyten", "245", "Zellen/nl", "150-400"),
)
COLUMN_STARTS = (40, 150, 220, 300)


def pdf(*pages: Draw, size: tuple[float, float] = A5, **options: object) -> bytes:
    """A PDF file with one page for each function that draws one; `options` are those of reportlab's canvas."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=size, **options)
    for draw in pages:
        canvas.setFont("Helvetica", 10)
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def write(*lines: str, x: float = 40, y: float = 540, leading: float = 14) -> Draw:
    """Lines of text from (x, y) downwards, in points from the bottom left."""

    def draw(canvas: Canvas) -> None:
        for i, line in enumerate(lines):
            canvas.drawString(x, y - i * leading, line)

    return draw


def both(*parts: Draw) -> Draw:
    """Several drawings on one page."""

    def draw(canvas: Canvas) -> None:
        for part in parts:
            part(canvas)

    return draw


def table(rows: Sequence[Sequence[str]] = LABORATORY, *, ruled: bool, y: float = 440, height: float = 20) -> Draw:
    """A table whose first row's text stands at y points from the bottom."""

    def draw(canvas: Canvas) -> None:
        top, bottom = y + height * 0.65, y + height * (0.65 - len(rows))
        if ruled:
            canvas.grid([x - 4 for x in COLUMN_STARTS] + [390], list(np.linspace(bottom, top, len(rows) + 1)))
        for i, row in enumerate(rows):
            for x, cell in zip(COLUMN_STARTS, row, strict=True):
                for j, line in enumerate(cell.split("\n")):
                    canvas.drawString(x, y - i * height - j * 11, line)

    return draw


def picture(image: Image.Image, x: float = 0, y: float = 0, size: tuple[float, float] = A5) -> Draw:
    """An image, by default over the whole page."""

    def draw(canvas: Canvas) -> None:
        canvas.drawInlineImage(image, x, y, *size)

    return draw


def hidden(*lines: str, leading: float = 14) -> Draw:
    """Invisible text, as OCR tools write it over a scan."""

    def draw(canvas: Canvas) -> None:
        text = canvas.beginText(40, 540)
        text.setTextRenderMode(3)
        text.setLeading(leading)
        text.textLines("\n".join(lines))
        canvas.drawText(text)

    return draw


def scan(data: bytes, dpi: float = 200) -> Image.Image:
    """The first page of a PDF file as grey levels; knows its resolution."""
    document = pdfium.PdfDocument(data)
    image: Image.Image = document[0].render(scale=dpi / 72, grayscale=True).to_pil()
    document.close()
    image.info["dpi"] = (dpi, dpi)
    return image


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file, with the resolution if the image knows it."""
    buffer = io.BytesIO()
    known = {"dpi": image.info["dpi"]} if "dpi" in image.info else {}
    image.save(buffer, kind, **{**known, **options})
    return buffer.getvalue()


def lines(page: Page) -> list[str]:
    """The text of a page, line by line."""
    texts: dict[int, list[str]] = {}
    for word in page.words:
        texts.setdefault(word.line, []).append(word.text)
    return [" ".join(words) for words in texts.values()]


def text(page: Page) -> str:
    return " ".join(word.text for word in page.words)
