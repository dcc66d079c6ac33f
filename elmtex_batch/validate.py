"""A reader's answer to a typed, grounded extraction within the schema's limits, or reasons why parts are missing."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from elmtex_batch.reader import Answer, Span, Ungrounded
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
    Within a category those that do not stand in the text come last.
    """
    found: dict[str, list[Value]] = {key: [] for key in schema.keys}
    for span in sorted(answer.spans, key=lambda span: span.start):
        found[span.category].append(_ground(span, text))
    for ungrounded in answer.ungrounded:
        found[ungrounded.category].append(_without_evidence(ungrounded))
    reasons = {Code.ANSWER_CUT_SHORT} if answer.cut_short else set()
    values = {c.key: _within_limits(found[c.key], c, reasons) for c in schema.category}
    model = schema.extraction_model.model_validate({key: [v.model_dump() for v in vs] for key, vs in values.items()})
    age, gender = _first(values, schema.of_type("age")), _first(values, schema.of_type("gender"))
    return Extraction(
        model,
        age_in_years(age) if age else None,
        gender_code(gender, language) if gender else None,
        tuple(Reason(code) for code in sorted(reasons)),
    )


def _within_limits(values: list[Value], category: Category, reasons: set[Code]) -> list[Value]:
    short = [value for value in values if len(value.value) <= category.max_chars]
    if len(short) < len(values):
        reasons.add(Code.VALUE_TOO_LONG)
    if len(short) <= category.limit:
        return short
    reasons.add(Code.TOO_MANY_VALUES)
    best = sorted(range(len(short)), key=lambda i: short[i].score, reverse=True)[: category.limit]
    return [short[i] for i in sorted(best)]


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


def _without_evidence(found: Ungrounded) -> Value:
    return Value(value=found.value, start=None, end=None, page=None, score=found.score)


def _first(values: dict[str, list[Value]], category: Category | None) -> str | None:
    own = values[category.key] if category else []
    return own[0].value if own else None
