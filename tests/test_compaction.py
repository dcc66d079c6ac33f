"""Compaction: few files instead of many, the same rows, whatever happens in between."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_warehouse import crash_at, documents, ids, results

from elmtex_batch import compaction, records
from elmtex_batch.cli import main
from elmtex_batch.errors import OutputError
from elmtex_batch.schema import Schema
from elmtex_batch.tables import Footer
from elmtex_batch.warehouse import Warehouse

TABLES = ("documents", "items", "texts", "manifests", "runs")
LARGE = 128 << 20


def files(*names: str) -> pa.Table:
    rows = [{"source": name, "size": 1, "modified": 1, "doc_id": name, "code": None} for name in names]
    return pa.Table.from_pylist(rows, records.FILES)


def fill(warehouse: Warehouse, schema: Schema, runs: int = 3) -> None:
    """A night with a document each, as a run publishes it."""
    for run in range(runs):
        warehouse.write_files(files(f"/x/{run}"), warehouse.files(), f"r{run}")
        warehouse.write_results(results(schema, f"d{run}"))


def rows(warehouse: Warehouse, table: str) -> list[str]:
    """In any order."""
    parts = sorted(Path(warehouse.uri, table).glob("*.parquet"))
    return sorted(str(row) for part in parts for row in pq.read_table(part, partitioning=None).to_pylist())


def count(warehouse: Warehouse) -> dict[str, int]:
    return {table: len(list(Path(warehouse.uri, table).glob("*.parquet"))) for table in TABLES}


def test_many_files_become_one_with_the_same_rows(
    tmp_path: Path, schema: Schema, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    fill(warehouse, schema)
    before = {table: rows(warehouse, table) for table in TABLES}
    assert main(["compact", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["documents", "3", "->", "1", "files"]
    assert count(warehouse) == {"documents": 1, "items": 1, "texts": 1, "manifests": 1, "runs": 0}
    assert {table: rows(warehouse, table) for table in TABLES} == before
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert main(["compact", str(tmp_path)]) == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")} == kept
    fill(warehouse, schema, runs=4)
    warehouse.compact(LARGE)
    assert count(warehouse)["documents"] == 1 and len(rows(warehouse, "documents")) == 4
    footer = pq.read_schema(next(tmp_path.glob("documents/*.parquet"))).metadata
    assert (footer[b"elmtex.schema"], footer[b"elmtex.format"]) == (schema.label.encode(), b"1")


def test_parts_of_different_schemas_stay_apart(tmp_path: Path, schema: Schema, wider: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    for doc in "abcd":
        warehouse.write_part(documents(schema if doc in "ab" else wider, doc))
    warehouse.compact(LARGE)
    found = {pq.read_table(path)["schema"].unique().to_pylist()[0] for path in tmp_path.glob("documents/*.parquet")}
    assert found == {schema.label, wider.label} and count(warehouse)["items"] == 2


def test_texts_are_found_again_row_group_by_row_group(tmp_path: Path, schema: Schema) -> None:
    """Large ones, so that what reads them never has all in memory."""
    warehouse = Warehouse.create(str(tmp_path))
    for doc in "abc":
        long = results(schema, doc).to_pylist()[0]
        long["published_text"]["text"] = doc * 9_000_000
        warehouse.write_results(pa.Table.from_pylist([long], records.results_schema(schema)))
    warehouse.compact(LARGE)
    assert count(warehouse)["texts"] == 1
    places = warehouse.texts_with("t")
    assert len(set(places.values())) == 3
    for doc, place in places.items():
        assert warehouse.read_texts(place)["text"].to_pylist() == [doc * 9_000_000]


def test_the_last_files_stay_the_last_ones(tmp_path: Path) -> None:
    """A small list is not moved across a large one, to before or behind it."""
    warehouse = Warehouse.create(str(tmp_path))
    for run, size in enumerate([1, 1, 300, 1, 1]):
        warehouse.write_files(files(*(f"/{run}/{i}" for i in range(size))), warehouse.files(), f"r{run}")
    before = warehouse.files()
    warehouse.compact(3_200)
    assert count(warehouse)["manifests"] == 3 and warehouse.files().equals(before)


def test_a_document_done_again_replaces_its_row_in_a_merged_part(tmp_path: Path, schema: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    fill(warehouse, schema)
    warehouse.compact(LARGE)
    warehouse.write_part(documents(schema, "d1", run_id="r2"))
    warehouse.repair()
    found = sorted((row["doc_id"], row["run_id"]) for row in warehouse.ledger().to_pylist())
    assert found == [("d0", "r1"), ("d1", "r2"), ("d2", "r1")] and len(ids(warehouse, "items")) == 6
    warehouse.compact(LARGE)
    assert count(warehouse)["documents"] == 1 and len(rows(warehouse, "documents")) == 3


def test_nobody_compacts_while_a_run_is_writing(tmp_path: Path) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    with warehouse.writing(), pytest.raises(OutputError, match="another run"):
        Warehouse.open(str(tmp_path)).compact(LARGE)


def test_a_crash_at_any_step_of_compaction_loses_and_repeats_nothing(tmp_path: Path, schema: Schema) -> None:
    """Before and after every flush, check, rename and removal. Whatever a reader finds then is whole."""
    first = Warehouse.create(str(tmp_path / "0"))
    fill(first, schema, runs=2)
    before = {table: rows(first, table) for table in TABLES}
    for number in range(1, 100):
        shutil.copytree(first.uri, tmp_path / str(number))
        warehouse = Warehouse(str(tmp_path / str(number)))
        crashed = crash_at(number, lambda w=warehouse: w.compact(LARGE))  # type: ignore[misc]
        for table in TABLES:
            assert set(rows(warehouse, table)) == set(before[table])
        warehouse.compact(LARGE)  # repairs what is there, and goes on
        assert {table: rows(warehouse, table) for table in TABLES} == before
        assert set(count(warehouse).values()) == {0, 1}
        if not crashed:
            break
    assert 30 < number < 99


@given(
    st.lists(st.tuples(st.integers(1, 150), st.sampled_from("xyz"), st.booleans()), max_size=30), st.integers(10, 100)
)
def test_a_plan_keeps_to_the_size_and_to_one_schema(parts: list[tuple[int, str, bool]], target: int) -> None:
    footers = {
        f"{number:02}": Footer(
            f"{number:02}", size, 1, pa.schema([(column, pa.int32())], {"elmtex.schema": str(v)}), ""
        )
        for number, (size, column, v) in enumerate(parts)
    }
    plan = list(compaction.plan(footers.values(), target))
    planned = [part for pack in plan for part in pack]
    assert len(planned) == len(set(planned))
    for pack in plan:
        assert len(pack) > 1 and pack == sorted(pack) and sum(footers[part].size for part in pack) <= target
        assert all(footers[part].schema.equals(footers[pack[0]].schema, check_metadata=True) for part in pack)
