"""The samples through the whole program as it ships: real files, Tesseract, Ray, and the bundled adapter."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elmtex_batch.cli import main
from elmtex_batch.schema import Schema

SAMPLES = Path(__file__).parent.parent / "sample_inputs"
EXPECTED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "samples" / "expected.json").read_text(encoding="utf-8")
)
READABLE = [name for name, facts in EXPECTED.items() if facts["status"] == "extracted"]

Documents = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    out = tmp_path_factory.mktemp("demo") / "out"
    assert main(["convert", str(SAMPLES), "--out", str(out)]) == 0
    tables = [pq.read_table(path) for path in sorted((out / "documents").glob("*.parquet"))]
    rows = pa.concat_tables(tables).to_pylist()
    assert len({row["doc_id"] for row in rows}) == len(rows)
    return {Path(source).name: row for row in rows for source in row["sources"]}


def share(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


def test_every_sample_is_a_document(documents: Documents) -> None:
    assert set(documents) == set(EXPECTED) == {path.name for path in SAMPLES.iterdir()}


@pytest.mark.parametrize("name", [name for name in EXPECTED if name not in READABLE])
def test_broken_samples_are_rejected_with_a_telling_reason(documents: Documents, name: str) -> None:
    row = documents[name]
    assert row["status"] == "rejected" and row["extraction"] is None
    assert [reason["code"] for reason in row["reasons"]] == [EXPECTED[name]["reason"]]


@pytest.mark.parametrize("name", READABLE)
def test_pages_are_read_as_they_should(documents: Documents, name: str) -> None:
    row, expected = documents[name], EXPECTED[name]
    assert row["status"] == "extracted", row["reasons"]
    assert row["language"] == expected["language"]
    assert [page["method"] for page in row["pages"]] == expected["methods"]


def test_every_value_stands_where_it_says(documents: Documents, schema: Schema) -> None:
    count = 0
    for name in READABLE:
        row = documents[name]
        sizes = {page["number"]: (page["width"], page["height"]) for page in row["pages"]}
        for value in (value for key in schema.keys for value in row["extraction"][key]):
            count += 1
            assert row["text"][value["start"] : value["end"]] == value["value"]
            width, height = sizes[value["page"]]
            assert bool(value["boxes"]) == (width is not None)
            for box in value["boxes"]:
                assert -1 <= box["x0"] < box["x1"] <= width + 1 and -1 <= box["y0"] < box["y1"] <= height + 1
    assert count > 20 * len(READABLE)


def test_ages_and_genders_are_mostly_right(documents: Documents) -> None:
    ages = [documents[name]["age_years"] == pytest.approx(EXPECTED[name]["age_years"], abs=0.01) for name in READABLE]
    genders = [documents[name]["gender_code"] == EXPECTED[name]["gender_code"] for name in READABLE]
    assert share(ages) >= 0.85 and share(genders) >= 0.85


@pytest.mark.parametrize("language", ["en", "de"])
def test_diagnoses_are_mostly_found(documents: Documents, language: str) -> None:
    found = []
    for name in (name for name in READABLE if EXPECTED[name]["language"] == language):
        values = " | ".join(value["value"] for value in documents[name]["extraction"]["diagnosis"]).lower()
        found += [words.lower() in values for words in EXPECTED[name]["diagnosis_contains"]]
    assert share(found) >= 0.6
