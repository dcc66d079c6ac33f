"""The stages of the flow: Arrow table in, Arrow table out, one row per document; none raises for a bad document."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa

from elmtex_batch import records
from elmtex_batch.errors import ElmtexError
from elmtex_batch.inputs import read_bytes
from elmtex_batch.language import detect_language
from elmtex_batch.reader import Answer, Reader
from elmtex_batch.reasons import Code, Reason, is_of_model
from elmtex_batch.records import Row
from elmtex_batch.sandbox import CHILD, sandbox
from elmtex_batch.schema import Schema
from elmtex_batch.settings import OcrSettings, PageSettings
from elmtex_batch.text import NormalisedText, normalise
from elmtex_batch.validate import Status, validate
from elmtex_batch.warehouse import Warehouse

Stage = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True, slots=True)
class InTurn:
    """Stages as one stage."""

    stages: tuple[Stage, ...]

    def __call__(self, table: pa.Table) -> pa.Table:
        return reduce(lambda rows, stage: stage(rows), self.stages, table)


@dataclass(frozen=True, slots=True)
class ReadPages:
    """Files to pages of words: text layer or OCR."""

    pages: PageSettings
    ocr: OcrSettings
    command: tuple[str, ...] = CHILD
    """What reads them in a child process; see `elmtex_batch.sandbox`."""

    def __call__(self, table: pa.Table) -> pa.Table:
        return _map_rows(self._read, table, records.PAGES, "pages")

    def _read(self, row: Row) -> Row:
        if row["reasons"]:
            return {**row, "media_type": None, "pages": []}
        try:
            data = read_bytes(row["sources"][0])
        except OSError as error:
            code = Code.VANISHED if isinstance(error, FileNotFoundError) else Code.UNREADABLE
            return _rejected({**row, "media_type": None, "pages": []}, code)
        if hashlib.sha256(data).hexdigest() != row["doc_id"]:
            return _rejected({**row, "media_type": None, "pages": []}, Code.CHANGED)
        return {**row, **sandbox(self.command, self.pages, self.ocr).read(data)}


@dataclass(frozen=True, slots=True)
class NormaliseText:
    """Pages to one text per document, with its language."""

    max_characters: int

    def __call__(self, table: pa.Table) -> pa.Table:
        return _map_rows(self._normalise, table, records.TEXTS, "text")

    def _normalise(self, row: Row) -> Row:
        text = normalise(records.decode_pages(row["pages"]))
        if len(text.text) > self.max_characters:
            return self._normalise(_rejected({**row, "pages": []}, Code.TEXT_TOO_LONG))
        row = {**row, **records.encode_text(text), "language": detect_language(text.text), "stored": False}
        return row if text.text or row["reasons"] else _rejected(row, Code.NO_TEXT)


@dataclass(frozen=True, slots=True)
class LoadTexts:
    """Texts that an earlier run published, instead of `ReadPages` and `NormaliseText`.

    The documents of a batch have a column `part` more, the place in `texts/` that holds them (`Warehouse.texts_with`).
    """

    warehouse: Warehouse

    def __call__(self, table: pa.Table) -> pa.Table:
        begun = time.perf_counter()
        parts = sorted(set(table["part"].to_pylist()))
        stored = {row["doc_id"]: row for part in parts for row in self.warehouse.read_texts(part).to_pylist()}
        rows = [{**stored[row["doc_id"]], **row, "stored": True} for row in table.drop_columns("reasons").to_pylist()]
        return pa.Table.from_pylist(_spent(rows, "text", begun), records.TEXTS)


class ReadAnswers:
    """Texts to answers: holds the language model."""

    def __init__(self, load_reader: Callable[[], Reader]) -> None:
        self._reader = load_reader()

    def __call__(self, table: pa.Table) -> pa.Table:
        begun = time.perf_counter()
        rows = table.to_pylist()
        answers = iter(self._read([row["text"] for row in rows if row["text"]]))
        found = [_answered(row, next(answers)) if row["text"] else {**row, "answer": None} for row in rows]
        return pa.Table.from_pylist(_spent(found, "model", begun), records.ANSWERS)

    def _read(self, texts: Sequence[str]) -> list[Answer | None]:
        """All at once; should that fail, one by one, so that a bad document costs no good one its answer."""
        try:
            return list(self._reader.read(texts))
        except Exception:  # noqa: BLE001 - the promise: a document never stops the run
            return [None] if len(texts) == 1 else [answer for text in texts for answer in self._read([text])]


@dataclass(frozen=True, slots=True)
class Extract:
    """Answers to the published rows: typed, validated, grounded."""

    schema: Schema
    model: str
    run_id: str
    text_key: str

    def __call__(self, table: pa.Table) -> pa.Table:
        return _map_rows(self._extract, table, records.results_schema(self.schema), "extract")

    def _extract(self, row: Row) -> Row:
        text = records.decode_text(row)
        copied = {key: row[key] for key in ("doc_id", "sources", "media_type", "reasons", "language")}
        constant = {"schema": self.schema.label, "model": self.model, "text_key": self.text_key, "run_id": self.run_id}
        published = {**copied, **constant, "text": text.text or None, "pages": records.published_pages(text)}
        published |= {"work": row["work"], "tokens": row["answer"]["tokens"] if row["answer"] else 0}
        if text.text and not row["stored"]:
            keys = {"text_key": self.text_key, "run_id": self.run_id}
            published["published_text"] = {
                **row,
                **keys,
                "reasons": [r for r in row["reasons"] if not is_of_model(Code(r["code"]))],
            }
        try:
            return {**published, **self._validated(row, text)}
        except Exception:  # noqa: BLE001 - see _contained
            return {**_rejected(published, Code.INTERNAL_ERROR), "status": Status.REJECTED.value}

    def _validated(self, row: Row, text: NormalisedText) -> Row:
        reasons = records.decode_reasons(row["reasons"])
        if not text.text or row["answer"] is None:
            return {"status": Status.REJECTED.value}
        extraction = validate(records.decode_answer(row["answer"]), text, self.schema, row["language"])
        reasons += extraction.reasons
        return {
            "status": (Status.PARTIAL if reasons else Status.EXTRACTED).value,
            "reasons": records.encode_reasons(reasons),
            "extraction": records.encode_extraction(extraction.values),
            "age_years": extraction.age_years,
            "gender_code": extraction.gender_code,
        }


def _map_rows(function: Callable[[Row], Row], table: pa.Table, schema: pa.Schema, stage: str) -> pa.Table:
    rows: list[Row] = []
    for row in table.to_pylist():
        begun = time.perf_counter()
        rows += _spent([_contained(function, row, schema)], stage, begun)
    return pa.Table.from_pylist(rows, schema)


def _spent(rows: Sequence[Row], stage: str, begun: float) -> list[Row]:
    """The rows with the seconds since `begun`, shared out among them, as this stage's work."""
    seconds = (time.perf_counter() - begun) / max(1, len(rows))
    return [{**row, "work": {**(row.get("work") or {}), stage: seconds}} for row in rows]


def _contained(function: Callable[[Row], Row], row: Row, schema: pa.Schema) -> Row:
    """What a stage makes of a row. An unforeseen error becomes a reason; its message, which may quote, is dropped."""
    try:
        return function(row)
    except ElmtexError:
        raise  # Tesseract is missing on this node, say: not the document's fault
    except Exception:  # noqa: BLE001 - the promise: a document never stops the run
        return _rejected({**_nothing(schema), **row, "pages": [], "text": ""}, Code.INTERNAL_ERROR)


def reject(table: pa.Table, code: Code, schema: pa.Schema) -> pa.Table:
    """What comes out of a stage, in its `schema`, for documents that it gives up."""
    return pa.Table.from_pylist([_rejected({**_nothing(schema), **row}, code) for row in table.to_pylist()], schema)


def _nothing(schema: pa.Schema) -> Row:
    return {field.name: [] if pa.types.is_list(field.type) else None for field in schema}


def _answered(row: Row, answer: Answer | None) -> Row:
    if answer is None:
        return _rejected({**row, "answer": None}, Code.MODEL_FAILED)
    return {**row, "answer": records.encode_answer(answer)}


def _rejected(row: Row, code: Code) -> Row:
    return {**row, "reasons": [*row["reasons"], *records.encode_reasons([Reason(code)])]}
