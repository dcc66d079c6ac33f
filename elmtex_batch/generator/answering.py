"""One answer as it grows: what it says so far, how sure the model was, and what may come next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from elmtex_batch.generator.budget import Budget
from elmtex_batch.generator.drafting import Lookup, following_last
from elmtex_batch.generator.formats import AnswerFormat
from elmtex_batch.generator.tokens import GrammarTokens, Mask, allows


@dataclass(slots=True)
class Completion:
    """An answer as it grows. `probabilities`: of each token among the allowed ones, None for a forced token."""

    content: bytearray = field(default_factory=bytearray)
    tokens: list[int] = field(default_factory=list)
    probabilities: list[float | None] = field(default_factory=list)
    cut_short: bool = False
    _owners: list[int] = field(default_factory=list)
    """For each byte the token that it came with."""

    @property
    def text(self) -> str:
        return self.content.decode(errors="ignore")

    def add(self, token: int, content: bytes, probability: float | None) -> None:
        self._owners += [len(self.tokens)] * len(content)
        self.content += content
        self.tokens.append(token)
        self.probabilities.append(probability)

    def score(self, start: int, end: int) -> float:
        """Geometric mean of the probabilities of the chosen tokens in `text[start:end]`; 1 where all were forced."""
        first, last = (len(self.text[:at].encode()) for at in (start, end))
        owners = dict.fromkeys(self._owners[first:last])
        chosen = [p for owner in owners if (p := self.probabilities[owner]) is not None]
        return math.exp(sum(map(math.log, chosen)) / len(chosen)) if chosen else 1.0


@dataclass(frozen=True, slots=True)
class Draft:
    """Tokens that an answer may go on with. Before those at `decisions`, and behind the last, the model chooses."""

    tokens: list[int]
    decisions: list[int]


class Answering:
    """One answer in the making: its grammar, its budget, and the tokens that the model has not seen yet.

    Forced tokens (keys, and the rest of a word that only one continuation is left for) are appended without asking the
    model, which sees them together with the next token that it chose.
    """

    def __init__(self, tokens: GrammarTokens, form: AnswerFormat, text: str, prompt: Sequence[int], budget: Budget):
        self.completion = Completion()
        self.matcher = tokens.matcher(form.grammar(text))
        self.prompt = prompt
        self.unseen = list(prompt)
        """The prompt at first, then the token that was chosen last and those forced behind it."""
        self._tokens = tokens
        self._form = form
        self._budget = budget
        self._closer = tokens.token_of(form.closer)
        self._lookup = Lookup(prompt)
        self._force()

    @property
    def is_done(self) -> bool:
        return bool(self.matcher.is_stopped())

    def draft(self, most: int) -> Draft:
        """What may come next: up to `most` guesses, with what the grammar forces behind each."""
        draft = Draft([], [0])
        while len(draft.decisions) <= most and (behind := self._guess(draft)):
            draft.tokens.extend(behind)
            draft.decisions.append(len(draft.tokens))
        self.matcher.rollback(len(draft.tokens))
        return draft

    def _guess(self, draft: Draft) -> list[int]:
        """One guess and what it forces, if the grammar allows it and the answer goes on behind it."""
        so_far = self.completion.tokens[-64:] + draft.tokens
        guess = self._lookup.following(so_far)
        if guess is None:
            guess = following_last(so_far)
        if guess is None or not self.matcher.validate_tokens([guess]):
            return []
        self.matcher.consume_token(guess)
        behind = [guess, *self.matcher.compute_ff_tokens()]
        self.matcher.consume_tokens(behind[1:])
        if self.is_done:
            self.matcher.rollback(len(behind))
            return []
        return behind

    def settle(self, draft: Draft, chosen: Sequence[tuple[int, float]], masks: Mask) -> int:
        """Goes on with what the model chose at each decision of a draft, up to the first that the draft has not.

        `masks`: what is allowed at each decision. Returns how many tokens of the draft were right.
        """
        self.unseen = []
        for place, choice, mask in zip(draft.decisions, chosen, masks, strict=True):
            self._add(*choice, mask)
            if self.is_done or draft.tokens[place : len(self.unseen)] != self.unseen[place:]:
                break
        else:
            place = len(draft.tokens)
        self._lookup.keep_place(self.completion.tokens)
        self.unseen = self.unseen[place:]
        return place

    def _add(self, token: int, probability: float, mask: Mask) -> None:
        """Goes on with a chosen token, unless budget or repetition end the category."""
        text = self.completion.text
        at = self._form.open(text)
        if at and self._budget.is_spent(at, len(self.completion.tokens)) and self._may_close(mask):
            token, probability = self._closer, 1.0
        before, separator, _ = self._tokens.bytes_of(token).partition(self._form.separator.encode())
        at = self._form.open((self.completion.content + before).decode(errors="ignore")) if separator else None
        if at and not self._budget.allows_another(at) and self._may_close(mask):
            token = self._closer
        self._append(token, probability)
        self._force()

    def _may_close(self, mask: Mask) -> bool:
        """Whether the grammar allows the end of the category here, not within a word; the answer is then cut short."""
        possible = allows(mask, self._closer)
        self.completion.cut_short |= possible
        return possible

    def _force(self) -> None:
        for token in self.matcher.compute_ff_tokens():
            self._append(token, None)

    def _append(self, token: int, probability: float | None) -> None:
        self.matcher.consume_token(token)
        if self.matcher.is_error():
            raise RuntimeError("the grammar was left")  # llguidance's own message quotes the text
        self.unseen.append(token)
        self.completion.add(token, self._tokens.bytes_of(token), probability)
