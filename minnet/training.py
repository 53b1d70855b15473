"""Training: the loop, and the history it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.errors import TrainingError
from minnet.optimizers import SGD, Adam, Optimizer
from minnet.settings import LEARNING_RATES, LossName, TrainingSettings
from minnet.softmax import softmax_cross_entropy, softmax_squared_residuals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator

    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.network import Network
    from minnet.softmax import Loss

LOSSES: dict[LossName, Loss] = {
    "cross-entropy": softmax_cross_entropy,
    "squared-residuals": softmax_squared_residuals,
}
SMALLEST_GAIN = 1e-5
ROWS_AT_ONCE = 4096


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
    loss = LOSSES[settings.loss]
    classes = network.layers[-1].parameters[-1].values.shape[-1]
    weights = class_weights(labels, classes)[labels] if settings.balanced else None
    training_rows = [np.flatnonzero(~held_out) for held_out in holdout]
    longest = max(len(rows) for rows in training_rows)
    watched = _Holdout(holdout, weights)
    best_losses = np.full(len(network), np.inf)
    best_epochs = np.zeros(len(network), dtype=np.int64)
    best_values = network.values.copy()
    epochs: list[Epoch] = []
    while len(epochs) < settings.epochs:
        waiting = len(epochs) - best_epochs < settings.patience
        if not waiting.any():
            break
        # All networks take equally many steps: one with a row less than the longest sees one of
        # its rows, another in each epoch, twice.
        order = np.stack(
            [
                np.resize(generator.permutation(rows), longest)
                for generator, rows in zip(generators, training_rows, strict=True)
            ]
        )
        losses, hits = np.zeros((2, len(network)))
        for start in range(0, longest, settings.batch_size):
            rows = order[:, start : start + settings.batch_size]
            logits = network.forward(features[rows])
            batch_losses, gradients = loss(
                logits, labels[rows], None if weights is None else weights[rows]
            )
            network.backward(gradients)
            optimizer.step(network.values, network.gradients)
            losses += batch_losses * rows.shape[1]
            hits += (logits.argmax(axis=-1) == labels[rows]).sum(axis=-1)
        holdout_loss, holdout_accuracy = watched.judge(network, features, labels, loss)
        epochs.append(Epoch(losses / longest, hits / longest, holdout_loss, holdout_accuracy))
        _refuse_infinite(epochs, watched.networks, settings)
        if on_epoch is not None:
            on_epoch(epochs[-1])
        if shared_epoch and watched.networks.any():
            holdout_loss = np.full(len(network), holdout_loss[watched.networks].mean())
        better = (holdout_loss < best_losses - SMALLEST_GAIN) | np.isnan(holdout_loss)
        better &= waiting
        best_losses[better] = holdout_loss[better]
        best_epochs[better] = len(epochs)
        best_values[better] = network.values[better]
    network.values[...] = best_values
    return History.of(epochs, best_epochs)


class _Holdout:
    """The rows each network holds out, padded to equal length with rows of weight 0."""

    def __init__(self, holdout: BoolArray, weights: Array | None) -> None:
        counts = holdout.sum(axis=1)
        self.networks: BoolArray = counts > 0
        self._rows = np.zeros((len(holdout), counts.max()), dtype=np.int64)
        real = np.arange(counts.max()) < counts[:, None]
        self._rows[real] = np.nonzero(holdout)[1]
        self._shares = real / np.maximum(counts, 1)[:, None]
        self._weights = real if weights is None else np.where(real, weights[self._rows], 0)

    def judge(
        self, network: Network, features: Array, labels: IntArray, loss: Loss
    ) -> tuple[Array, Array]:
        """Holdout loss and accuracy of each network, `(networks,)`; NaN without a holdout."""
        losses, hits = np.zeros((2, len(network)))
        totals = self._weights.sum(axis=1)
        for start in range(0, self._rows.shape[1], ROWS_AT_ONCE):
            part = np.s_[:, start : start + ROWS_AT_ONCE]
            rows, weights = self._rows[part], self._weights[part]
            logits = network.forward(features[rows])
            part_totals = weights.sum(axis=1)
            part_losses, _ = loss(logits, labels[rows], weights)
            losses += np.where(part_totals > 0, part_losses, 0) * part_totals
            hits += ((logits.argmax(axis=-1) == labels[rows]) * self._shares[part]).sum(axis=1)
        losses /= np.where(totals > 0, totals, np.nan)
        hits[~self.networks] = np.nan
        return losses, hits


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
