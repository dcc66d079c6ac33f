"""Text -> pages as archives hold them: typeset with a text layer, or scanned without one.

For measuring how robust a reader is, and for training it to be. The same arguments always give the same file, with the
same versions of reportlab, PDFium, Pillow and numpy.
"""

from io import BytesIO
from time import gmtime

from elmtex_batch.scanning.degrade import LEVELS, degrade
from elmtex_batch.scanning.looks import choose_look
from elmtex_batch.scanning.typeset import typeset

__all__ = ["LEVELS", "as_pdf", "as_scan"]


def as_pdf(text: str, seed: int) -> bytes:
    """A PDF file with text layer; the seed decides on font, layout, letterhead and page numbers."""
    return typeset(text, choose_look(text, seed))


def as_scan(text: str, level: int, seed: int) -> bytes:
    """The same pages as images in a PDF file.

    Args:
        text: what stands on them.
        level: 1 is a clean office scan (300 dpi, grey), 2 an everyday one (200 dpi, askew, noisy, JPEG), 3 a fax or
            the copy of a copy (150 to 200 dpi; black and white, or grey with little contrast).
        seed: decides on look and damage.

    Raises:
        ValueError: there is no such level.
    """
    pages = degrade(as_pdf(text, seed), level, seed)
    target = BytesIO()
    first, *more = pages.images
    coding = {} if pages.quality is None else {"quality": pages.quality}
    times = dict.fromkeys(("creationDate", "modDate"), gmtime(0))
    first.save(target, "PDF", save_all=True, append_images=more, resolution=pages.dpi, **coding, **times)
    return target.getvalue()
