"""Plots of an evaluation as SVG with live text: crisp on screen and paper, and nothing to fetch."""

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from elmtex_batch.evaluation.estimates import Estimate
from elmtex_batch.evaluation.results import RunResult

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000")
"""Okabe and Ito's palette, which people with any colour vision can tell apart."""
_MARKERS = "osD^vPX*"

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "elmtex-batch",  # the same figures give the same file
    "font.size": 9,
    "text.parse_math": False,  # a name with dollar signs is a name
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#999999",
    "axes.axisbelow": True,
}

Rows = Sequence[tuple[str, Mapping[str, Estimate]]]
"""Per row its label, and by run the estimate, if there is one."""


def _style() -> AbstractContextManager[None]:
    from matplotlib import rc_context

    return rc_context(_STYLE)


def dot_plot(panels: Mapping[str, Rows], runs: Mapping[str, int], axis: str) -> str:
    """Panels under each other on one scale; in each row one point with its interval for each run.

    `runs`: the number of each run, which decides on its colour.
    """
    with _style():
        lines = [0.2 + len(rows) * (0.2 + 0.13 * len(runs)) for rows in panels.values()]
        figure, axes = _figure(1 + sum(lines), heights=lines)
        for panel, (title, rows) in zip(axes[:, 0], panels.items(), strict=True):
            panel.set_title(title, loc="left", fontsize=9, fontweight="bold")
            _dots(panel, rows, runs)
        axes[-1, 0].set_xlabel(axis)
        return _svg(figure, axes[0, 0], legend=len(runs) > 1)


def _dots(axes: Any, rows: Rows, runs: Mapping[str, int]) -> None:
    for i, (name, number) in enumerate(runs.items()):
        shift = (i - (len(runs) - 1) / 2) * 0.7 / len(runs)
        points = [(row + shift, own[name]) for row, (_, own) in enumerate(rows) if name in own]
        _draw(axes, [p for p, _ in points], [e for _, e in points], name, number, horizontal=True)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e5e5e5")
    for row in range(1, len(rows)):
        axes.axhline(row - 0.5, color="#f0f0f0", linewidth=0.8, zorder=0)


def form_plot(runs: Sequence[RunResult], estimates: Sequence[Estimate], axis: str) -> str:
    """How each run's score changes from one form of the reports to the next; `estimates` belong to `runs`."""
    with _style():
        figure, axes = _figure(3.4, heights=[1])
        names = list(dict.fromkeys(run.name for run in runs))
        _lines(axes[0, 0], runs, estimates, names)
        axes[0, 0].set_ylabel(axis)
        return _svg(figure, axes[0, 0], legend=len(names) > 1)


def _lines(axes: Any, runs: Sequence[RunResult], estimates: Sequence[Estimate], names: Sequence[str]) -> None:
    forms = list(dict.fromkeys(run.form for run in runs))
    for number, name in enumerate(names):
        own = [(forms.index(r.form), e) for r, e in zip(runs, estimates, strict=True) if r.name == name]
        shift = (number - (len(names) - 1) / 2) * 0.06
        _draw(axes, [place + shift for place, _ in own], [e for _, e in own], name, number, horizontal=False)
    axes.set_xticks(range(len(forms)), [form or "as given" for form in forms])
    axes.set_xlim(-0.5, len(forms) - 0.5)
    axes.set_ylim(0, 1)
    axes.grid(axis="y", color="#e5e5e5")


def _figure(height: float, heights: Sequence[float]) -> tuple[Any, Any]:
    """A figure so many inches high, and its column of axes with these relative heights."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, height), layout="constrained")
    return figure, figure.subplots(len(heights), squeeze=False, height_ratios=heights)


def _draw(
    axes: Any, places: Sequence[float], estimates: Sequence[Estimate], label: str, number: int, *, horizontal: bool
) -> None:
    values = [e.value for e in estimates]
    # Of a very uneven sample the interval may miss the score itself.
    errors = [[max(0.0, e.value - e.low) for e in estimates], [max(0.0, e.high - e.value) for e in estimates]]
    style = {
        "color": COLOURS[number % len(COLOURS)],
        "marker": _MARKERS[number // len(COLOURS) % len(_MARKERS)],
        "markersize": 4.5,
        "elinewidth": 1.2,
        "label": label,
    }
    if horizontal:
        axes.errorbar(values, places, xerr=errors, linestyle="none", **style)
    else:
        axes.errorbar(places, values, yerr=errors, linewidth=1.2, **style)


def _svg(figure: Any, axes: Any, *, legend: bool) -> str:
    """The `<svg>` element, without the XML prologue, which has no place inside a page. `axes` name the runs."""
    if legend:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", frameon=False, ncols=4)
    target = io.StringIO()
    figure.savefig(target, format="svg", metadata={"Date": None})
    return target.getvalue().partition("<!DOCTYPE")[2].partition(">")[2].strip()
