"""The model card beside an adapter: what it was trained on and how, what it reads how well, and what it is not for."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elmtex_batch.adapters import AdapterCard, parse_card
from elmtex_batch.bases import EMBEDDED
from elmtex_batch.evaluation.entities import RELAXED, Counts, Labels, count_matches, micro
from elmtex_batch.training.report import COPY, Report

NAME = "README.md"
_WEIGHTS = "*.safetensors"

_USE = """\
Reads clinical reports in the languages of its training data into the categories of its schema, for cohorts, statistics
and retrieval over archives, by people who look at the evidence that every value carries. Not for decisions about a
patient, and not a medical device."""

_LIMITS = """\
- It knows the kinds of reports that it was trained on; on others, measure it first (`elmtex-batch evaluate`).
- It misses values and finds wrong ones: the scores above say how often. A value's probability is no calibrated risk.
- What OCR misread, it passes on misread: values are pieces of the text as it was read."""

_GEMMA = """\
Gemma is provided under and subject to the Gemma Terms of Use found at https://ai.google.dev/gemma/terms. This adapter
is a derivative of Gemma (LoRA weights trained on it) and may be used only as those terms and their Prohibited Use
Policy allow."""


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What is told of a file or folder of annotated reports. `role`: training, development ..."""

    role: str
    name: str
    sha256: str
    reports: int
    copies: int
    """Of the reports, those that are noisy copies of others."""
    values: int
    languages: Mapping[str, int]
    sources: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What only the training knows: its data, the scores on the development reports, and remarks to be kept.

    `scores`: for each group (all, a language, a category) its counts. `remarks`: paragraphs of Markdown.
    """

    data: Sequence[DataFacts]
    scores: Mapping[str, Counts]
    remarks: Sequence[str] = ()


def data_facts(role: str, path: Path, reports: Sequence[Report]) -> DataFacts:
    """Counts of the reports that were read from `path`, and its hash (of a folder: over its files in order)."""
    return DataFacts(
        role,
        path.name,
        _sha256(sorted(path.rglob("*.txt")) if path.is_dir() else [path]),
        len(reports),
        sum(COPY in report.id for report in reports),
        sum(len(values) for report in reports for values in report.labels.values()),
        Counter(report.language for report in reports),
        Counter(report.source or "unknown" for report in reports),
    )


def dev_scores(reports: Sequence[Report], found: Sequence[Labels]) -> dict[str, Counts]:
    """Relaxed counts of predicted values, one mapping for each report: over all, by language, and by category."""
    pairs = [(r, count_matches(r.labels, values, RELAXED)) for r, values in zip(reports, found, strict=True)]
    scores = {"all": micro([counts for _, counts in pairs])}
    for language in sorted({report.language for report in reports}):
        scores[language] = micro([counts for report, counts in pairs if report.language == language])
    for key in dict.fromkeys(key for report in reports for key in report.labels):
        scores[key] = micro([{key: counts[key]} for _, counts in pairs if key in counts])
    return scores


def write_card(folder: Path, facts: CardFacts) -> Path:
    """Writes the card into an adapter folder, from the adapter's own card (`elmtex.json`), its weights and the facts.

    Raises:
        ModelError: the folder holds no adapter.
    """
    card = parse_card(folder)
    sections = {
        "Use": [_USE],
        "Model": [_table(("", ""), _model_rows(card)), *_terms(card)],
        "Data": [_table(_DATA_HEAD, [_data_row(data) for data in facts.data])],
        "Training": [_table(("setting", "value"), sorted(_flat(card.training)))],
        "Scores": _scores(facts.scores),
        "Limits": [_LIMITS],
        "Remarks": list(facts.remarks),
        "Files": [_table(("file", "bytes", "SHA-256"), _weight_rows(folder))],
    }
    parts = [f"# {card.name}", *(f"## {title}\n\n" + "\n\n".join(s) for title, s in sections.items() if s)]
    target = folder / NAME
    target.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return target


def _model_rows(card: AdapterCard) -> list[tuple[str, object]]:
    licence = EMBEDDED[card.base].licence if card.base in EMBEDDED else "see the base model's own card"
    writes = f", {card.answer_format} format, prompt {card.prompt_version}" if card.answer_format else ""
    return [
        ("reader", f"{card.reader}{writes}"),
        ("base model", f"{card.base} ({card.base_identity})"),
        ("licence of the base", licence),
        ("schema", f"{card.schema_name} (fingerprint {card.schema_fingerprint})"),
        ("window", f"{card.window_tokens} tokens"),
        *((f"made with {package}", number) for package, number in sorted(card.versions.items())),
    ]


def _terms(card: AdapterCard) -> list[str]:
    return [_GEMMA] if card.base.startswith("gemma") else []


_DATA_HEAD = ("for", "file", "reports", "of them noisy copies", "values", "languages", "sources", "SHA-256")


def _data_row(data: DataFacts) -> tuple[object, ...]:
    told = (_told(data.languages), _told(data.sources))
    return data.role, data.name, data.reports, data.copies, data.values, *told, data.sha256


def _scores(scores: Mapping[str, Counts]) -> list[str]:
    if not scores:
        return ["Not measured: the training had no development reports."]
    rows = [(g, c.gold, f"{c.precision:.3f}", f"{c.recall:.3f}", f"{c.f1:.3f}") for g, c in scores.items()]
    told = "Entity level on the development reports, relaxed (token F1 of at least 0.5), micro average."
    return [told, _table(("group", "annotated", "precision", "recall", "F1"), rows)]


def _weight_rows(folder: Path) -> list[tuple[object, ...]]:
    return [(path.name, path.stat().st_size, _sha256([path])) for path in sorted(folder.glob(_WEIGHTS))]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _sha256(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
