"""Which rows each network holds out, so that every row has a judge that never saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from minnet.arrays import BoolArray, IntArray


def stratified_folds(labels: IntArray, folds: int, seed: int = 0) -> IntArray:
    """Deal the rows into folds of equal size (or one less), each class spread evenly over them.

    Within a class the order is random. The shuffling takes raw bits of PCG64, which numpy promises
    never to change, so that a model's folds can be told again years later.

    Parameters
    ----------
    labels
        Integer labels, `(rows,)`.

    Returns
    -------
    IntArray
        The fold of each row, `(rows,)`, 0 to folds - 1.
    """
    keys = np.random.PCG64(seed).random_raw(len(labels))
    fold_of_row = np.empty(len(labels), dtype=np.int64)
    fold_of_row[np.lexsort((keys, labels))] = np.arange(len(labels)) % folds
    return fold_of_row


def holdout_masks(labels: IntArray, networks: int, folds: int, seed: int = 0) -> BoolArray:
    """Which rows each network never trains on, `(networks, rows)`.

    Network k holds out fold k, and begins again with fold 0 where there are more networks.
    """
    own_folds = np.arange(networks) % folds
    return np.equal(own_folds[:, None], stratified_folds(labels, folds, seed))


def training_rows(holdout: BoolArray) -> list[IntArray]:
    """For each network, the indices of the rows it does not hold out, ascending."""
    return [np.flatnonzero(~held_out) for held_out in holdout]
