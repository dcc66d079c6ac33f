"""What makes a training step fast on a CPU; `benchmarks/training_speed.py` measures by how much.

A step of plain transformers code spends a quarter of its time in the matrix products of the model. The rest goes to
element-wise operations that each walk through memory, to a fused attention whose backward pass is slow, and to tanh.
"""

import logging
from typing import Any

import torch
from torch import Tensor, nn

from elmtex_batch.fusion import fuse_layers, fusible_activation

_ATTENTION = "elmtex_products"


def quicken(backbone: Any) -> None:
    """Makes the forward and backward pass of a `transformers` model for training on a CPU faster, in place.

    The attention mask has to be passed as booleans (batch, 1, tokens, tokens), as `models.hidden_states` does.
    """
    simplify(backbone)
    if not fuse_layers(backbone):
        logging.getLogger(__name__).warning("no C++ compiler: training goes on, at about half the speed")


def simplify(backbone: Any) -> None:
    """Puts attention and activation into operations that a compiler can fuse, with the same results."""
    from transformers import AttentionInterface

    AttentionInterface.register(_ATTENTION, _attention)
    backbone.config._attn_implementation = _ATTENTION
    fusible_activation(backbone)


def _attention(
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Two batched products around a softmax: the heads that share a key are rows of one product.

    On a CPU faster than the fused kernel, whose backward pass computes the scores again, as long as the scores of a
    batch fit into memory.
    """
    batch, heads, tokens, width = query.shape
    groups = batch * key.shape[1]
    rows = (query * (width**-0.5 if scaling is None else scaling)).reshape(groups, -1, width)
    scores = torch.bmm(rows, key.reshape(groups, tokens, width).mT).view(batch, heads, tokens, tokens)
    weights = scores.float().masked_fill(~attention_mask, -1e4).softmax(-1).to(value.dtype)
    mixed = torch.bmm(weights.view(groups, -1, tokens), value.reshape(groups, tokens, width))
    return mixed.view(batch, heads, tokens, width).transpose(1, 2), None
