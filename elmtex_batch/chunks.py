"""Long texts: windows that fit the model, cut where a reader would pause, and their answers put together again."""

import re
from collections.abc import Iterable, Sequence

from elmtex_batch.reader import Answer, Span, Ungrounded

_PAUSES = tuple(re.compile(pattern) for pattern in (r"\n\s*\n", r"\n", r"(?<=[.!?;])\s", r"\s", r"(?=.)"))
"""Places to cut, best first: between paragraphs, lines, sentences, words; at last anywhere."""


def windows(text: str, token_starts: Sequence[int], limit: int) -> list[range]:
    """Cuts a text of n tokens into consecutive ranges of tokens, each of at most `limit`.

    `token_starts` are the n tokens' character offsets. A cut lies at the last paragraph boundary that leaves the window
    at least half full, else at the last end of a line, of a sentence, of a word.
    """
    cuts = [0]
    while len(token_starts) - cuts[-1] > limit:
        cuts.append(_cut(text, token_starts, cuts[-1], limit))
    return [range(a, b) for a, b in zip(cuts, [*cuts[1:], len(token_starts)], strict=True)]


def _cut(text: str, token_starts: Sequence[int], begin: int, limit: int) -> int:
    """The token that starts the next window."""
    half, full = begin + limit // 2, begin + limit
    first, last = token_starts[half], token_starts[full]
    for pause in _PAUSES:
        if places := [match.end() for match in pause.finditer(text, first, last + 1)]:
            place = min(places[-1], last)
            return next(t for t in range(half, full + 1) if token_starts[t] >= place)
    return full


def merge(answers: Iterable[Answer], text: str, single: frozenset[str]) -> Answer:
    """One answer from those of a text's windows, in order; spans are already offsets of the whole text.

    Within a category the first of equal strings stays; categories in `single` keep their first window's value, one
    that stands in the text before one that does not.
    """
    parts = list(answers)
    values: list[Span | Ungrounded] = [span for part in parts for span in part.spans]
    values += [lost for part in parts for lost in part.ungrounded]
    first: dict[tuple[str, str], Span | Ungrounded] = {}
    for found in values:
        value = text[found.start : found.end] if isinstance(found, Span) else found.value
        first.setdefault((found.category, "" if found.category in single else value), found)
    kept = first.values()
    return Answer(
        tuple(sorted((found for found in kept if isinstance(found, Span)), key=lambda span: (span.start, span.end))),
        tuple(found for found in kept if isinstance(found, Ungrounded)),
        any(part.cut_short for part in parts),
        sum(part.tokens for part in parts),
    )
