"""Text set as pages and scanned: read back with the project's own page reader."""

import pypdfium2
import pytest
from rapidfuzz.distance import Levenshtein

from elmtex_batch.document import Method
from elmtex_batch.pages import read_document
from elmtex_batch.scanning import as_pdf, as_scan
from elmtex_batch.scanning.fonts import FACES, faces_for
from elmtex_batch.scanning.looks import choose_look
from elmtex_batch.settings import OcrSettings, PageSettings
from elmtex_batch.text import normalise

LETTER = """\
Über Frau Müller, 54 Jahre: Größe 162 cm, 59 kg, Temperatur 38,2 °C.

Diagnosen: Herzinsuffizienz NYHA III, Übelkeit, "äußerst" <müde> & blaß.
Die Patientin wurde am 3. 5. 1987 mit Atemnot bei Belastung stationär aufgenommen, im Röntgenbild zeigte sich eine
Stauung beider Lungen mit Ergüssen. Unter Furosemid besserte sich der Zustand innerhalb von drei Tagen deutlich.
"""
SEEDS = range(12)


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("seed", SEEDS)
def test_typeset_pages_have_the_text_whatever_the_look(seed: int) -> None:
    document = read_document(as_pdf(LETTER, seed), PageSettings(), OcrSettings())
    assert {page.method for page in document.pages} == {Method.TEXT_LAYER}
    # Parted words are joined again by the normaliser, as far as it can know them.
    read = squeezed(normalise(document.pages).text)
    assert Levenshtein.distance(squeezed(LETTER), read, weights=(0, 1, 1)) <= 2


def test_looks_differ_by_seed_and_keep_to_the_characters() -> None:
    looks = {seed: choose_look(LETTER, seed) for seed in range(60)}
    assert {look.face for look in looks.values()} == set(FACES)
    assert {look.columns for look in looks.values()} == {1, 2} and {look.justified for look in looks.values()} == {
        True,
        False,
    }
    assert choose_look(LETTER, 7) == looks[7]
    assert all(face.files for face in faces_for("β-Blocker, SpO₂ ≥ 90"))
    assert len(faces_for("\N{CJK UNIFIED IDEOGRAPH-4E2D}")) == 1


@pytest.mark.parametrize("level", [1, 2, 3])
def test_scans_are_pictures_and_always_the_same(level: int) -> None:
    data = as_scan(LETTER, level, 5)
    assert data == as_scan(LETTER, level, 5) != as_scan(LETTER, level, 6)
    with pypdfium2.PdfDocument(data) as document:
        assert document[0].get_textpage().count_chars() == 0
        assert document[0].get_size() == pytest.approx((595, 842), abs=2)


def test_worse_scans_are_read_worse() -> None:
    errors = []
    for level in (1, 3):
        pages = read_document(as_scan(LETTER, level, 3), PageSettings(), OcrSettings()).pages
        assert pages[0].method is Method.OCR
        errors.append(Levenshtein.distance(squeezed(LETTER), squeezed(normalise(pages).text), weights=(0, 1, 1)))
    assert errors[0] <= 3 < errors[1] < 0.5 * len(LETTER)


def test_every_length_of_text_has_its_pages() -> None:
    counts = []
    for text in ("", LETTER, LETTER * 20):
        with pypdfium2.PdfDocument(as_pdf(text, 1)) as document:
            counts.append(len(document))
    assert counts[0] == counts[1] == 1 < counts[2]


def test_there_are_three_levels() -> None:
    with pytest.raises(ValueError, match="levels 1, 2, 3"):
        as_scan(LETTER, 4, 0)
