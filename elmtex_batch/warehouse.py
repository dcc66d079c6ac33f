"""What a run publishes.

`OUT/documents/` has one row per document, `OUT/items/` one row per value, derived from it part by part; `OUT/texts/`
keeps the texts for other models, `OUT/manifests/` the input files, `OUT/runs/` the records of the runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from elmtex_batch import compaction, records, versions
from elmtex_batch.errors import InputMissing
from elmtex_batch.places import check_place
from elmtex_batch.reasons import Code
from elmtex_batch.schema import Schema
from elmtex_batch.tables import Tables

DOCUMENTS, ITEMS, TEXTS, MANIFESTS = "documents", "items", "texts", "manifests"
_NAMED_BY_RUN = (MANIFESTS, versions.RUNS)
_MERGED = (DOCUMENTS, TEXTS, *_NAMED_BY_RUN)
"""The tables that `compact` merges; `items/` follows `documents/`."""
_KEY = ["doc_id", "schema", "model"]
"""Of a document's rows with the same key, that of the last run that is not held counts."""


class Warehouse:
    """An output folder, local or on any filesystem that pyarrow opens."""

    def __init__(self, uri: str) -> None:
        check_place(uri)
        self.uri = uri if "://" in uri else str(Path(uri).absolute())  # a worker may have another working folder
        self._tables = Tables(self.uri)

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
        self.write_part(results.drop_columns(["published_text", "work", "tokens"]))

    def texts_with(self, text_key: str) -> dict[str, str]:
        """For each document with a text of this key the place of the last one: a part and its row group."""
        found: dict[str, tuple[str, str]] = {}
        for part in self._tables.parts(TEXTS):
            for group, rows in enumerate(self._tables.read_groups(TEXTS, part, ["doc_id", "text_key", "run_id"])):
                rows = rows.filter(pc.equal(rows["text_key"], text_key))
                for doc_id, run_id in zip(rows["doc_id"].to_pylist(), rows["run_id"].to_pylist(), strict=True):
                    found[doc_id] = max(found.get(doc_id, ("", "")), (run_id, f"{part}/{group}"))
        return {doc_id: place for doc_id, (_, place) in found.items()}

    def read_texts(self, place: str) -> pa.Table:
        """The rows of a place in `texts/`."""
        part, group = place.split("/")
        return self._tables.read_group(TEXTS, part, int(group))

    def repair(self) -> None:
        """Completes what a crash has left: parts without items, parts that were merged, rows that were replaced."""
        for name in sorted(set(self._tables.parts(DOCUMENTS)) - set(self._tables.parts(ITEMS))):
            self._derive_items(name)
        for table in _MERGED:
            footers = list(self._tables.footers(table))
            merged = {part for footer in footers for part in compaction.replaced_by(footer.schema)}
            for part in merged & {footer.part for footer in footers}:
                self._tables.delete(table, part)
        for name in set(self._tables.parts(ITEMS)) - set(self._tables.parts(DOCUMENTS)):
            self._tables.delete(ITEMS, name)
        self.drop_replaced()

    def drop_replaced(self) -> None:
        """Takes out the rows of documents that a later run did again (`retry`), a part at a time.

        A run that is held has replaced nothing, as long as it is held.
        """
        held = versions.held_runs(self._tables)
        lost = versions.outdated(self._tables.scan(DOCUMENTS, [*_KEY, "run_id"]), _KEY, held, keep_held=True)
        for footer in list(self._tables.footers(DOCUMENTS)):
            if footer.part not in lost:
                continue
            # Until the old part is gone both are there. A crash in between leaves what this method takes out.
            if len(lost[footer.part]) < footer.rows:
                rows = self._tables.read_without(DOCUMENTS, footer.part, lost[footer.part])
                self._derive_items(self._tables.write(DOCUMENTS, rows))
            for table in (DOCUMENTS, ITEMS):
                self._tables.delete(table, footer.part)

    def compact(self, target_bytes: int) -> dict[str, tuple[int, int]]:
        """Merges small parts into parts of about this size; returns for each table how many there were and are.

        For a moment readers see both; a part is never seen half, and no row is ever missing. Takes in memory two to
        three times the size of a part.

        Raises:
            OutputError: a run is writing to this folder, or it cannot be written.
        """
        with self.writing():
            return {table: self._compact(table, target_bytes) for table in _MERGED}

    def _compact(self, table: str, target_bytes: int) -> tuple[int, int]:
        footers = list(self._tables.footers(table))
        for parts in compaction.plan(footers, target_bytes):
            # The lists of files and runs count by the order of their names.
            name = compaction.merge(self._tables, table, parts, parts[-1] if table in _NAMED_BY_RUN else None)
            if table == DOCUMENTS:
                self._derive_items(name)
            for part in set(parts) - {name}:
                self._tables.delete(table, part)
                if table == DOCUMENTS:
                    self._tables.delete(ITEMS, part)
        return len(footers), len(self._tables.parts(table))

    def _derive_items(self, part: str) -> None:
        self._tables.write(ITEMS, (items_of(rows) for rows in self._tables.read_groups(DOCUMENTS, part)), part)

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
        tables = [rows for _, rows in self._tables.scan(DOCUMENTS, columns)]
        return pa.concat_tables(tables) if tables else pa.table({name: [] for name in columns})


def items_of(documents: pa.Table) -> pa.Table:
    """The values of documents, flat, in the schema's order of categories and the text's order of values."""
    extraction = documents["extraction"].combine_chunks()
    found = [_values_of(extraction, number, field.name) for number, field in enumerate(extraction.type)]
    values = pa.concat_tables(found).sort_by([(name, "ascending") for name in ("row", "place", "ordinal")])
    columns = {name: documents[name].take(values["row"]) for name in ("doc_id", "schema", "model", "run_id")}
    columns |= {name: values[name] for name in values.column_names}
    metadata = documents.schema.metadata
    return pa.table([columns[name] for name in records.ITEMS.names], records.ITEMS.with_metadata(metadata))


def _values_of(extraction: pa.StructArray, place: int, category: str) -> pa.Table:
    """The values of one category, with the rows of their documents."""
    lists = pc.struct_field(extraction, category)
    rows = pc.list_parent_indices(lists)
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    before = pc.subtract(pc.cumulative_sum(lengths), lengths)
    ordinals = pc.subtract(pa.array(range(len(rows)), pa.int32()), before.take(rows))
    values = pa.Table.from_struct_array(pc.list_flatten(lists))
    fixed = {"row": rows, "place": pa.repeat(pa.scalar(place), len(rows)), "ordinal": ordinals}
    fixed["category"] = pa.repeat(category, len(rows))
    return pa.table({**fixed, **dict(zip(values.column_names, values.columns, strict=True))})


def _tuples(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)
