"""One epoch: every row once, batch by batch, and the figures it came to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.network.losses import (
    cross_entropy_of_rows,
    cross_entropy_slopes,
    softmax_cross_entropy,
    softmax_squared_residuals,
    squared_residuals_of_rows,
    squared_residuals_slopes,
)
from minnet.training.batches import Rows, padded
from minnet.training.history import Epoch

if TYPE_CHECKING:
    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.network.losses import FusedLoss, RowLosses, Slopes
    from minnet.network.network import Network
    from minnet.network.optimizers import Optimizer
    from minnet.training.batches import Part
    from minnet.training.settings import LossName, TrainingSettings


class Loss(NamedTuple):
    """A loss in three forms: fused with its slopes, row by row, and only its slopes."""

    fused: FusedLoss
    of_rows: RowLosses
    slopes: Slopes


LOSSES: dict[LossName, Loss] = {
    "cross-entropy": Loss(softmax_cross_entropy, cross_entropy_of_rows, cross_entropy_slopes),
    "squared-residuals": Loss(
        softmax_squared_residuals, squared_residuals_of_rows, squared_residuals_slopes
    ),
}


def class_weights(labels: IntArray, classes: int) -> Array:
    """Weight of a row of each class, 1 / its frequency, `(classes,)`; the mean over rows is 1."""
    counts = np.bincount(labels, minlength=classes)
    return len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))


@dataclass(eq=False)
class Runner:
    """Runs epochs: a step for each batch of training rows, then the figures on the holdout rows.

    Attributes
    ----------
    network, optimizer
        Change with each epoch.
    rows
        Of the whole table.
    holdout_rows, is_real
        Which rows each network is judged by, `(networks, rows)`; see `batches.padded`.
    """

    network: Network
    optimizer: Optimizer
    loss: Loss
    rows: Rows
    batch_size: int
    holdout_rows: IntArray
    is_real: BoolArray

    @classmethod
    def of(
        cls,
        network: Network,
        optimizer: Optimizer,
        features: Array,
        labels: IntArray,
        holdout: BoolArray,
        settings: TrainingSettings,
    ) -> Runner:
        """Make ready what all epochs share; see `training.train`."""
        classes = network.layers[-1].parameters[-1].values.shape[-1]
        weights = class_weights(labels, classes)[labels] if settings.balanced else None
        batch_size = settings.batch_size_for(len(labels))
        rows = Rows(features, labels, classes, weights, batch_size, network.values.dtype)
        return cls(network, optimizer, LOSSES[settings.loss], rows, batch_size, *padded(holdout))

    def part(self, networks: slice) -> Runner:
        """Run some of the networks: values and moments are views, so this runner's change too."""
        return replace(
            self,
            network=self.network.part(networks),
            optimizer=self.optimizer.part(networks),
            holdout_rows=self.holdout_rows[networks],
            is_real=self.is_real[networks],
        )

    def run(self, order: IntArray) -> Epoch:
        """Train on the rows in that order, `(networks, rows)`, and judge."""
        training, judged = (_Figures(self.loss.of_rows, len(self.network)) for _ in range(2))
        for part in self.rows.parts(order):
            training.add(self._take_steps(part), part)
        for part in self.rows.parts(self.holdout_rows, self.is_real):
            judged.add(self.network.forward(part.features), part)
        return Epoch(training.loss, training.accuracy, judged.loss, judged.accuracy)

    def _take_steps(self, part: Part) -> Array:
        """Take a step for each batch; return the raw outputs that it had before its step."""
        network = self.network
        inputs = network.prepare(part.features)
        logits = []
        for start in range(0, inputs.shape[1], self.batch_size):
            batch = np.s_[:, start : start + self.batch_size]
            weights = None if part.weights is None else part.weights[batch]
            logits.append(network.forward_prepared(inputs[batch]))
            network.backward(self.loss.slopes(logits[-1], part.observed[batch], weights))
            self.optimizer.step(network.values, network.gradients)
        return np.concatenate(logits, axis=1)


class _Figures:
    """Loss and accuracy of each network, `(networks,)`, summed up part by part."""

    def __init__(self, row_losses: RowLosses, networks: int) -> None:
        self._row_losses = row_losses
        self._losses, self._weights, self._hits, self._rows = np.zeros((4, networks))

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
