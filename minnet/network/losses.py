"""Softmax, argmax and the losses: from raw outputs to probabilities, and back to gradients.

Every function works on the last axis and broadcasts over the axes before it, so one row
`(classes,)`, a batch `(rows, classes)` and many networks `(networks, rows, classes)` are alike.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import DTypeLike

from minnet.arrays import Array, IntArray


def softmax(logits: Array) -> Array:
    """Turn raw outputs into probabilities: e^logit over the sum of all e^logit.

    Keeps the order of the raw outputs, lies in 0..1 and sums to 1 over the last axis. The row's
    maximum is subtracted first, which changes nothing (numerator and denominator shrink alike)
    but keeps e^logit from overflowing.

    Parameters
    ----------
    logits
        Raw outputs, `(..., classes)`.

    Returns
    -------
    Array
        Probabilities, same shape; a new array.
    """
    exponentials = np.exp(_by_class(logits))
    exponentials /= _sum_of_classes(exponentials)
    return exponentials.transpose().copy()


def softmax_jacobian(probabilities: Array) -> Array:
    """Differentiate each probability with respect to each raw output, at given softmax outputs.

    With p = softmax(z), the quotient rule gives dp_i/dz_j = p_i (1 if i = j else 0) - p_i p_j:
    never all zero for finite z, which is why softmax can train.

    Returns
    -------
    Array
        `(..., classes, classes)`; entry `[..., i, j]` is dp_i/dz_j.
    """
    own = probabilities[..., :, None] * np.eye(probabilities.shape[-1], dtype=probabilities.dtype)
    return own - probabilities[..., :, None] * probabilities[..., None, :]


def argmax_one_hot(logits: Array) -> Array:
    """Put 1 at the largest value of each row (the first one of equals), 0 elsewhere.

    Easy to read and good for classifying. Its slope is 0 wherever it has one, so no gradient
    flows back through it and it cannot train weights.
    """
    return one_hot(logits.argmax(axis=-1), logits.shape[-1], logits.dtype)


def one_hot(labels: IntArray, classes: int, dtype: DTypeLike = np.float64) -> Array:
    """Write integer labels `(...)` as rows of zeros with a single 1, `(..., classes)`."""
    return np.eye(classes, dtype=dtype).take(labels, axis=0)


class Loss:
    """What training minimizes: how wrong the softmax of raw outputs is, given the targets.

    Everywhere, `logits` are raw outputs and `targets` one-hot labels, both `(networks, rows,
    classes)`, and `weights` say how much each row counts, `(networks, rows)`; `None` counts all
    rows alike.
    """

    def of_rows(self, logits: Array, targets: Array) -> Array:
        """Loss of each row, `(networks, rows)`."""
        raise NotImplementedError

    def row_gradients(self, logits: Array, targets: Array) -> Array:
        """Gradient of each row's own loss with respect to its logits, shaped like them."""
        raise NotImplementedError

    def mean(self, logits: Array, targets: Array, weights: Array | None = None) -> Array:
        """Weighted mean over the rows, `(networks,)`."""
        return (self.of_rows(logits, targets) * _shares(logits, weights)).sum(axis=-1)

    def gradients(self, logits: Array, targets: Array, weights: Array | None = None) -> Array:
        """Gradient of `mean` with respect to the logits, shaped like them; a new array."""
        gradients = self.row_gradients(logits, targets)
        gradients *= _shares(logits, weights)[..., None]
        return gradients

    def of_class_shares(self, counts: IntArray) -> float:
        """Mean loss of giving every row the shares of the classes, `(classes,)`: the baseline."""
        present = np.flatnonzero(counts)
        logits = np.log(np.tile(counts[present] / counts.sum(), (1, len(present), 1)))
        return self.mean(logits, np.eye(len(present))[None], counts[None, present] * 1.0).item()


class CrossEntropy(Loss):
    """-ln of the probability given to the observed class, in nats.

    Softmax and cross-entropy are fused, since their product is simpler than either. With
    p = softmax(z) and loss L = -ln p_y, the chain rule gives
    dL/dz_j = dL/dp_y * dp_y/dz_j = -1/p_y * (p_y [y = j] - p_y p_j), so

        dL/dz_j = p_j - (1 if j = y else 0)        "softmax minus target"

    and ln p_y = z_y - ln(sum of e^z) needs no division, so it stays exact where p_y rounds to 0.
    """

    def of_rows(self, logits: Array, targets: Array) -> Array:
        """Cross-entropy of each row: ln(sum of e^z) - z of the observed class."""
        shifted = _by_class(logits)
        of_observed = (shifted * targets.transpose()).sum(axis=0)
        losses: Array = np.log(_sum_of_classes(np.exp(shifted))) - of_observed
        return losses.transpose().copy()

    def row_gradients(self, logits: Array, targets: Array) -> Array:
        """Softmax minus target."""
        return softmax(logits) - targets


class SquaredResiduals(Loss):
    """Sum over the classes of (probability - target)^2, in 0..2.

    With r = p - target, dL/dz_j = sum over i of 2 r_i * dp_i/dz_j
    = p_j (2 r_j - sum over i of 2 r_i p_i): the factor p_j makes the gradient vanish for a
    hopelessly wrong row, where cross-entropy's stays near 1.
    """

    def of_rows(self, logits: Array, targets: Array) -> Array:
        """Sum of the squared residuals of each row."""
        return np.square(softmax(logits) - targets).sum(axis=-1)

    def row_gradients(self, logits: Array, targets: Array) -> Array:
        """By the chain rule through softmax."""
        probabilities = softmax(logits)
        slopes = 2 * (probabilities - targets)
        slopes -= (slopes * probabilities).sum(axis=-1, keepdims=True)
        return slopes * probabilities


LOSSES: dict[str, Loss] = {"cross-entropy": CrossEntropy(), "squared-residuals": SquaredResiduals()}


def _by_class(logits: Array) -> Array:
    """Raw outputs less the maximum of their row, the classes outermost: `(classes, ...)`, new.

    Classes are few and rows are many: so numpy works on whole rows of rows, and a softmax of 8
    networks, 32 rows and 3 classes takes 12 us instead of 35.
    """
    columns = logits.transpose().copy()
    columns -= columns.max(axis=0)
    return columns


def _sum_of_classes(columns: Array) -> Array:
    """Sum over the first axis, class after class.

    So does numpy, but for a single row of a single network, which would then differ in the last
    bit from the same row among others.
    """
    return reduce(np.add, columns) if columns[0].size == 1 else columns.sum(axis=0)


def _shares(logits: Array, weights: Array | None) -> Array:
    """Share of each row in the mean over rows, `(networks, rows)` or `(1,)`, summing to 1."""
    if weights is None:
        return np.full(1, 1 / logits.shape[-2], logits.dtype)
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(logits.dtype)
