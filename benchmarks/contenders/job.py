"""What all contenders of `benchmarks/readers.py` share: the job that they get, and the result they give.

They run as processes of their own, some of them with a Python of their own: nothing but the standard library here.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """Reports to read. `model`: a folder of weights; the lists have one item for each report."""

    model: str
    way: str
    """What the answer is held to: `free`, `grammar`, `json`; for our own readers, which of them."""
    texts: list[str]
    prompts: list[str]
    grammars: list[str]
    """That of the compact format, in llguidance's Lark syntax."""
    most_tokens: list[int]
    """Of an answer."""
    json_schema: str
    dtype: str
    batch: int
    threads: int
    repeats: int
    warm_up: int
    """How many reports are read before the clock starts, from the first on, and again from there."""


@dataclass(frozen=True, slots=True)
class Result:
    """`seconds`, `cpu_seconds`: of each repetition; `answers`: of the last one, as text or as values by category."""

    seconds: list[float]
    cpu_seconds: list[float]
    answers: list[Any]
    versions: dict[str, str]


Read = Callable[[Sequence[int]], list[Any]]
"""Reads these reports, by number, and returns their answers."""


def run(load: Callable[[Job], Read], packages: Sequence[str]) -> None:
    """Does the job of the file that the command line names first, and writes its result to the second."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    read = load(job)
    everything = range(len(job.texts))
    for begin in range(0, job.warm_up, len(everything)):
        read(everything[: job.warm_up - begin])
    seconds, cpu_seconds = [], []
    for _ in range(job.repeats):
        begun, worked = time.perf_counter(), time.process_time()
        answers = read(everything)
        seconds.append(time.perf_counter() - begun)
        cpu_seconds.append(time.process_time() - worked)
    result = Result(seconds, cpu_seconds, answers, {name: version(name) for name in packages})
    Path(sys.argv[2]).write_text(json.dumps(asdict(result), ensure_ascii=False), encoding="utf-8")


def by_length(prompts: Sequence[str], numbers: Sequence[int], size: int) -> list[list[int]]:
    """Batches of reports of similar length, which waste little on padding."""
    order = sorted(numbers, key=lambda i: len(prompts[i]))
    return [order[begin : begin + size] for begin in range(0, len(order), size)]
