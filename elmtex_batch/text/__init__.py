"""Pages of words -> one normalised text that knows, for every character, the word, page and box it came from.

One line of the text is one paragraph, list item, heading or table row; a blank line parts blocks. Normalising a
normalised text again changes nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.boxes import as_boxes, union
from elmtex_batch.document import Box, Method, Page, Word
from elmtex_batch.text.furniture import drop_furniture
from elmtex_batch.text.paragraphs import join_wrapped
from elmtex_batch.text.textlines import Line, read_lines

_LINE_END = re.compile(r"\r\n|[\n\r\v\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a piece of text stands in the document.

    A piece that runs over a page break is given the page it begins on and the boxes there. `boxes` has one box per line
    touched, in points (see `Box`), and is empty without boxes. `ocr_confidence` is the mean over the words touched,
    weighted by their length, 0 to 1, None without OCR. Without any word (white space only) `page` is None.
    """

    page: int | None
    boxes: tuple[Box, ...] = ()
    ocr_confidence: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class NormalisedText:
    """A text and the map back to its words; the arrays have one entry per token (a run without spaces from one word).

    Characters `starts[i]` to `ends[i]` of `text` come from `pages[page_indices[i]].words[word_indices[i]]`. Tokens
    stand in the order of the text, do not overlap, and hold every character that is not white space.
    """

    text: str
    pages: tuple[Page, ...]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    page_indices: NDArray[np.int32]
    word_indices: NDArray[np.int32]

    def evidence(self, start: int, end: int) -> Evidence:
        """Where the characters from `start` up to `end` come from.

        Raises:
            ValueError: the range does not lie within the text.
        """
        if not 0 <= start <= end <= len(self.text):
            raise ValueError(f"no range of this text: {start} to {end} of {len(self.text)}")
        first, last = np.searchsorted(self.ends, start, "right"), np.searchsorted(self.starts, end, "left")
        touched = dict.fromkeys(
            zip(self.page_indices[first:last].tolist(), self.word_indices[first:last].tolist(), strict=True)
        )
        if start == end or not touched:
            return Evidence(None)
        page_index, _ = next(iter(touched))
        words = [self.pages[page].words[word] for page, word in touched]
        here = [self.pages[page].words[word] for page, word in touched if page == page_index]
        return Evidence(self.pages[page_index].number, _line_boxes(here), _confidence(words))

    def page_range(self, number: int) -> tuple[int, int]:
        """The characters that come from the page of this number; an empty range where it gave none.

        Raises:
            ValueError: the document has no such page.
        """
        index = next((index for index, page in enumerate(self.pages) if page.number == number), None)
        if index is None:
            raise ValueError(f"no page {number}")
        first, last = np.searchsorted(self.page_indices, [index, index + 1])
        if first == last:
            position = int(self.ends[first - 1]) if first else 0
            return position, position
        return int(self.starts[first]), int(self.ends[last - 1])


def normalise(pages: Sequence[Page]) -> NormalisedText:
    """The text of a document: clean characters, no page furniture, wrapped lines and broken words joined."""
    return _lay_out(join_wrapped(drop_furniture(read_lines(pages)), pages), tuple(pages))


def plain_pages(text: str) -> tuple[Page, ...]:
    """Plain text as pages: form feeds part pages, blank lines part blocks.

    There is always at least one page; a page without words is `BLANK`. Indentation and columns are lost.
    """
    sheets = text.removesuffix("\f").split("\f")
    return tuple(_plain_page(number, sheet) for number, sheet in enumerate(sheets, start=1))


def _plain_page(number: int, sheet: str) -> Page:
    words: list[Word] = []
    line = block = 0
    after_blank = False
    for row in _LINE_END.split(sheet):
        parts = row.split()
        if not parts:
            after_blank = bool(words)
            continue
        block += after_blank
        after_blank = False
        words += [Word(part, line, block) for part in parts]
        line += 1
    return Page(number, Method.PLAIN if words else Method.BLANK, "plain_text", tuple(words))


def _lay_out(lines: Sequence[Line], pages: tuple[Page, ...]) -> NormalisedText:
    """Writes the lines one below the other and notes where every token comes to stand."""
    texts: list[str] = []
    rows: list[tuple[int, int, int, int]] = []
    position = 0
    for above, line in zip([None, *lines], lines, strict=False):
        gap = "" if above is None else "\n" if above.end == line.begin else "\n\n"
        position += len(gap)
        for number, token in enumerate(line.tokens):
            position += number > 0 and not token.glued
            rows.append((position, position + len(token.text), token.page, token.word))
            position += len(token.text)
        texts += [gap, line.text]
    starts, ends, page_indices, word_indices = np.ascontiguousarray(np.array(rows, np.int32).reshape(-1, 4).T)
    return NormalisedText("".join(texts), pages, starts, ends, page_indices, word_indices)


def _line_boxes(words: Sequence[Word]) -> tuple[Box, ...]:
    lines = groupby(words, key=lambda word: (word.block, word.line))
    boxes = [[word.box for word in line if word.box is not None] for _, line in lines]
    return tuple(union(as_boxes(line)) for line in boxes if line)


def _confidence(words: Sequence[Word]) -> float | None:
    known = [(word.confidence, len(word.text)) for word in words if word.confidence is not None]
    weight = sum(length for _, length in known)
    return sum(confidence * length for confidence, length in known) / weight if weight else None
