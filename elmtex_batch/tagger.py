"""The tagger: reads a report once and gives every token a tag (token classification on the LoRA-tuned model)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from elmtex_batch import adapters, chunks, models, tags
from elmtex_batch.choice import choose_model
from elmtex_batch.errors import ModelError
from elmtex_batch.fusion import fuse_layers
from elmtex_batch.language import detect_language
from elmtex_batch.reader import Answer
from elmtex_batch.schema import Category, Schema
from elmtex_batch.settings import ModelSettings
from elmtex_batch.typed import is_readable

_COMPILE_AFTER = 80_000
"""Tokens read until compiling pays: as long as it takes, it saves on as many."""
_PASS_TOKENS = {"cpu": 1_024, "cuda": 4_096}
"""Padded tokens of a pass. On a CPU one report keeps a core busy; more of them only bring padding (docs/speed.md)."""


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a text as the model takes it: token ids, and the tokens' offsets in the whole text."""

    ids: list[int]
    offsets: list[tuple[int, int]]


class Tokens:
    """Texts to windows of token ids that begin as the base model's texts do (its own start token, if it has one)."""

    def __init__(self, tokenizer: Any, limit: int) -> None:
        self._tokenizer = tokenizer
        self.prefix: list[int] = tokenizer("").input_ids
        self._limit = limit

    def windows(self, text: str, limit: int | None = None) -> list[Window]:
        """The whole text in consecutive windows of at most `limit` tokens; none for an empty text."""
        room = (limit or self._limit) - len(self.prefix)
        coded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        offsets = tags.trimmed_offsets(text, coded.offset_mapping)
        cuts = chunks.windows(text, [start for start, _ in offsets], room) if offsets else []
        return [Window(self.prefix + coded.input_ids[c.start : c.stop], offsets[c.start : c.stop]) for c in cuts]


class TaggerModel(nn.Module):
    """Hidden states of the full-attention language model, and a linear head that scores every tag."""

    def __init__(self, backbone: Any, tag_count: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = models.FullAttention(backbone)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.encoder.width, tag_count)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Scores (batch, tokens, tags), not normalised."""
        states = self.encoder(ids, lengths)
        scores: Tensor = self.head(self.dropout(states).to(self.head.weight.dtype))
        return scores


def pad(rows: Sequence[Sequence[int]], filler: int, device: torch.device) -> Tensor:
    """Rows of different lengths as one right-padded (rows, longest) tensor."""
    padded = torch.full((len(rows), max(map(len, rows))), filler, dtype=torch.long)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = torch.tensor(row, dtype=torch.long)
    return padded.to(device)


def batches_by_length(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices in groups of similar length, of at most `batch_tokens` tokens a group with its padding."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if batch and lengths[batch[0]] * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


class Tagger:
    """A `Reader` that finds all values of a report in one forward pass."""

    def __init__(
        self,
        model: TaggerModel,
        tokens: Tokens,
        schema: Schema,
        name: str,
        batch_tokens: int,
        outside_bias: float = 0.0,
        compile_after: int | None = None,
    ) -> None:
        """`compile_after`: the number of tokens read after which the layers are compiled; None never does."""
        self.name = name
        self._model = model
        self._tokens = tokens
        self._schema = schema
        self._batch_tokens = batch_tokens
        self._outside_bias = outside_bias
        self._until_compiled = compile_after
        self._device = next(model.parameters()).device

    @classmethod
    def load(cls, settings: ModelSettings, schema: Schema) -> Self:
        """The tagger of an adapter folder, merged into its base model.

        Raises:
            ModelError: adapter or base are missing, damaged, or do not fit each other or the schema.
        """
        choice = choose_model(settings, schema)
        if not (choice.folder and choice.card):
            raise ModelError("a tagger needs an adapter")
        compute = models.choose_compute(settings.device)
        # The product of the LoRA matrices is added in fp32 and rounded once.
        backbone = models.merge_adapter(models.load_backbone(choice.base, torch.float32), choice.folder).to(
            compute.dtype
        )
        model = TaggerModel(backbone, len(schema.tags))
        load_head(model.head, choice.folder)
        tokens = Tokens(models.load_tokenizer(choice.base), choice.card.window_tokens)
        after = _COMPILE_AFTER if compute.device.type == "cpu" else None
        model = model.to(compute.device)
        batch_tokens = settings.batch_tokens or _PASS_TOKENS[compute.device.type]
        return cls(model, tokens, schema, choice.name, batch_tokens, choice.card.outside_bias, after)

    def read(self, texts: Sequence[str]) -> list[Answer]:
        """See `Reader.read`."""
        return self.read_at(texts, (self._outside_bias,))[0]

    def read_at(self, texts: Sequence[str], biases: Sequence[float]) -> list[list[Answer]]:
        """The answers to all texts for each of several outside biases, with one forward pass for all."""
        windows = [(i, window) for i, text in enumerate(texts) for window in self._tokens.windows(text)]
        self._compile_in_time(sum(len(window.ids) for _, window in windows))
        scores = self._scores([window for _, window in windows])
        return [self._answers(texts, windows, scores, bias) for bias in biases]

    def _compile_in_time(self, tokens: int) -> None:
        """Compiles before the pass at which it begins to pay: a short run never waits for it."""
        if self._until_compiled is None:
            return
        self._until_compiled -= tokens
        if self._until_compiled < 0:
            fuse_layers(self._model.encoder.backbone)
            self._until_compiled = None

    def _scores(self, windows: Sequence[Window]) -> list[tags.Floats]:
        """Log-probabilities (tokens x tags) of each window's own tokens."""
        self._model.eval()
        scores: list[tags.Floats] = [np.empty(0, np.float32)] * len(windows)
        for batch in batches_by_length([len(window.ids) for window in windows], self._batch_tokens):
            for k, score in zip(batch, self._forward([windows[k] for k in batch]), strict=True):
                scores[k] = score
        return scores

    @torch.inference_mode()
    def _forward(self, windows: Sequence[Window]) -> Iterator[tags.Floats]:
        ids = pad([w.ids for w in windows], 0, self._device)
        lengths = torch.tensor([len(w.ids) for w in windows], device=self._device)
        logits = self._model(ids, lengths).float().log_softmax(-1).cpu().numpy()
        first = len(self._tokens.prefix)
        return (row[first : len(w.ids)] for row, w in zip(logits, windows, strict=True))

    def _answers(
        self, texts: Sequence[str], windows: Sequence[tuple[int, Window]], scores: Sequence[tags.Floats], bias: float
    ) -> list[Answer]:
        read: list[list[tuple[Window, tags.Floats]]] = [[] for _ in texts]
        for (i, window), score in zip(windows, scores, strict=True):
            read[i].append((window, score))
        return [self._answer(text, parts, bias) for text, parts in zip(texts, read, strict=True)]

    def _answer(self, text: str, parts: Sequence[tuple[Window, tags.Floats]], bias: float) -> Answer:
        answers = [
            Answer(tuple(tags.decode(score, text, window.offsets, self._schema, bias)), tokens=len(window.ids))
            for window, score in parts
        ]
        single = frozenset(category.key for category in self._schema.category if category.cardinality == "one")
        answer = chunks.merge(answers, text, single)
        for category in self._schema.category:
            if category.is_typed_fact and all(span.category != category.key for span in answer.spans):
                answer = self._completed(answer, category, text, parts)
        return answer

    def _completed(
        self, answer: Answer, category: Category, text: str, parts: Sequence[tuple[Window, tags.Floats]]
    ) -> Answer:
        """The answer with the likeliest value of a category of which it has none, and nearly every report has one.

        Its type tells what can be one and what cannot; so do the other values, which it may not overlap. Its low score
        says how it came about.
        """
        language = detect_language(text)
        likely = [
            span
            for window, score in parts
            for span in tags.candidates(score, text, window.offsets, self._schema, category)
            if is_readable(category.type, text[span.start : span.end], language)
            and all(span.end <= other.start or other.end <= span.start for other in answer.spans)
        ]
        if not likely:
            return answer
        spans = [*answer.spans, max(likely, key=lambda span: span.score)]
        return replace(answer, spans=tuple(sorted(spans, key=lambda span: span.start)))


def load_head(head: nn.Linear, folder: Path) -> None:
    """Fills the head from an adapter folder, in fp32.

    Raises:
        ModelError: it is missing, damaged, or of another size.
    """
    try:
        head.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / adapters.HEAD).items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"the tagger head {folder / adapters.HEAD} is missing, damaged or of another size") from error
