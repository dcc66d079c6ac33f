"""Sequences of different lengths that one model continues together, with a common cache of keys and values."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from elmtex_batch.generator.cache import KeyValues, use_grouped_attention
from elmtex_batch.models import LanguageModel, sliding_window

_NEVER = torch.iinfo(torch.int64).max
"""The position of padding: later than every token, so that none ever looks at it."""


class Sequences:
    """Token sequences that grow by any number of tokens each, a different one for each, per forward pass.

    Every slot of the cache knows the position of its token, and the attention mask follows from the positions alone;
    so padding may stand anywhere in the cache, and costs memory but changes no result.
    """

    def __init__(self, model: LanguageModel, prompts: Sequence[Sequence[int]]) -> None:
        """Reads the prompts one by one, which needs no padding and little memory."""
        use_grouped_attention(model.backbone)
        self._model = model
        self._device = model.head.device
        self._window = sliding_window(model.backbone.config)
        self._cache = KeyValues(len(prompts))
        self._lengths = torch.tensor([len(prompt) for prompt in prompts])
        self._slots = torch.full((len(prompts), int(self._lengths.max())), _NEVER)
        self.states = torch.cat([self._read(i, prompt) for i, prompt in enumerate(prompts)])
        """The hidden state of each sequence's last token, (sequences, width)."""
        self._cache.rows = slice(0, len(prompts))
        self._cache.used = self._slots.shape[1]

    def _read(self, row: int, prompt: Sequence[int]) -> Tensor:
        positions = torch.arange(len(prompt))
        self._slots[row, : len(prompt)] = positions
        self._cache.rows = slice(row, row + 1)
        return self._forward(torch.tensor([prompt]), positions[None], positions[None])[:, -1]

    def extend(self, rows: Sequence[Sequence[int]]) -> None:
        """Appends at least one token to every sequence."""
        counts = torch.tensor([len(row) for row in rows])
        steps = torch.arange(int(counts.max()))
        ids = torch.tensor([[*row, *[row[-1]] * (len(steps) - len(row))] for row in rows])
        # A padding token repeats its row's last one, position and all: it sees what that one sees, so all is finite.
        positions = self._lengths[:, None] + torch.minimum(steps, counts[:, None] - 1)
        self._slots = torch.cat([self._slots, positions.masked_fill(steps >= counts[:, None], _NEVER)], dim=1)
        self._lengths = self._lengths + counts
        states = self._forward(ids, positions, self._slots)
        self._cache.used = self._slots.shape[1]
        self.states = states[torch.arange(len(rows)), counts - 1]

    def keep(self, rows: Sequence[int]) -> None:
        """Forgets all other sequences; these stay, in this order."""
        index = torch.tensor(rows)
        self._lengths, self._slots, self.states = self._lengths[index], self._slots[index], self.states[index]
        self._cache.keep(index.to(self._device))

    @torch.inference_mode()
    def _forward(self, ids: Tensor, positions: Tensor, slots: Tensor) -> Tensor:
        states: Tensor = self._model.backbone(
            input_ids=ids.to(self._device),
            attention_mask=self._mask(positions, slots),
            position_ids=positions.to(self._device),
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        return states

    def _mask(self, positions: Tensor, slots: Tensor) -> Any:
        """What each new token sees, (sequences, 1, new tokens, slots); by kind of layer where there are several."""
        behind = positions[:, :, None] - slots[:, None, :]
        seen = (behind >= 0)[:, None].to(self._device)
        if self._window is None:
            return seen
        near = (behind < self._window)[:, None].to(self._device)
        return {"full_attention": seen, "sliding_attention": seen & near}
