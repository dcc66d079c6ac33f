"""Private files: for the owner alone, whatever the umask."""

import os
from pathlib import Path

from elmtex_batch.errors import OutputError


def write(path: Path, content: bytes | str) -> None:
    """Writes a file of the report.

    Raises:
        OutputError: that is not possible.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        raise unwritable(error) from None


def unwritable(error: OSError) -> OutputError:
    """Without the path, which may name a patient."""
    return OutputError(f"cannot write the report: {os.strerror(error.errno or 0)}")
