"""What limits the tagger: the dev score after equal numbers of training steps, by share of the data, rank and base.

    python benchmarks/learning_curves.py --data train.jsonl training_letters --dev dev.jsonl --out OUT [--passes 1]

Every point is a whole training of its own, from fresh matrices, that sees as many reports as `--passes` passes over all
of them: a quarter of the reports is seen four times as often. A command that was stopped goes on where it was. Prints a
table and puts it and every point's training into OUT.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from elmtex_batch.schema import load_schema
from elmtex_batch.training.data import read_reports, to_record
from elmtex_batch.training.log import LOG
from elmtex_batch.training.report import Report


@dataclass(frozen=True, slots=True)
class Point:
    """One training. `parts`: it sees one of so many parts of the reports."""

    parts: int = 1
    rank: int = 16
    base: str = "gemma3-270m"

    @property
    def name(self) -> str:
        return f"{self.base}-rank{self.rank}-data{100 // self.parts}"


POINTS = [
    Point(), Point(base="smollm2-135m"), Point(parts=2), Point(rank=4), Point(parts=4), Point(rank=64),
]  # fmt: skip


def main() -> None:
    """Trains what is not trained yet, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--passes", type=int, default=1)
    options = parser.parse_args()
    schema = load_schema("elmtex")
    reports = [report for path in options.data for report in read_reports(path, schema)]
    random.Random(0).shuffle(reports)
    for point in POINTS:
        _train(point, reports[: len(reports) // point.parts], options)
    rows = list(_rows(options.out, len(reports)))
    heads = ["| base | rank | reports | dev relaxed F1 | tokens/s |", "| --- | --- | --- | --- | --- |"]
    table = "\n".join([*heads, *rows])
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {os.environ.get('OMP_NUM_THREADS', 'all')} threads"
    (options.out / "curves.md").write_text(f"{machine}; {packages}\n\n{table}\n", encoding="utf-8")
    print((options.out / "curves.md").read_text(encoding="utf-8"))


def _train(point: Point, reports: Sequence[Report], options: argparse.Namespace) -> None:
    folder: Path = options.out / point.name
    if (folder / "adapter" / "README.md").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(to_record(report)) + "\n" for report in reports), encoding="utf-8")
    config = folder / "train.toml"
    config.write_text(
        f'base = "{point.base}"\n[lora]\nrank = {point.rank}\nalpha = {2 * point.rank}\n'
        f"[optimiser]\nepochs = {point.parts * options.passes}\n"
    )
    named = {"--name": point.name, "--data": data, "--dev": options.dev, "--out": folder, "--config": config}
    arguments = [str(part) for pair in named.items() for part in pair]
    subprocess.run([sys.executable, "-m", "elmtex_batch.cli", "train", *arguments], check=True)


def _rows(out: Path, reports: int) -> Iterator[str]:
    for point in POINTS:
        entries = [json.loads(line) for line in (out / point.name / LOG).read_text(encoding="utf-8").splitlines()]
        f1 = next(entry["dev_relaxed_f1"] for entry in reversed(entries) if "dev_relaxed_f1" in entry)
        rates = sorted(entry["tokens_per_s"] for entry in entries if "tokens_per_s" in entry)
        count = reports // point.parts
        yield f"| {point.base} | {point.rank} | {count} | {f1:.3f} | {rates[len(rates) // 2]} |"


if __name__ == "__main__":
    main()
