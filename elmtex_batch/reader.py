"""The interface of all readers: texts in, answers out. How a reader gets there is its own affair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from elmtex_batch.schema import Schema
from elmtex_batch.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Span:
    """A value that a reader found: `text[start:end]`, in characters, with the model's probability, 0 to 1."""

    category: str
    start: int
    end: int
    score: float


Answer = tuple[Span, ...]
"""The values of one text, ordered by `start`."""


class Reader(Protocol):
    """Holds a base model with its adapter. `name` identifies both, as the warehouse records it."""

    name: str

    def read(self, texts: Sequence[str]) -> list[Answer]:
        """One answer for each text, in the same order, whatever the lengths."""
        ...


def load_reader(settings: ModelSettings, schema: Schema) -> Reader:
    """The reader that the adapter was trained for.

    Raises:
        ModelError: adapter or base are missing, damaged, or do not fit each other or the schema.
    """
    from elmtex_batch.tagger import Tagger

    return Tagger.load(settings, schema)
