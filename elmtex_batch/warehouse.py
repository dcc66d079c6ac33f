"""The published tables: Parquet parts that appear whole or not at all.

`OUT/documents/` has one row per document, `OUT/items/` one row per value, derived from it. A part is named after the
documents it holds, so writing the same part again replaces it with itself.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from elmtex_batch import records
from elmtex_batch.errors import OutputError
from elmtex_batch.schema import Schema

DOCUMENTS, ITEMS = "documents", "items"


@dataclass(frozen=True, slots=True)
class Warehouse:
    """An output folder, local or on any filesystem that pyarrow opens."""

    uri: str

    @classmethod
    def create(cls, uri: str) -> Self:
        """The folder with its tables, made if missing.

        Raises:
            OutputError: it cannot be written.
        """
        warehouse = cls(uri)
        try:
            filesystem, root = warehouse._open()
            for table in (DOCUMENTS, ITEMS):
                filesystem.create_dir(f"{root}/{table}", recursive=True)
        except (OSError, pa.ArrowInvalid) as error:
            raise OutputError(f"cannot write to the output folder: {type(error).__name__}") from None
        return warehouse

    def write_part(self, documents: pa.Table, schema: Schema) -> str:
        """Publishes rows of `documents/` and their values in `items/`; returns the part's name."""
        ids = "\n".join([*sorted(documents["doc_id"].to_pylist()), documents["model"][0].as_py() or ""])
        name = f"part-{hashlib.sha256(ids.encode()).hexdigest()[:32]}.parquet"
        metadata = {"elmtex.schema": schema.label, "elmtex.format": "1"}
        # Values first: a document that is there has its values there too.
        for table, rows in ((ITEMS, items_of(documents, schema)), (DOCUMENTS, documents)):
            self._write(f"{table}/{name}", rows.replace_schema_metadata(metadata))
        return name

    def ids_done(self, schema: Schema, model: str) -> set[str]:
        """The documents already published with this schema and model."""
        return {
            doc_id
            for batch in self._scan(["doc_id", "schema", "model"])
            for doc_id, label, name in zip(*(batch[column].to_pylist() for column in batch.schema.names), strict=True)
            if (label, name) == (schema.label, model)
        }

    def count_run(self, run_id: str) -> dict[str, tuple[str, int]]:
        """For each document of a run its status and how many rows it has: read back from what was published."""
        counted: dict[str, tuple[str, int]] = {}
        for batch in self._scan(["doc_id", "status", "run_id"]):
            rows = batch.filter(pc.equal(batch["run_id"], run_id))
            for doc_id, status in zip(rows["doc_id"].to_pylist(), rows["status"].to_pylist(), strict=True):
                counted[doc_id] = (status, counted.get(doc_id, ("", 0))[1] + 1)
        return counted

    def _scan(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        filesystem, root = self._open()
        for info in filesystem.get_file_info(fs.FileSelector(f"{root}/{DOCUMENTS}", allow_not_found=True)):
            if info.base_name.startswith("part-") and info.base_name.endswith(".parquet"):
                with pq.ParquetFile(info.path, filesystem=filesystem) as file:
                    yield from file.iter_batches(columns=columns)

    def _write(self, path: str, table: pa.Table) -> None:
        filesystem, root = self._open()
        folder, _, name = f"{root}/{path}".rpartition("/")
        hidden = f"{folder}/.{name}.part"
        pq.write_table(table, hidden, filesystem=filesystem, compression="zstd")
        filesystem.move(hidden, f"{folder}/{name}")

    def _open(self) -> tuple[fs.FileSystem, str]:
        if "://" not in self.uri:
            return fs.LocalFileSystem(), self.uri
        filesystem, root = fs.FileSystem.from_uri(self.uri)
        return filesystem, root


def items_of(documents: pa.Table, schema: Schema) -> pa.Table:
    """The values of documents, flat, in the schema's order of categories and the text's order of values."""
    rows = []
    for document in documents.select(["doc_id", "extraction", "schema", "model", "run_id"]).to_pylist():
        constant = {name: document[name] for name in ("doc_id", "schema", "model", "run_id")}
        for category in schema.keys:
            values = (document["extraction"] or {}).get(category) or []
            rows += [{**constant, "category": category, "ordinal": i, **value} for i, value in enumerate(values)]
    return pa.Table.from_pylist(rows, records.ITEMS)
