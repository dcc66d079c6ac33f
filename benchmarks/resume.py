"""What a nightly run costs that finds everything done: seconds and memory over an archive of N documents.

    python benchmarks/resume.py --documents 100000

Fills a warehouse with small documents, by the methods that a run publishes with, beside the files that they come from,
and starts a conversion of these files in a process of its own.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from elmtex_batch import records
from elmtex_batch.fakes import PatternReader
from elmtex_batch.inputs import hash_sources, list_sources
from elmtex_batch.keys import text_key
from elmtex_batch.pipeline import Model, convert
from elmtex_batch.schema import load_schema
from elmtex_batch.settings import Settings
from elmtex_batch.warehouse import Warehouse

_MODEL = "fake"
_RUN = "20260101T000000Z-000000"


def fill(folder: Path, out: Path, documents: int) -> None:
    """An archive, a thousand files to a folder, and what a finished run over it leaves behind."""
    settings = Settings()
    for i in range(documents):
        path = folder / f"{i // 1_000:04}" / f"{i:07}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"A {i}-day-old girl.", encoding="utf-8")
    warehouse = Warehouse.create(str(out))
    files = hash_sources(list_sources([str(folder)]), settings.pages)
    for begin in range(0, len(files), settings.run.part_documents):
        warehouse.write_results(_results(files.slice(begin, settings.run.part_documents), settings))
    warehouse.write_files(files, warehouse.files(), _RUN)


def _results(files: pa.Table, settings: Settings) -> pa.Table:
    schema, key = load_schema(settings.schema_), text_key(settings)
    rows = []
    for doc_id, source in zip(files["doc_id"].to_pylist(), files["source"].to_pylist(), strict=True):
        text = {"doc_id": doc_id, "text_key": key, "reasons": [], "pages": [], "text": "A girl.", "run_id": _RUN}
        row = {
            "doc_id": doc_id, "sources": [source], "media_type": "text/plain", "status": "extracted", "reasons": [],
            "pages": [], "text": "A girl.", "schema": schema.label, "model": _MODEL, "text_key": key, "run_id": _RUN,
        }  # fmt: skip
        rows.append({**row, "published_text": text})
    return pa.Table.from_pylist(rows, records.results_schema(schema))


def resume(folder: str, out: str) -> None:
    """The run that is measured; prints what it took."""
    begun = time.monotonic()
    summary = convert([folder], out, Settings(), lambda _: None, Model(_MODEL, PatternReader))
    seconds = time.monotonic() - begun
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    print(f"{summary.skipped} of {summary.documents} documents done: {seconds:.1f} s, {megabytes:.0f} MB at most")


def main() -> None:
    """Fills and resumes in folders that are gone afterwards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--resume", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.resume:
        resume(*options.resume)
        return
    print(f"{os.cpu_count()} cores, {platform.platform()}")
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch, "in"), Path(scratch, "out")
        fill(folder, out, options.documents)
        subprocess.run([sys.executable, __file__, "--resume", folder, out], check=True)


if __name__ == "__main__":
    main()
