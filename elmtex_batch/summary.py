"""How a run stands, or ended."""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc


@dataclass
class Summary:
    """Counts of a run; nothing of a document."""

    run_id: str
    sources: int = 0
    documents: int = 0
    """Distinct contents among the sources."""
    skipped: int = 0
    """Documents that an earlier run published with the same schema and model."""
    pages: int = 0
    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    """Documents by reason code; a document may have several."""
    values: int = 0
    values_ungrounded: int = 0
    """Values that do not stand in their document's text; only a generator in paper format writes any."""

    @property
    def done(self) -> int:
        return sum(self.statuses.values())

    def add(self, documents: pa.Table) -> None:
        """Counts published rows in."""
        for status in documents["status"].to_pylist():
            self.statuses[status] = self.statuses.get(status, 0) + 1
        for reasons in documents["reasons"].to_pylist():
            for code in {reason["code"] for reason in reasons}:
                self.reasons[code] = self.reasons.get(code, 0) + 1
        self.pages += pc.sum(pc.list_value_length(documents["pages"])).as_py() or 0
        for category in documents["extraction"].type:
            starts = pc.struct_field(pc.list_flatten(pc.struct_field(documents["extraction"], category.name)), "start")
            self.values += len(starts)
            self.values_ungrounded += starts.null_count
