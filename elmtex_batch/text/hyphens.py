"""How two lines join: with a space, or at a hyphen that belongs to the word or only to the line.

Whether "Unter-|suchung" loses its hyphen and "follow-|up" keeps it cannot be known for sure. The rule: a digit beside
it keeps it (COVID-19); else the document's own spelling elsewhere decides; else a capital behind it, an abbreviation
before it or one of a few words that form compounds keeps it (CT-Untersuchung, HIV-positiv, year-old); else it goes.

Hyphenation patterns were tried and left: they know where a word *may* be broken, and for English the American ones
reject 24 % of the British breaks.
"""

import re
from collections import Counter
from collections.abc import Iterable
from enum import Enum
from functools import cached_property


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HEADS = _words(
    "year month week day hour non well high low left right long self half full single double broad real end chest one"
    " two three four five six seven eight nine twenty thirty forty fifty nicht chronisch"
)
_TAILS = _words(
    "old up ray rays year years month week day hour like sided dose grade stage term type based related induced guided"
    " enhanced defined onset shaped sized associated dependent resistant positive negative specific free"
)
_SMALL_WORDS = _words("a and by for in of on or the to an auf und zu")
_SUSPENDED_BEFORE = _words("and or to und oder bzw bis sowie")
_WORD = re.compile(r"\w+(?:-\w+)*")


class Joint(Enum):
    """What stands between two joined lines."""

    SPACE = "a space"
    GLUED = "nothing"
    DISSOLVED = "nothing, and the hyphen at the end of the first line goes"


class Joiner:
    """Decides how lines of one document join; its spelling is only looked at when a hyphen asks for it."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = texts

    def joint(self, left: str, right: str) -> Joint:
        """The joint of a line ending in the word `left` with a line that begins with the word `right`."""
        if len(left) < 2 or not right[0].isalnum():
            return Joint.SPACE
        if left[-1] == "/":
            return Joint.GLUED
        if left[-1] != "-" or left[-2] == "-":
            return Joint.SPACE
        return self._at_hyphen(left[:-1], right)

    def _at_hyphen(self, left: str, right: str) -> Joint:
        if not left[-1].isalpha() or not (right[0].islower() or right[0].isupper()):
            return Joint.GLUED
        head, tail = _WORD.findall(left.casefold())[-1].split("-"), _WORD.findall(right.casefold())[0].split("-")
        if len(tail) == 1 and tail[0] in _SUSPENDED_BEFORE:
            return Joint.SPACE
        with_hyphen, without = (self._spelling["-".join(head) + glue + "-".join(tail)] for glue in ("-", ""))
        if with_hyphen or without:
            keep = with_hyphen > without
        else:
            keep = right[0].isupper() or _is_short_form(left) or _is_compound(head, tail)
        return Joint.GLUED if keep else Joint.DISSOLVED

    @cached_property
    def _spelling(self) -> Counter[str]:
        return Counter(word for text in self._texts for word in _WORD.findall(text.casefold()))


def _is_short_form(left: str) -> bool:
    """An abbreviation, a symbol or a single letter before the hyphen: CT-, HbA1c-, x-."""
    stem = _WORD.findall(left)[-1].rsplit("-", 1)[-1]
    return len(stem) == 1 or not stem.isalpha() or any(map(str.isupper, stem[1:]))


def _is_compound(head: list[str], tail: list[str]) -> bool:
    """A word that forms compounds (year-|old), or a compound around a small word (end-to-|end, Ende-|zu-Seit)."""
    if head[-1] in _HEADS or tail[0] in _TAILS:
        return True
    return (len(head) > 1 and head[-1] in _SMALL_WORDS) or (len(tail) > 1 and tail[0] in _SMALL_WORDS)
