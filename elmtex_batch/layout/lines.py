"""Words to lines: which boxes of straight text stand on one line."""

from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.boxes import Boxes, centres, heights

SMALL = 0.6
"""Words lower than this share of the usual height (superscripts, dashes, commas) look for a line of others first."""
NEIGHBOURS = 8
"""Lines above and below that are considered for a word; bounds the work on a page of very many words."""
_MIDDLE = attrgetter("middle")


@dataclass(slots=True)
class _Line:
    """A line in the making; `middle` and `height` are those of its first, regular words."""

    middle: float
    height: float
    members: list[int] = field(default_factory=list)

    def overlap(self, top: float, bottom: float) -> float:
        """Share of the span from `top` to `bottom` that lies within the line."""
        shared = min(bottom, self.middle + self.height / 2) - max(top, self.middle - self.height / 2)
        return shared / max(bottom - top, 1e-6)

    def add(self, index: int, middle: float, height: float) -> None:
        count = len(self.members)
        self.middle = (self.middle * count + middle) / (count + 1)
        self.height = (self.height * count + height) / (count + 1)
        self.members.append(index)


def lines_of(boxes: Boxes) -> list[list[int]]:
    """Row numbers of `boxes` grouped into lines, top to bottom, each line from left to right."""
    if not len(boxes):
        return []
    tall = heights(boxes)
    small = tall < SMALL * np.median(tall)
    lines = _regular_lines(boxes, np.flatnonzero(~small))
    for index in np.flatnonzero(small):
        _place_small(boxes, int(index), lines)
    lines.sort(key=lambda line: line.middle)
    return [sorted(line.members, key=lambda i: boxes[i, 0]) for line in lines]


def _regular_lines(boxes: Boxes, indices: NDArray[np.intp]) -> list[_Line]:
    """Lines of words of usual height: a word joins the line whose middle is less than half a height away."""
    lines: list[_Line] = []
    middles, tall = centres(boxes)[:, 1], heights(boxes)
    for i in sorted(indices.tolist(), key=lambda i: middles[i]):
        middle, height = float(middles[i]), float(tall[i])
        # Words come from top to bottom, so no line has its middle below theirs: the lowest is the nearest.
        home = max(lines[-NEIGHBOURS:], key=_MIDDLE, default=None)
        if home is None or abs(home.middle - middle) >= 0.5 * min(home.height, height):
            home = _Line(middle, height)
            lines.append(home)
        home.add(i, middle, height)
    return lines


def _place_small(boxes: Boxes, index: int, lines: list[_Line]) -> None:
    """Put a small word into the line that covers it, beside its nearest neighbour; else it opens a line."""
    top, bottom = float(boxes[index, 1]), float(boxes[index, 3])
    covering = [line for line in lines if line.overlap(top, bottom) >= 0.4]
    if covering:
        home = min(covering, key=lambda line: _distance(boxes, index, line))
        home.members.append(index)
    else:
        lines.append(_Line((top + bottom) / 2, bottom - top, [index]))


def _distance(boxes: Boxes, index: int, line: _Line) -> float:
    """Horizontal gap between a word and the nearest word of a line."""
    x0, x1 = boxes[index, 0], boxes[index, 2]
    others = boxes[line.members]
    return float(np.maximum(np.maximum(others[:, 0] - x1, x0 - others[:, 2]), 0).min())
