"""Reading order of the words of a page by recursive cuts along white space.

A page is cut into bands along wide white stripes, and a band into columns along a gutter, but only where the text on
the sides of the gutter reads as columns. In every other case what stands on one line is read as one line: so the rows
of a table of laboratory values stay whole, and so do label and value. After Nagy and Seth's XY-cut (1984), with gutters
found as in Breuel, "Two geometric algorithms for layout analysis" (2002).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.boxes import Boxes, centres, heights, union
from elmtex_batch.layout.lines import lines_of

Block = list[list[int]]
"""Lines of row numbers."""
Mask = NDArray[np.bool_]

BAND_GAP = 3.0
"""White stripes this many text heights high separate bands that are read one after the other."""
GUTTER = 1.0
"""Width of the narrowest gutter in text heights; words of justified text stand closer."""
COLUMN_LINES = 3
"""Lines that a column must have on each side of its gutter."""
STRIPES = 256
"""White stripes that are compared with all words at a time; bounds the memory on a page of very many words."""
BLOCK_STEP = 1.3
"""How much farther than its neighbours a line must be to open a block."""
DEPTH = 12
"""Nested cuts; deeper ones occur on no page made for reading."""


def reading_order(boxes: Boxes, depth: int = DEPTH) -> list[Block]:
    """The row numbers of the boxes of straight text, as blocks of lines in the order a reader takes."""
    parts = _cut(boxes) if depth else []
    if not parts:
        return _blocks(boxes)
    return [
        [[int(part[i]) for i in line] for line in block]
        for part in parts
        for block in reading_order(boxes[part], depth - 1)
    ]


def _cut(boxes: Boxes) -> list[NDArray[np.intp]]:
    """Row numbers of the parts to read one after the other; empty where nothing is to be cut."""
    if len(boxes) < 2:
        return []
    text_height = float(np.median(heights(boxes)))
    bands = _bands(boxes, BAND_GAP * text_height)
    if len(bands) > 1:
        return bands
    gutter = _find_gutter(boxes, text_height)
    if gutter is None:
        return []
    middle = centres(boxes)[:, 1]
    sides = middle < gutter.top, gutter.left, gutter.right, middle > gutter.bottom
    return [part for side in sides if len(part := np.flatnonzero(side))]


def _bands(boxes: Boxes, gap: float) -> list[NDArray[np.intp]]:
    """Row numbers of groups that are separated by white stripes at least `gap` high, top to bottom."""
    by_top = np.argsort(boxes[:, 1], kind="stable")
    reach = np.maximum.accumulate(boxes[by_top, 3])
    cuts = np.flatnonzero(boxes[by_top[1:], 1] - reach[:-1] >= gap) + 1
    return np.split(by_top, cuts)


@dataclass(frozen=True, slots=True)
class _Gutter:
    """A white stripe between two columns from `top` to `bottom`, and which boxes stand on its sides."""

    top: float
    bottom: float
    left: Mask
    right: Mask

    @property
    def size(self) -> tuple[int, int]:
        """Words on the side with fewer, and on both: beside a short column the stripe along all of the long one."""
        left, right = int(self.left.sum()), int(self.right.sum())
        return min(left, right), left + right


def _find_gutter(boxes: Boxes, text_height: float) -> _Gutter | None:
    """The gutter with most text on both sides that reads as columns."""
    seen: dict[bytes, _Gutter] = {}
    for gutter in _white_stripes(boxes, GUTTER * text_height):
        seen.setdefault(gutter.left.tobytes() + gutter.right.tobytes(), gutter)
    candidates = sorted(seen.values(), key=lambda gutter: gutter.size, reverse=True)
    return next((g for g in candidates if _are_columns(boxes[g.left], boxes[g.right], text_height)), None)


def _white_stripes(boxes: Boxes, width: float) -> Iterator[_Gutter]:
    """Every stripe of `width` that starts at the end of a word and runs between two words that block it.

    Those with less than `COLUMN_LINES` words on a side are left out.
    """
    top, bottom = boxes[:, 1].min() - 1, boxes[:, 3].max() + 1
    middle = centres(boxes)[:, 1]
    left = np.unique(np.ceil(boxes[:, 2] / (width / 4)) * (width / 4))[:, None]
    x0, y0, x1, y1 = boxes[np.argsort(boxes[:, 1])].T
    # One row for each stripe, one column for each word from top to bottom, and one for the end of the page.
    blocking = np.pad((x0 < left + width) & (x1 > left), ((0, 0), (0, 1)), constant_values=True)
    reach = np.maximum.accumulate(np.where(blocking[:, :-1], y1, top), axis=1)
    ends = np.pad(reach, ((0, 0), (1, 0)), constant_values=top)
    starts = np.append(y0, bottom)
    stripes, words = np.nonzero(blocking & (starts - ends >= COLUMN_LINES * width))
    for some in np.split(np.arange(len(stripes)), range(STRIPES, len(stripes), STRIPES)):
        x, above, below = left[stripes[some]], ends[stripes[some], words[some], None], starts[words[some], None]
        within = (middle > above) & (middle < below)
        before, after = within & (boxes[:, 2] <= x), within & (boxes[:, 0] >= x + width)
        for i in np.flatnonzero(np.minimum(before.sum(1), after.sum(1)) >= COLUMN_LINES):
            yield _Gutter(float(above[i, 0]), float(below[i, 0]), before[i], after[i])


def _are_columns(left: Boxes, right: Boxes, text_height: float) -> bool:
    """Whether two neighbouring groups are columns of text, not the cells of a table or labels with their values.

    Two columns of running text are. So is running text beside something whose lines stand at other heights, such as the
    address column of a letterhead.
    """
    sides = [(side, lines_of(side)) for side in (left, right)]
    if min(len(lines) for _, lines in sides) < COLUMN_LINES:
        return False
    prose = [_is_prose(side, lines) for side, lines in sides]
    return all(prose) or (any(prose) and not _share_lines(sides, 0.2 * text_height))


def _is_prose(boxes: Boxes, lines: list[list[int]]) -> bool:
    """Running text: lines of several words without holes, most of which fill the column."""
    x0, _, x1, _ = union(boxes)
    extents = np.array([union(boxes[line]) for line in lines])
    widths = extents[:, 2] - extents[:, 0]
    inked = np.array([float((boxes[line, 2] - boxes[line, 0]).sum()) for line in lines])
    words = float(np.mean([len(line) for line in lines]))
    filled = float(np.mean(widths >= 0.7 * (x1 - x0)))
    return words >= 2.5 and filled >= 0.5 and float(np.median(inked / np.maximum(widths, 1e-6))) >= 0.7


def _share_lines(sides: list[tuple[Boxes, list[list[int]]]], tolerance: float) -> bool:
    """Whether most lines of the side with fewer lines stand level with one of the other side."""
    (few, many) = sorted(
        (np.array([float(np.median(centres(boxes[line])[:, 1])) for line in lines]) for boxes, lines in sides), key=len
    )
    return float(np.mean(np.abs(few[:, None] - many[None, :]).min(1) <= tolerance)) >= 0.6


def _blocks(boxes: Boxes) -> list[Block]:
    """The lines of one column, cut into blocks where the next line is farther away than usual around it."""
    lines = lines_of(boxes)
    if not lines:
        return []
    tall, middle = heights(boxes).tolist(), centres(boxes)[:, 1].tolist()
    middles = [median(middle[i] for i in line) for line in lines]
    steps = [below - above for above, below in pairwise(middles)]
    blocks: list[Block] = [[lines[0]]]
    for i, line in enumerate(lines[1:]):
        text_height = median(tall[word] for word in line)
        around = steps[max(0, i - 2) : i] + steps[i + 1 : i + 3]
        usual = median(around) if around else 1.25 * text_height
        if steps[i] > BLOCK_STEP * max(usual, text_height):
            blocks.append([])
        blocks[-1].append(line)
    return blocks
