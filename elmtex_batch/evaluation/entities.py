"""Entity-level precision, recall and F1: predicted values against annotated ones, matched one to one."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EXACT, RELAXED = 1.0, 0.5
"""Least token F1 of a match. Exact matching still folds case and punctuation."""

Labels = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many values were annotated, predicted and matched; adds up over documents and categories."""

    gold: int = 0
    predicted: int = 0
    matched: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.gold + other.gold, self.predicted + other.predicted, self.matched + other.matched)

    @property
    def precision(self) -> float:
        return self.matched / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.matched / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.matched / (self.gold + self.predicted) if self.matched else 0.0


def count_matches(gold: Labels, predicted: Labels, threshold: float) -> dict[str, Counts]:
    """Counts for each category of one document; values pair off best first by token F1, from `threshold` on."""
    return {key: _count(gold.get(key, ()), predicted.get(key, ()), threshold) for key in {*gold, *predicted}}


def micro(counts: Sequence[Mapping[str, Counts]]) -> Counts:
    """All documents and categories in one."""
    return sum((count for document in counts for count in document.values()), Counts())


def pair_off(gold: Sequence[str], predicted: Sequence[str], threshold: float) -> list[tuple[int, int]]:
    """Indices of the values of one category that belong together: one to one, the best token F1 first."""
    golds, predictions = [_tokens(v) for v in gold], [_tokens(v) for v in predicted]
    pairs = sorted(
        ((token_f1(g, p), i, j) for i, g in enumerate(golds) for j, p in enumerate(predictions)), reverse=True
    )
    left, right = set(range(len(gold))), set(range(len(predicted)))
    matched = []
    for score, i, j in pairs:
        if score >= threshold and i in left and j in right:
            left.remove(i)
            right.remove(j)
            matched.append((i, j))
    return matched


def _count(gold: Sequence[str], predicted: Sequence[str], threshold: float) -> Counts:
    return Counts(len(gold), len(predicted), len(pair_off(gold, predicted, threshold)))


def _tokens(value: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", value.lower()))


def token_f1(a: Counter[str], b: Counter[str]) -> float:
    """Harmonic mean of the shares of common words (as in SQuAD, arXiv 1606.05250)."""
    common = sum((a & b).values())
    return 2 * common / (sum(a.values()) + sum(b.values())) if common else 0.0
