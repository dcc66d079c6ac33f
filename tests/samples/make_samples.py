"""Renders `sample_inputs/` from the fictitious reports in `texts/`.

    python tests/samples/make_samples.py [file name ...]

Seeds, dates and identifiers are fixed, so that the same libraries always write the same bytes.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from binding import bind, lose_unicode, truncate
from imaging import Scan, encode, fax, few_greys, jpeg, photograph, rasterise, scan
from PIL import Image
from report_text import Report, parse, plain
from reportlab.lib.pagesizes import A5, LETTER, landscape
from reportlab.lib.units import mm
from typeset import Look, typeset
from typewriter import typewrite

TEXTS = Path(__file__).parent / "texts"
SAMPLES = Path(__file__).parents[2] / "sample_inputs"
DPI = 200

SERIF = Look("Liberation Serif", 11)
SANS = Look("Liberation Sans", 10)
FORM = Look("Liberation Sans", 10.5, ruled=False, centred=True)


def sheets(name: str) -> list[Report]:
    """The sheets of a report in `texts/`."""
    return parse((TEXTS / f"{name}.txt").read_text(encoding="utf-8"))


def text_pdf(name: str, look: Look, password: str = "") -> bytes:
    """A PDF with a text layer."""
    return typeset(sheets(name)[0], look, password=password)


def text_file(name: str, encoding: str, newline: str = "\n", width: int = 0) -> bytes:
    """A plain text file."""
    return plain(sheets(name)[0], width).replace("\n", newline).encode(encoding)


def pictures(name: str, look: Look, dpi: int = DPI) -> list[Image.Image]:
    """Clean grey pages; sheets are typeset apart, but numbered through."""
    reports = sheets(name)
    total = len(reports) if len(reports) > 1 else 0
    pdfs = [typeset(report, look, first=number, total=total) for number, report in enumerate(reports, 1)]
    return [page for pdf in pdfs for page in rasterise(pdf, dpi)]


def scans_of(pages: list[Image.Image], how: Scan) -> list[Image.Image]:
    """The pages scanned one after the other, no two with the same dust."""
    return [scan(page, replace(how, seed=how.seed + number)) for number, page in enumerate(pages)]


def scanned_pdf(name: str, look: Look, how: Scan, *, dpi: int = DPI, turn: int = 0, garbage: int = 0) -> bytes:
    """Pages without text layer, put into the scanner turned by `turn` degrees; see `bind` for `garbage`."""
    scans = [page.rotate(turn, expand=True) for page in scans_of(pictures(name, look, dpi), how)]
    return bind([jpeg(page, dpi=dpi) for page in scans], garbage=garbage)


def feeder_pdf(name: str, look: Look, how: Scan) -> bytes:
    """Pages that a feeder took in sideways and noted so: stored lying, shown upright."""
    lying = [page.rotate(90, expand=True) for page in scans_of(pictures(name, look), how)]
    return bind([jpeg(page) for page in lying], shown_turned=90)


def mixed_pdf(name: str, look: Look, how: Scan) -> bytes:
    """A text page with a scanned enclosure."""
    letter, enclosure = sheets(name)
    [page] = rasterise(typeset(enclosure, look, first=2, total=2), DPI)
    return typeset(letter, look, total=2, scans=[jpeg(scan(page, how))])


def typewritten_pdf(name: str, how: Scan) -> bytes:
    """The scan of a typewriter's carbon copy."""
    [page] = rasterise(typewrite(sheets(name)[0], how.seed), DPI)
    return bind([jpeg(scan(page, how))])


def fax_tiff(name: str, look: Look, sender: str, seed: int) -> bytes:
    """A received fax, all pages in one file."""
    pages = pictures(name, look)
    lines = [f"{sender}   S. {number:02}/{len(pages):02}" for number in range(1, len(pages) + 1)]
    first, *rest = [fax(page, line, seed + n) for n, (page, line) in enumerate(zip(pages, lines, strict=True))]
    return encode(first, "TIFF", save_all=True, append_images=rest, compression="group4", dpi=(DPI, DPI))


def photo(name: str, look: Look, seed: int) -> bytes:
    """A telephone's JPEG: pixels lying on their side, the Exif orientation telling how to stand them up."""
    [page] = pictures(name, look)
    return jpeg(photograph(page, seed).rotate(90, expand=True), quality=50, dpi=72, orientation=6)


def png(name: str, look: Look, how: Scan | None = None, dpi: int = DPI) -> bytes:
    """A PNG in few greys: a scan, or without `how` a clean export of a screen."""
    [page] = pictures(name, look, dpi)
    return encode(few_greys(scan(page, how) if how else page), "PNG", optimize=True, dpi=(dpi, dpi))


def webp(name: str, look: Look, how: Scan) -> bytes:
    """A scan in WebP."""
    [page] = pictures(name, look)
    return encode(scan(page, how), "WEBP", quality=40, method=6)


def bmp(name: str, look: Look, how: Scan) -> bytes:
    """A scan in black and white."""
    [page] = pictures(name, look)
    return encode(scan(page, how).point(lambda grey: 255 * (grey > 150)).convert("1"), "BMP", dpi=(DPI, DPI))


RECIPES: dict[str, Callable[[], bytes]] = {
    "de_ambulanzbrief_basedow.txt": partial(text_file, "de_ambulanzbrief_basedow", "cp1252", "\r\n", width=84),
    "de_arztbrief_depression_falsche_zeichen.pdf": lambda: lose_unicode(
        text_pdf("de_arztbrief_depression", Look("Liberation Sans", 11, scrambled=True))
    ),
    "de_arztbrief_multiple_sklerose_silbentrennung.pdf": partial(
        text_pdf,
        "de_arztbrief_multiple_sklerose",
        Look("Liberation Serif", 12, margin=34 * mm, justified=True, hyphens="de_DE"),
    ),
    "de_ct_lungenembolie_foto.jpg": partial(photo, "de_ct_lungenembolie", Look("Liberation Sans", 11.5), seed=11),
    "de_entlassungsbrief_herzinfarkt.pdf": partial(text_pdf, "de_entlassungsbrief_herzinfarkt", Look()),
    "de_entlassungsbrief_hueftfraktur_gemischt.pdf": partial(
        mixed_pdf, "de_entlassungsbrief_hueftfraktur", SANS, Scan(seed=6, skew=-1.1)
    ),
    "de_entlassungsbrief_verschluesselt.pdf": partial(
        text_pdf, "de_entlassungsbrief_verschluesselt", Look(), password="geheim"
    ),
    "de_fax_pneumonie.tiff": partial(
        fax_tiff, "de_fax_pneumonie", Look("Liberation Sans", 11), "14-MRZ-2024 16:22  VON: KH LAUTERQUELL", seed=7
    ),
    "de_laborbefund_nephropathie_tabelle.pdf": partial(text_pdf, "de_laborbefund_nephropathie", Look(size=9)),
    "de_notaufnahme_anaphylaxie_png.jpg": partial(
        png, "de_notaufnahme_anaphylaxie", SANS, Scan(seed=9, skew=0.8, noise=0, specks=40)
    ),
    "de_op_bericht_gallenblase_scan.pdf": partial(
        scanned_pdf, "de_op_bericht_gallenblase", SERIF, Scan(seed=4, skew=1.6, blur=1.0), dpi=300
    ),
    "de_pathologie_mammakarzinom_quer.pdf": partial(
        scanned_pdf, "de_pathologie_mammakarzinom", FORM, Scan(seed=5, skew=-1.3), turn=90
    ),
    "de_schreibmaschine_magenulkus.pdf": partial(
        typewritten_pdf, "de_schreibmaschine_magenulkus", Scan(seed=10, skew=-0.9, blur=0.9, ink=70, paper=214)
    ),
    "en_case_kawasaki.txt": partial(text_file, "en_case_kawasaki", "utf-8"),
    "en_case_report_truncated.pdf": lambda: truncate(text_pdf("en_case_report_truncated", SERIF)),
    "en_case_report_wilson_two_columns.pdf": partial(
        text_pdf, "en_case_report_two_columns", Look("Liberation Serif", 11, margin=24 * mm, columns=2, hyphens="en_GB")
    ),
    "en_discharge_letter_stroke_feeder.pdf": partial(
        feeder_pdf, "en_discharge_letter_stroke", Look("Times", 11.5), Scan(seed=23, skew=0.7)
    ),
    "en_discharge_summary_copd.pdf": partial(text_pdf, "en_discharge_summary_copd", Look("Times", 11, LETTER)),
    "en_emergency_note_asthma.bmp": partial(
        bmp,
        "en_emergency_note_asthma",
        Look("Liberation Sans", 9.5, landscape(A5), margin=11 * mm),
        Scan(seed=21, skew=-0.6, noise=3, specks=30),
    ),
    "en_lab_report_coeliac.png": partial(png, "en_lab_report_coeliac", Look("DejaVu Sans", 9), dpi=150),
    "en_mri_lumbar_spine_bad_ocr_layer.pdf": partial(
        scanned_pdf, "en_mri_lumbar_spine", SANS, Scan(seed=19, skew=1.0), garbage=19
    ),
    "en_operation_ectopic_pregnancy_upside_down.pdf": partial(
        scanned_pdf, "en_operation_ectopic_pregnancy", SANS, Scan(seed=17, skew=-1.4), turn=180
    ),
    "en_outpatient_letter_migraine.dat": partial(text_pdf, "en_outpatient_letter_migraine", Look("Times", 11)),
    "en_pathology_melanoma.webp": partial(webp, "en_pathology_melanoma", FORM, Scan(seed=18, skew=1.1)),
    "en_referral_letter_tuberculosis.pdf": partial(text_pdf, "en_referral_letter_tuberculosis", SERIF),
}


def main(names: list[str]) -> None:
    """Writes the named samples, or all of them."""
    # Without pyphen, reportlab would silently set lines without hyphens.
    __import__("pyphen")
    SAMPLES.mkdir(exist_ok=True)
    for name in names or RECIPES:
        (SAMPLES / name).write_bytes(RECIPES[name]())


if __name__ == "__main__":
    main(sys.argv[1:])
