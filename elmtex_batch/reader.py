"""The interface of all readers: texts in, answers out. How a reader gets there is its own affair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from elmtex_batch.advisories import check_environment
from elmtex_batch.schema import Schema
from elmtex_batch.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Span:
    """A value that a reader found: `text[start:end]`, in characters, with the model's probability, 0 to 1."""

    category: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Ungrounded:
    """A value that a reader wrote down but that does not stand in the text."""

    category: str
    value: str
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The values of one text. `spans` are ordered by `start`; `cut_short`: a budget or guard ended the answer.

    `tokens`: how many the model was given to read for it.
    """

    spans: tuple[Span, ...] = ()
    ungrounded: tuple[Ungrounded, ...] = ()
    cut_short: bool = False
    tokens: int = 0


class Reader(Protocol):
    """Holds a base model with its adapter. `name` identifies both, as the warehouse records it."""

    name: str

    def read(self, texts: Sequence[str]) -> list[Answer]:
        """One answer for each text, in the same order, whatever the lengths."""
        ...


def load_reader(settings: ModelSettings, schema: Schema) -> Reader:
    """The reader that the settings name.

    Raises:
        ModelError: adapter or base are missing, damaged, or do not fit each other or the schema.
        UnsafeEnvironment: a package of this machine, which may be one of many, is known to be unsafe.
    """
    check_environment()
    if settings.reader == "generator":
        from elmtex_batch.generator.generator import Generator

        return Generator.load(settings, schema)
    from elmtex_batch.tagger import Tagger

    return Tagger.load(settings, schema)
