"""Where in a text the written values stand."""

import re
from collections.abc import Iterable

from elmtex_batch.reader import Answer, Span, Ungrounded
from elmtex_batch.tags import is_inner

Range = tuple[int, int]
"""Start and end in characters."""


def ground(values: Iterable[tuple[str, str, float]], text: str) -> Answer:
    """Finds each (category, value, score) in the text; the first of equal values in a category counts.

    A value takes the first occurrence behind its predecessor of the same category that no other value took, because
    values stand in order of appearance; else the first free one, else any. Where the text does not have it letter by
    letter, one that differs in case and white space only is taken: the value is then what the text says.
    """
    taken: list[Range] = []
    behind: dict[str, int] = {}
    spans: list[Span] = []
    ungrounded: list[Ungrounded] = []
    for (category, value), score in _first_of_equal(values).items():
        low = behind.get(category, 0)
        found = occurrences(text, value) or _similar(text, value)
        if not found:
            ungrounded.append(Ungrounded(category, value, score))
            continue
        place = min(found, key=lambda place: (_overlaps(place, taken), place[0] < low, place))
        taken.append(place)
        behind[category] = place[1]
        spans.append(Span(category, *place, score))
    return Answer(tuple(sorted(spans, key=lambda span: span.start)), tuple(ungrounded))


def occurrences(text: str, value: str) -> list[Range]:
    """Where the value stands in the text without parting a word or a number."""
    return _whole(text, re.escape(value)) if value else []


def _similar(text: str, value: str) -> list[Range]:
    return _whole(text, r"(?i)" + r"\s+".join(map(re.escape, value.split())))


def _whole(text: str, pattern: str) -> list[Range]:
    spans = (match.span() for match in re.finditer(pattern, text))
    return [(a, b) for a, b in spans if not (a and is_inner(text, a)) and not is_inner(text, b)]


def _overlaps(place: Range, taken: Iterable[Range]) -> bool:
    return any(place[0] < end and start < place[1] for start, end in taken)


def _first_of_equal(values: Iterable[tuple[str, str, float]]) -> dict[tuple[str, str], float]:
    first: dict[tuple[str, str], float] = {}
    for category, value, score in values:
        first.setdefault((category, value), score)
    return first
