"""Annotations of a clean text carried over to a noisy reading of it.

Words are aligned first and characters only where words differ: fast, and a run of inserted words (a letterhead, a page
number) cannot steal single letters from the text around it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from elmtex_batch.tags import Gold

LEAST_SIMILARITY = 0.6
"""Normalised Levenshtein similarity from which a noisy value is still taken for the same value."""

_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Alignment:
    """`images[i]`: where in the noisy text the clean text's character i stands, -1 if it is lost or misread."""

    clean: str
    noisy: str
    images: NDArray[np.int64]

    @property
    def error_rate(self) -> float:
        """Share of the clean text's characters, white space aside, that were lost or misread.

        Other than the usual character error rate it does not count insertions: a letterhead is none of OCR's errors.
        """
        visible = np.array([not character.isspace() for character in self.clean], bool)
        return float((self.images[visible] < 0).mean()) if visible.any() else 0.0

    def carry(self, gold: Gold) -> Gold | None:
        """The same value in the noisy text, in whole words; None if it is lost, unlike, or runs over a line end."""
        found = self._image(gold)
        if found is None:
            return None
        value, clean = self.noisy[found.start : found.end], self.clean[gold.start : gold.end]
        if "\n" in value or Levenshtein.normalized_similarity(clean, value) < LEAST_SIMILARITY:
            return None
        return found

    def undecided(self, gold: Gold) -> list[Gold]:
        """What is left of a value that cannot be carried over: neither a value nor surely none."""
        found = self._image(gold)
        return [Gold(None, found.start, found.end)] if found else []

    def _image(self, gold: Gold) -> Gold | None:
        images = self.images[gold.start : gold.end]
        if not (images >= 0).any():
            return None
        start, end = int(images[images >= 0].min()), int(images.max()) + 1
        while start > 0 and self.noisy[start - 1 : start + 1].isalnum():
            start -= 1
        while end < len(self.noisy) and self.noisy[end - 1 : end + 1].isalnum():
            end += 1
        return Gold(gold.category, start, end)


def align(clean: str, noisy: str) -> Alignment:
    """The cheapest way from one text to the other, by words, and within changed words by characters."""
    images = np.full(len(clean), -1, np.int64)
    for start, end, target in _blocks(clean, noisy):
        images[start:end] = np.arange(target, target + end - start)
    return Alignment(clean, noisy, images)


def carry_over(golds: Iterable[Gold], alignment: Alignment) -> tuple[list[Gold], int]:
    """Golds in the noisy text, disjoint, and how many values were dropped; what is left of these is undecided."""
    kept: list[Gold] = []
    dropped: list[Gold] = []
    for gold in sorted(golds, key=lambda gold: gold.start):
        found = alignment.carry(gold)
        if found and (not kept or found.start >= kept[-1].end):
            kept.append(found)
        elif gold.category is not None:
            dropped.append(gold)
    rest = [piece for gold in dropped for piece in alignment.undecided(gold)]
    free = [piece for piece in rest if all(piece.end <= k.start or k.end <= piece.start for k in kept)]
    return sorted(kept + free, key=lambda gold: gold.start), len(dropped)


def _blocks(clean: str, noisy: str) -> Iterator[tuple[int, int, int]]:
    """Equal stretches: start and end in the clean text, start in the noisy one."""
    ours, theirs = [m.span() for m in _WORD.finditer(clean)], [m.span() for m in _WORD.finditer(noisy)]
    changes = Levenshtein.opcodes([clean[a:b] for a, b in ours], [noisy[a:b] for a, b in theirs])
    for equal, group in groupby(changes, key=lambda change: change.tag == "equal"):
        run = list(group)
        left, right = ours[run[0].src_start : run[-1].src_end], theirs[run[0].dest_start : run[-1].dest_end]
        if equal:
            yield from ((a, b, c) for (a, b), (c, _) in zip(left, right, strict=True))
        elif left and right:
            yield from _letters(clean, noisy, left, right)


def _letters(
    clean: str, noisy: str, left: Sequence[tuple[int, int]], right: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, int]]:
    here, there = left[0][0], right[0][0]
    for change in Levenshtein.opcodes(clean[here : left[-1][1]], noisy[there : right[-1][1]]):
        if change.tag == "equal":
            yield here + change.src_start, here + change.src_end, there + change.dest_start
