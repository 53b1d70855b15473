"""What training and evaluation take from a table: features, labels, and what tells rows apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.errors import plural

if TYPE_CHECKING:
    from minnet.arrays import Array, IntArray


@dataclass(frozen=True, eq=False)
class Examples:
    """The labelled rows of a table, as training and evaluation take them.

    Ordered by content, label and exact value: the same rows, in whatever order a file has them,
    are the same examples.

    Attributes
    ----------
    features
        `(labelled, features)`, float64, NaN where missing.
    labels
        Integer labels, `(labelled,)`.
    rows
        Which rows of the table these are, counted from 0, `(labelled,)`.
    contents, wholes
        Keys of the features, `(labelled,)`, by which a row is known again; see
        `minnet.data.keys.Keys`. The contents ascend.
    occurrences
        How many rows with equal features and label come before, `(labelled,)`.
    groups
        Key of each row's cell in the group column, `(labelled,)`; `None` without one.
    is_coarse
        Whether many rows repeat others, and no column has more different cells than a tenth of the
        rows: then new rows equal known ones by accident.
    """

    features: Array
    labels: IntArray
    rows: IntArray
    contents: IntArray
    wholes: IntArray
    occurrences: IntArray
    groups: IntArray | None = None
    is_coarse: bool = False

    def without_repeats(self) -> Examples:
        """Keep the first of each set of rows with the same content."""
        return self.select(np.flatnonzero(self.occurrences == 0))

    @property
    def repeats(self) -> int:
        """How many rows repeat others."""
        return int(np.count_nonzero(self.occurrences))

    def select(self, rows: IntArray) -> Examples:
        """Take some of the examples, by their indices."""
        arrays: dict[str, Any] = {
            name: array[rows] for name, array in vars(self).items() if isinstance(array, np.ndarray)
        }
        return replace(self, **arrays)

    def class_counts(self, classes: int) -> IntArray:
        """Count the rows of each class, `(classes,)`."""
        return np.bincount(self.labels, minlength=classes)

    def __len__(self) -> int:
        """How many labelled rows."""
        return len(self.labels)

    def __repr__(self) -> str:
        return (
            f"<Examples: {plural(len(self), 'row')}, {plural(self.features.shape[1], 'feature')}>"
        )
