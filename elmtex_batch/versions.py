"""Which rows count where a document has several: of those with the same key, that of the last run."""

from collections.abc import Collection, Iterable, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

RowNumbers = dict[str, set[int]]
"""For each part the numbers of some of its rows."""


def outdated(scan: Iterable[tuple[str, pa.Table]], key: Sequence[str], held: Collection[str] = ()) -> RowNumbers:
    """The rows that do not count: a later run has the same key, or the row's run is `held`.

    `scan` gives the columns of `key` and `run_id` of all rows, as `Tables.scan` does.
    """
    rows, parts = _numbered(scan)
    if not parts:
        return {}
    is_held = pc.is_in(rows["run_id"], value_set=pa.array(sorted(held), pa.string()))
    lost = pa.concat_tables([rows.filter(is_held), _replaced(rows.filter(pc.invert(is_held)), key)])
    found: RowNumbers = {}
    for part, row in zip(lost["part"].to_pylist(), lost["row"].to_pylist(), strict=True):
        found.setdefault(parts[part], set()).add(row)
    return found


def _numbered(scan: Iterable[tuple[str, pa.Table]]) -> tuple[pa.Table, list[str]]:
    """The rows with their numbers in their part, its index in the list of parts, and its size."""
    sizes: dict[str, int] = {}
    tables = []
    for part, rows in scan:
        first = sizes.get(part, 0)
        sizes[part] = first + len(rows)
        index = pa.array([len(sizes) - 1], pa.int32()).take(pa.repeat(pa.scalar(0), len(rows)))
        numbered = rows.append_column("row", pa.array(range(first, sizes[part]), pa.int64()))
        tables.append(numbered.append_column("part", index))
    if not tables:
        return pa.table({}), []
    table = pa.concat_tables(tables)
    return table.append_column("size", pa.array(sizes.values()).take(table["part"])), list(sizes)


def _replaced(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    # The last run's row counts; of two equal ones that of the smaller part, which was made from the other.
    order = [*((name, "ascending") for name in key), ("run_id", "descending"), ("size", "ascending")]
    rows = rows.sort_by(order)
    repeats = [pc.equal(rows[name].slice(1), rows[name].slice(0, max(0, len(rows) - 1))) for name in key]
    return rows.slice(1).filter(reduce(pc.and_, repeats))
