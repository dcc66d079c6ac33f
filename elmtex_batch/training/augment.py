"""Training reports as OCR really reads them: typeset, scanned, and read back by the converter's own page reader.

Every label of a copy stands verbatim in the noisy text; labels that were misread beyond recognition are left out.
"""

import hashlib
import json
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from elmtex_batch.errors import InputMissing, OutputError
from elmtex_batch.pages import check_tesseract, read_document
from elmtex_batch.scanning import as_pdf, as_scan
from elmtex_batch.schema import Schema
from elmtex_batch.settings import OcrSettings, PageSettings
from elmtex_batch.text import normalise
from elmtex_batch.training.align import align, carry_over
from elmtex_batch.training.data import fraction, read_reports, to_record
from elmtex_batch.training.report import COPY, Report, place

MOST_ERRORS = 0.5
"""Share of characters lost from which a copy is no longer the report, but rubble."""


@dataclass(frozen=True, slots=True)
class Damage:
    """How copies are made. `level` 0 is a PDF with text layer, 1 to 3 see `as_scan`; `share` of the reports, 0 to 1."""

    level: int = 2
    seed: int = 0
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Copy:
    """A noisy copy of a report, what became of its labels, and the share of characters that were lost or misread."""

    report: Report
    labels: int
    kept: int
    error_rate: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What an augmentation did; `error_rate` is the mean over the copies written, `unreadable` had hardly any text."""

    written: int = 0
    there_before: int = 0
    unreadable: int = 0
    labels: int = 0
    kept: int = 0
    error_rate: float = 0.0

    def told(self) -> str:
        """The counts in words."""
        share = self.kept / self.labels if self.labels else 0.0
        return (
            f"{self.written} copies written, {self.there_before} there before, {self.unreadable} unreadable; "
            f"{self.kept} of {self.labels} labels kept ({share:.1%}), {self.error_rate:.2%} of the characters misread"
        )


def augment(data: Path, out: Path, schema: Schema, damage: Damage, workers: int = 1) -> Generator[Tally, None, None]:
    """Appends noisy copies to `out`, in the format of `read_reports`; yields the counts so far after each report.

    Copies that `out` has already are not made again, so a killed run goes on where it was.

    Raises:
        InputMissing: the annotated reports cannot be read.
        OutputError: `out` cannot be written, or holds something else.
        ToolMissing: Tesseract is not installed.
    """
    ocr = OcrSettings()
    check_tesseract(ocr)
    reports = [r for r in read_reports(data, schema) if fraction(damage.seed, f"share/{r.id}") < damage.share]
    done = _resume(out, schema)
    todo = [report for report in reports if copy_id(report, damage) not in done]
    tally = Tally(there_before=len(reports) - len(todo))
    yield tally
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        with out.open("a", encoding="utf-8", buffering=1) as file:
            for copy in pool.map(partial(make_copy, damage=damage, ocr=ocr), todo):
                if copy:
                    file.write(json.dumps(to_record(copy.report), ensure_ascii=False) + "\n")
                tally = _add(tally, copy)
                yield tally
    finally:
        pool.shutdown(cancel_futures=True)


def make_copy(report: Report, damage: Damage, ocr: OcrSettings) -> Copy | None:
    """One report as it is read after the damage; None if hardly anything could be read."""
    seed = int.from_bytes(hashlib.sha256(f"{damage.seed}/{report.id}".encode()).digest()[:6])
    file = as_scan(report.text, damage.level, seed) if damage.level else as_pdf(report.text, seed)
    noisy = normalise(read_document(file, PageSettings(), ocr).pages).text
    alignment = align(report.text, noisy)
    if alignment.error_rate > MOST_ERRORS:
        return None
    golds, unplaced = place(report)
    spans, dropped = carry_over(golds, alignment)
    labels = {key: list[str]() for key in report.labels}
    for span in spans:
        if span.category is not None and (value := noisy[span.start : span.end]) not in labels[span.category]:
            labels[span.category].append(value)
    copy = replace(report, id=copy_id(report, damage), text=noisy, labels=labels, spans=tuple(spans))
    placed = sum(gold.category is not None for gold in golds)
    return Copy(copy, placed + unplaced, placed - dropped, alignment.error_rate)


def copy_id(report: Report, damage: Damage) -> str:
    """The report's id and what was done to it: `letter-7#scan2`, with the seed unless that is 0."""
    return f"{report.id}{COPY}scan{damage.level}{f'-{damage.seed}' if damage.seed else ''}"


def _resume(out: Path, schema: Schema) -> set[str]:
    """The ids of the copies that are there; half a line that a killed run left is cut off."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a+b") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
        return {report.id for report in read_reports(out, schema)}
    except OSError as error:
        raise OutputError(f"cannot write the noisy reports: {error.strerror}") from None
    except InputMissing:
        raise OutputError("the output file holds something else than annotated reports; name another one") from None


def _add(tally: Tally, copy: Copy | None) -> Tally:
    if copy is None:
        return replace(tally, unreadable=tally.unreadable + 1)
    return replace(
        tally,
        written=tally.written + 1,
        labels=tally.labels + copy.labels,
        kept=tally.kept + copy.kept,
        error_rate=(tally.error_rate * tally.written + copy.error_rate) / (tally.written + 1),
    )
