"""Lines -> paragraphs: a line goes on in the next one where only the margin made it end.

Idempotent by construction. On pages with boxes the boxes decide, once. Then the text is treated as plain text: it
counts as hard-wrapped only if no line is longer than `_WIDEST` and joining makes at least one line that is, so what
comes out is never taken for hard-wrapped again. All other plain text keeps its lines.
"""

import re
from collections.abc import Container, Sequence
from itertools import pairwise

from elmtex_batch.document import Page
from elmtex_batch.text.hyphens import Joiner, Joint
from elmtex_batch.text.margins import fill_in_characters, fill_on_page
from elmtex_batch.text.textlines import Line, Token

_WIDEST = 120
"""Characters in the widest line of a hard-wrapped text."""
_FULL_LINES = 0.2
"""The share of full lines that a hard-wrapped text has at least; lists and tables have fewer."""
_LONG_LINE = 0.6
"""The share of the width from which on a line is long enough for a sentence to run over its end."""
_KEY_LENGTH, _KEY_WORDS = 60, 4
"""Characters and words at most in the key of "Key: value"."""

_BULLET = re.compile(r"[•►▪◦‣∙●■➢✓]|(?:[-–—·*○□]|\(?(?:[a-zA-Z]|[ivxIVX]{1,4})\))(?:\s|$)")
_NUMBER = re.compile(r"\(?(\d{1,2})(?:\.|\.?\))(?:\s|$)")
_BROKEN_WORD = re.compile(r"\w-$")
_SENTENCE_END = re.compile(r"[.!?:;]\W*$")


def join_wrapped(lines: Sequence[Line], pages: Sequence[Page]) -> list[Line]:
    """One line per paragraph, list item, heading or table row."""
    lines = _join(lines, fill_on_page(lines, pages))
    fill = fill_in_characters(lines)
    if not _looks_hard_wrapped(lines, fill):
        return lines
    joined = _join(lines, fill)
    return joined if _longest(joined) > _WIDEST else lines


def _looks_hard_wrapped(lines: Sequence[Line], fill: Sequence[float]) -> bool:
    # Page breaks do not count: a second pass would not see them.
    inner = [share > 1 for (left, right), share in zip(pairwise(lines), fill, strict=True) if left.end == right.begin]
    return sum(inner) > _FULL_LINES * len(inner) and _longest(lines) <= _WIDEST


def _longest(lines: Sequence[Line]) -> int:
    return max((len(line.text) for line in lines), default=0)


def _join(lines: Sequence[Line], fill: Sequence[float]) -> list[Line]:
    """Joins every line that goes on with those it goes on in; `fill` has an entry for every line but the last."""
    joiner = Joiner(line.text for line in lines)
    numbers = {number for line in lines if (number := _item_number(line))}
    groups: list[list[Line]] = [[line] for line in lines[:1]]
    for (left, right), share in zip(pairwise(lines), fill, strict=True):
        if _goes_on(left, right, share) and not _starts_item(left, right, numbers):
            groups[-1].append(right)
        else:
            groups.append([right])
    return [group[0] if len(group) == 1 else _merge(group, joiner) for group in groups]


def _goes_on(left: Line, right: Line, share: float) -> bool:
    """Whether `left` was full, or a sentence runs over its end.

    An unfinished sentence also goes on behind the end of a page, and in any block that begins with a small letter.
    """
    unfinished = not _SENTENCE_END.search(left.last_word)
    lower = right.text[0].islower()
    if not (share > 1 or (share > _LONG_LINE and unfinished and lower)):
        return False
    return left.end == right.begin or (unfinished and (lower or left.end.page != right.begin.page))


def _starts_item(left: Line, right: Line, numbers: Container[int]) -> bool:
    """Whether `right` is an item of a list or an entry "Key: value".

    A number counts only in a row of numbers: "in the | 2. week" must not be torn; nor must what an open bracket or a
    hyphen holds together.
    """
    if left.text.count("(") > left.text.count(")") or _BROKEN_WORD.search(left.last_word):
        return False
    number = _item_number(right)
    in_row = number is not None and (number == 1 or number - 1 in numbers)
    return in_row or bool(_BULLET.match(right.text)) or _is_entry(right.text)


def _item_number(line: Line) -> int | None:
    match = _NUMBER.match(line.text)
    return int(match[1]) if match else None


def _is_entry(text: str) -> bool:
    key, colon, _ = f"{text} "[:_KEY_LENGTH].partition(": ")
    words = key.split()
    whole = len(words) <= _KEY_WORDS and not any(len(word) > 5 and word.endswith(".") for word in words)
    return bool(colon) and key[:1].isupper() and whole


def _merge(lines: Sequence[Line], joiner: Joiner) -> Line:
    tokens: list[Token] = list(lines[0].tokens)
    for left, right in pairwise(lines):
        joint = joiner.joint(left.last_word, right.first_word)
        if joint is Joint.DISSOLVED:
            tokens[-1] = tokens[-1]._replace(text=tokens[-1].text.removesuffix("-"))
        first, *rest = right.tokens
        tokens += [first._replace(glued=joint is not Joint.SPACE), *rest]
    return Line.of(tokens, lines[0].begin, lines[-1].end)
