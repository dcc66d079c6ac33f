"""The answer format that the settings name, with the prompt that goes with it."""

from collections.abc import Iterator

import torch

from elmtex_batch.adapters import AdapterCard
from elmtex_batch.generator import prompts
from elmtex_batch.generator.formats import AnswerFormat, Ask, CompactFormat, PaperFormat
from elmtex_batch.generator.retrieval import Retriever, sentence_embedding, words_in_common
from elmtex_batch.schema import Schema
from elmtex_batch.settings import ModelSettings
from elmtex_batch.training.data import read_reports


def make_format(
    settings: ModelSettings, schema: Schema, card: AdapterCard | None, device: torch.device
) -> AnswerFormat:
    """The format that the adapter was trained for, or the paper's. `device`: where an embedding model runs.

    Raises:
        InputMissing: the examples cannot be read.
        ModelError: the embedding model cannot be loaded.
    """
    if settings.prompt == "advanced":
        return _advanced(schema, _retriever(settings, schema, device), settings.shots)
    if settings.prompt == "finetuned" and card:
        return trained_format(str(card.answer_format), schema)
    return trained_format("paper", schema)


def trained_format(name: str, schema: Schema) -> AnswerFormat:
    """What adapters are trained for: `compact`, or `paper` with the naive prompt."""
    return CompactFormat(schema) if name == "compact" else PaperFormat(schema, _naive(schema))


def _naive(schema: Schema) -> Ask:
    return lambda text: iter([prompts.naive(schema, text)])


def _advanced(schema: Schema, retriever: Retriever, shots: int) -> PaperFormat:
    """Shows the nearest reports with their answers, the nearest last; fewer of them in a small context."""
    answers = trained_format("paper", schema)

    def ask(text: str) -> Iterator[str]:
        near = reversed(retriever.nearest(text, shots))
        examples = [(report.text, answers.target(report.labels)) for report in near]
        for skipped in range(len(examples) + 1):
            yield prompts.advanced(schema, text, examples[skipped:])

    return PaperFormat(schema, ask)


def _retriever(settings: ModelSettings, schema: Schema, device: torch.device) -> Retriever:
    reports = read_reports(settings.examples, schema) if settings.examples else []
    likeness = (
        sentence_embedding(settings.embedder, device)
        if settings.embedder
        else words_in_common([report.text for report in reports])
    )
    return Retriever(reports, likeness)
