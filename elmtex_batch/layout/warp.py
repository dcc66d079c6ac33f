"""Levelling the lines of photographed pages, which fan out and bend however straight the page was laid."""

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.boxes import Boxes, centres, heights

SAMPLE = 400
"""Words whose right neighbours are looked up: enough for three numbers, and bounded on a page of very many words."""
CHUNK = 50
"""Of these words as many are compared with all words of the page at a time."""
ENOUGH_PAIRS = 30
HARMLESS = 0.25
"""Shift in text heights below which lines are level enough to be left alone."""


def levelled(boxes: Boxes) -> Boxes:
    """The boxes, shifted up or down so that the lines run level; unchanged if they do already.

    The slope of a line is taken to depend on where on the page it is, as a + b y + c x: perspective makes lines fan out
    (b), the curl of a page bends them (c). The three numbers are fitted to neighbouring words, which stand on one line.
    """
    if len(boxes) < ENOUGH_PAIRS:
        return boxes
    sample = np.unique(np.linspace(0, len(boxes) - 1, SAMPLE).astype(np.intp))
    pairs = np.concatenate([_neighbours(boxes, sample[i : i + CHUNK]) for i in range(0, SAMPLE, CHUNK)])
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


def _neighbours(boxes: Boxes, words: NDArray[np.intp]) -> NDArray[np.intp]:
    """Pairs of words of which the second follows the first, one of `words`, closely on the same line; shape (n, 2)."""
    middle, tall = centres(boxes)[:, 1], heights(boxes)
    gap = boxes[:, 0] - boxes[words, 2, None]
    level = np.abs(middle - middle[words, None]) < 0.4 * np.minimum(tall, tall[words, None])
    gap[~(level & (gap > 0) & (gap < tall[words, None]))] = np.inf
    found = np.isfinite(gap).any(axis=1)
    pairs: NDArray[np.intp] = np.stack((words[found], gap[found].argmin(axis=1)), axis=1)
    return pairs


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
