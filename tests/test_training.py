import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from elmtex_batch.adapters import fingerprint, read_card
from elmtex_batch.cli import main
from elmtex_batch.errors import InputMissing, ModelError, SettingsError
from elmtex_batch.generator.generator import Generator
from elmtex_batch.models import choose_compute, hidden_states, load_backbone, load_tokenizer
from elmtex_batch.reader import Answer
from elmtex_batch.schema import Schema, load_schema
from elmtex_batch.settings import ModelSettings
from elmtex_batch.tagger import Tagger
from elmtex_batch.tags import IGNORED, Gold
from elmtex_batch.training.average import average_adapters
from elmtex_batch.training.batches import Example, epoch_batches, groups
from elmtex_batch.training.data import Report, place, read_reports, split_by_patient
from elmtex_batch.training.loop import learning_rate
from elmtex_batch.training.settings import LoraSettings, OptimiserSettings, TrainSettings, VariationSettings
from elmtex_batch.training.speed import quicken, simplify
from elmtex_batch.training.tagging import Tagging
from elmtex_batch.training.trainer import train
from elmtex_batch.training.variation import Swaps

REPORTS = [
    {
        "id": f"r{i}",
        "lang": "en",
        "text": f"A {30 + i}-year-old {sex} had {illness} and was given {drug}.",
        "labels": {
            "age": [f"{30 + i}-year-old"], "gender": [sex], "diagnosis": [illness], "pharmacological_therapy": [drug],
        },
    }
    for i, (sex, illness, drug) in enumerate(
        [("man", "asthma", "salbutamol"), ("woman", "gout", "colchicine"), ("man", "acute flu", "oseltamivir 75 mg")]
    )
]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(map(json.dumps, REPORTS)), encoding="utf-8")
    return path


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    """Other patients with the same few words."""
    path = tmp_path / "dev.jsonl"
    text = "In clinic we saw a 32-year-old man with gout; he was given colchicine."
    labels = {"age": ["32-year-old"], "gender": ["man"], "diagnosis": ["gout"]}
    path.write_text(json.dumps({"id": "dev", "lang": "en", "text": text, "labels": labels}), encoding="utf-8")
    return path


def settings(data: Path, out: Path, base: str, epochs: int = 30, averaged: float = 0.0, **more: Any) -> TrainSettings:
    optimiser = OptimiserSettings(epochs=epochs, batch_tokens=60, learning_rate=1e-2, averaged=averaged)
    return TrainSettings(
        name="tiny", data=(data,), out=out, base=base, device="cpu", compile=False, optimiser=optimiser, **more
    )


def weights(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("adapter_model.safetensors", "head.safetensors")]


def test_a_trained_adapter_reads_what_it_learned(
    data: Path, dev: Path, tmp_path: Path, tiny_base: str, schema: Schema
) -> None:
    entries: list[dict[str, Any]] = []
    folder = train(settings(data, tmp_path / "run", tiny_base, dev=dev), entries.append)
    assert [entry["epoch"] for entry in entries if "epoch" in entry] == list(range(1, 31))
    assert entries[-1]["dev_relaxed_f1"] >= entries[-2]["dev_relaxed_f1"]
    assert read_card(folder).outside_bias == entries[-1]["outside_bias"]
    reader = Tagger.load(ModelSettings(adapter=str(folder), device="cpu"), schema)
    texts = [str(report["text"]) for report in REPORTS]
    answers = reader.read([texts[1], "", *texts])
    assert answers[1] == Answer() and answers[0] == answers[3]
    found = {span.category: texts[1][span.start : span.end] for span in answers[0].spans}
    assert found["age"] == "31-year-old" and found["gender"] == "woman"


@pytest.mark.parametrize("answer_format", ["compact", "paper"])
def test_a_trained_generator_writes_what_it_learned(
    answer_format: Literal["compact", "paper"], data: Path, tmp_path: Path, tiny_base: str, schema: Schema
) -> None:
    chosen = settings(data, tmp_path / "run", tiny_base, 45, reader="generator", answer_format=answer_format)
    folder = train(chosen, lambda _: None)
    reader = Generator.load(ModelSettings(reader="generator", adapter=str(folder), device="cpu"), schema)
    text = str(REPORTS[0]["text"])
    (answer,) = reader.read([text])
    found = {span.category: text[span.start : span.end] for span in answer.spans}
    assert found == {
        "age": "30-year-old", "gender": "man", "diagnosis": "asthma", "pharmacological_therapy": "salbutamol"
    }  # fmt: skip


def test_an_adapter_is_refused_for_another_schema_or_older_software(data: Path, tmp_path: Path, tiny_base: str) -> None:
    folder = train(settings(data, tmp_path / "run", tiny_base, epochs=1), lambda _: None)
    card = read_card(folder)
    assert card.base == tiny_base and card.versions["peft"]
    with pytest.raises(ModelError, match="trained for the schema elmtex/1"):
        Tagger.load(ModelSettings(adapter=str(folder), device="cpu"), load_schema("radiology"))
    later = card.model_copy(update={"versions": {"peft": "99.0"}})
    (folder / "elmtex.json").write_text(later.model_dump_json())
    with pytest.raises(ModelError, match=r"made with peft 99\.0"):
        Tagger.load(ModelSettings(adapter=str(folder), device="cpu"), load_schema("elmtex"))


def test_a_killed_training_goes_on_to_the_same_result(data: Path, tmp_path: Path, tiny_base: str) -> None:
    """Stopped in its second epoch, dropout and optimiser state included."""

    class Killed(Exception):
        pass

    def kill_after_first_epoch(entry: dict[str, Any]) -> None:
        if entry.get("epoch") == 1:
            raise Killed

    whole = train(settings(data, tmp_path / "whole", tiny_base, epochs=3), lambda _: None)
    with pytest.raises(Killed):
        train(settings(data, tmp_path / "parts", tiny_base, epochs=3), kill_after_first_epoch)
    resumed: list[dict[str, Any]] = []
    parts = train(settings(data, tmp_path / "parts", tiny_base, epochs=3), resumed.append)
    assert any("resumed_at_step" in entry for entry in resumed)
    assert weights(whole) == weights(parts)
    with pytest.raises(SettingsError, match="other settings"):
        train(settings(data, tmp_path / "parts", tiny_base, epochs=4), resumed.append)


def test_the_adapter_is_the_average_of_the_last_steps(data: Path, tmp_path: Path, tiny_base: str) -> None:
    """Of one step it is that step's weights; of all steps it is none of them; and a resumed training has the same."""
    last = train(settings(data, tmp_path / "last", tiny_base, 3), lambda _: None)
    one, every = (
        settings(data, tmp_path / name, tiny_base, 3, averaged=share) for name, share in (("one", 0.01), ("every", 1.0))
    )
    assert weights(train(one, lambda _: None)) == weights(last)
    mean = weights(train(every, lambda _: None))
    assert mean != weights(last)
    assert weights(train(every, lambda _: None)) == mean


def test_values_and_tokens_vary_from_epoch_to_epoch(data: Path, tmp_path: Path, tiny_base: str, schema: Schema) -> None:
    variation = VariationSettings(swapped_values=1.0, dropped_tokens=0.3)
    chosen = settings(data, tmp_path / "run", tiny_base, 2, variation=variation)
    reports = read_reports(data, schema)
    first, second = (Tagging(chosen, schema, choose_compute("cpu"), reports) for _ in range(2))
    assert first.examples(0) == second.examples(0) != first.examples(1)
    plain = Tagging(settings(data, tmp_path / "run", tiny_base), schema, choose_compute("cpu"), reports)
    unknown = load_tokenizer(tiny_base).eos_token_id
    seen, whole = ([i for example in task.examples(0) for i in example.ids] for task in (first, plain))
    assert unknown not in whole and 0.1 < seen.count(unknown) / len(seen) < 0.5


def test_values_give_way_to_others_of_their_category(schema: Schema) -> None:
    texts = ["Gout in a man, given colchicine.", "Asthma in a woman, given salbutamol twice."]
    golds = [
        [Gold("diagnosis", 0, 4), Gold("gender", 10, 13), Gold("pharmacological_therapy", 21, 31)],
        [Gold("diagnosis", 0, 6), Gold("gender", 12, 17), Gold("pharmacological_therapy", 25, 41)],
    ]
    placed = list(zip(texts, golds, strict=True))
    swaps = Swaps(schema, [("en", one) for one in placed], 1.0)
    found = set()
    for seed in range(20):
        text, moved = swaps.swap("en", placed[0], random.Random(seed))
        found.add(text)
        assert [gold.category for gold in moved] == [gold.category for gold in golds[0]]
        values = [text[gold.start : gold.end] for gold in moved]
        assert values[0] in {"Gout", "Asthma"} and values[1] == "man"
        assert text == f"{values[0]} in a man, given {values[2]}."
    assert len(found) == 4
    assert swaps.swap("de", placed[0], random.Random(0)) == placed[0]


def test_two_workers_of_ray_train_what_one_process_trains(data: Path, tmp_path: Path, tiny_base: str) -> None:
    chosen: dict[str, Any] = {"data": data, "base": tiny_base, "epochs": 3}
    alone = train(settings(out=tmp_path / "alone", **chosen), lambda _: None)
    together = train(settings(out=tmp_path / "together", workers=2, **chosen), lambda _: None)
    assert read_card(together) == read_card(alone)
    for name in ("adapter_model.safetensors", "head.safetensors"):
        first, second = load_file(alone / name), load_file(together / name)
        assert all(torch.allclose(first[key], second[key], atol=2e-3) for key in first)
    entries = [json.loads(line) for line in (tmp_path / "together" / "log.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in entries if "epoch" in entry] == [1, 2, 3]
    with pytest.raises(SettingsError, match="at least the number of workers"):
        train(settings(out=tmp_path / "more", workers=3, **chosen), lambda _: None)


def test_a_training_goes_on_from_an_adapter(data: Path, tmp_path: Path, tiny_base: str) -> None:
    first = train(settings(data, tmp_path / "first", tiny_base, epochs=2), lambda _: None)
    still = OptimiserSettings(epochs=1, learning_rate=1e-12)
    start: dict[str, Any] = {"data": (data,), "name": "next", "base": tiny_base, "start": str(first), "compile": False}
    second = train(TrainSettings(out=tmp_path / "second", optimiser=still, **start), lambda _: None)
    assert weights(first) == weights(second)
    with pytest.raises(ModelError, match="another rank"):
        train(TrainSettings(out=tmp_path / "third", lora=LoraSettings(rank=4), **start), lambda _: None)
    with pytest.raises(ModelError, match="other layers"):
        train(TrainSettings(out=tmp_path / "fourth", lora=LoraSettings(targets=("q_proj",)), **start), lambda _: None)


def test_adapters_of_one_path_are_averaged(data: Path, tmp_path: Path, tiny_base: str, schema: Schema) -> None:
    first = train(settings(data, tmp_path / "first", tiny_base, epochs=1), lambda _: None)
    second = train(settings(data, tmp_path / "second", tiny_base, epochs=2, start=str(first)), lambda _: None)
    folder = average_adapters([first, second], tmp_path / "mean", "mean", 0.5)
    name = "head.safetensors"
    head, one, two = (load_file(f / name)["weight"].float() for f in (folder, first, second))
    assert torch.allclose(head, (one + two) / 2, atol=1e-2) and not torch.equal(one, two)
    card = read_card(folder)
    assert (card.name, card.outside_bias, len(card.training["average_of"])) == ("mean", 0.5, 2)
    assert Tagger.load(ModelSettings(adapter=str(folder), device="cpu"), schema).name == f"mean@{fingerprint(folder)}"
    other = train(settings(data, tmp_path / "other", tiny_base, epochs=1, window_tokens=512), lambda _: None)
    with pytest.raises(ModelError, match="same reader"):
        average_adapters([first, other], tmp_path / "none", "none", 0.0)


def test_development_reports_among_the_training_reports_are_refused(data: Path, tmp_path: Path, tiny_base: str) -> None:
    with pytest.raises(SettingsError, match="3 development reports are in the training data"):
        train(settings(data, tmp_path / "run", tiny_base, dev=data), lambda _: None)


def test_a_share_of_the_patients_is_held_out(data: Path, tmp_path: Path, tiny_base: str) -> None:
    entries: list[dict[str, Any]] = []
    folder = train(settings(data, tmp_path / "run", tiny_base, 1, dev_share=0.5), entries.append)
    kept, held = split_by_patient(read_reports(data, load_schema("elmtex")), 0.5)
    assert entries[0]["reports"] == len(kept) < 3
    assert "dev_relaxed_f1" in entries[-1]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert (
        f"| training | train.jsonl | {len(kept)} |" in card and f"| development | train.jsonl | {len(held)} |" in card
    )


def test_the_command_trains_from_a_configuration_file(data: Path, dev: Path, tmp_path: Path, tiny_base: str) -> None:
    config, remarks = tmp_path / "train.toml", tmp_path / "remarks.md"
    remarks.write_text("A rank of 2 lost.")
    config.write_text(
        f'base = "{tiny_base}"\ndevice = "cpu"\ncompile = false\nremarks = "{remarks}"\n'
        "[lora]\nrank = 4\n[optimiser]\nepochs = 2\n"
    )
    out = tmp_path / "run"
    named = {"--name": "mine", "--data": data, "--dev": dev, "--out": out, "--config": config}
    assert main(["train", *(str(part) for pair in named.items() for part in pair)]) == 0
    card = read_card(out / "adapter")
    assert (card.name, card.training["lora"]["rank"], card.training["steps"]) == ("mine", 4, 2)
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in entries if "epoch" in entry] == [1, 2] and "outside_bias" in entries[-1]
    told = (out / "adapter" / "README.md").read_text()
    assert "train.jsonl" in told and "dev.jsonl" in told and "A rank of 2 lost." in told
    assert hashlib.sha256(data.read_bytes()).hexdigest() in told


def test_batches_are_the_same_for_the_same_seed_and_hold_every_example_once() -> None:
    examples = [Example([1] * length, [IGNORED] * length) for length in range(1, 40)]
    batches = [epoch_batches(examples, 60, 7, epoch) for epoch in (0, 0, 1)]
    assert batches[0] == batches[1] != batches[2]
    assert sorted(len(e.ids) for b in batches[2] for e in b) == list(range(1, 40))
    assert all(max(len(e.ids) for e in b) * len(b) <= 60 or len(b) == 1 for b in batches[0])
    assert [len(group) for group in groups(batches[0], 4)][:-1] == [4] * (len(batches[0]) // 4)


def test_every_epoch_cuts_other_windows_of_the_same_tokens(data: Path, tiny_base: str, schema: Schema) -> None:
    chosen = settings(data, data.parent, tiny_base, window_tokens=30, least_window=0.3)
    task = Tagging(chosen, schema, choose_compute("cpu"), read_reports(data, schema))
    assert task.examples(0) == task.examples(0) != task.examples(1)
    for epoch in (0, 1):
        examples = task.examples(epoch)
        assert len(examples) > len(REPORTS) and max(len(e.ids) for e in examples) <= 30
        assert Counter(token for e in examples for token in e.ids[1:]) == Counter(
            token for e in task.examples(0) for token in e.ids[1:]
        )


@pytest.mark.parametrize("base", ["tiny_llama_3_2", "tiny_gemma"])
@pytest.mark.parametrize("causal", [True, False])
def test_simpler_operations_change_no_result(base: str, causal: bool, request: pytest.FixtureRequest) -> None:
    """In an encoder's and in a decoder's mask, with shared keys, and with Gemma's sliding window and activation."""
    name = request.getfixturevalue(base)
    plain, simple = (_states_and_gradients(name, change, causal) for change in (None, simplify))
    assert all(torch.allclose(*pair, rtol=1e-3, atol=1e-4) for pair in zip(plain, simple, strict=True))


def test_compiled_layers_change_no_result(tiny_base: str) -> None:
    plain, fast = (_states_and_gradients(tiny_base, change, False) for change in (None, quicken))
    assert all(torch.allclose(*pair, rtol=1e-3, atol=1e-4) for pair in zip(plain, fast, strict=True))


def _states_and_gradients(base: str, change: Callable[[Any], None] | None, causal: bool) -> tuple[Tensor, Tensor]:
    ids, lengths = torch.arange(2, 42).view(2, 20), torch.tensor([20, 13])
    backbone = load_backbone(base, torch.float32)
    if change:
        change(backbone)
    states = hidden_states(backbone, ids, lengths, causal=causal)
    kept = torch.cat([states[0], states[1, :13]])
    kept.square().mean().backward()  # type: ignore[no-untyped-call]
    return kept.detach(), backbone.layers[0].self_attn.q_proj.weight.grad


def test_a_model_of_the_architecture_of_llama_3_2_is_trained(data: Path, tmp_path: Path, tiny_llama_3_2: str) -> None:
    """Its rope scaling, tied embeddings and special tokens; both readers."""
    schema = load_schema("elmtex")
    tagger = train(settings(data, tmp_path / "tagger", tiny_llama_3_2), lambda _: None)
    text = str(REPORTS[2]["text"])
    (answer,) = Tagger.load(ModelSettings(adapter=str(tagger), device="cpu"), schema).read([text])
    assert {(s.category, text[s.start : s.end]) for s in answer.spans} >= {("age", "32-year-old"), ("gender", "man")}
    generator = train(settings(data, tmp_path / "g", tiny_llama_3_2, 30, reader="generator"), lambda _: None)
    chosen = ModelSettings(reader="generator", adapter=str(generator), device="cpu")
    (answer,) = Generator.load(chosen, schema).read([text])
    assert {(s.category, text[s.start : s.end]) for s in answer.spans} >= {("age", "32-year-old"), ("gender", "man")}


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("he saw the theme: he", {"gender": ["he"]}, [("gender", 0), (None, 18)]),
        ("pain. later pain again, chest pain", {"signs_symptoms": ["chest pain", "pain"]}, None),
        ("gout and flu; flu", {"diagnosis": ["gout", "flu"]}, [("diagnosis", 0), ("diagnosis", 9), (None, 14)]),
        ("flu", {"diagnosis": ["gout"]}, []),
    ],
)  # fmt: skip
def test_labels_are_found_in_their_text(
    text: str, labels: dict[str, list[str]], expected: list[tuple[str | None, int]] | None
) -> None:
    golds, unplaced = place(Report("x", "en", text, labels))
    if expected is not None:
        assert [(gold.category, gold.start) for gold in golds] == expected
    assert unplaced == sum(value not in text for values in labels.values() for value in values)
    spans = sorted((gold.start, gold.end) for gold in golds)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_the_schedule_warms_up_and_falls_to_zero() -> None:
    optimiser = OptimiserSettings(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(optimiser, step, 100) for step in range(101)]
    assert rates[0] == 0.1 and max(rates) == rates[9] == 1.0
    assert rates[100] == pytest.approx(0) and all(a >= b for a, b in pairwise(rates[9:]))


@pytest.mark.parametrize("content", ["not json", '{"id": 1}', '{"id": "a", "lang": "en", "text": "x", "labels": 3}'])
def test_faulty_annotations_are_refused(tmp_path: Path, schema: Schema, content: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    with pytest.raises(InputMissing, match="JSON lines"):
        read_reports(path, schema)
