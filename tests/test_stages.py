"""The contract of all stages: a document that breaks something is a row with a reason, and costs no other document."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from elmtex_batch import stages
from elmtex_batch.fakes import PatternReader
from elmtex_batch.inputs import documents_of, hash_sources, list_sources
from elmtex_batch.reader import Answer
from elmtex_batch.schema import Schema
from elmtex_batch.settings import OcrSettings, PageSettings
from elmtex_batch.stages import Extract, NormaliseText, ReadAnswers, ReadPages

GOOD = "A 45-year-old man. Glucose 98 mg/dl."


class FragileReader(PatternReader):
    """Fails on every batch that holds a certain word."""

    def read(self, texts: Sequence[str]) -> list[Answer]:
        if any("poison" in text for text in texts):
            raise ValueError("poison")
        return super().read(texts)


def flow(
    texts: dict[str, str], folder: Path, schema: Schema, max_characters: int = 10_000
) -> dict[str, dict[str, object]]:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    table = documents_of(hash_sources(list_sources([str(folder / name) for name in texts]), PageSettings()))
    for stage in (
        ReadPages(PageSettings(), OcrSettings()),
        NormaliseText(max_characters),
        ReadAnswers(FragileReader),
        Extract(schema, "fake", "run", "key"),
    ):
        table = stage(table)
        assert isinstance(table, pa.Table) and len(table) == len(texts)
    return {Path(row["sources"][0]).name: row for row in table.to_pylist()}


def codes(row: dict[str, object]) -> list[str]:
    return [reason["code"] for reason in row["reasons"]]  # type: ignore[attr-defined]


def test_a_bad_document_costs_no_good_one(tmp_path: Path, schema: Schema) -> None:
    rows = flow({"a": GOOD, "b": "poison, 3-year-old", "c": "  \n", "d": "x " * 9_000}, tmp_path, schema)
    assert {name: row["status"] for name, row in rows.items()} == {
        "a": "extracted", "b": "rejected", "c": "rejected", "d": "rejected",
    }  # fmt: skip
    assert [codes(rows[name]) for name in "bcd"] == [["model_failed"], ["no_text"], ["text_too_long"]]
    assert rows["a"]["age_years"] == 45 and rows["a"]["gender_code"] == "male"
    assert rows["b"]["text"] == "poison, 3-year-old" and rows["b"]["extraction"] is None


@pytest.mark.parametrize("broken", ["sandbox", "normalise", "detect_language", "validate"])
def test_an_unforeseen_error_is_a_reason_and_quotes_nothing(
    broken: str, tmp_path: Path, schema: Schema, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(GOOD)

    monkeypatch.setattr(stages, broken, fail)
    (row,) = flow({"a": GOOD}, tmp_path, schema).values()
    assert row["status"] == "rejected" and codes(row) == ["internal_error"]
    assert row["schema"] == "elmtex/1" and row["run_id"] == "run"
    assert "45" not in "".join(capfd.readouterr())


def test_a_file_that_changes_or_vanishes_after_it_was_listed_is_a_row(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("changed.txt", "gone.txt")]
    for path in paths:
        path.write_text(path.name)
    table = documents_of(hash_sources(list_sources([str(tmp_path)]), PageSettings()))
    paths[0].write_text("other")
    paths[1].unlink()
    rows = ReadPages(PageSettings(), OcrSettings())(table).to_pylist()
    assert [codes(row) for row in rows] == [["changed"], ["vanished"]]
