"""Many small parts of a table into few large ones.

A merged part names, in its metadata, the parts that it was made from. Its appearance, which is atomic, is what counts:
from then on those are rubbish, which whoever comes next takes away if a crash has left it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from elmtex_batch.tables import Footer, Tables

_REPLACES = b"elmtex.replaces"
_GROUP_BYTES = 16 << 20
"""Of a row group in memory: some hundred texts, 100,000 values. What reads a table needs so much at a time."""
_LARGE = 0.75
"""A part of this share of the wanted size is left as it is (as in Apache Iceberg's `rewrite_data_files`)."""


def plan(footers: Iterable[Footer], target_bytes: int) -> Iterator[list[str]]:
    """The parts to merge, in order of their runs; those of different schemas are never put together."""
    kinds: dict[tuple[pa.Schema, str], list[Footer]] = {}
    for footer in footers:
        kinds.setdefault(_kind(footer.schema), []).append(footer)
    for parts in kinds.values():
        parts.sort(key=lambda footer: (footer.oldest_run, footer.part))
        yield from _packed(parts, target_bytes)


def merge(tables: Tables, table: str, parts: Sequence[str], name: str | None = None) -> str:
    """Publishes the rows of parts of one schema as one part, and returns its name; the parts stay where they are.

    Raises:
        OutputError: it cannot be written.
    """
    replaced = json.dumps([part for part in parts if part != name]).encode()

    def rows() -> Iterator[pa.Table]:
        groups = (group for part in parts for group in tables.read_groups(table, part))
        for group in regroup(groups):
            yield group.replace_schema_metadata({**(group.schema.metadata or {}), _REPLACES: replaced})

    return tables.write(table, rows(), name)


def replaced_by(schema: pa.Schema) -> list[str]:
    """The parts from which a part with this schema was merged; they must be gone, or go."""
    return list(json.loads((schema.metadata or {}).get(_REPLACES, b"[]")))


def regroup(groups: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in row groups of a good size: small ones put together."""
    waiting: list[pa.Table] = []
    for group in groups:
        if waiting and sum(table.nbytes for table in waiting) + group.nbytes > _GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting = []
        waiting.append(group)
    if waiting:
        yield pa.concat_tables(waiting)


def _packed(parts: Sequence[Footer], target_bytes: int) -> Iterator[list[str]]:
    """Neighbours that are together not larger than the target; a large part between them parts them."""
    pack: list[str] = []
    size = 0
    for footer in parts:
        if footer.size >= _LARGE * target_bytes or size + footer.size > target_bytes:
            if len(pack) > 1:
                yield pack
            pack, size = [], 0
        if footer.size < _LARGE * target_bytes:
            pack.append(footer.part)
            size += footer.size
    if len(pack) > 1:
        yield pack


def _kind(schema: pa.Schema) -> tuple[pa.Schema, str]:
    """What parts must have in common: columns, category schema and format."""
    metadata = {key: value for key, value in (schema.metadata or {}).items() if key != _REPLACES}
    return schema.remove_metadata(), str(sorted(metadata.items()))
