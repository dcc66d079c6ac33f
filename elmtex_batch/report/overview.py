"""Figures of all documents of an output folder: counts, fill rates and confidences; nothing of a document."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elmtex_batch.report.archive import Archive
from elmtex_batch.validate import Status

BINS = 10
"""Of the histograms of probabilities."""
_COLUMNS = ["status", "reasons", "language", "pages", "extraction", "model"]


def _no_counts() -> NDArray[np.int64]:
    return np.zeros(BINS, np.int64)


@dataclass
class Histogram:
    """How often a probability from 0 to 1 fell into each of `BINS` equal bins."""

    counts: NDArray[np.int64] = field(default_factory=_no_counts)
    total: float = 0.0

    def add(self, shares: NDArray[np.float64]) -> None:
        self.counts += np.histogram(shares, BINS, (0, 1))[0]
        self.total += float(shares.sum())

    @property
    def size(self) -> int:
        return int(self.counts.sum())

    @property
    def mean(self) -> float | None:
        return self.total / self.size if self.size else None

    @property
    def heights(self) -> list[float]:
        """Of the bars, the highest being 1."""
        return [float(count) / max(int(self.counts.max()), 1) for count in self.counts]


@dataclass
class Filling:
    """One category: the documents that have a value of it, and the scores of the values."""

    documents: int = 0
    scores: Histogram = field(default_factory=Histogram)


@dataclass
class Overview:
    """What the documents have in common. `reasons` counts documents; one may have several."""

    documents: int = 0
    pages: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    ocr: Histogram = field(default_factory=Histogram)
    """Confidence of OCR, of the pages that it read."""
    categories: dict[str, Filling] = field(default_factory=dict)

    @property
    def read(self) -> int:
        """Documents that are not rejected."""
        return self.documents - self.statuses[Status.REJECTED.value]

    @property
    def values(self) -> int:
        return sum(filling.scores.size for filling in self.categories.values())

    def share(self, category: str) -> float:
        """Of the documents that are not rejected, how many have a value of this category: 0 to 1."""
        return self.categories[category].documents / max(self.read, 1)


def survey(archive: Archive) -> Overview:
    """Goes through all documents once, some thousand at a time."""
    overview = Overview(categories={key: Filling() for key in archive.schema.keys})
    for batch in archive.scan(_COLUMNS):
        _count(overview, batch)
    return overview


def _count(overview: Overview, batch: pa.RecordBatch) -> None:
    overview.documents += len(batch)
    overview.statuses.update(batch["status"].to_pylist())
    overview.languages.update(batch["language"].drop_null().to_pylist())
    overview.models.update(batch["model"].drop_null().to_pylist())
    overview.reasons.update(
        code for reasons in batch["reasons"].to_pylist() for code in {reason["code"] for reason in reasons or ()}
    )
    pages = pc.list_flatten(batch["pages"])
    overview.pages += len(pages)
    overview.methods.update(pc.struct_field(pages, "method").to_pylist())
    overview.ocr.add(_floats(pc.struct_field(pages, "ocr_confidence")))
    for key, filling in overview.categories.items():
        values = pc.struct_field(batch["extraction"], key)
        filling.documents += pc.sum(pc.greater(pc.list_value_length(values), 0)).as_py() or 0
        filling.scores.add(_floats(pc.struct_field(pc.list_flatten(values), "score")))


def _floats(column: pa.Array) -> NDArray[np.float64]:
    found: NDArray[np.float64] = column.drop_null().to_numpy(zero_copy_only=False).astype(np.float64)
    return found
