import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elmtex_batch import records
from elmtex_batch.errors import OutputError
from elmtex_batch.schema import Schema
from elmtex_batch.tables import Tables
from elmtex_batch.warehouse import Warehouse

BOX = {"x0": 1.0, "y0": 2.0, "x1": 3.0, "y1": 4.0}


def value(text: str, start: int) -> records.Row:
    return {
        "value": text, "start": start, "end": start + len(text), "page": 1, "boxes": [BOX],
        "ocr_confidence": None, "score": 0.5,
    }  # fmt: skip


def documents(schema: Schema, *ids: str, run_id: str = "r1", model: str = "m") -> pa.Table:
    rows = [
        {
            "doc_id": doc_id, "sources": [f"/x/{doc_id}"], "status": "extracted", "reasons": [], "pages": [],
            "text": "flu and gout", "extraction": {"diagnosis": [value("flu", 0), value("gout", 8)]},
            "schema": schema.label, "model": model, "text_key": "t", "run_id": run_id,
        }
        for doc_id in ids
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, records.documents_schema(schema))


def test_parts_are_read_by_duckdb_without_this_package(tmp_path: Path, schema: Schema) -> None:
    Warehouse.create(str(tmp_path)).write_part(documents(schema, "a", "b"))
    query = f"""
        select d.doc_id, i.category, i.ordinal, d.text[i.start + 1 : i.end] = i.value, i.boxes[1].x1
        from '{tmp_path}/documents/*.parquet' d join '{tmp_path}/items/*.parquet' i using (doc_id) order by all
    """
    expected = [(doc, "diagnosis", ordinal, True, 3.0) for doc in "ab" for ordinal in (0, 1)]
    assert duckdb.connect().execute(query).fetchall() == expected


def test_pandas_reads_the_tables_too(tmp_path: Path, schema: Schema) -> None:
    Warehouse.create(str(tmp_path)).write_part(documents(schema, "a"))
    items = pd.read_parquet(tmp_path / "items")
    assert items["value"].tolist() == ["flu", "gout"] and items["boxes"][0][0]["x1"] == 3.0
    assert pd.read_parquet(tmp_path / "documents")["extraction"][0]["diagnosis"][1]["value"] == "gout"


def test_the_same_part_again_replaces_itself(tmp_path: Path, schema: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    names = {warehouse.write_part(documents(schema, "a", "b")) for _ in range(2)}
    assert len(names) == len(list((tmp_path / "documents").iterdir())) == 1
    assert warehouse.count_run("r1") == {"a": ("extracted", 1), "b": ("extracted", 1)}


def test_documents_are_done_per_schema_and_model(tmp_path: Path, schema: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    warehouse.write_part(documents(schema, "a"))
    warehouse.write_part(documents(schema, "b", model="other"))
    assert warehouse.ids_done(schema, "m", "t") == {"a"}


def test_a_document_published_twice_in_a_run_is_noticed(tmp_path: Path, schema: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    warehouse.write_part(documents(schema, "a"))
    warehouse.write_part(documents(schema, "a", "b"))
    assert warehouse.count_run("r1")["a"] == ("extracted", 2)


def test_half_written_parts_are_not_parts(tmp_path: Path, schema: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    (tmp_path / "documents" / ".part-0.parquet.part").write_bytes(b"PAR1")
    assert warehouse.ids_done(schema, "m", "t") == set()


def test_an_output_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        Warehouse.create(str(tmp_path / "file" / "out"))


def ids(warehouse: Warehouse, table: str) -> list[tuple[object, ...]]:
    return duckdb.connect().execute(f"select doc_id from '{warehouse.uri}/{table}/*.parquet' order by all").fetchall()


def test_a_crash_between_the_tables_is_completed_at_the_next_start(tmp_path: Path, schema: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    name = warehouse.write_part(documents(schema, "a"))
    written = (tmp_path / "items" / name).read_bytes()
    (tmp_path / "items" / name).unlink()
    (tmp_path / "items" / "part-without-documents.parquet").write_bytes(written)
    with warehouse.writing():
        assert [path.name for path in (tmp_path / "items").iterdir()] == [name]
        assert (tmp_path / "items" / name).read_bytes() == written


def test_a_document_done_again_replaces_its_row_wherever_a_crash_came(tmp_path: Path, schema: Schema) -> None:
    """Before anything was taken out, or when the old part and what was made from it are both still there."""
    warehouse = Warehouse.create(str(tmp_path))
    old = warehouse.write_part(documents(schema, "a", "b", "c"))
    kept = (tmp_path / "documents" / old).read_bytes()
    warehouse.write_part(documents(schema, "b", run_id="r2"))
    warehouse.write_part(documents(schema, "b", model="other"))
    warehouse.repair()
    rows = sorted((row["doc_id"], row["model"], row["run_id"]) for row in warehouse.ledger().to_pylist())
    assert rows == [("a", "m", "r1"), ("b", "m", "r2"), ("b", "other", "r1"), ("c", "m", "r1")]
    (tmp_path / "documents" / old).write_bytes(kept)
    warehouse.repair()
    assert sorted((row["doc_id"], row["model"], row["run_id"]) for row in warehouse.ledger().to_pylist()) == rows
    assert ids(warehouse, "documents") == [("a",), ("b",), ("b",), ("c",)]
    assert len(ids(warehouse, "items")) == 8
    before = sorted(tmp_path.rglob("*.parquet"))
    warehouse.repair()
    assert sorted(tmp_path.rglob("*.parquet")) == before


def test_rejected_documents_can_be_done_again(tmp_path: Path, schema: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    reason = [{"code": "timed_out", "stage": "pages", "page": None}]
    rejected = documents(schema, "b").to_pylist()[0] | {"status": "rejected", "reasons": reason}
    warehouse.write_part(documents(schema, "a"))
    warehouse.write_part(pa.Table.from_pylist([rejected], records.documents_schema(schema)))
    assert warehouse.ids_done(schema, "m", "t") == {"a", "b"}
    assert warehouse.ids_done(schema, "m", "t", retried="timed_out") == {"a"}


def test_two_runs_on_one_output_refuse_each_other(tmp_path: Path) -> None:
    first, second = Warehouse.create(str(tmp_path)), Warehouse.create(str(tmp_path))
    with first.writing(), pytest.raises(OutputError, match="another run"), second.writing():
        pass
    with second.writing():
        pass


def test_a_full_disk_publishes_nothing_half(tmp_path: Path, schema: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limit[1]))
    try:
        with pytest.raises(OutputError, match="cannot write to the output folder: File too large"):
            warehouse.write_part(documents(schema, "a"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list((tmp_path / "documents").iterdir()) == []


def results(schema: Schema, *ids: str) -> pa.Table:
    """As they come out of the flow, each with a text to publish."""
    rows = [
        {**row, "published_text": {"doc_id": row["doc_id"], "text_key": "t", "text": row["text"], "run_id": "r1"}}
        for row in documents(schema, *ids).to_pylist()
    ]
    return pa.Table.from_pylist(rows, records.results_schema(schema))


def crash_at(number: int, write: Callable[[], object]) -> bool:
    """Ends a copy of this process at once at the `number`th step that touches the disk; whether it got that far."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    steps = iter(range(1, 1_000))

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            if next(steps) == number:
                os._exit(9)
            result = step(*arguments)
            if next(steps) == number:
                os._exit(9)
            return result

        return run

    for name in ("fsync", "replace", "unlink"):
        setattr(os, name, counted(getattr(os, name)))
    pq.read_metadata = counted(pq.read_metadata)
    Tables.delete = counted(Tables.delete)  # type: ignore[method-assign]
    write()
    os._exit(0)


def test_a_crash_at_any_step_of_writing_loses_and_repeats_nothing(tmp_path: Path, schema: Schema) -> None:
    """Before and after every flush, check and rename of texts, documents and items, and while rows are replaced."""
    for number in range(1, 100):
        warehouse = Warehouse.create(str(tmp_path / str(number)))
        crashed = crash_at(number, lambda w=warehouse: w.write_results(results(schema, "a", "b")))  # type: ignore[misc]
        with warehouse.writing():
            done = warehouse.ids_done(schema, "m", "t")
            if left := sorted({"a", "b"} - done):
                warehouse.write_results(results(schema, *left))
        assert ids(warehouse, "documents") == [("a",), ("b",)]
        assert ids(warehouse, "items") == [("a",), ("a",), ("b",), ("b",)]
        assert set(warehouse.texts_with("t")) == {"a", "b"}
        if not crashed:
            break
    assert 20 < number < 99
