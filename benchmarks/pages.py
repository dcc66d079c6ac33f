"""Pages per second of PDF files with a text layer: ours beside pdfplumber, pypdfium2 and kreuzberg.

    python benchmarks/pages.py REPORTS [--reports 40] [--repeats 5] [--out FILE]

REPORTS are annotated reports of any format that `elmtex-batch train` takes (`training_letters/de`, say), typeset as PDF
files by `elmtex_batch.scanning`. Every way reads the same files in turn, as often as told; kreuzberg where it is
installed. The table has the median and the middle half of the repeats, in seconds as a clock shows them.
"""

import argparse
import gc
import io
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pdfplumber
import pypdfium2
from record import installed, keep, shown, spread, surroundings
from rich.table import Table

from elmtex_batch.pages import read_document
from elmtex_batch.sandbox import CHILD, Sandbox
from elmtex_batch.scanning import as_pdf
from elmtex_batch.schema import load_schema
from elmtex_batch.settings import OcrSettings, PageSettings
from elmtex_batch.training.data import read_reports

Way = Callable[[bytes], int]
"""Reads a file; how many words it has."""


def main() -> None:
    """Prints one row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--reports", dest="count", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    around = surroundings("pdfplumber", "pypdfium2")
    reports = read_reports(options.reports, load_schema("elmtex"))[: options.count]
    files = [as_pdf(report.text, seed) for seed, report in enumerate(reports)]
    pages = sum(map(_count_pages, files))
    ways: dict[str, tuple[str, Way]] = {
        "elmtex-batch, in process": ("words, boxes, reading order", _ours),
        "elmtex-batch, as the converter does": ("words, boxes, reading order", _in_sandbox()),
        "pdfplumber, extract_words": ("words, boxes", _pdfplumber),
        "pypdfium2, get_text_range": ("text", _pypdfium2),
        **_kreuzberg(),
    }
    around["versions"] |= {"kreuzberg": version("kreuzberg")} if len(ways) > 4 else {}
    for _, read in ways.values():
        read(files[0])  # imports, fonts, the child's start
    gc.freeze()  # what the benchmark itself has loaded is no one's cost
    seconds = {name: [] for name in ways}  # type: dict[str, list[float]]
    words = dict.fromkeys(ways, 0)
    for _ in range(options.repeats):
        for name, (_, read) in ways.items():
            begun = time.perf_counter()
            words[name] = sum(map(read, files))
            seconds[name].append(time.perf_counter() - begun)
    rates = {name: spread([pages / taken for taken in seconds[name]]) for name in ways}
    base = rates["pdfplumber, extract_words"][1]
    result = {
        "surroundings": around,
        "files": len(files),
        "pages": pages,
        "repeats": options.repeats,
        "ways": {
            name: {"gives": gives, "seconds": seconds[name], "pages_per_s": rates[name], "words": words[name]}
            for name, (gives, _) in ways.items()
        },
    }
    table = Table("", "gives", "pages/s (middle half)", "times pdfplumber", "words")
    for name, (gives, _) in ways.items():
        table.add_row(name, gives, shown(rates[name]), f"{rates[name][1] / base:.1f}", str(words[name]))
    console = keep("pages", result, options.out)
    console.print(f"{len(files)} files, {pages} pages, {options.repeats} repeats, one core at a time")
    console.print(table)


def _count_pages(data: bytes) -> int:
    with pypdfium2.PdfDocument(data) as document:
        return len(document)


def _ours(data: bytes) -> int:
    return sum(len(page.words) for page in read_document(data, PageSettings(), OcrSettings()).pages)


def _in_sandbox() -> Way:
    sandbox = Sandbox(CHILD, PageSettings(), OcrSettings())
    return lambda data: sum(len(page["words"]) for page in sandbox.read(data)["pages"])


def _pdfplumber(data: bytes) -> int:
    with pdfplumber.open(io.BytesIO(data)) as document:
        return sum(len(page.extract_words()) for page in document.pages)


def _pypdfium2(data: bytes) -> int:
    with pypdfium2.PdfDocument(data) as document:
        return sum(len(page.get_textpage().get_text_range().split()) for page in document)


def _kreuzberg() -> dict[str, tuple[str, Way]]:
    if not installed("kreuzberg"):
        return {}
    from kreuzberg import extract_bytes_sync

    return {
        "kreuzberg, extract_bytes_sync": (
            "text",
            lambda data: len(extract_bytes_sync(data, "application/pdf").content.split()),
        )
    }


if __name__ == "__main__":
    main()
