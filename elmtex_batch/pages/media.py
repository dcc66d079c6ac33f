"""What kind of file some bytes are, by their content alone; names and extensions are not asked."""

import re
from enum import StrEnum

from elmtex_batch.pages.plaintext import decode_text


class Media(StrEnum):
    """The supported kinds of files, by their media types (IANA)."""

    PDF = "application/pdf"
    PNG = "image/png"
    JPEG = "image/jpeg"
    TIFF = "image/tiff"
    BMP = "image/bmp"
    WEBP = "image/webp"
    TEXT = "text/plain"


PDF_HEADER_WITHIN = 1024
"""Readers accept a PDF header after up to this many bytes of something else (ISO 32000-1, annex H.3, note 13)."""

_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), Media.PNG),
    (re.compile(rb"\xff\xd8\xff"), Media.JPEG),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), Media.TIFF),  # the plus sign is BigTIFF
    (re.compile(rb"RIFF....WEBP", re.DOTALL), Media.WEBP),
    (
        re.compile(rb"BM.{4}\0{4}.{4}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0{3}", re.DOTALL),
        Media.BMP,
    ),  # sizes of its header
)
_PDF = re.compile(rb"%PDF-|\b\d+ \d+ obj\b")  # with a header or, damaged, without
# Text for machines. Read as a report, their markup would pass for content.
_MARKUP = re.compile(rb"\s*(?:\{\\rtf|%!PS|<\?xml|<!doctype|<html|<svg)", re.IGNORECASE)


def detect_media(data: bytes) -> Media | None:
    """The kind of file; None if it is none of the supported ones."""
    for signature, media in _SIGNATURES:
        if signature.match(data):
            return media
    if _PDF.search(data[:PDF_HEADER_WITHIN]):
        return Media.PDF
    if _MARKUP.match(data) or decode_text(data) is None:
        return None
    return Media.TEXT
