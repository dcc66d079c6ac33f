"""What a training leaves for people: the picture of its course, and the model card."""

import hashlib
import json
import math
from pathlib import Path

import pytest
from PIL import Image

from elmtex_batch.adapters import CARD, AdapterCard
from elmtex_batch.errors import InputMissing
from elmtex_batch.schema import Schema
from elmtex_batch.training.card import CardFacts, data_facts, dev_scores, write_card
from elmtex_batch.training.curve import draw_curve, smoothed
from elmtex_batch.training.report import Report


def log(steps: int) -> str:
    entries = [
        {"step": s, "loss": 0.3 + 2 * math.exp(-s / 60), "learning_rate": 1e-3 * (1 - s / steps)} for s in range(steps)
    ]
    scores = [{"epoch": e, "steps": steps * e // 4, "dev_relaxed_f1": 0.2 * e} for e in range(1, 5)]
    return "\n".join(json.dumps(entry) for entry in [{"reports": 3}, *entries, *scores, {"outside_bias": 0.5}])


def test_the_course_of_a_training_is_drawn(tmp_path: Path) -> None:
    """With a line that a killed training left unfinished."""
    (tmp_path / "log.jsonl").write_text(log(200) + '\n{"step": 7, "lo', encoding="utf-8")
    draw_curve(tmp_path / "log.jsonl", tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.format == "PNG" and picture.width > 800
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20) or []}
    assert {(31, 111, 139), (178, 58, 72), (154, 123, 79)} <= colours  # loss, score and learning rate are there


@pytest.mark.parametrize("content", [None, "", '{"reports": 3}\n'])
def test_a_log_without_loss_is_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "log.jsonl").write_text(content)
    with pytest.raises(InputMissing, match="log of the training"):
        draw_curve(tmp_path / "log.jsonl", tmp_path / "curve.png")


def test_smoothing_follows_without_a_pull_to_zero() -> None:
    assert smoothed([2.0] * 5) == pytest.approx([2.0] * 5)
    assert smoothed([0.0, 1.0], steadiness=0.5) == pytest.approx([0.0, 2 / 3])


def test_the_card_tells_data_scores_settings_and_hashes(tmp_path: Path, schema: Schema) -> None:
    reports = [
        Report("a", "en", "gout, flu", {"diagnosis": ["gout", "flu"], "gender": []}, "mac"),
        Report("b", "de", "Gicht", {"diagnosis": ["Gicht"], "gender": []}, "own"),
        Report("b#scan2", "de", "Gicht", {"diagnosis": ["Gicht"], "gender": []}, "own"),
    ]
    found: list[dict[str, list[str]]] = [
        {"diagnosis": ["gout"], "gender": ["he"]},
        {"diagnosis": ["Gicht"]},
        {"diagnosis": []},
    ]
    data = tmp_path / "train.jsonl"
    data.write_bytes(b"data")
    (tmp_path / "head.safetensors").write_bytes(b"weights")
    card = AdapterCard(
        name="mine-1", reader="tagger", schema_name=schema.label, schema_fingerprint=schema.fingerprint,
        tags=schema.tags, base="gemma3-270m", base_identity="sha256:abc", window_tokens=512,
        training={"seed": 7, "lora": {"rank": 16}}, versions={"peft": "0.21"},
    )  # fmt: skip
    (tmp_path / CARD).write_text(card.model_dump_json(), encoding="utf-8")
    facts = CardFacts([data_facts("training", data, reports)], dev_scores(reports, found), ["Rank 8 lost: 0.1 | 0.2."])
    text = write_card(tmp_path, facts).read_text(encoding="utf-8")
    assert text.startswith("# mine-1\n") and "Gemma Terms of Use" in text and "Rank 8 lost" in text
    row = f"| training | train.jsonl | 3 | 1 | 4 | de 2, en 1 | mac 1, own 2 | {hashlib.sha256(b'data').hexdigest()} |"
    assert row in text
    assert "| lora.rank | 16 |" in text and f"fingerprint {schema.fingerprint}" in text
    assert f"| head.safetensors | 7 | {hashlib.sha256(b'weights').hexdigest()} |" in text
    assert "| all | 4 | 0.667 | 0.500 | 0.571 |" in text  # two of three found values are right, of four annotated ones
    assert "| en | 2 | 0.500 | 0.500 | 0.500 |" in text and "| diagnosis | 4 | 1.000 | 0.500 | 0.667 |" in text
    write_card(tmp_path, CardFacts([], {}))
    assert "Not measured" in (tmp_path / "README.md").read_text(encoding="utf-8")
