"""The ruling lines of a page, printed or scanned alike, and what a word sees of them."""

from dataclasses import dataclass
from math import ceil
from typing import Any

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
    thick = round(THICK * dpi)
    across, down = _runs(ink, round(ACROSS * dpi), axis=1), _runs(ink, round(DOWN * dpi), axis=0)
    horizontal = across & ~_runs(ink, thick, axis=0) if across.any() else across
    vertical = down & ~_runs(ink, thick, axis=1) if down.any() else down
    return Rulings(horizontal, vertical, dpi)


def _runs(ink: Mask, length: int, axis: int) -> Mask:
    """The ink that belongs to an all but unbroken run of `length` pixels along an axis."""
    if ink.shape[axis] < length:
        return np.zeros_like(ink)
    inked = _windows(ink.astype(np.min_scalar_type(length)), length, axis, np.add) >= ceil((1 - GAP_SHARE) * length)
    if not inked.any():
        return np.zeros_like(ink)
    margin = [(length - 1, length - 1) if side == axis else (0, 0) for side in (0, 1)]
    return _windows(np.pad(inked, margin), length, axis, np.logical_or)


def _windows(values: NDArray[Any], length: int, axis: int, joined: np.ufunc) -> NDArray[Any]:
    """Every window of `length` neighbours along an axis as one value: shorter by `length` - 1.

    Windows are joined of shorter ones, each twice as long as the last: a few passes over the page, whatever the length.
    """
    total: NDArray[Any] | None = None
    covered, size = 0, 1
    while True:
        if length & size:
            total = values if total is None else joined(*_overlap(total, values, covered, axis))
            covered += size
        if covered == length:
            assert total is not None
            return total
        values, size = joined(*_overlap(values, values, size, axis)), 2 * size


def _overlap(first: NDArray[Any], second: NDArray[Any], step: int, axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """`first` and, `step` further along an axis, `second`, as far as both reach."""
    reach = min(first.shape[axis], second.shape[axis] - step)
    along = (slice(None),) * axis
    return first[(*along, slice(reach))], second[(*along, slice(step, step + reach))]
