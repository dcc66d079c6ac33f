"""Stand-ins for the slow parts, for tests of what surrounds them."""

import os
import re
from collections.abc import Mapping, Sequence

from elmtex_batch.reader import Answer, Span

PATTERNS = {
    "age": r"\d+[- ](?:years?|months?)[- ]old|\d+-jährige[rn]?|\d+ (?:Jahre|years)",
    "gender": r"\b(?:man|woman|girl|boy|Patientin|Herrn?|Frau|male|female)\b",
    "laboratory_values": r"\b\w+ \d+(?:[.,]\d+)? (?:mg/dl|mmol/l|g/dl|g/dL|U/mL|ng/mL|U/l)\b",
}


class PatternReader:
    """A `Reader` that finds values by regular expressions, one for each category it knows."""

    name = "pattern-reader"

    def __init__(self, patterns: Mapping[str, str] = PATTERNS) -> None:
        self._patterns = {category: re.compile(pattern, re.IGNORECASE) for category, pattern in patterns.items()}

    def read(self, texts: Sequence[str]) -> list[Answer]:
        """See `Reader.read`; every match counts as certain, every word as a token."""
        return [self._answer(text) for text in texts]

    def _answer(self, text: str) -> Answer:
        spans = [
            Span(category, *match.span(), 1.0)
            for category, pattern in self._patterns.items()
            for match in pattern.finditer(text)
        ]
        return Answer(tuple(sorted(spans, key=lambda span: span.start)), tokens=len(text.split()))


class QuotingReader:
    """A `Reader` that fails, and quotes in its error what it was reading, as careless libraries do."""

    name = "quoting-reader"

    def read(self, texts: Sequence[str]) -> list[Answer]:
        """See `Reader.read`."""
        raise ValueError(" ".join(texts))


class FatalReader(PatternReader):
    """A `Reader` whose process ends when a text has a certain word, as when a library of the model crashes."""

    name = "fatal-reader"

    def read(self, texts: Sequence[str]) -> list[Answer]:
        """See `Reader.read`."""
        if any("fatal" in text for text in texts):
            os._exit(1)
        return super().read(texts)
