"""An evaluation from end to end, and its page."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from elmtex_batch.cli import main
from elmtex_batch.evaluation.evaluate import evaluate
from elmtex_batch.evaluation.page import render_page
from elmtex_batch.evaluation.predictions import Prediction, Run
from elmtex_batch.evaluation.results import evaluation_of
from elmtex_batch.evaluation.review import review
from elmtex_batch.evaluation.settings import EvaluationSettings
from elmtex_batch.evaluation.tallies import tally
from elmtex_batch.fakes import PatternReader
from elmtex_batch.pipeline import Model
from elmtex_batch.schema import Schema
from elmtex_batch.tags import Gold
from elmtex_batch.training.data import Report

TEXTS = {
    "kaw": ("en", "A 3-month-old girl was admitted with fever. Sodium 138 mmol/l on admission."),
    "mg": ("de", "Die Patientin, eine 61-jährige Lehrerin, hatte Magenschmerzen. Ferritin 12 ng/mL bei Aufnahme."),
}
LABELS = {
    "kaw": {"age": ["3-month-old"], "gender": ["girl"], "laboratory_values": ["Sodium 138 mmol/l"]},
    "mg": {"age": ["61-jährige"], "gender": ["Patientin"], "laboratory_values": ["Ferritin 12 ng/mL"]},
}


def write_lines(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    records = [
        {"id": key, "lang": lang, "source": "own", "text": text, "labels": LABELS[key]}
        for key, (lang, text) in TEXTS.items()
    ]
    return write_lines(tmp_path / "reports.jsonl", records)


def test_command_line_compares_ready_predictions(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    perfect = write_lines(tmp_path / "perfect.jsonl", [{"id": k, "labels": v} for k, v in LABELS.items()])
    poor = write_lines(
        tmp_path / "poor.jsonl", [{"id": "kaw", "labels": None}, {"id": "mg", "labels": {"age": ["61-jährige"]}}]
    )
    out = tmp_path / "out"
    arguments = ["evaluate", "--data", str(data), "--out", str(out), "--run", f"perfect={perfect}"]
    assert main([*arguments, "--run", f"poor={poor}"]) == 0
    result = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    scores = {
        (run["name"], mode): run["modes"][mode]["overall"]["relaxed_f1"]["value"]
        for run in result["runs"]
        for mode in ("strict", "paper")
    }
    assert scores == {
        ("perfect", "strict"): 1.0,
        ("perfect", "paper"): 1.0,
        ("poor", "strict"): pytest.approx(2 / 7),
        ("poor", "paper"): pytest.approx(2 / 4),
    }
    printed = capsys.readouterr()
    assert "| poor | 0.286 (" in printed.out and "50.0%" in printed.out
    assert "BERTScore" not in printed.out
    # Only the page may show what stands in a report.
    public = [
        printed.out,
        printed.err,
        *((out / name).read_text("utf-8") for name in ("evaluation.json", "evaluation.md")),
    ]
    assert not any(word in text for text in public for word in ("Lehrerin", "61-jährige", "Ferritin", "girl"))
    assert "Lehrerin" in (out / "evaluation.html").read_text(encoding="utf-8")


def test_wrong_usage_has_its_exit_code(data: Path, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out")]
    foreign = write_lines(tmp_path / "foreign.jsonl", [{"id": "x", "labels": {}}])

    def code(*arguments: str) -> int:
        return main(["evaluate", "--data", str(data), *out, *arguments])

    assert code() == 2, "no run"
    assert code("--run", "../up=x.jsonl") == 2
    assert code("--run", "a=reader=oracle") == 2
    assert code("--run", "a=x.toml") == 2
    assert code("--run", f"a={foreign}", "--forms", "papyrus") == 2
    assert code("--run", "a=missing.jsonl") == 4
    assert code("--run", f"a={foreign}") == 4
    assert code("--run", f"a={foreign}", "--bert-model", str(tmp_path)) == 5
    assert not (tmp_path / "out" / "evaluation.json").exists()


@pytest.mark.usefixtures("present_ray")
def test_a_model_is_scored_on_scans(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The converter as it is, with Ray and Tesseract; only the language model is a stand-in."""
    monkeypatch.setattr(Model, "from_settings", lambda *_: Model("pattern", PatternReader))
    settings = EvaluationSettings(data=data, out=tmp_path / "out", runs={"fake": ""}, forms=("scan1",))
    scan = evaluate(settings, lambda _: None).runs[0]
    assert (scan.title, scan.model) == ("fake · scan1", "pattern")
    assert (scan.valid_outputs, scan.cut_short, scan.values_not_in_text) == (1.0, 0.0, 0)
    assert scan.documents_per_second is not None and scan.documents_per_second > 0
    assert all(result.overall["relaxed_f1"].value > 0.9 for result in scan.modes.values())
    # An interrupted evaluation, which has no result yet, reads no document again.
    (tmp_path / "out" / "evaluation.json").unlink()
    again = evaluate(settings, lambda _: None).runs[0]
    assert again.documents_per_second == scan.documents_per_second and again.modes == scan.modes
    # The predictions of a run are ready predictions, and score the same.
    predictions = tmp_path / "out" / "runs" / "fake" / "scan1" / "predictions.jsonl"
    ready = EvaluationSettings(data=data, out=tmp_path / "ready", runs={"ready": str(predictions)})
    assert evaluate(ready, lambda _: None).runs[0].modes == scan.modes


HOSTILE = Report(
    'id"><img src=x onerror=alert(1)>',
    "en",
    "Age 40. </div><script>alert(1)</script> {{ 7*7 }} $\\frac{1}{2}$ asthma & <b>gout</b>",
    {"diagnosis": ["asthma & <b>gout</b>"]},
    source="<svg onload=alert(2)> $x_",
)
GUESS = Prediction({"diagnosis": ["asthma"], "comorbidities": ["<script>alert(3)</script>"], "age": ["40"]})


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and the texts of the reports."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.report = ""
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = self._inside or dict(attrs).get("class") == "text"

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "div"

    def handle_data(self, data: str) -> None:
        self.report += data if self._inside else ""


def page_of(report: Report, prediction: Prediction, schema: Schema) -> str:
    """The same prediction for two forms of one report."""
    runs = [Run("model", {report.id: prediction}, form) for form in ("text", "scan3")]
    settings = EvaluationSettings(data=Path("d"), out=Path("o"), runs={"model": "p.jsonl"}, resamples=20)
    tallies = [(run, tally([report], run.predictions, schema.keys, [])) for run in runs]
    return render_page(evaluation_of(settings, schema, [report], tallies), schema, [report], runs)


def test_whatever_a_report_contains_stays_text(schema: Schema) -> None:
    html = page_of(HOSTILE, GUESS, schema)
    page = Page(html)
    assert page.report == HOSTILE.text * 2, "once for each form"
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 1 and "img" not in tags
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "49" not in page.report and "<script>alert" not in html


def test_clean_and_degraded_forms_stand_side_by_side(schema: Schema) -> None:
    html = page_of(HOSTILE, GUESS, schema)
    assert "Clean and degraded" in html and "model · text" in html and "model · scan3" in html


def test_the_page_fetches_nothing(schema: Schema) -> None:
    page = Page(page_of(HOSTILE, GUESS, schema))
    policies = [a["content"] for tag, a in page.elements if tag == "meta" and "Content-Security-Policy" in a.values()]
    assert policies and str(policies[0]).startswith("default-src 'none'")
    links = [a.get(name) for tag, a in page.elements for name in ("src", "href", "xlink:href") if a.get(name)]
    assert all(str(link).startswith("#") for link in links)


def test_a_review_shows_each_kind_of_difference(schema: Schema) -> None:
    report = Report(
        "r", "en", "Asthma since 2001, now acute flu. Gout. A man of 40.",
        {"diagnosis": ["acute flu"], "comorbidities": ["Asthma", "Gout"], "gender": ["man"]},
    )  # fmt: skip
    found = {"diagnosis": ["flu", "Asthma"], "gender": ["man"], "age": ["40"], "pathology": ["cirrhosis"]}
    titles = {category.key: category.title.en for category in schema.category}
    own = review(report, Run("m", {"r": Prediction(found)}), titles)
    assert "".join(piece.text for piece in own.pieces) == report.text
    marked = {(piece.text, piece.kind) for piece in own.pieces if piece.kind != "plain"}
    assert marked == {
        ("Asthma", "confused"), ("acute ", "missed"), ("flu", "found"), ("Gout", "missed"), ("man", "found"),
        ("40", "invented"),
    }  # fmt: skip
    by_title = {d.category: d for d in own.differences}
    assert by_title[titles["diagnosis"]].shifted == (("acute flu", "flu"),)
    assert by_title[titles["diagnosis"]].invented == ("Asthma",)
    assert by_title[titles["comorbidities"]].missed == ("Asthma", "Gout")
    assert titles["gender"] not in by_title
    assert own.ungrounded == ("cirrhosis",)
    assert own.f1 == pytest.approx(2 * 2 / (4 + 5))


def test_spans_that_a_report_brings_are_the_annotated_ones_only(schema: Schema) -> None:
    spans = (Gold("comorbidities", 10, 14),)
    report = Report("r", "en", "Not gout: gout.", {"comorbidities": ["gout"]}, spans=spans)
    titles = {category.key: category.title.en for category in schema.category}
    own = review(report, Run("m", {"r": Prediction({"pathology": ["Not"]})}), titles)
    assert [(p.text, p.kind) for p in own.pieces] == [
        ("Not", "invented"), (" gout: ", "plain"), ("gout", "missed"), (".", "plain"),
    ]  # fmt: skip
