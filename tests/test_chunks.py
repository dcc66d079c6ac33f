import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from elmtex_batch import chunks
from elmtex_batch.reader import Answer, Span, Ungrounded


def starts(text: str) -> list[int]:
    return [match.start() for match in re.finditer(r"\n+|[^\s]+", text)]


def pieces(text: str, limit: int) -> list[str]:
    offsets = starts(text)
    bounds = [offsets[w.start] for w in chunks.windows(text, offsets, limit)] + [len(text)]
    return [text[a:b] for a, b in pairwise(bounds)]


def test_a_short_text_is_one_window() -> None:
    assert pieces("one two three", 10) == ["one two three"]


def test_cuts_prefer_paragraphs_to_lines_and_lines_to_sentences() -> None:
    assert pieces("a b c\nd e\n\nf g h\ni j", 9)[0] == "a b c\nd e\n\n"
    assert pieces("a b c d\ne f. g h i", 7)[0] == "a b c d\n"
    assert pieces("a b c. d e f g", 5)[0] == "a b c. "


@given(st.text("ab .\n", max_size=200), st.integers(2, 20))
def test_windows_cover_all_tokens_once_within_the_limit(text: str, limit: int) -> None:
    offsets = starts(text)
    if not offsets:
        return
    windows = chunks.windows(text, offsets, limit)
    assert [t for window in windows for t in window] == list(range(len(offsets)))
    assert all(0 < len(window) <= limit for window in windows)


def test_merging_keeps_order_drops_repeats_and_the_first_age_wins() -> None:
    text = "60 cough ... cough 61"
    answers = [
        Answer((Span("age", 0, 2, 0.6), Span("signs_symptoms", 3, 8, 0.9))),
        Answer((Span("signs_symptoms", 13, 18, 0.9), Span("age", 19, 21, 0.99))),
    ]
    assert chunks.merge(answers, text, frozenset({"age"})) == answers[0]


def test_merging_keeps_ungrounded_values_once_and_says_if_a_window_was_cut_short() -> None:
    lost = Ungrounded("signs_symptoms", "tussis", 0.5)
    answers = [
        Answer((), (lost, Ungrounded("age", "sixty", 0.9))),
        Answer((Span("age", 0, 2, 0.6),), (Ungrounded("signs_symptoms", "tussis", 0.9),), cut_short=True),
    ]
    assert chunks.merge(answers, "60", frozenset({"age"})) == Answer((Span("age", 0, 2, 0.6),), (lost,), cut_short=True)
