"""How runs compare: one point for each run that did something, in the order of time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from elmtex_batch.records import Row
from elmtex_batch.report.numbers import grouped, percent
from elmtex_batch.validate import Status

MOST = 60
"""Runs in a curve: two months of nights."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run, of `records.RUNS`. Shares are 0 to 1, None where the run has no such figure."""

    run_id: str
    started: datetime | None
    seconds: float
    outcome: str
    done: int
    """Documents that this run published."""
    rejected: float | None
    filled: float | None
    """Mean over the categories of the share of documents with a value."""
    score: float | None
    ocr: float | None

    @property
    def per_hour(self) -> float | None:
        """Documents an hour, start-up included."""
        return self.done / self.seconds * 3600 if self.seconds and self.done else None


@dataclass(frozen=True, slots=True)
class Curve:
    """One figure over the runs, as an SVG of 100 by 30 units, from 0 to `top`; `days` are the first and the last."""

    name: str
    points: tuple[tuple[float, float], ...]
    days: tuple[str, ...]
    top: str
    last: str

    @property
    def line(self) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


def runs_of(rows: Sequence[Row], schema: str) -> list[Run]:
    """The runs with this schema's label, the last one last."""
    found = [_run(row) for row in rows if row.get("schema") in (schema, None)]
    return sorted(found, key=lambda run: run.run_id)


def curves_of(runs: Sequence[Run]) -> list[Curve]:
    """Throughput and quality; a figure that fewer than two runs have makes no curve."""
    worked = [run for run in runs if run.done][-MOST:]
    figures: dict[str, Callable[[Run], float | None]] = {
        "per_hour": lambda run: run.per_hour,
        "rejected": lambda run: run.rejected,
        "filled": lambda run: run.filled,
        "score": lambda run: run.score,
        "ocr": lambda run: run.ocr,
    }
    curves = [_curve(name, worked, figure) for name, figure in figures.items()]
    return [curve for curve in curves if len(curve.points) > 1]


def _curve(name: str, runs: Sequence[Run], figure: Callable[[Run], float | None]) -> Curve:
    found = [(run, value) for run in runs if (value := figure(run)) is not None]
    top = max((value for _, value in found), default=0.0) or 1.0
    show = grouped if name == "per_hour" else percent
    points = tuple((2 + 96 * i / max(len(found) - 1, 1), 28 - 26 * value / top) for i, (_, value) in enumerate(found))
    days = tuple(_day(run) for run, _ in (*found[:1], *found[-1:]))
    return Curve(name, points, days, show(top), show(found[-1][1]) if found else "")


def _day(run: Run) -> str:
    return f"{run.started:%Y-%m-%d}" if run.started else run.run_id


def _run(row: Row) -> Run:
    statuses = {entry["status"]: entry["documents"] for entry in row.get("statuses") or ()}
    shares = [entry["share"] for entry in row.get("fill_rates") or () if entry["share"] is not None]
    done = sum(statuses.values())
    return Run(
        run_id=row["run_id"],
        started=row.get("started"),
        seconds=row.get("seconds") or 0.0,
        outcome=row.get("outcome") or "",
        done=done,
        rejected=statuses.get(Status.REJECTED.value, 0) / done if done else None,
        filled=sum(shares) / len(shares) if shares else None,
        score=row.get("mean_score"),
        ocr=row.get("mean_ocr_confidence"),
    )
