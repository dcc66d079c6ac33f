"""Files that others must never see half."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pyarrow import fs

from elmtex_batch.errors import OutputError
from elmtex_batch.places import open_place
from elmtex_batch.tables import output_errors

_EXISTS = "the target of the export exists and is no file to replace; remove it, or name another one"


@contextmanager
def staged(target: str) -> Iterator[Path]:
    """A place to write a file or a folder to, which then appears at `target`, a path or URI.

    A file that is there is replaced, a folder never. On object stores a file is one put; a folder is complete when it
    has a file `_SUCCESS`.

    Raises:
        OutputError: there is a folder already, or the target cannot be written.
    """
    with output_errors("the target of the export"):
        filesystem, path = open_place(target)
        if _is_taken(filesystem, path):
            raise OutputError(_EXISTS)
        if isinstance(filesystem, fs.LocalFileSystem):
            with _renamed(Path(path)) as place:
                yield place
        else:
            with _uploaded(filesystem, path) as place:
                yield place


def _is_taken(filesystem: fs.FileSystem, path: str) -> bool:
    folder = filesystem.get_file_info(path).type == fs.FileType.Directory
    return folder and bool(filesystem.get_file_info(fs.FileSelector(path)))


@contextmanager
def _renamed(target: Path) -> Iterator[Path]:
    """Hidden beside the target until it is on the disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    place = target.with_name(f".{target.name}.part")
    _remove(place)  # left by a crash
    try:
        yield place
        for path in (*place.rglob("*"), place, target.parent):
            _flush(path)
        place.replace(target)
        _flush(target.parent)
    finally:
        _remove(place)


@contextmanager
def _uploaded(filesystem: fs.FileSystem, target: str) -> Iterator[Path]:
    with TemporaryDirectory(prefix="elmtex-") as folder:
        place = Path(folder) / "export"
        yield place
        fs.copy_files(str(place), target, fs.LocalFileSystem(), filesystem)
        if place.is_dir():
            with filesystem.open_output_stream(f"{target}/_SUCCESS"):
                pass


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
