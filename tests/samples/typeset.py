"""Sets a report as PDF pages: letterhead, headings, tables, columns, running header and footer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from report_text import Block, Kind, Report
from reportlab import rl_config
from reportlab.lib.colors import Color, black, white
from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY, TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    BalancedColumns,
    BaseDocTemplate,
    Frame,
    HRFlowable,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

rl_config.useA85 = 0  # binary streams: a quarter smaller

FONTS = Path("/usr/share/fonts/truetype")
FONT_FILES = {
    "Liberation Serif": ("liberation/LiberationSerif-Regular.ttf", "liberation/LiberationSerif-Bold.ttf"),
    "Liberation Sans": ("liberation/LiberationSans-Regular.ttf", "liberation/LiberationSans-Bold.ttf"),
    "DejaVu Sans": ("dejavu/DejaVuSans.ttf", "dejavu/DejaVuSans-Bold.ttf"),
}
BUILT_IN = {"Helvetica": ("Helvetica", "Helvetica-Bold"), "Times": ("Times-Roman", "Times-Bold")}


@dataclass(frozen=True, slots=True)
class Look:
    """The typography of a document; lengths are points, `hyphens` is a language code such as `de_DE`."""

    font: str = "Helvetica"
    size: float = 10.0
    page: tuple[float, float] = A4
    margin: float = 22 * mm
    columns: int = 1
    ruled: bool = True
    centred: bool = False
    justified: bool = False
    hyphens: str = ""
    scrambled: bool = False
    """Numbers the glyphs of embedded fonts in order of use, as broken PDF writers do."""


def typeset(
    report: Report, look: Look, *, first: int = 1, total: int = 0, scans: Sequence[bytes] = (), password: str = ""
) -> bytes:
    """The PDF file of a report.

    Args:
        report: what to set.
        look: its typography.
        first: number of the first page.
        total: number of pages the footer claims; 0 counts them.
        scans: JPEG files that follow as full pages without text layer.
        password: encrypts the file, if given.
    """
    build = partial(_build, report, look, first=first, scans=scans, password=password)
    if not total:
        total = build(total=0)[1]
    return build(total=total)[0]


def _build(
    report: Report, look: Look, *, first: int, total: int, scans: Sequence[bytes], password: str
) -> tuple[bytes, int]:
    file = BytesIO()
    title = next((block.text for block in report.blocks if block.kind is Kind.TITLE), "Report")
    encryption = StandardEncryption(password, strength=128) if password else None
    document = BaseDocTemplate(
        file, pagesize=look.page, title=title, author="", creator="make_samples.py", invariant=1, encrypt=encryption
    )
    document.addPageTemplates(_page_templates(report, look, first, total, scans))
    document.build(_story(report, look) + _scan_story(scans))
    return file.getvalue(), document.page


def _page_templates(report: Report, look: Look, first: int, total: int, scans: Sequence[bytes]) -> list[Any]:
    width, height = look.page
    frame = Frame(look.margin, look.margin, width - 2 * look.margin, height - 2 * look.margin, 0, 0, 0, 0, id="body")
    furniture = partial(_draw_furniture, report=report, look=look, first=first, total=total)
    pictures = [
        PageTemplate(f"scan{number}", [frame], onPage=partial(_draw_scan, scan=scan))
        for number, scan in enumerate(scans)
    ]
    return [PageTemplate("text", [frame], onPage=furniture), *pictures]


def _draw_furniture(canvas: Any, document: Any, report: Report, look: Look, first: int, total: int) -> None:
    number = document.page + first - 1
    font = _fonts(look)[0]
    width, height = look.page
    canvas.setFont(font, look.size - 2)
    canvas.setFillGray(0.3)
    if report.header and (number > 1 or not report.letterhead):
        canvas.drawString(look.margin, height - 0.6 * look.margin, report.header.format(page=number, pages=total))
    canvas.drawCentredString(width / 2, 0.5 * look.margin, report.footer.format(page=number, pages=total))


def _draw_scan(canvas: Any, document: Any, scan: bytes) -> None:
    canvas.drawImage(ImageReader(BytesIO(scan)), 0, 0, *document.pagesize)


def _scan_story(scans: Sequence[bytes]) -> list[Any]:
    # A page exists only once something stands on it: hence the spacer.
    return [part for n in range(len(scans)) for part in (NextPageTemplate(f"scan{n}"), PageBreak(), Spacer(1, 1))]


def _story(report: Report, look: Look) -> list[Any]:
    flowables = [*_letterhead(report, look)]
    for number, block in enumerate(report.blocks):
        if block.kind is Kind.COLUMNS:
            narrow = replace(look, justified=True, columns=1)
            rest = Report(report.blocks[number + 1 :])
            return [*flowables, BalancedColumns(_story(rest, narrow), nCols=look.columns, innerPadding=6 * mm)]
        flowables.append(_flowable(block, look))
    return flowables


def _letterhead(report: Report, look: Look) -> list[Any]:
    if not report.letterhead:
        return []
    _, bold = _fonts(look)
    name = _style(look, fontName=bold, fontSize=look.size + 5, leading=look.size + 9, alignment=_alignment(look))
    small = _style(look, fontSize=look.size - 1, alignment=_alignment(look))
    head, *rest = report.letterhead
    lines = [Paragraph(escape(head), name), *(Paragraph(escape(line), small) for line in rest)]
    return [*lines, HRFlowable(width="100%", thickness=0.8, color=black, spaceBefore=4, spaceAfter=10)]


def _flowable(block: Block, look: Look) -> Any:
    _, bold = _fonts(look)
    if block.kind is Kind.GAP:
        return Spacer(1, 0.55 * look.size)
    if block.kind is Kind.TABLE:
        return _table(block.rows, look)
    if block.kind is Kind.TITLE:
        size = look.size + 3
        style = _style(look, fontName=bold, fontSize=size, leading=1.3 * size, alignment=_alignment(look))
    elif block.kind is Kind.HEADING:
        style = _style(look, fontName=bold, spaceBefore=2, keepWithNext=1)
    else:
        style = _style(look, alignment=TA_JUSTIFY if look.justified else TA_LEFT, hyphenationLang=look.hyphens)
    return Paragraph(escape(block.text), style)


def _table(rows: tuple[tuple[str, ...], ...], look: Look) -> Any:
    font, bold = _fonts(look)
    lines = [("GRID", (0, 0), (-1, -1), 0.5, black)] if look.ruled else [("LINEBELOW", (0, 0), (-1, 0), 0.5, black)]
    commands = [
        ("FONT", (0, 0), (-1, -1), font, look.size - 0.5),
        ("FONT", (0, 0), (-1, 0), bold, look.size - 0.5),
        ("BACKGROUND", (0, 0), (-1, 0), Color(0.9, 0.9, 0.9) if look.ruled else white),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
    ]
    return Table(rows, style=commands + lines, hAlign="LEFT", repeatRows=1, spaceBefore=2, spaceAfter=4)


def _style(look: Look, **changes: Any) -> Any:
    font, _ = _fonts(look)
    values = {"fontName": font, "fontSize": look.size, "leading": 1.3 * look.size, **changes}
    return ParagraphStyle("sample", **values)


def _alignment(look: Look) -> int:
    return int(TA_CENTER if look.centred else TA_LEFT)


def _fonts(look: Look) -> tuple[str, str]:
    return BUILT_IN.get(look.font) or _register(look.font, look.scrambled)


@cache
def _register(family: str, scrambled: bool) -> tuple[str, str]:
    regular, bold = (f"{family}{style}{'-scrambled' * scrambled}" for style in ("", "-Bold"))
    for name, file in zip((regular, bold), FONT_FILES[family], strict=True):
        pdfmetrics.registerFont(TTFont(name, FONTS / file, asciiReadable=not scrambled))
    return regular, bold
