"""What Tesseract reads where nothing is written: the lid of the scanner, ruling lines, dust."""

from elmtex_batch.layout import Token
from elmtex_batch.layout.rulings import Rulings

EDGE = 0.01
"""Share of a page at each side on which nobody writes."""
STROKES = frozenset("|¦_—")
"""What Tesseract makes of ruling lines; a stroke that is none may well be the figure 1."""
DUST, DOUBTFUL = 1.5, 0.7
"""Sides in points up to which punctuation may be dust, and the confidence from which it is taken for punctuation."""


def is_writing(token: Token, rulings: Rulings, size: tuple[float, float]) -> bool:
    """Whether a word of a straight page of `size` points was written by somebody."""
    return not (_is_beside_page(token, size) or _is_dust(token) or _is_ruling(token, rulings))


def _is_beside_page(token: Token, size: tuple[float, float]) -> bool:
    x0, y0, x1, y1 = token.box
    middles = (x0 + x1) / 2, (y0 + y1) / 2
    return any(not EDGE * side < middle < (1 - EDGE) * side for middle, side in zip(middles, size, strict=True))


def _is_dust(token: Token) -> bool:
    x0, y0, x1, y1 = token.box
    is_mark = not any(map(str.isalnum, token.text))
    return is_mark and max(x1 - x0, y1 - y0) <= DUST and (token.confidence or 0.0) < DOUBTFUL


def _is_ruling(token: Token, rulings: Rulings) -> bool:
    return STROKES.issuperset(token.text) and rulings.cross(token.box)
