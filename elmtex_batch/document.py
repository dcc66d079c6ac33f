"""What is read from a file before any language model sees it: pages, and words with their boxes."""

from dataclasses import dataclass, field
from enum import StrEnum

from elmtex_batch.reasons import Code, Reason

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in points (1/72 inch), origin at the top left of the upright page, y growing downwards."""


class Method(StrEnum):
    """How the words of a page were obtained."""

    TEXT_LAYER = "text_layer"
    OCR = "ocr"
    PLAIN = "plain"
    BLANK = "blank"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters without white space.

    `line` and `block` number the lines and the blocks (paragraphs, columns, tables) of a page from 0 and never fall
    from one word to the next; a line lies within one block. `confidence` is the OCR engine's, 0 to 1, None without OCR.
    Words of plain text files have no box.
    """

    text: str
    line: int
    block: int
    box: Box | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page with its words in reading order.

    `number` is 1-based. `why` says in a fixed vocabulary why this `method` was taken (see `elmtex_batch.pages`).
    `width` and `height` are points of the upright page, None for plain text. `rotation` is the clockwise turn in
    degrees (0, 90, 180, 270) that was needed to make the page, as a viewer shows it, upright. `ocr_confidence` is the
    mean over the page's words weighted by their length, 0 to 1.
    """

    number: int
    method: Method
    why: str
    words: tuple[Word, ...] = ()
    width: float | None = None
    height: float | None = None
    rotation: int = 0
    ocr_confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """All pages of one file. Fatal problems leave `pages` empty; `reasons` then says why."""

    media_type: str
    pages: tuple[Page, ...] = ()
    reasons: tuple[Reason, ...] = field(default=())

    @classmethod
    def rejected(cls, code: Code, media_type: str = "application/octet-stream") -> "Document":
        """A document that no page could be read from."""
        return cls(media_type, (), (Reason(code),))
