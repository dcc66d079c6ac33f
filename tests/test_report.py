"""The report as people meet it: opened from disk in a real Chromium."""

import io
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pypdfium2 as pdfium
import pytest
from numpy.typing import NDArray
from paper import pdf, write
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from reportlab.lib.pagesizes import A5
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from elmtex_batch import records
from elmtex_batch.cli import main
from elmtex_batch.document import Method
from elmtex_batch.errors import OutputError
from elmtex_batch.fakes import PatternReader
from elmtex_batch.inputs import documents_of, hash_sources, list_sources
from elmtex_batch.reasons import Code
from elmtex_batch.report.rendering import load_labels
from elmtex_batch.report.report import Choice, make_report
from elmtex_batch.schema import load_schema
from elmtex_batch.settings import OcrSettings, PageSettings
from elmtex_batch.stages import Extract, NormaliseText, ReadAnswers, ReadPages
from elmtex_batch.tables import Tables
from elmtex_batch.validate import Status
from elmtex_batch.warehouse import Warehouse

HOSTILE = """<script>document.title = 'owned'</script> </script><img src=x onerror="document.title='owned'">{{ 7*7 }}"""
PATTERNS = {
    "diagnosis": r"gout|Gicht|<script>.*$",
    "age": r"\d+[- ]year[s]?[- ]old|\d+-jährige[rn]?",
    "gender": r"\bman|Frau",
    "laboratory_values": r"uric acid [\d.]+ mg/dl|Harnsäure [\d,]+ mg/dl",
}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def sideways(canvas: Canvas) -> None:
    """A page that was put into the printer the wrong way: its lines run upwards."""
    canvas.rotate(90)
    write(
        "Eine 61-jährige Frau mit Gicht.",
        "Aufnahme wegen Schmerzen im Fuß.",
        "Harnsäure 9,3 mg/dl",
        x=60,
        y=-80,
        leading=40,
    )(canvas)


def convert(folder: Path, out: Path, run_id: str = "20261101T200000Z-aaaaaa") -> None:
    """The conversion without Ray, and with a model that knows a few patterns."""
    table = documents_of(hash_sources(list_sources([str(folder)]), PageSettings()))
    for stage in (
        ReadPages(PageSettings(), OcrSettings()),
        NormaliseText(100_000),
        ReadAnswers(lambda: PatternReader(PATTERNS)),
        Extract(load_schema("elmtex"), "fake", run_id, "key"),
    ):
        table = stage(table)
    Warehouse.create(str(out)).write_results(table)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of every kind, and two runs on record; the sources of two are gone, or another, afterwards."""
    folder, out = tmp_path_factory.mktemp("archive"), tmp_path_factory.mktemp("out")
    english = write("A 45-year-old man with gout.", "On admission uric acid 9.1 mg/dl.", x=60, y=500, leading=40)
    (folder / "english.pdf").write_bytes(pdf(english, write("No sign of gout at discharge.")))
    (folder / "sideways.pdf").write_bytes(pdf(sideways))
    (folder / "<b>&quot;hostile.txt").write_text(f"A 50-year-old man. {HOSTILE}", encoding="utf-8")
    (folder / "broken.pdf").write_bytes(pdf(english)[:300])
    for name in ("vanished", "changed"):
        (folder / f"{name}.pdf").write_bytes(pdf(write(f"A 70-year-old man: {name}.")))
    convert(folder, out)
    (folder / "vanished.pdf").unlink()
    (folder / "changed.pdf").write_bytes(pdf(write("Someone else.")))
    Tables(str(out)).create("runs")
    for day, rejected in ((1, 2), (2, 1)):
        Tables(str(out)).write("runs", pa.Table.from_pylist([run_row(day, rejected)], records.RUNS))
    return out


def run_row(day: int, rejected: int) -> dict[str, object]:
    return {
        "run_id": f"2026110{day}T200000Z-aaaaaa", "started": datetime(2026, 11, day, 20, tzinfo=UTC), "seconds": 36.0,
        "outcome": "published", "schema": "elmtex/1", "documents": 6, "mean_score": 0.8, "mean_ocr_confidence": None,
        "statuses": [{"status": "extracted", "documents": 6 - rejected}, {"status": "rejected", "documents": rejected}],
        "fill_rates": [{"category": "age", "share": 1.0}, {"category": "diagnosis", "share": 0.5}],
    }  # fmt: skip


@pytest.fixture(scope="module")
def report(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    make_report(str(out), folder, Choice(None))
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine; apt-get install chromium")
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@dataclass
class Reader:
    """Somebody with a browser of a certain language, and what went wrong on the pages seen."""

    browser: Browser
    report: Path
    faults: list[str] = field(default_factory=list)

    def open(self, place: str = "index.html", language: str = "en-GB") -> Page:
        context = self.browser.new_context(
            locale=language, viewport={"width": 1440, "height": 900}, reduced_motion="reduce"
        )
        context.set_default_timeout(180_000)  # a busy machine must not fail a test
        page = context.new_page()
        page.on("console", lambda message: self.faults.append(message.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self.faults.extend([] if request.url.startswith("file:") else [request.url]))
        page.on("requestfailed", lambda request: self.faults.append(request.url))
        page.goto(f"{self.report.as_uri()}/{place}")
        return page

    def document(self, name: str) -> Page:
        page = self.open()
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url("**/documents/*")
        return page


@pytest.fixture
def reader(browser: Browser, report: Path) -> Iterator[Reader]:
    reader = Reader(browser, report)
    yield reader
    assert reader.faults == []
    for context in browser.contexts:
        context.close()


def box_in_points(page: Page, anchor: str) -> tuple[float, ...]:
    """Where a value's first box lies on the picture of its page, measured on the screen."""
    box = page.locator(f"g[data-v={anchor}] rect").first.bounding_box()
    sheet = page.locator(f".sheet:has(g[data-v={anchor}]) img").bounding_box()
    width = page.locator(f"svg:has(> g[data-v={anchor}])").evaluate("(svg) => svg.viewBox.baseVal.width")
    assert box and sheet
    points = width / sheet["width"]
    left, top = (box["x"] - sheet["x"]) * points, (box["y"] - sheet["y"]) * points
    return left, top, left + box["width"] * points, top + box["height"] * points


def ink(page: Page, anchor: str) -> tuple[float, float]:
    """The share of dark pixels of the page's picture under a value's box, and in a strip below it."""
    box = page.locator(f"g[data-v={anchor}] rect").first.bounding_box()
    assert box
    page.evaluate("for (const svg of document.querySelectorAll('.sheet svg')) svg.setAttribute('visibility', 'hidden')")
    dark = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L")) < 128
    page.evaluate("for (const svg of document.querySelectorAll('.sheet svg')) svg.removeAttribute('visibility')")
    x, y, width, height = (round(box[side]) for side in ("x", "y", "width", "height"))
    strip = slice(y + height + 2, y + round(1.5 * height))
    return float(dark[y : y + height, x : x + width].mean()), float(dark[strip, x : x + width].mean())


def in_view(element: Locator) -> bool:
    inside = """(own) => {
        const box = own.getBoundingClientRect(), panel = own.closest(".scroll").getBoundingClientRect();
        return box.top >= panel.top - 1 && box.bottom <= panel.bottom + 1;
    }"""
    return bool(element.evaluate(inside))


def test_a_value_leads_to_its_place_on_the_page_and_in_the_text(reader: Reader) -> None:
    page = reader.document("english.pdf")
    for anchor, value in (("laboratory_values-0", "uric acid 9.1 mg/dl"), ("diagnosis-1", "gout")):
        page.get_by_role("button", name=value).last.click()
        mark = page.locator("mark.selected")
        assert mark.inner_text() == value and in_view(mark)
        selected = page.locator("g.selected")
        assert selected.get_attribute("data-v") == anchor and in_view(selected.locator("rect"))
        assert page.locator("[aria-current=true]").get_attribute("id") == anchor
        assert page.url.endswith(f"#{anchor}")
    # Helvetica 10 at (60, 460), whole words, with a point around them: the line of a box that is not selected is thin.
    page.keyboard.press("Escape")
    before, words = (stringWidth(text, "Helvetica", 10) for text in ("On admission ", "uric acid 9.1 mg/dl."))
    left, top, right, bottom = box_in_points(page, "laboratory_values-0")
    assert (left, right) == pytest.approx((60 + before - 1, 60 + before + words + 1), abs=0.8)
    baseline = A5[1] - (500 - 40)
    assert top < baseline - 7 and baseline < bottom < baseline + 4


@pytest.mark.parametrize(
    ("name", "anchor"),
    [("english.pdf", "laboratory_values-0"), ("sideways.pdf", "laboratory_values-0"), ("sideways.pdf", "age-0")],
)
def test_ink_is_where_the_box_is(name: str, anchor: str, reader: Reader) -> None:
    page = reader.document(name)
    page.locator(f"#{anchor}").click()
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    words, below = ink(page, anchor)
    assert words > 0.08 and below == 0


def test_boxes_and_words_lead_back_to_the_value(reader: Reader) -> None:
    page = reader.document("english.pdf")
    page.locator("g[data-v=age-0] rect").click()
    assert page.locator(".value.selected .words").inner_text() == "45-year-old"
    page.locator("mark", has_text="uric acid").click()
    assert page.locator(".value.selected .words").inner_text() == "uric acid 9.1 mg/dl"
    page.locator(".category:has(#age-0) input").uncheck()
    assert not page.locator("g[data-v=age-0]").is_visible()


def test_everything_goes_by_keys(reader: Reader) -> None:
    page = reader.open()
    page.keyboard.press("/")
    page.keyboard.type("english")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/documents/*")
    order = page.locator("button.value").evaluate_all("(all) => all.map((one) => one.id)")
    selected = page.locator("button.value.selected")
    for key, number in (("j", 0), ("ArrowDown", 1), ("j", 2), ("k", 1), ("ArrowUp", 0), ("k", 0)):
        page.keyboard.press(key)
        assert selected.get_attribute("id") == order[number]
        assert selected.evaluate("(own) => own === document.activeElement && own.matches(':focus-visible')")
    page.keyboard.press("Escape")
    assert selected.count() == 0
    page.keyboard.press("/")
    page.keyboard.type("gout j")
    assert page.locator("button.value:visible").count() == 0
    page.locator("#search").fill("gout")
    assert page.locator("button.value:visible").count() == 2
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.wait_for_function("document.querySelector('h1').textContent === 'sideways.pdf'")


def test_a_link_to_a_value_opens_at_its_place(reader: Reader, report: Path) -> None:
    name = reader.document("english.pdf").url.rpartition("/")[2]
    page = reader.open(f"documents/{name}#diagnosis-1")
    assert page.locator("mark.selected").inner_text() == "gout"
    assert in_view(page.locator("g.selected rect"))


def test_search_filter_and_order(reader: Reader) -> None:
    page = reader.open()
    names = page.locator("#documents tbody tr:visible th")
    assert names.count() == 6 and page.locator("#count").inner_text() == "6 of 6"
    for words, fitting in (("URIC gout", ["english.pdf"]), ("harnsaure", ["sideways.pdf"]), ("unicorn", [])):
        page.locator("#search").fill(words)
        assert names.all_inner_texts() == fitting
        assert page.locator("#nothing").is_visible() == (not fitting)
    page.locator("#search").fill("")
    page.locator("#state").select_option("rejected")
    assert names.all_inner_texts() == ["broken.pdf"]
    page.locator("#state").select_option("")
    page.get_by_role("button", name="Patient").click()
    page.get_by_role("button", name="Patient").click()
    assert names.all_inner_texts()[-1] == "broken.pdf"
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Patient")


def test_german_and_english(reader: Reader) -> None:
    page = reader.open(language="de-DE")
    assert (
        page.locator("h1").inner_text() == "Extraktionsbericht" and page.locator("html").get_attribute("lang") == "de"
    )
    assert page.locator("#search").get_attribute("placeholder") == "In Namen und Werten suchen"
    page.get_by_role("link", name="english.pdf").click()
    assert "Laborwerte" in page.locator("#values").inner_text()
    assert "Laboratory" not in page.locator("body").inner_text()
    page.get_by_role("button", name="English").click()
    assert "Laboratory values" in page.locator("#values").inner_text()
    page.locator("#up").click()
    assert page.locator("h1").inner_text() == "Extraction report"


def test_a_hostile_document_stays_text(reader: Reader) -> None:
    page = reader.open()
    page.get_by_role("link", name="<b>&quot;hostile.txt").click()
    assert HOSTILE in page.locator(".running").inner_text()
    assert page.locator(".words", has_text="<script>").inner_text() == HOSTILE
    assert page.title() == page.locator("h1").inner_text() == "<b>&quot;hostile.txt"
    assert page.locator("#pages").inner_text() == "A plain text file has no page images."
    assert page.locator("img, .running script, h1 b").count() == 0
    page.locator("#up").click()
    page.locator("#search").fill("<script> 7*7")
    assert page.locator("#documents tbody tr:visible").count() == 1


@pytest.mark.parametrize(
    ("name", "note"),
    [("vanished.pdf", "no longer there"), ("changed.pdf", "has changed"), ("broken.pdf", "no pages to show")],
)
def test_without_its_source_a_document_shows_its_text(name: str, note: str, reader: Reader) -> None:
    page = reader.document(name)
    assert note in page.locator("#pages").inner_text() and page.locator("img").count() == 0
    if name != "broken.pdf":
        page.get_by_role("button", name="70-year-old").click()
        assert page.locator("mark.selected").inner_text() == "70-year-old"


def test_the_figures_are_those_of_the_documents(reader: Reader) -> None:
    page = reader.open()
    figures = re.findall(r"(\S.*)\n(\d+)", page.locator(".figures").inner_text())
    assert dict(figures) == {
        "Documents": "6", "extracted": "5", "partial": "0", "rejected": "1", "Pages": "6", "Values": "16",
        "Documents an hour": "600",
    }  # fmt: skip
    cells = page.locator(".categories tr", has_text="Age").locator("td").all_inner_texts()
    assert cells[0] == "100\u202f%" and cells[2:4] == ["5", "100\u202f%"]
    assert page.locator(".curves figure").count() == 4
    assert "17\u202f%" in page.locator("#runs tbody tr").first.inner_text()


def test_it_prints_on_pages(reader: Reader) -> None:
    printed = pdfium.PdfDocument(reader.document("english.pdf").pdf())
    text = [page.get_textpage().get_text_range() for page in printed]
    assert 3 < len(text) < 7 and "uric acid 9.1 mg/dl" in text[0]
    assert not any("Keys" in page for page in text)


def test_the_folder_is_private_replaced_as_a_whole_and_nothing_else(out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "report"
    before = os.umask(0)
    try:
        make_report(str(out), folder, Choice(2))
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items())
    first = set((folder / "documents").iterdir())
    make_report(str(out), folder, Choice(None))
    assert first < set((folder / "documents").iterdir())
    make_report(str(out), folder, Choice(0))
    assert not list((folder / "documents").iterdir())
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="--to"):
        make_report(str(out), tmp_path, Choice(1))
    assert (tmp_path / "thesis.txt").read_text() == "mine" and {path.name for path in tmp_path.iterdir()} == {
        "deep",
        "thesis.txt",
    }


def test_the_command_says_what_it_shows(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = tmp_path / "names.txt"
    names.write_text("english.pdf\n\nbroken.pdf\n", encoding="utf-8")
    folder = tmp_path / "report"
    assert main(["report", str(out), "--to", str(folder), "--documents", f"@{names}", "sideways.pdf"]) == 0
    told = capsys.readouterr().out
    assert "shows 3 of 6 documents" in told and "patients" in told
    assert json.loads((folder / "report.json").read_text())["documents"] == 3
    assert main(["report", str(out), "--to", str(folder), "--sample", "0"]) == 0
    assert "patients" not in capsys.readouterr().out
    for arguments, code in (
        (["--documents", "nobody.pdf"], 4), (["--sample", "-1"], 2), (["--schema", "radiology"], 4),
        (["--documents", "@/nowhere"], 4),
    ):  # fmt: skip
        assert main(["report", str(out), "--to", str(folder), *arguments]) == code
        assert "nobody" not in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 4 and main(["report", "s3://bucket/out"]) == 2


def test_of_several_rows_the_last_counts(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("A 45-year-old man.")
    for run in ("20261102T000000Z-b", "20261101T000000Z-a"):
        convert(tmp_path / "in", tmp_path / "out", run)
    make_report(str(tmp_path / "out"), tmp_path / "report", Choice(None))
    (page,) = (tmp_path / "report" / "documents").iterdir()
    assert (
        "20261102T000000Z-b" in page.read_text() and "no record of runs" in (tmp_path / "report/index.html").read_text()
    )


def test_every_code_has_a_label_in_both_languages() -> None:
    labels = load_labels()
    codes = {"reason": Code, "status": Status, "method": Method}
    assert {f"{kind}.{code}" for kind, own in codes.items() for code in own} <= set(labels)
    assert all(set(label) == {"en", "de"} and all(label.values()) for label in labels.values())


def test_colours_are_readable_and_differ() -> None:
    style = (files("elmtex_batch.report") / "page_files" / "report.css").read_text(encoding="utf-8")
    colours = [
        np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)])
        for code in re.findall(r"\.c\d+ { --c: #(\w{6})", style)
    ]
    assert len(colours) == 15
    for number, colour in enumerate(colours):
        assert contrast(colour, np.ones(3)) >= 4.5  # numbers are white on it
        tint = 0.26 * colour + 0.74  # of a word that is selected
        assert contrast(np.array([0x1D, 0x25, 0x30]) / 255, tint) >= 4.5
        assert all(np.abs(colour - other).max() > 0.1 for other in colours[:number])


def contrast(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """WCAG 2.2, contrast ratio of two sRGB colours."""
    darker, lighter = sorted(
        float(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])
        for c in (one, other)
    )
    return (lighter + 0.05) / (darker + 0.05)
