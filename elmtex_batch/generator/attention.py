"""Attention of rows of different lengths in one flat pass, over keys and values that stay where they were written.

A pass is a flat list of new tokens, several of each row. Everything but attention treats tokens one by one and needs no
padding; attention looks at each row's own keys. The slot of a token in its row's cache is its position in the sequence:
rejected guesses lie behind the end of the row, where no mask shows them, and the next tokens overwrite them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

RAGGED = "elmtex_ragged"
"""The name of `ragged_attention` in transformers."""
_GROWTH = 512
"""Slots that are added at a time."""
_MANY = 32
"""New tokens of a row from which on it is worth kernels of its own on a GPU."""


@dataclass(frozen=True, slots=True)
class Piece:
    """New tokens of a row, `ids`, at the positions from `start` on."""

    row: int
    start: int
    ids: Sequence[int]

    @property
    def end(self) -> int:
        return self.start + len(self.ids)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows whose attention is one product.

    `longest`: their most new tokens; `index`: where these are in the flat pass, (rows, longest), padding behind its
    end, or a slice for one row. `slots` and `masks` by the width of the window (None where all is seen): the slots of
    the cache that are looked at, and what is added to their scores, (rows, 1, group * longest, slots), None for none.
    """

    rows: slice
    longest: int
    index: Tensor | slice
    slots: dict[int | None, slice]
    masks: dict[int | None, Tensor | None]


class KeyValues:
    """Keys and values of all layers, each written once to its place: (rows, slots, shared heads, width) a layer."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._slots = 0
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def places(self, pieces: Sequence[Piece]) -> Tensor:
        """Makes room for the tokens of a pass; returns their flat slots."""
        if (most := max(piece.end for piece in pieces)) > self._slots:
            self._slots = -(-most // _GROWTH) * _GROWTH
            self._layers = {
                layer: (self._grown(keys), self._grown(values)) for layer, (keys, values) in self._layers.items()
            }
        return torch.cat([torch.arange(piece.start, piece.end) + piece.row * self._slots for piece in pieces])

    def write(self, layer: int, keys: Tensor, values: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Stores (tokens, shared heads, width) at flat slots; returns the buffers of the layer."""
        if layer not in self._layers:
            self._layers[layer] = self._room(keys), self._room(values)
        for buffer, new in zip(self._layers[layer], (keys, values), strict=True):
            buffer.view(-1, *new.shape[1:]).index_copy_(0, places, new)
        return self._layers[layer]

    def _grown(self, buffer: Tensor) -> Tensor:
        larger = self._room(buffer[0])
        larger[:, : buffer.shape[1]] = buffer
        return larger

    def _room(self, like: Tensor) -> Tensor:
        # Slots that were never written are masked, but must hold numbers: 0 times "not a number" is not 0.
        return like.new_zeros(self._rows, self._slots, *like.shape[1:])


@dataclass(frozen=True, slots=True)
class Pass:
    """What attention has to know of a forward pass over flat tokens."""

    cache: KeyValues
    places: Tensor
    groups: Sequence[Group]

    def attend(self, layer: int, window: int | None, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attention of `query` (heads, tokens, width) to all that the rows hold, `key` and `value` included.

        Several query heads share a head of keys and values; they become further queries of it (arXiv 2305.13245
        describes the grouping), so that nothing is copied for each. Returns (tokens, heads, width).
        """
        keys, values = self.cache.write(layer, key.transpose(0, 1), value.transpose(0, 1), self.places)
        heads, tokens, width = query.shape
        shared = keys.shape[2]
        # One more place, for the padding of groups to read from and write to.
        queries = torch.cat([query.transpose(0, 1), query.new_zeros(1, heads, width)])
        found = torch.empty_like(queries)
        for group in self.groups:
            rows, new = group.rows.stop - group.rows.start, group.longest
            own = queries[group.index].view(rows, new, heads, width)
            packed = own.transpose(1, 2).reshape(rows, shared, heads // shared * new, width)
            k, v = (buffer[group.rows, group.slots[window]].transpose(1, 2) for buffer in (keys, values))
            seen = scaled_dot_product_attention(packed, k, v, attn_mask=group.masks[window], scale=scale)
            found[group.index] = seen.reshape(rows, heads, new, width).transpose(1, 2)
        return found[:tokens]


def group_pieces(
    pieces: Sequence[Piece],
    windows: Sequence[int | None],
    shares: int,
    dtype: torch.dtype,
    device: torch.device,
    *,
    together: bool,
) -> list[Group]:
    """What attends together: short pieces, padded to the longest, if they are to; else each piece by itself.

    `windows`: the widths of the windows of the model's layers; `shares`: query heads to a head of keys.
    """
    starts = list(accumulate((len(piece.ids) for piece in pieces), initial=0))
    short = [i for i, piece in enumerate(pieces) if together and len(piece.ids) < _MANY]
    members = [short] if short else []
    members += [[i] for i in range(len(pieces)) if i not in short]
    return [_group([(pieces[i], starts[i]) for i in m], starts[-1], windows, shares, dtype, device) for m in members]


def _group(
    members: Sequence[tuple[Piece, int]],
    padding: int,
    windows: Sequence[int | None],
    shares: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Group:
    first = min(piece.row for piece, _ in members)
    last = max(piece.row for piece, _ in members)
    longest = max(len(piece.ids) for piece, _ in members)
    index = torch.full((last - first + 1, longest), padding)
    positions = torch.zeros_like(index)
    for piece, begin in members:
        index[piece.row - first, : len(piece.ids)] = torch.arange(begin, begin + len(piece.ids))
        positions[piece.row - first, : len(piece.ids)] = torch.arange(piece.start, piece.end)
    low = min(piece.start for piece, _ in members) if len(members) == 1 else 0
    high = max(piece.end for piece, _ in members)
    slots = {window: slice(max(0, low - window + 1) if window else 0, high) for window in windows}
    alone = index.numel() == 1  # one new token sees all slots there are
    masks = {
        window: None if alone else _mask(positions, slots[window], window, shares, dtype).to(device)
        for window in windows
    }
    begin = members[0][1]
    where = slice(begin, begin + longest) if len(members) == 1 else index.to(device)
    return Group(slice(first, last + 1), longest, where, slots, masks)


def _mask(positions: Tensor, slots: slice, window: int | None, shares: int, dtype: torch.dtype) -> Tensor:
    """What is added to the scores: 0 for what a token sees, minus infinity for the rest."""
    behind = positions[:, :, None] - torch.arange(slots.start, slots.stop)
    hidden = behind < 0
    if window is not None:
        hidden |= behind >= window
    added = torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, -torch.inf)
    return added[:, None].repeat(1, 1, shares, 1)


def ragged_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **more: Any
) -> tuple[Tensor, None]:
    """`Pass.attend` as transformers calls it, for a model that is given a pass as `ragged`; else its own attention."""
    current: Pass | None = more.pop("ragged", None)
    if current is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        own: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **more)
        return own
    window = getattr(module, "sliding_window", None)
    found = current.attend(module.layer_idx, window, query[0], key[0], value[0], more["scaling"])
    return found[None], None


def use_ragged_attention(backbone: Any) -> None:
    """Makes a model attend with `ragged_attention`; without a pass it works as before."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(RAGGED, ragged_attention)
    AttentionMaskInterface.register(RAGGED, sdpa_mask)  # for forward passes that bring no mask of their own
    backbone.set_attn_implementation(RAGGED)
