"""Our readers beside others that write such answers: documents and tokens per second, memory, F1 of the output.

    python benchmarks/readers.py REPORTS.jsonl --out results.json [--reports 64] [--slow-reports 16] [--repeats 3]
        [--slow-repeats 1] [--openvino-python PYTHON] [--llama-python PYTHON] [--only ours plain genai llama]

Every contender reads the same reports in a process of its own, loaded and warmed up before the clock starts. Those
that need minutes read the first `--slow-reports` of them. All but the tagger have the weights of the bundled generator,
merged into its base model, and decode greedily; none may write more than the report's own length and the keys. The
batch size of transformers `generate` is the one that begins the answers fastest (their first 32 tokens).

`OMP_NUM_THREADS` sets the threads of each; without it, all cores. OpenVINO GenAI needs other versions of packages
(`pip install openvino-genai optimum-intel 'transformers<5.1'`), so it runs with a Python of its own; so does
llama.cpp (`pip install llama-cpp-python`, which compiles it). What is in `--out` already is not measured again: a
command that was stopped goes on where it was.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contenders.job import Job
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer

from elmtex_batch.adapters import BUNDLED, fingerprint
from elmtex_batch.bases import cache_folder
from elmtex_batch.evaluation.entities import RELAXED, count_matches, micro
from elmtex_batch.generator.formats import CompactFormat
from elmtex_batch.schema import Schema, load_schema
from elmtex_batch.training.data import read_reports
from elmtex_batch.training.report import Report

HERE = Path(__file__).parent
BATCHES = (1, 4, 8, 16)
SWEPT = 32
_SWEEP = "sweep "
_COLUMNS = ("batch", "reports", "documents/s", "range", "CPU s", "read/s", "written/s", "peak", "F1", "invalid", "load")
LONGEST = 1_000
"""Tokens of a report: ours read a longer one in several windows, which would be another task for the others."""
LONG_RUN = 160
"""Reports until the tagger has compiled its layers (`elmtex_batch.tagger`), as in any run of some length."""
THREADS = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to read reports. `slow`: reads the first reports only; the rest is of `contenders.job.Job`."""

    name: str
    module: str
    way: str
    dtype: str = "bfloat16"
    batch: int = 0
    slow: bool = True
    warm_up: int = 1


OURS = (
    Contender("tagger, first documents", "ours", "tagger", slow=False),
    Contender("generator", "ours", "generator", slow=False),
)
COMPILED = Contender("tagger, in a long run", "ours", "tagger", slow=False, warm_up=LONG_RUN)
OPENVINO = tuple(Contender(f"OpenVINO GenAI int8, {way}", "genai", way, "int8") for way in ("free", "json"))
LLAMA = Contender("llama.cpp int8, free", "llama", "free", "int8")
MODULES = ("ours", "plain", "genai", "llama")


def main() -> None:
    """Measures what is not measured yet, and prints the table."""
    options = _options()
    benchmark = Benchmark(options)
    for contender, python in _contenders(benchmark, options):
        benchmark.measure(contender, python)
    benchmark.show()
    for module, python in (("genai", options.openvino_python), ("llama", options.llama_python)):
        if module in options.only and not python:
            print(f"{module} was left out: no option names a Python that has it")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--reports", type=int, default=64)
    parser.add_argument("--slow-reports", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--slow-repeats", type=int, default=1)
    parser.add_argument("--openvino-python", help="a Python that has openvino-genai and optimum-intel")
    parser.add_argument("--llama-python", help="a Python that has llama-cpp-python")
    parser.add_argument("--only", nargs="+", choices=MODULES, default=MODULES, help="modules of contenders to measure")
    return parser.parse_args()


def _contenders(benchmark: "Benchmark", options: argparse.Namespace) -> Iterator[tuple[Contender, str]]:
    """Whom to measure, each with the Python to run it."""
    pythons = {"genai": options.openvino_python, "llama": options.llama_python}
    for contender in (*OURS, *OPENVINO, LLAMA):
        python = pythons.get(contender.module, sys.executable)
        if contender.module in options.only and python:
            yield contender, python
    for dtype in ("bfloat16", "float32") if "plain" in options.only else ():
        batch = benchmark.best_batch(dtype)
        for way in ("free", "grammar"):
            yield Contender(f"transformers generate {dtype}, {way}", "plain", way, dtype, batch), sys.executable
    if "ours" in options.only:
        yield COMPILED, sys.executable


class Benchmark:
    """The reports, and what was measured on them so far."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._schema = load_schema("elmtex")
        self._form = CompactFormat(self._schema)
        self._model = _merged_model()
        self._tokenizer = Tokenizer.from_file(str(self._model / "tokenizer.json"))
        self._reports = self._choose(read_reports(options.data, self._schema))
        out: Path = options.out
        known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"contenders": {}}
        self._results: dict[str, Any] = known["contenders"]

    def best_batch(self, dtype: str) -> int:
        """The batch size at which transformers begins the answers of the slow reports fastest."""
        sweep = [
            Contender(f"{_SWEEP}{dtype}, batch {size}", "plain", "free", dtype, size)
            for size in BATCHES
            if size <= self._options.slow_reports
        ]
        for contender in sweep:
            self.measure(contender, most_tokens=SWEPT)
        return min(sweep, key=lambda contender: self._results[contender.name]["seconds"][0]).batch

    def measure(self, contender: Contender, python: str = sys.executable, most_tokens: int | None = None) -> None:
        """Adds the contender to the results, unless it is there."""
        if contender.name in self._results:
            return
        reports = self._reports[: self._options.slow_reports] if contender.slow else self._reports
        self._prepare(contender.module, python)
        job = self._job(contender, reports, most_tokens)
        before = os.getloadavg()[0]
        found, peak_mb = _run(contender.module, python, job)
        values = [self._values(answer) for answer in found.pop("answers")]
        counts = [count_matches(r.labels, v or {}, RELAXED) for r, v in zip(reports, values, strict=True)]
        self._results[contender.name] = {
            **asdict(contender),
            **found,
            "reports": len(reports),
            "report_tokens": sum(self._tokens(report.text) for report in reports),
            "answer_tokens": sum(self._tokens(self._form.target(v)) for v in values if v),
            "invalid": values.count(None),
            "relaxed_f1": round(micro(counts).f1, 4),
            "peak_mb": round(peak_mb),
            "load_average": [round(before, 1), round(os.getloadavg()[0], 1)],
            "threads": THREADS,
        }
        self._save()
        print(f"{contender.name}: {len(reports) / statistics.median(found['seconds']):.3f} documents/s", flush=True)

    def show(self) -> None:
        """Prints a row for each contender that was measured in full."""
        table = Table("", *_COLUMNS)
        for name, row in self._results.items():
            if not name.startswith(_SWEEP):
                table.add_row(name, *_cells(row))
        console = Console(width=150)
        versions = sorted({pair for row in self._results.values() for pair in row["versions"].items()})
        console.print(f"{_machine()}; {', '.join(' '.join(pair) for pair in versions)}")
        console.print(
            "CPU s: of a report; read/s, written/s: tokens of reports and of answers; peak: MB of resident memory; "
            "load: average of the machine before and after"
        )
        console.print(table)

    def _choose(self, reports: Sequence[Report]) -> list[Report]:
        short = [report for report in reports if self._tokens(report.text) <= LONGEST]
        random.Random(0).shuffle(short)
        return short[: self._options.reports]

    def _prepare(self, module: str, python: str) -> None:
        """Converts the merged model, once, for modules that read a format of their own, into a folder of their name."""
        convert = {
            "genai": [python, "-m", "contenders.genai", "convert"],
            "llama": [sys.executable, "-m", "contenders.quantise"],
        }
        if module in convert and not (self._model / module).exists():
            subprocess.run([*convert[module], str(self._model)], check=True, cwd=HERE)

    def _job(self, contender: Contender, reports: Sequence[Report], most_tokens: int | None) -> Job:
        texts = [report.text for report in reports]
        frame = self._tokens(self._form.target({}))
        return Job(
            model=str(self._model),
            way=contender.way,
            texts=texts,
            prompts=[self._form.prompt(text) for text in texts],
            grammars=[self._form.grammar(text) for text in texts],
            most_tokens=[most_tokens or self._tokens(text) + frame for text in texts],
            json_schema=json.dumps(_json_schema(self._schema)),
            dtype=contender.dtype,
            batch=contender.batch,
            threads=THREADS,
            repeats=self._options.slow_repeats if contender.slow else self._options.repeats,
            warm_up=contender.warm_up,
        )

    def _tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def _values(self, answer: Any) -> Values | None:
        """What an answer says; None if that is nothing of the format asked for."""
        if isinstance(answer, dict):
            return answer
        if not answer.lstrip().startswith("{"):
            values: dict[str, list[str]] = {}
            for written in self._form.parse(answer):
                values.setdefault(written.category, []).append(written.value)
            known = {key: list(dict.fromkeys(values[key])) for key in self._schema.keys if key in values}
            return known or None
        try:
            return {key: list(dict.fromkeys(found)) for key, found in json.loads(answer).items()}
        except ValueError:
            return None

    def _save(self) -> None:
        content = json.dumps({"machine": _machine(), "contenders": self._results}, indent=1)
        self._options.out.write_text(content + "\n", encoding="utf-8")


def _json_schema(schema: Schema) -> dict[str, Any]:
    """An object with a list of strings for each category."""
    lists = {c.key: {"type": "array", "items": {"type": "string"}, "maxItems": c.limit} for c in schema.category}
    return {"type": "object", "properties": lists, "required": list(schema.keys), "additionalProperties": False}


def _merged_model() -> Path:
    """The folder of the merged model; made once."""
    folder = cache_folder() / "benchmarks" / f"generator-{fingerprint(BUNDLED / 'generator')}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "contenders.merge", str(folder)], check=True, cwd=HERE)
    return folder


def _run(module: str, python: str, job: Job) -> tuple[dict[str, Any], float]:
    """What a contender's process found, and its peak of resident memory in MB."""
    with tempfile.TemporaryDirectory() as scratch:
        given, found = Path(scratch) / "job.json", Path(scratch) / "result.json"
        given.write_text(json.dumps(asdict(job)), encoding="utf-8")
        threads = {"OMP_NUM_THREADS": str(THREADS)}
        command = [python, "-m", f"contenders.{module}", str(given), str(found)]
        process = subprocess.Popen(command, cwd=HERE, env={**os.environ, **threads})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{module} failed with exit code {process.returncode}")
        return json.loads(found.read_text(encoding="utf-8")), usage.ru_maxrss / 1024


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    rates = sorted(row["reports"] / seconds for seconds in row["seconds"])
    middle = statistics.median(rates)
    per_report = middle / row["reports"]
    yield str(row["batch"] or "")
    yield str(row["reports"])
    yield f"{middle:.3g}"
    yield f"{rates[0]:.3g} to {rates[-1]:.3g}" if len(rates) > 1 else ""
    yield f"{statistics.median(row['cpu_seconds']) / row['reports']:.2f}"
    yield f"{row['report_tokens'] * per_report:.0f}"
    yield "" if row["way"] == "tagger" else f"{row['answer_tokens'] * per_report:.0f}"
    yield str(row["peak_mb"])
    yield f"{row['relaxed_f1']:.3f}"
    yield str(row["invalid"])
    yield " ".join(map(str, row["load_average"]))


def _machine() -> str:
    return f"{_processor()}, {os.cpu_count()} cores, threads of each contender: {THREADS}"


def _processor() -> str:
    """The processor's name where the system tells (Linux)."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


if __name__ == "__main__":
    main()
