"""What is to be converted: files, folders, globs and lists, on any filesystem that pyarrow opens, as a manifest."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from elmtex_batch import records
from elmtex_batch.errors import InputMissing
from elmtex_batch.reasons import Code, Reason
from elmtex_batch.records import Row
from elmtex_batch.settings import PageSettings

_CHUNK = 1 << 20
_GLOB = "*?["


def list_sources(inputs: Sequence[str]) -> list[str]:
    """All files that `inputs` name, sorted, each once; local ones as absolute paths, others as URIs.

    An input is a file, a folder (taken with all that is below), a glob (`**` crosses folders), or `@list.txt`, a file
    with one input a line. Hidden files and folders below a folder are left out.

    Raises:
        InputMissing: an input names no file at all.
    """
    found: set[str] = set()
    for spec in _spelled_out(inputs):
        sources = list(_expand(spec))
        if not sources:
            raise InputMissing("an input matches no file; check its spelling, or the list file that names it")
        found.update(sources)
    return sorted(found)


def read_bytes(source: str) -> bytes:
    """The content of one source.

    Raises:
        OSError: it cannot be read.
    """
    filesystem, path = _open(source)
    with filesystem.open_input_stream(path) as stream:
        return bytes(stream.read())


def build_manifest(sources: Sequence[str], settings: PageSettings) -> pa.Table:
    """One row per distinct content: `doc_id` is its SHA-256, `sources` are all files that hold it.

    A file that cannot be read is a document of its own, with an id made from its name.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        rows = list(pool.map(partial(_describe, settings=settings), sources))
    documents: dict[str, Row] = {}
    for row in rows:
        known = documents.setdefault(row["doc_id"], row)
        if known is not row:
            known["sources"] += row["sources"]
    return pa.Table.from_pylist(list(documents.values()), records.MANIFEST)


def _spelled_out(inputs: Iterable[str]) -> Iterator[str]:
    for spec in inputs:
        if not spec.startswith("@"):
            yield spec
            continue
        try:
            lines = Path(spec[1:]).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise InputMissing(f"cannot read a list of inputs: {error.strerror}") from None
        yield from (line.strip() for line in lines if line.strip())


def _expand(spec: str) -> Iterator[str]:
    filesystem, path = _open(spec)
    prefix = "" if isinstance(filesystem, fs.LocalFileSystem) else f"{filesystem.type_name}://"
    info = filesystem.get_file_info(path)
    if info.type == fs.FileType.File:
        yield prefix + path
        return
    # A name that exists is taken as it is, so that "scan [1].pdf" is no pattern.
    pattern = path if info.type == fs.FileType.NotFound and any(c in path for c in _GLOB) else None
    base = _fixed_part(path) if pattern else path
    selector = fs.FileSelector(base, recursive=True, allow_not_found=True)
    for entry in filesystem.get_file_info(selector):
        if entry.type == fs.FileType.File and not _hidden(entry.path, base) and _matches(entry.path, pattern):
            yield prefix + entry.path


def _open(spec: str) -> tuple[fs.FileSystem, str]:
    if "://" not in spec:
        return fs.LocalFileSystem(), str(Path(spec).absolute())
    try:
        filesystem, path = fs.FileSystem.from_uri(spec)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InputMissing("an input's URI is of no kind that pyarrow opens (s3, gs, abfs, hdfs, file)") from None
    return filesystem, path


def _fixed_part(pattern: str) -> str:
    parts = pattern.split("/")
    first = next(i for i, part in enumerate(parts) if any(c in part for c in _GLOB))
    return "/".join(parts[:first]) or "/"


def _matches(path: str, pattern: str | None) -> bool:
    return pattern is None or _parts_match(path.split("/"), pattern.split("/"))


def _parts_match(path: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_parts_match(path[i:], pattern[1:]) for i in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _parts_match(path[1:], pattern[1:])


def _hidden(path: str, base: str) -> bool:
    return any(part.startswith(".") for part in path.removeprefix(base).split("/"))


def _describe(source: str, settings: PageSettings) -> Row:
    try:
        doc_id, size = _hash(source)
    except OSError:
        name = hashlib.sha256(b"unreadable\0" + source.encode("utf-8", "surrogateescape")).hexdigest()
        return _row(name, source, 0, Code.UNREADABLE)
    if size == 0:
        return _row(doc_id, source, size, Code.EMPTY_FILE)
    return _row(doc_id, source, size, Code.FILE_TOO_LARGE if size > settings.max_file_mb * 1e6 else None)


def _hash(source: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    filesystem, path = _open(source)
    with filesystem.open_input_stream(path) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def _row(doc_id: str, source: str, size: int, code: Code | None) -> Row:
    reasons = records.encode_reasons([Reason(code)]) if code else []
    return {"doc_id": doc_id, "sources": [source], "size": size, "reasons": reasons}
