import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monospace import printed, wrapped

from elmtex_batch.document import Box, Method, Page, Word
from elmtex_batch.text import Evidence, NormalisedText, normalise, plain_pages

PROSE = "Der Patient wurde bei Verdacht auf eine Pneumonie stationär aufgenommen und mit Ceftriaxon behandelt."
SCANNED = Page(
    7, Method.OCR, "test",
    (
        Word("Verdacht", 0, 0, (10, 10, 90, 20), 0.9),
        Word("auf", 0, 0, (95, 9, 125, 21), 0.5),
        Word("Pneu-", 0, 0, (130, 10, 180, 20), 0.8),
        Word("monie", 1, 0, (10, 30, 60, 40), 0.4),
        Word("links.", 1, 0, (65, 30, 115, 40), 1.0),
    ), 200, 300,
)  # fmt: skip


def words(text: NormalisedText) -> list[Word]:
    """The words in the order in which the text uses them."""
    return [text.pages[p].words[w] for p, w in zip(text.page_indices, text.word_indices, strict=True)]


def evidence_of(text: NormalisedText, value: str) -> Evidence:
    start = text.text.index(value)
    return text.evidence(start, start + len(value))


def test_a_value_knows_its_page_its_boxes_and_how_well_it_was_read() -> None:
    text = normalise([SCANNED])
    assert text.text == "Verdacht auf Pneumonie links."
    evidence = evidence_of(text, "auf Pneumonie")
    assert (evidence.page, evidence.boxes) == (7, ((95, 9, 180, 21), (10, 30, 60, 40)))
    assert evidence.ocr_confidence == pytest.approx((3 * 0.5 + 5 * 0.8 + 5 * 0.4) / 13)


def test_a_part_of_a_word_has_the_evidence_of_the_whole() -> None:
    text = normalise([SCANNED])
    assert evidence_of(text, "nie") == Evidence(7, ((10, 30, 60, 40),), 0.4)
    assert evidence_of(text, "neu") == Evidence(7, ((130, 10, 180, 20),), 0.8)
    assert evidence_of(text, " ") == Evidence(None), "white space comes from no word"


def test_a_value_across_pages_has_the_boxes_of_the_page_it_begins_on() -> None:
    first, second = wrapped(PROSE, 60).split("\n")
    text = normalise([printed(first), printed(second, number=2)])
    assert text.text == PROSE
    box: Box = (72 + 50 * 6, 72, 72 + 59 * 6, 84)
    assert evidence_of(text, "stationär aufgenommen") == Evidence(1, (box,), None)


def test_a_range_outside_of_the_text_is_an_error() -> None:
    text = normalise(plain_pages("kein Fieber"))
    for start, end in ((-1, 3), (3, 2), (0, 12)):
        with pytest.raises(ValueError, match="no range"):
            text.evidence(start, end)


def test_every_page_has_its_range() -> None:
    text = normalise(plain_pages("Eins zwei.\f\fDrei.\f"))
    assert [text.text[slice(*text.page_range(number))] for number in (1, 2, 3)] == ["Eins zwei.", "", "Drei."]
    assert text.page_range(2) == (10, 10)
    with pytest.raises(ValueError, match="no page 4"):
        text.page_range(4)


def test_the_map_can_be_stored_and_rebuilt() -> None:
    text = normalise([SCANNED])
    stored = [array.tobytes() for array in (text.starts, text.ends, text.page_indices, text.word_indices)]
    rebuilt = NormalisedText(text.text, text.pages, *(np.frombuffer(array, np.int32) for array in stored))
    assert evidence_of(rebuilt, "Pneumonie") == evidence_of(text, "Pneumonie")


def test_no_words_no_text() -> None:
    for pages in ((), plain_pages(""), plain_pages("\n \f\n")):
        assert normalise(pages).text == ""


def test_plain_text_has_pages_blocks_and_lines() -> None:
    first, second = plain_pages("a  b\r\nc\n\n \nd\fe")
    assert [(w.text, w.line, w.block) for w in first.words] == [("a", 0, 0), ("b", 0, 0), ("c", 1, 0), ("d", 2, 1)]
    assert (second.number, second.method, [w.text for w in second.words]) == (2, Method.PLAIN, ["e"])
    assert [page.method for page in plain_pages("\fa\f")] == [Method.BLANK, Method.PLAIN]


ODD_PIECES = (
    "Unter- suchung und Herz- CT- 3- 4 1. 2. a) - • Diagnosen: Key: (offen zu) x- ray. ﬁ ﬅ- µ ½ Seite Page 2 / a/ II. ?"
    " \u00ad Un\u00adter\u00ad \u200b \ufeff a\u00a0b \u0301 e\u0301 가- ᆨ \u0345 \ufffe Straße- öäü"
)
PIECES = st.one_of(
    st.sampled_from(ODD_PIECES.split(" ")),
    st.text(string.ascii_letters + ".-,:", min_size=1, max_size=12),
    st.text(min_size=1, max_size=4),
)
GAPS = st.sampled_from([" "] * 8 + ["\n"] * 3 + ["\n\n", "\f", "\r\n"])


@st.composite
def plain_texts(draw: st.DrawFn) -> tuple[Page, ...]:
    """Plain text with line ends at random, or hard-wrapped as a typist would do."""
    pieces = draw(st.lists(st.tuples(PIECES, GAPS), max_size=80))
    text = "".join(piece + gap for piece, gap in pieces)
    columns = draw(st.sampled_from([0, 0, 20, 60, 119]))
    return plain_pages(wrapped(text.replace("\n", " "), columns) if columns else text)


@st.composite
def printed_pages(draw: st.DrawFn) -> tuple[Page, ...]:
    """Pages of words with boxes, broken at random widths, a few of them in columns or without a box."""
    pages = []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        pieces = draw(st.lists(PIECES, max_size=40))
        text = wrapped(" ".join("".join(piece.split()) for piece in pieces), draw(st.integers(5, 80)))
        pages.append(printed(*text.split("\n\n"), number=number, left=draw(st.sampled_from([72.0, 300.0]))))
    return tuple(pages)


DOCUMENTS = st.one_of(plain_texts(), printed_pages())


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS)
def test_normalising_twice_changes_nothing(pages: tuple[Page, ...]) -> None:
    text = normalise(pages).text
    assert normalise(plain_pages(text)).text == text


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS)
def test_every_visible_character_comes_from_one_word_and_order_is_kept(pages: tuple[Page, ...]) -> None:
    text = normalise(pages)
    owners = np.zeros(len(text.text), int)
    for start, end in zip(text.starts, text.ends, strict=True):
        owners[start:end] += 1
    assert [char not in " \n" for char in text.text] == owners.tolist()
    origins = list(zip(text.page_indices.tolist(), text.word_indices.tolist(), strict=True))
    assert origins == sorted(origins)


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, st.data())
def test_any_range_leads_to_the_words_it_touches(pages: tuple[Page, ...], data: st.DataObject) -> None:
    text = normalise(pages)
    start = data.draw(st.integers(0, len(text.text)))
    end = data.draw(st.integers(start, len(text.text)))
    touched = [i for i in range(len(text.starts)) if text.starts[i] < end and text.ends[i] > start and start < end]
    evidence = text.evidence(start, end)
    assert evidence.page == (text.pages[text.page_indices[touched[0]]].number if touched else None)
    for word in (words(text)[i] for i in touched if text.page_indices[i] == text.page_indices[touched[0]]):
        box = word.box
        assert box is None or any(
            b[0] <= box[0] and b[1] <= box[1] and b[2] >= box[2] and b[3] >= box[3] for b in evidence.boxes
        )


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS)
def test_white_space_is_plain(pages: tuple[Page, ...]) -> None:
    text = normalise(pages).text
    assert text == text.strip() and "\n\n\n" not in text
    assert all(line == " ".join(line.split()) for line in text.split("\n"))
