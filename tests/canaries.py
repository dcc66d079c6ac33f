"""An archive whose every text, name, picture and error message holds a word, converted so that all reasons come up.

    python canaries.py FOLDER OUT REPORT

writes to REPORT a line for each file of Ray's in which the word is found.
"""

import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from reportlab.pdfgen.canvas import Canvas

from elmtex_batch.fakes import PATTERNS, PatternReader
from elmtex_batch.pipeline import Model, convert
from elmtex_batch.progress import print_summary
from elmtex_batch.reader import Answer, Span
from elmtex_batch.settings import OcrSettings, PageSettings, RunSettings, Settings, TextSettings
from elmtex_batch.summary import Summary

CANARY = "Kanarienvogel"
FAULTY = (sys.executable, str(Path(__file__).with_name("faulty_child.py")))
FAULTS = (
    "segfault", "hang", "memory", "recursion", "reason ocr_timeout", "reason ocr_failed", "reason page_damaged",
)  # fmt: skip
"""What is easier brought about in the child; see `faulty_child.py`."""
SETTINGS = Settings(
    pages=PageSettings(max_file_mb=0.5, max_pages=2, max_megapixels=10, page_timeout_s=2, memory_mb=2_000),
    ocr=OcrSettings(page_timeout_s=20),
    text=TextSettings(max_characters=5_000),
    run=RunSettings(batch_documents=4),
)


class CanaryReader(PatternReader):
    """Does what a text says: ends its process; fails, and quotes it; goes on for too long; finds too much."""

    def __init__(self) -> None:
        super().__init__({**PATTERNS, "diagnosis": CANARY})

    def read(self, texts: Sequence[str]) -> list[Answer]:
        """See `Reader.read`."""
        return [self._obey(text) for text in texts]

    def _obey(self, text: str) -> Answer:
        if "do crash" in text:
            os._exit(9)
        if "do fail" in text:
            raise ValueError(text)
        if "do babble" in text:
            return Answer(cut_short=True)
        if "do repeat" in text:
            return Answer(tuple(Span("diagnosis", i, i + 1, 0.5) for i in range(300)))
        if "do copy" in text:
            return Answer((Span("diagnosis", 0, len(text), 0.5),))
        return self._answer(text)


def pdf(pages: int, **options: object) -> bytes:
    """With the word on its pages, and in its metadata."""
    content = io.BytesIO()
    canvas = Canvas(content, **options)
    for entry in (canvas.setTitle, canvas.setAuthor, canvas.setSubject, canvas.setKeywords):
        entry(CANARY)
    for i in range(pages):
        canvas.drawString(72, 700, f"Page {i}: Herr {CANARY}, 50 Jahre, has been well since his last visit to us.")
        canvas.showPage()
    canvas.save()
    return content.getvalue()


def image(width: int, height: int, text: str = "", circle: bool = False) -> bytes:
    """A scan, whose metadata have the word too."""
    picture, content = Image.new("L", (width, height), 255), io.BytesIO()
    if circle:
        ImageDraw.Draw(picture).ellipse((300, 500, 900, 1_100), outline=0, width=5)
    ImageDraw.Draw(picture).text((100, 200), text, font=ImageFont.load_default(48))
    exif = Image.Exif()
    exif[0x010E] = CANARY  # ImageDescription
    picture.save(content, "JPEG", exif=exif, dpi=(200, 200))
    return content.getvalue()


def archive(folder: Path) -> Callable[[Summary], None]:
    """Fills a folder, and returns what changes two of its files once the run has listed them."""
    outside = folder.parent / "elsewhere.txt"
    texts = {f"fault {fault}": f"FAULT {fault} {CANARY}" for fault in FAULTS}
    texts |= {f"do {what}": f"{CANARY} do {what}. " * 30 for what in ("crash", "fail", "babble", "repeat", "copy")}
    texts |= {name: f"Herr {CANARY}, {name}, 50 Jahre." for name in ("good", "vanishing", "changing", "blocked")}
    texts |= {"blank": " \n", "long": f"{CANARY} " * 1_000}
    files = {f"{name} {CANARY}.txt": text.encode() for name, text in texts.items()} | {
        f"{CANARY} empty": b"",
        f"{CANARY} large": f"{CANARY} ".encode() * 50_000,
        f"{CANARY} odd": b"PK\x03\x04" + CANARY.encode(),
        f"{CANARY} damaged.pdf": b"%PDF-1.4 " + CANARY.encode(),
        f"{CANARY} none.pdf": re.sub(rb"/Count 1 /Kids \[[^]]*\]", b"/Count 0 /Kids []", pdf(1)),
        f"{CANARY} locked.pdf": pdf(1, encrypt=CANARY),
        f"{CANARY} thick.pdf": pdf(3),
        f"{CANARY} good.pdf": pdf(1),
        f"{CANARY} huge.jpg": image(4_000, 4_000),
        f"{CANARY} drawing.jpg": image(1_200, 1_600, circle=True),
        f"{CANARY} scan.jpg": image(1_600, 1_200, f"Herr {CANARY} ist 50 Jahre alt.\nDiagnose: Gicht."),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    outside.write_text(CANARY)
    (folder / f"{CANARY} link").symlink_to(outside)
    os.mkfifo(folder / f"{CANARY} pipe")

    def spoil(summary: Summary) -> None:
        path = {name: folder / f"{name} {CANARY}.txt" for name in ("vanishing", "changing", "blocked")}
        if summary.done == 0 and path["vanishing"].exists():
            path["vanishing"].unlink()
            path["changing"].write_text(f"{CANARY}, changed")
            path["blocked"].unlink()
            path["blocked"].mkdir()

    return spoil


def main(folder: Path, out: str, report: Path) -> None:
    """Converts, prints what a user sees, and looks through Ray's folder before it is removed."""

    def search(self: tempfile.TemporaryDirectory[str]) -> None:
        found = [path for path in Path(self.name).rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
        with report.open("a") as file:
            file.write("".join(f"{path}\n" for path in found))
        searched.extend(path for path in Path(self.name).rglob("*.log"))
        shutil.rmtree(self.name, ignore_errors=True)

    searched: list[Path] = []
    tempfile.TemporaryDirectory.cleanup = search  # type: ignore[method-assign, assignment]
    os.umask(0o077)
    folder.mkdir()
    spoil = archive(folder)
    print_summary(convert([str(folder)], out, SETTINGS, spoil, Model("fake", CanaryReader), child=FAULTY))
    print(len(searched), "logs of Ray searched")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
