import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmtex_batch import tags
from elmtex_batch.schema import Schema, load_schema
from elmtex_batch.tags import Gold

SCHEMA = load_schema("elmtex")
WORDS = st.text("abäß1", min_size=1, max_size=6)
GAPS = st.sampled_from([" ", " ", "\n", ", ", "."])


def tokens_of(text: str, size: int = 3) -> list[tuple[int, int]]:
    """Pieces of words, as a subword tokenizer makes them, and line ends."""
    pieces = re.finditer(rf"\n|\w{{1,{size}}}|[^\w\s]", text)
    return [piece.span() for piece in pieces]


def certain(labels: list[int]) -> tags.Floats:
    scores = np.full((len(labels), len(SCHEMA.tags)), -20, np.float32)
    scores[np.arange(len(labels)), labels] = -0.01
    return scores


def test_gold_spans_survive_encoding_and_decoding(schema: Schema) -> None:
    text = "A 45-year-old man with chest pain (severe).\nNo fever."
    golds = [Gold("age", 2, 13), Gold("gender", 14, 17), Gold("signs_symptoms", 23, 42), Gold("signs_symptoms", 44, 52)]
    offsets = tokens_of(text)
    found = tags.decode(certain(tags.encode(golds, offsets, schema)), text, offsets, schema)
    assert [(s.category, text[s.start : s.end]) for s in found] == [
        ("age", "45-year-old"),
        ("gender", "man"),
        ("signs_symptoms", "chest pain (severe)"),
        ("signs_symptoms", "No fever"),
    ]
    assert all(span.score == pytest.approx(np.exp(-0.01), abs=1e-4) for span in found)


def test_undecided_tokens_carry_no_loss(schema: Schema) -> None:
    labels = tags.encode([Gold("signs_symptoms", 0, 4), Gold(None, 9, 13)], [(0, 4), (5, 8), (9, 13)], schema)
    assert labels == [schema.tags.index("B-signs_symptoms"), 0, tags.IGNORED]


def test_only_the_most_probable_age_stays(schema: Schema) -> None:
    text = "45 or 54"
    offsets = [(0, 2), (3, 5), (6, 8)]
    age = schema.tags.index("B-age")
    scores = certain([age, 0, age])
    scores[0, age] = -0.5
    assert [text[s.start : s.end] for s in tags.decode(scores, text, offsets, schema)] == ["54"]


def test_the_full_stop_of_an_abbreviation_stays_that_of_a_sentence_goes(schema: Schema) -> None:
    drug = schema.tags.index("B-pharmacological_therapy")
    for text, offsets, value in (
        ("ASS i.v.", [(0, 3), (4, 8)], "ASS i.v."),
        ("ASS (100).", [(0, 3), (4, 10)], "ASS (100)"),
    ):
        assert [text[s.start : s.end] for s in tags.decode(certain([drug, drug + 1]), text, offsets, schema)] == [value]


def test_a_number_is_not_cut_at_its_decimal_sign(schema: Schema) -> None:
    text = "Hb 7,1, then 8.2."
    offsets = [(0, 2), (3, 4), (4, 5), (5, 6), (6, 7), (8, 12), (13, 14), (14, 15), (15, 16), (16, 17)]
    begin, inside = schema.tags.index("B-laboratory_values"), schema.tags.index("I-laboratory_values")
    labels = [begin, inside, 0, 0, 0, 0, begin, 0, 0, 0]
    found = tags.decode(certain(labels), text, offsets, schema)
    assert all(text[s.start : s.end] in ("Hb 7,1", "8.2", "Hb") for s in found) and found


def test_the_outside_bias_drops_doubtful_values_but_not_a_doubtful_age(schema: Schema) -> None:
    text, offsets = "flu 45", [(0, 3), (4, 6)]
    scores = np.full((2, len(schema.tags)), -9, np.float32)
    scores[:, 0] = [-1.0, -0.5]
    scores[0, schema.tags.index("B-diagnosis")] = -0.5
    scores[1, schema.tags.index("B-age")] = -1.0
    found = {bias: tags.decode(scores, text, offsets, schema, bias) for bias in (0.0, 1.0)}
    assert [span.category for span in found[0.0]] == ["diagnosis"]
    assert [span.category for span in found[1.0]] == ["age"]
    assert found[1.0][0].score == pytest.approx(np.exp(-1.0))


def test_no_text_no_values(schema: Schema) -> None:
    assert tags.decode(np.zeros((0, len(schema.tags)), np.float32), "", [], schema) == []


@given(st.lists(st.tuples(WORDS, GAPS), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_any_scores_give_disjoint_trimmed_values_of_whole_words_on_one_line(
    pieces: list[tuple[str, str]], seed: int
) -> None:
    text = "".join(word + gap for word, gap in pieces)
    offsets = tokens_of(text)
    scores = np.random.default_rng(seed).normal(size=(len(offsets), len(SCHEMA.tags))).astype(np.float32) * 3
    scores -= np.log(np.exp(scores).sum(1, keepdims=True))
    spans = tags.decode(scores, text, offsets, SCHEMA)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    for span in spans:
        value = text[span.start : span.end]
        assert value and value == value.strip() and "\n" not in value
        assert not (text[span.start - 1 : span.start].isalnum() and value[0].isalnum())
        assert not (text[span.end : span.end + 1].isalnum() and value[-1].isalnum())
        assert 0 <= span.score <= 1
    for key in ("age", "gender"):
        assert sum(span.category == key for span in spans) <= 1


@given(st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_the_path_is_the_best_of_all_allowed_ones(length: int, seed: int) -> None:
    """Against brute force over a schema of one category."""
    from itertools import product

    schema = load_schema("elmtex").model_copy(update={"category": SCHEMA.category[:1]})
    schema = Schema.model_validate(schema.model_dump())
    text = " ".join("w" * length)
    offsets = [(2 * i, 2 * i + 1) for i in range(length)]
    scores = np.random.default_rng(seed).normal(size=(length, 3)).astype(np.float32)
    allowed = [p for p in product(range(3), repeat=length) if all(t != 2 or (i and p[i - 1]) for i, t in enumerate(p))]
    best = max(allowed, key=lambda path: sum(float(scores[i, t]) for i, t in enumerate(path)))
    begins = [i for i, tag in enumerate(best) if tag == 1]
    assert [span.start for span in tags.decode(scores, text, offsets, schema)] == [2 * i for i in begins]
