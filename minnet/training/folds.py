"""Which rows each network holds out, told from the rows themselves.

A model keeps by which features and label it knows a row of its training table again, and how often
that stood there. So the fold of any row, in any file, can be told later from the row alone: a row
of the training table goes to the fold it was in then, as do its copies, unless the training table
had as many.

Of up to 4,096 rows all are kept, and dealt round robin, sorted by label. Of more, the upper bits of
a row's key are its fold; kept are those with the smallest keys, by which a file that shares rows
with the training table is known, and those that occur twice or more. (Copies of others share a
fold.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.data.encoding import Examples
from minnet.data.keys import GroupSums, mixed, occurrences, with_labels
from minnet.errors import DataError, ModelError

MOST_KEPT = 4096
FEWEST_OF_A_FOLD = 32
"""Keys of a fold, on average, where the fold is the upper bits of a key: none is left empty."""
FEWEST_COMPARED = 40
"""Of 40 rows that would be known if all of a table were, of a table that is half known none would
be with a probability of 2^-40."""
LAST_KEY = 2**64 - 1
COPY = np.uint64(0x9E3779B97F4A7C15)
MOST_BY_ACCIDENT = 0.1


class Entries(NamedTuple):
    """Rows with the same content and label, as one entry; `(entries,)` each.

    Attributes
    ----------
    contents, wholes
        See `minnet.data.keys.Keys`. Entries are sorted by content, then label.
    labels
        Integer labels.
    copies
        How many rows there are; of a table in parts, the most that one part has.
    """

    contents: Annotated[IntArray, "uint64", 1]
    labels: Annotated[IntArray, "int64", 1]
    wholes: Annotated[IntArray, "uint64", 1]
    copies: Annotated[IntArray, "int64", 1]

    def merged(self, combine: np.ufunc) -> Entries:
        """Make one entry of those that are equal, in order; say how their copies are combined."""
        order = np.lexsort((self.wholes, self.labels, self.contents))
        ordered = Entries(*(part[order] for part in self))
        differs = [part[1:] != part[:-1] for part in ordered[:3]]
        starts = np.flatnonzero(np.concatenate([[True], np.any(differs, axis=0)]))
        copies = combine.reduceat(ordered.copies, starts)
        return ordered.select(starts)._replace(copies=copies)

    def select(self, some: IntArray | BoolArray) -> Entries:
        """Take some of the entries."""
        return Entries(*(part[some] for part in self))

    def find(self, contents: IntArray, labels: IntArray | None, wholes: IntArray) -> IntArray:
        """Find the entry of each row, `(rows,)`; -1 where there is none.

        Rather one with the row's label, if it has any, than another. Whole numbers that float32
        does not hold must be those of the entry, unless one of the two was saved as float32.
        """
        found = np.full(len(contents), -1)
        own, theirs = self.contents + self.wholes, contents + wholes
        tries: list[tuple[IntArray, IntArray, BoolArray]]
        tries = [(own, theirs, np.ones(len(found), np.bool_))]
        if self.wholes.any() or wholes.any():
            tries += [(own, contents, tries[0][2]), (self.contents, contents, wholes == 0)]
        for of_rows in (None,) if labels is None else (labels, None):
            for entries, rows, allowed in tries:
                open_rows = np.flatnonzero((found < 0) & allowed)
                wanted = rows[open_rows]
                if of_rows is not None:
                    entries = with_labels(entries, self.labels)
                    wanted = with_labels(wanted, of_rows[open_rows])
                found[open_rows] = _places(entries, wanted)
        return found


def _places(keys: IntArray, wanted: IntArray) -> IntArray:
    """Index of the first of the keys that equals each wanted one, `(wanted,)`; or -1."""
    if not len(keys):
        return np.full(len(wanted), -1)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    places = np.minimum(np.searchsorted(ordered, wanted), len(keys) - 1)
    return np.where(ordered[places] == wanted, order[places], -1)


def _upper(keys: IntArray, folds: int) -> IntArray:
    """Make folds of the upper bits of keys, `(rows,)`."""
    upper: IntArray = (keys >> np.uint64(32)) * np.uint64(folds) >> np.uint64(32)
    return upper.astype(np.int64)


class Places(NamedTuple):
    """Where rows belong, `(rows,)` each.

    Attributes
    ----------
    folds
        -1 where the training table has no such group.
    entries
        Index of the entry of `Folds.entries`; -1 where there is none.
    keys
        The same for rows that are one row of the training table, copies of it. Those of rows that
        the training table has once are their contents: they have folds in a large table whether or
        not they are kept.
    """

    folds: IntArray
    entries: IntArray
    keys: IntArray


@dataclass(frozen=True, eq=False)
class Folds:
    """The folds of a training table, and by what its rows are known again.

    Attributes
    ----------
    count
        How many folds.
    rows
        How many labelled rows the training table had.
    repeated
        How many of these have the features and the label of others.
    is_coarse
        See `minnet.data.encoding.Examples`.
    entries
        Of all rows with keys below the limit, and of those that occur twice or more.
    limit
        2^64 - 1 if all rows are kept.
    groups, fold_of_group
        Of whole groups that were dealt: keys, ascending, and the fold of each, `(groups,)`. Of over
        4,096 groups none is kept: the upper bits of the key are the fold. `None` without groups.
    """

    count: int
    rows: int
    repeated: int
    is_coarse: bool
    entries: Entries
    limit: int
    groups: Annotated[IntArray, "uint64", 1] | None = None
    fold_of_group: Annotated[IntArray, "int64", 1] | None = None

    def __post_init__(self) -> None:
        """Check that all fits together."""
        contents, labels, _, copies = self.entries
        groups, folds = self.groups, self.fold_of_group
        if (
            len({len(part) for part in self.entries}) != 1
            or not 1 <= len(contents) <= min(self.rows, 2 * MOST_KEPT)
            or self.count < 1
            or not 0 <= self.repeated <= self.rows
            or (contents[1:] < contents[:-1]).any()
            or labels.min() < 0
            or copies.min() < 1
            or copies.sum() > self.rows
            or not 0 <= self.limit <= LAST_KEY
            or (self.rows <= MOST_KEPT and self.limit != LAST_KEY)
            or (groups is None) != (folds is None)
        ):
            raise ModelError("its folds do not fit together")
        if groups is None or folds is None:
            return
        if (
            not len(groups) == len(folds) <= MOST_KEPT
            or (groups[1:] <= groups[:-1]).any()
            or not np.isin(folds, np.arange(self.count)).all()
        ):
            raise ModelError("its groups do not fit together")

    def __len__(self) -> int:
        """How many folds."""
        return self.count

    def __repr__(self) -> str:
        return f"<Folds: {len(self)} of {self.rows:,} rows>"

    @property
    def is_exact(self) -> bool:
        """Whether all training rows are kept."""
        return self.limit == LAST_KEY

    def place(self, examples: Examples) -> Places:
        """Tell where each example belongs from its keys, its label and the key of its group.

        Rows that have the features of a training row but another label are that row.
        """
        contents, labels, groups = examples.contents, examples.labels, examples.groups
        found = self.entries.find(contents, labels, examples.wholes)
        at = np.flatnonzero(found >= 0)
        entries = found[at]
        # Rows with the label of their entry take the first turns.
        others = np.argsort(self.entries.labels[entries] != labels[at], kind="stable")
        turns = np.empty_like(entries)
        turns[others] = occurrences(entries[others])
        turns %= self.entries.copies[entries]
        keys = contents.copy()
        own = with_labels(self.entries.contents + self.entries.wholes, self.entries.labels)[entries]
        is_one_of_several = self.entries.copies[entries] > 1
        keys[at[is_one_of_several]] = mixed(own + turns.astype(np.uint64) * COPY)[is_one_of_several]
        if groups is None:
            folds = _upper(keys, self.count)
            if self.rows <= MOST_KEPT:  # the rows of all entries were dealt by label
                by_label = np.argsort(self.entries.labels, kind="stable")
                dealt, first_turns = self.entries.copies[by_label], np.empty_like(by_label)
                first_turns[by_label] = dealt.cumsum() - dealt
                folds[at] = (first_turns[entries] + turns) % self.count
        elif self.groups is None or self.fold_of_group is None:
            folds = _upper(groups, self.count)
        else:
            group = _places(self.groups, groups)
            folds = np.where(group < 0, -1, self.fold_of_group[group])
        return Places(folds, found, keys)

    def is_compared(self, contents: IntArray) -> BoolArray:
        """Of which rows it can be told whether they were training rows, `(rows,)`."""
        compared: BoolArray = (contents < np.uint64(self.limit)) | self.is_exact
        return compared

    def known(self, contents: IntArray, entries: IntArray) -> Array | None:
        """How likely each of these rows was a training row, `(rows,)`, in 0..1.

        If all training rows are kept: 0 or 1. Else the rows with keys below the limit stand for all
        others. `None` if these are too few to tell.

        Parameters
        ----------
        contents, entries
            Of the rows: see `place`.
        """
        known = (entries >= 0).astype(np.float64)
        if self.is_exact:
            return known
        rest = np.ones(len(known), np.bool_)
        rest[entries >= 0] = self.entries.copies[entries[entries >= 0]] == 1
        compared = rest & self.is_compared(contents)
        if not known.any() and np.count_nonzero(compared) < FEWEST_COMPARED:
            return None
        share = known[compared].mean() if compared.any() else known.mean()
        return np.where(rest & ~compared, share, known)

    def is_new_table(self, contents: IntArray, labels: IntArray, entries: IntArray) -> bool:
        """Whether so few rows are known that they are so by accident, as those of coarse tables.

        A row drawn anew has the features and the label of a training row as often as one training
        row has those of another (Good 1953). With n judged and N training rows, the share of known
        ones is that chance p, give or take the square root of p (1 - p) (1/N + 2/n).

        References
        ----------
        Good (1953), "The population frequencies of species and the estimation of population
        parameters".
        """
        chance = self.repeated / self.rows
        if not self.is_coarse or chance <= MOST_BY_ACCIDENT:
            return False
        compared = self.is_compared(contents)
        rows = max(1, int(np.count_nonzero(compared)))
        known = (entries >= 0) & (self.entries.labels[entries] == labels) & compared
        scatter = np.sqrt(chance * (1 - chance) * (1 / self.rows + 2 / rows))
        most = chance + min(2 * scatter, (1 - chance) / 2)
        return bool(np.count_nonzero(known) / rows < most)


@dataclass(frozen=True, eq=False)
class KeySketch:
    """What it takes to deal the rows of a table, mergeable over its parts.

    Attributes
    ----------
    rows, repeated, is_coarse, entries, limit
        See `Folds`.
    groups
        Sums of the integer labels; of more than 4,096 groups, one more than that is kept. `None`
        without groups.
    """

    rows: int
    repeated: int
    is_coarse: bool
    entries: Entries
    limit: int
    groups: GroupSums | None = None

    @classmethod
    def of(cls, examples: Examples) -> KeySketch:
        """Sketch the rows of a table, or of a part of one."""
        labels, groups = examples.labels, examples.groups
        ones = np.ones(len(labels), np.int64)
        entries = Entries(examples.contents, labels, examples.wholes, ones).merged(np.add)
        repeated = int(entries.copies[entries.copies > 1].sum())
        sums = None if groups is None else GroupSums.of(groups, 1.0 * ones, 1.0 * labels[None])
        is_coarse = examples.is_coarse
        return cls(len(labels), repeated, is_coarse, entries, LAST_KEY, sums)._bounded()

    def merge(self, other: KeySketch) -> KeySketch:
        """Take in another part's rows."""
        pairs = zip(self.entries, other.entries, strict=True)
        entries = Entries(*map(np.concatenate, pairs)).merged(np.maximum)
        groups = self.groups and other.groups and self.groups.merge(other.groups)
        return KeySketch(
            self.rows + other.rows,
            self.repeated + other.repeated,
            self.is_coarse and other.is_coarse,
            entries,
            min(self.limit, other.limit),
            groups,
        )._bounded()

    def _bounded(self) -> KeySketch:
        """Keep as many entries as may be, and the limit below which they are all there are."""
        contents, limit = self.entries.contents, self.limit
        groups = None if self.groups is None else self.groups.smallest(MOST_KEPT + 1)
        below = contents if limit == LAST_KEY else contents[contents < np.uint64(limit)]
        if len(below) > MOST_KEPT:
            limit = int(below[MOST_KEPT])
        if limit == LAST_KEY:
            return replace(self, groups=groups)
        is_kept = contents < np.uint64(limit)
        is_kept[np.flatnonzero(self.entries.copies > 1)[:MOST_KEPT]] = True
        return replace(self, entries=self.entries.select(is_kept), limit=limit, groups=groups)

    def deal(self, folds: int) -> Folds:
        """Deal the rows to so many folds, or whole groups to as many at most.

        Raises
        ------
        DataError
            If all rows are of one group.
        """
        count = folds if self.rows <= MOST_KEPT else min(folds, MOST_KEPT // FEWEST_OF_A_FOLD)
        dealt = Folds(count, self.rows, self.repeated, self.is_coarse, self.entries, self.limit)
        if self.groups is None:
            return dealt
        keys, rows, (label_sums,) = self.groups
        if len(keys) == 1:
            raise DataError(
                "all rows are of one group: `group` needs a column of two values or more"
            )
        if len(keys) > MOST_KEPT:
            return dealt
        fold_of_group = np.empty(len(keys), np.int64)
        count = min(folds, len(keys))
        fold_of_group[np.lexsort((keys, label_sums / rows))] = np.arange(len(keys)) % count
        return replace(dealt, count=count, groups=keys, fold_of_group=fold_of_group)


def holdout_masks(fold_of_row: IntArray, networks: int, folds: int) -> BoolArray:
    """Which rows each network never trains on, `(networks, rows)`.

    Network k holds out fold k, and begins again with fold 0 where there are more networks.
    """
    return np.equal(np.arange(networks)[:, None] % folds, fold_of_row)
