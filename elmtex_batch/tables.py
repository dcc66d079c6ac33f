"""A folder of Parquet tables, local or on any filesystem that pyarrow opens, whose parts appear whole or not at all."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from elmtex_batch.errors import OutputError
from elmtex_batch.places import open_place

_LOCK = ".lock"
_TAKEN = "another run is writing to this output folder; wait for it to end, or name another folder"


@dataclass(frozen=True, slots=True)
class Footer:
    """A part's name, bytes on disk, rows, schema with metadata, and first run, "" if it does not say."""

    part: str
    size: int
    rows: int
    schema: pa.Schema
    oldest_run: str


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a folder, each a folder of `*.parquet` parts."""

    uri: str

    def create(self, *tables: str) -> None:
        """Makes the folders of the tables, where they are missing.

        Raises:
            OutputError: that cannot be done.
        """
        with output_errors():
            filesystem, root = self._open()
            for table in tables:
                filesystem.create_dir(f"{root}/{table}", recursive=True)

    def has(self, table: str) -> bool:
        filesystem, root = self._open()
        return bool(filesystem.get_file_info(f"{root}/{table}").type == fs.FileType.Directory)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps others out who lock the folder. Object stores have no locks: there, it keeps out nobody.

        Raises:
            OutputError: someone else has it.
        """
        filesystem, root = self._open()
        if not isinstance(filesystem, fs.LocalFileSystem):
            yield
            return
        with output_errors():
            lock = open(f"{root}/{_LOCK}", "a")  # noqa: PTH123, SIM115 - closed below
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(_TAKEN) from None
            yield

    def parts(self, table: str) -> list[str]:
        """The names of a table's parts, sorted."""
        filesystem, root = self._open()
        infos = filesystem.get_file_info(fs.FileSelector(f"{root}/{table}", allow_not_found=True))
        names = (info.base_name for info in infos)
        return sorted(name for name in names if name.endswith(".parquet") and not name.startswith("."))

    def footers(self, table: str) -> Iterator[Footer]:
        """What the parts of a table tell about themselves, in the order of their names."""
        filesystem, root = self._open()
        for part in self.parts(table):
            path = f"{root}/{table}/{part}"
            with pq.ParquetFile(path, filesystem=filesystem) as file:
                size = filesystem.get_file_info(path).size
                yield Footer(part, size, file.metadata.num_rows, file.schema_arrow, _oldest_run(file.metadata))

    def read(self, table: str, part: str) -> pa.Table:
        filesystem, root = self._open()
        return pq.read_table(f"{root}/{table}/{part}", filesystem=filesystem, partitioning=None)

    def read_group(self, table: str, part: str, number: int) -> pa.Table:
        """One of a part's row groups."""
        filesystem, root = self._open()
        with pq.ParquetFile(f"{root}/{table}/{part}", filesystem=filesystem) as file:
            return file.read_row_group(number)

    def read_groups(self, table: str, part: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """A part's row groups one after the other, so that a large part needs little memory."""
        filesystem, root = self._open()
        with pq.ParquetFile(f"{root}/{table}/{part}", filesystem=filesystem) as file:
            for number in range(file.num_row_groups):
                rows = file.read_row_group(number, columns=columns)
                yield rows.select(columns) if columns else rows

    def read_without(self, table: str, part: str, lost: Collection[int]) -> Iterator[pa.Table]:
        """The same without the rows of these numbers; row groups of which nothing is left are left out."""
        first = 0
        for rows in self.read_groups(table, part):
            kept = rows.filter(pa.array([number not in lost for number in range(first, first + len(rows))], pa.bool_()))
            first += len(rows)
            if len(kept):
                yield kept

    def scan(self, table: str, columns: list[str]) -> Iterator[tuple[str, pa.Table]]:
        """The chosen columns of all rows, with the part that holds them."""
        for part in self.parts(table):
            for rows in self.read_groups(table, part, columns):
                yield part, rows

    def write(self, table: str, rows: pa.Table | Iterable[pa.Table], part: str | None = None) -> str:
        """Publishes rows as a part and returns its name, which is made from its content if none is given.

        Of several tables of one schema, at least one, each becomes a row group.

        Raises:
            OutputError: it cannot be written; nothing half written is published.
        """
        content, count = _encode([rows] if isinstance(rows, pa.Table) else rows)
        part = part or f"part-{hashlib.sha256(content).hexdigest()[:32]}.parquet"
        self._put(table, part, content, lambda file: bool(pq.read_metadata(file).num_rows == count))
        return part

    def write_file(self, table: str, name: str, content: bytes) -> None:
        """Publishes a file that is no part, beside the parts of a table.

        Raises:
            OutputError: it cannot be written; nothing half written is published.
        """
        self._put(table, name, pa.py_buffer(content), lambda file: Path(file).read_bytes() == content)

    def _put(self, table: str, name: str, content: pa.Buffer, reads_back: Callable[[str], bool]) -> None:
        filesystem, root = self._open()
        with output_errors():
            if isinstance(filesystem, fs.LocalFileSystem):
                _put(content, f"{root}/{table}", name, reads_back)
            else:
                with filesystem.open_output_stream(f"{root}/{table}/{name}") as stream:
                    stream.write(content)

    def delete(self, table: str, part: str) -> None:
        """Takes a part away, if it is there."""
        filesystem, root = self._open()
        with suppress(FileNotFoundError):
            filesystem.delete_file(f"{root}/{table}/{part}")

    def _open(self) -> tuple[fs.FileSystem, str]:
        return open_place(self.uri)


@contextmanager
def output_errors(place: str = "the output folder") -> Iterator[None]:
    """Tells failures of the filesystem without the paths that their messages quote.

    Raises:
        OutputError: instead of what the filesystem raises.
    """
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
        raise OutputError(f"cannot write to {place}: {reason}") from None


def _encode(groups: Iterable[pa.Table]) -> tuple[pa.Buffer, int]:
    """A Parquet file with these row groups, and how many rows it has."""
    groups, sink, count = iter(groups), pa.BufferOutputStream(), 0
    first = next(groups)
    with pq.ParquetWriter(sink, first.schema, compression="zstd") as writer:
        for rows in chain([first], groups):
            writer.write_table(rows)
            count += len(rows)
    return sink.getvalue(), count


def _oldest_run(footer: pq.FileMetaData) -> str:
    """From the statistics, which every part written here has."""
    names = [footer.schema.column(i).path for i in range(footer.num_columns)]
    if "run_id" not in names:
        return ""
    groups = (footer.row_group(i).column(names.index("run_id")).statistics for i in range(footer.num_row_groups))
    return min((str(found.min) for found in groups if found and found.has_min_max), default="")


def _put(content: pa.Buffer, folder: str, name: str, reads_back: Callable[[str], bool]) -> None:
    """Writes a local file under a hidden name, reads it back, and only then gives it its name."""
    hidden = f"{folder}/.{name}.part"
    try:
        with open(hidden, "wb") as file:  # noqa: PTH123 - a descriptor is needed
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if not reads_back(hidden):
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
