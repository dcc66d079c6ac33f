"""Scores with confidence intervals, from tallies: all reports, each group of them, each category."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.evaluation.tallies import MATCHES, Floats, Mask, Tally

LEVEL = 0.95
"""Of the confidence intervals."""

Metrics = dict[str, Floats]
_Cells = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score with its percentile bootstrap interval (Efron 1979)."""

    value: float
    low: float
    high: float


Figures = dict[str, Estimate]
"""By metric. A metric with nothing to measure is left out.

`relaxed_` and `exact_` go with `precision`, `recall` and `f1` of values; a name without more is the micro average, over
all values, or for text scores over all scored fields of all reports; `macro_` is the mean over the categories.
"""


def draw_weights(reports: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each report is drawn, (1 + resamples, reports). The first row has each once: the score itself."""
    drawn = np.random.default_rng(seed).multinomial(reports, np.full(reports, 1 / reports), size=resamples)
    return np.vstack([np.ones((1, reports), np.int64), drawn])


def overall(tally: Tally, scored: Mask, weights: NDArray[np.int64]) -> Figures:
    """Micro and macro averages over the categories. `scored`: (R, K) cells; `weights`: (B, R) as `draw_weights`."""
    cells = _resampled(tally, scored, weights)
    micro = _metrics({name: sums.sum(axis=1) for name, sums in cells.items()})
    with np.errstate(invalid="ignore"):
        macro = {f"macro_{name}": _mean(values) for name, values in _metrics(cells).items()}
    return _estimates({**micro, **macro})


def by_category(tally: Tally, scored: Mask, weights: NDArray[np.int64]) -> list[Figures]:
    """The metrics of each of the K categories."""
    metrics = _metrics(_resampled(tally, scored, weights))
    return [_estimates({name: values[:, k] for name, values in metrics.items()}) for k in range(scored.shape[1])]


def _resampled(tally: Tally, scored: Mask, weights: NDArray[np.int64]) -> dict[str, Floats]:
    """Sums over the reports of every resample, each (B, K)."""
    cells = {"cells": scored, "gold": tally.gold, "predicted": tally.predicted, **tally.matched, **tally.texts}
    return {name: weights @ (np.asarray(values, float) * scored) for name, values in cells.items()}


def _metrics(sums: _Cells) -> Metrics:
    """From sums of any shape; nan where there was nothing to find and nothing was found."""
    metrics: Metrics = {}
    for match in MATCHES:
        matched, either = sums[match], sums["gold"] + sums["predicted"]
        metrics[f"{match}_precision"] = _ratio(matched, sums["predicted"], either)
        metrics[f"{match}_recall"] = _ratio(matched, sums["gold"], either)
        metrics[f"{match}_f1"] = _ratio(2 * matched, either, either)
    texts = sums.keys() - {"cells", "gold", "predicted", *MATCHES}
    return {**metrics, **{name: _ratio(sums[name], sums["cells"], sums["cells"]) for name in sorted(texts)}}


def _ratio(part: Floats, whole: Floats, evidence: Floats) -> Floats:
    """0 where the whole is empty but there is evidence, as for the precision of a system that found nothing."""
    ratio = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return np.asarray(np.where(evidence > 0, ratio, np.nan))


def _mean(values: Floats) -> Floats:
    """Over the categories that have a score, (B, K) to (B,)."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values, 0).sum(axis=1) / known.sum(axis=1))


def _estimates(metrics: Metrics) -> Figures:
    """(B,) arrays to estimates; a resample in which nothing was to be measured is left out of the interval."""
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    return {
        name: Estimate(float(values[0]), *map(float, np.nanquantile(values, tails)))
        for name, values in metrics.items()
        if not np.isnan(values[0])
    }
