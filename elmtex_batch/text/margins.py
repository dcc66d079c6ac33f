"""Where lines end within their column: because it was full, or because there was nothing more to say?"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

from elmtex_batch.document import Page
from elmtex_batch.text.textlines import Line

_NEARLY_ALL = 0.9
"""The share of lines within a margin; the few that reach beyond it are headings or stray marks."""
_CELL_GAP = 2.0
"""A gap between words of more than this many line heights parts the cells of a table."""


class Extent(NamedTuple):
    """What a line covers on its page, in points; `first` is the width of its first word and the space before it."""

    left: float
    top: float
    right: float
    bottom: float
    first: float
    tabular: bool


def fill_on_page(lines: Sequence[Line], pages: Sequence[Page]) -> list[float]:
    """For every line but the last: the share of its column it would fill together with the next line's first word.

    Above 1 the word did not fit. 0 where words have no boxes, and for the rows of tables.
    """
    extents = [_extent(line, pages) for line in lines]
    columns = _columns(lines, extents, pages)
    members: defaultdict[Hashable, list[Extent]] = defaultdict(list)
    for column, extent in zip(columns, extents, strict=True):
        if extent:
            members[column].append(extent)
    margins = {column: _margins(within) for column, within in members.items()}
    return [_fill(*pair, margins.get(column, (0, 0))) for pair, column in zip(pairwise(extents), columns, strict=False)]


def fill_in_characters(lines: Sequence[Line]) -> list[float]:
    """As `fill_on_page`, for a text whose column is as wide as nearly all of its lines are long at most."""
    width = _nearly_all([len(line.text) for line in lines])
    return [(len(line.text) + 1 + len(below.first_word)) / width for line, below in pairwise(lines)]


def _fill(extent: Extent | None, below: Extent | None, margins: tuple[float, float]) -> float:
    if extent is None or below is None or extent.tabular or below.tabular:
        return 0.0
    left, right = margins
    return (extent.right - left + below.first) / max(right - left, 1.0)


def _margins(extents: Sequence[Extent]) -> tuple[float, float]:
    left = -_nearly_all([-extent.left for extent in extents])
    return left, _nearly_all([extent.right for extent in extents])


def _nearly_all(ends: Sequence[float]) -> float:
    """The end that all but a few keep to: of up to 10 the last one; 1 if there are none."""
    return sorted(ends)[min(len(ends) - 1, int(_NEARLY_ALL * len(ends)))] if ends else 1.0


def _extent(line: Line, pages: Sequence[Page]) -> Extent | None:
    words = [pages[token.page].words[token.word] for token in line.tokens]
    boxes = [word.box for word in words if word.box is not None]
    if len(boxes) < len(words):
        return None
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    height = max(bottoms) - min(tops)
    first = rights[0] - lefts[0] + height / 4
    tabular = any(after - before > _CELL_GAP * height for before, after in zip(rights, lefts[1:], strict=False))
    return Extent(min(lefts), min(tops), max(rights), max(bottoms), first, tabular)


def _columns(lines: Sequence[Line], extents: Sequence[Extent | None], pages: Sequence[Page]) -> list[Hashable]:
    """The column each line belongs to.

    Lines with nothing beside them are one column in the whole document: a list alone on a page shows no margin.
    """
    columns: list[Hashable] = []
    for index, group in groupby(zip(lines, extents, strict=True), key=lambda item: item[0].begin.page):
        alone = (None, pages[index].width)
        columns += [alone if run is None else (index, run) for run in _runs_beside([extent for _, extent in group])]
    return columns


def _runs_beside(extents: Sequence[Extent | None]) -> list[int | None]:
    """For the lines of a page the run they belong to, None for those with no other run at their height.

    A run of lines that stand below each other ends where the reading goes on beside or above a line.
    """
    runs = [0]
    for above, below in pairwise(extents):
        beside = above is not None and below is not None and below.top < (above.top + above.bottom) / 2
        runs.append(runs[-1] + beside)
    spans = [_span(list(group)) for _, group in groupby(zip(runs, extents, strict=True), key=itemgetter(0))]
    return [
        run if any(_overlap(extent, spans[other]) for other in (run - 1, run + 1) if 0 <= other < len(spans)) else None
        for run, extent in zip(runs, extents, strict=True)
    ]


def _span(run: Sequence[tuple[int, Extent | None]]) -> tuple[float, float]:
    """Top and bottom of a run of lines."""
    known = [extent for _, extent in run if extent]
    return min((e.top for e in known), default=0.0), max((e.bottom for e in known), default=0.0)


def _overlap(extent: Extent | None, span: tuple[float, float]) -> bool:
    return extent is not None and extent.top < span[1] and extent.bottom > span[0]
