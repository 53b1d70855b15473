"""What is told of a single class: precision and recall, and the curves of its probabilities.

These are ROC, precision and recall over every threshold, and calibration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray

TENTHS = 10
Rates = tuple[Array, Array]
Curve = tuple[Callable[..., Rates], Callable[[Rates], float]]
"""Makes the rates over all thresholds, and the area under them."""


class ClassScores(NamedTuple):
    """How one class fares; NaN where nothing can be said.

    Attributes
    ----------
    precision
        Of the rows predicted as this class, the share that are.
    recall
        Of the rows of this class, the share predicted so.
    f1
        Harmonic mean of the two.
    rows
        Rows of this class.
    """

    precision: float
    recall: float
    f1: float
    rows: int


def roc_curve(probabilities: Array, is_class: BoolArray, weights: Array | None = None) -> Rates:
    """Compute false and true positive rates of all thresholds, from the highest one down.

    Parameters
    ----------
    probabilities
        Of the class, `(rows,)`.
    is_class
        Which rows are of the class, `(rows,)`; some are and some are not.
    weights
        How much each row counts, `(rows,)`; `None` counts all alike.
    """
    hits, picked = _counts(probabilities, is_class, weights)
    return (picked - hits) / (picked[-1] - hits[-1]), hits / hits[-1]


def precision_recall_curve(
    probabilities: Array, is_class: BoolArray, weights: Array | None = None
) -> Rates:
    """Compute recall and precision of all thresholds, from the highest down; see `roc_curve`."""
    hits, picked = _counts(probabilities, is_class, weights)
    precision = hits[1:] / picked[1:]
    return hits / hits[-1], np.concatenate([precision[:1], precision])


def roc_area(rates: Rates) -> float:
    """Area under a ROC curve: how often a row of the class gets more than one of the rest."""
    return float(np.trapezoid(rates[1], rates[0]))


def average_precision(rates: Rates) -> float:
    """Precision averaged over the steps of recall: the area under a precision-recall curve."""
    return float((np.diff(rates[0]) * rates[1][1:]).sum())


ROC: Curve = roc_curve, roc_area
PRECISION_RECALL: Curve = precision_recall_curve, average_precision


def _counts(probabilities: Array, is_class: BoolArray, weights: Array | None) -> Rates:
    """Rows of the class and all rows above each threshold, from none to all; ties go together."""
    # Sums of weights are rounded, so that the order of ties would matter.
    order = np.argsort(-probabilities, kind=None if weights is None else "stable")
    ordered = probabilities[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    of_rows = np.ones(len(order)) if weights is None else weights[order]
    hits, picked = (
        np.append(0, sums.cumsum()[ends]) for sums in (is_class[order] * of_rows, of_rows)
    )
    return hits, picked


def tenth_of(probabilities: Array) -> IntArray:
    """In which tenth of 0..1 probabilities lie, counted from 0; 1 is in the last."""
    return np.minimum((probabilities * TENTHS).astype(np.int64), TENTHS - 1)


def tenths(probabilities: Array, weights: Array, *figures: Array | BoolArray) -> Array:
    """Sum up weights, probabilities and figures of the rows of each tenth, `(sums, tenths)`."""
    places = tenth_of(probabilities)
    values = (weights, *(figure * weights for figure in (probabilities, *figures)))
    return np.array([np.bincount(places, one, TENTHS) for one in values])


class CalibrationBin(NamedTuple):
    """Rows whose probability of a class lies within one tenth of 0..1.

    Attributes
    ----------
    rows
        How many.
    mean_probability
        Of the class.
    share
        Of rows that are of the class.
    interval
        95 % interval of that share.
    """

    rows: int
    mean_probability: float
    share: float
    interval: tuple[float, float]
