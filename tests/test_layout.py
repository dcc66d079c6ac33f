import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmtex_batch.boxes import as_boxes, slant, union
from elmtex_batch.document import Word
from elmtex_batch.layout import Sheet, Token, arrange
from elmtex_batch.layout.rulings import find_rulings

WIDTH, HEIGHT = 595.0, 842.0
LETTER = 5.0
PROSE = (
    "Die Patientin wurde mit Fieber",
    "und Atemnot in unsere Klinik",
    "eingewiesen. Im Röntgenbild war",
    "ein Infiltrat zu erkennen, das",
    "unter Antibiotika verschwand.",
    "Entlassung am zehnten Tag in",
)


def typed(*texts: str, x: float = 50, y: float = 100, leading: float = 12, size: float = 10) -> list[Token]:
    """Typewritten lines: every letter takes half of `size`, every line `leading` points."""
    tokens = []
    for row, text in enumerate(texts):
        at = x
        for word in text.split(" "):
            end = at + len(word) * size / 2
            if word:
                tokens.append(Token(word, (at, y + row * leading, end, y + row * leading + size)))
            at = end + size / 2
    return tokens


def read(tokens: list[Token], ruled: np.ndarray | None = None) -> list[str]:
    """Lines as read, given in another order than they stand on the page; a blank line between blocks."""
    sheet = Sheet(WIDTH, HEIGHT, tuple(sorted(tokens, key=lambda token: token.text)))
    words = arrange(sheet, None if ruled is None else find_rulings(ruled, 100))
    out: list[str] = []
    for before, word in pairwise((None, *words)):
        assert word
        if before and before.block != word.block:
            out.append("")
        if before and before.line == word.line:
            out[-1] += " " + word.text
        else:
            out.append(word.text)
    return out


def test_two_columns_are_read_one_after_the_other_below_their_heading() -> None:
    heading = typed("Entlassungsbericht der Klinik für Innere Medizin Beispielstadt", x=100, y=70)
    left, right = typed(*PROSE), typed(*reversed(PROSE), x=300)
    assert read(left + right + heading) == [
        "Entlassungsbericht der Klinik für Innere Medizin Beispielstadt", "",
        *PROSE, "", *reversed(PROSE),
    ]  # fmt: skip


def test_three_columns_of_unequal_length() -> None:
    columns = typed(*PROSE, x=20) + typed(*PROSE[:4], x=210) + typed(*PROSE[:5], x=400)
    assert read(columns) == [*PROSE, "", *PROSE[:4], "", *PROSE[:5]]


def test_a_short_column_beside_one_that_leans_towards_it_comes_last() -> None:
    """As on a skewed scan: the lower lines of the left one reach into a stripe that is white beside the upper ones."""
    left = typed(*PROSE) + typed(*PROSE, x=56, y=172)
    assert read(left + typed(*PROSE[:4], x=230)) == [*PROSE, *PROSE, "", *PROSE[:4]]


def test_text_below_two_columns_follows_them() -> None:
    below = typed("Diese Zeile geht über die ganze Breite des Blattes, unter beiden Spalten hin", y=172)
    order = read(typed(*PROSE) + typed(*PROSE, x=300) + below)
    assert order[-1].startswith("Diese Zeile")
    assert order[:6] == list(PROSE)


def test_the_rows_of_a_table_stay_whole() -> None:
    rows = [
        ("Natrium", "139", "mmol/l"),
        ("Kalium", "5,8", "mmol/l"),
        ("Gamma-GT", "61", "U/l"),
        ("CRP", "3,1", "mg/l"),
    ]
    tokens = [
        token
        for i, row in enumerate(rows)
        for x, cell in zip((50, 180, 260), row, strict=True)
        for token in typed(cell, x=x, y=100 + 16 * i)
    ]
    assert read(tokens) == [" ".join(row) for row in rows]


def test_a_label_stays_with_its_value() -> None:
    labels = typed("Name:", "Geboren:", "Diagnose:", "Aufnahme:")
    values = typed(
        "Erika Beispiel aus Musterstadt",
        "12.03.1950 in Musterhausen an der",
        "Pneumonie im linken Lappen",
        "01.02.2024",
        x=200,
    )
    assert read(labels + values)[:2] == [
        "Name: Erika Beispiel aus Musterstadt",
        "Geboren: 12.03.1950 in Musterhausen an der",
    ]


def test_an_address_beside_a_letter_does_not_break_into_its_lines() -> None:
    address = typed("Klinik", "Am Park 3", "Tel. 123", "Fax 456", x=450, y=105, leading=13.7, size=8)
    assert read(typed(*PROSE, *PROSE, x=50) + address) == [
        *PROSE,
        *PROSE,
        "",
        "Klinik",
        "Am Park 3",
        "Tel. 123",
        "Fax 456",
    ]


def test_paragraphs_are_blocks_but_rows_that_stand_apart_are_one() -> None:
    apart = typed(*PROSE[:3]) + typed(*PROSE[3:], y=145)
    assert read(apart) == [*PROSE[:3], "", *PROSE[3:]]
    assert read(typed(*PROSE, leading=22)) == list(PROSE)


def test_superscripts_and_small_signs_stay_in_their_line() -> None:
    tokens = typed("Fläche 1,9 m und", "danach die nächste Zeile", leading=11)
    tokens.append(Token("²", (110, 99, 113, 103)))
    tokens.append(Token("-", (190, 105, 195, 106)))
    assert read(tokens) == ["Fläche 1,9 m ² und -", "danach die nächste Zeile"]


def test_text_in_the_margin_comes_last() -> None:
    margin = [Token("Archiv", (20, 300, 30, 330), 270), Token("4711", (20, 275, 30, 295), 270)]
    stamp = [Token("KOPIE", (200, 90, 300, 190), 315)]
    assert read([*margin, *typed(*PROSE), *stamp]) == [*PROSE, "", "Archiv 4711", "", "KOPIE"]


@pytest.mark.parametrize("degrees", [-4, 3, 7])
def test_skewed_lines_are_lines(degrees: float) -> None:
    tokens = typed(*PROSE, *PROSE, *PROSE, x=60)
    boxes = slant(as_boxes([token.box for token in tokens]), degrees, (WIDTH / 2, HEIGHT / 2))
    skewed = [Token(token.text, union(box[None]), degrees % 360) for token, box in zip(tokens, boxes, strict=True)]
    assert read(skewed) == [*PROSE, *PROSE, *PROSE]


@pytest.mark.parametrize(("fan", "bend"), [(0.06, 0.0), (0.0, 25.0), (-0.05, -15.0)])
def test_lines_that_fan_out_or_bend_are_lines(fan: float, bend: float) -> None:
    """As on photographs: perspective, and the curl of a page in a book."""
    long = [f"{line} {line.lower()} {line.upper()}" for line in PROSE]
    tokens = []
    for token in typed(*long * 6, x=30):
        x0, y0, x1, y1 = token.box
        across = ((x0 + x1) / 2 - WIDTH / 2) / (WIDTH / 2)
        rise = fan * (y0 - 300) * across + bend * across**2
        tokens.append(Token(token.text, (x0, y0 + rise, x1, y1 + rise)))
    assert read(tokens) == long * 6


def grid(across: list[int], down: list[int]) -> np.ndarray:
    """The ink of a page at 100 dpi with the rulings of a table."""
    ink = np.zeros((1170, 827), dtype=bool)
    ink[np.ix_(across, range(down[0], down[-1] + 1))] = True
    ink[np.ix_(range(across[0], across[-1] + 1), down)] = True
    return ink


def test_ruled_cells_of_several_lines_are_read_cell_by_cell() -> None:
    tokens = (
        typed("Hämoglobin im", "Vollblut", x=50, y=92)
        + typed("13,5", x=170, y=98)
        + typed("im Referenzbereich für Frauen", "ihres Alters", x=250, y=92)
        + [
            token
            for x, cell in ((50, "Natrium"), (170, "139"), (250, "unauffällig"))
            for token in typed(cell, x=x, y=130)
        ]
    )
    by_cell = [
        "Hämoglobin im",
        "Vollblut 13,5 im Referenzbereich für Frauen",
        "ihres Alters",
        "Natrium 139 unauffällig",
    ]
    assert read(tokens) != by_cell
    assert read(tokens, grid([120, 165, 210], [60, 220, 330, 560])) == by_cell


def test_a_table_without_rulings_between_its_rows_is_read_row_by_row() -> None:
    rows = [("Natrium", "139", "mmol/l"), ("Kalium", "5,8", "mmol/l"), ("Gamma-GT", "61", ""), ("CRP", "3,1", "mg/l")]
    tokens = [
        token
        for i, row in enumerate(rows)
        for x, cell in zip((50, 170, 250), row, strict=True)
        for token in typed(cell, x=x, y=92 + 14 * i)
    ]
    assert read(tokens, grid([120, 220], [60, 220, 330, 560])) == [" ".join(row).strip() for row in rows]


def test_a_frame_around_a_page_is_no_table() -> None:
    ink = np.zeros((1170, 827), dtype=bool)
    ink[[20, 1150], 20:800] = True
    ink[20:1150, [20, 800]] = True
    assert read(typed(*PROSE), ink) == list(PROSE)


def test_a_shaded_area_is_no_ruling() -> None:
    ink = np.zeros((1170, 827), dtype=bool)
    ink[130:260, 60:800] = True
    assert read(typed(*PROSE, x=60) + typed(*PROSE, x=310), ink) == [*PROSE, "", *PROSE]


def test_an_empty_page_has_no_words() -> None:
    assert arrange(Sheet(WIDTH, HEIGHT)) == ()


def test_a_page_turns_with_its_words() -> None:
    sheet = Sheet(200, 100, (Token("oben", (10, 20, 40, 30), 90.0),))
    assert sheet.direction == 90
    upright = sheet.turned(-sheet.direction)
    assert (upright.width, upright.height) == (100, 200)
    assert upright.tokens == (Token("oben", (20, 160, 30, 190), 0.0),)
    assert sheet.turned(360).tokens == sheet.tokens


_positions = st.floats(0, 500, allow_nan=False)
_sides = st.floats(0.1, 80, allow_nan=False)


@given(
    st.lists(st.tuples(_positions, _positions, _sides, _sides, st.sampled_from([0.0, 1.0, 90.0, 45.0])), max_size=60)
)
def test_no_word_is_lost_or_doubled(places: list[tuple[float, float, float, float, float]]) -> None:
    tokens = tuple(Token(str(i), (x, y, x + w, y + h), angle) for i, (x, y, w, h, angle) in enumerate(places))
    words = arrange(Sheet(WIDTH, HEIGHT, tokens), find_rulings(np.ones((300, 200), dtype=bool), 100))
    assert sorted(int(word.text) for word in words) == list(range(len(tokens)))
    assert all(_follows(before, word) for before, word in pairwise(words))
    assert all(word.box and not any(map(math.isnan, word.box)) for word in words)


def _follows(before: Word, word: Word) -> bool:
    return 0 <= word.line - before.line <= 1 and 0 <= word.block - before.block <= word.line - before.line
