"""Words found on a page -> words in reading order, with their lines and blocks.

Serves text layers and OCR alike: Tesseract's own order reads a table column by column, and so do many PDF producers.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from elmtex_batch.boxes import Boxes, as_boxes, straighten, turn, turned_size, union
from elmtex_batch.document import Box, Word
from elmtex_batch.layout.order import reading_order
from elmtex_batch.layout.rulings import Rulings
from elmtex_batch.layout.tables import ruled_rows
from elmtex_batch.layout.warp import levelled

DIRECTION_STEP = 15
"""Text whose directions round to the same multiple of this many degrees is laid out together."""

Lines = list[list[int]]


@dataclass(frozen=True, slots=True)
class Token:
    """A run of characters without white space, where it was found: a `Word` before its place in the text is known.

    `angle` is the direction in which it runs, in degrees clockwise from left to right. `confidence` as in `Word`.
    """

    text: str
    box: Box
    angle: float = 0.0
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The tokens of one page of `width` x `height` points."""

    width: float
    height: float
    tokens: tuple[Token, ...] = ()

    @property
    def direction(self) -> int:
        """The quarter turn, 0 to 270 degrees clockwise, in which most of the text runs."""
        letters: dict[int, int] = defaultdict(int)
        for token in self.tokens:
            letters[round(token.angle / 90) * 90 % 360] += len(token.text)
        return max(letters, key=lambda quarter: letters[quarter], default=0)

    def turned(self, degrees: int) -> "Sheet":
        """The page after a clockwise turn by 0, 90, 180 or 270 degrees."""
        if degrees % 360 == 0:
            return self
        boxes = turn(as_boxes([token.box for token in self.tokens]), degrees, self.width, self.height)
        tokens = tuple(
            replace(token, box=tuple(box), angle=(token.angle + degrees) % 360)
            for token, box in zip(self.tokens, boxes.tolist(), strict=True)
        )
        return Sheet(*turned_size(self.width, self.height, degrees), tokens)


def arrange(sheet: Sheet, rulings: Rulings | None = None) -> tuple[Word, ...]:
    """The words of an upright page in reading order.

    Text that runs in another direction (a stamp, a note in the margin) follows at the end, in blocks of its own.
    `rulings` are those of the page after straightening its upright text.
    """
    boxes = as_boxes([token.box for token in sheet.tokens])
    blocks: list[list[list[Token]]] = []
    for angle, members in _directions(sheet.tokens):
        straight = straighten(boxes[members], angle, (sheet.width / 2, sheet.height / 2))
        rows = ruled_rows(straight, rulings) if rulings and abs(angle) < DIRECTION_STEP / 2 else []
        level = levelled(straight)
        blocks.extend(
            [[sheet.tokens[members[i]] for i in line] for line in block] for block in _with_tables(level, rows)
        )
    return _numbered(blocks)


def _directions(tokens: Sequence[Token]) -> Iterator[tuple[float, list[int]]]:
    """Directions in degrees with the numbers of their tokens: upright text first, then by amount of text."""
    groups: dict[int, list[int]] = defaultdict(list)
    for index, token in enumerate(tokens):
        groups[round(_signed(token.angle) / DIRECTION_STEP) % (360 // DIRECTION_STEP)].append(index)
    for step, members in sorted(groups.items(), key=lambda group: (group[0] != 0, -len(group[1]))):
        nominal = DIRECTION_STEP * step
        yield nominal + float(np.median([_signed(tokens[i].angle - nominal) for i in members])), members


def _signed(angle: float) -> float:
    """The same angle between -180 and 180, so that directions on either side of 0 can be averaged."""
    return (angle + 180) % 360 - 180


def _with_tables(boxes: Boxes, rows: list[list[list[int]]]) -> list[Lines]:
    """Blocks of lines of row numbers. To the cuts of the page a ruled row is one wide word, so that none cuts it."""
    if not rows:
        return reading_order(boxes)
    in_rows = {index for row in rows for cell in row for index in cell}
    items = [_row_lines(boxes, row) for row in rows]
    items += [[[index]] for index in range(len(boxes)) if index not in in_rows]
    outlines = as_boxes([union(boxes[[i for line in item for i in line]]) for item in items])
    blocks: list[Lines] = []
    after_row = False
    for block in reading_order(outlines):
        lines = [joined for line in block for joined in _joined(items[item] for item in line)]
        if after_row and block[0][0] < len(rows):  # rows of a table may stand far apart
            blocks[-1].extend(lines)
        else:
            blocks.append(lines)
        after_row = block[-1][-1] < len(rows)
    return blocks


def _row_lines(boxes: Boxes, row: list[list[int]]) -> Lines:
    """A row cell by cell. Cells of a single line share one line; a cell of several lines keeps its line ends."""
    cells = []
    for cell in row:
        blocks = reading_order(boxes[cell])
        cells.append([[cell[i] for i in line] for block in blocks for line in block])
    return _joined(cells)


def _joined(parts: Iterable[Lines]) -> Lines:
    """Parts that stand side by side, one after the other: on one line unless both sides have several lines."""
    lines: Lines = []
    last = 0
    for part in parts:
        if lines and min(last, len(part)) == 1:
            lines[-1] = lines[-1] + part[0]
            lines.extend(part[1:])
        else:
            lines.extend(part)
        last = len(part)
    return lines


def _numbered(blocks: list[list[list[Token]]]) -> tuple[Word, ...]:
    """Tokens in their final order as words, lines numbered through the page."""
    words: list[Word] = []
    numbers = count()
    for block_number, block in enumerate(blocks):
        for line in block:
            number = next(numbers)
            words.extend(Word(t.text, number, block_number, t.box, t.confidence) for t in line)
    return tuple(words)
