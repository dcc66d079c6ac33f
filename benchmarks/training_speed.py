"""How many tokens a second a training step learns from, in plain transformers code and made fast, side by side.

    python benchmarks/training_speed.py REPORTS.jsonl [--base gemma3-270m] [--steps 8]

`OMP_NUM_THREADS` sets the threads. The steps are those of a real training, after as many to warm up.
"""

import argparse
import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from elmtex_batch.models import choose_compute
from elmtex_batch.schema import load_schema
from elmtex_batch.training.data import read_reports
from elmtex_batch.training.loop import Loop
from elmtex_batch.training.settings import OptimiserSettings, TrainSettings
from elmtex_batch.training.tagging import Tagging
from elmtex_batch.training.world import World


def main() -> None:
    """Prints one row for each window size and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--base", default="gemma3-270m")
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    table = Table("window", "step", "tokens/s")
    for window in (512, 1_024):
        for compiled in (False, True):
            rate = _rate(options.reports, options.base, options.steps, window, compiled)
            table.add_row(str(window), "made fast" if compiled else "plain", f"{rate:.0f}")
    console = Console(width=120)
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft"))
    console.print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
                  f"{torch.get_num_threads()} threads; {packages}; {options.base}")  # fmt: skip
    console.print(table)


def _rate(reports: Path, base: str, steps: int, window: int, compiled: bool) -> float:
    with tempfile.TemporaryDirectory() as out:
        settings = TrainSettings(
            name="benchmark", data=(reports,), out=Path(out), base=base, window_tokens=window, compile=compiled,
            checkpoint_minutes=1_000, optimiser=OptimiserSettings(epochs=1),
        )  # fmt: skip
        schema = load_schema(settings.schema_)
        compute = choose_compute(settings.device)
        task = Tagging(settings, schema, compute, read_reports(reports, schema)[:150])
        loop = Loop(settings, task, compute, World(), lambda _: None)
        groups = list(loop.groups(0))
        for group in groups[:steps]:
            loop.update(group, 1e-4)
        begun = time.perf_counter()
        for group in groups[steps : 2 * steps]:
            loop.update(group, 1e-4)
        seconds = time.perf_counter() - begun
    return sum(len(e.ids) for group in groups[steps : 2 * steps] for batch in group for e in batch) / seconds


if __name__ == "__main__":
    main()
