"""Log losses of rows whose cells are shuffled, one column after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minnet.model.model import PREDICTED_AT_ONCE, finite_probabilities
from minnet.model.network_document import check_layers
from minnet.network.bins import preparation_of
from minnet.network.layers import Dense

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet.arrays import Array, IntArray
    from minnet.network.layers import Layer
    from minnet.network.network import Network


def losses_of_group(
    network: Network,
    features: Array,
    labels: IntArray,
    columns: Sequence[slice],
    group: tuple[slice, IntArray, IntArray],
) -> tuple[Array, Array]:
    """Do what `_losses` does for some networks, some rows and their shuffles."""
    networks, rows, sources = group
    return _losses(network.select(networks), features[rows], labels[rows], columns, sources)


def _losses(
    network: Network, features: Array, labels: IntArray, columns: Sequence[slice], sources: IntArray
) -> tuple[Array, Array]:
    """Log losses, summed over the rows: of each network, then of the mean of their probabilities.

    A column's cells change a row's weighted sums in the first layer by the difference of the cells
    times the column's own weights, which is all that is computed anew for it.

    Parameters
    ----------
    features, labels
        `(rows, features)` and `(rows,)`.
    columns
        The features of each column.
    sources
        The row whose cells each row gets, `(shuffles, rows)`.

    Returns
    -------
    tuple
        Before shuffling, `(networks + 1,)`, and after, `(columns, networks + 1, shuffles)`.
    """
    learning = network.without_preparation()
    first, *rest = learning.layers
    check_layers(network.layers[: -len(rest) or None], "judged without a column")
    assert isinstance(first, Dense)
    networks, shuffles = len(network), len(sources)
    preparations = [preparation_of(network.layers, own) for own in columns]
    before = np.zeros(networks + 1)
    after = np.zeros((len(columns), networks + 1, shuffles))
    rows_at_once = max(1, PREDICTED_AT_ONCE // shuffles)
    for start in range(0, len(labels), rows_at_once):
        rows = slice(start, start + rows_at_once)
        inputs = network.prepare(features[None, rows])
        with np.errstate(over="ignore", invalid="ignore"):
            sums = first.forward(inputs)
        before += _row_losses(rest, sums, labels[rows]).sum(axis=-1)
        shape = (networks, shuffles, sums.shape[1], -1)
        repeated = np.tile(labels[rows], shuffles)
        for column, own in enumerate(columns):
            cells = features[:, own][sources[:, rows].ravel()]
            layers, places = preparations[column]
            changes = cells[None]
            for layer in layers:
                changes = layer.forward(changes)
            changes = changes.reshape(shape)
            changes -= inputs[:, None, :, places]
            with np.errstate(over="ignore", invalid="ignore"):
                moved = (
                    changes.reshape(networks, len(repeated), -1) @ first.weights.values[:, places]
                )
                moved.reshape(shape)[...] += sums[:, None]
            losses = _row_losses(rest, moved, repeated)
            after[column] += losses.reshape(networks + 1, shuffles, -1).sum(axis=-1)
    return before, after


def _row_losses(layers: Sequence[Layer], outputs: Array, labels: IntArray) -> Array:
    """Log loss of each row for each network, and for their mean, `(networks + 1, rows)`."""
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in layers:
            outputs = layer.forward(outputs)
    observed = finite_probabilities(outputs)[:, np.arange(len(labels)), labels]
    observed = np.concatenate([observed, observed.mean(axis=0, keepdims=True)])
    losses: Array = -np.log(np.maximum(observed, np.finfo(np.float64).tiny))
    return losses
