"""The two forms of a written answer: what is asked, what a right answer looks like, and how an answer is read back."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elmtex_batch.generator import grammar, prompts
from elmtex_batch.generator.grounding import occurrences
from elmtex_batch.schema import Schema
from elmtex_batch.tags import TRIMMED

Labels = Mapping[str, Sequence[str]]
"""For each category the values, in order of appearance."""
Ask = Callable[[str], Iterator[str]]
"""A report's prompts; see `AnswerFormat.prompts`."""


@dataclass(frozen=True, slots=True)
class Written:
    """A value as the answer has it, at these characters of the answer (there perhaps escaped)."""

    category: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Open:
    """The category that an unfinished answer is about: its finished values, and the one that is being written."""

    category: str
    finished: tuple[str, ...]
    current: str


class AnswerFormat(ABC):
    """How a model is asked and how it answers."""

    separator: str
    """Stands between two values of a category, and in no value."""
    closer: str
    """Ends a category's values."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    @abstractmethod
    def prompts(self, text: str) -> Iterator[str]:
        """What the model may be given to continue: the best first, shorter ones behind for a small context."""

    @abstractmethod
    def pieces(self, labels: Labels) -> Iterator[str]:
        """The right answer, cut where the model decides: behind a key, a value and a separator.

        Each piece is tokenised by itself, in training as in decoding; so a token never spans a decision.
        """

    @abstractmethod
    def grammar(self, text: str) -> str:
        """The answers that are allowed for this text, in llguidance's Lark syntax."""

    @abstractmethod
    def parse(self, answer: str) -> list[Written]:
        """The values of a finished answer."""

    @abstractmethod
    def open(self, answer: str) -> Open | None:
        """Where an unfinished answer stands; None outside of a category's values."""

    @abstractmethod
    def learnable(self, text: str, labels: Labels) -> Labels:
        """The labels that the grammar of this text lets a model write."""

    def prompt(self, text: str) -> str:
        """The best of `prompts`."""
        return next(self.prompts(text))

    def target(self, labels: Labels) -> str:
        """The right answer."""
        return "".join(self.pieces(labels))

    def example(self, text: str, labels: Labels, tokenizer: Any) -> tuple[list[int], list[int]]:
        """Token ids to train on: those of the prompt, and those of the answer with the end token."""
        pieces = list(self.pieces(self.learnable(text, labels)))
        answer = [token for ids in tokenizer(pieces, add_special_tokens=False).input_ids for token in ids]
        return prompt_ids(tokenizer, self.prompt(text)), [*answer, tokenizer.eos_token_id]


def prompt_ids(tokenizer: Any, prompt: str) -> list[int]:
    """A prompt's token ids behind the model's own start token, if it has one."""
    ids: list[int] = tokenizer("").input_ids + tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids
    return ids


class CompactFormat(AnswerFormat):
    """A line for each category: `key: value | value`, and `key:` where there is none. Every value is verbatim.

    Values keep the space that they have in running text, so that a small model copies tokens as they stand.
    """

    separator = "|"
    closer = "\n"

    def prompts(self, text: str) -> Iterator[str]:
        """See `prompts.compact`."""
        yield prompts.compact(text)

    def pieces(self, labels: Labels) -> Iterator[str]:
        """See `AnswerFormat.pieces`."""
        for key in self.schema.keys:
            yield f"{key}:"
            for i, value in enumerate(labels.get(key, ())):
                if i:
                    yield " |"
                yield f" {value}"
            yield "\n"

    def grammar(self, text: str) -> str:
        """See `grammar.compact`."""
        return grammar.compact(self.schema, text)

    def parse(self, answer: str) -> list[Written]:
        """See `AnswerFormat.parse`."""
        values = []
        for line in re.finditer(r"^(\w+):(.*)$", answer, re.MULTILINE):
            for item in re.finditer(r"[^| ](?:[^|]*[^| ])?", line[2]):
                start, end = (line.start(2) + offset for offset in item.span())
                values.append(Written(line[1], item[0], start, end))
        return values

    def open(self, answer: str) -> Open | None:
        """See `AnswerFormat.open`."""
        key, colon, values = answer[answer.rfind("\n") + 1 :].partition(":")
        *finished, current = (value.strip() for value in values.split("|"))
        return Open(key, tuple(finished), current) if colon else None

    def learnable(self, text: str, labels: Labels) -> Labels:
        """Those that stand in the text as whole words."""
        trimmed = {key: [value.strip(TRIMMED) for value in values] for key, values in labels.items()}
        return {key: [v for v in values if "|" not in v and occurrences(text, v)] for key, values in trimmed.items()}


class PaperFormat(AnswerFormat):
    """The ELMTEX paper's answer: flat JSON, a string for each category, entries joined by `;`, "N/A" for none.

    `ask` makes a report's prompts (see `AnswerFormat.prompts`). What the model writes into the strings is free.
    """

    separator = ";"
    closer = '"'
    nothing = "N/A"

    def __init__(self, schema: Schema, ask: Ask) -> None:
        super().__init__(schema)
        self._ask = ask

    def prompts(self, text: str) -> Iterator[str]:
        """See `prompts.naive` and `prompts.advanced`."""
        return self._ask(text)

    def pieces(self, labels: Labels) -> Iterator[str]:
        """See `AnswerFormat.pieces`."""
        for i, key in enumerate(self.schema.keys):
            yield (", " if i else "{") + f'"{key}": "'
            yield json.dumps("; ".join(labels.get(key, ())) or self.nothing, ensure_ascii=False)[1:-1]
            yield self.closer
        yield "}"

    def grammar(self, text: str) -> str:  # noqa: ARG002 - the same for every text
        """See `grammar.paper`."""
        return grammar.paper(self.schema)

    def parse(self, answer: str) -> list[Written]:
        """See `AnswerFormat.parse`."""
        values = []
        for field in re.finditer(r'"(\w+)": "((?:[^"\\]|\\.)*)"', answer):
            for entry in re.finditer(r"[^;\s](?:[^;]*[^;\s])?", field[2]):
                value = json.loads(f'"{entry[0]}"').strip()
                if value and value.upper() != self.nothing:
                    start, end = (field.start(2) + offset for offset in entry.span())
                    values.append(Written(field[1], value, start, end))
        return values

    def open(self, answer: str) -> Open | None:
        """See `AnswerFormat.open`."""
        before, begun, values = answer.rpartition('": "')
        if not begun or re.search(r'(?<!\\)(?:\\\\)*"', values):
            return None
        *finished, current = (value.strip() for value in values.split(";"))
        return Open(before.rpartition('"')[2], tuple(finished), current)

    def learnable(self, text: str, labels: Labels) -> Labels:  # noqa: ARG002 - the same for every text
        """All of them: the paper's values need not be verbatim."""
        return labels
