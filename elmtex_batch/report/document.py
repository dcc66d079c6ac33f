"""One document as its page shows it: values, pages with boxes, and the text cut wherever a value begins or ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from elmtex_batch.document import Box
from elmtex_batch.records import Row
from elmtex_batch.report.archive import base_name
from elmtex_batch.schema import Schema

UNSURE = 0.5
"""Score below which a value is marked as uncertain."""


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A value of a document; `anchor` is its category and its ordinal there, as in `items/`."""

    anchor: str
    category: int
    """Number of the category in the schema, from 0."""
    value: str
    start: int | None
    end: int | None
    page: int | None
    boxes: tuple[Box, ...]
    score: float
    ocr_confidence: float | None

    @property
    def unsure(self) -> bool:
        return self.score < UNSURE


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the text that the same values cover. `page` is set where that page begins."""

    text: str
    values: tuple[ShownValue, ...]
    begins: bool
    """Whether the first of the values begins here."""
    page: int | None


@dataclass(frozen=True, slots=True)
class ShownPage:
    """A page: its size in points, and the values that stand on it. `picture` is a path from the document's page."""

    number: int
    method: str
    width: float
    height: float
    ocr_confidence: float | None
    picture: str | None
    values: tuple[ShownValue, ...]


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """Everything that the page of a document shows. `note` says why there are no pictures, as a key of a label."""

    row: Row
    name: str
    values: tuple[ShownValue, ...]
    pages: tuple[ShownPage, ...]
    pieces: tuple[Piece, ...]
    note: str | None

    @property
    def doc_id(self) -> str:
        return str(self.row["doc_id"])

    def of(self, category: int) -> list[ShownValue]:
        return [value for value in self.values if value.category == category]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list of documents. `found`: all values, to be searched."""

    doc_id: str
    name: str
    status: str
    reasons: tuple[str, ...]
    language: str | None
    pages: int
    values: int
    unsure: int
    age_years: float | None
    gender_code: str | None
    diagnosis: str
    found: str


def entry_of(document: ShownDocument) -> Entry:
    """The line of a document; it remembers neither text nor pages."""
    row, values = document.row, document.values
    diagnoses = sorted((v for v in values if v.anchor.startswith("diagnosis-")), key=lambda v: -v.score)
    return Entry(
        doc_id=document.doc_id,
        name=document.name,
        reasons=tuple(dict.fromkeys(reason["code"] for reason in row["reasons"] or ())),
        pages=len(row["pages"] or ()),
        values=len(values),
        unsure=sum(value.unsure for value in values),
        diagnosis=diagnoses[0].value if diagnoses else "",
        found=" · ".join(value.value for value in values),
        **{name: row[name] for name in ("status", "language", "age_years", "gender_code")},
    )


def show_document(row: Row, schema: Schema, pictures: dict[int, str], note: str | None) -> ShownDocument:
    """`row` as in `documents/`; `pictures`: by the number of a page the path of its picture, if there is one."""
    values = tuple(_values(row, schema))
    pages = tuple(_page(page, values, pictures.get(page["number"])) for page in row["pages"] or () if page["width"])
    return ShownDocument(row, base_name(row["sources"][0]), values, pages, tuple(_pieces(row, values)), note)


def _values(row: Row, schema: Schema) -> list[ShownValue]:
    extraction = row["extraction"] or {}
    return [
        ShownValue(
            anchor=f"{key}-{ordinal}",
            category=number,
            boxes=tuple((box["x0"], box["y0"], box["x1"], box["y1"]) for box in value["boxes"] or ()),
            **{name: value[name] for name in ("value", "start", "end", "page", "score", "ocr_confidence")},
        )
        for number, key in enumerate(schema.keys)
        for ordinal, value in enumerate(extraction.get(key) or ())
    ]


def _page(page: Row, values: Sequence[ShownValue], picture: str | None) -> ShownPage:
    facts = {name: page[name] for name in ("number", "method", "width", "height", "ocr_confidence")}
    return ShownPage(**facts, picture=picture, values=tuple(v for v in values if v.page == page["number"] and v.boxes))


def _pieces(row: Row, values: Sequence[ShownValue]) -> list[Piece]:
    text = row["text"] or ""
    placed = [value for value in values if value.start is not None]
    pages = {page["start"]: page["number"] for page in reversed(row["pages"] or ()) if page["start"] is not None}
    cuts = {0, len(text), *pages, *(cut for v in placed for cut in (v.start, v.end) if cut is not None)}
    pieces = []
    for start, end in pairwise(sorted(cut for cut in cuts if cut <= len(text))):
        own = tuple(v for v in placed if v.start is not None and v.end is not None and v.start <= start < v.end)
        begins = bool(own) and own[0].start == start
        pieces.append(Piece(text[start:end], own, begins, pages.get(start) if len(pages) > 1 else None))
    return pieces
