"""The forms in which the same report is given to a model: as text, typeset, and as archives hold it."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from elmtex_batch.training.data import Report


@dataclass(frozen=True, slots=True)
class Form:
    """How a report becomes a file. `suffix` is the file's."""

    suffix: str
    render: Callable[[Report], bytes]


def _as_text(report: Report) -> bytes:
    return report.text.encode()


def _as_pdf(report: Report) -> bytes:
    from elmtex_batch.scanning import as_pdf

    return as_pdf(report.text, _seed(report))


def _as_scan(report: Report, level: int) -> bytes:
    from elmtex_batch.scanning import as_scan

    return as_scan(report.text, level, _seed(report))


def _seed(report: Report) -> int:
    """The same report always looks the same, whatever stands beside it in the file."""
    return zlib.crc32(report.id.encode())


FORMS: dict[str, Form] = {
    "text": Form("txt", _as_text),
    "pdf": Form("pdf", _as_pdf),
    **{f"scan{level}": Form("pdf", partial(_as_scan, level=level)) for level in (1, 2, 3)},
}
"""`scan1` is a clean office scan, `scan3` a fax; see `elmtex_batch.scanning`."""
