"""Ruled tables: which words share a cell, and which cells a row.

A word's cell is the rectangle of ruling lines it sees when it looks up, down, left and right. That needs no model of
the table, bears merged cells, and is the same for a scan and for a rendered PDF page.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from elmtex_batch.boxes import Boxes, union
from elmtex_batch.document import Box
from elmtex_batch.layout.lines import lines_of
from elmtex_batch.layout.rulings import Rulings

TOLERANCE = 2.0
"""Points by which the places may differ where two words see the same ruling: lines are not quite straight."""
NEAR = 64
"""Groups looked back at for one that fits; bounds the work on a page of very many cells."""


@dataclass(slots=True)
class _Cell:
    """`words` are the row numbers of the boxes that stand within `box`."""

    box: Box
    words: list[int]


def ruled_rows(boxes: Boxes, rulings: Rulings) -> list[list[list[int]]]:
    """Rows of ruled tables as lists of cells, left to right, as lists of row numbers of `boxes`.

    A row has two or more cells beside each other between the same two rulings.
    """
    if not (rulings.horizontal.any() and rulings.vertical.any()):
        return []
    cells = sorted(_cells(boxes, rulings), key=lambda cell: (cell.box[1], cell.box[0]))
    rows = _grouped(cells, lambda cell: (cell.box[1], cell.box[3]))
    in_order = (sorted(row, key=lambda cell: cell.box[0]) for row in rows)
    return [[cell.words for cell in row] for row in in_order if _is_row(row) and not _is_whole_body(row, boxes)]


def _cells(boxes: Boxes, rulings: Rulings) -> list[_Cell]:
    seen = [(rulings.cell(union(boxes[i : i + 1])), i) for i in range(len(boxes))]
    looks = [_Cell(box, [i]) for box, i in sorted(seen, key=lambda look: look[0] or ()) if box]
    return [_Cell(same[0].box, [i for look in same for i in look.words]) for same in _grouped(looks, lambda c: c.box)]


def _grouped(cells: Iterable[_Cell], edges: Callable[[_Cell], tuple[float, ...]]) -> list[list[_Cell]]:
    """Cells whose `edges` are the same but for `TOLERANCE`. They come sorted, so that these are near each other."""
    groups: list[list[_Cell]] = []
    for cell in cells:
        for group in groups[-NEAR:]:
            if all(abs(a - b) <= TOLERANCE for a, b in zip(edges(group[0]), edges(cell), strict=True)):
                group.append(cell)
                break
        else:
            groups.append([cell])
    return groups


def _is_row(cells: list[_Cell]) -> bool:
    """Not so in a frame around running text, where long strokes of letters may pass for rulings."""
    return len(cells) > 1 and all(left.box[2] <= right.box[0] + TOLERANCE for left, right in pairwise(cells))


def _is_whole_body(cells: list[_Cell], boxes: Boxes) -> bool:
    """Whether these are the columns of a table without rulings between its rows.

    Most of them have several lines then, and those do not end where the next word would not have fitted.
    """
    breaks = [_fits(cell, boxes) for cell in cells]
    several = [fits for fits in breaks if fits]
    return 2 * len(several) > len(cells) and 2 * sum(map(sum, several)) > sum(map(len, several))


def _fits(cell: _Cell, boxes: Boxes) -> list[bool]:
    """For every line of a cell but the last: whether the first word of the next line would have fitted on it."""
    lines = [boxes[cell.words][line] for line in lines_of(boxes[cell.words])]
    return [
        bool(line[:, 2].max() + (word[2] - word[0]) + (word[3] - word[1]) < cell.box[2])
        for line, (word, *_) in pairwise(lines)
    ]
