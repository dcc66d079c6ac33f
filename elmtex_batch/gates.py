"""Quality gates: whether a run's figures are like those of the runs before it, or people should look at it first."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from elmtex_batch.records import Row
from elmtex_batch.settings import GateSettings


def judge(run: Row, earlier: Sequence[Row], gates: GateSettings) -> list[str]:
    """Why a run is to be held: codes such as `fill_rate_change:diagnosis`, none for a run that passes.

    Runs are rows of `records.RUNS`, `earlier` in the order of time. A run is compared with the mean of the last
    `gates.runs` published ones of its schema. Small runs, and those that retried documents of one reason, are neither
    judged nor compared with: their documents are not like those of a night.
    """
    if not _is_typical(run, gates):
        return []
    good = [
        r for r in earlier if r["outcome"] == "published" and r["schema"] == run["schema"] and _is_typical(r, gates)
    ]
    return [*_beyond_limits(run, gates), *(_changed(run, good[-gates.runs :], gates) if good else ())]


def rejected_share(run: Row) -> float:
    """Rejected documents of a run by all that it did."""
    counts = {row["status"]: row["documents"] for row in run["statuses"]}
    return float(counts.get("rejected", 0) / max(1, sum(counts.values())))


def _is_typical(run: Row, gates: GateSettings) -> bool:
    return not run["retried"] and sum(row["documents"] for row in run["statuses"]) >= gates.min_documents


def _beyond_limits(run: Row, gates: GateSettings) -> Iterator[str]:
    if _is_above(rejected_share(run), gates.max_rejected):
        yield "rejected_limit"
    if _is_above(gates.min_score, run["mean_score"]):
        yield "score_limit"
    if _is_above(gates.min_ocr_confidence, run["mean_ocr_confidence"]):
        yield "ocr_confidence_limit"
    rates = _fill_rates(run)
    for category, least in gates.min_fill_rates.items():
        if _is_above(least, rates.get(category)):
            yield f"fill_rate_limit:{category}"


def _changed(run: Row, good: Sequence[Row], gates: GateSettings) -> Iterator[str]:
    """What is better than usual is no reason to hold a run, but for fill rates: nobody knows which way is better."""
    if _is_above(rejected_share(run) - fmean(map(rejected_share, good)), gates.rejected_rise):
        yield "rejected_change"
    if _is_above(_fall(run, good, "mean_score"), gates.score_fall):
        yield "score_change"
    if _is_above(_fall(run, good, "mean_ocr_confidence"), gates.ocr_confidence_fall):
        yield "ocr_confidence_change"
    usual = [_fill_rates(r) for r in good]
    for category, share in _fill_rates(run).items():
        before = [rates[category] for rates in usual if category in rates]
        if before and _is_above(abs(share - fmean(before)), gates.fill_rate_change):
            yield f"fill_rate_change:{category}"


def _fall(run: Row, good: Sequence[Row], measure: str) -> float | None:
    before = [r[measure] for r in good if r[measure] is not None]
    return fmean(before) - run[measure] if before and run[measure] is not None else None


def _fill_rates(run: Row) -> dict[str, float]:
    return {row["category"]: row["share"] for row in run["fill_rates"]}


def _is_above(figure: float | None, limit: float | None) -> bool:
    """False where there is nothing to measure (no page was read by OCR, say), or no limit is set."""
    return figure is not None and limit is not None and figure > limit
