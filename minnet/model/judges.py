"""Which networks may judge a row: those that never saw it, whatever became of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.data.keys import mixed, occurrences
from minnet.errors import plural
from minnet.model.intervals import variance_inflation
from minnet.training.folds import FEWEST_COMPARED, KeySketch, holdout_masks

if TYPE_CHECKING:
    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.data.examples import Examples
    from minnet.data.table import Table
    from minnet.model.model import Model
    from minnet.training.folds import Folds, Places
    from minnet.training.settings import TrainingSettings


@dataclass(frozen=True, eq=False)
class Split:
    """A training table dealt to the networks.

    Attributes
    ----------
    folds
        By which the fold of any row can be told later.
    fold_of_row
        `(labelled,)`.
    holdout
        Which examples each network never trains on, `(networks, labelled)`.
    """

    folds: Folds
    fold_of_row: IntArray
    holdout: BoolArray


@dataclass(frozen=True, eq=False)
class Judges:
    """Which networks judge each example, and what is known of these.

    Attributes
    ----------
    mask
        `(networks, labelled)`; an example that every network trained on has no judge.
    known
        How many of the judged examples were in the training table, exactly or about. `None` if that
        cannot be told.
    is_exact
        Whether that number is exact.
    is_new
        `(labelled,)`: which are sure to be new, in a group that is, too. All networks judge these.
    inflation
        How much larger the variance of a mean over the examples is than over independent ones.
    clusters
        Key of each example's group or, without groups, of the training row that it is,
        `(labelled,)`; `None` if all are rows of their own.
    copies
        How many examples are training rows that others are already.
    """

    mask: BoolArray
    known: int | None
    is_exact: bool
    is_new: BoolArray
    inflation: float = 1.0
    clusters: IntArray | None = None
    copies: int = 0

    @property
    def out_of_fold(self) -> bool:
        """Whether there are examples that only networks judge that never saw them or their like."""
        return not self.is_new.all()


def split(examples: Examples, settings: TrainingSettings) -> Split:
    """Deal a training table to the networks: each holds out another fold.

    Raises
    ------
    DataError
        If all rows are of one group.
    """
    folds = sketch(examples).deal(min(settings.folds, len(examples)))
    fold_of_row = place(folds, examples).folds
    return Split(folds, fold_of_row, holdout_masks(fold_of_row, settings.networks, len(folds)))


def sketch(examples: Examples, classes: int = 0) -> KeySketch:
    """Tell what it takes to deal the rows of a table, or of a part of one."""
    return KeySketch.from_rows(
        examples.contents,
        examples.labels,
        examples.wholes,
        classes,
        examples.groups,
        is_coarse=examples.is_coarse,
    )


def place(folds: Folds, examples: Examples) -> Places:
    """Tell where each example belongs."""
    return folds.place(examples.contents, examples.labels, examples.wholes, examples.groups)


def judges_of_split(split: Split, examples: Examples) -> Judges:
    """Let each example of the training table be judged by the networks that hold it out."""
    rows = len(examples)
    inflation = _inflation(split.holdout, split.fold_of_row, np.ones(rows), split.folds)
    is_new = np.zeros(rows, np.bool_)
    return Judges(split.holdout, rows, True, is_new, inflation, examples.groups)


def judges_of(model: Model, examples: Examples, *, new: bool = False) -> Judges:
    """Find the networks that may judge each example.

    A row of the training table is judged by the networks that held it out; a row that is sure to be
    new, in a group that is, by all. Where that cannot be told, by those that would have held it
    out. A coarse table of which no more is known than by accident is new as a whole.

    Parameters
    ----------
    new
        Whether all are new, whatever they look like.
    """
    networks, folds, rows = len(model.network), model.folds, len(examples)
    places = place(folds, examples)
    is_in_new_group = places.folds < 0 if examples.groups is not None else np.ones(rows, np.bool_)
    known = folds.known(examples.contents, places.entries)
    of_new_groups = (
        part[is_in_new_group] for part in (examples.contents, examples.labels, places.entries)
    )
    is_new = is_in_new_group & (known == 0 if known is not None else examples.groups is not None)
    if is_in_new_group.any() and folds.is_new_table(*of_new_groups):
        is_new = is_in_new_group
    if new or is_new.all():
        is_new = np.ones(rows, np.bool_)
        mask = np.ones((networks, rows), np.bool_)
        return Judges(mask, 0, True, is_new, clusters=examples.groups)
    mask = holdout_masks(places.folds, networks, len(folds)) | is_new
    likely = np.where(is_new, 0, 1 if known is None else known)
    # Copies of a training row count as that one row.
    keys = np.where(likely > 0, places.keys, mixed(np.arange(rows, dtype=np.uint64)))
    is_copy = occurrences(keys) > 0
    judged = mask.any(axis=0)
    total = None if known is None else round(float(likely[judged].sum()))
    if total == 0 and not folds.is_exact:
        total = 1
    inflation = _inflation(mask[:, ~is_copy], places.folds[~is_copy], likely[~is_copy], folds)
    copies = int(np.count_nonzero(is_copy))
    clusters = keys if examples.groups is None and copies else examples.groups
    return Judges(mask, total, folds.is_exact, is_new, inflation, clusters, copies)


class Known(NamedTuple):
    """How many rows of a table, labelled or not, have the features of training rows.

    Attributes
    ----------
    known
        Of the rows that can be told.
    compared
        How many can be told: all, or of a large training table those with small keys.
    rows
        How many there are.
    """

    known: int = 0
    compared: int = 0
    rows: int = 0

    def merge(self, other: Known) -> Known:
        """Take in other rows."""
        return Known(*(a + b for a, b in zip(self, other, strict=True)))

    def note(self, folds: Folds) -> str | None:
        """Tell of them in a sentence; `None` if there is none, as far as can be told."""
        if not self.known or self.compared < min(self.rows, FEWEST_COMPARED):
            return None
        about = "" if folds.is_exact else "about "
        known = f"{about}{round(self.known / self.compared * self.rows):,}"
        rows = f"{known} of {self.rows:,} rows"
        if folds.is_coarse:
            return f"{rows} have the values of training rows, as new rows of this table often have"
        return f"{rows} are in the training table: predictions for them flatter (see evaluate)"


def count_known(model: Model, table: Table) -> Known:
    """Count the rows that have the features of training rows."""
    folds = model.folds
    contents, wholes, _ = model.encoder.keys(table)
    entries = folds.entries.find(contents, None, wholes)
    compared = folds.is_compared(contents)
    known = np.count_nonzero(compared & (entries >= 0))
    return Known(int(known), int(np.count_nonzero(compared)), len(contents))


def count_new(known: int | None, rows: int, new: int | None) -> int:
    """How many of the judged rows are new and judged by all networks; see `judged_by`."""
    return (rows if known == 0 else 0) if new is None else new


def judged_by(
    known: int | None, rows: int, new: int | None, networks: int, *, is_exact: bool
) -> str:
    """Say which rows these are and which networks judged them.

    Parameters
    ----------
    known, is_exact
        See `Judges`.
    rows, new
        How many were judged, and how many of them are new and judged by all networks; `None`: all
        if none is known, else none.
    networks
        How many the model has.
    """
    everyone = f"judged by the mean of {plural(networks, 'network')}"
    new = count_new(known, rows, new)
    if new == rows:
        return everyone
    if networks == 1:
        alone = "held out by the only network, which chose its epoch by them: that flatters"
        return f"{rows - new:,} {alone}; {new:,} new" if new else f"{alone} its scores"
    if known == rows:
        return "all in the training table: each row judged by a network that never saw it"
    if known is not None and known + new == rows:
        return (
            f"{known:,} in the training table, each judged by a network that never saw it; "
            f"{new:,} new, {everyone}"
        )
    judges = "each row judged by the network that held it out or would have"
    if known is None:
        return f"too few to tell whether they were in the training table: {judges}"
    if known == 0:
        return f"new rows of groups that are in the training table: {judges}"
    about = "" if is_exact else "about "
    return f"{about}{known:,} of them in the training table: {judges}"


def _inflation(mask: BoolArray, fold_of_row: IntArray, likely: Array, folds: Folds) -> float:
    """How much larger the variance of a mean is, given how likely each was a training row."""
    judged = mask.any(axis=0)
    known = judged & (fold_of_row >= 0)
    counts = np.bincount(fold_of_row[known], likely[known], minlength=len(folds))
    return variance_inflation(np.rint(counts).astype(np.int64), int(judged.sum()), folds.rows)
