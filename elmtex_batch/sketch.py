"""What a small picture of a page tells: how the page lies, how much is written on it, where rulings run."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.boxes import Boxes
from elmtex_batch.raster import Grey, Raster, cleaned
from elmtex_batch.tables import Rulings, find_rulings

Mask = NDArray[np.bool_]

DPI = 100.0
INK, FAINT_INK = 160, 200
"""Grey levels below which a pixel of a cleaned page counts as ink; hairlines are fainter than letters."""
EDGE = 0.02
"""Share of the page at each side that shows the scanner, not the page."""
MARGIN = 0.08
"""Share of the page at each side where holes, staples, shadows and the edges of photographed paper are."""
MAX_SKEW = 12.0
SAMPLE = 40_000
"""Ink pixels that are enough to find the skew."""
CHARACTER = 12
"""Ink pixels of a small character."""
SQUARE = 10
"""Side in pixels of the squares in which writing is looked for."""
PARTLY = 0.05, 0.6
"""Shares of ink in a square that is written on: more than dust, less than a dark area."""


@dataclass(frozen=True)
class Sketch:
    """A page at `DPI`; `pixels` are cleaned grey levels of shape (rows, columns)."""

    pixels: Grey

    @classmethod
    def of(cls, raster: Raster) -> "Sketch":
        return cls(cleaned(raster.scaled(DPI)).pixels)

    def turned(self, degrees: int) -> "Sketch":
        """The page turned clockwise by 0, 90, 180 or 270 degrees."""
        return Sketch(Raster(self.pixels, DPI).turned(degrees).pixels)

    @cached_property
    def rulings(self) -> Rulings:
        """Those of a straight page; of a skewed one only short pieces are seen."""
        return find_rulings(self.pixels < FAINT_INK, DPI)

    def skew(self) -> float:
        """Degrees clockwise by which the lines of text are turned, within `MAX_SKEW`."""
        return _best_angle(_inner(self.pixels < INK, MARGIN))[0]

    def is_sideways(self) -> bool:
        """Whether the lines of text seem to run from top to bottom, or from bottom to top."""
        ink = _inner(self.pixels < INK, MARGIN)
        return _best_angle(ink)[1] < _best_angle(np.rot90(ink))[1]

    def is_empty(self) -> bool:
        """Whether there is less ink than one character takes."""
        return int(_inner(self.pixels < INK, EDGE).sum()) < CHARACTER

    def written(self, margin: float = MARGIN, covered: Boxes | None = None) -> float:
        """Square inches that are written on, apart from the margin and from `covered` boxes in points.

        What is written on looks so in two neighbouring squares at least; dust does not, nor does a line.
        """
        ink = (self.pixels < INK) & ~(self.rulings.horizontal | self.rulings.vertical)
        for x0, y0, x1, y1 in (covered if covered is not None else np.empty((0, 4))) * (DPI / 72):
            ink[max(0, int(y0) - 1) : max(0, int(y1) + 2), max(0, int(x0) - 1) : max(0, int(x1) + 2)] = False
        return float(_written_squares(_inner(ink, margin)).sum()) * (SQUARE / DPI) ** 2


def _inner(ink: Mask, margin: float) -> Mask:
    rows, columns = (round(side * margin) for side in ink.shape)
    return ink[rows : ink.shape[0] - rows, columns : ink.shape[1] - columns]


def _written_squares(ink: Mask) -> Mask:
    rows, columns = (side // SQUARE for side in ink.shape)
    squares = ink[: rows * SQUARE, : columns * SQUARE].reshape(rows, SQUARE, columns, SQUARE)
    share = squares.mean(axis=(1, 3))
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
