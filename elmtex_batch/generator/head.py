"""The output head under a grammar: scores for the allowed tokens only, which is exact, and most of the work saved."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Masks = NDArray[np.int32]
"""Bit t of a row says whether token t is allowed: (rows, vocabulary / 32), as llguidance fills it."""

_WORTH_CHOOSING = 4
"""Rows of the head are picked out if they are at most this fraction of the vocabulary (1/4); copying them costs too."""


@torch.inference_mode()
def choose(states: Tensor, head: Tensor, masks: Masks) -> list[tuple[int, float]]:
    """The most probable allowed token of each row, and its probability among the allowed ones.

    Args:
        states: hidden states (rows, width).
        head: weights (vocabulary, width).
        masks: at least one allowed token a row.
    """
    union = np.flatnonzero(_bits(np.bitwise_or.reduce(masks)))
    union = union[union < len(head)]
    if len(union) * _WORTH_CHOOSING > len(head):
        union = np.arange(len(head))
        scores = states @ head.T
    else:
        scores = states @ head[torch.from_numpy(union).to(head.device)].T
    allowed = (masks[:, union >> 5] >> (union & 31).astype(np.int32)) & 1
    forbidden = torch.from_numpy(allowed == 0).to(head.device)
    probabilities, chosen = scores.float().masked_fill(forbidden, -torch.inf).softmax(-1).max(-1)
    return [(int(union[i]), p) for i, p in zip(chosen.tolist(), probabilities.tolist(), strict=True)]


def allows(mask: NDArray[np.int32], token: int) -> bool:
    """Whether a row of `Masks` allows a token."""
    return bool(mask[token >> 5] >> (token & 31) & 1)


def _bits(mask: NDArray[np.int32]) -> NDArray[np.uint8]:
    return np.unpackbits(mask.view(np.uint8), bitorder="little")
