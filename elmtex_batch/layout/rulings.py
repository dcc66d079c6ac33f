"""The ruling lines of a page, printed or scanned alike, and what a word sees of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.document import Box

Mask = NDArray[np.bool_]

ACROSS, DOWN = 0.75, 0.25
"""Inches from which a straight stroke is a ruling, and not the tops of the letters of a word, or a tall letter."""
THICK = 0.08
"""Inches from which a stroke is a bar or a shaded area."""
GAP_SHARE = 0.1
"""Share of a ruling that may be missing: scans have holes."""


@dataclass(frozen=True, slots=True)
class Rulings:
    """Horizontal and vertical rulings of an upright, straight page as masks of `dpi` pixels per inch."""

    horizontal: Mask
    vertical: Mask
    dpi: float

    def cross(self, box: Box) -> bool:
        """Whether a ruling runs through a box in points."""
        x0, y0, x1, y1 = (max(0, round(side / 72 * self.dpi)) for side in box)
        area = slice(y0, y1 + 1), slice(x0, x1 + 1)
        return bool(self.horizontal[area].any() or self.vertical[area].any())

    def cell(self, box: Box) -> Box | None:
        """The rulings a word sees that looks out of the middles of its sides, in points; None if it is open to a side.

        It looks from its edges: the tops of its own letters, as in "mmol", can be as straight as a ruling.
        """
        x0, y0, x1, y1 = (round(side / 72 * self.dpi) for side in box)
        column, row, slack = (x0 + x1) // 2, (y0 + y1) // 2, (y1 - y0) // 8
        rows, columns = self.vertical.shape
        if not (0 < y0 < y1 < rows and 0 < x0 < x1 < columns):
            return None
        left = np.flatnonzero(self.vertical[row, : x0 + slack])
        right = np.flatnonzero(self.vertical[row, x1 - slack :])
        above = np.flatnonzero(self.horizontal[: y0 + slack, column])
        below = np.flatnonzero(self.horizontal[y1 - slack :, column])
        if not all(len(seen) for seen in (left, right, above, below)):
            return None
        points = 72 / self.dpi
        return (
            float(left[-1]) * points,
            float(above[-1]) * points,
            float(x1 - slack + right[0]) * points,
            float(y1 - slack + below[0]) * points,
        )


def find_rulings(ink: Mask, dpi: float) -> Rulings:
    """Long thin straight strokes in the ink of a page; shape (rows, columns)."""
    across, down = _runs(ink, round(ACROSS * dpi)), _runs(ink.T, round(DOWN * dpi)).T
    wide, high = _runs(ink, round(THICK * dpi)), _runs(ink.T, round(THICK * dpi)).T
    return Rulings(across & ~high, down & ~wide, dpi)


def _runs(ink: Mask, length: int) -> Mask:
    """The ink of each row that belongs to an all but unbroken run of `length` pixels."""
    if ink.shape[1] < length:
        return np.zeros_like(ink)
    inked = _window_sums(ink, length) >= (1 - GAP_SHARE) * length
    starts = np.pad(inked, ((0, 0), (length - 1, length - 1)))
    return _window_sums(starts, length) > 0


def _window_sums(values: Mask, length: int) -> NDArray[np.int32]:
    """Sums over every window of `length` neighbours in a row; shape (rows, columns - length + 1)."""
    sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1, dtype=np.int32)
    return sums[:, length:] - sums[:, :-length]
