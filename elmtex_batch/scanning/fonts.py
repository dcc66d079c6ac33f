"""Typefaces that are there wherever this package is: the base fonts of PDF, and those that come with matplotlib."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont


@dataclass(frozen=True, slots=True)
class Face:
    """A typeface by its names in PDF. `files`: regular and bold TrueType files, or none for a base font of PDF."""

    regular: str
    bold: str
    typewriter: bool = False
    files: tuple[str, str] | None = None


FACES = (
    Face("Helvetica", "Helvetica-Bold"),
    Face("Times-Roman", "Times-Bold"),
    Face("Courier", "Courier-Bold", typewriter=True),
    Face("DejaVuSans", "DejaVuSans-Bold", files=("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")),
    Face("DejaVuSerif", "DejaVuSerif-Bold", files=("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf")),
    Face("STIXGeneral", "STIXGeneral-Bold", files=("STIXGeneral.ttf", "STIXGeneralBol.ttf")),
    Face("DejaVuSansMono", "DejaVuSansMono-Bold", True, ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf")),
)
_WIDEST = FACES[3]
"""Has the most characters."""


def faces_for(text: str) -> list[Face]:
    """The faces that have every character of a text; should none, the one with the most characters."""
    characters = set(text) - set("\n\r\t\f")
    return [face for face in FACES if all(map(_coverage(face), characters))] or [_WIDEST]


def register(face: Face) -> None:
    """Makes a face known to reportlab; doing so again changes nothing."""
    if face.files:
        for name, file in zip((face.regular, face.bold), face.files, strict=True):
            pdfmetrics.registerFont(_load(name, file))


def font_file(name: str) -> Path:
    """Where matplotlib keeps a font file; matplotlib itself, which takes its time, is not imported."""
    spec = find_spec("matplotlib")
    assert spec and spec.origin
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name


@cache
def _load(name: str, file: str) -> TTFont:
    return TTFont(name, str(font_file(file)))


def _coverage(face: Face) -> Callable[[str], bool]:
    if face.files:
        glyphs = _load(face.regular, face.files[0]).face.charToGlyph
        return lambda character: ord(character) in glyphs
    return _in_base_fonts


def _in_base_fonts(character: str) -> bool:
    return len(character.encode("cp1252", "ignore")) == 1
