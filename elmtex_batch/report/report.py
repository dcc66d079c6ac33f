"""The composition: an output folder in, a folder of pages out."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue

from elmtex_batch import __version__
from elmtex_batch.errors import OutputError
from elmtex_batch.records import Row
from elmtex_batch.report.archive import Archive, base_name
from elmtex_batch.report.document import Entry, entry_of, show_document
from elmtex_batch.report.files import write, written
from elmtex_batch.report.overview import survey
from elmtex_batch.report.pictures import PICTURES, draw_pictures
from elmtex_batch.report.rendering import DOCUMENTS, Neighbours, Renderer
from elmtex_batch.report.trend import runs_of
from elmtex_batch.sandbox import CHILD, Sandbox
from elmtex_batch.settings import OcrSettings, PageSettings

INDEX, MARK = "index.html", "report.json"
"""The page to open; and what tells that a folder is a report, which the next one may replace."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which documents get pages: a random sample of so many (None: all), or those that are named."""

    sample: int | None = 25
    names: tuple[str, ...] = ()

    def of(self, archive: Archive) -> list[str]:
        """Their ids.

        Raises:
            InputMissing: one that was named is not there.
        """
        return archive.find(self.names) if self.names else archive.ids[: self.sample]


@dataclass(frozen=True, slots=True)
class Made:
    """How many documents a report shows, and of how many."""

    shown: int
    documents: int


def make_report(
    out: str,
    folder: Path,
    choice: Choice,
    schema: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
    command: tuple[str, ...] = CHILD,
) -> Made:
    """Writes the report of the output folder `out`; one that is in `folder` already is replaced as a whole.

    `schema` is a name or a file, by default that of the last run. `command` draws pages (see `elmtex_batch.sandbox`).

    Raises:
        InputMissing: there is no such output folder, or a chosen document is not in it.
        SettingsError: there is no such schema.
        ToolMissing: the process that draws pages does not start.
        OutputError: the folder cannot be written, or holds something else.
    """
    archive = Archive(out, schema)
    sources = archive.sources()
    ids = sorted(choice.of(archive), key=lambda doc_id: (base_name(sources[doc_id][0]).casefold(), doc_id))
    made = Made(len(ids), len(sources))
    with _replacing(folder) as new:
        renderer = Renderer(archive.schema, made.shown, made.documents)
        entries = {}
        for entry in _write_documents(archive, ids, new, renderer, command):
            entries[entry.doc_id] = entry
            progress(f"{len(entries)} of {len(ids)} documents")
        runs = runs_of(archive.table("runs"), archive.schema.label)
        write(new / INDEX, renderer.index(survey(archive), runs, [entries[doc_id] for doc_id in ids]))
        write(new / MARK, json.dumps({"elmtex_batch": __version__, "documents": len(ids)}))
    return made


def _write_documents(
    archive: Archive, ids: list[str], folder: Path, renderer: Renderer, command: tuple[str, ...]
) -> Iterator[Entry]:
    around = _neighbours(ids)
    workers = os.cpu_count() or 1
    idle: SimpleQueue[Sandbox] = SimpleQueue()
    sandboxes = [Sandbox(command, PageSettings(), OcrSettings()) for _ in range(workers)]
    for sandbox in sandboxes:
        idle.put(sandbox)

    def one(row: Row) -> Entry:
        sandbox = idle.get()
        try:
            pictures, note = draw_pictures(row, folder, sandbox)
        finally:
            idle.put(sandbox)
        document = show_document(row, archive.schema, pictures, note)
        write(folder / DOCUMENTS / f"{document.doc_id}.html", renderer.document(document, around[document.doc_id]))
        return entry_of(document)

    try:
        with ThreadPoolExecutor(workers) as pool:
            for rows in archive.read(ids):
                yield from pool.map(one, rows)
    finally:
        for sandbox in sandboxes:
            sandbox.stop()


def _neighbours(ids: list[str]) -> dict[str, Neighbours]:
    after = dict(pairwise(ids))
    before = {second: first for first, second in after.items()}
    return {doc_id: (before.get(doc_id), after.get(doc_id)) for doc_id in ids}


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A private folder beside `folder`, which takes its place once everything is in it."""
    if folder.exists() and not (folder / MARK).exists() and any(folder.iterdir()):
        raise OutputError("the folder for the report holds something else; name another one with --to")
    new = folder.with_name(f".{folder.name}.part")
    try:
        with written():
            shutil.rmtree(new, ignore_errors=True)  # of a report that was interrupted
            for place in (new, new / DOCUMENTS, new / PICTURES):
                place.mkdir(mode=0o700, parents=True)
        yield new
        with written():
            if folder.exists():
                shutil.rmtree(folder)
            new.replace(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
