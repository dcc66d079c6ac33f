"""Which rows count where a document has several: of those with the same key, that of the last run that was not held."""

from collections.abc import Collection, Iterable, Sequence
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elmtex_batch.tables import Tables

RUNS = "runs"

RowNumbers = dict[str, set[int]]
"""For each part the numbers of some of its rows."""


def held_runs(tables: Tables) -> set[str]:
    """The runs that a quality gate has held back."""
    held: set[str] = set()
    for _, runs in tables.scan(RUNS, ["run_id", "outcome"]):
        held.update(runs.filter(pc.equal(runs["outcome"], "held"))["run_id"].to_pylist())
    return held


def outdated(
    scan: Iterable[tuple[str, pa.Table]], key: Sequence[str], held: Collection[str], keep_held: bool = False
) -> RowNumbers:
    """The rows that do not count: those of `held` runs, and those that another row with the same key replaces.

    A row of a held run replaces none. With `keep_held` it is left too, until it is replaced. `scan` gives the columns
    of `key` and `run_id` of all rows, as `Tables.scan` does.
    """
    parts, rows = _ordered(scan, key)
    if not parts:
        return {}
    same_key, same_run = (_repeats(rows, names) for names in (key, [*key, "run_id"]))
    is_held = pc.is_in(rows["run_id"], value_set=pa.array(sorted(held), pa.string())).to_numpy()
    numbers = np.arange(len(rows))
    # Of each key the first row that counts, from the last run backwards.
    first = np.minimum.reduceat(np.where(is_held, len(rows), numbers), np.flatnonzero(~same_key))
    lost = same_run | (numbers > first[np.cumsum(~same_key) - 1])
    return _numbers(parts, rows, lost if keep_held else lost | is_held)


def _ordered(scan: Iterable[tuple[str, pa.Table]], key: Sequence[str]) -> tuple[list[str], pa.Table]:
    """The parts, and their rows, each with the index of its part and its number in it, the last run's first."""
    sizes: dict[str, int] = {}
    tables = []
    for part, rows in scan:
        first = sizes.get(part, 0)
        sizes[part] = first + len(rows)
        index = np.full(len(rows), len(sizes) - 1, np.int32)
        numbers = np.arange(first, sizes[part])
        tables.append(rows.append_column("row", pa.array(numbers)).append_column("part", pa.array(index)))
    if not tables:
        return [], pa.table({})
    rows = pa.concat_tables(tables)
    rows = rows.append_column("size", pa.array(sizes.values()).take(rows["part"].combine_chunks()))
    # Of two equal rows that of the smaller part counts, which was made from the other.
    order = [*((name, "ascending") for name in key), ("run_id", "descending"), ("size", "ascending")]
    return list(sizes), rows.sort_by(order)


def _repeats(rows: pa.Table, names: Sequence[str]) -> np.ndarray:
    """For each row whether the one before it has the same values."""
    same = [pc.equal(rows[name].slice(1), rows[name].slice(0, max(0, len(rows) - 1))) for name in names]
    return np.concatenate([np.zeros(min(1, len(rows)), bool), reduce(pc.and_, same).to_numpy()])


def _numbers(parts: Sequence[str], rows: pa.Table, chosen: np.ndarray) -> RowNumbers:
    rows = rows.filter(pa.array(chosen))
    found: RowNumbers = {}
    for part, row in zip(rows["part"].to_pylist(), rows["row"].to_pylist(), strict=True):
        found.setdefault(parts[part], set()).add(row)
    return found
