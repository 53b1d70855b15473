"""Training on the parts of a table: each takes local steps, then they meet at the mean.

A round is a pure function of the parameters, the part and the number of the round. So it does not
matter where it runs, nor whether it has to run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import NamedTuple

import numpy as np

from minnet.arrays import Array, IntArray
from minnet.network.network import Network
from minnet.network.optimizers import OPTIMIZERS
from minnet.training.batches import Order, TrainingRows, class_weights
from minnet.training.folds import holdout_masks
from minnet.training.loop import Learner, State, Task
from minnet.training.settings import SMALL_TABLE, TrainingSettings

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
    weights
        How much each row counts, `(rows,)`; `None` counts all alike.
    """

    number: int
    features: Array
    labels: IntArray
    fold_of_row: IntArray
    groups: IntArray | None = None
    weights: Array | None = None


class Moved(NamedTuple):
    """Where a round led: the mean over parts.

    Attributes
    ----------
    weights
        Of the rows that a network learned from, their sum, `(networks, 1)`.
    state
        Weighted means of parameters and moments; the steps of the part that took most.
    metrics
        Sums over the rows of the round, `(4, networks)`: see `minnet.training.loop.metrics`.
    """

    weights: Array
    state: State
    metrics: Array

    @np.errstate(over="ignore", invalid="ignore")
    def merge(self, other: Moved) -> Moved:
        """Take the mean with other parts."""
        weights = self.weights + other.weights
        share = other.weights / np.where(weights > 0, weights, 1)
        share = share.astype(self.state.values.dtype)
        pairs = zip(self.state.arrays, other.state.arrays, strict=True)
        values, *moments = (one + share * (another - one) for one, another in pairs)
        steps = max(self.state.steps, other.state.steps)
        state = State(values, tuple(moments), steps)
        return Moved(weights, state, self.metrics + other.metrics)


@np.errstate(over="ignore", invalid="ignore")
def outer_step(start: State, moved: State, momentum: float = OUTER_MOMENTUM) -> State:
    """Go on from the mean of all parts by a Nesterov step, with the mean moves for gradients.

    With momentum m and g = start - mean: velocity = m * velocity + g, then
    values = start - rate * (g + m * velocity). The velocity is the last moment of the start.

    References
    ----------
    Douillard et al. (2023), "DiLoCo: distributed low-communication training of language models".
    """
    gradients = start.values - moved.values
    velocity = momentum * start.moments[-1] + gradients
    values = start.values - OUTER_RATE * (gradients + momentum * velocity)
    return State(values, (*moved.moments, velocity), moved.steps)


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
    network
        Of that kind; its numbers do not matter.
    settings
        Optimizer, loss and seed are used here.
    weights
        How much a row of each class counts, `(classes,)`; `None` counts all alike.
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
    settings: TrainingSettings
    weights: Array | None
    folds: int
    batch_size: int
    rounds: int
    momentum: float = OUTER_MOMENTUM

    @classmethod
    def of(
        cls,
        network: Network,
        settings: TrainingSettings,
        class_counts: Array,
        folds: int,
        rows: Sequence[int],
    ) -> Rounds:
        """Lay out the rounds of an epoch: all parts together take a batch of one machine's size.

        Parameters
        ----------
        class_counts
            Rows of each class, or their weights, `(classes,)`.
        rows
            Of each part.
        """
        whole = settings.batch_size_for(sum(rows))
        batch_size = max(min(whole, SMALLEST_BATCH), whole // min(len(rows), MOST_SHARES))
        steps = -(-max(rows) // batch_size)
        momentum = SMALL_TABLE_MOMENTUM if sum(rows) <= SMALL_TABLE else OUTER_MOMENTUM
        weights, rounds = class_weights(settings, class_counts), -(-steps // STEPS_OF_A_ROUND)
        return cls(network, settings, weights, folds, batch_size, rounds, momentum)

    def start(self) -> State:
        """Start from the networks' own parameters."""
        moments = OPTIMIZERS[self.settings.optimizer].moment_count
        return State.start(self.network.values, moments + 1)

    def take(self, parts: Sequence[Part], start: Moved, epoch: int, number: int) -> Moved:
        """Take the local steps of some parts in a round of an epoch, both counted from 0."""
        moves = (self._take(part, start.state, epoch, number) for part in parts)
        return reduce(Moved.merge, moves)

    def meet(self, start: Moved, moves: Sequence[Moved]) -> Moved:
        """End a round: go on from the mean, with the metrics of the epoch so far."""
        moved = reduce(Moved.merge, moves)
        state = outer_step(start.state, moved.state, self.momentum)
        return Moved(moved.weights, state, start.metrics + moved.metrics)

    def judge(self, parts: Sequence[Part], values: Array) -> Array:
        """Sum up the metrics of the rows of parts that each network holds out, `(4, networks)`."""
        judged = np.zeros((4, len(values)))
        for part in parts:
            learner, mask = (
                self._learner(part),
                holdout_masks(part.fold_of_row, len(values), self.folds),
            )
            task = Task(slice(None), State(values, ()), learner.rows.held_out(mask))
            judged += learner.judge(task)[1]
        return judged

    def _take(self, part: Part, start: State, epoch: int, number: int) -> Moved:
        count, networks = len(part.labels), len(start.values)
        fold = np.arange(networks) % self.folds
        begin, end = np.searchsorted(part.fold_of_row, [fold, fold + 1])
        sums = np.append(0.0, np.cumsum(np.ones(count) if part.weights is None else part.weights))
        weights = (sums[-1] - (sums[end] - sums[begin]))[:, None]
        # A network that holds out all of them takes steps that do not count.
        held_out = np.where(end - begin < count, end - begin, 0)
        own = count - held_out
        steps = -(-own.max() // self.batch_size)
        first, last = (self.batch_size * (steps * k // self.rounds) for k in (number, number + 1))
        places = np.arange(first, min(last, own.max()))
        seeds = ((self.settings.seed, network, part.number, epoch) for network in range(networks))
        order = np.stack([*map(partial(some_of_order, places), own, seeds)])
        order += np.where(order >= begin[:, None], held_out[:, None], 0)
        moments = tuple(map(np.copy, start.moments[:-1]))
        task = Task(slice(None), State(start.values, moments, start.steps), Order(order))
        state, metrics = self._learner(part).learn(task)
        return Moved(weights, state, metrics * (weights.T > 0))

    def _learner(self, part: Part) -> Learner:
        network = self.network.select(np.arange(len(self.network)))  # with values of its own
        rows = TrainingRows.of(network, part, self.weights, self.batch_size)
        return Learner.of(network, [self.settings], rows)
