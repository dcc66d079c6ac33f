"""Lines of text between the words of a page and the paragraphs of a document."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from elmtex_batch.document import Page
from elmtex_batch.text.characters import clean

# A soft hyphen is seen where a line ends with it; PDFium gives U+0002 or U+FFFE for any hyphen at the end of a line.
_LINE_END_HYPHEN = re.compile(r"(?<=\w)[\xad\x02\ufffe]$")


class Token(NamedTuple):
    """A piece of text without spaces, and the word it came from."""

    text: str
    page: int
    """Index into the document's pages."""
    word: int
    """Index into the page's words."""
    glued: bool = False
    """No space stands between this token and the one before it."""


class Place(NamedTuple):
    """Where on which page: lines of one place stand directly below each other."""

    page: int
    block: int


@dataclass(frozen=True, slots=True)
class Line:
    """What stands on one line of the text; at least one token. Joined lines reach from one place to another."""

    tokens: tuple[Token, ...]
    begin: Place
    end: Place
    text: str

    @classmethod
    def of(cls, tokens: Sequence[Token], begin: Place, end: Place) -> "Line":
        text = "".join(token.text if token.glued else " " + token.text for token in tokens)
        return cls(tuple(tokens), begin, end, text.removeprefix(" "))

    @property
    def first_word(self) -> str:
        return self.text.split(" ", 1)[0]

    @property
    def last_word(self) -> str:
        return self.text.rsplit(" ", 1)[-1]


def read_lines(pages: Sequence[Page]) -> list[Line]:
    """The lines of all pages in reading order, with clean characters; lines without any are left out."""
    return [line for index, page in enumerate(pages) for line in _page_lines(index, page)]


def _page_lines(index: int, page: Page) -> Iterator[Line]:
    numbered = enumerate(page.words)
    for (block, _), group in groupby(numbered, key=lambda item: (item[1].block, item[1].line)):
        words = [(number, word.text) for number, word in group]
        number, text = words[-1]
        words[-1] = number, _LINE_END_HYPHEN.sub("-", text)
        tokens = [Token(part, index, number) for number, text in words for part in clean(text).split()]
        if tokens:
            yield Line.of(tokens, Place(index, block), Place(index, block))


def by_page(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines grouped by the page they begin on; pages without lines are left out."""
    return [list(group) for _, group in groupby(lines, key=attrgetter("begin.page"))]
