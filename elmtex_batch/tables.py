"""Ruled tables: which words share a cell, and which cells a row.

A word's cell is the rectangle of ruling lines it sees when it looks up, down, left and right. That needs no model of
the table, bears merged cells, and is the same for a scan and for a rendered PDF page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, takewhile

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.boxes import Boxes, union
from elmtex_batch.document import Box

Mask = NDArray[np.bool_]
Cell = tuple[int, int, int, int]
"""Pixels (left, top, right, bottom) of the rulings around a word."""

ACROSS, DOWN = 0.75, 0.25
"""Inches from which a straight stroke is a ruling, and not the tops of the letters of a word, or a tall letter."""
GAP_SHARE = 0.1
"""Share of a ruling that may be missing: scans have holes."""


@dataclass(frozen=True, slots=True)
class Rulings:
    """Horizontal and vertical rulings of an upright, straight page as masks of `dpi` pixels per inch."""

    horizontal: Mask
    vertical: Mask
    dpi: float

    def cell(self, box: Box) -> Cell | None:
        """What a word sees that looks out of the middles of its sides; None if it is open to a side.

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
        return int(left[-1]), int(above[-1]), x1 - slack + int(right[0]), y1 - slack + int(below[0])


def find_rulings(ink: Mask, dpi: float) -> Rulings:
    """Long straight strokes in the ink of a page; shape (rows, columns)."""
    return Rulings(_runs(ink, round(ACROSS * dpi)), _runs(ink.T, round(DOWN * dpi)).T, dpi)


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


def ruled_rows(boxes: Boxes, rulings: Rulings) -> list[list[list[int]]]:
    """Rows of ruled tables as lists of cells, left to right, as lists of row numbers of `boxes`.

    A row has two or more cells beside each other, between the same two rulings.
    """
    words: dict[Cell, list[int]] = {}
    for index in range(len(boxes)):
        if cell := rulings.cell(union(boxes[index : index + 1])):
            words.setdefault(cell, []).append(index)
    tolerance = max(2, round(rulings.dpi / 36))
    rows = _grouped(sorted(words, key=lambda cell: cell[1]), lambda cell: (cell[1], cell[3]), tolerance)
    table = (_grouped(sorted(row), lambda cell: (cell[0], cell[2]), tolerance) for row in rows)
    return [
        [[word for seen in cell for word in words[seen]] for cell in row] for row in table if _is_row(row, tolerance)
    ]


def _is_row(row: list[list[Cell]], tolerance: int) -> bool:
    """Not so in a frame around running text, where long strokes of letters pass for rulings."""
    return len(row) > 1 and all(left[0][2] <= right[0][0] + tolerance for left, right in pairwise(row))


def _grouped(cells: list[Cell], edges: Callable[[Cell], tuple[int, int]], tolerance: int) -> list[list[Cell]]:
    """Cells whose `edges` differ by no more than a few pixels, as those of lines do that are not quite straight.

    `cells` are sorted by the first of the two edges.
    """
    groups: list[list[Cell]] = []
    for cell in cells:
        start, end = edges(cell)
        near = takewhile(lambda group: start - edges(group[0])[0] <= tolerance, reversed(groups))  # noqa: B023
        same = next((group for group in near if abs(end - edges(group[0])[1]) <= tolerance), None)
        if same is None:
            groups.append([cell])
        else:
            same.append(cell)
    return groups
