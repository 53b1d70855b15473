"""The layers that prepare features: fitted to the training rows, they learn nothing by gradients.

One scales, one puts piecewise-linear features of each number beside it. What they are fitted to is
merged over the parts of a table; a whole table is one part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from minnet.arrays import Array, BoolArray, IntArray
from minnet.network.layers import Layer

MOST_SAMPLED, MOST_SAMPLED_NUMBERS = 16_384, 2**21
PADDING = 4
"""Numbers between the rows of a matrix: a power of two from one to the next would fill the cache
with a few of its lines, and a transposed copy would take seven times as long."""


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


LARGEST = np.finfo(np.float64).max


class Bins(Layer):
    """Put piecewise-linear features of each number beside it: one for each bin it may fall into.

    A column has edges e_0 < e_1 < ... < e_N. Of a value x, bin t (from 1) makes

        b_t = h * ((x - e_(t-1)) / (e_t - e_(t-1)), clipped to 0..1, - 1/2),  h = 1 / sqrt(N)

    so bins below x give h/2, bins above it -h/2, and the one that x lies in what is in between.
    Any f that is linear between the edges and constant outside is a weighted sum of these: in bin
    t, f(x) = f(e_(t-1)) + (f(e_t) - f(e_(t-1))) * (b_t / h + 1/2), and so everywhere

        f(x) = f(e_0) + sum over t of (f(e_t) - f(e_(t-1))) * (b_t / h + 1/2)

    A weight is 1 / h of what f rises by over its bin. Thus a step, which a smooth network
    approximates only with large weights, takes one weight of ordinary size: bins are narrow where
    values are many.

    Why h: without it, the N bins of a column have a squared length of up to N/4, and the sum that
    reaches a unit of random weights grows with N, until bins drown the number itself and small
    differences of it. With it, the squared length is at most N * (h/2)^2 = 1/4, whatever N is.
    `is_sharp` leaves it out (h = 1), for sharp steps.

    The edges are quantiles of the network's own training rows, each the value of a row:

    - Where quantiles tie, the bin between them has no width. It is left out if no network has
      it (N counts those that are left), and gives 0 to a network that alone has not.
    - A single bin would be the number again on another scale, as of a column of two values; such
      columns get none. Indicators, which are not scaled, get no bins either.
    - Missing cells are left out of the quantiles. As `Standardize` makes them 0, they get the bins
      of the mean.

    db_t/dx is h / (e_t - e_(t-1)) inside bin t and 0 elsewhere (and 0 is taken at its edges).

    Parameters
    ----------
    columns
        Which input each bin is of, ascending, `(bins,)`.
    lower, upper
        Edges of each bin, `(networks, bins)`, float64, in standard deviations from the mean.
    is_sharp
        Whether h is 1.
    dtype
        Of the outputs: the inputs, then all bins.

    References
    ----------
    Gorishniy, Rubachev, Babenko (2022), "On embeddings for numerical features in tabular deep
    learning", section 3.2.1, piecewise linear encoding with quantiles.
    """

    def __init__(
        self,
        columns: IntArray,
        lower: Array,
        upper: Array,
        is_sharp: bool = False,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.columns = columns
        self.lower = lower
        self.upper = upper
        self.is_sharp = is_sharp
        self.dtype = np.dtype(dtype)
        of_columns = np.bincount(columns)[columns]
        self.heights: Array = np.ones(len(columns)) if is_sharp else of_columns**-0.5
        has_width = lower < upper
        self.divisors: Array = np.where(has_width, (upper - lower) / self.heights, np.inf)
        self.middles: Array = np.where(has_width, self.heights / 2, 0.0)

    @classmethod
    def fit(
        cls,
        sample: RowSample,
        held_out: Sequence[int],
        columns: IntArray,
        bins: int,
        standardize: Standardize,
    ) -> Self:
        """Take the edges from the rows of a sample that each network trains on.

        Parameters
        ----------
        sample
            Not yet scaled.
        held_out
            See `fit_preparation`.
        columns
            Which features get bins.
        bins
            Of each of these, at most.
        standardize
            The layer in front of this one.
        """
        quantiles = np.full((len(held_out), bins + 1, sample.features.shape[1]), np.nan)
        for column in columns:
            values = sample.features[:, column]
            order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]
            for network, fold in enumerate(held_out):
                own = order[sample.fold_of_row[order] != fold]
                if len(own):
                    weights = sample.weights[own]
                    first, last, sums = weights[0] / 2, weights[-1] / 2, weights.cumsum()
                    middles = np.arange(bins + 1) * (sums[-1] - last - first) + bins * first
                    places = np.searchsorted(sums, middles / bins, side="right")
                    quantiles[network, :, column] = values[own[places.clip(max=len(own) - 1)]]
        edges = standardize.forward(quantiles)[..., columns].astype(np.float64).mT
        has_width = edges[..., :-1] < edges[..., 1:]
        has_several = (has_width.sum(axis=-1) > 1).any(axis=0)
        kept = has_width.any(axis=0) & has_several[:, None]
        lower, upper = edges[..., :-1][:, kept], edges[..., 1:][:, kept]
        return cls(columns[np.nonzero(kept)[0]], lower, upper)

    def select(self, networks: slice | IntArray) -> Self:
        """Make the same layer for some of the networks."""
        lower, upper = self.lower[networks], self.upper[networks]
        return type(self)(self.columns, lower, upper, self.is_sharp, self.dtype)

    @property
    def numbers(self) -> IntArray:
        """Number of each bin within its column, from 1, `(bins,)`."""
        return np.arange(len(self.columns)) - np.searchsorted(self.columns, self.columns) + 1

    def forward(self, inputs: Array) -> Array:
        """Append the bins to the inputs, `(networks or 1, rows, features)`, float64.

        Feature by feature, with a feature's rows side by side in memory: that is the fastest.
        """
        networks, bins = self.lower.shape
        fan_in = inputs.shape[-1]
        rows = inputs.shape[1]
        padded: Array = np.empty((networks, fan_in + bins, rows + PADDING), self.dtype)
        outputs = padded[..., :rows]
        outputs[:, :fan_in] = inputs.mT
        of_networks = np.broadcast_to(inputs.mT, (networks, *inputs.mT.shape[1:]))
        for network, scaled in enumerate(of_networks):
            values = scaled[self.columns]
            values -= self.lower[network, :, None]
            values /= self.divisors[network, :, None]
            np.maximum(values, 0, out=values)
            np.minimum(values, self.heights[:, None], out=values)  # faster than `clip`
            outputs[network, fan_in:] = values - self.middles[network, :, None]
        self._outputs = outputs.mT
        return self._outputs

    def input_gradients(self, output_gradients: Array) -> Array:
        """Add what comes back through the one bin of each column that each value lies in."""
        fan_in = output_gradients.shape[-1] - len(self.columns)
        of_inputs, of_bins = np.split(output_gradients, [fan_in], axis=-1)
        passed = np.abs(self._outputs[..., fan_in:]) < self.middles[:, None].astype(self.dtype)
        with np.errstate(over="ignore"):
            of_bins = of_bins * passed / self.divisors[:, None]
        gradients = of_inputs.copy()
        firsts = np.flatnonzero(np.diff(self.columns, prepend=-1))
        gradients[..., self.columns[firsts]] += np.add.reduceat(of_bins, firsts, axis=-1)
        return gradients


class Moments(NamedTuple):
    """Counts, means, standard deviations and extremes, each `(folds, features)`, NaN left out."""

    counts: Array
    means: Array
    deviations: Array
    lowest: Array
    highest: Array

    @classmethod
    def of(
        cls, features: Array, fold_of_row: IntArray, folds: int, weights: Array | None = None
    ) -> Moments:
        """Take those of each fold, of features and weights of their cells `(rows, features)`."""
        parts = (features,) if weights is None else (features, weights)
        of_folds = (
            cls._of_columns(
                *(part[fold_of_row == fold].T.astype(float, copy=False) for part in parts)
            )
            for fold in range(folds)
        )
        return cls(*map(np.stack, zip(*of_folds, strict=True)))

    @classmethod
    def _of_columns(cls, values: Array, weights: Array | None = None) -> Moments:
        """Take those of each row of `(features, rows)`, which are changed in place.

        Scaled by a power of two (which is exact) so that neither 1e308 nor 1e-308 overflows when
        squared.
        """

        def summed(values: Array) -> Array:
            return (values if weights is None else values * weights).sum(axis=1)

        missing = np.isnan(values)
        lowest, highest = (f.reduce(values, axis=1, initial=np.nan) for f in (np.fmin, np.fmax))
        values[missing] = 0
        counts = summed(~missing).astype(np.float64)
        divisors = np.where(counts > 0, counts, 1)
        _, exponents = np.frexp(np.fmax(np.fmax(-lowest, highest), 0))
        np.ldexp(values, -exponents[:, None], out=values)
        means = summed(values) / divisors
        values -= means[:, None]
        values[missing] = 0
        variances = summed(np.square(values, out=values)) / divisors
        # Of equal cells, the rounding of the mean leaves a residue that is no spread.
        deviations = np.where(lowest == highest, 0, np.ldexp(np.sqrt(variances), exponents))
        return cls(counts, np.ldexp(means, exponents), deviations, lowest, highest)

    def merge(self, other: Moments) -> Moments:
        """Take in other rows of the same features.

        With n rows of mean m and variance s^2, and n' of m' and s'^2, out of N = n + n', the
        variance of all is n/N s^2 + n'/N s'^2 + n n'/N^2 (m - m')^2. As a hypotenuse, and with
        half of m - m', it does not overflow.

        References
        ----------
        Chan, Golub, LeVeque (1983), "Algorithms for computing the sample variance".
        """
        counts = self.counts + other.counts
        share = other.counts / np.where(counts > 0, counts, 1)
        half_apart = other.means / 2 - self.means / 2
        within = np.hypot(np.sqrt(1 - share) * self.deviations, np.sqrt(share) * other.deviations)
        return Moments(
            counts,
            self.means + share * half_apart + share * half_apart,
            np.hypot(within, 2 * np.sqrt(share * (1 - share)) * half_apart),
            np.fmin(self.lowest, other.lowest),
            np.fmax(self.highest, other.highest),
        )

    def without(self, held_out: Sequence[int]) -> Moments:
        """Merge all folds but one of these, for each, `(held out, features)`; -1 is none."""
        folds = [Moments(*fold) for fold in zip(*self, strict=True)]
        none = Moments._of_columns(np.empty((len(self.means[0]), 0)))
        before = [*accumulate(folds, Moments.merge, initial=none)]
        after = [*accumulate(folds[:0:-1], Moments.merge, initial=none)][::-1]
        left = [*map(Moments.merge, before, after), before[-1]]
        return Moments(*map(np.stack, zip(*(left[fold] for fold in held_out), strict=True)))


class RowSample(NamedTuple):
    """Rows drawn at random: those with the smallest draws.

    Attributes
    ----------
    draws
        `(sampled,)`, ascending.
    features
        `(sampled, features)`.
    fold_of_row, weights
        `(sampled,)`.
    """

    draws: IntArray
    features: Array
    fold_of_row: IntArray
    weights: Array

    def smallest(self) -> RowSample:
        """Leave out all but the smallest draws."""
        most = min(MOST_SAMPLED, MOST_SAMPLED_NUMBERS // max(1, self.features.shape[1]))
        return self.select(np.argsort(self.draws, kind="stable")[:most])

    def select(self, rows: slice | IntArray) -> RowSample:
        """Take some of the rows."""
        parts: Any = (part[rows] for part in self)
        return RowSample(*parts)

    def merge(self, other: RowSample) -> RowSample:
        """Draw from both."""
        pairs: Any = zip(self, other, strict=True)
        return RowSample(*map(np.concatenate, pairs)).smallest()


class FeatureSummary(NamedTuple):
    """What preparing layers are fitted to, mergeable over the parts of a table."""

    moments: Moments
    sample: RowSample

    @classmethod
    def of(
        cls,
        features: Array,
        fold_of_row: IntArray | None = None,
        folds: int = 1,
        draws: IntArray | None = None,
        weights: Array | None = None,
        scaled: BoolArray | bool = True,
    ) -> FeatureSummary:
        """Summarize features `(rows, features)`, float64, NaN where missing.

        Parameters
        ----------
        fold_of_row, folds
            Which fold each row is in, `(rows,)`; without them there is one.
        draws
            Random numbers, `(rows,)`: of many rows, those with the smallest are the sample.
        weights, scaled
            How much each row counts, `(rows,)`, and for which features, `(features,)`: of
            indicators, rows are counted.
        """
        if fold_of_row is None:
            fold_of_row = np.zeros(len(features), np.int64)
        if draws is None:
            draws = np.arange(len(features))
        of_rows = np.ones(len(features)) if weights is None else weights
        sample = RowSample(draws, features, fold_of_row, of_rows).smallest()
        of_cells = None if weights is None else np.where(scaled, weights[:, None], 1.0)
        return cls(Moments.of(features, fold_of_row, folds, of_cells), sample)

    def merge(self, other: FeatureSummary) -> FeatureSummary:
        """Take in other rows of the same features."""
        return FeatureSummary(self.moments.merge(other.moments), self.sample.merge(other.sample))


def fit_preparation(
    summary: FeatureSummary,
    fewest: IntArray,
    held_out: Sequence[int] = (-1,),
    bins: int = 0,
    is_sharp: bool = False,
    dtype: DTypeLike = np.float32,
) -> list[Layer]:
    """Make the layers in front of those that learn: `Standardize`, and `Bins` if asked for.

    Parameters
    ----------
    summary
        Of all rows.
    fewest
        `(features,)`: 0 of a number, which is scaled. A 0/1 indicator gets mean 0 and scale 1; of
        so many rows, a network has to see it at 1: else it knows nothing of it, and the scale is 0,
        as of a constant feature.
    held_out
        For each network the fold of rows that it does not train on; -1 for none.
    bins, is_sharp
        Of each scaled feature, at most, and whether they are not scaled; 0 for none.
    dtype
        Of what the last of them gives.
    """
    moments, scaled = summary.moments.without(held_out), fewest == 0
    # Again the rounding of means leaves a residue.
    spread = np.where(moments.lowest == moments.highest, 0, moments.deviations)
    known = np.rint(np.where(scaled, 0, moments.means) * moments.counts) >= fewest
    means = np.where(scaled, moments.means, 0)[:, None]
    scales = np.where(scaled, spread, known)[:, None]
    if bins:
        # They may be so narrow that float32 does not tell their edges apart.
        standardize = Standardize(means, scales, np.float64)
        made = Bins.fit(summary.sample, held_out, np.flatnonzero(scaled), bins, standardize)
        if len(made.columns):
            return [standardize, Bins(made.columns, made.lower, made.upper, is_sharp, dtype)]
    return [Standardize(means, scales, dtype)]


def preparing(layers: Sequence[Layer]) -> tuple[Standardize, Bins | None]:
    """Take those of a network's layers that do not learn; `None` if there are no bins."""
    standardize, bins, *_ = (*layers, None)
    assert isinstance(standardize, Standardize)  # every model begins with it
    return standardize, bins if isinstance(bins, Bins) else None


def count_inputs(layers: Sequence[Layer]) -> int:
    """How many numbers go into the first of a network's layers that learns: features and bins."""
    standardize, bins = preparing(layers)
    return standardize.means.shape[-1] + (0 if bins is None else len(bins.columns))


def preparation_of(layers: Sequence[Layer], features: slice) -> tuple[list[Layer], IntArray]:
    """Make the preparing ones of a network's layers for some neighbouring features alone.

    Returns
    -------
    tuple
        The layers, and where what they give lies among all that goes into the first layer that
        learns.
    """
    standardize, bins = preparing(layers)
    means, scales = standardize.means, standardize.scales
    scaled = Standardize(means[..., features], scales[..., features], standardize.dtype)
    places = np.arange(features.start, features.stop)
    if bins is None:
        return [scaled], places
    own = np.flatnonzero(np.isin(bins.columns, places))
    lower, upper = bins.lower[:, own], bins.upper[:, own]
    of_own = Bins(bins.columns[own] - features.start, lower, upper, bins.is_sharp, bins.dtype)
    return [scaled, of_own], np.concatenate([places, means.shape[-1] + own])


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
    standardize, bins = preparing(layers)
    if bins is None:
        return names
    means, scales = (a[network, 0, bins.columns] for a in (standardize.means, standardize.scales))
    with np.errstate(over="ignore"):  # of numbers that are as large as numbers can be
        lower, upper = (
            np.clip(edges[network] * scales + means, -LARGEST, LARGEST).tolist()
            for edges in (bins.lower, bins.upper)
        )
    for column, number, low, high in zip(bins.columns, bins.numbers, lower, upper, strict=True):
        extent = f"{_short(low, high)} to {_short(high, low)}" if high > low else "empty"
        names.append(f"{feature_names[column]} bin {number} ({extent})")
    return names


def _short(number: float, other: float) -> str:
    """Write a number to three digits of its distance from another one."""
    distance = abs(number - other)
    if 0 < distance < math.inf:
        with suppress(OverflowError):  # the largest numbers cannot be rounded up
            number = round(number, 2 - math.floor(math.log10(distance)))
    return f"{number + 0.0:.15g}"
