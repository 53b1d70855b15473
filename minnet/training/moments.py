"""What the layers in front of a network are fitted to, mergeable over the parts of a table."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.network.bins import Bins
from minnet.network.preparation import Standardize, mean_and_deviation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.network.layers import Layer

MOST_SAMPLED, MOST_SAMPLED_NUMBERS = 16_384, 2**21


class Moments(NamedTuple):
    """Counts, means, standard deviations and extremes, each `(folds, features)`, NaN left out."""

    counts: Array
    means: Array
    deviations: Array
    lowest: Array
    highest: Array

    @classmethod
    def of(cls, features: Array, fold_of_row: IntArray, folds: int) -> Moments:
        """Take those of each fold, of features `(rows, features)`."""
        shape = folds, features.shape[1]
        sums, extremes = np.zeros((3, *shape)), np.full((2, *shape), np.nan)
        moments = cls(*sums, *extremes)
        for fold in range(folds):
            values = features.T[:, fold_of_row == fold]
            moments.counts[fold] = (~np.isnan(values)).sum(axis=1)
            moments.lowest[fold] = np.fmin.reduce(values, axis=1, initial=np.nan)
            moments.highest[fold] = np.fmax.reduce(values, axis=1, initial=np.nan)
            moments.means[fold], moments.deviations[fold] = mean_and_deviation(values)
        return moments

    def merge(self, other: Moments) -> Moments:
        """Take in other rows of the same features.

        With n rows of mean m and variance s^2, and n' of m' and s'^2, out of N = n + n', the
        variance of all is n/N s^2 + n'/N s'^2 + n n'/N^2 (m - m')^2. As a hypotenuse, it does not
        overflow.

        References
        ----------
        Chan, Golub, LeVeque (1983), "Algorithms for computing the sample variance".
        """
        counts = self.counts + other.counts
        share = other.counts / np.maximum(counts, 1)
        apart = other.means - self.means
        within = np.hypot(np.sqrt(1 - share) * self.deviations, np.sqrt(share) * other.deviations)
        return Moments(
            counts,
            self.means + share * apart,
            np.hypot(within, np.sqrt(share * (1 - share)) * apart),
            np.fmin(self.lowest, other.lowest),
            np.fmax(self.highest, other.highest),
        )

    def fold(self, number: int) -> Moments:
        """Take those of one fold, `(features,)`."""
        return Moments(*(part[number] for part in self))


class RowSample(NamedTuple):
    """Rows drawn at random: those with the smallest draws.

    Attributes
    ----------
    draws
        `(sampled,)`, ascending.
    features
        `(sampled, features)`.
    fold_of_row
        `(sampled,)`.
    """

    draws: IntArray
    features: Array
    fold_of_row: IntArray

    def smallest(self) -> RowSample:
        """Leave out all but the smallest draws."""
        most = min(MOST_SAMPLED, MOST_SAMPLED_NUMBERS // max(1, self.features.shape[1]))
        order = np.argsort(self.draws, kind="stable")[:most]
        return RowSample(self.draws[order], self.features[order], self.fold_of_row[order])

    def merge(self, other: RowSample) -> RowSample:
        """Draw from both."""
        both = RowSample(
            np.concatenate([self.draws, other.draws]),
            np.concatenate([self.features, other.features]),
            np.concatenate([self.fold_of_row, other.fold_of_row]),
        )
        return both.smallest()


def fit_merged_preparation(
    moments: Moments,
    sample: RowSample,
    folds: Sequence[int],
    scaled: BoolArray,
    bins: int,
    fewest: IntArray | None = None,
) -> list[Layer]:
    """Make the layers in front of networks, as `fit_preparation` does from all rows.

    Parameters
    ----------
    moments
        Of all rows.
    sample
        Of rows, from which the edges of bins are taken.
    folds
        Which fold each network holds out.
    scaled, bins, fewest
        See `fit_preparation`.
    """
    parts = [moments.fold(fold) for fold in range(len(moments.counts))]
    learned = [[part for k, part in enumerate(parts) if k != fold] for fold in folds]
    of_networks = [reduce(Moments.merge, some) for some in learned]
    shape = len(folds), 1, len(scaled)
    means, scales = np.zeros(shape), np.ones(shape)
    for network, one in enumerate(of_networks):
        # Of equal cells, the rounding of the mean leaves a residue that is no spread.
        spread = np.where(one.lowest == one.highest, 0, one.deviations)
        means[network, 0, scaled], scales[network, 0, scaled] = one.means[scaled], spread[scaled]
        if fewest is not None:
            seen = np.rint(one.means * one.counts)
            scales[network, 0, ~scaled] = (seen >= fewest)[~scaled]
    if not bins or not scaled.any():
        return [Standardize(means, scales)]
    standardize = Standardize(means, scales, np.float64)
    rows = [np.flatnonzero(sample.fold_of_row != fold) for fold in folds]
    return [standardize, Bins.fit(sample.features, rows, scaled, bins, standardize)]
