import pytest
from monospace import beside, printed, wrapped

from elmtex_batch.document import Page
from elmtex_batch.text import normalise, plain_pages

PROSE = (
    "The patient was admitted with fever, cough and shortness of breath that had begun four days earlier. Chest"
    " radiography showed an infiltrate of the left lower lobe. She was treated with ceftriaxone and azithromycin and"
    " improved within two days. Blood cultures stayed negative and she was discharged in good condition."
)
LIST = "Arterial hypertension\nType 2 diabetes mellitus with polyneuropathy\nObesity\nGout"
MEDICATION = "Aspirin 100 mg 1-0-0\nRamipril 5 mg 1-0-1"


def text_of(*pages: Page) -> str:
    return normalise(pages).text


def test_wrapped_lines_become_one() -> None:
    for columns in (60, 72, 90):
        assert text_of(printed(wrapped(PROSE, columns))) == PROSE
        assert text_of(*plain_pages(wrapped(PROSE, columns))) == PROSE


def test_lists_and_headings_keep_their_lines() -> None:
    text = f"DIAGNOSES\n{LIST}\n\n{PROSE}\n\n{MEDICATION}"
    assert text_of(*plain_pages(wrapped(text, 72))) == text
    assert text_of(printed(*(wrapped(block, 72) for block in text.split("\n\n")))) == text


def test_a_list_alone_on_a_page_is_measured_by_the_margin_of_the_document() -> None:
    assert text_of(printed(wrapped(PROSE, 72)), printed(LIST, number=2)) == f"{PROSE}\n\n{LIST}"


def test_plain_text_that_is_not_wrapped_stays_as_it_is() -> None:
    for text in (f"{LIST}\n{PROSE}\n{MEDICATION}", LIST, f"Anamnese:\n{LIST}\n\n{PROSE}", "a\nb\nc"):
        assert text_of(*plain_pages(text)) == text


def test_plain_text_with_a_very_long_line_is_not_taken_for_wrapped() -> None:
    prose = "\n\n".join([wrapped(PROSE, 72)] * 3)
    assert text_of(*plain_pages(f"{prose}\n\n{'x' * 121}")) == f"{prose}\n\n{'x' * 121}"
    assert text_of(*plain_pages(f"{prose}\n\n{'x' * 120}")) == "\n\n".join([PROSE, PROSE, PROSE, "x" * 120])


def test_one_long_line_does_not_make_a_list_wrapped() -> None:
    long = "Follow-up in the outpatient clinic for ambulatory monitoring and adjustment of blood pressure control"
    text = f"{LIST}\n{long}\n{LIST}\nHypothyroidism, treated"
    assert text_of(*plain_pages(text)) == text


def test_a_stray_wide_line_does_not_move_the_margin() -> None:
    wide = "Hospital of the City" + ", Department of Medicine" * 4
    text = "\n\n".join([PROSE] * 3)
    blocks = [wrapped(PROSE, 60)] * 3
    assert text_of(printed(wide, *blocks)) == f"{wide}\n\n{text}"


def test_an_item_starts_a_line_though_the_one_above_is_full() -> None:
    full = "1. " + "x" * 57
    for item in ("- Gout", "• Gout", "1. Gout", "2. Gout", "a) Gout", "Allergies: none", "(ii) Gout"):
        text = f"{wrapped(PROSE, 60)}\n{full}\n{item}"
        assert text_of(*plain_pages(text)).endswith(f"\n{item}"), item


@pytest.mark.parametrize(
    ("end", "begin", "joined"),
    [
        ("in the", "3. week", "in the 3. week"),
        ("(grade", "1) ulcer", "(grade 1) ulcer"),
        ("CT-", "Labor: normal", "CT-Labor: normal"),
        ("potassium", "5,8 mmol/l", "potassium 5,8 mmol/l"),
    ],
)
def test_what_looks_like_an_item_within_a_sentence_is_none(end: str, begin: str, joined: str) -> None:
    filler = "x" * (59 - len(end))
    assert text_of(*plain_pages(f"{wrapped(PROSE, 60)}\n{filler} {end}\n{begin}")).endswith(f"{filler} {joined}")


def test_rows_of_a_table_stay_apart() -> None:
    row = "Troponin{}412{}5860{}< 14"
    gap = " " * 18
    rows = [row.format(gap, gap, gap)] * 3
    assert text_of(printed(wrapped(PROSE, 72), "\n".join(rows))).split("\n")[-3:] == ["Troponin 412 5860 < 14"] * 3


def test_broken_words_are_made_whole() -> None:
    text = wrapped(PROSE, 72).replace("ceftriaxone", "ceftria-\nxone", 1)
    assert "with ceftriaxone and" in text_of(printed(text))
    assert "with ceftriaxone and" in text_of(printed(text.replace("ceftria-", "ceftria\u00ad")))


def test_a_sentence_goes_on_behind_a_page_break() -> None:
    lines = wrapped(PROSE, 72).split("\n")
    first, second = "\n".join(lines[:2]), "\n".join(lines[2:])
    assert text_of(printed(first), printed(second, number=2)) == PROSE
    assert text_of(*plain_pages(f"{first}\f{second}")) == PROSE


def test_a_finished_sentence_does_not_go_on_behind_a_page_break() -> None:
    first, second = wrapped(f"{PROSE} She went home on the fifth hospital day.", 60), "Later the patient came back."
    assert len(first.split("\n")[-1]) > 55, "the last line is full"
    assert text_of(printed(first), printed(second, number=2)).endswith(f"day.\n\n{second}")


def test_columns_are_measured_by_their_own_margin() -> None:
    left, right = wrapped(PROSE, 30), wrapped(PROSE.replace("left", "right"), 30)
    title = "A title that is much wider than any of the two columns below it"
    page = beside(printed(title, left), printed(right, left=300.0, top=96.0))
    assert text_of(page) == "\n\n".join([title, PROSE, PROSE.replace("left", "right")])
