"""Greedy decoding of many answers at a time, each held to its grammar and its budget.

Forced tokens (keys, and the rest of a word that only one continuation is left for) are appended without asking the
model; they go into the cache together with the next token that the model chooses.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.generator.budget import Budget
from elmtex_batch.generator.formats import AnswerFormat
from elmtex_batch.generator.head import allows, choose
from elmtex_batch.generator.sequences import Sequences
from elmtex_batch.models import LanguageModel


class GrammarTokens:
    """The tokenizer as llguidance sees it: the bytes of every token. Takes seconds to make; one serves all texts."""

    def __init__(self, tokenizer: Any) -> None:
        import llguidance.hf

        self.tokenizer = llguidance.hf.from_tokenizer(tokenizer)

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

    def empty_masks(self, rows: int) -> NDArray[np.int32]:
        return np.zeros((rows, (self.tokenizer.vocab_size + 31) // 32), np.int32)


@dataclass(slots=True)
class Completion:
    """An answer as it grows. `probabilities`: of each token among the allowed ones, None for a forced token."""

    content: bytearray = field(default_factory=bytearray)
    probabilities: list[float | None] = field(default_factory=list)
    cut_short: bool = False
    _owners: list[int] = field(default_factory=list)
    """For each byte the token that it came with."""

    @property
    def text(self) -> str:
        return self.content.decode(errors="ignore")

    def add(self, content: bytes, probability: float | None) -> None:
        self._owners += [len(self.probabilities)] * len(content)
        self.content += content
        self.probabilities.append(probability)

    def score(self, start: int, end: int) -> float:
        """Geometric mean of the probabilities of the chosen tokens in `text[start:end]`; 1 where all were forced."""
        first, last = (len(self.text[:at].encode()) for at in (start, end))
        owners = dict.fromkeys(self._owners[first:last])
        chosen = [p for owner in owners if (p := self.probabilities[owner]) is not None]
        return math.exp(sum(map(math.log, chosen)) / len(chosen)) if chosen else 1.0


class Answering:
    """One answer in the making: its grammar, its budget, and the tokens that the model has not seen yet."""

    def __init__(self, tokens: GrammarTokens, form: AnswerFormat, text: str, prompt: Sequence[int], budget: Budget):
        self.completion = Completion()
        self._tokens = tokens
        self._form = form
        self._budget = budget
        self._matcher = tokens.matcher(form.grammar(text))
        self._closer = tokens.token_of(form.closer)
        self._unseen = list(prompt)
        self._force()

    @property
    def is_done(self) -> bool:
        return bool(self._matcher.is_stopped())

    def take_unseen(self) -> list[int]:
        """The tokens since the last call: the prompt at first, then the chosen one and those forced behind it."""
        unseen, self._unseen = self._unseen, []
        return unseen

    def fill(self, mask: NDArray[np.int32]) -> None:
        """Writes the bits of the tokens that may come next; only one if the budget says that the category ends."""
        self._matcher.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
        self._check()
        at = self._form.open(self.completion.text)
        if at and self._budget.is_spent(at, len(self.completion.probabilities)):
            self._close(mask)

    def add(self, token: int, probability: float, mask: NDArray[np.int32]) -> None:
        """Goes on with a token that the model chose among those of `mask`, unless the budget allows no other value."""
        before, separator, _ = self._tokens.bytes_of(token).partition(self._form.separator.encode())
        at = self._form.open((self.completion.content + before).decode(errors="ignore")) if separator else None
        if at and not self._budget.allows_another(at) and self._close(mask):
            token = self._closer
        self._append(token, probability)
        self._force()

    def _close(self, mask: NDArray[np.int32]) -> bool:
        """Leaves only the end of the category, if the grammar allows it here: not within a word."""
        if not allows(mask, self._closer):
            return False
        mask[:] = 0
        mask.view(np.uint32)[self._closer >> 5] = 1 << (self._closer & 31)
        self.completion.cut_short = True
        return True

    def _force(self) -> None:
        for token in self._matcher.compute_ff_tokens():
            self._append(token, None)

    def _append(self, token: int, probability: float | None) -> None:
        self._matcher.consume_token(token)
        self._check()
        self._unseen.append(token)
        self.completion.add(self._tokens.bytes_of(token), probability)

    def _check(self) -> None:
        if self._matcher.is_error():
            raise RuntimeError("the grammar was left")  # llguidance's own message quotes the text


def decode(model: LanguageModel, tokens: GrammarTokens, answers: Sequence[Answering]) -> list[Completion]:
    """Writes all answers to their ends, side by side; answers that are done make room at once."""
    sequences = Sequences(model, [answer.take_unseen() for answer in answers])
    live = list(answers)
    while True:
        masks = tokens.empty_masks(len(live))
        for answer, mask in zip(live, masks, strict=True):
            answer.fill(mask)
        for answer, mask, chosen in zip(live, masks, choose(sequences.states, model.head, masks), strict=True):
            answer.add(*chosen, mask)
        going = [i for i, answer in enumerate(live) if not answer.is_done]
        if not going:
            return [answer.completion for answer in answers]
        if len(going) < len(live):
            sequences.keep(going)
            live = [live[i] for i in going]
        sequences.extend([answer.take_unseen() for answer in live])
