"""The current view, read by SQL, pandas and this package alike, and what is exported of it."""

import csv
import json
import re
import stat
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from deltalake import DeltaTable
from pyarrow import fs
from s3_server import make_bucket
from test_warehouse import crash_at, documents, value

from elmtex_batch import records
from elmtex_batch.cli import main
from elmtex_batch.current import CurrentView
from elmtex_batch.errors import InputMissing, OutputError, SettingsError
from elmtex_batch.export import export
from elmtex_batch.schema import Schema
from elmtex_batch.tables import Tables
from elmtex_batch.training.data import read_reports
from elmtex_batch.warehouse import Warehouse

PAGE = (Path(__file__).parent.parent / "docs" / "warehouse.md").read_text(encoding="utf-8")
CURRENT = [("a", "elmtex/1", "r2"), ("b", "elmtex/1", "r1"), ("b", "elmtex/2", "r3"), ("c", "elmtex/1", "r1")]
"""Of `out`, with two values each, but for c, which was rejected."""


def examples(language: str, out: Path) -> list[str]:
    """The pieces of code of docs/warehouse.md, with another output folder."""
    return [code.replace("OUT", str(out)) for code in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)]


def write_run(out: Path, run_id: str, outcome: str) -> None:
    runs = pa.Table.from_pylist([{"run_id": run_id, "outcome": outcome}], records.RUNS)
    Tables(str(out)).write("runs", runs, f"{run_id}.parquet")


@pytest.fixture
def out(tmp_path: Path, schema: Schema, wider: Schema) -> Path:
    """Read by a model, by a newer one, with a newer schema, and by a model of which nothing was to be published."""
    out = tmp_path / "out"
    warehouse = Warehouse.create(str(out))
    Tables(str(out)).create("runs")
    rejected = {"extraction": None, "text": None, "status": "rejected"}
    rows = [*documents(schema, "a", "b").to_pylist(), documents(schema, "c").to_pylist()[0] | rejected]
    warehouse.write_part(pa.Table.from_pylist(rows, records.documents_schema(schema)))
    warehouse.write_part(documents(schema, "a", run_id="r2", model="newer"))
    row = documents(wider, "b", run_id="r3").to_pylist()[0]
    row["extraction"] = {"diagnosis": [value("flu", 0)], "allergies": [value("gout", 8)]}
    warehouse.write_part(pa.Table.from_pylist([row], records.documents_schema(wider)))
    warehouse.write_part(documents(schema, "b", run_id="r4", model="bad"))
    for run_id, outcome in (("r1", "published"), ("r2", "interrupted"), ("r3", "published"), ("r4", "held")):
        write_run(out, run_id, outcome)
    return out


def keys(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return sorted((row["doc_id"], row["schema"], row["run_id"]) for row in rows)


def current(out: Path, schema: str | None = None) -> list[dict[str, Any]]:
    view = CurrentView(str(out), schema)
    return [row for table in view.documents() for row in table.cast(view.schema).to_pylist()]


def test_of_each_document_and_schema_the_last_row_that_was_not_held_is_current(out: Path) -> None:
    assert keys(current(out)) == CURRENT
    assert keys(current(out, "elmtex/2")) == [("b", "elmtex/2", "r3")]
    Warehouse.open(str(out)).compact(1 << 20)
    assert keys(current(out)) == CURRENT
    with pytest.raises(InputMissing, match="schemas that are there: elmtex/1, elmtex/2"):
        CurrentView(str(out), "radiology/1")


def test_a_run_that_is_held_replaces_nothing(tmp_path: Path, schema: Schema) -> None:
    """Its rows are kept, for it may be released, until another run does the document again."""
    warehouse = Warehouse.create(str(tmp_path))
    Tables(str(tmp_path)).create("runs")
    for run_id, outcome, left in (
        ("r1", "published", ["r1"]),
        ("r2", "held", ["r1", "r2"]),
        ("r3", "held", ["r1", "r2", "r3"]),
        ("r2", "published", ["r2", "r3"]),
        ("r4", "published", ["r4"]),
    ):
        warehouse.write_part(documents(schema, "a", run_id=run_id))
        write_run(tmp_path, run_id, outcome)
        warehouse.drop_replaced()
        assert sorted(warehouse.ledger()["run_id"].to_pylist()) == left
        assert [row["run_id"] for row in current(tmp_path)] == left[:1]


def test_without_records_of_runs_no_row_is_held(out: Path) -> None:
    for path in [*(out / "runs").iterdir(), out / "runs"]:
        path.unlink() if path.is_file() else path.rmdir()
    assert ("b", "elmtex/1", "r4") in keys(current(out))


def test_an_old_row_has_nothing_in_a_category_that_was_added(out: Path) -> None:
    """In the same words for pyarrow and DuckDB, before and after compaction."""
    query = f"""
        select doc_id, extraction.allergies[1].value, len(extraction.diagnosis)
        from read_parquet('{out}/documents/*.parquet', union_by_name = true) where run_id in ('r2', 'r3') order by all
    """
    for _ in range(2):
        assert duckdb.connect().execute(query).fetchall() == [("a", None, 2), ("b", "gout", 1)]
        rows = {row["run_id"]: row["extraction"] for row in current(out)}
        assert rows["r2"]["allergies"] is None and rows["r3"]["allergies"][0]["value"] == "gout"
        Warehouse.open(str(out)).compact(1 << 20)


def test_the_examples_in_sql_give_the_current_rows(out: Path) -> None:
    database = duckdb.connect()
    *views, frequent, _ = examples("sql", out)
    for statements in views:
        database.execute(statements)
    assert database.execute(frequent).fetchall() == [("flu", 2), ("gout", 2)]
    columns = "select doc_id, schema, run_id from"
    assert database.execute(f"{columns} current_documents order by all").fetchall() == CURRENT
    assert database.execute(f"{columns} current_items order by all").fetchall() == sorted(2 * CURRENT[:3])


def test_spark_takes_the_examples(out: Path) -> None:
    _, views, frequent, sources = examples("sql", out)
    statements = [found for text in (sources, views, frequent) for found in sqlglot.parse(text, dialect="spark")]
    assert [type(found).__name__ for found in statements] == ["Create"] * 5 + ["Select"]


def test_the_examples_in_python_give_the_current_rows(out: Path) -> None:
    names: dict[str, Any] = {}
    for code in examples("python", out):
        exec(code, names)
    assert keys(pd.concat(names["frames"]).to_dict("records")) == CURRENT
    assert keys(names["current_items"].to_dict("records")) == sorted(2 * CURRENT[:3])


def exported(out: Path, form: str, *options: str) -> Path:
    target = out.parent / "new" / f"export.{form}"
    assert main(["export", str(out), "--to", str(target), "--format", form, *options]) == 0
    for path in (target, *target.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path.name
    return target


def test_a_parquet_snapshot_has_documents_and_items_of_all_schemas(out: Path, wider: Schema) -> None:
    target = exported(out, "parquet")
    table = pq.read_table(target / "documents.parquet")
    assert [field.name for field in table.schema.field("extraction").type] == list(wider.keys)
    assert keys(table.to_pylist()) == CURRENT
    items = pq.read_table(target / "items.parquet")
    assert items.schema.equals(records.ITEMS) and keys(items.to_pylist()) == sorted(2 * CURRENT[:3])
    assert sorted(path.name for path in target.parent.iterdir()) == ["export.parquet"]
    before = {path: path.read_bytes() for path in target.iterdir()}
    assert main(["export", str(out), "--to", str(target)]) == 6
    assert {path: path.read_bytes() for path in target.iterdir()} == before


def test_values_as_csv_and_as_json_lines_are_those_of_the_table(out: Path) -> None:
    lines = exported(out, "ndjson").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert keys(rows) == sorted(2 * CURRENT[:3]) and list(rows[0]) == records.ITEMS.names
    expected = pq.read_table(exported(out, "parquet") / "items.parquet").to_pylist()
    assert sorted(rows, key=str) == sorted(expected, key=str)
    with exported(out, "csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    as_text = [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in rows]
    for row, source in zip(as_text, rows, strict=True):
        row["boxes"] = json.dumps(source["boxes"])
    assert table == as_text
    assert pd.read_csv(exported(out, "csv"))["score"].tolist() == [0.5] * 6


def test_a_file_is_replaced(out: Path) -> None:
    target = exported(out, "csv")
    target.write_text("old")
    assert "old" not in exported(out, "csv", "--schema", "elmtex/2").read_text()


def test_records_of_the_elmtex_data_set_read_back(out: Path, schema: Schema) -> None:
    """Values that the format cannot tell apart become what they are there: a `;` parts entries."""
    target = exported(out, "elmtex", "--schema", "elmtex/1")
    written = {record["doc_id"]: record for record in json.loads(target.read_text(encoding="utf-8"))}
    assert sorted(written) == ["a", "b"] and list(written["a"]["summary"]) == list(schema.keys)
    assert written["a"]["summary"]["diagnosis"] == "flu; gout" and written["a"]["summary"]["age"] == "N/A"
    (_, report) = read_reports(target, schema)
    assert report.text == "flu and gout" and report.labels["diagnosis"] == ["flu", "gout"]
    assert not any(report.labels[key] for key in schema.keys if key != "diagnosis")


def test_nothing_is_exported_while_a_run_is_writing(out: Path) -> None:
    target = out.parent / "export.csv"
    with Warehouse.open(str(out)).writing():
        assert main(["export", str(out), "--to", str(target), "--format", "csv"]) == 6
    assert not target.exists()


def test_a_crash_at_any_step_leaves_the_whole_target_or_none(out: Path, tmp_path: Path) -> None:
    export(str(out), str(tmp_path / "whole"), "parquet")
    for number in range(1, 40):
        target = tmp_path / str(number) / "target"
        crashed = crash_at(number, lambda t=target: export(str(out), str(t), "parquet"))  # type: ignore[misc]
        if not target.exists():
            export(str(out), str(target), "parquet")
        assert [path.name for path in target.parent.iterdir()] == ["target"]
        for path in (tmp_path / "whole").iterdir():
            assert (target / path.name).read_bytes() == path.read_bytes()
        if not crashed:
            break
    assert 8 < number < 39


def test_a_target_that_cannot_be_written_is_told_without_its_name(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (out.parent / "file").touch()
    assert main(["export", str(out), "--to", str(out.parent / "file" / "secret"), "--format", "csv"]) == 6
    assert "secret" not in capsys.readouterr().err


def delta(target: Path, table: str) -> tuple[int, list[tuple[str, str, str]]]:
    found = DeltaTable(str(target / table))
    return found.version(), keys(found.to_pyarrow_table(columns=["doc_id", "schema", "run_id"]).to_pylist())


def test_delta_tables_get_each_row_once(out: Path, schema: Schema, capsys: pytest.CaptureFixture[str]) -> None:
    target = exported(out, "delta", "--schema", "elmtex/1")
    first = sorted(key for key in CURRENT if key[1] == "elmtex/1")
    assert delta(target, "documents") == (0, first) and delta(target, "items") == (0, sorted(2 * first[:2]))
    assert exported(out, "delta", "--schema", "elmtex/1") == target
    assert delta(target, "documents") == (0, first) and delta(target, "items") == (0, sorted(2 * first[:2]))
    exported(out, "delta")
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["3", "0", "1"]
    assert delta(target, "documents") == (1, CURRENT) and delta(target, "items") == (1, sorted(2 * CURRENT[:3]))
    rows = DeltaTable(str(target / "documents")).to_pyarrow_table().to_pylist()
    allergies = {row["run_id"]: row["extraction"]["allergies"] for row in rows if row["doc_id"] != "c"}
    assert allergies["r2"] is None and allergies["r3"][0]["boxes"][0]["x1"] == 3.0


def test_an_export_to_delta_that_stopped_between_the_tables_is_completed(out: Path) -> None:
    target = out.parent / "lake"
    export(str(out), str(target), "delta")
    (target / "items").rename(target / "lost")
    assert export(str(out), str(target), "delta") == 0
    assert delta(target, "documents") == (0, CURRENT) and delta(target, "items") == delta(target, "lost")


def test_an_object_store_is_compacted_exported_and_exported_to(
    schema: Schema, s3: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    store, out = make_bucket("lake"), "s3://lake/out"
    warehouse = Warehouse.create(out)
    for doc in "abc":
        warehouse.write_part(documents(schema, doc))
    assert warehouse.compact(1 << 20)["documents"] == (3, 1)
    assert [export(out, f"s3://lake/{form}", form) for form in ("csv", "parquet", "delta", "delta")] == [3, 3, 3, 0]
    names = sorted(info.base_name for info in store.get_file_info(fs.FileSelector("lake/parquet")))
    assert names == ["_SUCCESS", "documents.parquet", "items.parquet"]
    assert keys(pq.read_table("lake/parquet/items.parquet", filesystem=store).to_pylist()) == sorted(
        2 * [(doc, "elmtex/1", "r1") for doc in "abc"]
    )
    with store.open_input_stream("lake/csv") as stream:
        assert stream.read().count(b"\n") == 1 + 6
    with pytest.raises(OutputError, match="name another one"):
        export(out, "s3://lake/parquet", "parquet")
    with pytest.raises(SettingsError, match="AWS_ENDPOINT_URL"):
        export(out, "s3://key:password@lake/delta", "delta")
