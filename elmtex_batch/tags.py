"""Token tags to values and back: IOB2 labels, the constrained Viterbi path, spans at word boundaries.

The best tag path under the rules "no inside without its begin" and "no border within a word or number" (Viterbi 1967)
makes every answer well formed by construction; nothing has to be repaired afterwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.reader import Span
from elmtex_batch.schema import Category, Schema

Offsets = Sequence[tuple[int, int]]
"""Each token's (start, end) in characters."""
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

IGNORED = -100
"""The label of tokens that do not count in training (the default of torch's cross entropy)."""
_FORBIDDEN = np.float32(-1e9)
_PREFERENCE = 5.0
_DECIMAL_SIGNS = ".,"
TRIMMED = " \t\r\n,;:•*|"
"""What no value begins or ends with."""


@dataclass(frozen=True, slots=True)
class Gold:
    """An annotated piece of a text. `category` is None where the annotation does not decide, so no loss is taken."""

    category: str | None
    start: int
    end: int


def encode(spans: Iterable[Gold], offsets: Offsets, schema: Schema) -> list[int]:
    """One label for each token; later spans do not overwrite earlier ones."""
    labels = [0] * len(offsets)
    for span in spans:
        touched = [i for i, (a, b) in enumerate(offsets) if a < span.end and b > span.start]
        if any(labels[i] for i in touched):
            continue
        for position, i in enumerate(touched):
            labels[i] = IGNORED if span.category is None else _tag(schema, span.category, inside=position > 0)
    return labels


def decode(scores: Floats, text: str, offsets: Offsets, schema: Schema, outside_bias: float = 0.0) -> list[Span]:
    """The spans of the best tag path. `scores`: log-probabilities, tokens x tags; offsets are those of `text`.

    `outside_bias` is taken from the tags of categories with many values before the path is found, to trade recall for
    precision, and given to those of categories with one: only their most probable value stays, so that recall is cheap.
    """
    spans = _spans(scores, outside_bias * _bias_signs(schema), text, offsets, schema)
    return _keep_best_of_single(spans, schema)


def candidates(scores: Floats, text: str, offsets: Offsets, schema: Schema, category: Category) -> list[Span]:
    """What the values of a category would be, were its tags far more probable (by the factor e^5); else as `decode`."""
    preference = np.zeros(len(schema.tags), np.float32)
    preference[[_tag(schema, category.key, inside=inside) for inside in (False, True)]] = _PREFERENCE
    return [span for span in _spans(scores, preference, text, offsets, schema) if span.category == category.key]


def _spans(scores: Floats, preference: Floats, text: str, offsets: Offsets, schema: Schema) -> list[Span]:
    """Those of the best path once `preference` is added to the scores of each tag; their own scores are without it."""
    if not len(offsets):
        return []
    path = _best_path(_without_line_ends(scores + preference, text, offsets), _glued(text, offsets))
    return [span for run in _runs(path) if (span := _span(run, path, scores, text, offsets, schema))]


def trimmed_offsets(text: str, offsets: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Offsets without the white space that some tokenizers count to the token behind it."""
    return [_strip(text, start, end, " \t") for start, end in offsets]


def is_inner(text: str, at: int) -> bool:
    """Whether a cut before the character `at` would part a word, or a number at its decimal sign."""
    before, here = text[at - 1 : at], text[at : at + 1]
    if here in _DECIMAL_SIGNS and here:
        return before.isdigit() and text[at + 1 : at + 2].isdigit()
    if before in _DECIMAL_SIGNS and before:
        return text[at - 2 : at - 1].isdigit() and here.isdigit()
    return before.isalnum() and here.isalnum()


def _tag(schema: Schema, category: str, *, inside: bool) -> int:
    return 1 + 2 * schema.keys.index(category) + inside


def _bias_signs(schema: Schema) -> Floats:
    """For each tag: -1 if its category has many values, 1 if one, 0 outside."""
    signs = [1 if category.cardinality == "one" else -1 for category in schema.category]
    return np.array([0, *np.repeat(signs, 2)], np.float32)


@lru_cache
def _transitions(tags: int) -> tuple[Floats, Floats]:
    """Additive costs of (previous tag, tag): between words, and within a word. Odd tags begin, even ones go on."""
    free = np.zeros((tags, tags), np.float32)
    within = np.full((tags, tags), _FORBIDDEN, np.float32)
    within[0, 0] = 0
    for inside in range(2, tags, 2):
        free[:, inside] = _FORBIDDEN
        for matrix in (free, within):
            matrix[[inside - 1, inside], inside] = 0
    return free, within


def _glued(text: str, offsets: Offsets) -> NDArray[np.bool_]:
    """True for each token that goes on a word or a number its predecessor began."""
    inner = [is_inner(text, start) for start, _ in offsets]
    inner[0] = False
    return np.array(inner)


def _without_line_ends(scores: Floats, text: str, offsets: Offsets) -> Floats:
    """A value never runs across the end of a line."""
    ends = ["\n" in text[a:b] for a, b in offsets]
    limited = scores.copy()
    limited[np.array(ends), 1:] = _FORBIDDEN
    return limited


def _best_path(scores: Floats, glued: NDArray[np.bool_]) -> Ints:
    free, within = _transitions(scores.shape[1])
    best = scores[0].copy()
    best[2::2] = _FORBIDDEN
    back = np.zeros(scores.shape, np.int64)
    for t in range(1, len(scores)):
        reached = best[:, None] + (within if glued[t] else free)
        back[t] = reached.argmax(0)
        best = reached.max(0) + scores[t]
    path = np.empty(len(scores), np.int64)
    path[-1] = best.argmax()
    for t in range(len(scores) - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path


def _runs(path: Ints) -> list[range]:
    begins = [t for t, tag in enumerate(path) if tag % 2 == 1]
    return [range(b, next((t for t in range(b + 1, len(path)) if path[t] != path[b] + 1), len(path))) for b in begins]


def _span(run: range, path: Ints, scores: Floats, text: str, offsets: Offsets, schema: Schema) -> Span | None:
    start, end = _strip(text, offsets[run[0]][0], offsets[run[-1]][1], TRIMMED)
    if text[start:end].endswith(".") and not text[end - 2 : end - 1].isalnum():
        # Tokenizers have tokens such as ").": the full stop belongs to the sentence, that of "i.v." to the value.
        start, end = _strip(text, start, end - 1, TRIMMED)
    if start == end:
        return None
    # The geometric mean: a probability that does not shrink with the value's length.
    score = float(np.exp(np.mean([scores[t, path[t]] for t in run])))
    return Span(schema.keys[(int(path[run[0]]) - 1) // 2], start, end, min(score, 1.0))


def _keep_best_of_single(spans: list[Span], schema: Schema) -> list[Span]:
    for category in schema.category:
        if category.cardinality == "one":
            own = [span for span in spans if span.category == category.key]
            best = max(own, key=lambda span: span.score, default=None)
            spans = [span for span in spans if span.category != category.key or span is best]
    return spans


def _strip(text: str, start: int, end: int, characters: str) -> tuple[int, int]:
    while start < end and text[start] in characters:
        start += 1
    while end > start and text[end - 1] in characters:
        end -= 1
    return start, end
