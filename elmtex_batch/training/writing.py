"""What the generator learns: to write a report's values down, in the form that its prompt asks for."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from elmtex_batch import models
from elmtex_batch.generator.asking import trained_format
from elmtex_batch.generator.generator import Generator
from elmtex_batch.reader import Answer
from elmtex_batch.schema import Schema
from elmtex_batch.tagger import Tokens
from elmtex_batch.tags import IGNORED, Gold
from elmtex_batch.training.batches import Batch, Example, tensors
from elmtex_batch.training.lora import window_limit, with_lora
from elmtex_batch.training.report import Report, place
from elmtex_batch.training.settings import TrainSettings

Labels = dict[str, list[str]]


class Writing:
    """A `Task`. Its model is the frozen base, output head included, with fresh LoRA matrices in the layers."""

    def __init__(
        self, settings: TrainSettings, schema: Schema, compute: models.Compute, reports: Sequence[Report]
    ) -> None:
        self.biases = (0.0,)
        self._settings = settings
        self._compute = compute
        self._tokenizer = models.load_tokenizer(settings.base)
        self._tokens = Tokens(self._tokenizer, settings.window_tokens)
        self._format = trained_format(settings.answer_format, schema)
        placed = [(report, *place(report)) for report in reports]
        self._reports = [(report, golds) for report, golds, _ in placed]
        self.unplaced = sum(missing for *_, missing in placed)
        model = models.load_language_model(settings.base, compute.dtype)
        model.requires_grad_(False)
        model.backbone = with_lora(model.backbone, settings, schema, compute)
        self.model: nn.Module = model.to(compute.device)
        self.backbone = model.backbone
        self._output = model.head

    def examples(self, epoch: int) -> list[Example]:
        """See `Task.examples`: the windows of all reports, cut anew for each epoch, each with its own values."""
        return [
            self._example(text, labels)
            for report, golds in self._reports
            for text, labels in self._windows(report, golds, window_limit(self._settings, report.id, epoch))
        ]

    def _windows(self, report: Report, golds: Sequence[Gold], limit: int) -> Iterator[tuple[str, Labels]]:
        windows = self._tokens.windows(report.text, limit)
        if len(windows) == 1 and self._settings.answer_format == "paper":
            # With the labels that do not stand in the text as they are: the paper's answers need not be verbatim.
            yield report.text, report.labels
            return
        for window in windows:
            start, end = window.offsets[0][0], window.offsets[-1][1]
            labels: Labels = {}
            for gold in golds:
                if gold.category and start <= gold.start and gold.end <= end:
                    labels.setdefault(gold.category, []).append(report.text[gold.start : gold.end])
            yield report.text[start:end], labels

    def _example(self, text: str, labels: Labels) -> Example:
        prompt, answer = self._format.example(text, labels, self._tokenizer)
        ids = [*prompt, *answer]
        # What stands at a place is predicted at the place before it.
        return Example(ids[:-1], [IGNORED] * (len(prompt) - 1) + answer)

    def loss(self, batch: Batch) -> Tensor:
        """See `Task.loss`. Only the states behind which the answer goes on are scored.

        In the compact format the scores are over the tokens of the batch, as in decoding over those that the grammars
        allow: with a vocabulary of 262,144 the output head would cost more than all layers together.
        """
        ids, labels, lengths = tensors(batch, self._compute.device)
        states = models.hidden_states(self.backbone, ids, lengths, causal=True)
        counted = labels != IGNORED
        wanted, head = labels[counted], self._output.data
        if self._settings.answer_format == "compact":
            allowed = torch.cat([ids.flatten(), wanted]).unique()  # type: ignore[no-untyped-call]
            head, wanted = head[allowed], torch.searchsorted(allowed, wanted)
        return cross_entropy((states[counted] @ head.T).float(), wanted, reduction="sum")

    def read_at(self, texts: Sequence[str], biases: Sequence[float]) -> list[list[Answer]]:
        """The answers to all texts; there is no bias to choose."""
        model = models.LanguageModel(self.backbone, self._output)
        settings = self._settings
        reader = Generator(model.eval(), self._tokenizer, self._format, settings.name, settings.window_tokens)
        return [reader.read(texts) for _ in biases]

    def write_head(self, folder: Path) -> None:
        """Nothing: the output head is the base model's own."""
