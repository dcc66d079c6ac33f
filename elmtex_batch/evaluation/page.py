"""The page of an evaluation: one HTML file that needs nothing else and fetches nothing."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from elmtex_batch.evaluation.estimates import LEVEL, Estimate
from elmtex_batch.evaluation.plots import dot_plot, form_plot
from elmtex_batch.evaluation.predictions import Run
from elmtex_batch.evaluation.results import Evaluation, RunResult
from elmtex_batch.evaluation.review import Review, review
from elmtex_batch.evaluation.tables import (
    METRICS,
    MODE_RULES,
    MODE_TITLES,
    group_tables,
    summary_table,
    validity_table,
)
from elmtex_batch.evaluation.tallies import Mode
from elmtex_batch.schema import Schema
from elmtex_batch.training.data import Report

_METRIC = "relaxed_f1"
"""What the plots show, in strict mode."""


@dataclass(frozen=True, slots=True)
class ReportReview:
    """One report with its reviews, one for each run."""

    report: Report
    reviews: tuple[Review, ...]

    @property
    def worst(self) -> float:
        return min(own.f1 for own in self.reviews)

    @property
    def range(self) -> str:
        """The lowest and the highest F1 among the runs, as shown."""
        return "–".join(dict.fromkeys(f"{f1:.2f}" for f1 in (self.worst, max(own.f1 for own in self.reviews))))


def render_page(evaluation: Evaluation, schema: Schema, reports: Sequence[Report], runs: Sequence[Run]) -> str:
    """The whole page. It shows the reports' texts; whatever they contain stays text."""
    environment = Environment(
        loader=PackageLoader("elmtex_batch.evaluation", "page_files"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    titles = {category.key: category.title.en for category in schema.category}
    script, style = _asset("page.js"), _asset("page.css")
    return environment.get_template("page.html.jinja").render(
        evaluation=evaluation,
        level=f"{LEVEL:.0%}",
        script=Markup(script),  # noqa: S704 - our own file
        style=Markup(style),  # noqa: S704 - our own file
        # The browser runs this script and no other, and fetches nothing.
        policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src '{_digest(script)}'",
        summaries=[(MODE_TITLES[mode], MODE_RULES[mode], summary_table(evaluation, mode)) for mode in Mode],
        validity=validity_table(evaluation),
        groups=[(MODE_TITLES[mode], group_tables(evaluation, mode, schema)) for mode in Mode],
        plots=[(title, Markup(svg)) for title, svg in _plots(evaluation, schema).items()],  # noqa: S704 - matplotlib escapes
        categories=list(titles.values()),
        reviews=_reviews(reports, runs, titles),
    )


def _asset(name: str) -> str:
    return (files("elmtex_batch.evaluation") / "page_files" / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _reviews(reports: Sequence[Report], runs: Sequence[Run], titles: Mapping[str, str]) -> list[ReportReview]:
    """Where most is wrong comes first."""
    found = [ReportReview(report, tuple(review(report, run, titles) for run in runs)) for report in reports]
    return sorted(found, key=lambda own: own.worst)


def _plots(evaluation: Evaluation, schema: Schema) -> dict[str, str]:
    """One plot across the forms if there are several, then one of all groups for each form; by title."""
    forms = list(dict.fromkeys(run.form for run in evaluation.runs))
    groupings = evaluation.groupings(schema)
    numbers = {name: i for i, name in enumerate(dict.fromkeys(run.name for run in evaluation.runs))}
    plots = {
        f"By group · {form}" if form else "By group": _group_plot(
            [run for run in evaluation.runs if run.form == form], groupings, numbers
        )
        for form in forms
    }
    if len(forms) > 1:
        estimates = [run.modes[Mode.STRICT].overall[_METRIC] for run in evaluation.runs]
        plots = {"Clean and degraded": form_plot(evaluation.runs, estimates, METRICS[_METRIC]), **plots}
    return plots


def _group_plot(
    runs: Sequence[RunResult], groupings: Mapping[str, Mapping[str, str]], numbers: Mapping[str, int]
) -> str:
    panels = {f"by {kind}": _rows(runs, kind, names) for kind, names in groupings.items()}
    return dot_plot(panels, {run.name: numbers[run.name] for run in runs}, METRICS[_METRIC])


def _rows(runs: Sequence[RunResult], kind: str, names: Mapping[str, str]) -> list[tuple[str, dict[str, Estimate]]]:
    groups = {run.name: run.modes[Mode.STRICT].by[kind] for run in runs}
    return [
        (shown, {run: own[name][_METRIC] for run, own in groups.items() if _METRIC in own[name]})
        for name, shown in names.items()
    ]
