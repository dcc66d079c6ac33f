"""Boxes on a page as arrays: turning them with the page, straightening slanted text, uniting them."""

import math

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.document import Box

Boxes = NDArray[np.float64]
"""One row (x0, y0, x1, y1) per box, y growing downwards; shape (n, 4)."""


def as_boxes(boxes: list[Box]) -> Boxes:
    """The boxes as one array; an empty list gives shape (0, 4)."""
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def turn(boxes: Boxes, degrees: int, width: float, height: float) -> Boxes:
    """The boxes after their page of `width` x `height` is turned clockwise by 0, 90, 180 or 270 degrees."""
    x0, y0, x1, y1 = boxes.T
    turned = {
        0: (x0, y0, x1, y1),
        90: (height - y1, x0, height - y0, x1),
        180: (width - x1, height - y1, width - x0, height - y0),
        270: (y0, width - x1, y1, width - x0),
    }[degrees % 360]
    return np.stack(turned, axis=1)


def turned_size(width: float, height: float, degrees: int) -> tuple[float, float]:
    """Width and height of a page after a quarter turn."""
    return (height, width) if degrees % 180 else (width, height)


def straighten(boxes: Boxes, angle: float, about: tuple[float, float]) -> Boxes:
    """Boxes of text that runs at `angle` degrees clockwise, as they are once the page is turned back about a point.

    The given boxes stand upright around the slanted text. The slanted rectangle inside follows from w = (W cos - H sin)
    / cos 2a and its counterpart; near 45 degrees, where that says nothing, a square stands for it.
    """
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2 - about[0], (boxes[:, 1] + boxes[:, 3]) / 2 - about[1]
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    c, s = abs(cos), abs(sin)
    if abs(c - s) < 0.3:
        wide = high = np.maximum(width, height) / (c + s)
    else:
        wide = np.maximum((width * c - height * s) / (c * c - s * s), 0.1)
        high = np.maximum((height * c - width * s) / (c * c - s * s), 0.1)
    x, y = x * cos + y * sin + about[0], y * cos - x * sin + about[1]
    return np.stack((x - wide / 2, y - high / 2, x + wide / 2, y + high / 2), axis=1)


def slant(boxes: Boxes, angle: float, about: tuple[float, float]) -> Boxes:
    """The upright boxes around `boxes` after a clockwise turn of `angle` degrees about a point."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    xs, ys = boxes[:, [0, 2, 2, 0]] - about[0], boxes[:, [1, 1, 3, 3]] - about[1]
    x, y = xs * cos - ys * sin + about[0], xs * sin + ys * cos + about[1]
    return np.stack((x.min(1), y.min(1), x.max(1), y.max(1)), axis=1)


def union(boxes: Boxes) -> Box:
    """The smallest box around at least one box."""
    x0, y0 = boxes[:, :2].min(0)
    x1, y1 = boxes[:, 2:].max(0)
    return float(x0), float(y0), float(x1), float(y1)


def heights(boxes: Boxes) -> NDArray[np.float64]:
    return boxes[:, 3] - boxes[:, 1]


def centres(boxes: Boxes) -> NDArray[np.float64]:
    """Middle points (x, y); shape (n, 2)."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2
