"""A reader's answer to a typed, grounded extraction within the schema's limits, or reasons why parts are missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from pydantic import BaseModel

from elmtex_batch.reader import Answer, Span
from elmtex_batch.reasons import Code, Reason
from elmtex_batch.schema import Category, Schema, Value
from elmtex_batch.text import NormalisedText
from elmtex_batch.typed import Gender, age_in_years, gender_code


class Status(StrEnum):
    """How a document ended: exactly one of these."""

    EXTRACTED = "extracted"
    PARTIAL = "partial"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Extraction:
    """A document's values, checked against the schema. `values` is an instance of `Schema.extraction_model`."""

    values: BaseModel
    age_years: float | None
    gender_code: Gender | None
    reasons: tuple[Reason, ...]


def validate(answer: Answer, text: NormalisedText, schema: Schema, language: str) -> Extraction:
    """Types, limits and grounds the values of one document.

    Values over a limit are dropped and leave a reason; of too many, the most probable stay, in order of appearance.
    """
    by_category = {
        key: tuple(spans) for key, spans in groupby(sorted(answer, key=_by_category), key=lambda span: span.category)
    }
    reasons: set[Code] = set()
    kept = {c.key: _within_limits(by_category.get(c.key, ()), c, reasons) for c in schema.category}
    values = {key: tuple(_ground(span, text) for span in spans) for key, spans in kept.items()}
    model = schema.extraction_model.model_validate({key: [v.model_dump() for v in vs] for key, vs in values.items()})
    age, gender = _first(values, schema.of_type("age")), _first(values, schema.of_type("gender"))
    return Extraction(
        model,
        age_in_years(age) if age else None,
        gender_code(gender, language) if gender else None,
        tuple(Reason(code) for code in sorted(reasons)),
    )


def _by_category(span: Span) -> tuple[str, int]:
    return span.category, span.start


def _within_limits(spans: Sequence[Span], category: Category, reasons: set[Code]) -> list[Span]:
    short = [span for span in spans if span.end - span.start <= category.max_chars]
    if len(short) < len(spans):
        reasons.add(Code.VALUE_TOO_LONG)
    if len(short) <= category.limit:
        return short
    reasons.add(Code.TOO_MANY_VALUES)
    best = sorted(short, key=lambda span: span.score, reverse=True)[: category.limit]
    return sorted(best, key=lambda span: span.start)


def _ground(span: Span, text: NormalisedText) -> Value:
    evidence = text.evidence(span.start, span.end)
    return Value(
        value=text.text[span.start : span.end],
        start=span.start,
        end=span.end,
        page=evidence.page or 1,
        boxes=evidence.boxes,
        ocr_confidence=evidence.ocr_confidence,
        score=span.score,
    )


def _first(values: dict[str, tuple[Value, ...]], category: Category | None) -> str | None:
    own = values[category.key] if category else ()
    return own[0].value if own else None
