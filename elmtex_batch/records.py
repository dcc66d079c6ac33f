"""The record of one document after each stage, as Arrow schemas, and its parts to and from Python objects."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel

from elmtex_batch.document import Method, Page, Word
from elmtex_batch.reader import Answer, Span, Ungrounded
from elmtex_batch.reasons import Code, Reason
from elmtex_batch.schema import BOX_SIDES, Schema, value_arrow_type
from elmtex_batch.text import NormalisedText

Row = dict[str, Any]

REASON = pa.struct([("code", pa.string()), ("stage", pa.string()), ("page", pa.int32())])
_WORD = pa.struct(
    [
        ("text", pa.string()),
        ("line", pa.int32()),
        ("block", pa.int32()),
        ("box", pa.list_(pa.float32())),
        ("confidence", pa.float32()),
    ]
)
_PAGE_FACTS = [
    ("number", pa.int32()),
    ("method", pa.string()),
    ("why", pa.string()),
    ("width", pa.float32()),
    ("height", pa.float32()),
    ("rotation", pa.int32()),
    ("ocr_confidence", pa.float32()),
]
_PAGE = pa.struct([*_PAGE_FACTS, ("words", pa.list_(_WORD))])
_PUBLISHED_PAGE = pa.struct([*_PAGE_FACTS, ("start", pa.int32()), ("end", pa.int32())])
_SPAN = pa.struct([("category", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("score", pa.float64())])
_UNGROUNDED = pa.struct([("category", pa.string()), ("value", pa.string()), ("score", pa.float64())])
_ANSWER = pa.struct(
    [
        ("spans", pa.list_(_SPAN)),
        ("ungrounded", pa.list_(_UNGROUNDED)),
        ("cut_short", pa.bool_()),
        ("tokens", pa.int64()),
    ]
)
STAGES = ("pages", "text", "model", "extract")
_WORK = pa.struct([(stage, pa.float64()) for stage in STAGES])

FILES = pa.schema(
    [
        ("source", pa.string()),
        ("size", pa.int64()),
        ("modified", pa.int64()),
        ("doc_id", pa.string()),
        ("code", pa.string()),
    ]
)
"""One row per input file of a run, as kept in `manifests/`; `modified` in nanoseconds."""
MANIFEST = pa.schema(
    [
        ("doc_id", pa.string()),
        ("sources", pa.list_(pa.string())),
        ("size", pa.int64()),
        ("reasons", pa.list_(REASON)),
    ]
)
PAGES = pa.schema([*MANIFEST, ("media_type", pa.string()), ("pages", pa.list_(_PAGE)), ("work", _WORK)])
"""`work`: the seconds that each stage spent on the document, None for those that did not see it."""
_TEXT = [
    ("language", pa.string()),
    ("text", pa.string()),
    *((name, pa.list_(pa.int32())) for name in ("starts", "ends", "page_indices", "word_indices")),
]
TEXTS = pa.schema([*PAGES, *_TEXT, ("stored", pa.bool_())])
"""`stored`: the text is one that an earlier run published."""
PUBLISHED_TEXTS = pa.schema(
    [
        pa.field("doc_id", pa.string(), nullable=False),
        ("text_key", pa.string()),
        ("media_type", pa.string()),
        ("reasons", pa.list_(REASON)),
        ("pages", pa.list_(_PAGE)),
        *_TEXT,
        ("run_id", pa.string()),
    ]
)
"""One row per document, as published in `texts/`: all that a model may need, whichever reads it next."""
ANSWERS = pa.schema([*TEXTS, ("answer", _ANSWER)])


@cache
def documents_schema(schema: Schema) -> pa.Schema:
    """One row per document, as published in `documents/`."""
    return pa.schema(
        [
            pa.field("doc_id", pa.string(), nullable=False),
            ("sources", pa.list_(pa.string())),
            ("media_type", pa.string()),
            pa.field("status", pa.string(), nullable=False),
            ("reasons", pa.list_(REASON)),
            ("language", pa.string()),
            ("pages", pa.list_(_PUBLISHED_PAGE)),
            ("text", pa.string()),
            ("extraction", schema.arrow_type()),
            ("age_years", pa.float32()),
            ("gender_code", pa.string()),
            ("schema", pa.string()),
            ("model", pa.string()),
            ("text_key", pa.string()),
            ("run_id", pa.string()),
        ]
    )


@cache
def results_schema(schema: Schema) -> pa.Schema:
    """What comes out of the flow: the row to publish, beside it the text, if that is to be published too, and the work.

    `tokens` is what the model read of it.
    """
    text = ("published_text", pa.struct(list(PUBLISHED_TEXTS)))
    return pa.schema([*documents_schema(schema), text, ("work", _WORK), ("tokens", pa.int64())])


ITEMS = pa.schema(
    [
        pa.field("doc_id", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("ordinal", pa.int32(), nullable=False),
        *value_arrow_type(),
        ("schema", pa.string()),
        ("model", pa.string()),
        ("run_id", pa.string()),
    ]
)
"""One row per value, as published in `items/`."""


RUNS = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        ("started", pa.timestamp("ms", "UTC")),
        ("seconds", pa.float64()),
        ("outcome", pa.string()),
        ("held_because", pa.list_(pa.string())),
        ("error", pa.string()),
        ("retried", pa.string()),
        ("schema", pa.string()),
        ("model", pa.string()),
        ("text_key", pa.string()),
        ("sources", pa.int64()),
        ("documents", pa.int64()),
        ("skipped", pa.int64()),
        ("statuses", pa.list_(pa.struct([("status", pa.string()), ("documents", pa.int64())]))),
        ("reasons", pa.list_(pa.struct([("code", pa.string()), ("documents", pa.int64())]))),
        ("methods", pa.list_(pa.struct([("method", pa.string()), ("pages", pa.int64())]))),
        ("stages", pa.list_(pa.struct([("stage", pa.string()), ("seconds", pa.float64())]))),
        ("fill_rates", pa.list_(pa.struct([("category", pa.string()), ("share", pa.float64())]))),
        ("pages", pa.int64()),
        ("tokens", pa.int64()),
        ("values", pa.int64()),
        ("values_ungrounded", pa.int64()),
        ("mean_score", pa.float64()),
        ("mean_ocr_confidence", pa.float64()),
        ("versions", pa.list_(pa.struct([("name", pa.string()), ("version", pa.string())]))),
    ]
)
"""One row per run, in `runs/`. `outcome` is `published`, `held` (by a quality gate; `held_because` says which),
`interrupted` or `failed` (`error` names the kind of error); `retried` is the reason whose documents were done again;
`stages` counts seconds of work, added up over all workers; `fill_rates` are shares of the run's extracted and partial
documents that have a value of the category; `mean_score` is over values, `mean_ocr_confidence` over pages."""


def encode_reasons(reasons: Sequence[Reason]) -> list[Row]:
    return [{"code": reason.code.value, "stage": reason.stage.value, "page": reason.page} for reason in reasons]


def decode_reasons(rows: Sequence[Row]) -> tuple[Reason, ...]:
    return tuple(Reason(Code(row["code"]), row["page"]) for row in rows)


def encode_pages(pages: Sequence[Page]) -> list[Row]:
    # `asdict` copies deeply, and takes longer over a page than reading its text layer.
    return [
        {**{name: getattr(page, name) for name, _ in _PAGE_FACTS}, "words": [_encoded(word) for word in page.words]}
        for page in pages
    ]


def _encoded(word: Word) -> Row:
    return {"text": word.text, "line": word.line, "block": word.block, "box": word.box, "confidence": word.confidence}


def decode_pages(rows: Sequence[Row]) -> tuple[Page, ...]:
    return tuple(
        Page(**{**row, "method": Method(row["method"]), "words": tuple(_word(word) for word in row["words"])})
        for row in rows
    )


def _word(row: Row) -> Word:
    box = tuple(row["box"]) if row["box"] is not None else None
    return Word(row["text"], row["line"], row["block"], box, row["confidence"])


def encode_text(text: NormalisedText) -> Row:
    return {
        "text": text.text,
        "starts": text.starts.tolist(),
        "ends": text.ends.tolist(),
        "page_indices": text.page_indices.tolist(),
        "word_indices": text.word_indices.tolist(),
    }


def decode_text(row: Row) -> NormalisedText:
    maps = (np.array(row[name], np.int32) for name in ("starts", "ends", "page_indices", "word_indices"))
    return NormalisedText(row["text"], decode_pages(row["pages"]), *maps)


def encode_answer(answer: Answer) -> Row:
    return asdict(answer)


def decode_answer(row: Row) -> Answer:
    spans = tuple(Span(**span) for span in row["spans"])
    ungrounded = tuple(Ungrounded(**lost) for lost in row["ungrounded"])
    return Answer(spans, ungrounded, row["cut_short"], row["tokens"])


def encode_extraction(values: BaseModel) -> Row:
    """An instance of `Schema.extraction_model` as `Schema.arrow_type` wants it: boxes with named sides."""
    extraction = values.model_dump()
    for found in extraction.values():
        for value in found:
            value["boxes"] = [dict(zip(BOX_SIDES, box, strict=True)) for box in value["boxes"]]
    return extraction


def published_pages(text: NormalisedText) -> list[Row]:
    """A document's pages without their words, with the characters each gave to the text."""
    rows = []
    for page in text.pages:
        start, end = text.page_range(page.number)
        facts = {name: getattr(page, name) for name, _ in _PAGE_FACTS}
        rows.append({**facts, "method": page.method.value, "start": start, "end": end})
    return rows
