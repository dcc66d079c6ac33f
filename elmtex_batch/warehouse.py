"""The published tables: Parquet parts that appear whole or not at all.

`OUT/documents/` has one row per document, `OUT/items/` one row per value, derived from it part by part. A part is named
after its content, and is there for readers only once its bytes are on the disk and were read back.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import reduce
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from elmtex_batch import records
from elmtex_batch.errors import InputMissing, OutputError
from elmtex_batch.reasons import Code
from elmtex_batch.schema import Schema

DOCUMENTS, ITEMS, TEXTS, MANIFESTS = "documents", "items", "texts", "manifests"
_KEY = ["doc_id", "schema", "model"]
"""Of a document's rows with the same key, that of the last run counts."""
_LOCK = ".lock"
_TAKEN = "another run is writing to this output folder; wait for it to end, or name another folder"


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
        with _told():
            filesystem, root = warehouse._open()
            for table in (DOCUMENTS, ITEMS, TEXTS, MANIFESTS):
                filesystem.create_dir(f"{root}/{table}", recursive=True)
        return warehouse

    @classmethod
    def open(cls, uri: str) -> Self:
        """An output folder that a run has made.

        Raises:
            InputMissing: there is none.
        """
        warehouse = cls(uri)
        filesystem, root = warehouse._open()
        if filesystem.get_file_info(f"{root}/{DOCUMENTS}").type != fs.FileType.Directory:
            raise InputMissing("this is not the output folder of a run: it has no documents/")
        return warehouse

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keeps other runs out, and first completes what a run that was killed has left half done.

        Object stores have no locks: there, two runs at a time do each other's work again and cost time, not rows.

        Raises:
            OutputError: another run is writing to this folder.
        """
        filesystem, root = self._open()
        if not isinstance(filesystem, fs.LocalFileSystem):
            self.repair()
            yield
            return
        with _told():
            lock = open(f"{root}/{_LOCK}", "a")  # noqa: PTH123, SIM115 - closed below
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(_TAKEN) from None
            self.repair()
            yield

    def write_part(self, documents: pa.Table) -> str:
        """Publishes rows of `documents/` and their values in `items/`; returns the part's name.

        Raises:
            OutputError: it cannot be written; nothing half written is published.
        """
        metadata = {"elmtex.schema": documents["schema"][0].as_py(), "elmtex.format": "1"}
        documents = documents.replace_schema_metadata(metadata)
        name = self._write(DOCUMENTS, documents)
        self._write(ITEMS, items_of(documents), name)
        return name

    def write_files(self, files: pa.Table, run_id: str) -> None:
        """Keeps, of a run's list of input files (`records.FILES`), those that no earlier run had listed alike."""
        known = set(_tuples(self.files()))
        new = files.filter(pa.array([file not in known for file in _tuples(files)], pa.bool_()))
        if len(new):
            self._write(MANIFESTS, new, f"{run_id}.parquet")

    def files(self) -> pa.Table:
        """The input files of all runs, the last ones last."""
        filesystem, root = self._open()
        infos = filesystem.get_file_info(fs.FileSelector(f"{root}/{MANIFESTS}", allow_not_found=True))
        names = sorted(info.base_name for info in infos if info.base_name.endswith(".parquet"))
        tables = [self._read(MANIFESTS, name) for name in names if not name.startswith(".")]
        return pa.concat_tables([records.FILES.empty_table(), *tables])

    def write_results(self, results: pa.Table) -> None:
        """Publishes what comes out of the flow (`records.results_schema`): new texts first, then documents.

        Raises:
            OutputError: they cannot be written.
        """
        texts = results["published_text"].drop_null()
        if len(texts):
            self._write(TEXTS, pa.Table.from_struct_array(texts))
        self.write_part(results.drop_columns("published_text"))

    def texts_with(self, text_key: str) -> dict[str, str]:
        """For each document with a text of this key the part that has the last one."""
        found: dict[str, tuple[str, str]] = {}
        for part, batch in self._scan(["doc_id", "text_key", "run_id"], TEXTS):
            rows = batch.filter(pc.equal(batch["text_key"], text_key))
            for doc_id, run_id in zip(rows["doc_id"].to_pylist(), rows["run_id"].to_pylist(), strict=True):
                found[doc_id] = max(found.get(doc_id, ("", "")), (run_id, part))
        return {doc_id: part for doc_id, (_, part) in found.items()}

    def read_texts(self, part: str) -> pa.Table:
        """The rows of a part of `texts/`."""
        return self._read(TEXTS, part)

    def repair(self) -> None:
        """Completes what a crash has left: parts without their items, and rows that a later run has replaced."""
        missing = set(self._parts(DOCUMENTS)) - set(self._parts(ITEMS))
        for name in sorted(missing):
            self._write(ITEMS, items_of(self._read(DOCUMENTS, name)), name)
        for name in set(self._parts(ITEMS)) - set(self._parts(DOCUMENTS)):
            self._delete(ITEMS, name)
        self.drop_replaced()

    def drop_replaced(self) -> None:
        """Takes out the rows of documents that a later run did again (`retry`), a part at a time."""
        for name, lost in _replaced_rows(list(self._scan([*_KEY, "run_id"]))).items():
            documents = self._read(DOCUMENTS, name)
            documents = documents.filter(pa.array([i not in lost for i in range(len(documents))]))
            # Until the old part is gone both are there. A crash in between leaves what this method takes out.
            if len(documents):
                self.write_part(documents)
            for table in (DOCUMENTS, ITEMS):
                self._delete(table, name)

    def ids_done(self, schema: Schema, model: str, text_key: str, retried: str | None = None) -> set[str]:
        """The documents published with this schema, model and key of texts, but for those with the reason `retried`."""
        wanted = {"schema": schema.label, "model": model, "text_key": text_key}
        done: set[str] = set()
        for _, batch in self._scan(["doc_id", *wanted, "reasons"]):
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
            for _, batch in self._scan(["sources", "reasons"])
            for sources, reasons in zip(batch["sources"].to_pylist(), batch["reasons"].to_pylist(), strict=True)
            if code in {reason["code"] for reason in reasons}
        ]

    def count_run(self, run_id: str) -> dict[str, tuple[str, int]]:
        """For each document of a run its status and how many rows it has: read back from what was published."""
        counted: dict[str, tuple[str, int]] = {}
        for _, batch in self._scan(["doc_id", "status", "run_id"]):
            rows = batch.filter(pc.equal(batch["run_id"], run_id))
            for doc_id, status in zip(rows["doc_id"].to_pylist(), rows["status"].to_pylist(), strict=True):
                counted[doc_id] = (status, counted.get(doc_id, ("", 0))[1] + 1)
        return counted

    def ledger(self) -> pa.Table:
        """`doc_id`, `status`, `reasons`, `schema`, `model` and `run_id` of every row."""
        columns = [*_KEY, "status", "reasons", "run_id"]
        batches = [batch for _, batch in self._scan(columns)]
        return pa.Table.from_batches(batches) if batches else pa.table({name: [] for name in columns})

    def _scan(self, columns: list[str], table: str = DOCUMENTS) -> Iterator[tuple[str, pa.RecordBatch]]:
        filesystem, root = self._open()
        for name in self._parts(table):
            with pq.ParquetFile(f"{root}/{table}/{name}", filesystem=filesystem) as file:
                for batch in file.iter_batches(columns=columns):
                    yield name, batch.select(columns)

    def _parts(self, table: str) -> list[str]:
        filesystem, root = self._open()
        infos = filesystem.get_file_info(fs.FileSelector(f"{root}/{table}", allow_not_found=True))
        names = (info.base_name for info in infos)
        return sorted(name for name in names if name.startswith("part-") and name.endswith(".parquet"))

    def _read(self, table: str, name: str) -> pa.Table:
        filesystem, root = self._open()
        return pq.read_table(f"{root}/{table}/{name}", filesystem=filesystem, partitioning=None)

    def _write(self, table: str, rows: pa.Table, name: str | None = None) -> str:
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink, compression="zstd")
        content = sink.getvalue()
        name = name or f"part-{hashlib.sha256(content).hexdigest()[:32]}.parquet"
        filesystem, root = self._open()
        with _told():
            if isinstance(filesystem, fs.LocalFileSystem):
                _put(content, f"{root}/{table}", name, len(rows))
            else:
                with filesystem.open_output_stream(f"{root}/{table}/{name}") as stream:
                    stream.write(content)
        return name

    def _delete(self, table: str, name: str) -> None:
        filesystem, root = self._open()
        with suppress(FileNotFoundError):
            filesystem.delete_file(f"{root}/{table}/{name}")

    def _open(self) -> tuple[fs.FileSystem, str]:
        if "://" not in self.uri:
            return fs.LocalFileSystem(), self.uri
        filesystem, root = fs.FileSystem.from_uri(self.uri)
        return filesystem, root


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


@contextmanager
def _told() -> Iterator[None]:
    """Failures of the filesystem, without the paths that their messages quote."""
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
        raise OutputError(f"cannot write to the output folder: {reason}") from None


def _put(content: pa.Buffer, folder: str, name: str, rows: int) -> None:
    """Writes a local file under a hidden name, reads it back, and only then gives it its name."""
    hidden = f"{folder}/.{name}.part"
    try:
        with open(hidden, "wb") as file:  # noqa: PTH123 - a descriptor is needed
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if pq.read_metadata(hidden).num_rows != rows:
            raise OSError("the file that was written reads back differently")
        os.replace(hidden, f"{folder}/{name}")  # noqa: PTH105
    except OSError:
        with suppress(OSError):
            os.unlink(hidden)  # noqa: PTH108
        raise
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
