"""Where files lie: a path or a URI, on any filesystem that pyarrow opens."""

import re
from functools import cache
from pathlib import Path

from pyarrow import fs

from elmtex_batch.errors import SettingsError

_OPTION = re.compile(r"\?\w+=")


def open_place(place: str) -> tuple[fs.FileSystem, str]:
    """The filesystem of a path or URI, and the path on it.

    What follows a URI's host or bucket is taken as it stands, as object stores do: their keys have spaces, `#` and `%`.

    Raises:
        OSError, pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError: pyarrow does not open it.
    """
    if "://" not in place:
        return fs.LocalFileSystem(), str(Path(place).absolute())
    filesystem, root, path = _split(place)
    return filesystem, f"{root}/{path}".rstrip("/") or "/"


def as_place(place: str, path: str) -> str:
    """How a file that was found at `path` on the filesystem of `place` is named, so that it can be opened again."""
    if "://" not in place:
        return path
    filesystem, root, _ = _split(place)
    return path if isinstance(filesystem, fs.LocalFileSystem) else f"{_authority(place)}{path.removeprefix(root)}"


def is_local(place: str) -> bool:
    """Whether a place is a path of this machine, which another one may not have."""
    return "://" not in place or place.startswith("file:")


def check_place(place: str) -> None:
    """Options and passwords in a URI would end up in the warehouse, as part of every file's name.

    Raises:
        SettingsError: the URI has some.
    """
    scheme, found, rest = place.partition("://")
    if found and (_OPTION.search(rest) or ":" in rest.split("/", 1)[0].rpartition("@")[0]):
        raise SettingsError(
            f"a {scheme} URI takes no options and no password here; set them in the environment"
            " (AWS_ENDPOINT_URL, AWS_REGION, AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3)"
        )


def _split(place: str) -> tuple[fs.FileSystem, str, str]:
    filesystem, root = _connect(_authority(place))
    return filesystem, root.rstrip("/"), place.removeprefix(_authority(place)).removeprefix("/")


def _authority(place: str) -> str:
    scheme, _, rest = place.partition("://")
    return f"{scheme}://{rest.split('/', 1)[0]}"


@cache  # a connection asks the store for the bucket's region
def _connect(authority: str) -> tuple[fs.FileSystem, str]:
    filesystem, root = fs.FileSystem.from_uri(f"{authority}/" if authority == "file://" else authority)
    return filesystem, root
