"""What scanners, fax machines and telephones do to a page."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from typeset import FONTS

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scan:
    """How a flat-bed scanner sees a page: grey levels 0 to 255, `skew` in degrees, `blur` as a radius in pixels."""

    seed: int
    skew: float = 1.2
    blur: float = 0.7
    noise: float = 5.0
    specks: int = 45
    ink: int = 50
    paper: int = 236


def rasterise(pdf: bytes, dpi: int) -> list[Image.Image]:
    """The pages of a PDF in grey."""
    with pypdfium2.PdfDocument(pdf) as document:
        return [page.render(scale=dpi / 72, grayscale=True).to_pil().convert("L") for page in document]


def scan(page: Image.Image, how: Scan) -> Image.Image:
    """The page laid askew on the glass: grey paper, faded ink, dust, a shadow along one edge, sensor noise."""
    random = np.random.default_rng(how.seed)
    turned = page.rotate(how.skew, Image.Resampling.BICUBIC, fillcolor=255).filter(ImageFilter.GaussianBlur(how.blur))
    grey = how.ink + np.asarray(turned, np.float32) / 255 * (how.paper - how.ink)
    grey = grey * _edge_shadow(grey.shape) + random.normal(0, how.noise, grey.shape).astype(np.float32)
    return _sprinkle(_picture(grey), random, how.specks)


def fax(page: Image.Image, line: str, seed: int) -> Image.Image:
    """Black and white with ragged letters, pepper, one streak, and the sender's line at the top."""
    random = np.random.default_rng(seed)
    slipped = page.rotate(0.5, Image.Resampling.BICUBIC, fillcolor=255).filter(ImageFilter.GaussianBlur(0.6))
    grey = np.asarray(slipped, np.float32) + random.normal(0, 9, slipped.size[::-1]).astype(np.float32)
    streak = int(grey.shape[0] * random.uniform(0.9, 0.93))
    grey[streak, : grey.shape[1] // 2] = 0
    sheet = _sprinkle(_picture(np.where(grey < 150, 0, 255)), random, 160)
    font = ImageFont.truetype(str(FONTS / "liberation/LiberationMono-Bold.ttf"), 26)
    ImageDraw.Draw(sheet).text((60, 22), line, fill=0, font=font)
    return sheet.convert("1", dither=Image.Dither.NONE)


def photograph(page: Image.Image, seed: int) -> Image.Image:
    """The sheet on a desk, seen at an angle, lit from one side, with a hand's shadow over a corner."""
    random = np.random.default_rng(seed)
    width, height = page.size
    corners = [(0.05, 0.035), (0.955, 0.055), (0.985, 0.965), (0.02, 0.95)]
    onto = [(x * width, y * height) for x, y in corners]
    coefficients = _perspective(onto, [(0, 0), (width, 0), (width, height), (0, height)])
    bend = (page.size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    paper = np.asarray(page.transform(*bend, fillcolor=255), np.float32)
    sheet = np.asarray(Image.new("L", page.size, 255).transform(*bend, fillcolor=0), np.float32) / 255
    grey = (45 + paper / 255 * 195) * sheet + 70 * (1 - sheet)
    grey = grey * _side_light(grey.shape) + random.normal(0, 3, grey.shape).astype(np.float32)
    warm = [_picture(grey * tint) for tint in (1.0, 0.965, 0.88)]
    return Image.merge("RGB", warm).filter(ImageFilter.GaussianBlur(0.8))


def jpeg(picture: Image.Image, quality: int = 40, dpi: int = 200, orientation: int = 0) -> bytes:
    """A JPEG file; `orientation` is the Exif code a telephone writes instead of turning the pixels."""
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    return encode(picture, "JPEG", quality=quality, dpi=(dpi, dpi), exif=exif.tobytes() if orientation else b"")


def encode(picture: Image.Image, kind: str, **options: object) -> bytes:
    """An image file of the kind, with Pillow's options for that kind."""
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def few_greys(picture: Image.Image) -> Image.Image:
    """The picture in 16 grey levels, as office scanners store them to save space."""
    return picture.point([value // 16 * 17 for value in range(256)]).quantize(16)


def _picture(grey: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))


def _sprinkle(picture: Image.Image, random: np.random.Generator, count: int) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    places = random.integers(0, picture.size, (count, 2))
    for (x, y), size in zip(places.tolist(), random.integers(0, 3, count).tolist(), strict=True):
        draw.rectangle((x, y, x + size, y + size // 2), fill=30)
    return picture


def _edge_shadow(shape: tuple[int, ...]) -> Floats:
    across = np.linspace(0, 1, shape[1], dtype=np.float32)
    shadow: Floats = 1 - np.float32(0.35) * np.exp(-across * 40)
    return shadow[np.newaxis, :]


def _side_light(shape: tuple[int, ...]) -> Floats:
    down, across = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j].astype(np.float32)
    hand = np.exp(-((across - 1.0) ** 2 / 0.08 + (down - 0.95) ** 2 / 0.05))
    light: Floats = (1.05 - 0.3 * across - 0.12 * down) * (1 - 0.28 * hand)
    return light


def _perspective(seen: list[tuple[float, float]], flat: list[tuple[float, float]]) -> list[float]:
    """The eight numbers Pillow wants: they carry the corners as `seen` back to where they are on the `flat` page."""
    rows = []
    for (x, y), (u, v) in zip(seen, flat, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return [float(value) for value in np.linalg.solve(np.array(rows), np.array(flat).ravel())]
