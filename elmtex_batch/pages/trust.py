"""Whether a text layer says what the page shows: fonts that do not lead to Unicode make layers that look like text."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

from elmtex_batch.pages.textlayer import TextLayer
from elmtex_batch.pages.why import Why

TRUSTED = frozenset({Why.TEXT_LAYER_TRUSTED, Why.HIDDEN_LAYER_TRUSTED})

CID = re.compile(r"\(cid:\d+\)")
# UTF-8 read as Windows-1252 or Latin-1, as the code pages of DOS (850, 437), as Mac Roman.
MOJIBAKE = re.compile(r"Ã[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œžŸ]|Â[\x80-\xbf]|â€|├[^\s\w]|├\w|√[§∂ºüÑñ†]")
FEW = 0.02
"""Share of words, damaged in one of these ways, that is still taken for an accident."""

MANY_SYMBOLS = 0.3
"""Share of characters, repeated ones counted once, that are neither letters, digits nor frequent punctuation."""
PUNCTUATION = frozenset(".,;:()-–_/…'%")
REPEATED = re.compile(r"(.)\1+")
LETTERS = re.compile(r"[^\W\d_]+")
_SECOND_LETTERS = """
a bcdghiklmnprstuy, b aeilo, c aehiklortu, d aeioru, e abcdefghiklmnprstuvx, f aeiort, g aehinr, h aeilmnorty,
i acdegklmnorstv, k aelortu, l aeilotuy, m aegimop, n acdegiknost, o cdfglmnoprstuw, p aehilor, r adegilmnostuyz,
s acehiopstu, t aehiorstu, u cflmnrst, v aeio, w aeio, y s, z eiu
"""
COMMON_PAIRS = frozenset(
    first + second for first, seconds in re.findall(r"(\w) (\w+)", _SECOND_LETTERS) for second in seconds
)
"""The 200 commonest pairs of letters of English and German reports. In stretches of 400 characters of the 652 training
reports they are 74 to 100 % of all pairs, in a table of laboratory values 75 %, after swapping letters 58 % at most."""
PLAUSIBLE_PAIRS = 0.6
ENOUGH_PAIRS = 60
"""Fewer pairs of letters than this say nothing."""


def judge(layer: TextLayer) -> Why:
    """`TEXT_LAYER_TRUSTED` or `HIDDEN_LAYER_TRUSTED`, or what is wrong with the layer."""
    words = [token.text for token in layer.sheet.tokens]
    if not words:
        return Why.NO_TEXT_LAYER
    odd = [word for word in words if not (word.isascii() and word.isprintable())]

    def share(of: Sequence[str], is_bad: Callable[[str], object]) -> float:
        return sum(map(bool, map(is_bad, of))) / len(words)

    if share(words, CID.search) > FEW:
        return Why.CID_GARBAGE
    if layer.unmapped > 0.1 or share(odd, _is_damaged) > FEW or share(odd, _is_private) > MANY_SYMBOLS:
        return Why.UNMAPPED_GLYPHS
    if share(odd, MOJIBAKE.search) > FEW / 2:
        return Why.MOJIBAKE
    if _symbols(words) > MANY_SYMBOLS or not _has_plausible_pairs(words):
        return Why.IMPLAUSIBLE_LETTERS
    return Why.HIDDEN_LAYER_TRUSTED if layer.hidden > 0.5 else Why.TEXT_LAYER_TRUSTED


def _is_damaged(word: str) -> bool:
    """Whether characters are missing. Private use characters around a word are bullets and the like, and do no harm."""
    first, last = 0, len(word)
    while first < last and _is_private(word[first]):
        first += 1
    while last > first and _is_private(word[last - 1]):
        last -= 1
    return any(char == "\ufffd" or unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs") for char in word[first:last])


def _is_private(word: str) -> bool:
    return not word.isascii() and all(unicodedata.category(char) == "Co" for char in word)


def _symbols(words: Sequence[str]) -> float:
    """Share of characters that text in English or German has few of."""
    chars = Counter(REPEATED.sub(r"\1", "\n".join(words)))
    del chars["\n"]
    symbols = (count for char, count in chars.items() if not (char in PUNCTUATION or _is_latin_or_greek(char)))
    return sum(symbols) / chars.total()


def _is_latin_or_greek(char: str) -> bool:
    return char.isalnum() and (char < "\u0250" or "\u0370" <= char < "\u0400")


def _has_plausible_pairs(words: Sequence[str]) -> bool:
    runs = [run for word in words for run in LETTERS.findall(word.casefold())]
    pairs = [first + second for run in runs for first, second in pairwise(run)]
    return len(pairs) < ENOUGH_PAIRS or sum(pair in COMMON_PAIRS for pair in pairs) >= PLAUSIBLE_PAIRS * len(pairs)
