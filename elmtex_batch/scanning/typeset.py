"""Sets a text as PDF pages. One line of the text is one paragraph; an empty line is a gap."""

from collections.abc import Iterator
from functools import partial
from io import BytesIO
from random import Random
from textwrap import wrap
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY, TA_LEFT
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    HRFlowable,
    PageTemplate,
    Paragraph,
    Spacer,
)

from elmtex_batch.scanning.fonts import register
from elmtex_batch.scanning.looks import A4, Look

_COLUMN_GAP = 18.0
_PITCH = 0.602
"""Width of a typewriter face's letters, in sizes (Courier 0.600, DejaVu Sans Mono 0.602)."""


def typeset(text: str, look: Look) -> bytes:
    """The PDF file; without a word about who made it when, so that it is the same each time."""
    register(look.face)
    target = BytesIO()
    document = BaseDocTemplate(target, pagesize=A4, title="", author="", creator="", invariant=1)
    document.addPageTemplates(PageTemplate("page", _frames(look), onPage=partial(_draw_footer, look=look)))
    document.build([*_letterhead(look), *(_typed(text, look) if look.uneven else _set(text, look)), Spacer(1, 1)])
    return target.getvalue()


def _frames(look: Look) -> list[Frame]:
    width = (look.width - (look.columns - 1) * _COLUMN_GAP) / look.columns
    lefts = [look.margin + column * (width + _COLUMN_GAP) for column in range(look.columns)]
    return [Frame(left, look.margin, width, A4[1] - 2 * look.margin, 0, 0, 0, 0) for left in lefts]


def _draw_footer(canvas: Any, document: Any, look: Look) -> None:
    canvas.setFont(look.face.regular, 9)
    canvas.drawCentredString(A4[0] / 2, 0.5 * look.margin, look.footer.format(page=document.page))


def _letterhead(look: Look) -> Iterator[Flowable]:
    for number, line in enumerate(look.letterhead):
        font, size = (look.face.regular, 9.0) if number else (look.face.bold, look.size + 4)
        yield Paragraph(escape(line), _style(look, fontName=font, fontSize=size, leading=1.3 * size))
    if look.letterhead:
        yield HRFlowable(width="100%", thickness=0.7, color="black", spaceBefore=4, spaceAfter=12)


def _set(text: str, look: Look) -> Iterator[Flowable]:
    style = _style(look, alignment=TA_JUSTIFY if look.justified else TA_LEFT, hyphenationLang=look.hyphens)
    for line in text.split("\n"):
        yield Paragraph(escape(line), style) if line.strip() else Spacer(1, look.gap * look.leading)


def _style(look: Look, **changes: Any) -> ParagraphStyle:
    alignment = TA_CENTER if look.columns == 1 and look.justified else TA_LEFT
    values = {"fontName": look.face.regular, "fontSize": look.size, "leading": look.leading, "alignment": alignment}
    return ParagraphStyle("text", **{**values, **changes})


def _typed(text: str, look: Look) -> Iterator[Flowable]:
    random = Random(len(text))
    columns = int(look.width / (_PITCH * look.size))
    for line in text.split("\n"):
        if not line.strip():
            yield Spacer(1, look.gap * look.leading)
        for part in wrap(line, columns, tabsize=4):
            yield _TypedLine(part, look, random)


class _TypedLine(Flowable):  # type: ignore[misc]
    """One line as a worn typewriter leaves it: letters stand a little high or low, and some are pale."""

    def __init__(self, line: str, look: Look, random: Random) -> None:
        super().__init__()
        self._line, self._look, self._random = line, look, random

    def wrap(self, available_width: float, available_height: float) -> tuple[float, float]:  # noqa: ARG002
        return available_width, self._look.leading

    def draw(self) -> None:
        ink = self.canv.beginText(0, self._look.leading - self._look.size)
        ink.setFont(self._look.face.regular, self._look.size)
        for letter in self._line:
            ink.setFillGray(self._random.uniform(0, 0.25))
            ink.setRise(self._random.gauss(0, 0.2))
            ink.textOut(letter)
        self.canv.drawText(ink)
