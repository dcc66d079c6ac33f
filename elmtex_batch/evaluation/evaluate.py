"""The composition: annotated reports and runs in, figures and a page out."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from elmtex_batch.errors import InputMissing, OutputError
from elmtex_batch.evaluation.estimates import LEVEL
from elmtex_batch.evaluation.overlap import BertScorer, Rouge, TextScorer
from elmtex_batch.evaluation.predictions import Run
from elmtex_batch.evaluation.results import Evaluation, evaluation_of
from elmtex_batch.evaluation.runs import converted_run, ready_run
from elmtex_batch.evaluation.settings import EvaluationSettings, model_settings
from elmtex_batch.evaluation.tables import (
    MODE_RULES,
    MODE_TITLES,
    group_tables,
    markdown,
    summary_table,
    validity_table,
)
from elmtex_batch.evaluation.tallies import Mode, tally
from elmtex_batch.schema import Schema, load_schema
from elmtex_batch.training.card import data_facts
from elmtex_batch.training.data import Report, read_reports

if TYPE_CHECKING:
    from elmtex_batch.pipeline import Progress

JSON, MARKDOWN, PAGE = "evaluation.json", "evaluation.md", "evaluation.html"


def evaluate(settings: EvaluationSettings, progress: "Progress") -> Evaluation:
    """Makes and scores all runs; writes `evaluation.json`, `.md` and `.html` (which shows texts) to the output folder.

    An evaluation that was interrupted goes on with the documents it has; a finished one is made anew.

    Raises:
        ElmtexError: reports, predictions or models are missing or do not fit; what stops a conversion.
    """
    schema = load_schema(settings.schema_)
    reports = _reports(settings.data, schema)
    scorers = _scorers(settings)
    _begin(settings.out)
    runs = list(_runs(settings, schema, reports, progress))
    tallies = [tally(reports, run.predictions, schema.keys, scorers) for run in runs]
    digest = data_facts("evaluation", settings.data, reports).sha256
    evaluation = evaluation_of(settings, schema, reports, list(zip(runs, tallies, strict=True)), digest)
    _write(settings.out, evaluation, schema, reports, runs)
    return evaluation


def summary_markdown(evaluation: Evaluation) -> str:
    """The runs side by side, in both modes."""
    parts = [
        f"## {MODE_TITLES[mode]}\n\n{MODE_RULES[mode]}\n\n{markdown(summary_table(evaluation, mode))}" for mode in Mode
    ]
    return "\n\n".join([*parts, f"## Outputs\n\n{markdown(validity_table(evaluation))}"])


def _reports(path: Path, schema: Schema) -> list[Report]:
    reports = read_reports(path, schema)
    if len({report.id for report in reports}) < len(reports):
        raise InputMissing("two of the annotated reports have the same id")
    if not any(values for report in reports for values in report.labels.values()):
        raise InputMissing("the annotated reports have no annotated value")
    return reports


def _scorers(settings: EvaluationSettings) -> list[TextScorer]:
    bert = [BertScorer(settings.bert_model, settings.bert_layer)] if settings.bert_model else []
    return [Rouge(), *bert]


def _begin(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if (out / JSON).exists():
            shutil.rmtree(out / "runs", ignore_errors=True)
            (out / JSON).unlink()
    except OSError as error:
        raise OutputError(f"cannot write to the output folder: {error.strerror}") from None


def _runs(
    settings: EvaluationSettings, schema: Schema, reports: Sequence[Report], progress: "Progress"
) -> Iterator[Run]:
    """Every wrong setting and ready file is found before the first model runs."""
    models = {name: model_settings(spec, settings.schema_) for name, spec in settings.runs.items()}
    ready = {
        name: ready_run(name, Path(settings.runs[name]), reports, schema) for name, model in models.items() if not model
    }
    for name, model in models.items():
        if model is None:
            yield ready[name]
            continue
        for form in settings.forms:
            yield converted_run(name, form, reports, model, settings.out / "runs" / name / form, progress)


def _write(out: Path, evaluation: Evaluation, schema: Schema, reports: Sequence[Report], runs: Sequence[Run]) -> None:
    """The figures last: where they are, the evaluation is complete."""
    from elmtex_batch.evaluation.page import render_page

    files = {
        PAGE: render_page(evaluation, schema, reports, runs),
        MARKDOWN: _markdown(evaluation, schema),
        JSON: json.dumps(asdict(evaluation), indent=1, ensure_ascii=False),
    }
    try:
        for name, content in files.items():
            (out / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write to the output folder: {error.strerror}") from None


def _markdown(evaluation: Evaluation, schema: Schema) -> str:
    head = (
        f"# Evaluation\n\n{evaluation.reports} reports, {evaluation.values:,} annotated values, schema "
        f"{evaluation.schema}. In brackets: {LEVEL:.0%} confidence intervals, bootstrap over reports "
        f"({evaluation.resamples:,} resamples, seed {evaluation.seed})."
    )
    groups = [
        f"## {MODE_TITLES[mode]}, {title}\n\n{markdown(table)}"
        for mode in Mode
        for title, table in group_tables(evaluation, mode, schema).items()
    ]
    return "\n\n".join([head, summary_markdown(evaluation), *groups]) + "\n"
