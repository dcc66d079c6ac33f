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
WHITE = 0.97
"""Brightness relative to that of clean paper from which a pixel is paper."""
NOISE, SPECKS = 6, 3
"""Standard deviations of the paper's noise: ink is darker than paper by so many at least, what is darker by fewer than
the second is paper. Specks of noise, on a page of few words above all, cost Tesseract half a minute and the words."""
BAND = 1024
"""Rows that are computed in floating point at a time."""
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
        # Bicubic takes twice as long and sharpens noise: with it Tesseract misreads more on everyday scans and faxes.
        turned = Image.fromarray(self.pixels).rotate(-degrees, resample=Image.Resampling.BILINEAR, fillcolor=255)
        return Raster(np.asarray(turned), self.dpi)

    def scaled(self, dpi: float) -> "Raster":
        """The page at another resolution."""
        rows, columns = self.pixels.shape
        size = max(1, round(columns * dpi / self.dpi)), max(1, round(rows * dpi / self.dpi))
        kernel = Image.Resampling.BOX if dpi < self.dpi / 2 else Image.Resampling.BICUBIC
        return Raster(np.asarray(Image.fromarray(self.pixels).resize(size, kernel)), dpi)


def cleaned(raster: Raster) -> Raster:
    """Black ink on white paper out of grey paper, uneven light, faint ink, or white ink on black.

    Pages that are clean already come back as they are.
    """
    pixels = raster.pixels if np.median(raster.pixels[::4, ::4]) >= DARK_PAPER else 255 - raster.pixels
    small, sample = _paper(pixels, raster.dpi), pixels[::4, ::4]
    paper = _enlarged(small, sample)
    ink, white = _levels(sample / paper)
    if pixels is raster.pixels and ink <= CLEAN_INK and np.percentile(paper[::2, ::2], 2) >= CLEAN_PAPER:
        return raster
    paper = _enlarged(small, pixels)
    even = np.empty_like(pixels)
    for rows in (slice(start, start + BAND) for start in range(0, len(pixels), BAND)):
        relative = np.divide(pixels[rows], paper[rows], dtype=np.float32)
        even[rows] = np.clip((relative - ink) * (255 / (white - ink)), 0, 255)
    return Raster(even, raster.dpi)


def _paper(pixels: Grey, dpi: float) -> Image.Image:
    """How bright the paper is: the brightest within 0.2 inches, smoothed; a small picture of the page."""
    rows, columns = pixels.shape
    image = Image.fromarray(pixels)
    small = image.resize((max(1, round(columns * 50 / dpi)), max(1, round(rows * 50 / dpi))), Image.Resampling.BOX)
    brightest = Image.fromarray(_brightest_of_squares(np.asarray(small), 4)).filter(ImageFilter.MaxFilter(3))
    return brightest.filter(ImageFilter.GaussianBlur(1.5))


def _enlarged(paper: Image.Image, pixels: Grey) -> Grey:
    """How bright the paper is around each of the pixels of the page; same shape, never 0."""
    rows, columns = pixels.shape
    enlarged: Grey = np.maximum(np.asarray(paper.resize((columns, rows), Image.Resampling.BILINEAR)), 1)
    return enlarged


def _brightest_of_squares(pixels: Grey, side: int) -> Grey:
    rows, columns = pixels.shape
    padded = np.pad(pixels, ((0, -rows % side), (0, -columns % side)), mode="edge")
    brightest: Grey = padded.reshape(padded.shape[0] // side, side, -1, side).max(axis=(1, 3))
    return brightest


def _levels(relative: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """How bright ink and white are, of pixels relative to the paper around them.

    Ink is what differs from the paper by much more than its noise does: the noise of an empty page must not become ink.
    """
    white = float(np.median(relative))
    noise = float(np.percentile(relative, 84)) - white  # one standard deviation, on the side where no ink is
    lightest = white - NOISE * noise
    dark = relative[relative < min(lightest, 0.9)]
    ink = float(np.percentile(dark, 25)) if dark.size else 0.0
    return min(ink, lightest), white - max(SPECKS * noise, 1 - WHITE)
