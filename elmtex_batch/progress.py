"""What a person sees of a run: one live line in a terminal, nothing in a cron log, and a summary at the end."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from elmtex_batch import pipeline
    from elmtex_batch.summary import Summary


@contextmanager
def live_progress() -> "Iterator[pipeline.Progress]":
    """A callback that keeps one line on stderr up to date, if that is a terminal."""
    columns = (
        TextColumn("converting"), BarColumn(), MofNCompleteColumn(), TextColumn("documents"),
        TextColumn("{task.fields[pages]} pages"), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, pages=0)

        def show(summary: "Summary") -> None:
            bar.update(task, completed=summary.done, total=summary.documents - summary.skipped, pages=summary.pages)

        yield show


@contextmanager
def live_counts(doing: str) -> Iterator[Callable[[str], None]]:
    """A callback that keeps a line of counts on stderr up to date, if that is a terminal."""
    columns = (TextColumn(doing), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as line:
        task = line.add_task("")
        yield lambda counts: line.update(task, description=counts)


def print_summary(summary: "Summary") -> None:
    """Counts of the run on standard output."""
    table = Table(title=f"run {summary.run_id}", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    rate = summary.done / summary.seconds if summary.seconds else 0.0
    facts: Mapping[str, object] = {
        "input files": summary.sources,
        "distinct documents": summary.documents,
        "already done": summary.skipped,
        **{f"  {status}": summary.statuses.get(status, 0) for status in ("extracted", "partial", "rejected")},
        **{f"    {code}": count for code, count in sorted(summary.reasons.items())},
        "pages": summary.pages,
        "values": summary.values,
        **({"  not found in the text": summary.values_ungrounded} if summary.values_ungrounded else {}),
        "seconds": f"{summary.seconds:.1f}",
        "documents/s": f"{rate:.2f}",
    }
    for name, value in facts.items():
        table.add_row(name, str(value))
    Console().print(table)


def print_ledger(ledger: "pa.Table") -> None:
    """Counts of what an output folder holds on standard output; `ledger` as `Warehouse.ledger` gives it."""
    rows = ledger.to_pylist()
    groups = {
        "state": Counter(row["status"] for row in rows),
        "reason": Counter(code for row in rows for code in {reason["code"] for reason in row["reasons"]}),
        "schema and model": Counter(f"{row['schema']}  {row['model']}" for row in rows),
        "run": Counter(row["run_id"] for row in rows),
    }
    table = Table("", "", "documents", title=f"{len(rows)} documents", title_justify="left")
    for group, counts in groups.items():
        for i, (name, count) in enumerate(sorted(counts.items())):
            table.add_row(group if i == 0 else "", name, str(count))
    Console().print(table)
