"""With the real PDFium, Pillow and Tesseract, on files made in the tests."""

import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper import (
    LABORATORY,
    LEFT,
    OCR,
    PAGES,
    RIGHT,
    both,
    encode,
    hidden,
    lines,
    pdf,
    picture,
    scan,
    table,
    text,
    write,
)
from PIL import Image
from reportlab.lib.pagesizes import A4, A5
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from elmtex_batch.document import Box, Document, Method, Page
from elmtex_batch.pages import Why, read_document
from elmtex_batch.pages.textlayer import TextLayer
from elmtex_batch.reasons import Code, Reason
from elmtex_batch.settings import OcrSettings, PageSettings

LETTER = (*LEFT, *RIGHT)
HURRY = OcrSettings(page_timeout_s=0.05)


def read(data: bytes, pages: PageSettings = PAGES, ocr: OcrSettings = OCR) -> Document:
    return read_document(data, pages, ocr)


def only_page(data: bytes) -> Page:
    document = read(data)
    assert document.reasons == ()
    (page,) = document.pages
    return page


def box_of(page: Page, word: str) -> Box:
    (box,) = [found.box for found in page.words if found.text == word]
    assert box
    return box


@pytest.fixture(scope="module")
def sheet() -> Image.Image:
    return scan(pdf(write(*LETTER)))


# --- text layers ------------------------------------------------------------------------------------------------------


def test_a_text_layer_is_taken_as_it_is() -> None:
    page = only_page(pdf(write(*LETTER)))
    assert (page.method, page.why, page.rotation) == (Method.TEXT_LAYER, Why.TEXT_LAYER_TRUSTED, 0)
    assert lines(page) == list(LETTER)
    assert page.ocr_confidence is None
    assert all(word.confidence is None for word in page.words)
    assert (page.width, page.height) == pytest.approx(A5, abs=0.1)


def test_two_columns_below_a_heading() -> None:
    heading = write("Entlassungsbericht der Klinik für Innere Medizin und Kardiologie", y=560)
    page = only_page(pdf(both(write(*LEFT, x=20), write(*RIGHT, x=220), heading)))
    assert lines(page)[1:] == list(LETTER)
    assert lines(page)[0].startswith("Entlassungsbericht")


@pytest.mark.parametrize("ruled", [True, False])
def test_a_table_is_read_row_by_row(ruled: bool) -> None:
    page = only_page(pdf(both(write(*LEFT[:3]), table(ruled=ruled))))
    assert lines(page) == [*LEFT[:3], *(" ".join(row) for row in LABORATORY)]
    assert len({word.block for word in page.words}) == 2


def test_ruled_cells_of_several_lines_are_read_cell_by_cell() -> None:
    rows = [("Hämoglobin\nim Blut", "13,5", "g/dl", "12,0-16,0\nbei Frauen"), ("Natrium", "139", "mmol/l", "135-145")]
    page = only_page(pdf(table(rows, ruled=True, height=40)))
    assert lines(page) == ["Hämoglobin", "im Blut 13,5 g/dl 12,0-16,0", "bei Frauen", "Natrium 139 mmol/l 135-145"]


def test_words_are_parted_by_gaps_and_line_ends_keep_their_hyphen() -> None:
    page = only_page(pdf(both(write("arterielle Hyper-", "tonie"), write("Name", y=440), write("Muster", x=75, y=440))))
    assert lines(page) == ["arterielle Hyper-", "tonie", "Name Muster"]


def test_superscripts_stay_in_their_word() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(40, 500, "KOF 1,9 m")
        canvas.setFont("Helvetica", 6)
        canvas.drawString(40 + canvas.stringWidth("KOF 1,9 m", "Helvetica", 10), 504, "2")

    assert lines(only_page(pdf(draw))) == ["KOF 1,9 m2"]


def test_values_of_form_fields_are_text() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(40, 500, "Diagnose:")
        canvas.acroForm.textfield(value="Pneumonie", x=120, y=494, width=150, height=18)

    assert lines(only_page(pdf(draw))) == ["Diagnose: Pneumonie"]


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_boxes_are_those_of_the_page_as_it_is_shown(rotate: int) -> None:
    """Text drawn so that /Rotate shows it upright, on a page cropped by 30 points at every side."""

    def draw(canvas: Canvas) -> None:
        canvas.setCropBox((30, 30, A5[0] - 30, A5[1] - 30))
        canvas.translate(*{0: (0, 0), 90: (A5[0], 0), 180: A5, 270: (0, A5[1])}[rotate])
        canvas.rotate(rotate)
        canvas.drawString(100, 200, "Befund")

    page = only_page(pdf(draw).replace(b"/Rotate 0", b"/Rotate %d" % rotate))
    width, height = (A5[0] - 60, A5[1] - 60) if rotate % 180 == 0 else (A5[1] - 60, A5[0] - 60)
    assert (page.width, page.height) == pytest.approx((width, height), abs=0.1)
    assert page.rotation == 0
    x0, y0, x1, y1 = box_of(page, "Befund")
    baseline = height - (200 - 30)
    assert x0 == pytest.approx(70, abs=1)
    assert y0 < baseline - 7 < baseline < y1 < baseline + 4
    assert x1 - x0 == pytest.approx(33, abs=2)


def test_text_that_lies_on_its_side_is_set_upright() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.rotate(90)
        write(*LETTER, y=-40)(canvas)

    page = only_page(pdf(draw))
    assert page.rotation == 90
    assert (page.width, page.height) == pytest.approx((A5[1], A5[0]), abs=0.1)
    assert lines(page) == list(LETTER)
    assert box_of(page, "Atemnot")[1] == pytest.approx(30, abs=5)


def test_user_units_are_points_in_the_end() -> None:
    data = re.sub(rb"/Type /Page\b(?!s)", b"/Type /Page /UserUnit 2.0", pdf(write("Befund")))
    page = only_page(data)
    assert page.width == pytest.approx(2 * A5[0], abs=0.2)
    assert box_of(page, "Befund")[0] == pytest.approx(80, abs=1)


# --- text layers that are not to be trusted ---------------------------------------------------------------------------

GARBAGE = {
    Why.CID_GARBAGE: ["(cid:36)(cid:87)(cid:72) (cid:80)(cid:81) (cid:82) (cid:87)(cid:11)"] * 6,
    Why.MOJIBAKE: ["mit AtemnÃ¶ten fÃ¼r die RÃ¶ntgenaufnahme stationÃ¤r"] * 6,
    Why.IMPLAUSIBLE_LETTERS: ["Glh Sdwlhqwlq zxugh zhjhq Dwhpqrw xqg Ilhehu vwdwlrqäu"] * 6,
}


@pytest.mark.parametrize("why", GARBAGE)
def test_a_garbage_layer_is_replaced_by_ocr(sheet: Image.Image, why: Why) -> None:
    page = only_page(pdf(both(picture(sheet), hidden(*GARBAGE[why]))))
    assert (page.method, page.why) == (Method.OCR, why)
    assert LEFT[0] in lines(page)


@pytest.mark.parametrize(
    "letters", ["\ue0a1\ue0a2\ue0a3 \ue0a4\ue0a5", "H\ufffdmoglobin erh\ufffdht", "\x11\x12 \x13\x14\x15"]
)
def test_glyphs_without_a_meaning_are_replaced_by_ocr(sheet: Image.Image, letters: str) -> None:
    def draw(canvas: Canvas) -> None:
        from reportlab.pdfbase.pdfmetrics import registerFont
        from reportlab.pdfbase.ttfonts import TTFont

        registerFont(TTFont("Vera", "Vera.ttf"))
        picture(sheet)(canvas)
        canvas.setFont("Vera", 10)
        hidden(*[letters] * 6)(canvas)

    page = only_page(pdf(draw))
    assert (page.method, page.why) == (Method.OCR, Why.UNMAPPED_GLYPHS)
    assert LEFT[0] in lines(page)


def test_an_invisible_layer_that_makes_sense_is_trusted(sheet: Image.Image) -> None:
    page = only_page(pdf(both(picture(sheet), hidden(*LETTER))))
    assert (page.method, page.why) == (Method.TEXT_LAYER, Why.HIDDEN_LAYER_TRUSTED)
    assert lines(page) == list(LETTER)


def test_a_printed_header_over_a_scan_does_not_hide_it(sheet: Image.Image) -> None:
    page = only_page(pdf(both(picture(sheet), write("Archivnummer 4711-0815", y=570))))
    assert (page.method, page.why) == (Method.OCR, Why.TEXT_LAYER_INCOMPLETE)
    assert lines(page)[0] == "Archivnummer 4711-0815"
    assert LEFT[0] in lines(page)
    assert text(page).count("4711-0815") == 1


def test_an_invisible_layer_with_a_few_words_only_is_replaced(sheet: Image.Image) -> None:
    page = only_page(pdf(both(picture(sheet), hidden("lIl ,. rn"))))
    assert (page.method, page.why) == (Method.OCR, Why.TEXT_LAYER_INCOMPLETE)
    assert "lIl" not in text(page)
    assert LEFT[0] in lines(page)


def test_a_photograph_beside_text_does_no_harm() -> None:
    levels = np.add.outer(np.arange(300), np.arange(300)) * np.random.default_rng(4).random((300, 300)) / 3
    photograph = picture(Image.fromarray(levels.astype(np.uint8)), 100, 50, (200, 200))
    page = only_page(pdf(both(write(*LETTER), photograph)))
    assert (page.method, page.why) == (Method.TEXT_LAYER, Why.TEXT_LAYER_TRUSTED)
    assert lines(page) == list(LETTER)


def test_a_garbage_layer_whose_ocr_fails_is_told(sheet: Image.Image) -> None:
    document = read(pdf(both(picture(sheet), hidden(*GARBAGE[Why.MOJIBAKE]))), ocr=HURRY)
    (page,) = document.pages
    assert (page.method, page.why, page.words) == (Method.FAILED, Why.MOJIBAKE, ())
    assert document.reasons == (Reason(Code.OCR_TIMEOUT, 1),)


def test_pages_are_decided_one_by_one(sheet: Image.Image) -> None:
    document = read(pdf(write(*LETTER), picture(sheet), lambda canvas: None))
    assert [(page.number, page.method, page.why) for page in document.pages] == [
        (1, Method.TEXT_LAYER, Why.TEXT_LAYER_TRUSTED),
        (2, Method.OCR, Why.NO_TEXT_LAYER),
        (3, Method.BLANK, Why.NO_TEXT_LAYER),
    ]
    assert document.reasons == ()
    assert document.media_type == "application/pdf"


# --- files that cannot be read ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three_pages() -> bytes:
    return pdf(write("erste Seite"), write("zweite Seite"), write("dritte Seite"))


def test_an_encrypted_file() -> None:
    locked = pdf(write("geheim"), encrypt=StandardEncryption("Kennwort", canPrint=0))
    assert read(locked).reasons == (Reason(Code.ENCRYPTED),)
    open_to_all = pdf(write("lesbar"), encrypt=StandardEncryption("", ownerPassword="Kennwort"))
    assert lines(only_page(open_to_all)) == ["lesbar"]


def test_a_truncated_file(three_pages: bytes) -> None:
    document = read(three_pages[:300])
    assert (document.media_type, document.pages, document.reasons) == ("application/pdf", (), (Reason(Code.DAMAGED),))


def test_a_damaged_page_does_not_stop_the_others(three_pages: bytes) -> None:
    kids = re.search(rb"/Kids \[ (\d+) 0 R (\d+) 0 R", three_pages)
    assert kids
    broken = three_pages.replace(kids[0], b"/Kids [ " + kids[1] + b" 0 R 99 0 R")
    document = read(broken)
    assert [page.method for page in document.pages] == [Method.TEXT_LAYER, Method.FAILED, Method.TEXT_LAYER]
    assert document.reasons == (Reason(Code.PAGE_DAMAGED, 2),)
    assert document.pages[1].why == Why.DAMAGED


def test_no_pages_and_too_many(three_pages: bytes) -> None:
    assert read(three_pages, PageSettings(max_pages=2)).reasons == (Reason(Code.TOO_MANY_PAGES),)
    none = re.sub(rb"/Count 3 /Kids \[[^]]*\]", b"/Count 0 /Kids []", three_pages)
    assert read(none).reasons == (Reason(Code.NO_PAGES),)


def test_an_empty_file_and_one_of_another_kind() -> None:
    assert read(b"") == Document.rejected(Code.EMPTY_FILE)
    assert read(b"PK\x03\x04" + bytes(100)) == Document.rejected(Code.UNSUPPORTED_TYPE)


def test_a_large_page_is_rendered_at_a_lower_resolution() -> None:
    poster = picture(scan(pdf(write(*LETTER)), 100), size=(3 * A4[0], 3 * A4[1]))
    document = read(pdf(poster, size=(3 * A4[0], 3 * A4[1])), PageSettings(max_megapixels=1))
    assert document.reasons == ()
    assert text(document.pages[0]).split()[-1] == "Wein."


def test_a_dynamic_form_is_not_taken_for_the_page_that_asks_for_another_program() -> None:
    form = b"/Type /Catalog /NeedsRendering true /AcroForm << /Fields [] /XFA (form) >>"
    data = pdf(write("Please wait...")).replace(b"/Type /Catalog", form)
    assert read(data).reasons == (Reason(Code.UNSUPPORTED_TYPE),)


def test_an_unforeseen_error_costs_one_page(three_pages: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_once(layer: TextLayer) -> Why:
        monkeypatch.undo()
        raise ZeroDivisionError

    monkeypatch.setattr("elmtex_batch.pages.judge", fail_once)
    document = read(three_pages)
    assert [page.method for page in document.pages] == [Method.FAILED, Method.TEXT_LAYER, Method.TEXT_LAYER]
    assert document.reasons == (Reason(Code.INTERNAL_ERROR, 1),)


@given(st.binary(max_size=400))
def test_no_content_raises(rubbish: bytes) -> None:
    for start in (b"", b"%PDF-1.4\n", b"\x89PNG\r\n\x1a\n", b"II*\0", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"):
        assert read(start + rubbish, ocr=HURRY)


# --- images and plain text --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def note() -> Image.Image:
    """A slip of paper, as large as its two lines need."""
    return scan(pdf(write("Befund folgt", "nach Kontrolle", x=20, y=60), size=(240, 100)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_kinds_of_images(note: Image.Image, kind: str) -> None:
    document = read(encode(note, kind))
    assert document.media_type == f"image/{kind.lower()}"
    assert [lines(page) for page in document.pages] == [["Befund folgt", "nach Kontrolle"]]


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "I;16", "CMYK", "F"])
def test_kinds_of_pixels(note: Image.Image, mode: str) -> None:
    levels = np.asarray(note)
    if mode == "I;16":
        image = Image.fromarray(levels.astype(np.uint16) * 16)
    elif mode in ("LA", "RGBA"):  # black everywhere, and transparent where there is no ink
        image = Image.merge("LA", (Image.new("L", note.size), note.point(lambda level: 255 - level))).convert(mode)
    else:
        image = note.convert(mode)
    image.info["dpi"] = (200, 200)
    page = only_page(encode(image, "TIFF" if mode in ("I;16", "CMYK", "F", "LA") else "PNG"))
    assert lines(page) == ["Befund folgt", "nach Kontrolle"]


def test_every_frame_of_a_tiff_is_a_page(note: Image.Image) -> None:
    white = Image.new("L", note.size, "white")
    data = encode(note, "TIFF", save_all=True, append_images=[white, note])
    document = read(data)
    assert [(page.number, page.method) for page in document.pages] == [
        (1, Method.OCR),
        (2, Method.BLANK),
        (3, Method.OCR),
    ]
    assert read(data, PageSettings(max_pages=2)).reasons == (Reason(Code.TOO_MANY_PAGES),)


def test_the_exif_orientation_is_how_a_picture_is_shown(note: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    page = only_page(encode(note.rotate(90, expand=True), "JPEG", exif=exif))
    assert lines(page) == ["Befund folgt", "nach Kontrolle"]
    assert page.rotation == 0


def test_too_many_pixels(note: Image.Image) -> None:
    document = read(encode(note), PageSettings(max_megapixels=0.1))
    assert document.reasons == (Reason(Code.PAGE_TOO_LARGE, 1),)
    assert document.pages[0].why == Why.TOO_LARGE


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_a_truncated_image(note: Image.Image, kind: str) -> None:
    data = encode(note, kind)
    assert read(data[: len(data) // 2]).reasons == (Reason(Code.DAMAGED),)


def test_a_damaged_frame_does_not_stop_the_others(note: Image.Image) -> None:
    first = io.BytesIO(encode(note, "TIFF", save_all=True, append_images=[note]))
    with Image.open(first) as image:
        image.seek(1)
        offset = image.tag_v2[273][0]  # type: ignore[attr-defined]
    document = read(first.getvalue()[: offset + 100])
    assert document.reasons in ((Reason(Code.PAGE_DAMAGED, 2),), (Reason(Code.DAMAGED),))


def test_plain_text_has_lines_and_blocks_but_no_boxes() -> None:
    document = read("Diagnosen:\r\nPneumonie\r\n\r\nMedikation: 20 µg Thyroxin\fSeite zwei".encode("cp1252"))
    assert document.media_type == "text/plain"
    assert [page.method for page in document.pages] == [Method.PLAIN, Method.PLAIN]
    assert lines(document.pages[0]) == ["Diagnosen:", "Pneumonie", "Medikation: 20 µg Thyroxin"]
    assert {word.block for word in document.pages[0].words} == {0, 1}
    assert document.pages[0].words[0].box is None
    assert document.pages[0].why == Why.PLAIN_TEXT
