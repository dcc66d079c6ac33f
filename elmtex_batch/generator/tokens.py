"""The tokens of a model as llguidance sees them."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Mask = NDArray[np.int32]
"""Bit t says whether token t is allowed: (vocabulary / 32), or several rows of it."""


class GrammarTokens:
    """The tokenizer as llguidance sees it: the bytes of every token. Takes seconds to make; one serves all texts."""

    def __init__(self, tokenizer: Any) -> None:
        import llguidance
        import llguidance.hf

        self.tokenizer = llguidance.hf.from_tokenizer(tokenizer)
        self._executor = llguidance.LLExecutor(num_threads=torch.get_num_threads())

    def bytes_of(self, token: int) -> bytes:
        return self.tokenizer.decode_bytes([token])

    def token_of(self, character: str) -> int:
        """The token that is this character and no more; every byte-level vocabulary has those of ASCII."""
        token: int = self.tokenizer.tokenize_str(character)[0]
        return token

    def matcher(self, lark: str) -> Any:
        """Follows an answer through a grammar."""
        from llguidance import LLMatcher

        return LLMatcher(self.tokenizer, LLMatcher.grammar_from_lark(lark), log_level=0)

    def masks(self, drafts: Sequence[tuple[Any, Sequence[int]]]) -> Mask:
        """What each matcher allows next, and behind each token of its draft: a row for each, in this order."""
        starts = list(accumulate((1 + len(draft) for _, draft in drafts), initial=0))
        masks = np.zeros((starts[-1], (self.tokenizer.vocab_size + 31) // 32), np.int32)
        target = masks.ctypes.data, masks.shape[1] * masks.itemsize, len(masks)
        places = list(zip(drafts, starts, strict=False))
        alone = [(matcher, start) for (matcher, draft), start in places if not draft]
        longer = [(matcher, start, list(draft)) for (matcher, draft), start in places if draft]
        if alone:
            self._executor.unsafe_compute_mask_ptr(alone, *target)
        if longer:
            self._executor.unsafe_compute_mask_ptr_with_draft_token(longer, *target)
        return masks


def allows(mask: Mask, token: int) -> bool:
    """Whether one row allows a token."""
    return bool(mask[token >> 5] >> (token & 31) & 1)
