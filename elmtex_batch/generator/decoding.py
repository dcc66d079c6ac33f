"""Greedy decoding of many answers at a time, each held to its grammar and its budget.

In every pass a row of the batch reads what it has not seen yet, and a draft of what may come next; the model's own
choices then confirm the draft up to the first that differs. So an answer is the same whatever was guessed, and beside
whatever others it is written. A document that is done makes room for the next at once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from elmtex_batch.generator.answering import Answering, Completion, Draft
from elmtex_batch.generator.attention import Piece
from elmtex_batch.generator.head import choose
from elmtex_batch.generator.sequences import Sequences
from elmtex_batch.generator.tokens import GrammarTokens, Mask
from elmtex_batch.models import LanguageModel

_PROMPT_TOKENS = {"cpu": 512, "cuda": 8192}
"""Tokens of prompts that a pass reads beside the answers: what keeps the machine busy, as the answers wait for it."""
GUESSES = 4


@dataclass(slots=True)
class _Row:
    """A row of the batch. `held`: the tokens that its cache knows; `place`: which of all answers it writes."""

    number: int
    held: list[int] = field(default_factory=list)
    answer: Answering | None = None
    place: int = 0

    def take(self, place: int, answer: Answering) -> None:
        """Begins with an answer. What its prompt shares with what stood here before need not be read again."""
        common = _common(self.held, answer.prompt[:-1])
        self.held = self.held[:common]
        answer.unseen = answer.unseen[common:]
        self.place, self.answer = place, answer


@dataclass(frozen=True, slots=True)
class _Step:
    """What a row does in a pass: it reads `ids`, and then, unless more of its prompt follows, goes on with a draft."""

    row: _Row
    answer: Answering
    ids: list[int]
    draft: Draft | None

    @property
    def piece(self) -> Piece:
        return Piece(self.row.number, len(self.row.held), self.ids + (self.draft.tokens if self.draft else []))

    def settle(self, chosen: Sequence[tuple[int, float]], masks: Mask) -> None:
        """Goes on with what the model chose at each decision of the draft."""
        self.row.held += self.ids
        if self.draft:
            self.row.held += self.draft.tokens[: self.answer.settle(self.draft, chosen, masks)]
        else:
            self.answer.unseen = self.answer.unseen[len(self.ids) :]


class Decoder:
    """Writes answers with a model in a batch of `rows`.

    `guesses`: how many tokens of each answer are guessed in a pass; `together`: see `Sequences`, by default on a GPU.
    """

    def __init__(
        self,
        model: LanguageModel,
        tokens: GrammarTokens,
        rows: int,
        guesses: int = GUESSES,
        *,
        together: bool | None = None,
    ) -> None:
        self._model = model
        self._tokens = tokens
        self._guesses = guesses
        self._sequences = Sequences(model, rows, together=model.head.is_cuda if together is None else together)
        self._rows = [_Row(i) for i in range(rows)]

    def decode(self, answers: Iterable[Answering]) -> list[Completion]:
        """Writes all answers to their ends. One is taken from `answers` when there is room for it."""
        for row in self._rows:
            row.answer = None  # an error may have left some
        waiting = enumerate(answers)
        done: dict[int, Completion] = {}
        while self._admit(waiting):
            self._pass(list(self._steps()))
            for row in self._rows:
                if row.answer and row.answer.is_done:
                    done[row.place] = row.answer.completion
                    row.answer = None
        return [done[i] for i in range(len(done))]

    def _admit(self, waiting: Iterator[tuple[int, Answering]]) -> bool:
        """Free rows take the next answers; False when nothing is left to write."""
        for row in self._rows:
            if row.answer is None and (following := next(waiting, None)):
                row.take(*following)
        return any(row.answer for row in self._rows)

    def _steps(self) -> Iterator[_Step]:
        """Answers go on by all they have; prompts share what a pass has room for."""
        room = _PROMPT_TOKENS[self._model.head.device.type]
        for row in self._rows:
            if answer := row.answer:
                writes = len(row.held) >= len(answer.prompt)
                ids = answer.unseen if writes else answer.unseen[:room]
                room -= 0 if writes else len(ids)
                if ids:
                    yield _Step(
                        row, answer, ids, answer.draft(self._guesses) if len(ids) == len(answer.unseen) else None
                    )

    def _pass(self, steps: Sequence[_Step]) -> None:
        states = self._sequences.read([step.piece for step in steps])
        # On a GPU the pass is still under way while the grammars are at work.
        masks = self._tokens.masks([(step.answer.matcher, step.draft.tokens) for step in steps if step.draft])
        scored, masked = _decisions(steps)
        chosen = (
            choose(states[torch.tensor(scored, device=states.device)], self._model.head, masks[masked])
            if scored
            else []
        )
        begin = 0
        for step in steps:
            end = begin + (len(step.draft.decisions) if step.draft else 0)
            step.settle(chosen[begin:end], masks[masked[begin:end]])
            begin = end


def _decisions(steps: Sequence[_Step]) -> tuple[list[int], list[int]]:
    """Where the model chooses: the tokens of the pass behind which, and the rows of its masks."""
    scored: list[int] = []
    masked: list[int] = []
    token = mask = 0
    for step in steps:
        token += len(step.ids)
        if step.draft:
            scored += [token - 1 + place for place in step.draft.decisions]
            masked += [mask + place for place in step.draft.decisions]
            token += len(step.draft.tokens)
            mask += len(step.draft.tokens) + 1
    return scored, masked


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    alike = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        alike += 1
    return alike
