"""A training's log as a picture: loss and learning rate by step, and the score on the development reports."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elmtex_batch.errors import InputMissing

_STEADINESS = 0.8
"""Of the exponential moving average that smooths the loss."""
_INK, _LOSS, _RATE, _SCORE = "#333333", "#1f6f8b", "#9a7b4f", "#b23a48"

Points = tuple[list[int], list[float]]
"""Steps, and a value for each."""


def draw_curve(log_path: Path, png_path: Path) -> None:
    """Draws `log.jsonl` (see `elmtex_batch.training.log`) as PNG.

    Entries with `step` bring `loss` and `learning_rate`, entries with `steps` bring `dev_relaxed_f1`. Steps that a
    resumed training did again count once, as they were done last.

    Raises:
        InputMissing: the log cannot be read, or holds no loss yet.
    """
    entries = _read(log_path)
    losses, rates = _series(entries, "step", "loss"), _series(entries, "step", "learning_rate")
    if not losses[0]:
        raise InputMissing("the log of the training holds no loss yet")
    _draw(losses, rates, _series(entries, "steps", "dev_relaxed_f1"), png_path)


def smoothed(values: Sequence[float], steadiness: float = _STEADINESS) -> list[float]:
    """Exponential moving average without the pull towards 0 at the start (Adam's correction, arXiv 1412.6980)."""
    mean, weight, result = 0.0, 0.0, []
    for value in values:
        mean = steadiness * mean + (1 - steadiness) * value
        weight = steadiness * weight + (1 - steadiness)
        result.append(mean / weight)
    return result


def _read(path: Path) -> list[Mapping[str, Any]]:
    try:
        return [entry for line in path.read_text(encoding="utf-8").splitlines() if (entry := _parse(line))]
    except OSError:
        raise InputMissing("the log of the training cannot be read") from None


def _parse(line: str) -> Mapping[str, Any] | None:
    """None for a line that a killed training left half written."""
    try:
        entry: Mapping[str, Any] = json.loads(line)
    except ValueError:
        return None
    return entry


def _series(entries: Sequence[Mapping[str, Any]], step: str, name: str) -> Points:
    points = {entry[step]: entry[name] for entry in entries if step in entry and name in entry}
    return sorted(points), [points[at] for at in sorted(points)]


def _draw(losses: Points, rates: Points, scores: Points, png_path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    above.plot(*losses, color=_LOSS, alpha=0.3, linewidth=1, label="loss")
    above.plot(losses[0], smoothed(losses[1]), color=_LOSS, linewidth=2, label="loss, smoothed")
    above.set_ylim(bottom=0)
    above.set_ylabel("loss")
    above.legend(frameon=False)
    above.spines["right"].set_visible(False)
    below.plot(*scores, color=_SCORE, marker="o", linewidth=2)
    for step, score in zip(*scores, strict=True):
        below.annotate(f"{score:.3f}", (step, score), (0, 7), textcoords="offset points", ha="center", fontsize=8)
    below.margins(y=0.25)
    below.set_ylabel("dev relaxed F1" if scores[0] else "no dev scores", color=_SCORE)
    beside = below.twinx()
    beside.plot(*rates, color=_RATE, linewidth=1.2)
    beside.set_ylabel("learning rate", color=_RATE)
    beside.set_ylim(bottom=0)
    beside.ticklabel_format(axis="y", scilimits=(0, 0))
    below.set_xlabel("step")
    for axes in (above, below, beside):
        axes.spines["top"].set_visible(False)
        axes.tick_params(colors=_INK)
    figure.savefig(png_path, dpi=130)
