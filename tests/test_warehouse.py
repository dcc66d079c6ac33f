from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from elmtex_batch import records
from elmtex_batch.errors import OutputError
from elmtex_batch.schema import Schema
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
            "schema": schema.label, "model": model, "run_id": run_id,
        }
        for doc_id in ids
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, records.documents_schema(schema))


def test_parts_are_read_by_duckdb_without_this_package(tmp_path: Path, schema: Schema) -> None:
    Warehouse.create(str(tmp_path)).write_part(documents(schema, "a", "b"), schema)
    query = f"""
        select d.doc_id, i.category, i.ordinal, d.text[i.start + 1 : i.end] = i.value, i.boxes[1].x1
        from '{tmp_path}/documents/*.parquet' d join '{tmp_path}/items/*.parquet' i using (doc_id) order by all
    """
    expected = [(doc, "diagnosis", ordinal, True, 3.0) for doc in "ab" for ordinal in (0, 1)]
    assert duckdb.connect().execute(query).fetchall() == expected


def test_pandas_reads_the_tables_too(tmp_path: Path, schema: Schema) -> None:
    Warehouse.create(str(tmp_path)).write_part(documents(schema, "a"), schema)
    items = pd.read_parquet(tmp_path / "items")
    assert items["value"].tolist() == ["flu", "gout"] and items["boxes"][0][0]["x1"] == 3.0
    assert pd.read_parquet(tmp_path / "documents")["extraction"][0]["diagnosis"][1]["value"] == "gout"


def test_the_same_part_again_replaces_itself(tmp_path: Path, schema: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    names = {warehouse.write_part(documents(schema, "a", "b"), schema) for _ in range(2)}
    assert len(names) == len(list((tmp_path / "documents").iterdir())) == 1
    assert warehouse.count_run("r1") == {"a": ("extracted", 1), "b": ("extracted", 1)}


def test_documents_are_done_per_schema_and_model(tmp_path: Path, schema: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    warehouse.write_part(documents(schema, "a"), schema)
    warehouse.write_part(documents(schema, "b", model="other"), schema)
    assert warehouse.ids_done(schema, "m") == {"a"}


def test_a_document_published_twice_in_a_run_is_noticed(tmp_path: Path, schema: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    warehouse.write_part(documents(schema, "a"), schema)
    warehouse.write_part(documents(schema, "a", "b"), schema)
    assert warehouse.count_run("r1")["a"] == ("extracted", 2)


def test_half_written_parts_are_not_parts(tmp_path: Path, schema: Schema) -> None:
    warehouse = Warehouse.create(str(tmp_path))
    (tmp_path / "documents" / ".part-0.parquet.part").write_bytes(b"PAR1")
    assert warehouse.ids_done(schema, "m") == set()


def test_an_output_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        Warehouse.create(str(tmp_path / "file" / "out"))
