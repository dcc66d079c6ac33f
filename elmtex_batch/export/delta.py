"""The current view as Delta Lake tables (deltalake, the Rust implementation): `documents` and `items`, append only.

A row is appended once: what a table has already is looked up by its key. Two exports at a time cannot both commit, for
each names itself as the next transaction of this application (`txn` in the Delta protocol).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from elmtex_batch import records
from elmtex_batch.current import CurrentView
from elmtex_batch.errors import OutputError, ToolMissing
from elmtex_batch.warehouse import items_of

_APPLICATION = "elmtex-batch export"
_KEY = ["doc_id", "schema", "model", "run_id"]
"""Rows of the same document and run are the same rows."""


def append(view: CurrentView, target: str) -> int:
    """Appends the documents of the view and their values that are not yet there; returns how many documents.

    Rows that a later run has replaced stay: like `documents/` itself the tables need the view of docs/warehouse.md.
    New categories become new fields of `extraction`.

    Raises:
        OutputError: the tables cannot be written; either all rows of a table are appended, or none.
        ToolMissing: the package deltalake is not installed.
    """
    documents = (table.cast(view.schema) for table in view.documents())
    count = _append(f"{target}/documents", view.schema, documents)
    items = (items_of(table) for table in view.documents())
    _append(f"{target}/items", records.ITEMS, items)
    return count


def _append(uri: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Rows that are new to a Delta table, in one transaction."""
    try:
        from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
    except ImportError:
        raise ToolMissing("the format delta needs the package deltalake: pip install 'elmtex-batch[delta]'") from None
    with _told():
        there = DeltaTable(uri) if DeltaTable.is_deltatable(uri) else None
        new = _Counted(_unknown(tables, _keys(there.to_pyarrow_dataset().to_batches(columns=_KEY) if there else ())))
        if (first := next(new, None)) is None and there:
            return 0
        version = there.transaction_version(_APPLICATION) if there else None
        transaction = Transaction(_APPLICATION, 0 if version is None else version + 1)
        rows = chain([first] if first else [], new)
        batches = (batch for table in rows for batch in table.to_batches())
        write_deltalake(
            there or uri,
            pa.RecordBatchReader.from_batches(schema, batches),
            mode="append",
            schema_mode="merge",
            commit_properties=CommitProperties(app_transactions=[transaction]),
        )
    return new.count


class _Counted(Iterator[pa.Table]):
    """Tables that pass, and how many rows they had."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self.count = 0

    def __next__(self) -> pa.Table:
        table = next(self._tables)
        self.count += len(table)
        return table


def _unknown(tables: Iterable[pa.Table], known: pa.Array) -> Iterator[pa.Table]:
    for table in tables:
        new = table.filter(pc.invert(pc.is_in(_joined(table), value_set=known)))
        if len(new):
            yield new


def _keys(batches: Iterable[pa.RecordBatch]) -> pa.Array:
    """Each key of the rows once."""
    known = [pc.unique(_joined(batch)) for batch in batches]
    return pc.unique(pa.chunked_array(known, pa.string()))


def _joined(rows: pa.Table | pa.RecordBatch) -> pa.Array:
    return pc.binary_join_element_wise(*(rows[name] for name in _KEY), "\n", null_handling="replace")


@contextmanager
def _told() -> Iterator[None]:
    """Failures of the library, without what their messages quote."""
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise OutputError(f"cannot append to the Delta table ({type(error).__name__}); start it again") from None
