"""A page as grey levels, and what is done to it before OCR: turning, straightening, scaling, evening out the light."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Grey = NDArray[np.uint8]
"""0 black to 255 white; shape (rows, columns)."""

DARK_PAPER = 100
"""Grey level of the middle pixel below which a page is taken for white on black."""
CLEAN_PAPER, CLEAN_INK = 225, 0.4
"""Paper at least this bright everywhere, with ink at most this bright beside it, needs no cleaning."""


@dataclass(frozen=True, slots=True)
class Raster:
    """The grey levels of a page with square pixels, `dpi` of them to the inch."""

    pixels: Grey
    dpi: float

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in points."""
        rows, columns = self.pixels.shape
        return columns * 72 / self.dpi, rows * 72 / self.dpi

    def turned(self, degrees: int) -> "Raster":
        """The page turned clockwise by 0, 90, 180 or 270 degrees."""
        return Raster(np.ascontiguousarray(np.rot90(self.pixels, -degrees // 90)), self.dpi)

    def rotated(self, degrees: float) -> "Raster":
        """The page turned clockwise about its middle by a small angle; its size stays, what it uncovers is white."""
        turned = Image.fromarray(self.pixels).rotate(-degrees, resample=Image.Resampling.BICUBIC, fillcolor=255)
        return Raster(np.asarray(turned), self.dpi)

    def scaled(self, dpi: float) -> "Raster":
        """The page at another resolution."""
        rows, columns = self.pixels.shape
        size = max(1, round(columns * dpi / self.dpi)), max(1, round(rows * dpi / self.dpi))
        kernel = Image.Resampling.BOX if dpi < self.dpi / 2 else Image.Resampling.BICUBIC
        return Raster(np.asarray(Image.fromarray(self.pixels).resize(size, kernel)), dpi)


def cleaned(raster: Raster) -> Raster:
    """Black ink on white paper out of grey paper, uneven light, faint ink, or white ink on black.

    Raster pages that are clean already come back as they are.
    """
    pixels = raster.pixels if np.median(raster.pixels) >= DARK_PAPER else 255 - raster.pixels
    paper = _paper(pixels, raster.dpi)
    ink = _ink_level(pixels[::4, ::4] / paper[::4, ::4])
    if pixels is raster.pixels and ink <= CLEAN_INK and np.percentile(paper[::8, ::8], 2) >= CLEAN_PAPER:
        return raster
    even = (pixels / paper - ink) * (255 / (0.97 - ink))
    return Raster(np.clip(even, 0, 255).astype(np.uint8), raster.dpi)


def _paper(pixels: Grey, dpi: float) -> NDArray[np.float32]:
    """How bright the paper is around each pixel: the brightest within 0.2 inches, smoothed; same shape."""
    rows, columns = pixels.shape
    image = Image.fromarray(pixels)
    small = image.resize((max(1, round(columns * 50 / dpi)), max(1, round(rows * 50 / dpi))), Image.Resampling.BOX)
    brightest = small.filter(ImageFilter.MaxFilter(9)).filter(ImageFilter.GaussianBlur(6))
    paper = np.asarray(brightest.resize(image.size, Image.Resampling.BILINEAR), dtype=np.float32)
    return np.maximum(paper, 1.0)


def _ink_level(relative: NDArray[np.floating[Any]]) -> float:
    """How bright ink is relative to paper; 0 where there is none."""
    dark = relative[relative < 0.9]
    return float(np.percentile(dark, 10)) if dark.size else 0.0
