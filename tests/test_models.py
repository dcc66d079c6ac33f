"""Base models as encoders: what they load, what they refuse, and that padding and batching change nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from elmtex_batch.errors import ModelError
from elmtex_batch.models import FullAttention, choose_compute, load_backbone, load_tokenizer
from elmtex_batch.schema import Schema
from elmtex_batch.tagger import Tagger, TaggerModel, Tokens

IDS = torch.tensor([[5, 9, 30, 7, 0, 0], [8, 6, 5, 40, 41, 42]])
LENGTHS = torch.tensor([4, 6])


def tiny_gemma() -> FullAttention:
    """A randomly initialised Gemma 3 with a window of three tokens in one of its two layers."""
    from transformers import Gemma3TextConfig, Gemma3TextModel

    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, sliding_window=3, layer_types=["sliding_attention", "full_attention"],
    )  # fmt: skip
    return FullAttention(Gemma3TextModel(config)).eval()


def test_a_tagger_that_has_read_enough_compiles_its_layers_and_reads_the_same(tiny_base: str, schema: Schema) -> None:
    torch.manual_seed(0)
    model = TaggerModel(load_backbone(tiny_base, torch.float32), len(schema.tags))
    tokens = Tokens(load_tokenizer(tiny_base), 64)
    texts = ["A 54-year-old man with gout.", "Frau B. klagt seit drei Tagen über Husten, kein Fieber. " * 4]
    plain = Tagger(model, tokens, schema, "tiny", 256).read(texts)
    compiling = Tagger(model, tokens, schema, "tiny", 256, compile_after=120)
    assert compiling.read(texts[:1]) == plain[:1] and not counters["stats"]
    later = compiling.read(texts)
    assert counters["stats"]["calls_captured"] > 0
    for answer, expected in zip(later, plain, strict=True):
        assert [(s.category, s.start, s.end) for s in answer.spans] == [
            (s.category, s.start, s.end) for s in expected.spans
        ]
        assert [s.score for s in answer.spans] == pytest.approx([s.score for s in expected.spans], rel=1e-3)
        assert expected.spans


class Scripted(torch.nn.Module):
    """Finds words of one text as likely as told: {word: (category, logit)}, where outside has a logit of 0."""

    def __init__(self, tokens: Tokens, text: str, schema: Schema, words: dict[str, tuple[str, float]]) -> None:
        super().__init__()
        self.device_of = torch.nn.Parameter(torch.zeros(1))
        (window,) = tokens.windows(text)
        self.logits = torch.full((1, len(window.ids), len(schema.tags)), -20.0)
        self.logits[..., 0] = 0.0
        for word, (category, logit) in words.items():
            begin = text.index(word)
            touched = [i for i, (a, b) in enumerate(window.offsets) if a < begin + len(word) and b > begin]
            for position, i in enumerate(touched):
                tag = schema.tags.index(f"{'I' if position else 'B'}-{category}")
                self.logits[0, len(tokens.prefix) + i, tag] = logit

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.logits


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ({"2019": ("age", -1.0), "54": ("age", -3.0)}, {"age": "54"}),  # a year is no age, however likely
        ({"54": ("age", -12.0)}, {}),
        ({"She": ("gender", -4.0), "woman": ("gender", 3.0)}, {"gender": "woman"}),
        ({"She": ("gender", -4.0)}, {"gender": "She"}),
        ({"woman": ("gender", -2.0), "old woman": ("diagnosis", 4.0)}, {"diagnosis": "old woman"}),
        ({"gout": ("diagnosis", -2.0)}, {}),
    ],
)
def test_a_missing_age_or_gender_is_the_likeliest_that_can_be_one(
    words: dict[str, tuple[str, float]], found: dict[str, str], tiny_base: str, schema: Schema
) -> None:
    text = "In 2019 a 54 years old woman had gout. She recovered."
    tokens = Tokens(load_tokenizer(tiny_base), 64)
    model: Any = Scripted(tokens, text, schema, words)
    (answer,) = Tagger(model, tokens, schema, "scripted", 256).read([text])
    assert {span.category: text[span.start : span.end] for span in answer.spans} == found
    assert all(span.score < 0.5 for span in answer.spans if words[text[span.start : span.end]][1] < 0)


@pytest.mark.parametrize("kind", ["llama", "gemma"])
def test_padding_changes_nothing_and_every_token_sees_all_others(kind: str, tiny_base: str) -> None:
    encoder = tiny_gemma() if kind == "gemma" else FullAttention(load_backbone(tiny_base, torch.float32))
    with torch.inference_mode():
        together = encoder(IDS, LENGTHS)
        alone = encoder(IDS[:1, :4], LENGTHS[:1])
        changed = encoder(torch.tensor([[5, 9, 30, 8]]), LENGTHS[:1])
    assert torch.isfinite(together).all()
    torch.testing.assert_close(together[0, :4], alone[0], atol=1e-5, rtol=1e-4)
    # The last token is another one: with a causal mask the first would not notice.
    assert (changed[0, 0] - alone[0, 0]).abs().max() > 1e-4


def test_the_embedded_base_is_the_real_model() -> None:
    """The smaller of the two, out of its package: it knows the language that it was trained on."""
    tokenizer = load_tokenizer("smollm2-135m")
    backbone = load_backbone("smollm2-135m", torch.float32)
    ids = tokenizer("The patient was admitted to the", return_tensors="pt").input_ids
    with torch.inference_mode():
        states = backbone(ids).last_hidden_state[0, -1]
        scores = states @ backbone.get_input_embeddings().weight.T
    assert " hospital" in tokenizer.batch_decode(scores.topk(3).indices[:, None])


def test_other_architectures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2", "vocab_size": 8}))
    with pytest.raises(ModelError, match="of type gpt2; supported: gemma3_text, llama"):
        load_backbone(str(tmp_path), torch.float32)


def test_a_missing_base_names_the_embedded_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="smollm2-135m, gemma3-270m"):
        load_backbone(str(tmp_path / "nothing"), torch.float32)


@pytest.mark.skipif(torch.cuda.is_available(), reason="only says no where there is none")
def test_cuda_is_not_promised_where_there_is_none() -> None:
    with pytest.raises(ModelError, match=r"set model\.device"):
        choose_compute("cuda")
    assert choose_compute("auto").device.type == "cpu"
