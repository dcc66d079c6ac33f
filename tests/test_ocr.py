"""With the real Tesseract, on scans made in the tests."""

from contextlib import suppress

import numpy as np
import psutil
import pytesseract
import pytest
from numpy.typing import NDArray
from paper import LABORATORY, LEFT, OCR, PAGES, RIGHT, both, encode, lines, pdf, picture, scan, table, text, write
from PIL import Image, ImageFilter

from elmtex_batch.document import Document, Method, Page
from elmtex_batch.errors import ToolMissing
from elmtex_batch.layout import Token
from elmtex_batch.layout.rulings import find_rulings
from elmtex_batch.pages import Why, check_tesseract, read_document
from elmtex_batch.pages.engine import Engine
from elmtex_batch.pages.noise import is_writing
from elmtex_batch.pages.raster import Raster
from elmtex_batch.reasons import Code, Reason
from elmtex_batch.scanning import as_scan
from elmtex_batch.settings import OcrSettings

LETTER = (*LEFT, *RIGHT)


@pytest.fixture(scope="module")
def letter() -> bytes:
    return pdf(write(*LETTER))


@pytest.fixture(scope="module")
def sheet(letter: bytes) -> Image.Image:
    return scan(letter)


def read(image: Image.Image, settings: OcrSettings = OCR) -> Document:
    return read_document(encode(image), PAGES, settings)


def read_page(image: Image.Image) -> Page:
    document = read(image)
    assert document.reasons == ()
    (page,) = document.pages
    return page


def right(page: Page, expected: tuple[str, ...] = LETTER) -> float:
    """Share of the expected lines that came out exactly."""
    return float(np.mean([line in lines(page) for line in expected]))


def noisy(pixels: NDArray[np.floating], sigma: float = 3.0) -> Image.Image:
    noise = np.random.default_rng(1).normal(0, sigma, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def test_a_scan_is_read_with_boxes_and_confidence(letter: bytes, sheet: Image.Image) -> None:
    page = read_page(sheet)
    assert (page.method, page.why, page.rotation) == (Method.OCR, Why.IMAGE, 0)
    assert right(page) >= 0.8
    assert page.width == pytest.approx(420, abs=1)
    assert page.height == pytest.approx(595, abs=1)
    assert page.ocr_confidence is not None
    assert 0.8 < page.ocr_confidence <= 1
    assert all(word.confidence is not None and 0 <= word.confidence <= 1 for word in page.words)


@pytest.mark.parametrize(("turned", "rotation"), [(90, 90), (180, 180), (270, 270)])
def test_a_turned_page_is_set_upright(letter: bytes, sheet: Image.Image, turned: int, rotation: int) -> None:
    page = read_page(sheet.rotate(turned, expand=True))  # Pillow turns anticlockwise, `rotation` undoes it clockwise
    assert page.rotation == rotation
    assert right(page) >= 0.8
    assert_boxes_match(page, letter)


def test_a_sparse_turned_page_is_set_upright() -> None:
    """Too little text for Tesseract's orientation detection."""
    page = read_page(scan(pdf(write("Fortsetzung des Befundes folgt"))).rotate(180))
    assert lines(page) == ["Fortsetzung des Befundes folgt"]
    assert page.rotation == 180


@pytest.mark.parametrize("degrees", [-6.0, 1.3])
def test_a_skewed_page_is_straightened_but_its_boxes_are_not(letter: bytes, sheet: Image.Image, degrees: float) -> None:
    page = read_page(sheet.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=255))
    assert right(page) >= 0.8
    assert_boxes_match(page, letter, degrees)


def assert_boxes_match(page: Page, letter: bytes, degrees: float = 0.0) -> None:
    """Words found stand where the text layer has them, turned about the middle of the page."""
    (original,) = read_document(letter, PAGES, OCR).pages
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    middles = {word.text: middle(word.box) for word in original.words if len(word.text) > 8}
    found = {word.text: middle(word.box) for word in page.words if word.text in middles}
    assert len(found) > 5
    for word, position in found.items():
        x, y = middles[word] - np.array((210, 297.5))
        assert position == pytest.approx((x * cos - y * sin + 210, x * sin + y * cos + 297.5), abs=3)


def middle(box: tuple[float, float, float, float] | None) -> NDArray[np.float64]:
    assert box
    return np.array(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))


@pytest.mark.parametrize("ruled", [True, False])
def test_a_scanned_table_is_read_row_by_row(ruled: bool) -> None:
    page = read_page(scan(pdf(both(write("Laborwerte vom 12. März", y=500), table(ruled=ruled)))))
    wanted = tuple(" ".join(row) for row in LABORATORY)
    assert right(page, wanted) >= 0.8
    assert [line.split()[0] for line in lines(page)][1:] == [row[0] for row in LABORATORY]


def test_scanned_columns_are_read_one_after_the_other() -> None:
    page = read_page(scan(pdf(both(write(*LEFT, x=20), write(*RIGHT, x=220)))))
    assert right(page) >= 0.8
    assert [line.split()[0] for line in lines(page)] == [line.split()[0] for line in LETTER]


def test_faint_ink_on_grey_paper(sheet: Image.Image) -> None:
    assert right(read_page(noisy(185 + (np.asarray(sheet) - 255.0) * 0.12))) >= 0.8


def test_a_photograph_in_uneven_light(sheet: Image.Image) -> None:
    pixels = np.asarray(sheet)
    light = np.linspace(1, 0.3, pixels.shape[1])[None] * np.linspace(1, 0.6, pixels.shape[0])[:, None]
    photograph = noisy(pixels * light, 4).rotate(2.5, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(0.7))
    assert right(read_page(photograph)) >= 0.7


def test_white_on_black(sheet: Image.Image) -> None:
    assert right(read_page(sheet.point(lambda level: 255 - level))) >= 0.8


def test_a_fax_with_pixels_that_are_not_square(sheet: Image.Image) -> None:
    standard = scan(pdf(write(*LETTER)), 204)
    fax = standard.resize((standard.width, standard.height * 98 // 204)).convert("1", dither=Image.Dither.NONE)
    document = read_document(encode(fax, "TIFF", dpi=(204, 98), compression="group4"), PAGES, OCR)
    (page,) = document.pages
    assert page.height == pytest.approx(595, abs=3)
    assert np.mean([word in text(page) for word in " ".join(LETTER).split()]) > 0.7


def test_small_letters_of_unknown_resolution(letter: bytes) -> None:
    image = scan(letter, 150)
    del image.info["dpi"]
    page = read_page(image)
    assert page.width == pytest.approx(595, abs=1)  # taken for A4
    assert right(page) >= 0.7


@pytest.fixture(params=["white", "grey", "noise", "dust", "shadow"])
def empty(request: pytest.FixtureRequest) -> Image.Image:
    pixels = np.full((1600, 1130), 255.0)
    random = np.random.default_rng(2)
    if request.param == "grey":
        pixels[:] = 170
    if request.param == "noise":
        return noisy(np.full_like(pixels, 205), 8)
    if request.param == "dust":
        pixels[random.integers(0, 1600, 300), random.integers(0, 1130, 300)] = 40
    if request.param == "shadow":
        pixels[:, :18] = 60
        pixels[300:330, 60:90] = 90  # a punch hole
    return noisy(pixels)


def test_an_empty_page_is_blank_without_a_reason(empty: Image.Image) -> None:
    page = read_page(empty)
    assert (page.method, page.words) == (Method.BLANK, ())


def test_a_page_on_which_nothing_can_be_read_is_a_failure() -> None:
    random = np.random.default_rng(3)
    scribble = np.full((1600, 1130), 255.0)
    steps = np.cumsum(random.normal(0, 9, (4000, 2)), axis=0)
    rows, columns = ((steps - steps.min(0)) / np.ptp(steps, axis=0) * (1000, 800) + 150).astype(int).T
    for shift in range(4):
        scribble[rows + shift, columns] = 0
    document = read(Image.fromarray(scribble.astype(np.uint8)))
    assert [page.method for page in document.pages] == [Method.FAILED]
    assert document.reasons == (Reason(Code.OCR_EMPTY, 1),)


def test_time_running_out_is_a_reason_and_ends_the_engine(sheet: Image.Image) -> None:
    assert read(sheet).reasons == ()
    document = read(sheet, OcrSettings(page_timeout_s=0.05))
    assert document.reasons == (Reason(Code.OCR_TIMEOUT, 1),)
    (page,) = document.pages
    assert (page.method, page.why, page.words) == (Method.FAILED, Why.IMAGE, ())
    assert engines() == []
    assert read(sheet).reasons == ()


def test_an_engine_that_died_is_started_again(sheet: Image.Image) -> None:
    assert read(sheet).reasons == ()
    (old,) = engines()
    old.kill()
    old.wait()
    assert read(sheet).reasons == ()
    (new,) = engines()
    assert new != old


def engines() -> list[psutil.Process]:
    """Those of this process that live."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if "elmtex_batch.tesseract" in child.cmdline():
                found.append(child)
    return found


def test_what_was_read_before_changes_nothing(sheet: Image.Image) -> None:
    """The engine stays, and forgets."""
    other = scan(pdf(table(ruled=True)))
    alone = text(read_page(sheet))
    read(other, OcrSettings(languages=("deu",)))
    read(other)
    assert text(read_page(sheet)) == alone


def test_tesseract_failing_is_a_reason(sheet: Image.Image) -> None:
    document = read(sheet, OcrSettings(languages=("xyz",)))
    assert document.reasons == (Reason(Code.OCR_FAILED, 1),)


def test_strokes_are_noise_on_rulings_only() -> None:
    ink = np.zeros((1170, 827), dtype=bool)
    ink[100:400, 200] = True
    rulings, size = find_rulings(ink, 100), (595.0, 842.0)
    assert not is_writing(Token("|", (143, 100, 146, 110), confidence=0.9), rulings, size)
    assert is_writing(Token("|", (243, 100, 246, 110), confidence=0.9), rulings, size)  # probably the figure 1
    assert is_writing(Token("5", (143, 100, 146, 110), confidence=0.9), rulings, size)


def test_dust_and_the_edge_of_the_paper_are_noise() -> None:
    rulings, size = find_rulings(np.zeros((1170, 827), dtype=bool), 100), (595.0, 842.0)
    assert not is_writing(Token(";", (100, 100, 101, 101), confidence=0.1), rulings, size)
    assert is_writing(Token("-", (100, 100, 101, 101), confidence=0.9), rulings, size)
    assert is_writing(Token("a", (100, 100, 101, 101), confidence=0.1), rulings, size)
    assert not is_writing(Token("rn", (0, 100, 4, 110), confidence=0.2), rulings, size)


def test_what_is_missing_is_said_before_the_work_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    check_tesseract(OcrSettings())
    with pytest.raises(ToolMissing, match="apt-get install tesseract-ocr-xyz"):
        check_tesseract(OcrSettings(languages=("eng", "xyz")))
    monkeypatch.setattr(pytesseract.pytesseract, "tesseract_cmd", "no-such-program")
    with pytest.raises(ToolMissing, match="apt-get install tesseract-ocr"):
        check_tesseract(OcrSettings())


def test_a_few_words_on_noisy_paper() -> None:
    """The noise must not become ink where there is hardly any."""
    page = read_document(as_scan("Mit freundlichen Grüßen\nDr. med. Anna Beispiel", 2, 1), PAGES, OCR).pages[0]
    assert page.rotation == 0 and {"Mit", "freundlichen", "Anna", "Beispiel"} <= {word.text for word in page.words}


def test_after_a_german_page_german_alone_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the next page is written in, and only there."""
    asked: list[tuple[str, ...]] = []
    german = "Der Patient wurde wegen zunehmender Atemnot und Schwellung der Beine stationär aufgenommen."
    english = "The patient was admitted to the ward because of shortness of breath and swollen legs."
    written = [german, german, english, english]
    pages = [picture(scan(pdf(write(*[line[:45], line[45:]] * 3)))) for line in written]
    real = Engine.read

    def noted(engine: Engine, raster: Raster, languages: tuple[str, ...], seconds: float) -> str:
        asked.append(languages)
        return real(engine, raster, languages, seconds)

    monkeypatch.setattr(Engine, "read", noted)
    found = read_document(pdf(*pages), PAGES, OCR)
    assert asked == [("deu", "eng"), ("deu",), ("deu",), ("deu", "eng")]
    assert all("stationär aufgenommen." in text(page) for page in found.pages[:2])
    assert all("swollen legs." in text(page) for page in found.pages[2:])
