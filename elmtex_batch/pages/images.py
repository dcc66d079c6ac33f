"""Image files -> rasters, frame by frame: TIFF has pages, all others one picture.

Whatever a picture is made of (bits, palettes, transparency, 16 bits, inks), what comes out are grey levels with square
pixels, as a viewer would show them.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

from elmtex_batch.pages.media import Media
from elmtex_batch.pages.problems import PageProblem
from elmtex_batch.pages.raster import Grey, Raster
from elmtex_batch.reasons import Code

PAGE_WIDTH_IN = 8.27
"""A4: taken for the shorter side of a picture that does not say how large its pixels are."""
LEAST_DPI = 72.0
SCREEN_DPI = 96.0
"""Cameras and programs write 72 or 96 where they know nothing: only higher resolutions are believed."""
PLAUSIBLE_SIDE_IN = 3.0, 17.0
"""Shorter side in inches that makes a resolution believable: from a receipt to A2."""
PLAUSIBLE_ASPECT = 0.3, 3.5
"""Width of a pixel over its height; a fax in coarse mode has 98 / 204."""
NEW_SUBFILE_TYPE, REDUCED = 254, 1
"""TIFF tag, and its bit for a smaller copy of another page (TIFF 6.0, section 8)."""

Image.MAX_IMAGE_PIXELS = None  # `max_megapixels` is checked here, before anything is decoded


@contextmanager
def open_image(data: bytes, media: Media) -> Iterator[Image.Image]:
    """An image file, opened but not decoded.

    Raises:
        PageProblem: the file is damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they may quote what stands in the file
        try:
            image = Image.open(io.BytesIO(data), formats=[media.name])
        except Exception:  # noqa: BLE001 - decoders raise whatever hostile bytes lead them to
            raise PageProblem(Code.DAMAGED) from None
        with image:
            yield image


def page_frames(image: Image.Image, limit: int) -> list[int]:
    """Indices of the frames that are pages, `limit` at most; a damaged one ends the list and belongs to it."""
    if image.format != "TIFF":
        return [0]
    frames: list[int] = []
    for index in range(10 * limit):  # a chain of frames may be a ring
        try:
            image.seek(index)
            thumbnail = int(image.tag_v2.get(NEW_SUBFILE_TYPE, 0)) & REDUCED  # type: ignore[attr-defined]
        except EOFError:
            break
        except Exception:  # noqa: BLE001 - see open_image
            return [*frames, index]
        if not thumbnail:
            frames.append(index)
        if len(frames) == limit:
            break
    return frames


def read_frame(image: Image.Image, index: int, max_megapixels: float) -> Raster:
    """One page of an image file.

    Raises:
        PageProblem: it has too many pixels or cannot be decoded.
    """
    try:
        image.seek(index)
        if image.width * image.height > max_megapixels * 1e6:
            raise PageProblem(Code.PAGE_TOO_LARGE)
        image.load()  # here, as a second attempt after a failure gives black pixels instead of an error
        across, down = _resolution(image)
        return _with_square_pixels(_grey(_upright(image)), across, down)
    except PageProblem:
        raise
    except Exception:  # noqa: BLE001 - see open_image
        raise PageProblem(Code.PAGE_DAMAGED) from None


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF data says; damaged EXIF data is ignored."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - see open_image
        image.getexif().clear()
        return image


def _grey(image: Image.Image) -> Grey:
    """Grey levels of any kind of picture, transparent parts white; shape (rows, columns)."""
    if image.mode.startswith("I") or image.mode == "F":
        return _grey_from_deep(np.asarray(image, dtype=np.float32))
    if image.mode == "LAB":
        return np.asarray(image.getchannel("L"))
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        image = Image.alpha_composite(paper, picture)
    return np.asarray(image.convert("RGB").convert("L") if image.mode not in ("1", "L") else image.convert("L"))


def _grey_from_deep(levels: np.ndarray) -> Grey:
    """Eight of the 12, 16 or 32 bits a level has; how many are used, only the levels tell."""
    levels = np.nan_to_num(levels)
    lowest, highest = min(0.0, float(levels.min())), max(255.0, float(levels.max()))
    return ((levels - lowest) * (255 / (highest - lowest))).astype(np.uint8)


def _with_square_pixels(pixels: Grey, across: float, down: float) -> Raster:
    """`across` and `down` are pixels per inch."""
    if abs(across / down - 1) < 0.02:
        return Raster(pixels, across)
    rows, columns = pixels.shape
    dpi = max(across, down)
    size = max(1, round(columns * dpi / across)), max(1, round(rows * dpi / down))
    return Raster(np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)), dpi)


def _resolution(image: Image.Image) -> tuple[float, float]:
    """Pixels per inch across and down of the picture as stored; a guess where the file says nothing believable."""
    across, down = _stated_resolution(image)
    aspect = across / down if PLAUSIBLE_ASPECT[0] < across / down < PLAUSIBLE_ASPECT[1] else 1.0
    short_side = min(image.width, image.height * aspect)
    believable = across > SCREEN_DPI and PLAUSIBLE_SIDE_IN[0] <= short_side / across <= PLAUSIBLE_SIDE_IN[1]
    if not believable:
        across = max(short_side / PAGE_WIDTH_IN, LEAST_DPI)
    return across, across / aspect


def _stated_resolution(image: Image.Image) -> tuple[float, float]:
    """What the file says; without a unit (TIFF's "resolution") only the aspect means something. (1, 1) for nothing."""
    stated = image.info.get("dpi") or image.info.get("resolution") or (1, 1)
    try:
        across, down = (float(value) for value in stated)
    except (TypeError, ValueError, ZeroDivisionError):
        return 1.0, 1.0
    return (across, down) if np.isfinite([across, down]).all() and min(across, down) > 0 else (1.0, 1.0)
