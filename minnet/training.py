"""Training: the loop, and the history it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.batches import Rows, padded, shuffled
from minnet.errors import TrainingError
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


class Epoch(NamedTuple):
    """What one pass over the rows came to, for each network; every array is `(networks,)`.

    The training figures are means over the epoch's batches, taken while the weights moved; the
    holdout figures are taken after it (NaN for a network without a holdout). Losses of
    cross-entropy are in nats per row.
    """

    training_loss: Array
    training_accuracy: Array
    holdout_loss: Array
    holdout_accuracy: Array


@dataclass(frozen=True, eq=False)
class History:
    """Loss and accuracy of every epoch and network, all `(epochs, networks)`, float32.

    Attributes
    ----------
    best_epochs
        For each network the epoch whose weights were kept, counted from 1, `(networks,)`.
    """

    training_loss: Array
    training_accuracy: Array
    holdout_loss: Array
    holdout_accuracy: Array
    best_epochs: IntArray

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights were kept, where all networks share one."""
        return int(self.best_epochs.max())

    @classmethod
    def of(cls, epochs: Sequence[Epoch], best_epochs: IntArray) -> History:
        """Stack the epochs."""
        return cls(
            **{
                name: np.stack([getattr(epoch, name) for epoch in epochs]).astype(np.float32)
                for name in Epoch._fields
            },
            best_epochs=best_epochs,
        )


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

    Raises
    ------
    TrainingError
        If a loss becomes NaN or infinite.
    """
    optimizer = make_optimizer(settings, network.decays)
    row_losses, slopes = ROW_LOSSES[settings.loss], SLOPES[settings.loss]
    classes = network.layers[-1].parameters[-1].values.shape[-1]
    weights = class_weights(labels, classes)[labels] if settings.balanced else None
    rows = Rows(network, features, labels, classes, weights, settings.batch_size)
    training_rows = [np.flatnonzero(~held_out) for held_out in holdout]
    holdout_rows, is_real = padded(holdout)
    watched: BoolArray = np.asarray(holdout.any(axis=1))
    best_losses = np.full(len(network), np.inf)
    best_epochs = np.zeros(len(network), dtype=np.int64)
    best_values = network.values.copy()
    epochs: list[Epoch] = []
    while len(epochs) < settings.epochs:
        waiting = len(epochs) - best_epochs < settings.patience
        if not waiting.any():
            break
        training, judged = _Figures(row_losses, network), _Figures(row_losses, network)
        for part in rows.parts(shuffled(training_rows, generators)):
            logits = _take_steps(network, optimizer, slopes, part, settings.batch_size)
            training.add(logits, part)
        for part in rows.parts(holdout_rows, is_real):
            judged.add(network.forward_prepared(part.inputs), part)
        holdout_loss = judged.loss
        epochs.append(Epoch(training.loss, training.accuracy, holdout_loss, judged.accuracy))
        _refuse_infinite(epochs, watched, settings)
        if on_epoch is not None:
            on_epoch(epochs[-1])
        if shared_epoch and watched.any():
            holdout_loss = np.full(len(network), holdout_loss[watched].mean())
        better = (holdout_loss < best_losses - SMALLEST_GAIN) | np.isnan(holdout_loss)
        better &= waiting
        best_losses[better] = holdout_loss[better]
        best_epochs[better] = len(epochs)
        best_values[better] = network.values[better]
    network.values[...] = best_values
    return History.of(epochs, best_epochs)


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
    epochs: Sequence[Epoch], watched: BoolArray, settings: TrainingSettings
) -> None:
    loss, _, holdout_loss, _ = epochs[-1]
    if np.isfinite(loss).all() and np.isfinite(holdout_loss[watched]).all():
        return
    advice = LEARNING_RATES[settings.optimizer]
    if settings.step_size > advice:
        reason = f"the learning rate {settings.step_size:g} is too large: try {advice:g}"
    else:
        reason = f"try a learning rate below {settings.step_size:g}"
    raise TrainingError(f"the loss became infinite in epoch {len(epochs)}: {reason}")
