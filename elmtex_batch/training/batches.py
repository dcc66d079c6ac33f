"""Examples as batches of token ids, in an order that the seed fixes."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from elmtex_batch.tagger import batches_by_length, pad
from elmtex_batch.tags import IGNORED

_POOL = 64
"""Examples that are sorted by length together: enough to save padding, few enough to keep batches mixed."""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids, and for each what to predict there, or `tags.IGNORED`."""

    ids: list[int]
    labels: list[int]

    @property
    def counted(self) -> int:
        """How many tokens the loss counts."""
        return sum(label != IGNORED for label in self.labels)


Batch = Sequence[Example]


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


def groups(batches: Sequence[Batch], size: int) -> Iterator[Sequence[Batch]]:
    """The batches of each optimiser step."""
    return (batches[i : i + size] for i in range(0, len(batches), size))


def tensors(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Ids and labels (examples, tokens), right-padded, and true lengths (examples)."""
    ids = pad([e.ids for e in batch], 0, device)
    labels = pad([e.labels for e in batch], IGNORED, device)
    return ids, labels, torch.tensor([len(e.ids) for e in batch], device=device)
