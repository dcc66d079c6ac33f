"""Private files: for the owner alone, whatever the umask."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elmtex_batch.errors import OutputError


def write(path: Path, content: bytes | str) -> None:
    """Writes a file of the report.

    Raises:
        OutputError: that is not possible.
    """
    data = content.encode() if isinstance(content, str) else content
    with written(), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


@contextmanager
def written() -> Iterator[None]:
    """Failures of the filesystem, without the paths that they quote, which may name a patient."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write the report: {os.strerror(error.errno or 0)}") from None
