"""Which networks may judge a row, those that never saw it, and how sure their scores are.

The 95 % intervals hold for cross-validated rows, too. Rows judged by networks that held them out
are not independent: row i helped to train the network that judges row j, and row j the one that
judges row i. Where the two are alike by chance, both are judged too well, so an interval for
independent rows counts one piece of luck twice.

Let the score of row i be a sum of what each training row of its judge teaches about it,
s_i = sum_j k(i, j), with uncorrelated k of variance v and k(i, j) = k(j, i), which is pure noise
seen through any symmetric measure of likeness. With n judged rows and t training rows for each
judge, the variances of the s_i add up to n t v, and each ordered pair of rows that judge each other
adds a covariance v. So the variance of the mean is larger than that of independent rows by

    1 + pairs / (n t)

which is 2 where every row of the training table is judged (close to Nadeau and Bengio's
1 + K / (K - 1) for K folds), and 1 for rows that no network was trained on and for the holdout rows
of a single network. Likeness that is not quite symmetric, as that of networks with different
starting weights, only makes the covariances smaller. Bates, Hastie and Tibshirani estimate the
variance instead, by trainings within trainings.

References
----------
Wilson (1927), "Probable inference, the law of succession, and statistical inference".
Sheppard (1899), "On the application of the theory of error to cases of normal distribution and
normal correlation".
Nadeau, Bengio (2003), "Inference for the generalization error".
Bates, Hastie, Tibshirani (2023), "Cross-validation: what does it estimate and how well does it do
it?".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.data.encoding import Examples
from minnet.data.keys import GroupSums, mixed, occurrences
from minnet.data.table import Table
from minnet.errors import DataError, plural
from minnet.model.model import Model
from minnet.training.folds import FEWEST_COMPARED, Folds, KeySketch, holdout_masks
from minnet.training.settings import TrainingSettings

NORMAL_QUANTILE = 1.959964
SIGN_CORRELATION = 2 / math.pi
# Abramowitz and Stegun 26.7.5 at that quantile: powers 4 to 0 of 1 / degrees of freedom.
STUDENT_QUANTILE = 1.590, 2.556, 2.822, 2.372, NORMAL_QUANTILE


def variance_inflation(judged_of_fold: IntArray, judged: int, training_table: int) -> float:
    """How much larger the variance of a mean over rows is than if the rows were independent.

    Parameters
    ----------
    judged_of_fold
        `(folds,)`: how many judged rows of each fold are rows of the training table; 0 for a fold
        that no network holds out.
    judged
        All judged rows, with those that the training table lacks.
    training_table
        Labelled rows of the training table, more than in any one fold.

    Returns
    -------
    float
        1 to 2; see the module for the derivation.
    """
    folds = len(judged_of_fold)
    known = int(judged_of_fold.sum())
    pairs = known**2 - int((judged_of_fold**2).sum())
    return 1 + pairs / (judged * training_table * (1 - 1 / folds)) if pairs else 1.0


def share_interval(
    hits: float, rows: float, inflation: float = 1.0, effect: float = 1.0
) -> tuple[float, float]:
    """95 % interval for a share of rows, sound also for few rows and for shares near 0 and 1.

    Wilson's interval, as for so many independent rows as have the variance of these. A prediction
    is right where a score is positive. Signs of two normal scores of correlation r have the
    correlation 2/pi arcsin(r) where half of them are positive, and a smaller one elsewhere. So the
    inflation of a share is at most 1 + 2/pi (inflation - 1), for small r. A design effect is
    measured on the hits themselves, so it divides the rows as it is.

    Parameters
    ----------
    hits, rows
        How many of how many rows; at least one row.
    inflation
        Of the variance of a mean over cross-validated rows: see `variance_inflation`.
    effect
        Of groups of like rows, on the hits: see `design_effect`.
    """
    trials = rows / effect / (1 + SIGN_CORRELATION * (inflation - 1))
    share = hits / rows
    squared = NORMAL_QUANTILE**2
    centre = share + squared / (2 * trials)
    half_width = math.sqrt(squared * (share * (1 - share) + squared / (4 * trials)) / trials)
    scale = 1 + squared / trials
    # Rounding may push a bound past a share of 0 or 1.
    low, high = (centre - half_width) / scale, (centre + half_width) / scale
    return max(0.0, min(share, low)), min(1.0, max(share, high))


class Mean(NamedTuple):
    """The mean of a figure of each row, mergeable over parts of the rows.

    Attributes
    ----------
    weight
        Of all rows, together: how many, unless some count more than others.
    mean
        Of the figure.
    squares
        Sum of the squared deviations from it.
    square_weights
        Sum of the squared weights.
    """

    weight: float
    mean: float
    squares: float
    square_weights: float

    @classmethod
    def of(cls, values: Array, weights: Array | None = None) -> Mean:
        """Take the mean of at least one row, each with a weight above 0, or all alike."""
        if weights is None:
            rows = float(len(values))
            return cls(rows, float(values.mean()), float(values.var() * rows), rows)
        mean = float(np.average(values, weights=weights))
        squares = float(weights @ (values - mean) ** 2)
        return cls(float(weights.sum()), mean, squares, float(weights @ weights))

    @property
    def rows(self) -> float:
        """How many rows of equal weight have a mean that varies as much (Kish 1965)."""
        return self.weight**2 / self.square_weights

    def merge(self, other: Mean) -> Mean:
        """Take in other rows (Chan, Golub, LeVeque 1983)."""
        weight = self.weight + other.weight
        apart, share = other.mean - self.mean, other.weight / weight
        squares = self.squares + other.squares + apart**2 * self.weight * share
        square_weights = self.square_weights + other.square_weights
        return Mean(weight, self.mean + apart * share, squares, square_weights)

    def standard_error(self, inflation: float = 1.0) -> float:
        """Of the mean, its variance multiplied by the inflation; infinite for a single row."""
        if self.rows < 2:
            return math.inf
        return math.sqrt(inflation * (self.squares / self.weight) / (self.rows - 1))

    def interval(self, inflation: float = 1.0) -> tuple[float, float]:
        """95 % interval for the mean of a figure of each row, as the difference of two losses.

        Student's, with the variance of the mean multiplied by the inflation. A single row tells
        nothing of its spread: its interval has no bounds. Where a few rows bear most of a loss, as
        those few that a good model gets wrong, it takes some hundreds of rows until it holds 95
        times of 100.
        """
        if self.rows < 2:
            return -math.inf, math.inf
        quantile = float(np.polyval(STUDENT_QUANTILE, 1 / (self.rows - 1)))
        half_width = quantile * self.standard_error(inflation)
        return self.mean - half_width, self.mean + half_width


def design_effect(values: Array | BoolArray, groups: IntArray | None) -> float:
    """How much larger the variance of a mean over rows is because groups of them are alike.

    Parameters
    ----------
    values, groups
        `(rows,)`; without groups the rows are independent.
    """
    if groups is None:
        return 1.0
    figures = np.asarray(values, np.float64)
    sums = GroupSums.of(groups, np.ones(len(figures)), figures[None])
    mean = Mean.of(figures)
    return sums.design_effect(0, mean.mean, mean.squares)


def association(probabilities: Array, labels: IntArray, shares: Array) -> Array:
    """Tell how far each row's probabilities point to its class, `(rows,)`.

    The probability of the observed class minus what it would be on average if classes were drawn by
    their shares: p_i[y_i] - sum_c share_c p_i[c]. With the shares among the rows, the mean over
    these is the sum over the classes of the covariance between the probability of a class and its
    occurrence. It is 0 for predictions that have nothing to do with the classes, however certain
    they are, and for those that are the same for every row. So where the interval of the mean lies
    above 0, something was learned. The difference in log loss from the class shares is a weak test
    of that: it also pays for misplaced certainty.

    Parameters
    ----------
    probabilities
        `(rows, classes)`.
    labels
        `(rows,)`.
    shares
        Of the classes, `(classes,)`.
    """
    values: Array = probabilities[np.arange(len(labels)), labels] - probabilities @ shares
    return values


@dataclass(frozen=True, eq=False)
class Judges:
    """Which networks judge each example, and what is known of these.

    Attributes
    ----------
    folds
        Of the training table, by which the fold of any row can be told.
    mask
        `(networks, labelled)`: of the training table, the networks that hold a row out and never
        train on it. An example that every network trained on has no judge.
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

    folds: Folds
    mask: BoolArray
    known: int | None
    is_exact: bool
    is_new: BoolArray
    inflation: float = 1.0
    clusters: IntArray | None = None
    copies: int = 0


def split(examples: Examples, settings: TrainingSettings) -> Judges:
    """Deal a training table to the networks: each holds out another fold, which it judges.

    Raises
    ------
    DataError
        If all rows are of one group.
    """
    rows = len(examples)
    folds = KeySketch.of(examples).deal(min(settings.folds, rows))
    fold_of_row = folds.place(examples).folds
    mask = holdout_masks(fold_of_row, settings.networks, len(folds))
    inflation = _inflation(mask, fold_of_row, np.ones(rows), folds)
    return Judges(folds, mask, rows, True, np.zeros(rows, np.bool_), inflation, examples.groups)


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
    places = folds.place(examples)
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
        return Judges(folds, mask, 0, True, is_new, clusters=examples.groups)
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
    return Judges(folds, mask, total, folds.is_exact, is_new, inflation, clusters, copies)


def trained_on(model: Model, table: Table, row: int) -> BoolArray | None:
    """Tell which networks were trained on a row, `(networks,)`; `None` if that cannot be told."""
    try:
        examples = model.encoder.examples(table, refuse_unknown=False)
    except DataError:  # without a label or a group, a row cannot be told to be a training row
        return None
    judges = judges_of(model, examples)
    if judges.is_new.all():
        return None
    own = np.flatnonzero(examples.rows == row)
    return ~judges.mask[:, own[0]] if len(own) else np.zeros(len(model.network), np.bool_)


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


def judged_by(known: int | None, rows: int, new: int, networks: int, *, is_exact: bool) -> str:
    """Say which rows these are and which networks judged them.

    Parameters
    ----------
    known, is_exact
        See `Judges`.
    rows, new
        How many were judged, and how many of them are new and judged by all networks.
    networks
        How many the model has.
    """
    everyone = f"judged by the mean of {plural(networks, 'network')}"
    if new == rows:
        return everyone
    if networks == 1:
        alone = "held out by the only network, which chose its epoch by them: that flatters"
        return f"{rows - new:,} {alone}; {new:,} new" if new else f"{alone} its scores"
    if known == rows:
        return "all in the training table: judged by networks that never saw them"
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
