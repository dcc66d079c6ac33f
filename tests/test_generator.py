"""The generator with a model: a small one with random weights, which writes whatever its grammar allows."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elmtex_batch import adapters, models
from elmtex_batch.choice import choose_model
from elmtex_batch.cli import main
from elmtex_batch.errors import InputMissing, ModelError, SettingsError
from elmtex_batch.generator.answering import Completion
from elmtex_batch.generator.asking import trained_format
from elmtex_batch.generator.decoding import Decoder
from elmtex_batch.generator.generator import Generator
from elmtex_batch.inputs import documents_of, hash_sources, list_sources
from elmtex_batch.models import LanguageModel
from elmtex_batch.reader import Answer, load_reader
from elmtex_batch.schema import Schema, load_schema
from elmtex_batch.settings import ModelSettings, OcrSettings, PageSettings, load_settings
from elmtex_batch.stages import Extract, NormaliseText, ReadAnswers, ReadPages
from elmtex_batch.summary import Summary

TEXTS = [
    "A 45-year-old man, a smoker, with type 2 diabetes, presented with chest pain for 2 hours.\nECG: ST elevation.",
    "Flu.",
    "Die 54-jährige Patientin klagt über Übelkeit; Kreatinin 1,7 mg/dl | CRP 9 mg/l.\n\nGicht. Gicht. Gicht.",
]
SCHEMA = load_schema("elmtex")


@pytest.fixture(scope="session")
def generators(llama: str) -> dict[str, Generator]:
    """One for each format, of the same random model."""
    model, tokenizer = models.load_language_model(llama, torch.float32), models.load_tokenizer(llama)
    return {
        kind: Generator(model, tokenizer, trained_format(kind, SCHEMA), kind, batch_answers=2)
        for kind in ("compact", "paper")
    }


@pytest.fixture
def completions(monkeypatch: pytest.MonkeyPatch) -> list[Completion]:
    """What the model wrote, before it is read back."""
    written: list[Completion] = []

    def record(*arguments: Any) -> list[Completion]:
        written.extend(found := decode(*arguments))
        return found

    decode = Decoder.decode
    monkeypatch.setattr(Decoder, "decode", record)
    return written


def close(a: Answer, b: Answer) -> bool:
    """The same but for rounding in the scores."""
    places = [[(s.category, s.start, s.end) for s in answer.spans] for answer in (a, b)]
    scores = [[s.score for s in answer.spans] + [u.score for u in answer.ungrounded] for answer in (a, b)]
    rest = [([u.value for u in answer.ungrounded], answer.cut_short) for answer in (a, b)]
    return places[0] == places[1] and rest[0] == rest[1] and scores[0] == pytest.approx(scores[1], abs=1e-3)


@pytest.mark.parametrize("kind", ["compact", "paper"])
def test_together_or_one_by_one_the_answers_are_the_same(kind: str, generators: dict[str, Generator]) -> None:
    together = generators[kind].read([*TEXTS, ""])
    assert together[-1] == Answer()
    alone = [generators[kind].read([text])[0] for text in TEXTS]
    assert all(close(*pair) for pair in zip(together, alone, strict=False))
    assert any(answer.spans or answer.ungrounded for answer in alone)


@settings(max_examples=12)
@given(st.lists(st.text('abc äß12.,;:|\n"\\-', max_size=60), min_size=1, max_size=3))
def test_whatever_the_text_every_compact_value_stands_in_it(generators: dict[str, Generator], texts: list[str]) -> None:
    for text, answer in zip(texts, generators["compact"].read(texts), strict=True):
        assert not answer.ungrounded
        for span in answer.spans:
            value = text[span.start : span.end]
            assert value.strip() == value != "" and not {"\n", "|"} & set(value) and 0 <= span.score <= 1


def test_the_papers_json_always_parses(generators: dict[str, Generator], completions: list[Completion]) -> None:
    answers = generators["paper"].read(TEXTS)
    for completion in completions:
        assert tuple(json.loads(completion.text)) == SCHEMA.keys
    assert any(answer.ungrounded for answer in answers)


def test_keys_are_written_without_asking_the_model(
    generators: dict[str, Generator], completions: list[Completion]
) -> None:
    generators["compact"].read(TEXTS)
    for completion in completions:
        for key in SCHEMA.keys:
            at = completion.text.index(f"{key}:")
            # Where no token was chosen, the score is 1 by definition; here no token at all may have been.
            assert completion.score(at, at + len(key) + 1) == 1.0
        sampled = sum(p is not None for p in completion.probabilities)
        assert len(SCHEMA.keys) <= sampled <= len(completion.probabilities) - 2 * len(SCHEMA.keys)


def test_a_long_text_is_read_in_windows(llama: str) -> None:
    text = "\n".join(f"Line {i} says cough {i} and fever {i}." for i in range(40))
    model, tokenizer = models.load_language_model(llama, torch.float32), models.load_tokenizer(llama)
    generator = Generator(model, tokenizer, trained_format("compact", SCHEMA), "x", window_tokens=64)
    (answer,) = generator.read([text])
    assert max(span.start for span in answer.spans) > len(text) // 2
    assert not answer.ungrounded and all("\n" not in text[span.start : span.end] for span in answer.spans)
    assert [span.start for span in answer.spans] == sorted(span.start for span in answer.spans)


def test_a_context_too_small_for_the_prompt_is_refused(llama: str) -> None:
    model = models.load_language_model(llama, torch.float32)
    model.backbone.config.max_position_embeddings = 400
    with pytest.raises(ModelError, match="too small a context"):
        Generator(model, models.load_tokenizer(llama), trained_format("paper", SCHEMA), "x")


def extract(texts: Sequence[str], folder: Path, reader: Generator) -> tuple[list[dict[str, Any]], Summary]:
    for i, text in enumerate(texts):
        (folder / f"{i}.txt").write_text(text, encoding="utf-8")
    table: pa.Table = documents_of(hash_sources(list_sources([str(folder)]), PageSettings()))
    stages = (
        ReadPages(PageSettings(), OcrSettings()), NormaliseText(10_000), ReadAnswers(lambda: reader),
        Extract(SCHEMA, reader.name, "run", "key"),
    )  # fmt: skip
    for stage in stages:
        table = stage(table)
    summary = Summary("run")
    summary.add(table)
    return table.to_pylist(), summary


@pytest.mark.parametrize("kind", ["compact", "paper"])
def test_values_of_all_kinds_reach_the_tables_and_are_counted(
    kind: str, generators: dict[str, Generator], tmp_path: Path
) -> None:
    rows, summary = extract(TEXTS, tmp_path, generators[kind])
    values = [(row["text"], value) for row in rows for values in row["extraction"].values() for value in values]
    lost = [value for _, value in values if value["start"] is None]
    assert (summary.values, summary.values_ungrounded) == (len(values), len(lost))
    assert bool(lost) is (kind == "paper")
    assert all(value["page"] is value["end"] is None and value["boxes"] == [] for value in lost)
    assert all(text[v["start"] : v["end"]] == v["value"] for text, v in values if v["start"] is not None)
    for row in rows:
        cut_short = "answer_cut_short" in [reason["code"] for reason in row["reasons"]]
        assert row["status"] == ("partial" if row["reasons"] else "extracted") and (cut_short or not row["reasons"])


def save_adapter(folder: Path, base: str, **more: Any) -> Path:
    """An adapter whose weights are random as well."""
    from peft import LoraConfig, get_peft_model

    backbone = models.load_language_model(base, torch.float32).backbone
    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(backbone, config).save_pretrained(str(folder))
    facts: dict[str, Any] = {
        "name": "mine", "reader": "generator", "schema_name": SCHEMA.label, "schema_fingerprint": SCHEMA.fingerprint,
        "base": base, "base_identity": base, "window_tokens": 256, "answer_format": "compact", "prompt_version": 1,
        "training": {}, "versions": {}, **more,
    }  # fmt: skip
    (folder / adapters.CARD).write_text(adapters.AdapterCard(**facts).model_dump_json())
    return folder


def test_an_adapter_is_loaded_and_checked(llama: str, tmp_path: Path, generators: dict[str, Generator]) -> None:
    own = ModelSettings(reader="generator", adapter=str(save_adapter(tmp_path, llama)), device="cpu")
    reader = load_reader(own, SCHEMA)
    assert reader.name == f"mine@{adapters.fingerprint(tmp_path)}/compact-1"
    assert reader.read(TEXTS) != generators["compact"].read(TEXTS)
    with pytest.raises(ModelError, match=r"trained for the generator; set model\.reader"):
        load_reader(own.model_copy(update={"reader": "tagger"}), SCHEMA)
    with pytest.raises(ModelError, match=r"set model\.prompt to finetuned"):
        choose_model(own.model_copy(update={"prompt": "naive"}), SCHEMA)
    save_adapter(tmp_path, llama, prompt_version=99)
    with pytest.raises(ModelError, match="another wording"):
        choose_model(own, SCHEMA)
    with pytest.raises(ValueError, match="a generator an answer format"):
        save_adapter(tmp_path, llama, answer_format=None)


def test_each_way_to_ask_has_its_name(tmp_path: Path, schema: Schema) -> None:
    examples = tmp_path / "examples.jsonl"
    examples.write_text("")
    naive = ModelSettings(reader="generator", prompt="naive")
    advanced = ModelSettings(reader="generator", prompt="advanced", examples=examples)
    assert choose_model(naive, schema).name == "gemma3-270m/naive-1"
    assert choose_model(naive.model_copy(update={"base": str(tmp_path)}), schema).name == f"{tmp_path.name}/naive-1"
    names = {choose_model(advanced.model_copy(update={"shots": shots}), schema).name for shots in (1, 2)}
    assert len(names) == 2 and all(name.startswith("gemma3-270m/advanced-1-") for name in names)
    with pytest.raises(InputMissing):
        choose_model(advanced.model_copy(update={"examples": tmp_path / "none"}), schema)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"model.prompt": "naive"}, "needs the reader generator"),
        ({"model.reader": "generator", "model.prompt": "advanced"}, "needs examples"),
    ],
)
def test_contradicting_settings_are_refused(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(None, overrides)


def test_the_command_line_names_reader_and_prompt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("A report.")
    convert = ["convert", str(tmp_path / "a.txt"), "--out", str(tmp_path / "out")]
    assert main([*convert, "--prompt", "naive"]) == 2
    monkeypatch.setattr(adapters, "BUNDLED", tmp_path)
    assert main([*convert, "--reader", "generator"]) == 5
    missing = [*convert, "--reader", "generator", "--prompt", "advanced", "--examples", str(tmp_path / "no.jsonl")]
    assert main(missing) == 4
    assert "no generator adapter is bundled" in capsys.readouterr().err


def test_the_advanced_prompt_shows_as_many_examples_as_fit(llama: str, tmp_path: Path) -> None:
    examples = tmp_path / "examples.jsonl"
    records = [
        {"id": str(i), "lang": "en", "text": f"Case {i}: flu. " + "word " * 200 * i, "labels": {"diagnosis": ["flu"]}}
        for i in range(4)
    ]
    examples.write_text("\n".join(map(json.dumps, records)))
    chosen = ModelSettings(reader="generator", prompt="advanced", examples=examples, base=llama, shots=4, device="cpu")
    reader = Generator.load(chosen, SCHEMA)
    (window,) = reader._cut("Case of flu.")
    prompt = models.load_tokenizer(llama).decode(window.prompt)
    assert 0 < prompt.count("Case") - 1 < 4 and '"diagnosis": "flu"' in prompt
    assert len(reader.read(["Case of flu."])) == 1


def test_the_bundled_generator_copies_what_it_finds() -> None:
    text = (
        "A 54-year-old man presented with chest pain for two hours. He had a history of hypertension. ECG showed ST "
        "elevation. He was given aspirin 300 mg. He was discharged in good condition."
    )
    reader = load_reader(ModelSettings(reader="generator", device="cpu"), SCHEMA)
    (answer,) = reader.read([text])
    found = {text[span.start : span.end] for span in answer.spans}
    assert {"54-year-old", "man", "aspirin 300 mg"} <= found and not answer.ungrounded
    assert reader.name.startswith("elmtex-gemma3-270m-g1@")


def test_an_untuned_base_model_answers_the_naive_prompt() -> None:
    """The real SmolLM2, which loads faster than Gemma: it understands what it is asked, if little more."""
    few = Schema(name="few", version=1, category=SCHEMA.category[:2])
    reader = load_reader(ModelSettings(reader="generator", prompt="naive", base="smollm2-135m", device="cpu"), few)
    (answer,) = reader.read([TEXTS[0]])
    found = {span.category: TEXTS[0][span.start : span.end] for span in answer.spans}
    assert reader.name == "smollm2-135m/naive-1" and found["life_style"] == "smoker"


def test_the_output_head_is_shared_with_the_embeddings(llama: str) -> None:
    model = models.load_language_model(llama, torch.float32)
    assert isinstance(model, LanguageModel) and model.head is model.backbone.get_input_embeddings().weight
    assert model.to(torch.bfloat16).head.dtype == torch.bfloat16
