"""Training: the loop, and the history it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from minnet.batches import Rows, padded, shuffled
from minnet.errors import TrainingError
from minnet.history import Epoch, History
from minnet.optimizers import SGD, Adam, Optimizer
from minnet.settings import LEARNING_RATES, LossName, TrainingSettings
from minnet.softmax import (
    cross_entropy_of_rows,
    cross_entropy_slopes,
    softmax_cross_entropy,
    softmax_squared_residuals,
    squared_residuals_of_rows,
    squared_residuals_slopes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator

    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.batches import Part
    from minnet.network import Network
    from minnet.softmax import Loss, RowLosses, Slopes

LOSSES: dict[LossName, Loss] = {
    "cross-entropy": softmax_cross_entropy,
    "squared-residuals": softmax_squared_residuals,
}
ROW_LOSSES: dict[LossName, RowLosses] = {
    "cross-entropy": cross_entropy_of_rows,
    "squared-residuals": squared_residuals_of_rows,
}
SLOPES: dict[LossName, Slopes] = {
    "cross-entropy": cross_entropy_slopes,
    "squared-residuals": squared_residuals_slopes,
}
SMALLEST_GAIN = 1e-5


@dataclass(eq=False)
class TrainingState:
    """Where a training stands after an epoch: all it takes to go on as if nothing had happened.

    Attributes
    ----------
    network, optimizer, generators
        Change with each step.
    epochs
        What each epoch so far came to.
    best_losses, best_epochs
        `(networks,)`: the smallest holdout loss of each network, and its epoch, counted from 1.
    best_values
        `(networks, parameter_count)`: the weights of that epoch.
    """

    network: Network
    optimizer: Optimizer
    generators: Sequence[Generator]
    epochs: list[Epoch]
    best_losses: Array
    best_epochs: IntArray
    best_values: Array

    @classmethod
    def start(
        cls, network: Network, generators: Sequence[Generator], settings: TrainingSettings
    ) -> TrainingState:
        """Stand before the first epoch."""
        return cls(
            network,
            make_optimizer(settings, network.decays),
            generators,
            [],
            np.full(len(network), np.inf),
            np.zeros(len(network), dtype=np.int64),
            network.values.copy(),
        )

    def waiting(self, patience: int) -> BoolArray:
        """Which networks may still find a better epoch, `(networks,)`."""
        return np.asarray(len(self.epochs) - self.best_epochs < patience)

    def keep_the_better(self, losses: Array, among: BoolArray) -> None:
        """Remember the weights of those networks whose holdout loss was never smaller."""
        better = (losses < self.best_losses - SMALLEST_GAIN) | np.isnan(losses)
        better &= among
        self.best_losses[better] = losses[better]
        self.best_epochs[better] = len(self.epochs)
        self.best_values[better] = self.network.values[better]


class Keeper(Protocol):
    """Keeps long trainings from being lost: see `minnet.checkpoint`."""

    def resume(self, state: TrainingState) -> None:
        """Change a state at the start into a later one, if there is one to resume."""

    def keep(self, state: TrainingState) -> None:
        """Store a state, or not: called after each epoch."""


def make_generators(settings: TrainingSettings) -> list[Generator]:
    """Make a source of randomness for each network; network k of seed s is always the same."""
    return [np.random.default_rng([settings.seed, k]) for k in range(settings.networks)]


def make_optimizer(settings: TrainingSettings, decays: BoolArray) -> Optimizer:
    """Make a fresh optimizer; `decays` says which values are weights, `(parameter_count,)`."""
    optimizer = SGD if settings.optimizer == "sgd" else Adam
    return optimizer(settings.step_size, weight_decay=settings.weight_decay, decays=decays)


def guessing_loss(loss: LossName, classes: int) -> float:
    """Loss of a row when every class gets the same probability: ln(classes) for cross-entropy."""
    losses, _ = LOSSES[loss](np.zeros((1, 1, classes)), np.zeros((1, 1), dtype=np.int64), None)
    return float(losses[0])


def class_weights(labels: IntArray, classes: int) -> Array:
    """Weight of a row of each class, 1 / its frequency, `(classes,)`; the mean over rows is 1."""
    counts = np.bincount(labels, minlength=classes)
    return len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def train(
    network: Network,
    features: Array,
    labels: IntArray,
    holdout: BoolArray,
    generators: Sequence[Generator],
    settings: TrainingSettings,
    on_epoch: Callable[[Epoch], None] | None = None,
    *,
    shared_epoch: bool = True,
    keeper: Keeper | None = None,
) -> History:
    """Train all networks in lockstep, in place, and leave them at their best epoch.

    After each epoch the holdout losses are averaged over the networks. The weights of the best
    epoch (one and the same for all networks, so that the choice barely flatters any of them) are
    kept. Without any holdout row, training runs to the last epoch and keeps that.

    Parameters
    ----------
    network
        Freshly started networks; changed in place.
    features
        `(rows, features)`.
    labels
        Integer labels, `(rows,)`.
    holdout
        `(networks, rows)`; rows that a network must not train on.
    generators
        One for each network: the order of its rows.
    settings
        Epochs, patience, batch size, optimizer, loss and balance are used here.
    on_epoch
        Called after each epoch.
    shared_epoch
        Whether all networks keep the same epoch. If not, each keeps the one it would have kept
        alone, whatever other networks run beside it.
    keeper
        Where a long training is kept, and resumed from.

    Raises
    ------
    TrainingError
        If a loss becomes NaN or infinite.
    """
    state = TrainingState.start(network, generators, settings)
    if keeper is not None:
        keeper.resume(state)
    row_losses, slopes = ROW_LOSSES[settings.loss], SLOPES[settings.loss]
    classes = network.layers[-1].parameters[-1].values.shape[-1]
    weights = class_weights(labels, classes)[labels] if settings.balanced else None
    batch_size = settings.batch_size_for(len(labels))
    rows = Rows(network, features, labels, classes, weights, batch_size)
    training_rows = [np.flatnonzero(~held_out) for held_out in holdout]
    holdout_rows, is_real = padded(holdout)
    watched: BoolArray = np.asarray(holdout.any(axis=1))
    while len(state.epochs) < settings.epochs:
        waiting = state.waiting(settings.patience)
        if not waiting.any():
            break
        training, judged = _Figures(row_losses, network), _Figures(row_losses, network)
        for part in rows.parts(shuffled(training_rows, generators)):
            logits = _take_steps(network, state.optimizer, slopes, part, batch_size)
            training.add(logits, part)
        for part in rows.parts(holdout_rows, is_real):
            judged.add(network.forward_prepared(part.inputs), part)
        holdout_loss = judged.loss
        epoch = Epoch(training.loss, training.accuracy, holdout_loss, judged.accuracy)
        state.epochs.append(epoch)
        _refuse_infinite(state, waiting, watched, settings)
        if shared_epoch and watched.any():
            holdout_loss = np.full(len(network), holdout_loss[watched].mean())
        state.keep_the_better(holdout_loss, waiting)
        if keeper is not None:
            keeper.keep(state)
        if on_epoch is not None:
            on_epoch(epoch)
    network.values[...] = state.best_values
    return History.of(state.epochs, state.best_epochs)


def _take_steps(
    network: Network, optimizer: Optimizer, slopes: Slopes, part: Part, batch_size: int
) -> Array:
    """Take a step for each batch; return the raw outputs that each batch had before its step."""
    logits = []
    for start in range(0, part.inputs.shape[1], batch_size):
        batch = np.s_[:, start : start + batch_size]
        weights = None if part.weights is None else part.weights[batch]
        logits.append(network.forward_prepared(part.inputs[batch]))
        network.backward(slopes(logits[-1], part.observed[batch], weights))
        optimizer.step(network.values, network.gradients)
    return np.concatenate(logits, axis=1)


class _Figures:
    """Loss and accuracy of each network, `(networks,)`, summed up part by part."""

    def __init__(self, row_losses: RowLosses, network: Network) -> None:
        self._row_losses = row_losses
        self._losses, self._weights, self._hits, self._rows = np.zeros((4, len(network)))

    def add(self, logits: Array, part: Part) -> None:
        """Add rows; one of weight 0 does not count."""
        weights = np.ones(part.labels.shape) if part.weights is None else part.weights
        counts = weights > 0
        self._losses += (self._row_losses(logits, part.observed) * weights).sum(axis=1)
        self._weights += weights.sum(axis=1)
        self._hits += ((logits.argmax(axis=-1) == part.labels) & counts).sum(axis=1)
        self._rows += counts.sum(axis=1)

    @property
    def loss(self) -> Array:
        """Weighted mean over the rows; NaN where there are none."""
        return self._losses / self._weights

    @property
    def accuracy(self) -> Array:
        """Share of right answers; NaN where there are no rows."""
        return self._hits / self._rows


def _refuse_infinite(
    state: TrainingState, waiting: BoolArray, watched: BoolArray, settings: TrainingSettings
) -> None:
    """Raise if a network that is still waiting for a better epoch has gone astray."""
    loss, _, holdout_loss, _ = state.epochs[-1]
    is_sound = np.isfinite(loss) & np.isfinite(state.network.values).all(axis=1)
    is_sound &= np.isfinite(holdout_loss) | ~watched
    if is_sound[waiting].all():
        return
    advice = LEARNING_RATES[settings.optimizer]
    if settings.step_size > advice:
        reason = f"the learning rate {settings.step_size:g} is too large: try {advice:g}"
    else:
        reason = f"try a learning rate below {settings.step_size:g}"
    raise TrainingError(f"the loss became infinite in epoch {len(state.epochs)}: {reason}")
