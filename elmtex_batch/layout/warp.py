"""Levelling the lines of photographed pages, which fan out and bend however straight the page was laid."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.boxes import Boxes, centres, heights

SAMPLE = 400
"""Words whose right neighbours are looked up: enough for three numbers, and bounded on a page of very many words."""
ENOUGH_PAIRS = 30
HARMLESS = 0.25
"""Shift in text heights below which lines are level enough to be left alone."""


def levelled(boxes: Boxes) -> Boxes:
    """The boxes, shifted up or down so that the lines run level; unchanged if they do already.

    The slope of a line is taken to depend on where on the page it is, as a + b y + c x: perspective makes lines fan out
    (b), the curl of a page bends them (c). The three numbers are fitted to neighbouring words, which stand on one line.
    """
    pairs = np.array(list(_neighbours(boxes)), dtype=np.intp).reshape(-1, 2)
    if len(pairs) < ENOUGH_PAIRS:
        return boxes
    x, y = (centres(boxes) - centres(boxes).mean(0)).T
    slope = _fit_slope(x, y, pairs)
    shift = x * (slope[0] + slope[1] * y + slope[2] * x / 2)
    if np.abs(shift).max() < HARMLESS * np.median(heights(boxes)):
        return boxes
    level = boxes.copy()
    level[:, [1, 3]] -= shift[:, None]
    return level


def _neighbours(boxes: Boxes) -> Iterator[tuple[int, int]]:
    """Pairs of words of which the second follows the first closely on the same line."""
    middle, tall = centres(boxes)[:, 1], heights(boxes)
    for i in np.unique(np.linspace(0, len(boxes) - 1, SAMPLE).astype(np.intp)):
        gap = boxes[:, 0] - boxes[i, 2]
        level = np.abs(middle - middle[i]) < 0.4 * np.minimum(tall, tall[i])
        following = np.flatnonzero(level & (gap > 0) & (gap < tall[i]))
        if len(following):
            yield int(i), int(following[np.argmin(gap[following])])


def _fit_slope(x: NDArray[np.float64], y: NDArray[np.float64], pairs: NDArray[np.intp]) -> NDArray[np.float64]:
    """a, b and c by least squares over rise and run of the pairs, once more without those that fit worst."""
    first, second = pairs.T
    run, rise = x[second] - x[first], y[second] - y[first]
    terms = np.stack((run, run * y[first], run * (x[first] + x[second]) / 2), axis=1)
    slope = np.linalg.lstsq(terms, rise, rcond=None)[0]
    residual = np.abs(terms @ slope - rise)
    good = residual <= 2 * np.median(residual)
    fitted: NDArray[np.float64] = np.linalg.lstsq(terms[good], rise[good], rcond=None)[0]
    return fitted
