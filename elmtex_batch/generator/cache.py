"""Keys and values of growing sequences, and attention over them: what decoding spends its time on."""

from typing import Any

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

GROUPED = "elmtex_grouped"
"""The name of `grouped_attention` in transformers."""
_GROWTH = 256
"""Slots that are added at a time, so that the whole cache is copied once in so many steps and not in each."""


class KeyValues:
    """The cache as the layers of a transformers model fill it: `rows` of it at a time, from the slot `used` on.

    A layer keeps all slots, also one with a sliding window: masks follow positions, and padding takes slots too.
    """

    def __init__(self, rows: int) -> None:
        self.rows = slice(0, rows)
        self.used = 0
        self._height = rows
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any) -> tuple[Tensor, Tensor]:
        """Stores the (rows, heads, new slots, width) of a layer; returns all slots of these rows so far."""
        end = self.used + keys.shape[2]
        buffers = self._layers.get(layer) or (self._room(keys, 0), self._room(values, 0))
        if buffers[0].shape[2] < end:
            buffers = self._grown(buffers[0], keys), self._grown(buffers[1], values)
        self._layers[layer] = buffers
        for buffer, new in zip(buffers, (keys, values), strict=True):
            buffer[self.rows, :, self.used : end] = new
        return buffers[0][self.rows, :, :end], buffers[1][self.rows, :, :end]

    def keep(self, rows: Tensor) -> None:
        """Forgets all other rows."""
        self._height = len(rows)
        self.rows = slice(0, len(rows))
        self._layers = {layer: (keys[rows], values[rows]) for layer, (keys, values) in self._layers.items()}

    def _grown(self, buffer: Tensor, new: Tensor) -> Tensor:
        larger = self._room(new, self.used + new.shape[2] + _GROWTH)
        larger[:, :, : buffer.shape[2]] = buffer
        return larger

    def _room(self, like: Tensor, slots: int) -> Tensor:
        # Slots that a row never fills are masked, but must hold numbers: 0 times "not a number" is not 0.
        return like.new_zeros(self._height, like.shape[1], slots, like.shape[3])


def grouped_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **more: Any
) -> tuple[Tensor, None]:
    """Attention in which several query heads share a head of keys and values, without copies of these for each.

    The heads of a group become further queries of their common head (arXiv 2305.13245 describes the grouping);
    `query` is (rows, heads, new, width), `key` and `value` (rows, shared heads, slots, width), the mask
    (rows, 1, new, slots). Without a mask, as in training, it is transformers' own causal attention.
    """
    if attention_mask is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        own: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, None, **more)
        return own
    rows, heads, new, width = query.shape
    group = heads // key.shape[1]
    packed = query.reshape(rows, key.shape[1], group * new, width)
    mask = attention_mask.repeat(1, 1, group, 1)
    found = scaled_dot_product_attention(packed, key, value, attn_mask=mask, scale=more["scaling"])
    return found.reshape(rows, heads, new, -1).transpose(1, 2).contiguous(), None


def use_grouped_attention(backbone: Any) -> None:
    """Makes a model attend with `grouped_attention`: the same result without copies of the cache for every head."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(GROUPED, grouped_attention)
    AttentionMaskInterface.register(GROUPED, sdpa_mask)  # for forward passes that bring no mask of their own
    backbone.set_attn_implementation(GROUPED)
