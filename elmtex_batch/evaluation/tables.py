"""The tables of an evaluation, as rows of ready-made cells; Markdown and the page lay them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elmtex_batch.evaluation.estimates import Estimate, Figures
from elmtex_batch.evaluation.results import Evaluation, RunResult
from elmtex_batch.evaluation.tallies import Mode
from elmtex_batch.schema import Schema

METRICS = {
    "relaxed_f1": "F1 relaxed",
    "relaxed_precision": "precision",
    "relaxed_recall": "recall",
    "exact_f1": "F1 exact",
    "macro_relaxed_f1": "macro F1 relaxed",
    "macro_exact_f1": "macro F1 exact",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "bertscore": "BERTScore",
}
"""What the tables show, of all that `evaluation.json` has."""
MODE_TITLES = {Mode.STRICT: "Strict", Mode.PAPER: "Paper-compatible"}
MODE_RULES = {
    Mode.STRICT: "Every report counts: an invalid output misses all values and scores 0, and values on a field without "
    "annotation are errors.",
    Mode.PAPER: "Invalid outputs are skipped, and so are fields without annotation, whatever was predicted there.",
}
_WITH_INTERVAL = ("relaxed_f1", "exact_f1", "rougeL", "bertscore")


@dataclass(frozen=True, slots=True)
class Cell:
    """A score, and beside it its interval in smaller print, if shown."""

    text: str
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """`heads[0]` stands over the names; `rows` are a name and its cells."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def summary_table(evaluation: Evaluation, mode: Mode) -> Table:
    """All runs side by side, on all reports."""
    shown = _shown(evaluation)
    rows = [(run.title, tuple(_cell(run.modes[mode].overall, m) for m in shown)) for run in evaluation.runs]
    return Table(("run", *(METRICS[m] for m in shown)), tuple(rows))


def validity_table(evaluation: Evaluation) -> Table:
    """What does not depend on the mode."""
    heads = ("run", "valid outputs", "values", "not in the text", "share", "cut short", "documents/s")
    return Table(heads, tuple((run.title, _validity(run)) for run in evaluation.runs))


def _validity(run: RunResult) -> tuple[Cell, ...]:
    rate = "–" if run.documents_per_second is None else f"{run.documents_per_second:.2f}"
    shares = (_percent(run.share_not_in_text), _percent(run.cut_short), rate)
    return tuple(map(Cell, (_percent(run.valid_outputs), f"{run.values:,}", f"{run.values_not_in_text:,}", *shares)))


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def group_tables(evaluation: Evaluation, mode: Mode, schema: Schema) -> dict[str, Table]:
    """By title: the runs side by side in each category, language and source, one table for each metric."""
    shown = [metric for metric in _WITH_INTERVAL if metric in _shown(evaluation)]
    return {
        f"by {kind}: {METRICS[metric]}": _group_table(evaluation.runs, mode, kind, names, metric)
        for kind, names in evaluation.groupings(schema).items()
        for metric in shown
    }


def _group_table(runs: Sequence[RunResult], mode: Mode, kind: str, names: Mapping[str, str], metric: str) -> Table:
    rows = [
        (shown, tuple(_cell(run.modes[mode].by[kind][name], metric) for run in runs)) for name, shown in names.items()
    ]
    return Table((kind, *(run.title for run in runs)), tuple(rows))


def _shown(evaluation: Evaluation) -> list[str]:
    return [metric for metric in METRICS if metric != "bertscore" or evaluation.bert_model]


def _cell(figures: Figures, metric: str) -> Cell:
    estimate = figures.get(metric)
    if estimate is None:
        return Cell("–")
    return Cell(f"{estimate.value:.3f}", _interval(estimate) if metric in _WITH_INTERVAL else "")


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low:.2f}–{estimate.high:.2f}"


def markdown(table: Table) -> str:
    """A pipe table; the first column is left-aligned, numbers are right-aligned."""
    rule = ("---", *["---:"] * (len(table.heads) - 1))
    body = [(name, *(_plain(cell) for cell in cells)) for name, cells in table.rows]
    return "\n".join(_line(texts) for texts in (table.heads, rule, *body))


def _plain(cell: Cell) -> str:
    return f"{cell.text} ({cell.interval})" if cell.interval else cell.text


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
