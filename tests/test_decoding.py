"""Batched, drafted decoding writes what a plain loop would: one document, one token, one whole pass at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from elmtex_batch import models
from elmtex_batch.generator.answering import Answering, Completion
from elmtex_batch.generator.asking import trained_format
from elmtex_batch.generator.attention import Piece
from elmtex_batch.generator.budget import Budget
from elmtex_batch.generator.decoding import Decoder
from elmtex_batch.generator.formats import AnswerFormat, prompt_ids
from elmtex_batch.generator.packing import PackedLinear, pack_linears
from elmtex_batch.generator.sequences import Sequences
from elmtex_batch.generator.tokens import GrammarTokens
from elmtex_batch.models import LanguageModel
from elmtex_batch.schema import Schema, load_schema

FEW = Schema(name="few", version=1, category=load_schema("elmtex").category[:5])
REPORTS = (Path(__file__).parent.parent / "sample_inputs" / "en_case_kawasaki.txt").read_text(encoding="utf-8")
BUDGET = 40


def documents() -> list[str]:
    """Texts of many lengths, the first empty of values, with repetitions to copy from."""
    lines = [line for line in REPORTS.splitlines() if line.strip()]
    return ["--", *(" ".join(lines[i % len(lines)].split()[: 5 + 14 * i]) + " Fever. Fever | rash." for i in range(7))]


def as_tokens(completion: Completion) -> tuple[list[int], list[bool], bool]:
    return completion.tokens, [p is None for p in completion.probabilities], completion.cut_short


@dataclass
class Plain:
    """Grammar-bound greedy decoding as its definition says, without cache, batch or draft."""

    model: LanguageModel
    tokens: GrammarTokens
    form: AnswerFormat

    @torch.inference_mode()
    def write(self, text: str, prompt: Sequence[int], budget: Budget) -> Completion:
        completion, matcher = Completion(), self.tokens.matcher(self.form.grammar(text))
        closer = self.tokens.token_of(self.form.closer)

        def append(token: int, probability: float | None) -> None:
            assert matcher.consume_token(token)
            completion.add(token, self.tokens.bytes_of(token), probability)

        while True:
            for token in matcher.compute_ff_tokens():
                append(token, None)
            if matcher.is_stopped():
                return completion
            ids = torch.tensor([[*prompt, *completion.tokens]])
            scores = self.model.backbone(ids, use_cache=False).last_hidden_state[0, -1] @ self.model.head.T
            bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
            allowed = torch.from_numpy(bits[: len(scores)].astype(bool))
            at = self.form.open(completion.text)
            if at and budget.is_spent(at, len(completion.tokens)) and allowed[closer]:
                allowed, completion.cut_short = torch.arange(len(scores)) == closer, True
            probability, choice = scores.masked_fill(~allowed, -torch.inf).softmax(-1).max(-1)
            content = self.tokens.bytes_of(int(choice))
            before, separator, _ = content.partition(self.form.separator.encode())
            at = self.form.open((completion.content + before).decode(errors="ignore")) if separator else None
            if at and not budget.allows_another(at) and allowed[closer]:
                choice, completion.cut_short = torch.tensor(closer), True
            append(int(choice), float(probability))


class Case:
    """A model with some documents, and what the plain loop makes of them."""

    def __init__(self, model: LanguageModel, tokenizer: object, kind: str, texts: Sequence[str]) -> None:
        self.model, self.form, self.tokens = model, trained_format(kind, FEW), GrammarTokens(tokenizer)
        self.budget = Budget(FEW, BUDGET)
        self.prompts = [(text, prompt_ids(tokenizer, self.form.prompt(text))) for text in texts]
        plain = Plain(model, self.tokens, self.form)
        self.expected = [plain.write(text, prompt, self.budget) for text, prompt in self.prompts]

    def answers(self) -> Iterator[Answering]:
        return (Answering(self.tokens, self.form, text, prompt, self.budget) for text, prompt in self.prompts)

    def check(self, rows: int, guesses: int, *, together: bool = False) -> None:
        decoder = Decoder(self.model, self.tokens, rows, guesses, together=together)
        for _ in range(2):  # the second time in rows that hold the sequences of the first
            for found, expected in zip(decoder.decode(self.answers()), self.expected, strict=True):
                assert as_tokens(found) == as_tokens(expected)
                chosen = [p for p in found.probabilities if p is not None]
                assert chosen == pytest.approx([p for p in expected.probabilities if p is not None], abs=1e-4)


@pytest.fixture(scope="module", params=[("llama", "compact"), ("gemma", "compact"), ("gemma", "paper")])
def case(request: pytest.FixtureRequest) -> Case:
    base, kind = request.param
    folder = request.getfixturevalue(base)
    return Case(models.load_language_model(folder, torch.float32), models.load_tokenizer(folder), kind, documents())


@pytest.mark.parametrize(("rows", "guesses"), [(1, 0), (1, 9), (3, 1), (16, 4)])
def test_drafts_and_neighbours_change_no_token(case: Case, rows: int, guesses: int) -> None:
    case.check(rows, guesses)
    assert any(completion.cut_short for completion in case.expected)


def test_short_pieces_attended_to_together_as_on_a_gpu_change_no_token(case: Case) -> None:
    case.check(3, 4, together=True)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("kind", ["llama", "gemma"])
def test_a_ragged_pass_sees_what_each_sequence_alone_sees(
    kind: str, together: bool, request: pytest.FixtureRequest
) -> None:
    model, plain = (models.load_language_model(request.getfixturevalue(kind), torch.float32) for _ in range(2))
    rows = [list(range(100, 109)), list(range(200, 205)), list(range(300, 320))]
    sequences = Sequences(model, 5, together=together)
    sequences.read([Piece(0, 0, rows[0][:2]), Piece(3, 0, rows[2][:7])])
    sequences.read([Piece(0, 2, [7, 8, 9])])  # a draft that is rejected
    sequences.read([Piece(3, 7, rows[2][7:]), Piece(1, 0, rows[1][:1]), Piece(0, 2, rows[0][2:])])
    states = sequences.read([Piece(1, 1, rows[1][1:]), Piece(3, 18, rows[2][18:]), Piece(0, 8, rows[0][8:])])
    with torch.inference_mode():
        for row, state in zip([rows[1], rows[2], rows[0]], states[[3, 5, 6]], strict=True):
            # Both with transformers' own attention and with ours, which a model keeps once it has decoded.
            for reference in (plain, model):
                alone = reference.backbone(torch.tensor([row])).last_hidden_state[0, -1]
                torch.testing.assert_close(state, alone, atol=1e-4, rtol=1e-4)


def test_packed_layers_compute_the_same_bits() -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(40, 24, bias=False), torch.nn.Linear(24, 8)).to(torch.bfloat16)
    x = torch.randn(5, 7, 40, dtype=torch.bfloat16)
    with torch.inference_mode():
        expected = layers(x)
        pack_linears(layers)
        assert torch.equal(layers(x), expected)
    assert [type(layer) for layer in layers] == [PackedLinear, torch.nn.Linear]
