"""Pages as pictures: upright as their boxes are, whatever kind of file they come from."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from paper import PAGES, encode, pdf, picture, scan
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from elmtex_batch.pages.picture import draw_page
from elmtex_batch.pages.problems import PageProblem


def blot(canvas: Canvas) -> None:
    """Black in the upper left eighth of an A5 page, 420 by 595 points."""
    canvas.rect(0, 595 - 149, 105, 149, stroke=0, fill=1)


def tiff(first: Image.Image, second: Image.Image) -> bytes:
    return encode(first, "TIFF", save_all=True, append_images=[second])


EMPTY, BLOT = pdf(lambda _: None), pdf(blot)
FILES: dict[str, Callable[[], bytes]] = {
    "pdf": lambda: pdf(lambda _: None, blot),
    "scan": lambda: pdf(lambda _: None, picture(scan(BLOT))),
    "tiff": lambda: tiff(scan(EMPTY), scan(BLOT)),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(
    ("rotation", "corner"), [(0, (0.1, 0.1)), (90, (0.9, 0.1)), (180, (0.9, 0.9)), (270, (0.1, 0.9))]
)
def test_a_page_is_turned_clockwise(kind: str, rotation: int, corner: tuple[float, float]) -> None:
    image = Image.open(io.BytesIO(draw_page(FILES[kind](), 2, rotation, 72, PAGES)))
    assert image.size == pytest.approx((420, 595) if rotation in (0, 180) else (595, 420), abs=1)
    dark = np.asarray(image.convert("L")) < 128
    assert dark[int(corner[1] * image.height), int(corner[0] * image.width)]
    assert dark.mean() == pytest.approx(1 / 16, abs=0.005)


def test_resolution_is_never_invented_and_large_pages_are_shrunk() -> None:
    small = encode(Image.new("L", (600, 800), 255))
    assert Image.open(io.BytesIO(draw_page(small, 1, 0, 300, PAGES))).size == (600, 800)
    for poster in (pdf(blot, size=(7000, 9000)), encode(Image.new("L", (4000, 5000), 255))):
        width, height = Image.open(io.BytesIO(draw_page(poster, 1, 0, 300, PAGES))).size
        assert 7e6 < width * height < 8.2e6


@pytest.mark.parametrize("data", [b"A man.", EMPTY[:400], encode(Image.new("L", (60, 80)))[:50], b"", EMPTY])
def test_what_cannot_be_shown_is_a_problem(data: bytes) -> None:
    with pytest.raises(PageProblem):
        draw_page(data, 2, 0, 72, PAGES)
