"""The generator: the LoRA-tuned language model writes the values of a report down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from elmtex_batch import chunks, models
from elmtex_batch.choice import choose_model
from elmtex_batch.errors import ModelError
from elmtex_batch.generator.answering import Answering, Completion
from elmtex_batch.generator.asking import make_format
from elmtex_batch.generator.budget import Budget
from elmtex_batch.generator.decoding import GUESSES, Decoder
from elmtex_batch.generator.formats import AnswerFormat, prompt_ids
from elmtex_batch.generator.grounding import ground
from elmtex_batch.generator.packing import pack_linears
from elmtex_batch.generator.tokens import GrammarTokens
from elmtex_batch.models import LanguageModel
from elmtex_batch.reader import Answer, Span
from elmtex_batch.schema import Schema
from elmtex_batch.settings import ModelSettings
from elmtex_batch.tagger import Tokens

_WINDOW_TOKENS = 1_024
"""Of a report at a time, where no adapter says how much it was trained on."""
_LEAST_WINDOW = 32
_SPARE = 32
"""Tokens of the context that stay free: a word that a budget ends in is written to its end."""


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a text that is read at a time. `start`: where in the text it begins; `tokens`: its own number."""

    start: int
    text: str
    tokens: int
    prompt: list[int]


class Generator:
    """A `Reader` that writes its answers token by token, held to the grammar of their format."""

    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Any,
        form: AnswerFormat,
        name: str,
        window_tokens: int = _WINDOW_TOKENS,
        batch_answers: int = 16,
        guesses: int = GUESSES,
    ) -> None:
        """`guesses`: see `Decoder`."""
        self.name = name
        self._model = model
        self._tokenizer = tokenizer
        self._form = form
        self._grammar_tokens = GrammarTokens(tokenizer)
        self._decoder = Decoder(model, self._grammar_tokens, batch_answers, guesses)
        # An answer without values, and a prompt without a report: the rest of the context is for both.
        self._frame = len(self._ids(form.target({})))
        self._context: int = model.backbone.config.max_position_embeddings - _SPARE
        room = (self._context - self._frame - len(self._prompt_ids(form.prompt("")))) // 2
        if room < _LEAST_WINDOW:
            raise ModelError(f"the model {name} has too small a context for this prompt")
        self._window_tokens = min(window_tokens, room)
        self._windows = Tokens(tokenizer, self._window_tokens)

    @classmethod
    def load(cls, settings: ModelSettings, schema: Schema) -> Self:
        """The generator of an adapter folder, merged into its base model, or a base model with a prompt of the paper.

        Raises:
            ModelError: adapter or base are missing, damaged, or do not fit each other, the prompt or the schema.
            InputMissing: the examples of the prompt `advanced` cannot be read.
        """
        choice = choose_model(settings, schema)
        compute = models.choose_compute(settings.device)
        # The product of the LoRA matrices is added in fp32 and rounded once.
        model = models.load_language_model(choice.base, torch.float32)
        if choice.folder:
            model.backbone = models.merge_adapter(model.backbone, choice.folder)
        model = model.to(compute.device, compute.dtype).eval()
        pack_linears(model.backbone)
        form = make_format(settings, schema, choice.card, compute.device)
        window_tokens = choice.card.window_tokens if choice.card else _WINDOW_TOKENS
        tokenizer = models.load_tokenizer(choice.base)
        return cls(model, tokenizer, form, choice.name, window_tokens, settings.batch_answers)

    def read(self, texts: Sequence[str]) -> list[Answer]:
        """See `Reader.read`."""
        self._model.eval()
        windows = [(i, window) for i, text in enumerate(texts) for window in self._cut(text)]
        # The longest first, so that none of them goes on alone at the end.
        order = sorted(range(len(windows)), key=lambda k: windows[k][1].tokens, reverse=True)
        completions = dict(zip(order, self._decoder.decode(self._begin(windows[k][1]) for k in order), strict=True))
        answers: list[list[Answer]] = [[] for _ in texts]
        for k, (i, window) in enumerate(windows):
            answers[i].append(self._read_back(completions[k], window))
        single = frozenset(c.key for c in self._form.schema.category if c.cardinality == "one")
        return [chunks.merge(parts, text, single) for parts, text in zip(answers, texts, strict=True)]

    def _cut(self, text: str) -> Iterator[Window]:
        for window in self._windows.windows(text):
            start, end = window.offsets[0][0], window.offsets[-1][1]
            piece = text[start:end]
            yield Window(start, piece, len(window.ids), self._longest_that_fits(piece))

    def _longest_that_fits(self, text: str) -> list[int]:
        limit = self._context - self._frame - self._window_tokens
        ids: list[int] = []
        for prompt in self._form.prompts(text):
            ids = self._prompt_ids(prompt)
            if len(ids) <= limit:
                break
        return ids

    def _begin(self, window: Window) -> Answering:
        # No answer that copies is longer than its text and the keys.
        budget = Budget(self._form.schema, window.tokens + self._frame)
        return Answering(self._grammar_tokens, self._form, window.text, window.prompt, budget)

    def _read_back(self, completion: Completion, window: Window) -> Answer:
        written = self._form.parse(completion.text)
        values = [(w.category, w.value, completion.score(w.start, w.end)) for w in written]
        answer = ground(values, window.text)
        spans = tuple(Span(s.category, s.start + window.start, s.end + window.start, s.score) for s in answer.spans)
        return Answer(spans, answer.ungrounded, completion.cut_short, len(window.prompt))

    def _prompt_ids(self, prompt: str) -> list[int]:
        return prompt_ids(self._tokenizer, prompt)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False).input_ids
        return ids
