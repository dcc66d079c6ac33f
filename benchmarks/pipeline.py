"""The whole converter: how busy it keeps the machine, and how its cost grows.

    python benchmarks/pipeline.py mixes REPORTS [--texts 60] [--scans 12] [--fake] [--out FILE]
    python benchmarks/pipeline.py growth REPORTS [--documents 100 300 1000 3000 10000] [--pages 0.5 1 3 10 30]
        [--length-documents 24] [--out FILE]

`mixes`: letters (REPORTS, as for `elmtex-batch train`) as PDF files with a text layer, as scans, and both. Each mix is
read without a model that costs anything, then by the model from the texts that were kept, then in one go. The bound is
the longest of: pages alone, model alone, and the CPU time of both over the cores. 100 % would be the bound itself.
`growth`: small text files, and documents with a text layer of growing length, with a fake model, on one and two cores;
the exponents are fitted to the time beyond the start. The same stages in a plain loop over the largest number of small
files show what Ray costs. Each run is a process of its own. Times are those of the clock, CPU times those of all
processes of the run; other work on the machine lengthens both.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pypdfium2
from record import keep, surroundings
from rich.table import Table

from elmtex_batch.cluster import LARGEST_BLOCK
from elmtex_batch.fakes import PatternReader
from elmtex_batch.inputs import list_sources
from elmtex_batch.keys import text_key
from elmtex_batch.pipeline import Model, convert
from elmtex_batch.plan import make_plan, reconcile
from elmtex_batch.scanning import as_pdf, as_scan
from elmtex_batch.schema import load_schema
from elmtex_batch.settings import Settings
from elmtex_batch.stages import Extract, InTurn, NormaliseText, ReadAnswers, ReadPages
from elmtex_batch.training.data import read_reports
from elmtex_batch.warehouse import Warehouse

NOTE = "A {0}-day-old girl, no. {0}. Sodium 138 mmol/l."
FAKE, REAL, PLAIN = "fake", "real", "plain"
"""Models; the last is a fake one without Ray."""
WAIT_S = 0.2
"""Between two looks at the CPU times of the processes of a run."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run took. `cpu_s` adds up all its processes."""

    documents: int
    pages: int
    seconds: float
    cpu_s: float


def main() -> None:
    """Runs what is asked for, prints its table and keeps its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    mixes = commands.add_parser("mixes")
    mixes.add_argument("--texts", type=int, default=60)
    mixes.add_argument("--scans", type=int, default=12)
    mixes.add_argument("--fake", action="store_true", help="a fake model instead of the bundled one")
    growth = commands.add_parser("growth")
    growth.add_argument("--documents", type=int, nargs="+", default=[100, 300, 1_000, 3_000, 10_000])
    growth.add_argument("--pages", type=float, nargs="+", default=[0.5, 1, 3, 10, 30])
    growth.add_argument("--length-documents", type=int, default=24)
    for command in (mixes, growth):
        command.add_argument("reports", type=Path)
        command.add_argument("--out", type=Path)
    one = commands.add_parser("one")
    one.add_argument("folder")
    one.add_argument("target")
    one.add_argument("model")
    one.add_argument("cores", type=int)
    options = parser.parse_args()
    {"mixes": _mixes, "growth": _growth, "one": _one}[options.command](options)


def _mixes(options: argparse.Namespace) -> None:
    around = surroundings("ray", "torch", "pypdfium2")
    model, cores = FAKE if options.fake else REAL, len(os.sched_getaffinity(0))
    texts = [report.text for report in read_reports(options.reports, load_schema("elmtex"))]
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        files = {
            "text": [as_pdf(text, i) for i, text in enumerate(_cycled(texts, options.texts))],
            "scan": [as_scan(text, 1 + i % 2, i) for i, text in enumerate(_cycled(texts, options.scans))],
        }
        kinds = {"text layer": ["text"], "scanned": ["scan"], "both": ["text", "scan"]}
        (place / "start").mkdir()
        (place / "start" / "note.txt").write_text(NOTE.format(0))
        starts = {name: _run(place / "start", place / f"start-{name}", name, cores) for name in {FAKE, model}}
        for mix, parts in kinds.items():
            folder = place / mix.replace(" ", "-")
            _fill(folder, [data for part in parts for data in files[part]])
            kept, whole = place / f"{folder.name}-kept", place / f"{folder.name}-whole"
            pages = _run(folder, kept, FAKE, cores)
            answers = _run(folder, kept, model, cores) if model == REAL else starts[FAKE]
            rows[mix] = _judged(pages, answers, _run(folder, whole, model, cores), starts[FAKE], starts[model], cores)
    table = Table("", "documents", "pages", "pages alone, s", "model alone, s", "CPU / cores, s", "together, s")
    for column in ("bound / together", "cores busy", "documents/s"):
        table.add_column(column)
    for mix, row in rows.items():
        figures = [row[name] for name in ("pages_alone_s", "model_alone_s", "cpu_alone_s", "together_s")]
        table.add_row(
            mix, str(row["together"]["documents"]), str(row["together"]["pages"]), *(f"{s:.1f}" for s in figures),
            f"{row['efficiency']:.0%}", f"{row['busy']:.0%}", f"{row['documents_per_s']:.2f}",
        )  # fmt: skip
    result = {
        "surroundings": around,
        "model": model,
        "starts": {n: asdict(c) for n, c in starts.items()},
        "mixes": rows,
    }
    console = keep("pipeline_mixes", result, options.out)
    start = starts[model].seconds
    console.print(f"{model} model; all without the {start:.1f} s that the start of a run takes with one line of text")
    console.print(table)


def _judged(pages: Cost, model: Cost, whole: Cost, start: Cost, model_start: Cost, cores: int) -> dict[str, Any]:
    """The run in one go beside its parts, all without what a start takes."""
    alone = max(pages.seconds - start.seconds, 0.0), max(model.seconds - model_start.seconds, 0.0)
    cpu = (max(pages.cpu_s - start.cpu_s, 0.0) + max(model.cpu_s - model_start.cpu_s, 0.0)) / cores
    together = whole.seconds - model_start.seconds
    return {
        "pages": asdict(pages),
        "model": asdict(model),
        "together": asdict(whole),
        "pages_alone_s": alone[0],
        "model_alone_s": alone[1],
        "cpu_alone_s": cpu,
        "together_s": together,
        "efficiency": max(*alone, cpu) / together,
        "busy": (whole.cpu_s - model_start.cpu_s) / cores / together,
        "documents_per_s": whole.documents / together,
    }


def _growth(options: argparse.Namespace) -> None:
    around = surroundings("ray", "pypdfium2")
    text = "\n\n".join(report.text for report in read_reports(options.reports, load_schema("elmtex")))
    result: dict[str, Any] = {"surroundings": around}
    table = Table("workers", "what grows", *(["1", "2", "3", "4", "5"]), "exponent")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        notes = {n: [NOTE.format(i).encode() for i in range(n)] for n in [1, *options.documents]}
        papers = {n: [_paper(text, n, i) for i in range(options.length_documents)] for n in options.pages}
        for name, files in [
            *((f"notes-{n}", f) for n, f in notes.items()),
            *((f"papers-{n}", f) for n, f in papers.items()),
        ]:
            _fill(place / name, files)
        for cores in range(1, len(os.sched_getaffinity(0)) + 1):
            start = _run(place / "notes-1", place / f"start-{cores}", FAKE, cores)
            groups = {
                "documents": [(n, f"notes-{n}") for n in options.documents],
                "pages of a document": [(n, f"papers-{n}") for n in options.pages],
            }
            for what, sizes in groups.items():
                costs = [_run(place / name, place / f"{name}-{cores}", FAKE, cores) for _, name in sizes]
                beyond = [(cost.seconds - start.seconds) / cost.documents for cost in costs]
                exponent = _exponent([size for size, _ in sizes], [cost.seconds - start.seconds for cost in costs])
                result[f"{what}, {cores} workers"] = {
                    "start": asdict(start),
                    "costs": [{"size": size, **asdict(cost)} for (size, _), cost in zip(sizes, costs, strict=True)],
                    "exponent": exponent,
                }
                cells = [f"{size:g}: {1e3 * s:.1f} ms" for (size, _), s in zip(sizes, beyond, strict=True)]
                table.add_row(str(cores), what, *cells, *[""] * (5 - len(cells)), f"{exponent:.2f}")
        most = max(options.documents)
        loop = _run(place / f"notes-{most}", place / "loop", PLAIN, 1)
        run = result["documents, 1 workers"]["costs"][options.documents.index(most)]
        result["plain loop"] = asdict(loop)
    console = keep("pipeline_growth", result, options.out)
    console.print("milliseconds of a document beyond the start of a run; the exponent is that of the whole time")
    console.print(table)
    for name, cost in ("with Ray", Cost(**{key: run[key] for key in asdict(loop)})), ("in a plain loop", loop):
        wall, cpu = 1e3 * cost.seconds / most, 1e3 * cost.cpu_s / most
        console.print(f"{most} documents on one core, {name}: {wall:.1f} ms a document, {cpu:.1f} of CPU time")


def _one(options: argparse.Namespace) -> None:
    """One run, in a process of its own; prints what it did as JSON."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    if options.model == PLAIN:
        cost = _loop(options.folder, options.target)
    else:
        model = Model(FAKE, PatternReader) if options.model == FAKE else None
        summary = convert([options.folder], options.target, Settings(), lambda _: None, model)
        cost = {"documents": summary.done, "pages": summary.pages, "seconds": summary.seconds}
    print(json.dumps(cost))


def _loop(folder: str, target: str) -> dict[str, float]:
    """What a run does, one block of documents after the other."""
    begun = time.monotonic()
    settings, schema = Settings(), load_schema("elmtex")
    warehouse = Warehouse.create(target)
    plan = make_plan(list_sources([folder]), warehouse, settings, schema, FAKE)
    warehouse.write_files(plan.files, plan.before, PLAIN)
    read = ReadPages(settings.pages, settings.ocr), NormaliseText(settings.text.max_characters)
    stages = InTurn((*read, ReadAnswers(PatternReader), Extract(schema, FAKE, PLAIN, text_key(settings))))
    waiting, pages = [], 0
    for begin in range(0, len(plan.todo), LARGEST_BLOCK):
        waiting.append(stages(plan.todo.slice(begin, LARGEST_BLOCK)))
        pages += sum(len(found) for found in waiting[-1]["pages"].to_pylist())
        if sum(map(len, waiting)) >= settings.run.part_documents:
            warehouse.write_results(pa.concat_tables(waiting))
            waiting.clear()
    if waiting:
        warehouse.write_results(pa.concat_tables(waiting))
    reconcile(plan.todo, warehouse, PLAIN)
    return {"documents": len(plan.todo), "pages": pages, "seconds": time.monotonic() - begun}


def _run(folder: Path, target: Path, model: str, cores: int) -> Cost:
    command = [sys.executable, __file__, "one", str(folder), str(target), model, str(cores)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        cpu: dict[int, float] = {}
        while process.poll() is None:
            cpu |= _cpu_times(process.pid)
            time.sleep(WAIT_S)
        answer = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"a run failed with exit code {process.returncode}")
    return Cost(cpu_s=sum(cpu.values()), **json.loads(answer.splitlines()[-1]))


def _cpu_times(pid: int) -> dict[int, float]:
    """Seconds of CPU that a process, all below it, and those they have waited for, have used until now."""
    times = {}
    try:
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            try:
                used = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            times[process.pid] = used.user + used.system
    except psutil.NoSuchProcess:
        pass
    return times


def _fill(folder: Path, files: Sequence[bytes]) -> None:
    folder.mkdir()
    for i, data in enumerate(files):
        (folder / f"{i:05}.{'pdf' if data.startswith(b'%PDF') else 'txt'}").write_bytes(data)


def _cycled(texts: Sequence[str], count: int) -> list[str]:
    return [f"{texts[i % len(texts)]}\nNo. {i}" for i in range(count)]


def _paper(text: str, pages: float, seed: int) -> bytes:
    """A document with a text layer of about so many pages of A4; half a page is one that is half filled."""
    letters, wanted = round(2_600 * pages), max(1, ceil(pages))
    rotated = text[seed * 997 % (len(text) // 2) :] + text
    while True:
        data = as_pdf((rotated * (1 + letters // len(rotated)))[:letters], 3)
        with pypdfium2.PdfDocument(data) as document:
            if len(document) <= wanted:
                return data
        letters = round(letters * 0.93)


def _exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Of the power of size that the seconds follow, by least squares on logarithms."""
    if len(sizes) < 2:
        return float("nan")
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(seconds, 1e-3)), 1)[0])


if __name__ == "__main__":
    main()
