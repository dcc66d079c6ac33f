"""Seconds and memory of finding out that an archive of many documents has nothing new.

`python benchmarks/listing.py FILES [--s3]`, with 100000, say: makes that many small files, lists them, hashes them, and
compares them with what is then known; or only lists as many objects of an S3 server (moto) in a process of its own.
"""

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from s3_server import s3_server

from elmtex_batch.inputs import documents_of, hash_sources, known_of, list_sources
from elmtex_batch.settings import PageSettings

T = TypeVar("T")
FILLED = """
import sys
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import main

store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
store.create_bucket("archive", "us-east-1")
for i in range({files}):
    store.put_object("archive", f"in/{{i // 1000:04}}/{{i:07}}.txt", b"A girl.")
main(sys.argv[1:])
"""
"""A server that has the objects before it begins to serve: to put them one by one takes it a minute a thousand."""


def main() -> None:
    """Makes the archive, then measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=int)
    parser.add_argument("--s3", action="store_true")
    options = parser.parse_args()
    with _bucket(options.files) if options.s3 else _folder(options.files) as place:
        sources = _measured("listed", lambda: list_sources([place]))
        assert len(sources) == options.files
        if options.s3:
            return  # to read so many objects takes the server longer than anyone would wait
        files = _measured("read and hashed", lambda: hash_sources(sources, PageSettings()))
        known = _measured("index of what is known", lambda: known_of(files))
        again = _measured("known again", lambda: hash_sources(sources, PageSettings(), known))
        _measured("documents", lambda: documents_of(again))


@contextmanager
def _folder(files: int) -> Iterator[str]:
    with TemporaryDirectory() as folder:
        for i in range(files):
            path = Path(folder, f"{i // 1000:04}", f"{i:07}.txt")
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"A {i}-day-old girl.")
        yield folder


@contextmanager
def _bucket(files: int) -> Iterator[str]:
    with s3_server(("-c", FILLED.format(files=files))) as environment:
        os.environ.update(environment)
        yield "s3://archive/in"


def _measured(what: str, work: Callable[[], T]) -> T:
    begun = time.monotonic()
    result = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{what:24} {time.monotonic() - begun:7.1f} s   peak {peak:5.0f} MB")
    return result


if __name__ == "__main__":
    main()
