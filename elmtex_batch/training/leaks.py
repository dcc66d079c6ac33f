"""Reports that training must not have seen: the same or nearly the same text on both sides of a split."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from elmtex_batch.training.report import Report

WORDS = 8
"""Length of the compared runs of words."""
THRESHOLD = 0.25
"""Share of common runs from which two texts overlap.

Measured on this project's data: the phrases that different transcribed reports of one physician share reach 0.23, all
other pairs 0.04; copies as level 3 scans keep 0.3 and more (0.01 when they are hardly legible, but copies are found by
their ids as well).
"""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Leak:
    """Two reports, by their ids, that must not stand on different sides of a split, and why.

    `share` is that of the shorter text's runs of words that the other text has too.
    """

    train: str
    held_out: str
    why: Literal["same report or patient", "same text"]
    share: float


def overlaps(train: Iterable[Report], held_out: Iterable[Report]) -> list[Leak]:
    """Every pair of a training report and a held-out one that is the same report, the same patient, or similar text."""
    held = list(held_out)
    runs = [_runs(report.text) for report in held]
    owners: dict[int, list[int]] = defaultdict(list)
    for index, own in enumerate(runs):
        for run in own:
            owners[run].append(index)
    persons: dict[str, list[int]] = defaultdict(list)
    for index, report in enumerate(held):
        persons[report.person].append(index)
    leaks = []
    for report in train:
        own = _runs(report.text)
        common = Counter(index for run in own for index in owners.get(run, ()))
        same = persons.get(report.person, [])
        for index in sorted({*common, *same}):
            share = common[index] / max(1, min(len(own), len(runs[index])))
            if index in same:
                leaks.append(Leak(report.id, held[index].id, "same report or patient", share))
            elif share >= THRESHOLD:
                leaks.append(Leak(report.id, held[index].id, "same text", share))
    return leaks


def _runs(text: str) -> set[int]:
    """Hashes of the runs of `WORDS` words, in lower case; of a shorter text the one run that it is."""
    words = [word.lower() for word in _WORD.findall(text)]
    return {hash(tuple(words[start : start + WORDS])) for start in range(max(1, len(words) - WORDS + 1))}
