"""The documents of an output folder that a report is about."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import pyarrow as pa

from elmtex_batch.errors import InputMissing
from elmtex_batch.records import Row
from elmtex_batch.schema import Schema, load_schema
from elmtex_batch.tables import Tables
from elmtex_batch.warehouse import DOCUMENTS, Warehouse

LEAST_ID = 8
"""Characters of the beginning of a doc_id that name a document."""


def _beginning_with(name: str, ids: Sequence[str]) -> Sequence[str]:
    """Of sorted ids those that begin so."""
    return ids[bisect_left(ids, name) : bisect_left(ids, name + "g")] if len(name) >= LEAST_ID else ()


def base_name(source: str) -> str:
    """The last part of a path or URI."""
    return PurePosixPath(source).name


class Archive:
    """The documents that were read with one schema; of several rows of a document that of the last run."""

    def __init__(self, uri: str, schema: str | None = None) -> None:
        """`schema` is a name or a file; by default it is that of the last run.

        Raises:
            InputMissing: there is no output folder, or no document of this schema in it.
            SettingsError: there is no such schema.
        """
        Warehouse.open(uri)
        self._tables = Tables(uri)
        rows = list(self._rows())
        if not rows:
            raise InputMissing("this output folder has no documents yet")
        _, last_schema, _, _, _ = max(rows, key=lambda row: row[2])
        self.schema: Schema = load_schema(schema or last_schema.partition("/")[0])
        labels = {label for _, label, *_ in rows}
        if self.schema.label not in labels:
            raise InputMissing(
                f"no document was read with the schema {self.schema.label}, but with {', '.join(sorted(labels))}; "
                "name it with --schema"
            )
        self._last: dict[str, tuple[str, str, int]] = {}
        for doc_id, label, run_id, part, number in rows:
            if label == self.schema.label:
                self._last[doc_id] = max(self._last.get(doc_id, ("", "", 0)), (run_id, part, number))

    @property
    def ids(self) -> list[str]:
        """All documents, sorted. As ids are hashes, the first n are a random sample, and always the same."""
        return sorted(self._last)

    def find(self, names: Sequence[str]) -> list[str]:
        """The documents that are named by doc_id, by its beginning, by source or by the last part of its path.

        Raises:
            InputMissing: a name is that of no document.
        """
        found: dict[str, None] = {}
        ids, by_source = self.ids, self._by_source()
        for name in names:
            named = _beginning_with(name, ids) or by_source.get(name)
            if not named:
                raise InputMissing("a document that was asked for is not in this output folder; check its name or id")
            found.update(dict.fromkeys(named))
        return list(found)

    def sources(self) -> dict[str, list[str]]:
        """The sources of every document."""
        columns = ("doc_id", "sources")
        return {
            doc_id: sources
            for batch in self.scan(list(columns))
            for doc_id, sources in zip(*(batch[name].to_pylist() for name in columns), strict=True)
        }

    def scan(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """The chosen columns of all documents."""
        counted = {part for _, part, _ in self._last.values()}
        places = {(part, number) for _, part, number in self._last.values()}
        for part, first, batch in self._batches(columns):
            if part in counted:
                yield batch.filter(pa.array([(part, first + i) in places for i in range(len(batch))], pa.bool_()))

    def read(self, ids: Iterable[str]) -> Iterator[list[Row]]:
        """Whole rows of `documents/`, part by part."""
        wanted: dict[str, list[int]] = {}
        for doc_id in ids:
            _, part, number = self._last[doc_id]
            wanted.setdefault(part, []).append(number)
        for part, numbers in sorted(wanted.items()):
            yield self._tables.read(DOCUMENTS, part).take(pa.array(sorted(numbers))).to_pylist()

    def table(self, name: str) -> list[Row]:
        """All rows of one of the small tables; none if there is no such table."""
        return [row for part in self._tables.parts(name) for row in self._tables.read(name, part).to_pylist()]

    def _rows(self) -> Iterator[tuple[str, str, str, str, int]]:
        for part, first, batch in self._batches(["doc_id", "schema", "run_id"]):
            columns = (batch[name].to_pylist() for name in ("doc_id", "schema", "run_id"))
            for i, (doc_id, label, run_id) in enumerate(zip(*columns, strict=True)):
                yield doc_id, label, run_id, part, first + i

    def _batches(self, columns: list[str]) -> Iterator[tuple[str, int, pa.RecordBatch]]:
        """Each with its part and the number of its first row there."""
        rows: dict[str, int] = {}
        for part, batch in self._tables.scan(DOCUMENTS, columns):
            first = rows.get(part, 0)
            rows[part] = first + len(batch)
            yield part, first, batch

    def _by_source(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for doc_id, sources in self.sources().items():
            for name in {name for source in sources for name in (source, base_name(source))}:
                found.setdefault(name, []).append(doc_id)
        return found
