from elmtex_batch.text import normalise, plain_pages

BODY = ("Erster Satz.", "Zweiter Satz.", "Dritter Satz.", "Vierter Satz.")


def text_of(*pages: str) -> str:
    return normalise(plain_pages("\f".join(pages))).text


def document(header: str, footer: str, pages: int) -> str:
    """Pages of one sentence each; `#` in header and footer stands for the number of the page."""
    texts = [f"{header}\n\n{BODY[i]}\n\n{footer}".replace("#", str(i + 1)).strip() for i in range(pages)]
    return text_of(*texts)


def test_a_header_is_kept_on_its_first_page_and_a_footer_on_its_last() -> None:
    text = document("Klinikum Neustadt", "Bankverbindung: 123", 3)
    assert text.split("\n\n") == ["Klinikum Neustadt", *BODY[:3], "Bankverbindung: 123"]


def test_page_numbers_are_dropped() -> None:
    for number in ("Seite # von 3", "Page #", "- # -", "#/3", "#", "Blatt #"):
        assert document("", number, 3).split("\n\n") == list(BODY[:3]), number


def test_a_page_number_does_not_make_a_header_differ() -> None:
    assert document("Arztbrief Muster, Seite #", "", 2).split("\n\n") == ["Arztbrief Muster, Seite 1", *BODY[:2]]


def test_a_header_from_the_second_page_on_is_kept_once() -> None:
    text = text_of("Briefkopf\n\nEins.", "Muster, Max\n\nZwei.", "Muster, Max\n\nDrei.")
    assert text.split("\n\n") == ["Briefkopf", "Eins.", "Muster, Max", "Zwei.", "Drei."]


def test_values_at_the_edge_of_pages_are_no_furniture() -> None:
    text = document("", "Hb #2,4 g/dl", 3)
    assert all(f"Hb {n}2,4 g/dl" in text for n in (1, 2, 3))
    assert document("", "7", 3).count("7") == 1, "a footer that is no page number is kept once"


def test_repetition_within_pages_stays() -> None:
    filler = "\n".join(f"Zeile {chr(97 + i)}." for i in range(7))
    page = f"{filler}\nKein Fieber.\n{filler.upper()}"
    assert text_of(page, page).count("Kein Fieber.") == 2


def test_what_few_pages_share_stays() -> None:
    pages = ["Kein Fieber.\n\nEins.", "Kein Fieber.\n\nZwei.", *(f"{letter}.\n\n{letter * 2}." for letter in "abc")]
    assert text_of(*pages).count("Kein Fieber.") == 2


def test_a_number_within_a_page_is_no_page_number() -> None:
    text = text_of("Gewicht\nin kg\n1\nEins a\nEins b\nEins c", "Menge\nin l\n2\nZwei a\nZwei b\nZwei c")
    assert "in kg\n1\n" in text and "in l\n2\n" in text


def test_a_grade_is_no_page_number() -> None:
    text = text_of("Kraftgrad 1/5\n\nEins.", "Kraftgrad 2/5\n\nZwei.")
    assert "Kraftgrad 1/5" in text and "Kraftgrad 2/5" in text


def test_a_single_page_keeps_its_number() -> None:
    assert text_of("Befund.\n\nSeite 1 von 1") == "Befund.\n\nSeite 1 von 1"


def test_the_same_page_twice_is_never_lost() -> None:
    assert text_of("Kein Fieber.", "Kein Fieber.") == "Kein Fieber."


def test_a_footer_does_not_part_a_sentence() -> None:
    line = "Der Patient klagte seit drei Tagen ueber starke Schmerzen in der linken Brust und im linken"
    text = text_of(f"{line}\n{line}\n\nSeite 1 von 2", "Arm sowie im Hals.\n\nSeite 2 von 2")
    assert text == f"{line} {line} Arm sowie im Hals."
