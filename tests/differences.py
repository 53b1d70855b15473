"""Slopes by finite differences: the slow, sure way that every hand-written slope is checked by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minnet.network.losses import one_hot

if TYPE_CHECKING:
    from collections.abc import Callable

    from minnet.arrays import Array, IntArray
    from minnet.network.losses import Loss


def central_differences(function: Callable[[], Array], values: Array, step: float = 1e-6) -> Array:
    """Slopes of each output of `function()` by each of `values`, moved in place both ways.

    Returns
    -------
    Array
        Shape of `values`, then shape of `function()`.
    """
    slopes = np.empty(values.shape + np.shape(function()))
    for index in np.ndindex(values.shape):
        value = values[index]
        values[index] = value + step
        above = function()
        values[index] = value - step
        below = function()
        values[index] = value
        slopes[index] = (above - below) / (2 * step)
    return slopes


def assert_slopes_agree(slopes: Array, expected: Array, relative: float = 1e-6) -> None:
    """Check that slopes differ by little, measured against the steepest, and are not all 0."""
    steepest = np.abs(expected).max()
    assert steepest > 0
    np.testing.assert_allclose(slopes, expected, rtol=0, atol=relative * steepest)


def mean_and_gradients(
    loss: Loss, logits: Array, labels: IntArray, weights: Array | None = None
) -> tuple[Array, Array]:
    """Mean loss of each network and its gradients, from integer labels `(networks, rows)`."""
    targets = one_hot(labels, logits.shape[-1], logits.dtype)
    return loss.mean(logits, targets, weights), loss.gradients(logits, targets, weights)
