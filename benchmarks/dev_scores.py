"""Annotated reports as plain text, as PDF and as scan through the whole converter, and how well it did on each.

    python benchmarks/dev_scores.py REPORTS.jsonl OUT [--forms text pdf scan] [--adapter FOLDER]

Writes OUT/<form>/predictions.jsonl ({"id", "labels"}, as scorers take them) and prints entity-level F1 by language.
"""

import argparse
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import duckdb
import numpy as np
import pypdfium2
from PIL import Image, ImageFilter
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer
from rich.console import Console
from rich.table import Table

from elmtex_batch.evaluation.entities import EXACT, RELAXED, Counts, count_matches, micro
from elmtex_batch.pipeline import Summary, convert
from elmtex_batch.schema import load_schema
from elmtex_batch.settings import load_settings
from elmtex_batch.training.data import Report, read_reports

_FONT = "Vera"  # travels with reportlab


def as_text(report: Report) -> bytes:
    """The report as a UTF-8 file."""
    return report.text.encode()


def as_pdf(report: Report) -> bytes:
    """The report as a typeset PDF with a text layer."""
    pdfmetrics.registerFont(TTFont(_FONT, "Vera.ttf"))
    style = ParagraphStyle("body", fontName=_FONT, fontSize=10, leading=13)
    lines = report.text.split("\n")
    flow = [Paragraph(escape(line), style) if line.strip() else Spacer(1, 8) for line in lines]
    target = io.BytesIO()
    SimpleDocTemplate(target, pagesize=A4, margin=56, invariant=1).build(flow)
    return target.getvalue()


def as_scan(report: Report) -> bytes:
    """The same pages as an office scanner gives them: 200 dpi grey, slightly skewed, blurred and noisy, no text."""
    rng = np.random.default_rng(len(report.text))
    pages = [
        _degrade(page.render(scale=200 / 72).to_pil().convert("L"), rng)
        for page in pypdfium2.PdfDocument(as_pdf(report))
    ]
    target = io.BytesIO()
    pages[0].save(target, "PDF", save_all=True, append_images=pages[1:], resolution=200, quality=60)
    return target.getvalue()


def _degrade(page: Image.Image, rng: np.random.Generator) -> Image.Image:
    skewed = page.rotate(rng.uniform(-1.5, 1.5), fillcolor=255, resample=Image.Resampling.BICUBIC)
    grey = np.asarray(skewed.filter(ImageFilter.GaussianBlur(0.6)), float)
    noisy = 20 + grey * 0.88 + rng.normal(0, 9, grey.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


FORMS: dict[str, tuple[str, Callable[[Report], bytes]]] = {
    "text": ("txt", as_text),
    "pdf": ("pdf", as_pdf),
    "scan": ("pdf", as_scan),
}


def run(
    reports: Sequence[Report], form: str, out: Path, adapter: str
) -> tuple[Summary, dict[str, dict[str, list[str]]]]:
    """Converts the reports in one form; returns the run's summary and the values by report and category."""
    suffix, render = FORMS[form]
    (out / "inputs").mkdir(parents=True, exist_ok=True)
    for number, report in enumerate(reports):
        (out / "inputs" / f"{number}.{suffix}").write_bytes(render(report))
    settings = load_settings(None, {"model.adapter": adapter})
    summary = convert([str(out / "inputs")], str(out / "converted"), settings, lambda _: None)
    query = f"""
        select d.sources, i.category, i.value from '{out}/converted/documents/*.parquet' d
        join '{out}/converted/items/*.parquet' i using (doc_id) order by i.category, i.ordinal
    """  # noqa: S608
    found: dict[str, dict[str, list[str]]] = {report.id: {} for report in reports}
    for sources, category, value in duckdb.connect().execute(query).fetchall():
        for source in sources:
            found[reports[int(Path(source).stem)].id].setdefault(category, []).append(value)
    lines = [json.dumps({"id": key, "labels": labels}, ensure_ascii=False) for key, labels in found.items()]
    (out / "predictions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return summary, found


def main() -> None:
    """Runs every form and prints one row for each form and language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--adapter", default="bundled")
    options = parser.parse_args()
    reports = read_reports(options.reports, load_schema("elmtex"))
    table = Table(
        "form", "language", "reports", "relaxed F1", "precision", "recall", "exact F1", "status", "documents/s"
    )
    for form in options.forms:
        summary, found = run(reports, form, options.out / form, options.adapter)
        rate = f"{summary.done / max(summary.seconds, 1e-9):.2f}"
        statuses = " ".join(f"{status} {count}" for status, count in sorted(summary.statuses.items()))
        for language in (*sorted(Counter(report.language for report in reports)), "all"):
            chosen = [report for report in reports if language in (report.language, "all")]
            relaxed, exact = (_score(chosen, found, threshold) for threshold in (RELAXED, EXACT))
            scores = (relaxed.f1, relaxed.precision, relaxed.recall, exact.f1)
            table.add_row(form, language, str(len(chosen)), *(f"{score:.3f}" for score in scores), statuses, rate)
    Console(width=140).print(table)


def _score(reports: Sequence[Report], found: dict[str, dict[str, list[str]]], threshold: float) -> Counts:
    return micro([count_matches(report.labels, found[report.id], threshold) for report in reports])


if __name__ == "__main__":
    main()
