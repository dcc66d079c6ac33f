"""Token sequences that one model continues together, each by as many tokens as it has."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from elmtex_batch.generator.attention import KeyValues, Pass, Piece, group_pieces, use_ragged_attention
from elmtex_batch.models import LanguageModel, sliding_window


class Sequences:
    """Rows of a cache, a sequence in each; what a row holds is the caller's to know.

    `together`: attention of short pieces is one product, padded; this is for GPUs, where starting a product costs most.
    """

    def __init__(self, model: LanguageModel, rows: int, *, together: bool) -> None:
        use_ragged_attention(model.backbone)
        config = model.backbone.config
        self._model = model
        self._together = together
        self._shares: int = config.num_attention_heads // config.num_key_value_heads
        self._windows = dict.fromkeys((None, sliding_window(config)))
        self._cache = KeyValues(rows)

    @torch.inference_mode()
    def read(self, pieces: Sequence[Piece]) -> Tensor:
        """Puts tokens into their rows, at their positions, over whatever stood there and behind it.

        Returns the hidden states (tokens, width) of all pieces, one piece behind the other.
        """
        head = self._model.head
        ids = torch.tensor([[token for piece in pieces for token in piece.ids]], device=head.device)
        positions = torch.cat([torch.arange(piece.start, piece.end) for piece in pieces])
        groups = group_pieces(
            pieces, list(self._windows), self._shares, head.dtype, head.device, together=self._together
        )
        states: Tensor = self._model.backbone(
            input_ids=ids,
            attention_mask=self._no_mask(head.device),
            position_ids=positions[None].to(head.device),
            use_cache=False,
            ragged=Pass(self._cache, self._cache.places(pieces).to(head.device), groups),
        ).last_hidden_state
        return states[0]

    def _no_mask(self, device: torch.device) -> Any:
        """Keeps the model from making a mask over the flat tokens; the pass has its own."""
        nothing = torch.empty(1, 1, 1, 1, dtype=torch.bool, device=device)
        return nothing if len(self._windows) == 1 else {"full_attention": nothing, "sliding_attention": nothing}
