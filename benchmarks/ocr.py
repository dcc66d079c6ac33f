"""Pages per second and character error rate of OCR: ours beside pytesseract, tesserocr and OCRmyPDF, on the same scans.

    python benchmarks/ocr.py REPORTS [--reports 12] [--levels 1 2 3] [--out FILE]

The scans are reports of any format that `elmtex-batch train` takes (`training_letters/de`, say), typeset and scanned by
`elmtex_batch.scanning` at a level of 1 (clean) to 3 (fax). Ours chooses its resolution, the others get 300 dpi. Every
way reads a scan before the next one is begun, on one core; tesserocr, with the language data in the folder
`TESSDATA_PREFIX`, and OCRmyPDF where they are installed. The table has the median and the middle half of the scans, and
the errors of all scans together.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pypdfium2
import pytesseract
from PIL import Image
from rapidfuzz.distance import Levenshtein
from record import Spread, installed, keep, shown, spread, surroundings
from rich.table import Table

from elmtex_batch.pages import read_document
from elmtex_batch.scanning import as_scan
from elmtex_batch.schema import load_schema
from elmtex_batch.settings import OcrSettings, PageSettings
from elmtex_batch.text import normalise
from elmtex_batch.training.data import read_reports

LANGUAGES, DPI = "deu+eng", 300
PLAIN = "pytesseract, image_to_data"
Way = Callable[[bytes], str]


def main() -> None:
    """Prints one row for each way and level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--reports", dest="count", type=int, default=12)
    parser.add_argument("--levels", type=int, nargs="+", choices=(1, 2, 3), default=[1, 2, 3])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    os.environ["OMP_THREAD_LIMIT"] = "1"
    around = surroundings("pytesseract", "pypdfium2", "pillow")
    around["versions"]["tesseract"] = str(pytesseract.get_tesseract_version())
    texts = [report.text for report in read_reports(options.reports, load_schema("elmtex"))[: options.count]]
    ways = {"elmtex-batch": _ours, PLAIN: _pytesseract, **_tesserocr(), **_ocrmypdf()}
    table = Table("level", "", "pages/s (middle half)", "times pytesseract", "character errors")
    levels: dict[str, dict[str, Any]] = {}
    for level in options.levels:
        scans = [as_scan(text, level, seed) for seed, text in enumerate(texts)]
        found = _measured(ways, scans, texts)
        levels[str(level)] = found
        for name, row in found.items():
            times = row["pages_per_s"][1] / found[PLAIN]["pages_per_s"][1]
            table.add_row(str(level), name, shown(row["pages_per_s"], 2), f"{times:.2f}", f"{row['cer']:.2%}")
    console = keep("ocr", {"surroundings": around, "languages": LANGUAGES, "dpi": DPI, "levels": levels}, options.out)
    console.print(f"{len(texts)} scans of a level, {LANGUAGES}, {DPI} dpi (ours: {OcrSettings().dpi}), one core")
    console.print(table)


def _measured(ways: dict[str, Way], scans: list[bytes], texts: list[str]) -> dict[str, dict[str, Any]]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    errors = dict.fromkeys(ways, 0)
    pages = [_count_pages(scan) for scan in scans]
    for scan, text in zip(scans, texts, strict=True):
        for name, read in ways.items():
            begun = time.perf_counter()
            found = read(scan)
            seconds[name].append(time.perf_counter() - begun)
            errors[name] += Levenshtein.distance(" ".join(found.split()), " ".join(text.split()))
    letters = sum(len(" ".join(text.split())) for text in texts)
    return {
        name: {
            "pages": pages,
            "seconds": taken,
            "pages_per_s": _rates(pages, taken),
            "cer": errors[name] / letters,
        }
        for name, taken in seconds.items()
    }


def _rates(pages: list[int], seconds: list[float]) -> Spread:
    return spread([count / taken for count, taken in zip(pages, seconds, strict=True)])


def _count_pages(data: bytes) -> int:
    with pypdfium2.PdfDocument(data) as document:
        return len(document)


def _ours(scan: bytes) -> str:
    return normalise(read_document(scan, PageSettings(), OcrSettings()).pages).text


def _pytesseract(scan: bytes) -> str:
    """As most scripts do it: render, `image_to_data`, join the words."""
    found = []
    for image in _pages(scan):
        data = pytesseract.image_to_data(image, lang=LANGUAGES, output_type=pytesseract.Output.DICT)
        found += [word for word in data["text"] if word.strip()]
    return " ".join(found)


def _tesserocr() -> dict[str, Way]:
    """The engine in this process, loaded once."""
    if not installed("tesserocr"):
        return {}
    import tesserocr

    api = tesserocr.PyTessBaseAPI(path=os.environ["TESSDATA_PREFIX"], lang=LANGUAGES, psm=tesserocr.PSM.AUTO)

    def read(scan: bytes) -> str:
        found = []
        for image in _pages(scan):
            api.SetImage(image)
            found.append(api.GetUTF8Text())
        return "\n".join(found)

    return {f"tesserocr (Tesseract {tesserocr.tesseract_version().split()[1]})": read}


def _ocrmypdf() -> dict[str, Way]:
    """Its command line; the text is that of its sidecar."""
    if not installed("ocrmypdf"):
        return {}
    command = [sys.executable, "-m", "ocrmypdf", "--quiet", "--jobs", "1", "--deskew", "--rotate-pages"]

    def read(scan: bytes) -> str:
        with tempfile.TemporaryDirectory() as folder:
            source, text = Path(folder) / "in.pdf", Path(folder) / "out.txt"
            source.write_bytes(scan)
            options = ["--language", LANGUAGES, "--output-type", "pdf", "--sidecar", str(text)]
            subprocess.run([*command, *options, str(source), str(Path(folder) / "out.pdf")], check=True)
            return text.read_text(encoding="utf-8")

    try:
        read(as_scan("Befund", 1, 0))
    except subprocess.CalledProcessError:
        print("ocrmypdf: left out, it does not run here")
        return {}
    return {"OCRmyPDF --deskew --rotate-pages": read}


def _pages(scan: bytes) -> Iterator[Image.Image]:
    with pypdfium2.PdfDocument(scan) as document:
        for page in document:
            yield page.render(scale=DPI / 72, grayscale=True).to_pil()


if __name__ == "__main__":
    main()
