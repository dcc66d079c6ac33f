"""One page of a file -> a picture for people to look at, upright as the boxes of its words are."""

import io

from PIL import Image

from elmtex_batch.pages.images import open_image, page_frames, read_frame
from elmtex_batch.pages.media import Media, detect_media
from elmtex_batch.pages.pdf import open_page, open_pdf, render, user_units
from elmtex_batch.pages.problems import PageProblem
from elmtex_batch.pages.raster import Raster
from elmtex_batch.reasons import Code
from elmtex_batch.settings import PageSettings

QUALITY = 55
"""Of WebP: letters are crisp, and a page at 120 dpi takes 50 to 100 kB."""
MOST_MEGAPIXELS = 8.0
"""Larger pages, posters and plans, come at a lower resolution."""


def draw_page(data: bytes, number: int, rotation: int, dpi: float, settings: PageSettings) -> bytes:
    """Page `number` (1-based) of a file in grey levels at `dpi` or less, as WebP.

    `rotation` is what `Page.rotation` says of the page: the picture shows it after this turn.

    Raises:
        PageProblem: there is no such page, or it cannot be shown.
    """
    media = detect_media(data)
    if media is None or media is Media.TEXT:
        raise PageProblem(Code.UNSUPPORTED_TYPE)
    raster = _pdf_page(data, number, dpi) if media is Media.PDF else _frame(data, media, number, settings)
    return _encoded(_at_most(raster, dpi).turned(rotation))


def _pdf_page(data: bytes, number: int, dpi: float) -> Raster:
    with open_pdf(data) as document:
        if number > len(document):
            raise PageProblem(Code.NO_PAGES)
        unit = user_units(data, len(document))[number - 1]
        with open_page(document, number - 1) as page:
            return render(page, unit, MOST_MEGAPIXELS, dpi)


def _frame(data: bytes, media: Media, number: int, settings: PageSettings) -> Raster:
    with open_image(data, media) as image:
        frames = page_frames(image, number)
        if number > len(frames):
            raise PageProblem(Code.NO_PAGES)
        return read_frame(image, frames[number - 1], settings.max_megapixels)


def _at_most(raster: Raster, dpi: float) -> Raster:
    dpi = min(dpi, raster.dpi * (MOST_MEGAPIXELS * 1e6 / raster.pixels.size) ** 0.5)
    return raster.scaled(dpi) if dpi < raster.dpi else raster


def _encoded(raster: Raster) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(raster.pixels).save(sink, "WEBP", quality=QUALITY)
    return sink.getvalue()
