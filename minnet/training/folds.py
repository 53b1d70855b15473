"""Which rows each network holds out, told from the rows themselves.

The rows of a class, sorted by key, are dealt to the folds in runs of equal length; a model keeps
the keys at which the runs begin. So the fold of any row, in any file, can be told later from the
row alone. A model also keeps its smallest keys, by which it knows its training rows again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet.arrays import Array, BoolArray, IntArray

SKETCH_SIZE = 4096
FEWEST_EXPECTED = 40
"""Of 40 rows that should be in the sketch if all of a table were known, of a table that is half
known none would be with a probability of 2^-40."""
LAST_KEY = np.iinfo(np.uint64).max


@dataclass(frozen=True, eq=False)
class Folds:
    """The folds of a training table, and a sketch of its rows.

    Attributes
    ----------
    limits
        `(strata, folds - 1)` unsigned: the smallest key of each run but the first. A stratum is a
        class, or, if whole groups are dealt, all rows together.
    first
        `(strata,)`: the fold of each stratum's first run; the next run is in the next fold.
    sketch
        The smallest keys of the training rows, ascending, at most 4,096.
    rows
        How many labelled rows the training table had.
    """

    limits: IntArray
    first: IntArray
    sketch: IntArray
    rows: int

    def __len__(self) -> int:
        """How many folds."""
        return self.limits.shape[1] + 1

    def __repr__(self) -> str:
        return f"<Folds: {len(self)} of {self.rows:,} rows>"

    def of(self, keys: IntArray, labels: IntArray) -> IntArray:
        """Fold of each row, `(rows,)`, told from its key (or its group's) and its integer label."""
        runs = np.empty(len(keys), dtype=np.int64)
        strata = labels if len(self.limits) > 1 else np.zeros_like(labels)
        for stratum, limits in enumerate(self.limits):
            own = strata == stratum
            runs[own] = np.searchsorted(limits, keys[own], side="right")
        return (runs + self.first[strata]) % len(self)

    @property
    def is_exact(self) -> bool:
        """Whether the sketch holds all training rows."""
        return len(self.sketch) == self.rows

    def known(self, keys: IntArray) -> Array | None:
        """How likely each of these rows was a training row, `(rows,)`, in 0..1.

        Of up to 4,096 training rows each one is known: 0 or 1. Of more, the rows with the smallest
        keys stand for all. `None` if these are too few to tell.
        """
        known = np.isin(keys, self.sketch)
        if self.is_exact:
            return known.astype(np.float64)
        if not known.any() and len(keys) * len(self.sketch) < FEWEST_EXPECTED * self.rows:
            return None
        comparable = keys <= self.sketch[-1]
        share = known.sum() / max(1, comparable.sum())
        return np.where(comparable, known, share)


def deal(keys: IntArray, labels: IntArray, folds: int, groups: IntArray | None = None) -> Folds:
    """Deal rows to folds, each class spread evenly over them.

    Parameters
    ----------
    keys
        One for each row, `(rows,)`.
    labels
        Integer labels, `(rows,)`.
    folds
        How many; with groups at most as many as there are.
    groups
        Key of each row's group, `(rows,)`: whole groups are dealt, whatever their classes.

    Raises
    ------
    DataError
        If all rows are of one group.
    """
    if groups is None:
        strata = [np.sort(keys[labels == label]) for label in range(labels.max() + 1)]
    else:
        strata = [np.unique(groups)]
        folds = _folds_of_groups(folds, len(strata[0]))
    return _deal(strata, list(map(len, strata)), folds, np.sort(keys)[:SKETCH_SIZE], len(keys))


def _folds_of_groups(folds: int, groups: int) -> int:
    if groups == 1:
        raise DataError("all rows are of one group: `group` needs a column of two values or more")
    return min(folds, groups)


def _deal(
    strata: Sequence[IntArray], counts: Sequence[int], folds: int, sketch: IntArray, rows: int
) -> Folds:
    """Deal strata, given all their keys, ascending, or only the smallest of so many."""
    limits = np.full((len(strata), folds - 1), LAST_KEY, dtype=np.uint64)
    first = np.zeros(len(strata), dtype=np.int64)
    longer = 0  # runs that are longer by one are spread over the folds as well
    for stratum, (ordered, count) in enumerate(zip(strata, counts, strict=True)):
        runs = np.arange(1, folds)
        if len(ordered) < count:  # keys are spread evenly
            limits[stratum] = runs.astype(np.uint64) * np.uint64(LAST_KEY // folds)
            continue
        length, rest = divmod(count, folds)
        starts = length * runs + np.minimum(runs, rest)
        inside = starts < count
        limits[stratum, inside] = ordered[starts[inside]]
        first[stratum] = longer % folds
        longer += rest
    return Folds(limits, first, sketch, rows)


@dataclass(frozen=True, eq=False)
class KeySketch:
    """What it takes to deal the rows of a table without having them all in one place.

    Attributes
    ----------
    counts
        Rows of each class, `(classes,)`.
    smallest
        For each class its smallest keys, ascending, at most 4,096.
    groups
        The smallest keys of groups, ascending, each once, at most 4,096; `None` without groups.
    """

    counts: IntArray
    smallest: tuple[IntArray, ...]
    groups: IntArray | None = None

    @classmethod
    def of(
        cls, keys: IntArray, labels: IntArray, classes: int, groups: IntArray | None = None
    ) -> KeySketch:
        """Sketch the rows of a part of a table; see `deal`."""
        smallest = (np.sort(keys[labels == label])[:SKETCH_SIZE] for label in range(classes))
        some_groups = None if groups is None else np.unique(groups)[:SKETCH_SIZE]
        return cls(np.bincount(labels, minlength=classes), tuple(smallest), some_groups)

    def merge(self, other: KeySketch) -> KeySketch:
        """Take in another part's rows."""
        pairs = zip(self.smallest, other.smallest, strict=True)
        smallest = (np.sort(np.concatenate(pair))[:SKETCH_SIZE] for pair in pairs)
        groups = None
        if self.groups is not None and other.groups is not None:
            groups = np.union1d(self.groups, other.groups)[:SKETCH_SIZE]
        return KeySketch(self.counts + other.counts, tuple(smallest), groups)

    def deal(self, folds: int) -> Folds:
        """Deal the rows as `deal` does, but at even spaces if not all keys are kept."""
        counts = self.counts.tolist()
        sketch = np.sort(np.concatenate(self.smallest))[:SKETCH_SIZE]
        if self.groups is None:
            return _deal(self.smallest, counts, folds, sketch, sum(counts))
        known = len(self.groups)
        # Where as many are kept as may be, there may have been more.
        count = known + 1 if known == SKETCH_SIZE else known
        return _deal([self.groups], [count], _folds_of_groups(folds, known), sketch, sum(counts))


def holdout_masks(fold_of_row: IntArray, networks: int, folds: int) -> BoolArray:
    """Which rows each network never trains on, `(networks, rows)`.

    Network k holds out fold k, and begins again with fold 0 where there are more networks.
    """
    return np.equal(np.arange(networks)[:, None] % folds, fold_of_row)


@dataclass(frozen=True)
class FileFolds:
    """The folds of a model of format version 1, which knows its training file only as a whole.

    Attributes
    ----------
    sha256
        Of the file.
    seed
        Of the shuffling that dealt its rows.
    count
        How many folds.
    """

    sha256: str
    seed: int
    count: int

    def __len__(self) -> int:
        """How many folds."""
        return self.count

    def of(self, labels: IntArray) -> IntArray:
        """Fold of each labelled row in the order of the file, `(rows,)`.

        The shuffling takes raw bits of PCG64, which numpy promises never to change.
        """
        keys = np.random.PCG64(self.seed).random_raw(len(labels))
        fold_of_row = np.empty(len(labels), dtype=np.int64)
        fold_of_row[np.lexsort((keys, labels))] = np.arange(len(labels)) % self.count
        return fold_of_row


def training_rows(holdout: BoolArray) -> list[IntArray]:
    """For each network, the indices of the rows it does not hold out, ascending."""
    return [np.flatnonzero(~held_out) for held_out in holdout]
