import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from elmtex_batch.adapters import read_card
from elmtex_batch.cli import main
from elmtex_batch.errors import InputMissing, ModelError, SettingsError
from elmtex_batch.schema import Schema
from elmtex_batch.settings import ModelSettings
from elmtex_batch.tagger import Tagger
from elmtex_batch.training.batches import epoch_batches, make_examples
from elmtex_batch.training.data import Report, place, read_reports
from elmtex_batch.training.settings import OptimiserSettings, TrainSettings
from elmtex_batch.training.trainer import learning_rate, train

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


def settings(data: Path, out: Path, base: str, epochs: int = 60, **more: Any) -> TrainSettings:
    optimiser = OptimiserSettings(epochs=epochs, batch_tokens=120, learning_rate=5e-3)
    return TrainSettings(name="tiny", data=data, out=out, base=base, device="cpu", optimiser=optimiser, **more)


def test_a_trained_adapter_reads_what_it_learned(data: Path, tmp_path: Path, tiny_base: str, schema: Schema) -> None:
    entries: list[dict[str, Any]] = []
    folder = train(settings(data, tmp_path / "run", tiny_base, dev=data), entries.append)
    assert entries[-1]["dev_relaxed_f1"] > 0.9
    reader = Tagger.load(ModelSettings(adapter=str(folder), device="cpu"), schema)
    texts = [str(report["text"]) for report in REPORTS]
    answers = reader.read([texts[1], "", *texts])
    assert answers[1] == () and answers[0] == answers[3]
    found = {span.category: texts[1][span.start : span.end] for span in answers[0]}
    assert found["age"] == "31-year-old" and found["gender"] == "woman"


def test_an_adapter_is_refused_for_another_schema_or_older_software(data: Path, tmp_path: Path, tiny_base: str) -> None:
    from elmtex_batch.schema import load_schema

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

    whole = train(settings(data, tmp_path / "whole", tiny_base, epochs=3, dev=data), lambda _: None)
    with pytest.raises(Killed):
        train(settings(data, tmp_path / "parts", tiny_base, epochs=3, dev=data), kill_after_first_epoch)
    resumed: list[dict[str, Any]] = []
    parts = train(settings(data, tmp_path / "parts", tiny_base, epochs=3, dev=data), resumed.append)
    assert any("resumed_at_step" in entry for entry in resumed)
    for name in ("adapter_model.safetensors", "head.safetensors"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()
    with pytest.raises(SettingsError, match="other settings"):
        train(settings(data, tmp_path / "parts", tiny_base, epochs=4, dev=data), resumed.append)


def test_the_command_trains_from_a_configuration_file(data: Path, tmp_path: Path, tiny_base: str) -> None:
    config = tmp_path / "train.toml"
    config.write_text(f'base = "{tiny_base}"\ndevice = "cpu"\n[lora]\nrank = 4\n[optimiser]\nepochs = 2\n')
    out = tmp_path / "run"
    named = {"--name": "mine", "--data": data, "--dev": data, "--out": out, "--config": config}
    assert main(["train", *(str(part) for pair in named.items() for part in pair)]) == 0
    card = read_card(out / "adapter")
    assert (card.name, card.training["lora"]["rank"], card.training["steps"]) == ("mine", 4, 2)
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in entries if "epoch" in entry] == [1, 2] and "outside_bias" in entries[-1]


def test_batches_are_the_same_for_the_same_seed_and_hold_every_example_once(
    data: Path, tiny_base: str, schema: Schema
) -> None:
    from elmtex_batch.models import load_tokenizer
    from elmtex_batch.tagger import Tokens

    examples, unplaced = make_examples(read_reports(data, schema), Tokens(load_tokenizer(tiny_base), 30), schema)
    assert unplaced == 0 and len(examples) > len(REPORTS)
    batches = [epoch_batches(examples, 60, 7, epoch) for epoch in (0, 0, 1)]
    assert batches[0] == batches[1] != batches[2]
    assert sorted(e.ids for b in batches[2] for e in b) == sorted(e.ids for e in examples)
    assert all(max(len(e.ids) for e in b) * len(b) <= 60 or len(b) == 1 for b in batches[0])


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
