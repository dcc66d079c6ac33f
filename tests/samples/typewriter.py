"""A letter as a worn mechanical typewriter leaves it: one pitch, uneven ink, dancing letters."""

from io import BytesIO
from textwrap import wrap
from typing import Any

import numpy as np
from report_text import Kind, Report
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from typeset import FONTS

PITCH = 6.6  # points: a bit tighter than pica, so that the letter fits on one sheet
LINE = 12.6
COLUMNS = 76


def typewrite(report: Report, seed: int) -> bytes:
    """One PDF page; the title is underlined, as typists did for want of bold type."""
    pdfmetrics.registerFont(TTFont("Typewriter", FONTS / "liberation/LiberationMono-Regular.ttf"))
    file = BytesIO()
    canvas = Canvas(file, pagesize=A4, invariant=1)
    random = np.random.default_rng(seed)
    baseline = A4[1] - 18 * mm
    for text, underlined in _lines(report):
        _strike(canvas, text, baseline, random)
        if underlined:
            canvas.line(22 * mm, baseline - 2.2, 22 * mm + len(text) * PITCH, baseline - 2.2)
        baseline -= LINE if text else 0.6 * LINE
    canvas.save()
    return file.getvalue()


def _lines(report: Report) -> list[tuple[str, bool]]:
    lines = [(line.center(COLUMNS), False) for line in report.letterhead] + [("", False)]
    for block in report.blocks:
        lines += [(line, block.kind is Kind.TITLE) for line in wrap(block.text, COLUMNS) or [""]]
    return lines


def _strike(canvas: Any, text: str, baseline: float, random: np.random.Generator) -> None:
    for column, letter in enumerate(text):
        canvas.setFont("Typewriter", 11)
        canvas.setFillGray(float(random.uniform(0.0, 0.28)))
        canvas.drawString(22 * mm + column * PITCH, baseline + float(random.normal(0, 0.25)), letter)
