"""What the tagger learns: a tag for every token, from the annotated spans."""

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from elmtex_batch import adapters, models, tags
from elmtex_batch.reader import Answer
from elmtex_batch.schema import Schema
from elmtex_batch.tagger import Tagger, TaggerModel, Tokens, load_head
from elmtex_batch.training.batches import Batch, Example, tensors
from elmtex_batch.training.lora import start_folder, window_limit, with_lora
from elmtex_batch.training.report import Report, place
from elmtex_batch.training.settings import TrainSettings
from elmtex_batch.training.variation import Swaps, without_some

_BIASES = (-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
"""Outside biases tried on the development reports."""


class Tagging:
    """A `Task`. Its model is the frozen base with fresh LoRA matrices and a fresh head."""

    def __init__(
        self, settings: TrainSettings, schema: Schema, compute: models.Compute, reports: Sequence[Report]
    ) -> None:
        self.biases = _BIASES
        self._settings = settings
        self._schema = schema
        self._compute = compute
        tokenizer = models.load_tokenizer(settings.base)
        self._tokens = Tokens(tokenizer, settings.window_tokens)
        self._unknown = next(i for i in (tokenizer.unk_token_id, tokenizer.eos_token_id) if i is not None)
        found = [(report, *place(report)) for report in reports]
        self.unplaced = sum(missing for *_, missing in found)
        self._placed = [(report.id, report.language, (report.text, golds)) for report, golds, _ in found]
        self._swaps = Swaps(
            schema, [(language, placed) for _, language, placed in self._placed], settings.variation.swapped_values
        )
        self.backbone = with_lora(models.load_backbone(settings.base, compute.dtype), settings, schema, compute)
        self.model = TaggerModel(self.backbone, len(schema.tags), settings.optimiser.head_dropout)
        if settings.start:
            load_head(self.model.head, start_folder(settings))
        self.model.to(compute.device)

    def examples(self, epoch: int) -> list[Example]:
        """See `Task.examples`: the windows of all reports, varied and cut anew for each epoch."""
        found = []
        first = len(self._tokens.prefix)
        for key, language, placed in self._placed:
            rng = random.Random(f"{self._settings.seed}/{epoch}/{key}/variation")
            text, golds = self._swaps.swap(language, placed, rng)
            for window in self._tokens.windows(text, window_limit(self._settings, key, epoch)):
                labels = tags.encode(golds, window.offsets, self._schema)
                seen = without_some(window.ids[first:], self._settings.variation.dropped_tokens, self._unknown, rng)
                found.append(Example(window.ids[:first] + seen, [tags.IGNORED] * first + labels))
        return found

    def loss(self, batch: Batch) -> Tensor:
        """See `Task.loss`."""
        ids, labels, lengths = tensors(batch, self._compute.device)
        scores = self.model(ids, lengths).float().flatten(0, 1)
        return cross_entropy(scores, labels.flatten(), ignore_index=tags.IGNORED, reduction="sum")

    def read_at(self, texts: Sequence[str], biases: Sequence[float]) -> list[list[Answer]]:
        """The answers to all texts for each outside bias, with the weights of the moment."""
        batch_tokens = self._settings.optimiser.batch_tokens
        return Tagger(self.model, self._tokens, self._schema, "", batch_tokens).read_at(texts, biases)

    def write_head(self, folder: Path) -> None:
        """Puts the head, in bf16, into the adapter folder."""
        head = {name: p.detach().to(torch.bfloat16).contiguous() for name, p in self.model.head.state_dict().items()}
        save_file(head, folder / adapters.HEAD)
