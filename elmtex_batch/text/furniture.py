"""Page furniture: headers, footers and page numbers, which would part the sentences that run across pages."""

import re
from collections import Counter
from collections.abc import Sequence

from elmtex_batch.text.textlines import Line, by_page

_EDGE_LINES = 6
"""How many lines at the top and the bottom of a page may be furniture."""
_NUMBER_LINES = 2
"""How many lines from the edge of a page its number may stand."""
_WORDED_NUMBER = re.compile(r"\b(?:seite|page|blatt|pg\.?|s\.|p\.)\s*:?\s*\d{1,4}\b(?:\s*(?:/|von|of)\s*\d{1,4}\b)?")
_PAGE_OF_PAGES = re.compile(r"\b(\d{1,4})\s*(?:/|von|of)\s*(\d{1,4})\b")
_LONE_NUMBER = re.compile(r"\W*(\d{1,4})\W*")
_MASK = "\0"


def drop_furniture(lines: Sequence[Line]) -> list[Line]:
    """`lines` without page numbers, and with what is repeated at the edges of at least half of the pages only once.

    A header stays where it is met first and a footer where it is met last, so that they seldom stand within a sentence.
    A document of one page stays as it is.
    """
    pages = by_page(lines)
    if len(pages) < 2:
        return list(lines)
    last = lines[-1].begin.page + 1
    tops = [page[: min(_EDGE_LINES, (len(page) + 1) // 2)] for page in pages]
    bottoms = [page[: -1 - min(_EDGE_LINES, len(page) // 2) : -1] for page in pages]
    numbers = {line for edge in tops + bottoms for line in edge[:_NUMBER_LINES] if _is_page_number(line, last)}
    dropped = numbers | _repeated(tops, last) | _repeated(bottoms[::-1], last)
    return [line for line in lines if line not in dropped]


def _repeated(edges: Sequence[Sequence[Line]], last: int) -> set[Line]:
    """Lines on at least half of the edges, and at least two, without those on the first edge that has them."""
    signatures = [[_signature(line, last) for line in edge] for edge in edges]
    spread = Counter(signature for edge in signatures for signature in set(edge))
    kept_on: dict[str, int] = {}
    dropped = set()
    for number, edge in enumerate(edges):
        for line, signature in zip(edge, signatures[number], strict=True):
            if spread[signature] >= max(2, len(edges) / 2) and kept_on.setdefault(signature, number) != number:
                dropped.add(line)
    return dropped


def _signature(line: Line, last: int) -> str:
    """The line with its page number masked, in a document of `last` pages.

    Other digits must agree: they may be a laboratory value, a date, or a "4/5" that grades a muscle.
    """
    here = line.begin.page + 1
    text = _WORDED_NUMBER.sub(_MASK, line.text.casefold())
    return _PAGE_OF_PAGES.sub(lambda match: _MASK if (int(match[1]), int(match[2])) == (here, last) else match[0], text)


def _is_page_number(line: Line, last: int) -> bool:
    """Nothing but the number of the page, with or without words, dashes or the number of pages."""
    lone = _LONE_NUMBER.fullmatch(line.text)
    signature = _signature(line, last)
    masked = _MASK in signature and not any(map(str.isalnum, signature))
    return masked or (lone is not None and int(lone[1]) == line.begin.page + 1)
