"""The readers of this project, as the converter uses them."""

from collections.abc import Sequence
from typing import Any

import torch

from contenders.job import Job, Read, run
from elmtex_batch.reader import Answer, load_reader
from elmtex_batch.schema import load_schema
from elmtex_batch.settings import Settings


def load(job: Job) -> Read:
    """The bundled tagger or generator, which gets as many documents at a time as in the converter."""
    torch.set_num_threads(job.threads)
    settings = Settings.model_validate({"model": {"reader": job.way, "device": "cpu"}})
    reader = load_reader(settings.model, load_schema(settings.schema_))
    size = settings.run.batch_documents

    def read(numbers: Sequence[int]) -> list[Any]:
        texts = [job.texts[i] for i in numbers]
        batches = [texts[begin : begin + size] for begin in range(0, len(texts), size)]
        answers = [answer for batch in batches for answer in reader.read(batch)]
        return [_values(*pair) for pair in zip(answers, texts, strict=True)]

    return read


def _values(answer: Answer, text: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for span in answer.spans:
        values.setdefault(span.category, []).append(text[span.start : span.end])
    return values


if __name__ == "__main__":
    run(load, ("torch", "transformers", "llguidance"))
