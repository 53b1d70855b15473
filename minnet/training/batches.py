"""Which rows each network sees, in which order, a few batches at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.network.losses import one_hot
from minnet.network.network import Network
from minnet.training.settings import TrainingSettings

if TYPE_CHECKING:
    from numpy.random import Generator

MOST_ROWS_OF_A_BLOCK = 512
MOST_NUMBERS_OF_A_BLOCK = 2**15
MOST_NUMBERS_PREPARED = 2**24


class LabelledRows(NamedTuple):
    """The labelled rows of a table, and which of them each network holds out.

    Attributes
    ----------
    features
        `(rows, features)`.
    labels
        Integer labels, `(rows,)`.
    holdout
        `(networks, rows)`; rows that a network must not train on.
    weights
        How much each row counts, `(rows,)`; `None` counts all alike.
    """

    features: Array
    labels: IntArray
    holdout: BoolArray
    weights: Array | None = None

    @property
    def folds(self) -> IntArray:
        """What tells the rows that a network holds out from others, `(networks,)`; -1 for none.

        No two folds have a row in common, so the first row of each does.
        """
        return np.where(self.holdout.any(axis=1), self.holdout.argmax(axis=1), -1)


class Order(NamedTuple):
    """Which rows each network takes, one after the other; both arrays `(networks, rows)`.

    Attributes
    ----------
    rows
        Indices of the rows.
    is_real
        Which of them are no padding; `None` if none is.
    """

    rows: IntArray
    is_real: BoolArray | None = None

    @classmethod
    def shuffled(cls, own_rows: Sequence[IntArray], generators: Sequence[Generator]) -> Order:
        """Put each network's rows into a fresh order.

        All networks take equally many steps: one with a row less than the longest sees one of its
        rows, another in each epoch, twice.
        """
        steps = np.arange(max(len(rows) for rows in own_rows))
        pairs = zip(generators, own_rows, strict=True)
        orders = [generator.permutation(rows).take(steps, mode="wrap") for generator, rows in pairs]
        return cls(np.array(orders))

    def select(self, networks: slice | IntArray) -> Order:
        """Take those of some of the networks."""
        is_real = None if self.is_real is None else self.is_real[networks]
        return Order(self.rows[networks], is_real)


class RowBlock(NamedTuple):
    """Some rows for each network; all arrays are `(networks, rows, ...)`.

    `targets` are the one-hot labels; `weights` may be `None`: then all rows count alike.
    """

    features: Array
    labels: IntArray
    targets: Array
    weights: Array | None

    def repeated(self, prepared: Array, times: int) -> RowBlock:
        """Put in features that are prepared, and repeat all along the networks axis."""
        block = self._replace(features=prepared)
        return block if times == 1 else block._each(lambda array: np.concatenate([array] * times))

    def batches(self, size: int) -> Iterator[RowBlock]:
        """So many rows at a time; the last batch may be short."""
        for start in range(0, self.labels.shape[1], size):
            yield self._each(itemgetter(np.s_[:, start : start + size]))

    def _each(self, change: Callable[[Any], Any]) -> RowBlock:
        """Change each array."""
        arrays: Any = (None if array is None else change(array) for array in self)
        return RowBlock(*arrays)


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows of a table, and how training takes them.

    Attributes
    ----------
    features
        `(rows, features)`.
    labels
        Integer labels, `(rows,)`.
    classes
        How many classes there are.
    inputs
        How many numbers go into the first layer that learns.
    weights
        How much each row counts, `(rows,)`; `None` counts all alike.
    batch_size
        Rows of a batch.
    is_prepared
        Whether these are all rows as the first network gets them, then the second, ...
    """

    features: Array
    labels: IntArray
    classes: int
    inputs: int
    weights: Array | None
    batch_size: int
    is_prepared: bool = False

    @classmethod
    def of(
        cls, network: Network, rows: Any, of_classes: Array | None, batch_size: int
    ) -> TrainingRows:
        """Take features, labels and weights of rows, times the weights of classes, `(classes,)`."""
        classes = network.layers[-1].parameters[-1].values.shape[-1]
        inputs = network.prepare(rows.features[None, :1]).shape[-1]
        weights = rows.weights
        if of_classes is not None:
            weights = of_classes[rows.labels] * (1.0 if weights is None else weights)
        return cls(rows.features, rows.labels, classes, inputs, weights, batch_size)

    def prepared(self, network: Network) -> TrainingRows:
        """Prepare the rows for all epochs, if that takes little memory.

        Preparing them once, not in each epoch, saves time. They are left as they are where there is
        nothing to prepare, or that would take over 64 MB.
        """
        count = len(self.labels)
        shape = len(network), count, self.inputs
        if math.prod(shape) > MOST_NUMBERS_PREPARED or network.layers[0].parameters:
            return self
        inputs = np.empty(shape, network.values.dtype)
        for start in range(0, count, MOST_ROWS_OF_A_BLOCK):
            block = slice(start, start + MOST_ROWS_OF_A_BLOCK)
            inputs[:, block] = network.prepare(self.features[None, block])
        return replace(
            self,
            features=inputs.reshape(-1, self.inputs),
            labels=np.tile(self.labels, len(network)),
            weights=None if self.weights is None else np.tile(self.weights, len(network)),
            is_prepared=True,
        )

    def learned(self, holdout: BoolArray) -> list[IntArray]:
        """For each network, the rows it does not hold out, of a mask `(networks, rows)`."""
        starts = self._starts(holdout)
        return [np.flatnonzero(~own) + start for own, start in zip(holdout, starts, strict=True)]

    def held_out(self, holdout: BoolArray) -> Order:
        """For each network, the rows it holds out, of a mask `(networks, rows)`."""
        counts = holdout.sum(axis=1)
        is_real = np.arange(counts.max()) < counts[:, None]
        rows = np.zeros(is_real.shape, dtype=np.int64)
        rows[is_real] = np.nonzero(holdout)[1]
        return Order(rows + self._starts(holdout)[:, None], is_real)

    def _starts(self, holdout: BoolArray) -> IntArray:
        return np.arange(len(holdout)) * (holdout.shape[1] if self.is_prepared else 0)

    def blocks(self, order: Order) -> Iterator[RowBlock]:
        """Gather rows in their order, a few whole batches at a time.

        What can be done for many batches at once, such as scaling the inputs and taking the
        metrics, costs a tenth of what it costs batch by batch, and memory does not grow with the
        rows. How many must not depend on how many networks there are: a network alone has to add
        up its metrics in the same order as among others. Rows that are not real get the weight 0.
        """
        most = min(MOST_ROWS_OF_A_BLOCK, MOST_NUMBERS_OF_A_BLOCK // self.inputs)
        length = self.batch_size * max(1, most // self.batch_size)
        for start in range(0, order.rows.shape[1], length):
            block = np.s_[:, start : start + length]
            rows = order.rows[block]
            labels = self.labels[rows]
            weights = None if self.weights is None else self.weights[rows]
            if order.is_real is not None:
                weights = order.is_real[block] * (1.0 if weights is None else weights)
            targets = one_hot(labels, self.classes, np.float32)
            yield RowBlock(self.features.take(rows, axis=0), labels, targets, weights)


def class_weights(settings: TrainingSettings, class_counts: IntArray | Array) -> Array | None:
    """How much a row of each class counts, `(classes,)`; `None` counts all alike.

    Balanced is 1 / the frequency of the class: the mean over the rows is 1.
    """
    if settings.balanced:
        present = class_counts > 0
        return class_counts.sum() / (present.sum() * np.where(present, class_counts, 1))
    return None if settings.class_weights is None else np.array(settings.class_weights)
