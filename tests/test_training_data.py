"""Annotated reports from every format, noisy copies, splits, and the guard against leaks."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from elmtex_batch.cli import main
from elmtex_batch.errors import InputMissing, OutputError, SettingsError
from elmtex_batch.schema import Schema, load_schema
from elmtex_batch.settings import OcrSettings
from elmtex_batch.tags import Gold
from elmtex_batch.training.align import LEAST_SIMILARITY, align, carry_over
from elmtex_batch.training.augment import Damage, augment, make_copy
from elmtex_batch.training.data import Report, place, read_reports, split_by_patient, to_record
from elmtex_batch.training.leaks import overlaps
from elmtex_batch.training.markup import TAGS, read_markup

SHARED = Path(__file__).parents[2] / "shared" / "data"

LETTER = """\
Betrifft: Frau Muster, 54 Jahre

Diagnosen: Herzinsuffizienz NYHA III, arterielle Hypertonie.
Die Patientin klagte über Atemnot bei Belastung und geschwollene Knöchel.
Labor: Kalium 5,8 mmol/l, Kreatinin 1,27 mg/dl.
Wir behandelten mit Furosemid 40 mg täglich. Entlassung in gutem Zustand.
"""
LABELS = {
    "age": ["54 Jahre"],
    "gender": ["Frau"],
    "diagnosis": ["Herzinsuffizienz NYHA III"],
    "comorbidities": ["arterielle Hypertonie"],
    "signs_symptoms": ["Atemnot bei Belastung", "geschwollene Knöchel"],
    "laboratory_values": ["Kalium 5,8 mmol/l", "Kreatinin 1,27 mg/dl"],
    "pharmacological_therapy": ["Furosemid 40 mg täglich"],
    "patient_outcome_assessment": ["Entlassung in gutem Zustand"],
}
ELMTEX = [
    {
        "patient_uid": "17-1",
        "report": "A 61-year-old male, heavy  smoker, had Chest pain. Aspirin was given.",
        "summary": {
            "life_style": "Heavy smoker", "signs_symptoms": "chest pain; Chest pain; shortness of breath",
            "pharmacological_therapy": "Aspirin", "age": "61-year-old", "gender": "male", "pathology": "N/A",
        },
    },
    {"patient_uid": "18-1", "report": "A female had gout.", "summary": '{"diagnosis": "gout", "gender": "Male"}'},
]  # fmt: skip

MakeFile = Callable[[str], Path]


@pytest.fixture
def make_file(tmp_path: Path) -> MakeFile:
    def make(content: str) -> Path:
        path = tmp_path / "data"
        path.write_text(content, encoding="utf-8")
        return path

    return make


@pytest.fixture
def letter(schema: Schema) -> Report:
    return Report("letter-1", "de", LETTER, schema.training_target(LABELS), "own")


def values(report: Report, golds: list[Gold]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {key: [] for key in report.labels}
    for gold in golds:
        if gold.category:
            found[gold.category].append(report.text[gold.start : gold.end])
    return found


@pytest.mark.parametrize("dump", [json.dumps, lambda records: "\n".join(map(json.dumps, records))])
def test_the_elmtex_data_set_is_read(
    make_file: MakeFile, schema: Schema, dump: Callable[[Any], str], caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("elmtex_batch").propagate = True  # the command line, in another test, may have turned it off
    first, second = read_reports(make_file(dump(ELMTEX)), schema)
    assert list(first.labels) == list(schema.keys) and (first.patient, first.language) == ("17-1", "en")
    assert first.labels["signs_symptoms"] == ["Chest pain", "shortness of breath"]
    assert first.labels["life_style"] == ["heavy  smoker"] and first.labels["pathology"] == []
    assert [value for value in first.labels["signs_symptoms"] if value in first.text] == ["Chest pain"]
    assert second.labels["gender"] == ["Male"] and "Male" not in second.text
    assert "2 of 8 values" in caplog.text and "signs_symptoms 1" in caplog.text and "shortness" not in caplog.text
    golds, missing = place(first)
    assert missing == 1 and "shortness of breath" not in values(first, golds)["signs_symptoms"]


def test_what_is_written_is_read_again(make_file: MakeFile, schema: Schema, letter: Report) -> None:
    start = LETTER.index("Hypertonie")
    placed = Report(
        "x", "de", LETTER, letter.labels, "own", "p1", (Gold(None, 0, 5), Gold("diagnosis", start, start + 10))
    )
    lines = [json.dumps(to_record(report)) for report in (letter, placed)]
    assert read_reports(make_file("\n".join(lines)), schema) == [letter, placed]


@pytest.mark.parametrize(
    "record",
    [
        {"report": "x", "summary": 3},
        {"report": "x", "summary": "no json"},
        {"id": "a", "lang": "en", "text": "x", "labels": {}, "spans": [["diagnosis", 0, 9]]},
        {"id": "a", "lang": "en", "text": "x", "labels": {}, "spans": [["unknown", 0, 1]]},
    ],
)
def test_faulty_records_are_refused_without_quoting_them(make_file: MakeFile, schema: Schema, record: object) -> None:
    with pytest.raises(InputMissing, match="annotated reports are"):
        read_reports(make_file(json.dumps(record)), schema)


def test_letters_with_markup_bring_exact_positions(tmp_path: Path, schema: Schema) -> None:
    body = "Frau, 3 Kinder\nPat. <ss>müde</ss>, <sex>Frau</sex>, <ss>müde</ss>. <dx>Gicht</dx>; Gicht\n"
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "02.txt").write_text("# Brief (1980)\n" + body, encoding="utf-8")
    (tmp_path / "own" / "01.txt").write_text("# Brief\nnichts", encoding="utf-8")
    empty, report = read_reports(tmp_path, schema)
    assert (empty.id, empty.text, report.id) == ("own/01", "nichts", "own/02")
    assert report.labels["signs_symptoms"] == ["müde"] and report.labels["gender"] == ["Frau"]
    golds, missing = place(report)
    assert missing == 0
    assert [(gold.category, gold.start) for gold in golds if gold.category] == [
        ("signs_symptoms", 20), ("gender", 26), ("signs_symptoms", 32), ("diagnosis", 38),
    ]  # fmt: skip
    undecided = [(gold.start, report.text[gold.start : gold.end]) for gold in golds if gold.category is None]
    assert sorted(undecided) == [(0, "Frau"), (45, "Gicht")]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("Brief\n<dx>a</dx>", 1),
        ("# Brief\nok\n<xx>a</xx>", 3),
        ("# Brief\n<dx>a <ss>b</ss></dx>", 2),
        ("# Brief\na</dx>", 2),
        ("# Brief\n\n<dx>a\nb</dx>", 3),
        ("# Brief\n<dx>a </dx>", 2),
        ("# Brief\n<dx>geheim", 2),
    ],
)
def test_faulty_markup_is_told_by_its_line(tmp_path: Path, schema: Schema, content: str, line: int) -> None:
    (tmp_path / "secret.txt").write_text(content, encoding="utf-8")
    with pytest.raises(InputMissing, match=f"letter 1 of 1: line {line}:") as error:
        read_reports(tmp_path, schema)
    assert "secret" not in str(error.value) and "geheim" not in str(error.value)


def test_every_category_has_a_tag_and_other_schemas_refuse_them(tmp_path: Path, schema: Schema) -> None:
    assert sorted(TAGS.values()) == sorted(schema.keys)
    path = tmp_path / "a.txt"
    path.write_text("# Brief\n<ls>raucht</ls>", encoding="utf-8")
    with pytest.raises(SettingsError, match="no category life_style"):
        read_markup(path, load_schema("radiology"))


words = st.text(alphabet="abcdeäß,.0 ", min_size=1, max_size=8)
edits = st.lists(st.tuples(st.integers(0, len(LETTER) - 1), st.sampled_from("xldi0. \n"), st.booleans()), max_size=40)


@given(edits, st.lists(words, max_size=4))
def test_labels_follow_their_text_through_noise(noise: list[tuple[int, str, bool]], letterhead: list[str]) -> None:
    letters = list(LETTER)
    for position, letter, longer in noise:
        letters[position] = letters[position] + letter if longer else letter
    noisy = "\n".join(letterhead) + "\n" + "".join(letters)
    report = Report("x", "de", LETTER, LABELS)
    golds, _ = place(report)
    found, dropped = carry_over(golds, align(LETTER, noisy))
    kept = [gold for gold in found if gold.category]
    assert len(kept) + dropped == sum(gold.category is not None for gold in golds)
    assert all(a.end <= b.start for a, b in pairwise(kept))
    for gold in kept:
        value = noisy[gold.start : gold.end]
        wanted = LABELS[str(gold.category)]
        assert value == value.strip() and "\n" not in value
        assert max(Levenshtein.normalized_similarity(value, label) for label in wanted) >= LEAST_SIMILARITY
        assert not noisy[max(gold.start - 1, 0) : gold.start + 1].isalnum() or gold.start == 0
    if not noise:
        assert dropped == 0 and values(Report("x", "de", noisy, LABELS), found) == LABELS


def test_a_value_that_is_lost_is_undecided_not_absent() -> None:
    clean, noisy = "He had a myocardial infarction.", "He had a mycardal\ninfarctlon."
    kept, dropped = carry_over([Gold("diagnosis", 9, 30)], align(clean, noisy))
    assert dropped == 1 and [(gold.category, noisy[gold.start : gold.end]) for gold in kept] == [
        (None, "mycardal\ninfarctlon")
    ]
    assert carry_over([Gold("diagnosis", 9, 30)], align(clean, "He had a")) == ([], 1)


def test_a_copy_is_what_ocr_reads(letter: Report) -> None:
    """Real pages, real Tesseract."""
    copy = make_copy(letter, Damage(level=2), OcrSettings())
    assert copy is not None and copy.report.id == "letter-1#scan2" and copy.report.source == "own"
    assert copy.labels == 10 and copy.kept >= 8 and copy.error_rate < 0.1
    assert copy.report.text != LETTER
    assert all(value in copy.report.text for values in copy.report.labels.values() for value in values)
    assert copy.report.person == letter.person
    assert sum(map(len, copy.report.labels.values())) == copy.kept


def test_augmenting_goes_on_where_it_was(
    tmp_path: Path, make_file: MakeFile, schema: Schema, letter: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copies at level 0, a PDF with text layer, which needs no OCR."""
    records = [{**to_record(letter), "id": f"letter-{i}"} for i in range(4)]
    data, out = make_file("\n".join(map(json.dumps, records))), tmp_path / "noisy.jsonl"
    run = augment(data, out, schema, Damage(level=0, share=1.0))
    while next(run).written < 2:
        pass
    run.close()
    half = out.read_text(encoding="utf-8")
    out.write_text(half + '{"id": "letter-2#sc', encoding="utf-8")
    assert main(["augment", "--data", str(data), "--out", str(out), "--level", "0"]) == 0
    assert "2 copies written, 2 there before, 0 unreadable; 20 of 20 labels kept (100.0%)" in capsys.readouterr().out
    copies = read_reports(out, schema)
    assert [copy.id for copy in copies] == [f"letter-{i}#scan0" for i in range(4)]
    assert out.read_text(encoding="utf-8").startswith(half) and all(c.labels == letter.labels for c in copies)


def test_augmenting_refuses_a_file_of_something_else(make_file: MakeFile, tmp_path: Path, schema: Schema) -> None:
    (tmp_path / "out").write_text("my notes\n")
    with pytest.raises(OutputError, match="name another"):
        next(augment(make_file(json.dumps(ELMTEX)), tmp_path / "out", schema, Damage()))
    assert (tmp_path / "out").read_text() == "my notes\n"


@given(st.lists(st.sampled_from(["", "p1", "p2", "p3", "p4"]), min_size=1, max_size=40), st.integers(0, 5))
def test_splits_never_part_a_patient_and_stay_when_data_grows(patients: list[str], seed: int) -> None:
    originals = [Report(f"r{number}", "en", "", {}, patient=patient) for number, patient in enumerate(patients)]
    reports = [r for original in originals for r in (original, replace(original, id=f"{original.id}#scan1"))]
    train, dev = split_by_patient(reports, 0.3, seed)
    assert [r for r in reports if r in train] == train and [r for r in reports if r not in train] == dev
    assert not {r.person for r in train} & {r.person for r in dev}
    early_train, early_dev = split_by_patient(reports[: len(reports) // 2], 0.3, seed)
    assert all(r in train for r in early_train) and all(r in dev for r in early_dev)


def test_a_split_has_about_the_share_asked_for() -> None:
    reports = [Report(str(i), "en", "", {}) for i in range(1_000)]
    assert 160 < len(split_by_patient(reports, 0.2)[1]) < 240
    assert split_by_patient(reports, 0.2, seed=1) != split_by_patient(reports, 0.2)


STORY = " ".join(f"word{i}" for i in range(60))
OTHER = " ".join(f"other{i}" for i in range(60))


@pytest.mark.parametrize(
    ("train", "why"),
    [
        (Report("a", "en", STORY.upper(), {}), "same text"),
        (Report("a", "en", OTHER[:200] + " " + STORY, {}), "same text"),
        (Report("a", "en", " ".join(STORY.split()[20:45]), {}), "same text"),
        (Report("held#scan2", "en", OTHER, {}), "same report or patient"),
        (Report("a", "en", OTHER, {}, patient="p"), "same report or patient"),
        (Report("a", "en", OTHER + " " + " ".join(STORY.split()[:12]), {}), None),
        (Report("a", "en", "", {}), None),
    ],
)
def test_leaks_are_found(train: Report, why: str | None) -> None:
    held_out = [Report("held", "en", STORY, {}), Report("held-2", "en", "short text", {}, patient="p")]
    found = overlaps([Report("b", "en", "nothing of it " * 20, {}), train], held_out)
    assert [(leak.train, leak.why) for leak in found] == ([(train.id, why)] if why else [])


@pytest.mark.skipif(not SHARED.is_dir(), reason="the annotated reports are not on this machine")
def test_nothing_of_the_development_reports_is_trained_on(schema: Schema) -> None:
    train, dev = (read_reports(SHARED / f"{name}.jsonl", schema) for name in ("train", "dev"))
    assert len(train) > 500 and len(dev) > 50
    letters = read_reports(Path(__file__).parents[1] / "training_letters", schema)
    assert len(letters) > 200
    assert overlaps([*train, *letters], dev) == []
    assert len(overlaps([*train, dev[0]], dev)) == 1
