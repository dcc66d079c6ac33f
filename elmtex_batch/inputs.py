"""What is to be converted: files, folders, globs and lists, on any filesystem that pyarrow opens, as a manifest."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from elmtex_batch import records
from elmtex_batch.errors import InputMissing
from elmtex_batch.places import as_place, check_place, open_place
from elmtex_batch.reasons import Code, Reason
from elmtex_batch.settings import PageSettings

Known = Mapping[tuple[str, int, int | None], str]
"""Path, size and time of modification of files that earlier runs have read -> doc_id."""
_CHUNK = 1 << 20
_GLOB = "*?["


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was listed: `path` is absolute or a URI, `modified` in nanoseconds, None where it is not known.

    `code` tells why it is not to be opened.
    """

    path: str
    size: int = 0
    modified: int | None = None
    code: Code | None = None


def list_sources(inputs: Sequence[str]) -> list[Source]:
    """All files that `inputs` name, sorted, each once.

    An input is a file, a folder (taken with all that is below), a glob (`**` crosses folders), or `@list.txt`, a file
    with one input a line. Hidden files and folders below a folder are left out. What is found below a folder and is no
    file, or a link to something elsewhere, is listed with a code.

    Raises:
        InputMissing: an input names no file at all.
    """
    found: dict[str, Source] = {}
    for spec in _spelled_out(inputs):
        check_place(spec)
        sources = list(_expand(spec))
        if not sources:
            raise InputMissing("an input matches no file; check its spelling, or the list file that names it")
        found.update((source.path, source) for source in sources)
    return [found[path] for path in sorted(found)]


def read_bytes(source: str) -> bytes:
    """The content of one source.

    Raises:
        OSError: it cannot be read.
    """
    filesystem, path = open_place(source)
    with filesystem.open_input_stream(path) as stream:
        return bytes(stream.read())


def hash_sources(sources: Sequence[Source], settings: PageSettings, known: Known | None = None) -> pa.Table:
    """One row per source (`records.FILES`): `doc_id` is the SHA-256 of its content.

    Those that `known` has with the same size and time are not read again. A file that cannot be read is a document of
    its own, with an id made from its name.
    """
    doc_ids = [(known or {}).get((source.path, source.size, source.modified)) for source in sources]
    codes: list[str | None] = [None] * len(sources)
    sizes = [source.size for source in sources]
    unknown = [i for i, doc_id in enumerate(doc_ids) if doc_id is None or sources[i].code]
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = pool.map(partial(_describe, settings=settings), (sources[i] for i in unknown))
        for i, (doc_id, size, code) in zip(unknown, found, strict=True):
            doc_ids[i], sizes[i], codes[i] = doc_id, size, code
    paths, times = [source.path for source in sources], [source.modified for source in sources]
    return pa.Table.from_arrays(
        [
            pa.array(column, field.type)
            for column, field in zip((paths, sizes, times, doc_ids, codes), records.FILES, strict=True)
        ],
        schema=records.FILES,
    )


def documents_of(files: pa.Table) -> pa.Table:
    """One row per distinct content (`records.MANIFEST`), with all its sources, in the order of the first of these."""
    groups = files.group_by("doc_id", use_threads=False).aggregate(
        [("source", "list"), ("size", "first"), ("code", "min")]
    )
    reasons = [records.encode_reasons([Reason(Code(code))]) if code else [] for code in groups["code_min"].to_pylist()]
    columns = [
        groups["doc_id"],
        groups["source_list"],
        groups["size_first"],
        pa.array(reasons, records.MANIFEST.field("reasons").type),
    ]
    return pa.Table.from_arrays(columns, schema=records.MANIFEST)


def known_of(files: pa.Table) -> Known:
    """What earlier runs found, for `hash_sources`."""
    columns = (files[name].to_pylist() for name in ("source", "size", "modified", "doc_id", "code"))
    return {
        (source, size, modified): doc_id
        for source, size, modified, doc_id, code in zip(*columns, strict=True)
        if modified is not None and code is None
    }


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


def _expand(spec: str) -> Iterator[Source]:
    try:
        yield from _listing(spec)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InputMissing("an input's URI is of no kind that pyarrow opens (s3, gs, abfs, hdfs, file)") from None
    except OSError:
        raise InputMissing("an input cannot be listed; check its bucket or host, the endpoint and the keys") from None


def _listing(spec: str) -> Iterator[Source]:
    filesystem, path = open_place(spec)
    local = isinstance(filesystem, fs.LocalFileSystem)
    info = filesystem.get_file_info(path)
    if info.type == fs.FileType.File:
        yield _listed(spec, info)
        return
    # A name that exists is taken as it is, so that "scan [1].pdf" is no pattern.
    pattern = path if info.type == fs.FileType.NotFound and any(c in path for c in _GLOB) else None
    base = _fixed_part(path) if pattern else path
    is_inside = _below(base) if local else None
    selector = fs.FileSelector(base, recursive=True, allow_not_found=True)
    for entry in filesystem.get_file_info(selector):
        listed = entry.type != fs.FileType.Directory and not _hidden(entry.path, base)
        if listed and _matches(entry.path, pattern):
            yield _listed(spec, entry, is_inside)


def _listed(spec: str, info: fs.FileInfo, is_inside: Callable[[str], bool] | None = None) -> Source:
    code = None
    if info.type != fs.FileType.File:  # a pipe, a device, a link to nothing
        code = Code.NOT_A_FILE
    elif is_inside and not is_inside(info.path):
        code = Code.OUTSIDE_OF_INPUT
    return Source(as_place(spec, info.path), info.size or 0, info.mtime_ns, code)


def _below(base: str) -> Callable[[str], bool]:
    """Tells whether a file is in this folder, or further down, once all links are followed; resolves a folder once."""
    inside = os.path.realpath(base).rstrip("/") + "/"

    @lru_cache(maxsize=1_024)
    def folder_is_inside(folder: str) -> bool:
        return f"{os.path.realpath(folder)}/".startswith(inside)

    def is_inside(path: str) -> bool:
        if os.path.islink(path):  # noqa: PTH114 - a million times
            return os.path.realpath(path).startswith(inside)
        return folder_is_inside(os.path.dirname(path))  # noqa: PTH120

    return is_inside


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


def _describe(source: Source, settings: PageSettings) -> tuple[str, int, str | None]:
    """Its doc_id, its size, and why it is not to be read, if that is so."""
    if source.code:
        return _id_of_name(source), source.size, source.code.value
    try:
        doc_id, size = _hash(source.path)
    except FileNotFoundError:
        return _id_of_name(source), source.size, Code.VANISHED.value
    except OSError:
        return _id_of_name(source), source.size, Code.UNREADABLE.value
    too_large = Code.FILE_TOO_LARGE.value if size > settings.max_file_mb * 1e6 else None
    return doc_id, size, too_large if size else Code.EMPTY_FILE.value


def _id_of_name(source: Source) -> str:
    return hashlib.sha256(b"unreadable\0" + source.path.encode("utf-8", "surrogateescape")).hexdigest()


def _hash(source: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    filesystem, path = open_place(source)
    with filesystem.open_input_stream(path) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size
