from elmtex_batch.document import Method, Page, Word
from elmtex_batch.reader import Answer, Span, Ungrounded
from elmtex_batch.reasons import Code, Reason
from elmtex_batch.schema import Schema
from elmtex_batch.text import NormalisedText, normalise
from elmtex_batch.validate import validate


def page_of(words: str) -> Page:
    boxes = [(10.0 + 50 * i, 20.0, 50.0 + 50 * i, 32.0) for i in range(len(words.split()))]
    return Page(
        3, Method.OCR, "test",
        tuple(Word(w, 0, 0, box, 0.5) for w, box in zip(words.split(), boxes, strict=True)), 600, 800,
    )  # fmt: skip


def text_of(words: str) -> NormalisedText:
    return normalise([page_of(words)])


def test_a_value_carries_its_evidence(schema: Schema) -> None:
    text = text_of("45-year-old man with asthma")
    values = validate(Answer((Span("gender", 12, 15, 0.9),)), text, schema, "en").values.model_dump()
    (gender,) = values["gender"]
    assert text.text[gender["start"] : gender["end"]] == gender["value"] == "man"
    assert gender["page"] == 3 and gender["boxes"] == ((60.0, 20.0, 100.0, 32.0),)
    assert gender["ocr_confidence"] == 0.5 and gender["score"] == 0.9
    assert values["diagnosis"] == ()


def test_age_and_gender_are_typed(schema: Schema) -> None:
    text = text_of("3 months old girl")
    extraction = validate(Answer((Span("age", 0, 8, 1.0), Span("gender", 13, 17, 1.0))), text, schema, "en")
    assert (extraction.age_years, extraction.gender_code, extraction.reasons) == (0.25, "female", ())


def test_values_over_a_limit_are_dropped_with_a_reason(schema: Schema) -> None:
    limits = {"diagnosis": {"max_values": 2, "max_chars": 5}}
    categories = tuple(c.model_copy(update=limits.get(c.key, {})) for c in schema.category)
    tight = Schema.model_validate(schema.model_copy(update={"category": categories}).model_dump())
    text = text_of("flu gout acne pneumonia")
    spans = (
        Span("diagnosis", 0, 3, 0.9), Span("diagnosis", 4, 8, 0.2), Span("diagnosis", 9, 13, 0.8),
        Span("diagnosis", 14, 23, 0.9),
    )  # fmt: skip
    extraction = validate(Answer(spans), text, tight, "en")
    assert [value["value"] for value in extraction.values.model_dump()["diagnosis"]] == ["flu", "acne"]
    assert set(extraction.reasons) == {Reason(Code.TOO_MANY_VALUES), Reason(Code.VALUE_TOO_LONG)}


def test_a_value_that_is_not_in_the_text_has_no_evidence_and_comes_last(schema: Schema) -> None:
    answer = Answer((Span("diagnosis", 16, 22, 0.4),), (Ungrounded("diagnosis", "atopy", 0.9),), cut_short=True)
    extraction = validate(answer, text_of("45-year-old man asthma"), schema, "en")
    grounded, lost = extraction.values.model_dump()["diagnosis"]
    assert (grounded["value"], grounded["page"]) == ("asthma", 3)
    assert (lost["value"], lost["start"], lost["end"], lost["page"], lost["boxes"]) == ("atopy", None, None, None, ())
    assert extraction.reasons == (Reason(Code.ANSWER_CUT_SHORT),)
