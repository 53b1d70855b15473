"""Which networks may judge a row: those that never saw it, whatever became of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.errors import plural
from minnet.model.intervals import variance_inflation
from minnet.training.folds import FileFolds, Folds, deal, holdout_masks

if TYPE_CHECKING:
    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.data.examples import Examples
    from minnet.model.model import Model
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
        How many examples were in the training table, exactly or about; 0 for a table that shares
        none with it: then all networks judge all examples. `None` if that cannot be told.
    is_exact
        Whether that number is exact.
    inflation
        How much larger the variance of a mean over the examples is than over independent ones.
    """

    mask: BoolArray
    known: int | None
    is_exact: bool
    inflation: float

    @property
    def out_of_fold(self) -> bool:
        """Whether each example is judged only by networks that never saw it or its like."""
        return self.known != 0


def split(examples: Examples, settings: TrainingSettings) -> Split:
    """Deal a training table to the networks: each holds out another fold.

    Raises
    ------
    DataError
        If all rows are of one group.
    """
    count = min(settings.folds, len(examples))
    folds = deal(examples.keys, examples.labels, count, examples.groups)
    fold_of_row = folds_of(folds, examples)
    return Split(folds, fold_of_row, holdout_masks(fold_of_row, settings.networks, len(folds)))


def judges_of_split(split: Split) -> Judges:
    """Let each example of the training table be judged by the networks that hold it out."""
    return _judges(split.holdout, split.fold_of_row, np.ones(len(split.fold_of_row)), split.folds)


def judges_of(model: Model, examples: Examples) -> Judges:
    """Find the networks that may judge each example.

    If any was in the training table, or that cannot be told, each is judged by the networks that
    held it out or, if it is new, would have. (If it is sure to be new, and no network holds out its
    fold, by all.) If none was, all networks judge all.
    """
    networks, folds = len(model.network), model.folds
    everyone = Judges(np.ones((networks, len(examples)), dtype=np.bool_), 0, True, 1.0)
    if isinstance(folds, FileFolds):
        if not examples.sha256 or examples.sha256 != folds.sha256:
            return everyone
        fold_of_row: IntArray = np.empty(len(examples), dtype=np.int64)
        in_file_order = np.argsort(examples.rows)
        fold_of_row[in_file_order] = folds.of(examples.labels[in_file_order])
        known: Array | None = np.ones(len(examples))
    else:
        known = folds.known(examples.keys)
        if known is not None and not known.any():
            return everyone
        fold_of_row = folds_of(folds, examples)
    holdout = holdout_masks(fold_of_row, networks, len(folds))
    if known is not None:
        holdout[:, (known == 0) & ~holdout.any(axis=0)] = True
    return _judges(holdout, fold_of_row, known, folds)


def folds_of(folds: Folds, examples: Examples) -> IntArray:
    """Fold of each example, `(rows,)`, told from its key or its group's."""
    keys = examples.keys if examples.groups is None else examples.groups
    return folds.of(keys, examples.labels)


def judged_by(known: int | None, rows: int, networks: int, *, is_exact: bool) -> str:
    """Say which rows these are and which networks judged them.

    Parameters
    ----------
    known, is_exact
        See `Judges`.
    rows
        How many were judged.
    networks
        How many the model has.
    """
    if known == 0:
        return f"judged by the mean of {plural(networks, 'network')}"
    if networks == 1:
        return (
            "held out by the only network, which chose its epoch by them: that flatters its scores"
        )
    if known == rows:
        return "all in the training table: each row judged by a network that never saw it"
    judges = "each row judged by the network that held it out or would have"
    if known is None:
        return f"too few to tell whether they were in the training table: {judges}"
    about = "" if is_exact else "about "
    return f"{about}{known:,} of them in the training table: {judges}"


def _judges(
    mask: BoolArray, fold_of_row: IntArray, known: Array | None, folds: Folds | FileFolds
) -> Judges:
    judged = mask.any(axis=0)
    likely = np.ones(len(fold_of_row)) if known is None else known
    counts = np.bincount(fold_of_row[judged], likely[judged], minlength=len(folds))
    rows = folds.rows if isinstance(folds, Folds) else len(fold_of_row)
    is_exact = isinstance(folds, FileFolds) or folds.is_exact
    inflation = variance_inflation(np.rint(counts).astype(np.int64), int(judged.sum()), rows)
    total = None if known is None else max(1, round(float(known.sum())))
    return Judges(mask, total, is_exact, inflation)
