"""Characters as all later stages see them: composed, plainly spaced, and without any that cannot be seen.

Only what is typography goes: spaces of all widths, ligatures, invisible marks. What carries meaning stays as it was
written (m², ½, µ, ≤, –), because every value is a verbatim piece of the text; NFKC would turn 10² into 102.
"""

import unicodedata

_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_HYPHENS = {"\u2010": "-", "\u2011": "-"}
# What Word's Symbol and Wingdings fonts leave in the private use area of a PDF's text layer.
_SYMBOL_FONT = {
    "\uf0b7": "•", "\uf0a7": "•", "\uf0d8": "•", "\uf0b0": "°", "\uf0b1": "±", "\uf0b4": "×", "\uf0a3": "≤",
    "\uf0b3": "≥", "\uf0ad": "↑", "\uf0ae": "→", "\uf0af": "↓", "\uf061": "α", "\uf062": "β", "\uf067": "γ",
    "\uf044": "Δ", "\uf06d": "μ",
}  # fmt: skip
_INVISIBLE = {"Cc", "Cf", "Cs"}
_NONCHARACTERS = "\ufffe\uffff"


class _Replacements(dict[int, str]):
    """A table for `str.translate` that decides on a character when it first turns up."""

    def __missing__(self, code: int) -> str:
        self[code] = replacement = _replacement(chr(code))
        return replacement


def _replacement(char: str) -> str:
    if char.isspace():
        return " "
    if unicodedata.category(char) in _INVISIBLE or char in _NONCHARACTERS:
        return ""
    return char


_REPLACEMENTS = _Replacements({ord(old): new for old, new in (_LIGATURES | _HYPHENS | _SYMBOL_FONT).items()})


def clean(text: str) -> str:
    """`text` in NFC with plain spaces, spelled-out ligatures and no invisible characters.

    Cleaning twice changes nothing more. NFC comes last: what hid between a letter and its accent must not part them.
    """
    if text.isascii() and text.isprintable():
        return text
    return unicodedata.normalize("NFC", text.translate(_REPLACEMENTS))
