"""The layers that prepare features: one scales them, one puts piecewise-linear ones beside them.

They are fitted to the training rows and learn nothing by gradients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from minnet.arrays import Array, BoolArray, IntArray
from minnet.network.layers import Layer

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


LARGEST = np.finfo(np.float64).max


class Bins(Layer):
    """Put piecewise-linear features of each number beside it: one for each bin it may fall into.

    A column has edges e_0 <= e_1 <= ... <= e_N. Of a value x, bin t (from 1) makes

        b_t = (x - e_(t-1)) / (e_t - e_(t-1)), clipped to 0..1, - 1/2

    so bins below x give 1/2, bins above it -1/2, and the one that x lies in what is in between.
    Any f that is linear between the edges and constant outside is a weighted sum of these: in bin
    t, f(x) = f(e_(t-1)) + (f(e_t) - f(e_(t-1))) * (b_t + 1/2), and so everywhere

        f(x) = f(e_0) + sum over t of (f(e_t) - f(e_(t-1))) * (b_t + 1/2)

    A weight is what f rises by over its bin. Thus a step, which a smooth network approximates only
    with large weights, takes one weight of ordinary size: bins are narrow where values are many.

    The edges are quantiles of the network's own training rows, each the value of a row:

    - Where quantiles tie, the bin between them has no width: it gives 0, whatever the value, so
      that all networks have equally many features. A constant column has only such bins.
    - A column of two values, such as 0 and 1, has one bin with a width, -1/2 and 1/2: the number
      again on another scale. Indicators, which are not scaled, get no bins.
    - Missing cells are left out of the quantiles. As `Standardize` makes them 0, they get the bins
      of the mean.

    db_t/dx is 1 / (e_t - e_(t-1)) inside bin t and 0 elsewhere (and 0 is taken at its edges).

    Parameters
    ----------
    edges
        `(networks, binned features, bins + 1)`, ascending along the last axis, float64, in
        standard deviations from the mean.
    columns
        Which of the inputs get bins, `(binned features,)`.
    dtype
        Of the outputs: the inputs, then all bins of the first binned input, of the second ...

    References
    ----------
    Gorishniy, Rubachev, Babenko (2022), "On embeddings for numerical features in tabular deep
    learning", section 3.2.1, piecewise linear encoding with quantiles.
    """

    def __init__(self, edges: Array, columns: IntArray, dtype: DTypeLike = np.float32) -> None:
        self.edges = edges
        self.columns = columns
        self.dtype = np.dtype(dtype)
        self.widths: Array = np.diff(edges)
        self._divisors = np.where(self.widths > 0, self.widths, np.inf)
        self._middles = np.where(self.widths > 0, 0.5, 0.0)

    @classmethod
    def fit(
        cls,
        features: Array,
        rows: Sequence[IntArray],
        scaled: BoolArray,
        bins: int,
        standardize: Standardize,
        dtype: DTypeLike = np.float32,
    ) -> Bins:
        """Take the edges from the rows that each network trains on.

        Parameters
        ----------
        features, rows, scaled
            As `Standardize.fit` takes them: not yet scaled.
        bins
            Of each scaled feature.
        standardize
            The layer in front of this one.
        """
        columns = np.flatnonzero(scaled)
        quantiles = np.full((len(rows), bins + 1, features.shape[1]), np.nan)
        for column in columns:
            values = np.array(features[:, column])
            for network, own_rows in enumerate(rows):
                ascending = np.sort(values[own_rows])  # what is missing comes last
                last = np.count_nonzero(~np.isnan(ascending)) - 1
                if last >= 0:
                    places = (np.arange(bins + 1) * last + bins // 2) // bins
                    quantiles[network, :, column] = ascending[places]
        edges = standardize.forward(quantiles)[..., columns].astype(np.float64)
        return cls(np.ascontiguousarray(edges.mT), columns, dtype)

    def select(self, networks: slice | IntArray) -> Self:
        """Make the same layer for some of the networks."""
        return type(self)(self.edges[networks], self.columns, self.dtype)

    def forward(self, inputs: Array) -> Array:
        """Append the bins to the inputs, `(networks or 1, rows, features)`, float64."""
        networks, _, bins = self.widths.shape
        fan_in = inputs.shape[-1]
        fan_out = fan_in + len(self.columns) * bins
        outputs: Array = np.empty((networks, inputs.shape[1], fan_out), self.dtype)
        outputs[..., :fan_in] = inputs
        numbers = inputs[..., self.columns]
        for place in range(bins):  # one bin of each column at a time takes little memory
            values = numbers - self.edges[:, None, :, place]
            values /= self._divisors[:, None, :, place]
            values.clip(0, 1, out=values)
            values -= self._middles[:, None, :, place]
            outputs[..., fan_in + place :: bins] = values
        self._outputs = outputs
        return outputs

    def input_gradients(self, output_gradients: Array) -> Array:
        """Add what comes back through the one bin that each value lies in."""
        networks, columns, bins = self.widths.shape
        fan_in = output_gradients.shape[-1] - columns * bins
        shape = (networks, output_gradients.shape[1], columns, bins)
        passed = np.abs(self._outputs[..., fan_in:].reshape(shape)) < 0.5
        with np.errstate(over="ignore"):
            of_bins = output_gradients[..., fan_in:].reshape(shape) * passed
            of_bins /= self._divisors[:, None]
        gradients = output_gradients[..., :fan_in].copy()
        gradients[..., self.columns] += of_bins.sum(axis=-1)
        return gradients


def fit_preparation(
    features: Array,
    rows: Sequence[IntArray],
    scaled: BoolArray,
    bins: int = 0,
    dtype: DTypeLike = np.float32,
    fewest: IntArray | None = None,
) -> list[Layer]:
    """Make the layers in front of those that learn: `Standardize`, and `Bins` if asked for.

    Parameters
    ----------
    features, rows, scaled, fewest
        See `Standardize.fit`.
    bins
        Of each scaled feature; 0 for none.
    dtype
        Of what the last of them gives.
    """
    if not bins or not scaled.any():
        return [Standardize.fit(features, rows, scaled, dtype, fewest)]
    # A bin may be so narrow that float32 does not tell its edges apart.
    standardize = Standardize.fit(features, rows, scaled, np.float64, fewest)
    return [standardize, Bins.fit(features, rows, scaled, bins, standardize, dtype)]


def preparation_of(layers: Sequence[Layer], features: slice) -> tuple[list[Layer], IntArray]:
    """Make the preparing ones of a network's layers for some neighbouring features alone.

    Returns
    -------
    tuple
        The layers, and where what they give lies among all that goes into the first layer that
        learns.
    """
    prepare: list[Layer] = []
    places = np.arange(features.start, features.stop)
    count = 0
    for layer in layers:
        if isinstance(layer, Standardize):
            count = layer.means.shape[-1]
            means, scales = layer.means[..., features], layer.scales[..., features]
            prepare.append(Standardize(means, scales, layer.dtype))
        elif isinstance(layer, Bins):
            own = (layer.columns >= features.start) & (layer.columns < features.stop)
            columns = layer.columns[own] - features.start
            prepare.append(Bins(layer.edges[:, own], columns, layer.dtype))
            bins = np.flatnonzero(own.repeat(layer.widths.shape[-1]))
            places = np.concatenate([places, count + bins])
    return prepare, places


def input_names(
    layers: Sequence[Layer], feature_names: Sequence[str], network: int = 0
) -> list[str]:
    """Name what goes into the first layer that learns: `age`, `age bin 1 (17 to 24)`.

    Parameters
    ----------
    layers
        Of a network.
    feature_names
        What goes into the first of them.
    network
        Whose bins to name, counted from 0: each network has its own edges. They are given in the
        feature's own unit, to three digits of the bin's width.
    """
    names = [*feature_names]
    standardize, *others = layers
    bins = others[0] if others else None
    if not isinstance(standardize, Standardize) or not isinstance(bins, Bins):
        return names
    for column, edges in zip(bins.columns, bins.edges[network], strict=True):
        mean, std = (array[network, 0, column] for array in (standardize.means, standardize.scales))
        with np.errstate(over="ignore"):  # of numbers that are as large as numbers can be
            limits = np.clip(edges * std + mean, -LARGEST, LARGEST).tolist()
        for place, (lower, upper) in enumerate(pairwise(limits), 1):
            extent = (
                f"{_short(lower, upper)} to {_short(upper, lower)}" if upper > lower else "empty"
            )
            names.append(f"{feature_names[column]} bin {place} ({extent})")
    return names


def _short(number: float, other: float) -> str:
    """Write a number to three digits of its distance from another one."""
    distance = abs(number - other)
    if 0 < distance < math.inf:
        with suppress(OverflowError):  # the largest numbers cannot be rounded up
            number = round(number, 2 - math.floor(math.log10(distance)))
    return f"{number:.15g}"
