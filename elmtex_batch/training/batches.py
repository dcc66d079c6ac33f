"""Annotated reports as batches of token ids and labels, in an order that the seed fixes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from elmtex_batch import tags
from elmtex_batch.schema import Schema
from elmtex_batch.tagger import Tokens, batches_by_length
from elmtex_batch.training.data import Report, place

_POOL = 64
"""Examples that are sorted by length together: enough to save padding, few enough to keep batches mixed."""


@dataclass(frozen=True, slots=True)
class Example:
    """One window of a report: token ids, and a label (or `tags.IGNORED`) for each."""

    ids: list[int]
    labels: list[int]


def make_examples(reports: Sequence[Report], tokens: Tokens, schema: Schema) -> tuple[list[Example], int]:
    """The windows of all reports, and how many labels do not stand in their text and are left out."""
    examples, unplaced = [], 0
    for report in reports:
        golds, missing = place(report)
        unplaced += missing
        for window in tokens.windows(report.text):
            labels = tags.encode(golds, window.offsets, schema)
            examples.append(Example(window.ids, [tags.IGNORED] * len(tokens.prefix) + labels))
    return examples, unplaced


def epoch_batches(examples: Sequence[Example], batch_tokens: int, seed: int, epoch: int) -> list[list[Example]]:
    """All examples once, in batches of similar lengths and random order: the same for the same seed and epoch."""
    rng = random.Random(f"{seed}/{epoch}")
    order = list(range(len(examples)))
    rng.shuffle(order)
    batches: list[list[Example]] = []
    for begin in range(0, len(order), _POOL):
        pool = [examples[i] for i in order[begin : begin + _POOL]]
        groups = batches_by_length([len(example.ids) for example in pool], batch_tokens)
        batches.extend([pool[i] for i in group] for group in groups)
    rng.shuffle(batches)
    return batches
