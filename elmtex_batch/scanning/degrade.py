"""What scanners, copiers and fax machines do to a page."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from elmtex_batch.scanning.fonts import font_file

Floats = NDArray[np.float32]
Generator = np.random.Generator


@dataclass(frozen=True, slots=True)
class Scan:
    """Images of pages, their resolution, and the quality that JPEG shall keep; None for black and white."""

    images: list[Image.Image]
    dpi: int
    quality: int | None


def degrade(pdf: bytes, level: int, seed: int) -> Scan:
    """The pages of a PDF file as a level's scanner delivers them; see `elmtex_batch.scanning.as_scan`.

    Raises:
        ValueError: there is no such level.
    """
    if level not in LEVELS:
        raise ValueError(f"scans have the levels {', '.join(map(str, LEVELS))}")
    rng = np.random.default_rng((seed, level))
    return LEVELS[level](pdf, rng)


def _office(pdf: bytes, rng: Generator) -> Scan:
    skew, blur, noise = rng.uniform(-0.4, 0.4), rng.uniform(0.4, 0.8), rng.uniform(1, 4)
    ink, paper = rng.uniform(10, 50), rng.uniform(240, 252)
    pages = (_tilted(page, skew, blur) for page in _rasters(pdf, 300))
    return Scan([_picture(_toned(page, ink, paper) + _noise(page, noise, rng)) for page in pages], 300, 85)


def _everyday(pdf: bytes, rng: Generator) -> Scan:
    blur, noise = rng.uniform(0.8, 1.3), rng.uniform(8, 16)
    ink, paper = rng.uniform(40, 90), rng.uniform(205, 235)
    images = []
    for page in _rasters(pdf, 200):
        tilted = _tilted(page, rng.uniform(-1.5, 1.5), blur)
        faded = paper - (paper - _toned(tilted, ink, paper)) * _patches(tilted, 0.7, rng)
        grey = faded * _edge_shadow(tilted) + _noise(tilted, noise, rng)
        images.append(_speckled(_picture(grey), rng, 120, 30))
    return Scan(images, 200, int(rng.integers(20, 45)))


def _fax_or_copy(pdf: bytes, rng: Generator) -> Scan:
    return _fax(pdf, rng) if rng.random() < 0.5 else _third_copy(pdf, rng)


def _fax(pdf: bytes, rng: Generator) -> Scan:
    """200 dpi, or half of that down the page (standard mode): ragged letters, pepper, lost lines, a sender's line."""
    blur, noise, threshold = rng.uniform(0.5, 0.8), rng.uniform(16, 34), rng.uniform(115, 175)
    fine = rng.random() < 0.6
    images = []
    for number, page in enumerate(_rasters(pdf, 200), start=1):
        tilted = _tilted(page, rng.uniform(-1, 1), blur)
        grey = _without_lines(tilted + _noise(tilted, noise, rng), rng)
        scanned = grey if fine else grey[::2].repeat(2, axis=0)
        black = _speckled(_picture(np.where(scanned < threshold, 0, 255)), rng, 400, 0)
        _sender_line(black, number, rng)
        images.append(black.convert("1", dither=Image.Dither.NONE))
    return Scan(images, 200, None)


def _third_copy(pdf: bytes, rng: Generator) -> Scan:
    """Grey on grey, blurred, with toner that takes unevenly and fades in stripes."""
    dpi = int(rng.integers(150, 201))
    ink, paper = rng.uniform(88, 118), rng.uniform(185, 207)
    blur, noise = rng.uniform(0.8, 1.15) * dpi / 170, rng.uniform(8, 12)
    images = []
    for page in _rasters(pdf, dpi):
        tilted = _tilted(page, rng.uniform(-2, 2), blur)
        toner = _patches(tilted, 0.5, rng) * _stripes(tilted, rng)
        faded = paper - (paper - _toned(tilted, ink, paper)) * toner
        grey = faded * _edge_shadow(tilted) + _noise(tilted, noise, rng)
        images.append(_speckled(_picture(grey), rng, 200, int(ink)))
    return Scan(images, dpi, int(rng.integers(25, 45)))


LEVELS: dict[int, Callable[[bytes, Generator], Scan]] = {1: _office, 2: _everyday, 3: _fax_or_copy}
"""How bad a scan may be."""


def _rasters(pdf: bytes, dpi: int) -> list[Image.Image]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [page.render(scale=dpi / 72, grayscale=True).to_pil().convert("L") for page in document]


def _tilted(page: Image.Image, degrees: float, blur: float) -> Floats:
    """The page askew on the glass: grey levels, 0 to 255."""
    turned = page.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)
    return np.asarray(turned.filter(ImageFilter.GaussianBlur(blur)), np.float32)


def _toned(page: Floats, ink: float, paper: float) -> Floats:
    return ink + page / np.float32(255) * (paper - ink)


def _noise(page: Floats, deviation: float, rng: Generator) -> Floats:
    return rng.standard_normal(page.shape, np.float32) * np.float32(deviation)


def _edge_shadow(page: Floats) -> Floats:
    """The dark edge along the spine of a book or the lid of a scanner, left."""
    across = np.linspace(0, 1, page.shape[1], dtype=np.float32)
    return (1 - np.float32(0.3) * np.exp(-across * 40))[np.newaxis, :]


def _patches(page: Floats, least: float, rng: Generator) -> Floats:
    """Share of the toner that each pixel took, about `least` to 1, in patches."""
    height, width = page.shape
    coarse = Image.fromarray(rng.uniform(least, 1.1, (height // 60, width // 60)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)


def _stripes(page: Floats, rng: Generator) -> Floats:
    """The same for a few pale stripes across the page."""
    down = np.arange(len(page), dtype=np.float32)
    share = np.ones(len(page), np.float32)
    for _ in range(int(rng.integers(2, 7))):
        centre, reach = rng.uniform(0, len(page)), rng.uniform(2, 8)
        share *= 1 - rng.uniform(0.4, 0.8) * np.exp(-(((down - centre) / reach) ** 2))
    column: Floats = share[:, np.newaxis]
    return column


def _without_lines(grey: Floats, rng: Generator) -> Floats:
    """Scan lines that the telephone line lost are white."""
    for row in rng.integers(0, len(grey) - 3, rng.integers(4, 14)):
        grey[row : row + rng.integers(1, 3)] = 255
    return grey


def _sender_line(page: Image.Image, number: int, rng: Generator) -> None:
    day, month, hour, minute = (int(rng.integers(low, high)) for low, high in ((1, 29), (1, 13), (7, 19), (0, 60)))
    line = f"{day:02d}.{month:02d}.96  {hour:02d}:{minute:02d}   FAX 0{rng.integers(200, 9999)}   S. {number:02d}"
    ImageDraw.Draw(page).text((60, 18), line, fill=0, font=ImageFont.truetype(font_file("DejaVuSansMono.ttf"), 22))


def _speckled(page: Image.Image, rng: Generator, count: int, shade: int) -> Image.Image:
    draw = ImageDraw.Draw(page)
    places = rng.integers(0, page.size, (count, 2))
    for (x, y), size in zip(places.tolist(), rng.integers(0, 3, count).tolist(), strict=True):
        draw.rectangle((x, y, x + size, y + size // 2), fill=shade)
    return page


def _picture(grey: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8))
