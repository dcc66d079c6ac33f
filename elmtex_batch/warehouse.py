"""What a run publishes.

`OUT/documents/` has one row per document, `OUT/items/` one row per value, derived from it part by part; `OUT/texts/`
keeps the texts for other models, `OUT/manifests/` the input files.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from elmtex_batch import records
from elmtex_batch.errors import InputMissing
from elmtex_batch.places import check_place
from elmtex_batch.reasons import Code
from elmtex_batch.schema import Schema
from elmtex_batch.tables import Tables

DOCUMENTS, ITEMS, TEXTS, MANIFESTS = "documents", "items", "texts", "manifests"
_KEY = ["doc_id", "schema", "model"]
"""Of a document's rows with the same key, that of the last run counts."""


class Warehouse:
    """An output folder, local or on any filesystem that pyarrow opens."""

    def __init__(self, uri: str) -> None:
        check_place(uri)
        self.uri = uri
        self._tables = Tables(uri)

    @classmethod
    def create(cls, uri: str) -> Self:
        """The folder with its tables, made if missing.

        Raises:
            OutputError: it cannot be written.
        """
        warehouse = cls(uri)
        warehouse._tables.create(DOCUMENTS, ITEMS, TEXTS, MANIFESTS)
        return warehouse

    @classmethod
    def open(cls, uri: str) -> Self:
        """An output folder that a run has made.

        Raises:
            InputMissing: there is none.
        """
        warehouse = cls(uri)
        if not warehouse._tables.has(DOCUMENTS):
            raise InputMissing("this is not the output folder of a run: it has no documents/")
        return warehouse

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keeps other runs out, and first completes what a run that was killed has left half done.

        Object stores have no locks: there, two runs at a time do each other's work again and cost time, not rows.

        Raises:
            OutputError: another run is writing to this folder.
        """
        with self._tables.locked():
            self.repair()
            yield

    def write_part(self, documents: pa.Table) -> str:
        """Publishes rows of `documents/` and their values in `items/`; returns the part's name.

        Raises:
            OutputError: it cannot be written; nothing half written is published.
        """
        metadata = {"elmtex.schema": documents["schema"][0].as_py(), "elmtex.format": "1"}
        documents = documents.replace_schema_metadata(metadata)
        name = self._tables.write(DOCUMENTS, documents)
        self._tables.write(ITEMS, items_of(documents), name)
        return name

    def write_files(self, files: pa.Table, before: pa.Table, run_id: str) -> None:
        """Keeps, of a run's list of input files (`records.FILES`), those that are not alike in the lists `before`."""
        known = set(_tuples(before))
        new = files.filter(pa.array([file not in known for file in _tuples(files)], pa.bool_()))
        if len(new):
            self._tables.write(MANIFESTS, new, f"{run_id}.parquet")

    def files(self) -> pa.Table:
        """The input files of all runs, the last ones last."""
        tables = [self._tables.read(MANIFESTS, part) for part in self._tables.parts(MANIFESTS)]
        return pa.concat_tables([records.FILES.empty_table(), *tables])

    def write_results(self, results: pa.Table) -> None:
        """Publishes what comes out of the flow (`records.results_schema`): new texts first, then documents.

        Raises:
            OutputError: they cannot be written.
        """
        texts = results["published_text"].drop_null()
        if len(texts):
            self._tables.write(TEXTS, pa.Table.from_struct_array(texts))
        self.write_part(results.drop_columns("published_text"))

    def texts_with(self, text_key: str) -> dict[str, str]:
        """For each document with a text of this key the part that has the last one."""
        found: dict[str, tuple[str, str]] = {}
        for part, batch in self._tables.scan(TEXTS, ["doc_id", "text_key", "run_id"]):
            rows = batch.filter(pc.equal(batch["text_key"], text_key))
            for doc_id, run_id in zip(rows["doc_id"].to_pylist(), rows["run_id"].to_pylist(), strict=True):
                found[doc_id] = max(found.get(doc_id, ("", "")), (run_id, part))
        return {doc_id: part for doc_id, (_, part) in found.items()}

    def read_texts(self, part: str) -> pa.Table:
        """The rows of a part of `texts/`."""
        return self._tables.read(TEXTS, part)

    def repair(self) -> None:
        """Completes what a crash has left: parts without their items, and rows that a later run has replaced."""
        missing = set(self._tables.parts(DOCUMENTS)) - set(self._tables.parts(ITEMS))
        for name in sorted(missing):
            self._tables.write(ITEMS, items_of(self._tables.read(DOCUMENTS, name)), name)
        for name in set(self._tables.parts(ITEMS)) - set(self._tables.parts(DOCUMENTS)):
            self._tables.delete(ITEMS, name)
        self.drop_replaced()

    def drop_replaced(self) -> None:
        """Takes out the rows of documents that a later run did again (`retry`), a part at a time."""
        for name, lost in _replaced_rows(list(self._tables.scan(DOCUMENTS, [*_KEY, "run_id"]))).items():
            documents = self._tables.read(DOCUMENTS, name)
            documents = documents.filter(pa.array([i not in lost for i in range(len(documents))]))
            # Until the old part is gone both are there. A crash in between leaves what this method takes out.
            if len(documents):
                self.write_part(documents)
            for table in (DOCUMENTS, ITEMS):
                self._tables.delete(table, name)

    def ids_done(self, schema: Schema, model: str, text_key: str, retried: str | None = None) -> set[str]:
        """The documents published with this schema, model and key of texts, but for those with the reason `retried`."""
        wanted = {"schema": schema.label, "model": model, "text_key": text_key}
        done: set[str] = set()
        for _, batch in self._tables.scan(DOCUMENTS, ["doc_id", *wanted, "reasons"]):
            rows = batch.filter(reduce(pc.and_, (pc.equal(batch[name], value) for name, value in wanted.items())))
            reasons = rows["reasons"].to_pylist() if retried else [()] * len(rows)
            done.update(
                doc_id
                for doc_id, found in zip(rows["doc_id"].to_pylist(), reasons, strict=True)
                if retried not in {reason["code"] for reason in found}
            )
        return done

    def sources_with(self, code: Code) -> list[str]:
        """A source of each document that has this reason."""
        return [
            sources[0]
            for _, batch in self._tables.scan(DOCUMENTS, ["sources", "reasons"])
            for sources, reasons in zip(batch["sources"].to_pylist(), batch["reasons"].to_pylist(), strict=True)
            if code in {reason["code"] for reason in reasons}
        ]

    def count_run(self, run_id: str) -> dict[str, tuple[str, int]]:
        """For each document of a run its status and how many rows it has: read back from what was published."""
        counted: dict[str, tuple[str, int]] = {}
        for _, batch in self._tables.scan(DOCUMENTS, ["doc_id", "status", "run_id"]):
            rows = batch.filter(pc.equal(batch["run_id"], run_id))
            for doc_id, status in zip(rows["doc_id"].to_pylist(), rows["status"].to_pylist(), strict=True):
                counted[doc_id] = (status, counted.get(doc_id, ("", 0))[1] + 1)
        return counted

    def ledger(self) -> pa.Table:
        """`doc_id`, `status`, `reasons`, `schema`, `model` and `run_id` of every row."""
        columns = [*_KEY, "status", "reasons", "run_id"]
        batches = [batch for _, batch in self._tables.scan(DOCUMENTS, columns)]
        return pa.Table.from_batches(batches) if batches else pa.table({name: [] for name in columns})


def items_of(documents: pa.Table) -> pa.Table:
    """The values of documents, flat, in the schema's order of categories and the text's order of values."""
    categories = [field.name for field in documents.schema.field("extraction").type]
    rows = []
    for document in documents.select(["doc_id", "extraction", "schema", "model", "run_id"]).to_pylist():
        constant = {name: document[name] for name in ("doc_id", "schema", "model", "run_id")}
        for category in categories:
            values = (document["extraction"] or {}).get(category) or []
            rows += [{**constant, "category": category, "ordinal": i, **value} for i, value in enumerate(values)]
    metadata = documents.schema.metadata
    return pa.Table.from_pylist(rows, records.ITEMS).replace_schema_metadata(metadata)


def _replaced_rows(batches: Sequence[tuple[str, pa.RecordBatch]]) -> dict[str, set[int]]:
    """For each part the numbers of its rows that another part replaces; `batches`: keys and runs of all parts."""
    sizes: dict[str, int] = {}
    tables = []
    for part, batch in batches:
        first = sizes.get(part, 0)
        sizes[part] = first + len(batch)
        numbers = pa.array(range(first, sizes[part]))
        tables.append(
            pa.Table.from_batches([batch])
            .append_column("row", numbers)
            .append_column("part", pa.repeat(part, len(batch)))
        )
    if not tables:
        return {}
    rows = pa.concat_tables(tables)
    rows = rows.append_column("size", pa.array([sizes[part] for part in rows["part"].to_pylist()]))
    # The last run's row counts; of two equal ones that of the smaller part, which was made from the other.
    rows = rows.sort_by([*((name, "ascending") for name in _KEY), ("run_id", "descending"), ("size", "ascending")])
    repeats = [pc.equal(rows[name].slice(1), rows[name].slice(0, len(rows) - 1)) for name in _KEY]
    replaced: dict[str, set[int]] = {}
    for row in rows.slice(1).filter(reduce(pc.and_, repeats)).select(["part", "row"]).to_pylist():
        replaced.setdefault(row["part"], set()).add(row["row"])
    return replaced


def _tuples(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)
