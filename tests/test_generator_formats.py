"""The generator without a model: what it asks, what its grammars allow, how answers are read, grounded and ended."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elmtex_batch.generator import grammar, prompts
from elmtex_batch.generator.answering import Answering, Draft
from elmtex_batch.generator.asking import trained_format
from elmtex_batch.generator.budget import Budget
from elmtex_batch.generator.formats import AnswerFormat, Open
from elmtex_batch.generator.grounding import ground
from elmtex_batch.generator.head import choose
from elmtex_batch.generator.retrieval import Retriever, sentence_embedding, words_in_common
from elmtex_batch.generator.tokens import GrammarTokens
from elmtex_batch.models import load_tokenizer
from elmtex_batch.reader import Span, Ungrounded
from elmtex_batch.schema import Schema
from elmtex_batch.training.data import Report

TEXT = 'Frau M., 54 Jahre: "Übelkeit" seit 2,5 Tagen.\nAsthma | Gicht; Asthma bronchiale, RR 150/100 mmHg.'
LABELS = {
    "age": ["54 Jahre"],
    "gender": ["Frau"],
    "signs_symptoms": ['"Übelkeit" seit 2,5 Tagen', "RR 150/100 mmHg"],
    "comorbidities": ["Asthma", "Gicht"],
}


@pytest.fixture(scope="session")
def tokenizer() -> object:
    return load_tokenizer("smollm2-135m")


@pytest.fixture(scope="session")
def tokens(tokenizer: object) -> GrammarTokens:
    return GrammarTokens(tokenizer)


def values(form: AnswerFormat, answer: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for written in form.parse(answer):
        found.setdefault(written.category, []).append(written.value)
    return found


@pytest.mark.parametrize("kind", ["compact", "paper"])
def test_the_right_answer_is_allowed_and_read_back(
    kind: str, schema: Schema, tokens: GrammarTokens, tokenizer: object
) -> None:
    form = trained_format(kind, schema)
    prompt, answer = form.example(TEXT, LABELS, tokenizer)
    assert TEXT in tokenizer.decode(prompt)  # type: ignore[attr-defined]
    assert tokenizer.decode(answer[:-1]) == form.target(LABELS)  # type: ignore[attr-defined]
    matcher = tokens.matcher(form.grammar(TEXT))
    assert matcher.try_consume_tokens(answer[:-1]) == len(answer) - 1
    assert matcher.is_stopped() and not matcher.is_error()
    assert values(form, form.target(LABELS)) == LABELS
    for written in form.parse(form.target(LABELS)):
        assert form.target(LABELS)[written.start : written.end].replace("\\", "") == written.value


@given(st.dictionaries(st.sampled_from(["age", "diagnosis"]), st.lists(st.text(min_size=1), max_size=3)))
def test_the_papers_target_is_json_whatever_the_labels(labels: dict[str, list[str]]) -> None:
    from elmtex_batch.schema import load_schema

    schema = load_schema("elmtex")
    parsed = json.loads(trained_format("paper", schema).target(labels))
    assert tuple(parsed) == schema.keys and parsed["pathology"] == "N/A"


@pytest.mark.parametrize(
    "line",
    [
        " Asthmatics\n",
        " sthma\n",
        " 2\n",
        " Tagen. Asthma\n",
        " Asthma |\n",
        " Asthma | Gicht |",
        " Gicht,\n",
        " | Gicht\n",
    ],
)
def test_a_compact_value_is_whole_words_of_one_line(line: str, schema: Schema, tokens: GrammarTokens) -> None:
    matcher = tokens.matcher(grammar.compact(schema, TEXT))
    allowed = tokens.tokenizer.tokenize_str(f"{schema.keys[0]}: Asthma | 54 Jahre\n{schema.keys[1]}:")
    assert matcher.consume_tokens(allowed)
    ids = tokens.tokenizer.tokenize_str(line + f"{schema.keys[2]}:")
    assert matcher.try_consume_tokens(ids) < len(ids)


def test_a_category_of_one_value_has_no_second(schema: Schema, tokens: GrammarTokens) -> None:
    matcher = tokens.matcher(grammar.compact(schema, TEXT))
    before = "".join(f"{key}:\n" for key in schema.keys[: schema.keys.index("age")])
    ids = tokens.tokenizer.tokenize_str(before + "age: 54 Jahre |")
    assert matcher.try_consume_tokens(ids) == len(ids) - 1


def test_labels_that_no_grammar_lets_a_model_write_are_not_trained_on(schema: Schema, tokenizer: object) -> None:
    form = trained_format("compact", schema)
    labels = {"diagnosis": ["Gicht;", "sthma", "Asthma | Gicht", "flu"]}
    assert form.learnable(TEXT, labels)["diagnosis"] == ["Gicht"]


def test_the_advanced_prompt_shows_what_fields_mean_and_examples(schema: Schema) -> None:
    prompt = prompts.advanced(schema, "my question", [("an example", "its answer")])
    assert prompt.startswith(prompts.naive(schema, "")[:100]) and schema.category[3].description in prompt
    assert prompt.index("an example") < prompt.index("its answer") < prompt.index("my question")


@pytest.mark.parametrize(
    ("kind", "answer", "expected"),
    [
        ("compact", "life_style: a b | c", Open("life_style", ("a b",), "c")),
        ("compact", "life_style:\nfamily_hi", None),
        ("paper", '{"age": "', Open("age", (), "")),
        ("paper", '{"age": "a; \\"b; c', Open("age", ("a", '\\"b'), "c")),
        ("paper", '{"age": "a\\\\", "gender', None),
    ],
)
def test_where_an_unfinished_answer_stands(kind: str, answer: str, expected: Open | None, schema: Schema) -> None:
    assert trained_format(kind, schema).open(answer) == expected


def test_values_take_their_occurrences_in_order_and_once() -> None:
    text = "Pain. No fever. Pain in the leg, FEVER  again; pain"
    answer = ground(
        [("a", "Pain", 0.9), ("a", "fever again", 0.8), ("b", "Pain", 0.7), ("a", "Pain", 0.1), ("a", "ain", 0.5)], text
    )
    assert [(text[s.start : s.end], s.start, s.category) for s in answer.spans] == [
        ("Pain", 0, "a"), ("Pain", 16, "b"), ("FEVER  again", 33, "a"),
    ]  # fmt: skip
    assert answer.ungrounded == (Ungrounded("a", "ain", 0.5),)
    assert ground([("a", "flu", 1.0)], "flu").spans == (Span("a", 0, 3, 1.0),)


@pytest.mark.parametrize("allowed", [3, 700])
def test_only_the_allowed_tokens_count(allowed: int) -> None:
    """With few of them, their rows of the head are picked out; with many, the whole head is used."""
    generator = torch.Generator().manual_seed(allowed)
    states, head = (torch.randn(rows, 16, generator=generator) for rows in (4, 1000))
    forbidden = torch.ones(4, 1000, dtype=torch.bool)
    for row in forbidden:
        row[torch.randperm(1000, generator=generator)[:allowed]] = False
    bits = np.zeros((4, 1024), np.uint8)
    bits[:, :1000] = ~forbidden.numpy()
    masks = np.packbits(bits, axis=1, bitorder="little").view(np.int32)
    expected = (states @ head.T).masked_fill(forbidden, -torch.inf).softmax(-1).max(-1)
    found = choose(states, head, masks)
    assert [token for token, _ in found] == expected.indices.tolist()
    assert [p for _, p in found] == pytest.approx(expected.values.tolist())


def dictate(form: AnswerFormat, tokens: GrammarTokens, text: str, wanted: Mapping[str, str], budget: int) -> Answering:
    """Writes an answer with a model that would put `wanted` behind the keys, and otherwise ends every category."""
    answering = Answering(tokens, form, text, [], Budget(form.schema, budget))
    while not answering.is_done:
        masks = tokens.masks([(answering.matcher, [])])
        allowed = np.flatnonzero(np.unpackbits(masks.view(np.uint8), bitorder="little")).tolist()
        written = answering.completion.text
        key, _, begun = written[written.rfind("\n") + 1 :].partition(":")
        rest = wanted.get(key, "")[len(begun) :].encode()
        choices = [t for t in allowed if rest and rest.startswith(tokens.bytes_of(t))]
        choice = max(choices, key=lambda t: len(tokens.bytes_of(t))) if choices else allowed[0]
        answering.settle(Draft([], [0]), [(choice, 0.5)], masks)
    return answering


@pytest.mark.parametrize(
    ("wanted", "budget", "expected", "cut_short"),
    [
        (" Asthma | Gicht\n", 1000, ["Asthma", "Gicht"], False),
        (" Asthma | Gicht | Asthma | Frau\n", 1000, ["Asthma", "Gicht", "Asthma", "Frau"], False),
        (
            " Asthma | Gicht | Asthma | Gicht | Asthma | Frau\n",
            1000,
            ["Asthma", "Gicht", "Asthma", "Gicht", "Asthma"],
            True,
        ),
        (" Asthma bronchiale | Gicht | Frau\n", 5, ["Asthma"], True),
    ],
)
def test_repetition_and_budget_end_a_list(
    wanted: str, budget: int, expected: Sequence[str], cut_short: bool, schema: Schema, tokens: GrammarTokens
) -> None:
    form = trained_format("compact", schema)
    completion = dictate(form, tokens, TEXT, {schema.keys[0]: wanted}, budget).completion
    assert values(form, completion.text).get(schema.keys[0]) == expected
    assert completion.cut_short is cut_short
    assert completion.text.count("\n") == len(schema.keys)


def test_a_value_that_goes_round_in_circles_is_ended(schema: Schema) -> None:
    budget = Budget(schema, 100)
    assert budget.is_spent(Open("diagnosis", (), "very bad " * 4), 10)
    assert not budget.is_spent(Open("diagnosis", (), "very bad " * 3), 10)
    assert budget.is_spent(Open("age", (), "1" * 61), 10) and budget.is_spent(Open("age", (), ""), 100)
    assert not budget.allows_another(Open("age", (), "54 Jahre"))


def reports() -> list[Report]:
    texts = [
        "asthma and cough with wheezing",
        "fracture of the hip after a fall",
        "cough, wheezing and fever, asthma known",
    ]
    return [Report(str(i), "en", text, {}) for i, text in enumerate(texts)]


def test_the_nearest_reports_are_never_the_report_itself() -> None:
    retriever = Retriever(reports(), words_in_common([report.text for report in reports()]))
    assert [r.id for r in retriever.nearest("wheezing and cough", 2)] == ["0", "2"]
    assert [r.id for r in retriever.nearest(reports()[0].text + "\n", 3)] == ["2", "1"]


def test_reports_can_be_likened_by_an_embedding_model(tiny_base: str, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(tmp_path)
    AutoModel.from_pretrained(tiny_base).save_pretrained(tmp_path)
    likeness = sentence_embedding(str(tmp_path), "cpu")
    alone, together = likeness([reports()[0].text]), likeness([report.text for report in reports()])
    np.testing.assert_allclose(together[0], alone[0], atol=1e-5)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1)
    assert {r.id for r in Retriever(reports(), likeness).nearest("asthma and cough with  wheezing", 3)} == {"1", "2"}
