"""What a person sees of a run: a live line in a terminal, few lines in a cron log, and a summary at the end."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from elmtex_batch.logs import Kind, say

if TYPE_CHECKING:
    import pyarrow as pa

    from elmtex_batch import pipeline
    from elmtex_batch.outlook import Outlook
    from elmtex_batch.records import Row
    from elmtex_batch.summary import Summary

_QUIET_SECONDS = {"text": 600.0, "json": 60.0}
"""How often a log hears of a run."""
_STATUSES = {"extracted": "green", "partial": "yellow", "rejected": "red"}


@contextmanager
def live_progress(log: Kind = "text") -> "Iterator[pipeline.Progress]":
    """A callback that shows how a run stands: in a terminal at once, in a log now and then."""
    console = Console(stderr=True)
    if log == "json" or not console.is_terminal:
        yield _LoggedProgress(_QUIET_SECONDS[log])
        return
    columns = (
        TextColumn("converting"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=None)

        def show(summary: "Summary") -> None:
            total = summary.documents - summary.skipped
            bar.update(task, completed=summary.done, total=total, description=_standing(summary))

        yield show


class _LoggedProgress:
    """Says how a run stands when it begins, and then every `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._said: float | None = None

    def __call__(self, summary: "Summary") -> None:
        now = time.monotonic()
        if self._said is not None and now - self._said < self._seconds:
            return
        self._said = now
        todo = summary.documents - summary.skipped
        message = f"{summary.done} of {todo} documents, {summary.pages} pages" if summary.done else f"{todo} to do"
        say(message, {"todo": todo, **_counts(summary)})


def _counts(summary: "Summary") -> dict[str, object]:
    return {
        "run_id": summary.run_id,
        "skipped": summary.skipped,
        "done": summary.done,
        "statuses": summary.statuses,
        "reasons": summary.reasons,
        "pages": summary.pages,
        "tokens": summary.tokens,
        "values": summary.values,
        "seconds": round(summary.seconds, 3),
    }


def _standing(summary: "Summary") -> str:
    if not summary.done:
        return "starting"
    counts = " ".join(
        f"[{colour}]{summary.statuses[status]} {status}[/]"
        for status, colour in _STATUSES.items()
        if summary.statuses[status]
    )
    return f"{counts}  {summary.pages} pages  {summary.done / summary.seconds:.2f} documents/s"


@contextmanager
def live_counts(doing: str) -> Iterator[Callable[[str], None]]:
    """A callback that keeps a line of counts on stderr up to date, if that is a terminal."""
    columns = (TextColumn(doing), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as line:
        task = line.add_task("")
        yield lambda counts: line.update(task, description=counts)


def print_summary(summary: "Summary", log: Kind = "text") -> None:
    """Counts of the run on standard output, or as a line of a JSON log."""
    if log == "json":
        say("ended", {"held_because": summary.held_because, **_counts(summary)})
        return
    table = Table(title=f"run {summary.run_id}", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    rate = summary.done / summary.seconds if summary.seconds else 0.0
    facts: Mapping[str, object] = {
        "input files": summary.sources,
        "distinct documents": summary.documents,
        "already done": summary.skipped,
        **{f"  {status}": summary.statuses[status] for status in _STATUSES},
        **{f"    {code}": count for code, count in sorted(summary.reasons.items())},
        "pages": summary.pages,
        "tokens": summary.tokens,
        "values": summary.values,
        **({"  not found in the text": summary.values_ungrounded} if summary.values_ungrounded else {}),
        "seconds": f"{summary.seconds:.1f}",
        "documents/s": f"{rate:.2f}",
    }
    for name, value in facts.items():
        table.add_row(name, str(value))
    Console().print(table)


def print_outlook(outlook: "Outlook") -> None:
    """What a conversion would do, on standard output."""
    table = Table(title="to do" if outlook.todo else "nothing to do", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    unknown = "no run with this model to learn from"
    facts: Mapping[str, object] = {
        "model": outlook.model,
        "input files": outlook.files,
        "already done": outlook.done,
        "to do": outlook.todo,
        "  new": outlook.new,
        "  changed": outlook.changed,
        "  again, with this model and settings": outlook.again,
        "    of these from texts/, without reading a file": outlook.without_reading,
        "estimated time": unknown if outlook.seconds is None else str(timedelta(seconds=round(outlook.seconds))),
    }
    for name, value in facts.items():
        table.add_row(name, str(value))
    Console().print(table)


def print_ledger(ledger: "pa.Table", runs: "Sequence[Row]" = ()) -> None:
    """Counts of what an output folder holds on standard output: `Warehouse.ledger`, and `Runs.all` for the outcomes."""
    rows = ledger.to_pylist()
    outcomes = {run["run_id"]: f"{run['run_id']}  {' '.join([run['outcome'], *run['held_because']])}" for run in runs}
    groups = {
        "state": Counter(row["status"] for row in rows),
        "reason": Counter(code for row in rows for code in {reason["code"] for reason in row["reasons"]}),
        "schema and model": Counter(f"{row['schema']}  {row['model']}" for row in rows),
        "run": Counter(outcomes.get(row["run_id"], row["run_id"]) for row in rows),
    }
    table = Table("", "", "documents", title=f"{len(rows)} documents", title_justify="left")
    for group, counts in groups.items():
        for i, (name, count) in enumerate(sorted(counts.items())):
            table.add_row(group if i == 0 else "", name, str(count))
    Console().print(table)
