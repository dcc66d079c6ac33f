"""The real pipeline, on a Ray that the process has already: real Tesseract, and a fake model."""

from pathlib import Path

import duckdb
import pytest

from elmtex_batch.cli import main
from elmtex_batch.current import CurrentView
from elmtex_batch.errors import ReconciliationError, ToolMissing
from elmtex_batch.fakes import PatternReader
from elmtex_batch.pipeline import Model, convert
from elmtex_batch.settings import GateSettings, OcrSettings, Settings
from elmtex_batch.summary import Summary
from elmtex_batch.warehouse import Warehouse

SAMPLES = Path(__file__).parent.parent / "sample_inputs"
FAKE = Model("fake", PatternReader)

pytestmark = pytest.mark.usefixtures("present_ray")


def run(inputs: list[Path], out: Path, model: Model | None = FAKE) -> Summary:
    return convert([str(path) for path in inputs], str(out), Settings(), lambda _: None, model)


def query(sql: str) -> list[tuple[object, ...]]:
    return duckdb.connect().execute(sql).fetchall()


def test_text_scan_and_broken_files_each_end_in_one_row(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("A 3-month-old girl. Sodium 138 mmol/l.", encoding="utf-8")
    (tmp_path / "copy.txt").write_bytes(note.read_bytes())
    samples = [SAMPLES / "en_lab_report_coeliac.png", SAMPLES / "de_entlassungsbrief_verschluesselt.pdf"]
    inputs = [note, tmp_path / "copy.txt", *samples]
    out = tmp_path / "out"
    summary = run(inputs, out)
    assert (summary.sources, summary.documents, summary.skipped) == (4, 3, 0)
    assert summary.statuses == {"extracted": 2, "rejected": 1} and summary.reasons == {"encrypted": 1}
    documents = f"'{out}/documents/*.parquet'"
    assert query(f"select len(sources), age_years, gender_code from {documents} where media_type like 'text%'") == [
        (2, 0.25, "female")
    ]
    assert query(f"select pages[1].method from {documents} where media_type = 'image/png'") == [("ocr",)]
    grounded = f"""
        select count(*) filter (d.text[i.start + 1 : i.end] <> i.value), min(len(boxes)) filter (ocr_confidence > 0)
        from {documents} d join '{out}/items/*.parquet' i using (doc_id)
    """
    assert query(grounded) == [(0, 1)]

    again = run(inputs, out)
    assert (again.skipped, again.done) == (3, 0)
    assert query(f"select outcome, documents, mean_ocr_confidence > 0.5 from '{out}/runs/*.parquet'") == [
        ("published", 3, True)
    ]
    assert query(f"select count(*), count(distinct doc_id) from {documents}") == [(3, 3)]


def test_a_document_that_is_not_published_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "note.txt").write_text("A 45-year-old man.", encoding="utf-8")
    monkeypatch.setattr(Warehouse, "write_part", lambda *_: "lost")
    with pytest.raises(ReconciliationError, match="1 documents went in, 0 came out"):
        run([tmp_path / "note.txt"], tmp_path / "out")
    assert query(f"select outcome, error from '{tmp_path}/out/runs/*.parquet'") == [("failed", "ReconciliationError")]


def test_a_run_that_is_held_replaces_nothing(tmp_path: Path) -> None:
    """The documents of a good run, done again with other settings of OCR, by a run that a gate stops."""
    (tmp_path / "note.txt").write_text("A 45-year-old man.", encoding="utf-8")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 no more")
    out = tmp_path / "out"
    run([tmp_path / "note.txt"], out)
    held = Settings(ocr=OcrSettings(dpi=200), gates=GateSettings(min_documents=1, max_rejected=0.1))
    inputs = [str(tmp_path / name) for name in ("note.txt", "broken.pdf")]
    summary = convert(inputs, str(out), held, lambda _: None, FAKE)
    assert summary.held_because == ("rejected_limit",)
    assert query(f"select count(*), count(distinct doc_id) from '{out}/documents/*.parquet'") == [(3, 2)]
    (current,) = (row for table in CurrentView(str(out)).documents() for row in table.to_pylist())
    assert current["run_id"] != summary.run_id
    assert main(["release", str(out), summary.run_id]) == 0
    run([tmp_path / "note.txt"], out)
    assert query(f"select count(*), count(distinct doc_id) from '{out}/documents/*.parquet'") == [(2, 2)]


def test_another_model_reads_the_published_texts_and_no_file(tmp_path: Path) -> None:
    """The command that reads files does not even exist. With other OCR settings everything is done again."""
    out, nothing = tmp_path / "out", (str(tmp_path / "no_such_command"),)
    inputs = [str(SAMPLES / "en_lab_report_coeliac.png"), str(tmp_path / "note.txt")]
    (tmp_path / "note.txt").write_text("A 3-month-old girl.", encoding="utf-8")
    first = convert(inputs, str(out), Settings(), lambda _: None, FAKE)
    other = Model("other", PatternReader)
    second = convert(inputs, str(out), Settings(), lambda _: None, other, child=nothing)
    assert second.statuses == first.statuses == {"extracted": 2} and second.values == first.values
    columns = "doc_id, status, language, pages, text, extraction, text_key"
    for model in ("fake", "other"):
        assert len(query(f"select {columns} from '{out}/documents/*.parquet' where model = '{model}'")) == 2
    assert query(f"select count(distinct ({columns})) from '{out}/documents/*.parquet'") == [(2,)]
    assert query(f"select count(*) from '{out}/texts/*.parquet'") == [(2,)]
    with pytest.raises(ToolMissing, match="does not start"):
        convert(inputs, str(tmp_path / "new"), Settings(), lambda _: None, other, child=nothing)
    coarse = Settings(ocr=OcrSettings(dpi=150))
    third = convert(inputs, str(out), coarse, lambda _: None, other)
    assert third.skipped == 0 and query(f"select count(*) from '{out}/documents/*.parquet'") == [(4,)]
