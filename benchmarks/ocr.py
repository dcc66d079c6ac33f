"""Pages per second and character error rate of OCR: ours beside plain pytesseract and tesserocr, on the same scans.

    python benchmarks/ocr.py LETTERS [--letters 12] [--level 1]

The scans are letters with inline markup (`training_letters/de`, say), typeset and scanned by `elmtex_batch.scanning`
at a level of 1 (clean) to 3 (fax). Every way reads the same pages in the same process, one after the other; tesserocr
where it is installed, with the language data in the folder `TESSDATA_PREFIX`. Prints medians and the range of the
middle half.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pypdfium2
import pytesseract
from PIL import Image
from rich.console import Console
from rich.table import Table
from torchmetrics.functional.text import char_error_rate

from elmtex_batch.pages import read_document
from elmtex_batch.scanning import as_scan
from elmtex_batch.schema import load_schema
from elmtex_batch.settings import OcrSettings, PageSettings
from elmtex_batch.text import normalise
from elmtex_batch.training.data import read_reports

LANGUAGES, DPI = "eng+deu", 300


def main() -> None:
    """Prints one row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("letters", type=Path)
    parser.add_argument("--letters", dest="count", type=int, default=12)
    parser.add_argument("--level", type=int, choices=(1, 2, 3), default=1)
    options = parser.parse_args()
    os.environ["OMP_THREAD_LIMIT"] = "1"
    reports = read_reports(options.letters, load_schema("elmtex"))[: options.count]
    scans = [(report.text, as_scan(report.text, options.level, seed)) for seed, report in enumerate(reports)]
    ways = {"elmtex-batch": _ours, f"pytesseract {version('pytesseract')}": _pytesseract, **_tesserocr()}
    table = Table("", "pages/s", "middle half", "CER")
    for name, read in ways.items():
        rates, errors = zip(*(_measure(read, scan, text) for text, scan in scans), strict=True)
        low, middle, high = statistics.quantiles(rates, n=4)
        table.add_row(name, f"{middle:.2f}", f"{low:.2f} to {high:.2f}", f"{statistics.median(errors):.1%}")
    console = Console(width=120)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, one used"
    console.print(
        f"{machine}; Tesseract {pytesseract.get_tesseract_version()}; {len(scans)} scans, level {options.level}"
    )
    console.print(table)


def _measure(read: Callable[[bytes], str], scan: bytes, text: str) -> tuple[float, float]:
    """Pages per second, and the character error rate, of one scan."""
    begun = time.perf_counter()
    found = read(scan)
    seconds = time.perf_counter() - begun
    with pypdfium2.PdfDocument(scan) as document:
        pages = len(document)
    return pages / seconds, float(char_error_rate(" ".join(found.split()), " ".join(text.split())))


def _ours(scan: bytes) -> str:
    return normalise(read_document(scan, PageSettings(), OcrSettings(dpi=DPI)).pages).text


def _pytesseract(scan: bytes) -> str:
    """As most scripts do it: render, `image_to_data`, join the words."""
    found = []
    for image in _pages(scan):
        data = pytesseract.image_to_data(image, lang=LANGUAGES, output_type=pytesseract.Output.DICT)
        found += [word for word in data["text"] if word.strip()]
    return " ".join(found)


def _tesserocr() -> dict[str, Callable[[bytes], str]]:
    """The engine in this process, loaded once."""
    try:
        import tesserocr
    except ImportError:
        return {}
    api = tesserocr.PyTessBaseAPI(path=os.environ["TESSDATA_PREFIX"], lang=LANGUAGES, psm=tesserocr.PSM.AUTO)

    def read(scan: bytes) -> str:
        found = []
        for image in _pages(scan):
            api.SetImage(image)
            found.append(api.GetUTF8Text())
        return "\n".join(found)

    return {f"tesserocr {version('tesserocr')}": read}


def _pages(scan: bytes) -> Iterator[Image.Image]:
    with pypdfium2.PdfDocument(scan) as document:
        for page in document:
            yield page.render(scale=DPI / 72, grayscale=True).to_pil()


if __name__ == "__main__":
    main()
