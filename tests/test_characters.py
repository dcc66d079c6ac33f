import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmtex_batch.text.characters import clean


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("10\u00a0000\u2009ml", "10 000 ml"),
        ("Be\u00adfund", "Befund"),
        ("\ufeffHb\u200b", "Hb"),
        ("ﬁeber, ﬂuid, eﬀusion, eﬃcacy", "fieber, fluid, effusion, efficacy"),
        ("a\u0308rztlich", "ärztlich"),
        ("a\u200b\u0308rztlich", "ärztlich"),
        ("X\u2011ray", "X-ray"),
        ("5 \uf06dg, \uf0a3 3", "5 μg, ≤ 3"),
        ("pain\x07 \ud800", "pain "),
    ],
)
def test_typography_goes(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


@pytest.mark.parametrize("text", ["32 kg/m²", "1½ Tbl.", "75 µg", "75 μg", "≤ 5", "–54 %", "37,8 ℃", "„Stimmen“"])
def test_meaning_stays(text: str) -> None:
    assert clean(text) == text


@given(st.text())
def test_cleaning_leaves_nothing_exotic_and_is_done_once(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned == unicodedata.normalize("NFC", cleaned)
    assert not {unicodedata.category(char) for char in cleaned if char != " "} & {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"}
    cleaned.encode("utf-8")
