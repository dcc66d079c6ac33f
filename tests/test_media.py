import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper import encode, pdf, scan, write

from elmtex_batch.pages.media import Media, detect_media
from elmtex_batch.pages.plaintext import decode_text

GERMAN = "Größe 172 cm, Gewicht 68 kg. Die Mutter erhält täglich 20 µg Thyroxin.\r\nFür die Überweisung danken wir.\r\n"


@pytest.fixture(scope="module")
def document() -> bytes:
    return pdf(write("Befund"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_images_are_known_by_their_content(document: bytes, kind: str) -> None:
    assert detect_media(encode(scan(document, 50), kind)) is Media[kind]


def test_a_pdf_header_may_stand_behind_other_bytes(document: bytes) -> None:
    assert detect_media(document) is Media.PDF
    assert detect_media(b"\r\n" + b"MIME rubbish " * 50 + document) is Media.PDF
    assert detect_media(b"x" * 2000 + document) is not Media.PDF
    assert detect_media(document.replace(b"%PDF-", b"")) is Media.PDF


def test_text_is_text() -> None:
    assert detect_media(b"BM 24.5 kg/m2, patient in good condition.") is Media.TEXT
    assert detect_media(b"\n\n") is Media.TEXT


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04\x14\x00\x06\x00" + bytes(64),
        b"GIF89a\x10\x00\x10\x00\x80\x00\x00" + bytes(16),
        b"\x7fELF\x02\x01\x01\x00",
        rb"{\rtf1\ansi\deff0 Befund}",
        b"<!DOCTYPE html><p>Befund</p>",
        b'<?xml version="1.0"?><ClinicalDocument/>',
        b"%!PS-Adobe-3.0\n",
        os.urandom(3000),
    ],
    ids=["zip", "gif", "elf", "rtf", "html", "xml", "postscript", "noise"],
)
def test_everything_else_is_unsupported(data: bytes) -> None:
    assert detect_media(data) is None


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1", "cp850", "mac-roman"],
)
@pytest.mark.parametrize("text", [GERMAN, "Übelkeit", "weiß, 37 °C", "nur ASCII", "– „Ödeme“ – 5 µg/l"])
def test_german_text_comes_out_right(text: str, encoding: str) -> None:
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        pytest.skip("the encoding lacks a character")
    assert decode_text(data) == text


def test_a_few_undefined_bytes_do_not_spoil_a_text() -> None:
    assert decode_text(GERMAN.encode("cp1252") * 3 + b"\x81") == GERMAN * 3 + "\ufffd"


@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    detect_media(data)
