"""The closed list of reasons why a document was rejected, or extracted only in part.

Codes are part of the warehouse contract: a code is never renamed, and never carries content of a document.
"""

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Where in the flow something went wrong."""

    INPUT = "input"
    PAGES = "pages"
    OCR = "ocr"
    TEXT = "text"
    MODEL = "model"
    VALIDATION = "validation"


class Code(StrEnum):
    """What went wrong. The stage a code belongs to is fixed in `STAGE_OF`."""

    UNREADABLE = "unreadable"
    VANISHED = "vanished"
    CHANGED = "changed"
    NOT_A_FILE = "not_a_file"
    OUTSIDE_OF_INPUT = "outside_of_input"
    EMPTY_FILE = "empty_file"
    FILE_TOO_LARGE = "file_too_large"
    UNSUPPORTED_TYPE = "unsupported_type"

    ENCRYPTED = "encrypted"
    DAMAGED = "damaged"
    NO_PAGES = "no_pages"
    TOO_MANY_PAGES = "too_many_pages"
    PAGE_TOO_LARGE = "page_too_large"
    PAGE_DAMAGED = "page_damaged"
    READER_CRASHED = "reader_crashed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"

    OCR_TIMEOUT = "ocr_timeout"
    OCR_FAILED = "ocr_failed"
    OCR_EMPTY = "ocr_empty"

    NO_TEXT = "no_text"
    TEXT_TOO_LONG = "text_too_long"

    MODEL_FAILED = "model_failed"
    MODEL_CRASHED = "model_crashed"
    ANSWER_CUT_SHORT = "answer_cut_short"

    TOO_MANY_VALUES = "too_many_values"
    VALUE_TOO_LONG = "value_too_long"
    INTERNAL_ERROR = "internal_error"


_STAGES: dict[Stage, tuple[Code, ...]] = {
    Stage.INPUT: (
        Code.UNREADABLE, Code.VANISHED, Code.CHANGED, Code.NOT_A_FILE, Code.OUTSIDE_OF_INPUT, Code.EMPTY_FILE,
        Code.FILE_TOO_LARGE, Code.UNSUPPORTED_TYPE,
    ),
    Stage.PAGES: (
        Code.ENCRYPTED, Code.DAMAGED, Code.NO_PAGES, Code.TOO_MANY_PAGES, Code.PAGE_TOO_LARGE, Code.PAGE_DAMAGED,
        Code.READER_CRASHED, Code.TIMED_OUT, Code.OUT_OF_MEMORY,
    ),
    Stage.OCR: (Code.OCR_TIMEOUT, Code.OCR_FAILED, Code.OCR_EMPTY),
    Stage.TEXT: (Code.NO_TEXT, Code.TEXT_TOO_LONG),
    Stage.MODEL: (Code.MODEL_FAILED, Code.MODEL_CRASHED, Code.ANSWER_CUT_SHORT),
    Stage.VALIDATION: (Code.TOO_MANY_VALUES, Code.VALUE_TOO_LONG, Code.INTERNAL_ERROR),
}  # fmt: skip
STAGE_OF: dict[Code, Stage] = {code: stage for stage, codes in _STAGES.items() for code in codes}


def is_of_model(code: Code) -> bool:
    """Whether the reason lies in what a model made of a text, not in the text."""
    return STAGE_OF[code] in (Stage.MODEL, Stage.VALIDATION)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, at most once per code and page. `page` is 1-based; None means the whole document."""

    code: Code
    page: int | None = None

    @property
    def stage(self) -> Stage:
        return STAGE_OF[self.code]
