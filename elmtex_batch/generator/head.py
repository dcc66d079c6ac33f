"""The output head under a grammar: scores for the allowed tokens only, which is exact, and most of the work saved."""

import numpy as np
import torch
from torch import Tensor

from elmtex_batch.generator.tokens import Mask

_WORTH_CHOOSING = 4
"""Rows of the head are picked out if they are at most this fraction of the vocabulary (1/4); copying them costs too."""


@torch.inference_mode()
def choose(states: Tensor, head: Tensor, masks: Mask) -> list[tuple[int, float]]:
    """The most probable allowed token of each row, and its probability among the allowed ones.

    Args:
        states: hidden states (rows, width).
        head: weights (vocabulary, width).
        masks: at least one allowed token a row.
    """
    bits = np.unpackbits(masks.view(np.uint8), axis=1, count=len(head), bitorder="little")
    union = np.flatnonzero(bits.any(axis=0))
    if len(union) * _WORTH_CHOOSING > len(head):
        union = np.arange(len(head))
    else:
        bits = bits[:, union]
        head = head[torch.from_numpy(union).to(head.device)]
    forbidden = torch.from_numpy(bits == 0).to(head.device)
    scores = (states @ head.T).float().masked_fill_(forbidden, -torch.inf)
    best, chosen = scores.max(-1)
    probabilities = (best - scores.logsumexp(-1)).exp()
    return [(int(union[i]), p) for i, p in zip(chosen.tolist(), probabilities.tolist(), strict=True)]
