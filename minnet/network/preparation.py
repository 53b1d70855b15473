"""The layer that scales features: fitted to the training rows, it learns nothing by gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.network.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from numpy.typing import DTypeLike

    from minnet.arrays import Array, BoolArray, IntArray

SCALED_AT_ONCE = 2**16


class Standardize(Layer):
    """Scale each feature to mean 0 and standard deviation 1, as seen in training.

    Each network has its own means and scales, from its own training rows alone, so that nothing
    leaks from the rows it holds out. A missing number (NaN) becomes 0, the mean; values are
    clipped at +-10 standard deviations, so that one absurd cell cannot wreck a prediction; a
    feature that was constant in training becomes 0.

    Parameters
    ----------
    means
        `(networks, 1, features)`, float64, in the feature's own unit.
    scales
        Standard deviations, same shape and unit; 0 for a constant feature.
    dtype
        Of the outputs.
    """

    limit = 10.0

    def __init__(self, means: Array, scales: Array, dtype: DTypeLike = np.float32) -> None:
        self.means = means
        self.scales = scales
        self.dtype = np.dtype(dtype)
        self._divisors = np.where(scales > 0, scales, np.inf)

    @classmethod
    def fit(
        cls,
        features: Array,
        rows: Sequence[IntArray],
        scaled: BoolArray,
        dtype: DTypeLike = np.float32,
        fewest: IntArray | None = None,
    ) -> Standardize:
        """Take means and scales from the rows that each network trains on.

        Parameters
        ----------
        features
            `(rows, features)`, float64, NaN where missing.
        rows
            For each network, the indices of its training rows.
        scaled
            `(features,)`; a feature that is not to be scaled (a 0/1 indicator) gets mean 0 and
            scale 1.
        fewest
            `(features,)`: of how many rows a network has to see an indicator at 1; else it knows
            nothing of it, and the scale is 0, as of a constant feature.
        """
        means = np.zeros((len(rows), 1, features.shape[1]))
        scales = np.ones_like(means)
        columns = np.flatnonzero(scaled)
        # A few columns at a time: of 1,000,000 rows, 8 columns take 0.4 s and 43 MB that way, and
        # all together, row by row as they lie in memory, 1.7 s and 150 MB.
        at_once = max(1, SCALED_AT_ONCE // max(1, len(features)))
        for start in range(0, len(columns), at_once):
            part = columns[start : start + at_once]
            values = features.T[part].astype(np.float64, copy=False)
            for network, own_rows in enumerate(rows):
                moments = mean_and_deviation(values.take(own_rows, axis=1))
                means[network, 0, part], scales[network, 0, part] = moments
        if fewest is not None:
            indicators = np.flatnonzero(~scaled)
            for network, own_rows in enumerate(rows):
                seen = np.count_nonzero(features[own_rows][:, indicators], axis=0)
                scales[network, 0, indicators] = seen >= fewest[indicators]
        return cls(means, scales, dtype)

    def select(self, networks: slice | IntArray) -> Self:
        """Make the same layer for some of the networks."""
        return type(self)(self.means[networks], self.scales[networks], self.dtype)

    def forward(self, inputs: Array) -> Array:
        """Scale, clip and fill: `(networks or 1, rows, features)`, float64, NaN where missing."""
        with np.errstate(over="ignore", invalid="ignore"):
            scaled: Array = inputs - self.means
            scaled /= self._divisors
            self._outputs = scaled.astype(self.dtype, copy=False)
        self._outputs.clip(-self.limit, self.limit, out=self._outputs)
        np.copyto(self._outputs, 0, where=np.isnan(self._outputs))
        return self._outputs

    def input_gradients(self, output_gradients: Array) -> Array:
        """Divide by the scales; nothing passes where a value was clipped."""
        passed = np.abs(self._outputs) < self.limit
        with np.errstate(over="ignore"):
            return output_gradients * passed / self._divisors


def mean_and_deviation(values: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each row of `(features, rows)`, NaN left out.

    Scaled by a power of two (which is exact) so that neither 1e308 nor 1e-308 overflows when
    squared. Changes `values`.
    """
    missing = np.isnan(values)
    lowest, highest = (f.reduce(values, axis=1, initial=np.nan) for f in (np.fmin, np.fmax))
    values[missing] = 0
    counts: Any = np.maximum((~missing).sum(axis=1), 1)
    _, exponents = np.frexp(np.fmax(np.fmax(-lowest, highest), 0))
    np.ldexp(values, -exponents[:, None], out=values)
    means = values.sum(axis=1) / counts
    values -= means[:, None]
    values[missing] = 0
    deviations = np.sqrt(np.square(values, out=values).sum(axis=1) / counts)
    # Of equal cells, the rounding of the mean leaves a residue that is no spread.
    deviations[lowest == highest] = 0
    return np.ldexp(means, exponents), np.ldexp(deviations, exponents)
