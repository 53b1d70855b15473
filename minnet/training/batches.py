"""Which rows each network sees, in which order, a few batches at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.network.losses import one_hot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import DTypeLike

    from minnet.arrays import Array, BoolArray, IntArray

ROWS_AT_ONCE = 512
NUMBERS_AT_ONCE = 2**15


def shuffled(training_rows: Sequence[IntArray], generators: Sequence[Generator]) -> IntArray:
    """Put each network's rows into a fresh order, `(networks, rows)`.

    All networks take equally many steps: one with a row less than the longest sees one of its
    rows, another in each epoch, twice.
    """
    steps = np.arange(max(len(rows) for rows in training_rows))
    orders = zip(generators, training_rows, strict=True)
    return np.stack(
        [generator.permutation(rows).take(steps, mode="wrap") for generator, rows in orders]
    )


def padded(holdout: BoolArray) -> tuple[IntArray, BoolArray]:
    """Rows that each network holds out, padded to equal length, and which of them are real."""
    counts = holdout.sum(axis=1)
    is_real = np.arange(counts.max()) < counts[:, None]
    rows = np.zeros(is_real.shape, dtype=np.int64)
    rows[is_real] = np.nonzero(holdout)[1]
    return rows, is_real


class Part(NamedTuple):
    """Some rows for each network; all arrays are `(networks, rows, ...)`."""

    features: Array
    labels: IntArray
    observed: Array
    weights: Array | None


class Rows:
    """Gathers rows of the table for the networks, a few whole batches at a time.

    What can then be done for many batches at once, such as scaling the inputs and taking the
    figures, costs a tenth of what it costs batch by batch, and memory does not grow with the rows.
    How many must not depend on how many networks there are: a network alone has to add up its
    figures in the same order as among others.
    """

    def __init__(
        self,
        features: Array,
        labels: IntArray,
        classes: int,
        weights: Array | None,
        batch_size: int,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._features = features
        self._labels = labels
        self._classes = classes
        self._dtype = np.dtype(dtype)
        self._weights = None if weights is None else weights.astype(self._dtype)
        rows = min(ROWS_AT_ONCE, NUMBERS_AT_ONCE // features.shape[1])
        self._length = batch_size * max(1, rows // batch_size)

    def parts(self, rows: IntArray, is_real: BoolArray | None = None) -> Iterator[Part]:
        """Rows `(networks, rows)` in their order; those that are not real get the weight 0."""
        for start in range(0, rows.shape[1], self._length):
            part = np.s_[:, start : start + self._length]
            labels = self._labels[rows[part]]
            weights = None if self._weights is None else self._weights[rows[part]]
            if is_real is not None:
                weights = is_real[part] * (self._dtype.type(1) if weights is None else weights)
            yield Part(
                self._features.take(rows[part], axis=0),
                labels,
                one_hot(labels, self._classes, self._dtype),
                weights,
            )
