"""How a run stands, or ended."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc


@dataclass
class Mean:
    """A mean over figures that come bit by bit; None before the first."""

    count: int = 0
    total: float = 0.0

    @property
    def value(self) -> float | None:
        return self.total / self.count if self.count else None

    def add(self, figures: pa.Array) -> None:
        """Takes an array in; its nulls do not count."""
        self.count += len(figures) - figures.null_count
        self.total += pc.sum(figures).as_py() or 0.0


@dataclass
class Summary:
    """Counts of a run; nothing of a document."""

    run_id: str
    sources: int = 0
    documents: int = 0
    """Distinct contents among the sources."""
    skipped: int = 0
    """Documents that an earlier run published with the same schema and model."""
    begun: float = field(default_factory=time.monotonic)
    """When the run began, on the clock `time.monotonic`."""
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Documents by reason code; a document may have several."""
    methods: Counter[str] = field(default_factory=Counter)
    """Pages by how their words were obtained."""
    stages: defaultdict[str, float] = field(default_factory=partial(defaultdict, float))
    """Seconds of work by stage, added up over all workers."""
    filled: Counter[str] = field(default_factory=Counter)
    """Documents by category, where they have a value of it."""
    tokens: int = 0
    """What the model was given to read."""
    values: int = 0
    values_ungrounded: int = 0
    """Values that do not stand in their document's text; only a generator in paper format writes any."""
    score: Mean = field(default_factory=Mean)
    """Over values."""
    ocr_confidence: Mean = field(default_factory=Mean)
    """Over the pages that OCR read."""
    held_because: tuple[str, ...] = ()
    """The quality gates that the run did not pass; see `elmtex_batch.gates`."""

    @property
    def done(self) -> int:
        return self.statuses.total()

    @property
    def pages(self) -> int:
        return self.methods.total()

    def add(self, results: pa.Table) -> None:
        """Counts rows of `records.results_schema` in."""
        self.seconds = time.monotonic() - self.begun
        self.statuses.update(results["status"].to_pylist())
        for reasons in results["reasons"].to_pylist():
            self.reasons.update({reason["code"] for reason in reasons})
        pages = pc.list_flatten(results["pages"])
        self.methods.update(pc.struct_field(pages, "method").to_pylist())
        self.ocr_confidence.add(pc.struct_field(pages, "ocr_confidence"))
        for stage in results["work"].type:
            self.stages[stage.name] += pc.sum(pc.struct_field(results["work"], stage.name)).as_py() or 0.0
        self.tokens += pc.sum(results["tokens"]).as_py() or 0
        for category in results["extraction"].type:
            self._add_values(category.name, pc.struct_field(results["extraction"], category.name))

    def _add_values(self, category: str, lists: pa.ChunkedArray) -> None:
        values = pc.list_flatten(lists)
        self.filled[category] += pc.sum(pc.greater(pc.list_value_length(lists), 0)).as_py() or 0
        self.values += len(values)
        self.values_ungrounded += pc.struct_field(values, "start").null_count
        self.score.add(pc.struct_field(values, "score"))

    def fill_rates(self) -> dict[str, float]:
        """For each category the share of the extracted and partial documents that have a value of it."""
        read = self.statuses["extracted"] + self.statuses["partial"]
        return {category: count / read for category, count in self.filled.items()} if read else {}

    def figures(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """All that only grows, as name, labels and figure, for whoever keeps counters."""
        groups: tuple[tuple[str, str, Mapping[str, float]], ...] = (
            ("documents", "status", self.statuses),
            ("reasons", "code", self.reasons),
            ("pages", "method", self.methods),
            ("stage_seconds", "stage", self.stages),
        )
        for name, label, counts in groups:
            yield from ((name, {label: key}, count) for key, count in counts.items())
        yield "tokens", {}, self.tokens
        yield "values", {}, self.values
