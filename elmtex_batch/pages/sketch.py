"""What a small picture of a page tells: how the page lies, how much is written on it, where rulings run."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.boxes import Boxes
from elmtex_batch.layout.rulings import Rulings, find_rulings
from elmtex_batch.pages.raster import Grey, Raster, cleaned

Mask = NDArray[np.bool_]

DPI = 100.0
MAX_PIXELS = 8_000_000
"""A sheet of A1; larger pages are sketched at a lower resolution."""
INK, FAINT_INK = 160, 225
"""Grey levels below which a pixel of a cleaned page counts as ink; rulings may be thin and grey."""
EDGE = 0.02
"""Share of the page at each side that shows the scanner, not the page."""
MARGIN = 0.08
"""Share of the page at each side where holes, staples, shadows and the edges of photographed paper are."""
MAX_SKEW = 12.0
SAMPLE = 40_000
"""Ink pixels that are enough to find the skew."""
SQUARE = 10
"""Side in pixels of the squares in which writing is looked for."""
PARTLY = 0.05, 0.6
"""Shares of ink in a square that is written on: more than dust, less than a dark area."""


@dataclass(frozen=True)
class Sketch:
    """The cleaned grey levels of a page at `DPI` or, if it is very large, less; shape (rows, columns)."""

    pixels: Grey
    dpi: float

    @classmethod
    def of(cls, raster: Raster) -> "Sketch":
        small = cleaned(raster.scaled(min(DPI, raster.dpi * (MAX_PIXELS / raster.pixels.size) ** 0.5)))
        return cls(small.pixels, small.dpi)

    def turned(self, degrees: int) -> "Sketch":
        """The page turned clockwise by 0, 90, 180 or 270 degrees."""
        return Sketch(Raster(self.pixels, self.dpi).turned(degrees).pixels, self.dpi) if degrees % 360 else self

    @cached_property
    def rulings(self) -> Rulings:
        """Those of a straight page; of a skewed one only short pieces are seen."""
        return find_rulings(self.pixels < FAINT_INK, self.dpi)

    def skew(self) -> float:
        """Degrees clockwise by which the lines of text are turned, within `MAX_SKEW`."""
        return _best_angle(_inner(self.pixels < INK, MARGIN))[0]

    def is_sideways(self) -> bool:
        """Whether the lines of text seem to run from top to bottom, or from bottom to top."""
        ink = _inner(self.pixels < INK, MARGIN)
        return _best_angle(ink)[1] < _best_angle(np.rot90(ink))[1]

    def is_empty(self) -> bool:
        """Whether there is nothing as large as a character."""
        return float(_squares(_inner(self._strokes, EDGE)).max(initial=0.0)) < PARTLY[0]

    def written(self, covered: Boxes | None = None) -> float:
        """Square inches that are written on, apart from the margin and from `covered` boxes in points.

        What is written on looks so in two neighbouring squares at least; dust does not.
        """
        ink = self._strokes.copy()
        for x0, y0, x1, y1 in (covered if covered is not None else np.empty((0, 4))) * (self.dpi / 72):
            ink[max(0, int(y0) - 1) : max(0, int(y1) + 2), max(0, int(x0) - 1) : max(0, int(x1) + 2)] = False
        return float(_written(_squares(_inner(ink, MARGIN))).sum()) * (SQUARE / self.dpi) ** 2

    @cached_property
    def _strokes(self) -> Mask:
        return (self.pixels < INK) & ~(self.rulings.horizontal | self.rulings.vertical)


def _inner(ink: Mask, margin: float) -> Mask:
    rows, columns = (round(side * margin) for side in ink.shape)
    return ink[rows : ink.shape[0] - rows, columns : ink.shape[1] - columns]


def _squares(ink: Mask) -> NDArray[np.float64]:
    """Share of ink in each square of the page."""
    rows, columns = (side // SQUARE for side in ink.shape)
    squares = ink[: rows * SQUARE, : columns * SQUARE].reshape(rows, SQUARE, columns, SQUARE)
    share: NDArray[np.float64] = squares.mean(axis=(1, 3))
    return share


def _written(share: NDArray[np.float64]) -> Mask:
    """Which squares are written on, and so is one beside them."""
    written = np.pad((share >= PARTLY[0]) & (share <= PARTLY[1]), ((0, 0), (1, 1)))
    beside: Mask = written[:, :-2] | written[:, 2:]
    return written[:, 1:-1] & beside


def _best_angle(ink: Mask) -> tuple[float, float]:
    """The angle in degrees along which rows of ink and white alternate most sharply, and how sharply.

    A projection profile, after Postl (1986): ink pixels are summed along slanted lines, and the squared differences of
    neighbouring sums are largest where the lines run along the text.
    """
    y, x = np.nonzero(ink)
    if not len(y):
        return 0.0, 0.0
    if len(y) > SAMPLE:
        chosen = np.linspace(0, len(y) - 1, SAMPLE).astype(np.intp)
        y, x = y[chosen], x[chosen]
    best, sharpness = 0.0, 0.0
    for span, step in ((MAX_SKEW, 0.5), (0.5, 0.1), (0.1, 0.02)):
        angles = best + np.arange(-span, span + step / 2, step)
        scores = [_sharpness(x, y, float(angle)) for angle in angles]
        best, sharpness = float(angles[int(np.argmax(scores))]), max(scores) / len(y)
    return best, sharpness


def _sharpness(x: NDArray[np.intp], y: NDArray[np.intp], angle: float) -> float:
    rows = np.round(y - x * np.tan(np.radians(angle))).astype(np.intp)
    profile = np.bincount(rows - rows.min())
    return float((np.diff(profile).astype(np.float64) ** 2).sum())
