"""A training's log: one JSON object a line, in a file and on standard error."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOG = "log.jsonl"


@contextmanager
def open_log(folder: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that appends an entry to `folder/log.jsonl`; a resumed training goes on in the same file."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with (folder / LOG).open("a", encoding="utf-8", buffering=1) as file:

        def log(entry: dict[str, Any]) -> None:
            line = json.dumps({"seconds": round(time.monotonic() - begun), **entry})
            print(line, file=file)
            print(line, file=sys.stderr)

        yield log
