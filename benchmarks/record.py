"""What every benchmark tells beside its figures: machine, versions, load, medians and spread; and where it is kept."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console

RESULTS = Path(__file__).parent / "results"
Spread = tuple[float, float, float]
"""First quartile, median, third quartile."""


def spread(values: Sequence[float]) -> Spread:
    """The middle half of the values, and its middle."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def shown(values: Spread, digits: int = 1) -> str:
    """Median and middle half, for a cell of a table."""
    low, middle, high = values
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def installed(package: str) -> bool:
    """Whether a contender is there; prints a line if not."""
    try:
        version(package)
    except PackageNotFoundError:
        print(f"{package}: left out, it is not installed (pip install {package})")
        return False
    return True


def surroundings(*packages: str) -> dict[str, Any]:
    """Machine, versions, and how busy the machine was before: figures taken beside other work are worth less."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in packages},
        "load_before": round(os.getloadavg()[0], 1),
    }


def keep(name: str, result: Mapping[str, Any], out: Path | None = None) -> Console:
    """Writes the result to `results/`, or to `out`, and prints what surrounded it; returns where to print the table."""
    target = out or RESULTS / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({**result, "load_after": round(os.getloadavg()[0], 1)}, indent=1) + "\n", "utf-8")
    around = result["surroundings"]
    versions = ", ".join(f"{package} {number}" for package, number in around["versions"].items())
    console = Console(width=130)
    console.print(f"{around['processor']}, {around['cores']} cores; Python {around['python']}, {versions}")
    console.print(f"load of the machine before and after: {around['load_before']}, {os.getloadavg()[0]:.1f}")
    return console


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
