"""What the layers in front of a network are fitted to, mergeable over the parts of a table.

Training on the parts of a table: each takes local steps, then they meet at the mean.

A round is a pure function of the parameters, the part and the number of the round. So it does not
matter where it runs, nor whether it has to run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import NamedTuple

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.network.layers import Layer
from minnet.network.losses import Loss
from minnet.network.network import Network
from minnet.network.optimizers import Optimizer
from minnet.network.preparation import Bins, Standardize, mean_and_deviation
from minnet.training.batches import TrainingRows, padded
from minnet.training.folds import holdout_masks
from minnet.training.loop import TrainingState, judge_rows, learn_rows

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


OUTER_RATE, OUTER_MOMENTUM, SMALL_TABLE_MOMENTUM = 0.7, 0.9, 0.5
"""Cross-validated log loss of 0.9 and 0.5, in 4 parts: breast cancer .160 and .082, digits .096
and .083, iris .108 and .099, penguins .025 and .027. Holdout loss of the 54,000 diamonds after 10
passes over 8 parts, 20 steps a round: .658 and .716."""
STEPS_OF_A_ROUND = 50
"""Holdout loss of the diamonds after 10 passes with 20, 50, 100 and 200 steps: .658, .655, .674,
.705, and .658 on one machine; of 327,000 flights after 5 passes: .506, .508, .508, .505 and .501.
"""
SMALLEST_BATCH, MOST_SHARES = 8, 16
"""The parts share a batch of one machine's size, but do not take less of it than that."""


class Part(NamedTuple):
    """The labelled rows of a part of a table.

    Attributes
    ----------
    number
        Of the part, from 0.
    features
        `(rows, features)`, float64, NaN where missing.
    labels, fold_of_row
        `(rows,)`; the folds ascend.
    groups
        Key of each row's group, `(rows,)`; `None` without groups.
    """

    number: int
    features: Array
    labels: IntArray
    fold_of_row: IntArray
    groups: IntArray | None = None


class Meeting(NamedTuple):
    """Where all parts start a round.

    Attributes
    ----------
    values
        Parameters, `(networks, parameters)`.
    moments, steps
        Of the optimizer.
    velocity
        Of the outer step, as `values`.
    metrics
        Sums over all rows of the epoch so far, `(4, networks)`: see
        `minnet.training.loop.metrics`.
    """

    values: Array
    moments: tuple[Array, ...]
    steps: int
    velocity: Array
    metrics: Array

    def begun(self) -> Meeting:
        """Start an epoch: there are no metrics yet."""
        return self._replace(metrics=np.zeros_like(self.metrics))

    def leave(self, state: TrainingState) -> None:
        """Set the state of a training to what all parts start from."""
        state.network.values[...] = self.values
        state.optimizer.moments, state.optimizer.steps = self.moments, self.steps
        state.velocity = self.velocity

    def at(self, state: TrainingState) -> Meeting:
        """Start from the state of a training, on which `leave` was called before."""
        assert state.velocity is not None
        optimizer, values = state.optimizer, state.network.values.copy()
        return Meeting(values, optimizer.moments, optimizer.steps, state.velocity, self.metrics)


class Moved(NamedTuple):
    """Where local steps led, mean over parts.

    Attributes
    ----------
    weights
        Rows that a network learned from, `(networks, 1)`.
    values, moments
        Weighted means, as in `Meeting`.
    steps
        Of the part that took most.
    metrics
        Sums over the rows of the round, as in `Meeting`.
    """

    weights: Array
    values: Array
    moments: tuple[Array, ...]
    steps: int
    metrics: Array

    def merge(self, other: Moved) -> Moved:
        """Take the mean with other parts."""
        weights = self.weights + other.weights
        share = (other.weights / np.maximum(weights, 1)).astype(self.values.dtype)
        return Moved(
            weights,
            self.values + share * (other.values - self.values),
            tuple(
                one + share * (another - one)
                for one, another in zip(self.moments, other.moments, strict=True)
            ),
            max(self.steps, other.steps),
            self.metrics + other.metrics,
        )


@np.errstate(over="ignore", invalid="ignore")
def outer_step(start: Meeting, moved: Moved, momentum: float = OUTER_MOMENTUM) -> Meeting:
    """Go on from the mean of all parts by a Nesterov step, with the mean moves for gradients.

    With momentum m and g = start - mean: velocity = m * velocity + g, then
    values = start - rate * (g + m * velocity).

    References
    ----------
    Douillard et al. (2023), "DiLoCo: distributed low-communication training of language models".
    """
    gradients = start.values - moved.values
    velocity = momentum * start.velocity + gradients
    values = start.values - OUTER_RATE * (gradients + momentum * velocity)
    return Meeting(values, moved.moments, moved.steps, velocity, start.metrics + moved.metrics)


def some_of_order(places: IntArray, count: int, seed: Sequence[int]) -> IntArray:
    """Tell what stands at some places of a random order, without making all of it.

    The order of 0..n-1 has (a k + b) mod n at place k, with random a and b, a coprime to n.
    Whatever pair of rows is given, they meet in a batch about as often as by chance, if the rows
    themselves are in no order, as those of a part are not.
    """
    generator = np.random.default_rng(seed)
    factors = np.append(generator.integers(1, count, size=64, endpoint=True), 1)
    factor = factors[np.gcd(factors, count) == 1][0]
    return (places * factor + generator.integers(count)) % count


@dataclass(frozen=True, eq=False)
class Rounds:
    """What all rounds of a training have in common.

    Attributes
    ----------
    network, optimizer
        Of that kind; their numbers do not matter.
    loss
        To make small.
    weights
        How much a row of each class counts, `(classes,)`; `None` counts all alike.
    seed
        Decides the order of rows.
    folds
        How many there are.
    batch_size
        Rows of a batch in one part.
    rounds
        How many make an epoch.
    momentum
        Of the outer step.
    """

    network: Network
    optimizer: Optimizer
    loss: Loss
    weights: Array | None
    seed: int
    folds: int
    batch_size: int
    rounds: int
    momentum: float = OUTER_MOMENTUM

    def start(self) -> Meeting:
        """Start from the networks' own parameters."""
        values = self.network.values
        moments = tuple(np.zeros_like(values) for _ in range(self.optimizer.moment_count))
        return Meeting(values, moments, 0, np.zeros_like(values), np.zeros((4, len(values))))

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def take(self, part: Part, start: Meeting, epoch: int, number: int) -> Moved:
        """Take the local steps of a part in a round of an epoch, both counted from 0."""
        count, networks = len(part.labels), len(start.values)
        fold = np.arange(networks) % self.folds
        begin, end = np.searchsorted(part.fold_of_row, [fold, fold + 1])
        weights = (count - (end - begin))[:, None].astype(np.float64)
        # A network that holds out all of them takes steps that do not count.
        held_out = np.where(end - begin < count, end - begin, 0)
        own = count - held_out
        steps = -(-own.max() // self.batch_size)
        first, last = (self.batch_size * (steps * k // self.rounds) for k in (number, number + 1))
        places = np.arange(first, min(last, own.max()))
        seeds = ((self.seed, network, part.number, epoch) for network in range(networks))
        order = np.stack([*map(partial(some_of_order, places), own, seeds)])
        order += np.where(order >= begin[:, None], held_out[:, None], 0)
        network, optimizer = self.network.at(start.values), self.optimizer.select(slice(None))
        optimizer.moments, optimizer.steps = tuple(map(np.copy, start.moments)), start.steps
        metrics = learn_rows(network, optimizer, order, loss=self.loss, rows=self._rows(part))
        return Moved(
            weights, network.values, optimizer.moments, optimizer.steps, metrics * (weights.T > 0)
        )

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def judge(self, part: Part, reached: Meeting) -> Array:
        """Sum up the metrics of the rows of a part that each network holds out, `(4, networks)`."""
        network = self.network.at(reached.values)
        holdout = padded(holdout_masks(part.fold_of_row, len(network), self.folds))
        return judge_rows(network, holdout, loss=self.loss, rows=self._rows(part))

    def _rows(self, part: Part) -> TrainingRows:
        learning = self.network.without_preparation().layers
        inputs, classes = (
            learning[end].parameters[0].values.shape[axis] for end, axis in ((0, 1), (-1, 2))
        )
        weights = None if self.weights is None else self.weights[part.labels]
        return TrainingRows(part.features, part.labels, classes, inputs, weights, self.batch_size)
