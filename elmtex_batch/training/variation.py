"""The same report a little different in every epoch, so that a small model does not learn it by heart."""

import random
from collections.abc import Sequence

from elmtex_batch.schema import Schema
from elmtex_batch.tags import Gold

Placed = tuple[str, Sequence[Gold]]
"""A text and where its values stand."""


class Swaps:
    """Values in exchange for others of their category and language (mention replacement, arXiv 2010.11683).

    Categories with one value (age, gender) stay as they are: the whole text agrees with them.
    """

    def __init__(self, schema: Schema, placed: Sequence[tuple[str, Placed]], share: float) -> None:
        """`placed`: language and text with values of all training reports; `share` of the values is exchanged."""
        self._share = share
        many = {category.key for category in schema.category if category.cardinality == "many"}
        self._pool: dict[tuple[str, str], list[str]] = {}
        for language, (text, golds) in placed:
            for gold in golds:
                if gold.category in many:
                    self._pool.setdefault((language, gold.category), []).append(text[gold.start : gold.end])

    def swap(self, language: str, placed: Placed, rng: random.Random) -> Placed:
        """The text with some values exchanged, and where the values stand now."""
        text, golds = placed
        parts: list[str] = []
        moved: list[Gold] = []
        done = length = 0
        for gold in sorted(golds, key=lambda gold: gold.start):
            pool = self._pool.get((language, gold.category or ""))
            if gold.start < done:  # overlaps its predecessor, which tags.encode prefers
                continue
            value = rng.choice(pool) if pool and rng.random() < self._share else text[gold.start : gold.end]
            parts += [text[done : gold.start], value]
            start = length + gold.start - done
            length = start + len(value)
            moved.append(Gold(gold.category, start, length))
            done = gold.end
        return "".join([*parts, text[done:]]), moved


def without_some(ids: Sequence[int], share: float, unknown: int, rng: random.Random) -> list[int]:
    """Token ids, each with a probability of `share` replaced by that of the unknown token (word dropout)."""
    return [unknown if rng.random() < share else i for i in ids]
