"""Scores that follow from a few sums over judged rows, and so can be merged over parts of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.errors import plural
from minnet.model.intervals import GroupSums, Mean, association, share_interval, variance_inflation
from minnet.model.judges import judged_by

if TYPE_CHECKING:
    from minnet.arrays import Array, IntArray
    from minnet.model.evaluation import Evaluation
    from minnet.model.selection import Selection

CALIBRATION_BINS = 10
TINY = np.finfo(np.float64).tiny


class ClassScores(NamedTuple):
    """How one class fares; NaN where nothing can be said.

    Attributes
    ----------
    precision
        Of the rows predicted as this class, the share that are.
    recall
        Of the rows of this class, the share predicted so.
    f1
        Harmonic mean of the two.
    rows
        Rows of this class.
    """

    precision: float
    recall: float
    f1: float
    rows: int


class CalibrationBin(NamedTuple):
    """Rows whose prediction has a probability within one tenth of 0..1."""

    rows: int
    mean_probability: float
    accuracy: float


class Scores:
    """Base: the scores that follow from what a subclass knows.

    Attributes
    ----------
    class_names, class_shares, networks, known, is_exact, repeats, selection
        See `minnet.model.evaluation.Evaluation`.
    """

    class_names: tuple[str, ...]
    class_shares: Array
    networks: int
    known: int | None
    is_exact: bool
    repeats: int
    selection: Selection | None = None

    @property
    def confusion(self) -> IntArray:
        """How many rows of each observed class got each prediction, `(observed, predicted)`."""
        raise NotImplementedError

    @property
    def calibration(self) -> list[CalibrationBin]:
        """Rows by the probability of their prediction, in ten equal bins; empty bins left out."""
        raise NotImplementedError

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy; see `minnet.model.intervals`."""
        raise NotImplementedError

    @property
    def log_loss(self) -> float:
        """Mean cross-entropy, nats per row."""
        raise NotImplementedError

    @property
    def log_loss_gain_interval(self) -> tuple[float, float]:
        """95 % interval of how much smaller the log loss is than the baseline's, paired by row."""
        raise NotImplementedError

    @property
    def is_learned(self) -> bool:
        """Whether the predictions are shown to have to do with the classes: see `association`."""
        raise NotImplementedError

    @property
    def out_of_fold(self) -> bool:
        """Whether each row is judged only by networks that never saw it or its like."""
        return self.known != 0

    @property
    def judged_by(self) -> str:
        """Which rows these are and which networks judged them, in a sentence."""
        return judged_by(self.known, len(self), self.networks, is_exact=self.is_exact)

    def __len__(self) -> int:
        """How many rows were judged."""
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        """How many predictions are correct."""
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> float:
        """Share of correct predictions."""
        return self.correct / len(self)

    @property
    def majority(self) -> tuple[str, float]:
        """The most frequent class, and the accuracy of always predicting it."""
        counts = self.confusion.sum(axis=1)
        return self.class_names[counts.argmax()], float(counts.max() / len(self))

    @property
    def baseline_log_loss(self) -> float:
        """Log loss of always giving the class shares of the training table."""
        losses = -np.log(np.maximum(self.class_shares, TINY))
        return float(self.confusion.sum(axis=1) @ losses / len(self))

    @property
    def class_scores(self) -> dict[str, ClassScores]:
        """Precision, recall and F1 of each class."""
        confusion = self.confusion
        hits, observed, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
        return {
            name: ClassScores(
                _ratio(hits[k], predicted[k]),
                _ratio(hits[k], observed[k]),
                _ratio(2 * hits[k], observed[k] + predicted[k]),
                int(observed[k]),
            )
            for k, name in enumerate(self.class_names)
        }

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean distance of accuracy from probability, over the bins.

        References
        ----------
        Naeini, Cooper, Hauskrecht (2015), "Obtaining well calibrated probabilities using Bayesian
        binning".
        """
        distances = [
            part.rows * abs(part.accuracy - part.mean_probability) for part in self.calibration
        ]
        return sum(distances) / len(self)


@dataclass(frozen=True, eq=False, kw_only=True)
class MergedScores(Scores):
    """Scores of the rows of a training table that is nowhere whole, each judged out of fold.

    Attributes
    ----------
    class_names, class_shares, networks
        See `minnet.model.evaluation.Evaluation`.
    rows_of_fold
        Judged rows of each fold, `(folds,)`.
    training_table
        All its labelled rows, judged or not.
    counts
        Rows of each observed class that got each prediction.
    bins
        Rows, their summed probability and how many are correct in each tenth, `(3, 10)`.
    loss, gain, association
        Of a row: its loss, how much smaller that is than the class shares', and `association`.
    of_groups
        Hits, gain and association by group; `None` without groups.
    """

    class_names: tuple[str, ...]
    class_shares: Array
    networks: int
    rows_of_fold: IntArray
    training_table: int
    counts: IntArray
    bins: Array
    loss: Mean
    gain: Mean
    association: Mean
    of_groups: GroupSums | None = None
    is_exact: bool = True
    repeats: int = 0

    @classmethod
    def of(cls, judged: Evaluation, rows_of_fold: IntArray, training_table: int) -> MergedScores:
        """Take the scores of one part; see the class for the other parameters."""
        bins = np.zeros((3, CALIBRATION_BINS))
        for one in judged.calibration:
            place = min(int(one.mean_probability * CALIBRATION_BINS), CALIBRATION_BINS - 1)
            bins[:, place] += one.rows * np.array([1, one.mean_probability, one.accuracy])
        pointing = association(judged.probabilities, judged.labels, judged.class_shares)
        of_groups = None
        if judged.groups is not None:
            figures = np.array([judged.predicted == judged.labels, judged.row_gains, pointing])
            of_groups = GroupSums.of(judged.groups, np.ones(len(judged)), figures)
        return cls(
            class_names=judged.class_names,
            class_shares=judged.class_shares,
            networks=judged.networks,
            rows_of_fold=rows_of_fold,
            training_table=training_table,
            counts=judged.confusion,
            bins=bins,
            loss=Mean.of(judged.row_losses),
            gain=Mean.of(judged.row_gains),
            association=Mean.of(pointing),
            of_groups=of_groups,
        )

    def merge(self, other: MergedScores) -> MergedScores:
        """Take in the scores of another part."""
        sums = {
            name: getattr(self, name) + getattr(other, name)
            for name in ("rows_of_fold", "counts", "bins")
        }
        merged = {
            name: getattr(self, name).merge(getattr(other, name))
            for name in ("loss", "gain", "association", "of_groups")
            if getattr(self, name) is not None
        }
        return replace(self, **sums, **merged)

    def __repr__(self) -> str:
        return (
            f"<MergedScores: {plural(len(self), 'row')}, accuracy {self.accuracy:.3f}, "
            f"log loss {self.log_loss:.3f}>"
        )

    @property
    def known(self) -> int:  # type: ignore[override]  # all of them
        """How many rows were in the training table."""
        return len(self)

    @property
    def inflation(self) -> float:
        """How much larger the variance of a mean is than over independent rows."""
        return variance_inflation(self.rows_of_fold, len(self), self.training_table)

    @property
    def confusion(self) -> IntArray:
        """How many rows of each observed class got each prediction, `(observed, predicted)`."""
        return self.counts

    @property
    def calibration(self) -> list[CalibrationBin]:
        """Rows by the probability of their prediction, in ten equal bins; empty bins left out."""
        return [
            CalibrationBin(int(rows), probability / rows, correct / rows)
            for rows, probability, correct in self.bins.T.tolist()
            if rows
        ]

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy; see `minnet.model.intervals`."""
        share = self.accuracy
        hits = Mean(len(self), share, len(self) * share * (1 - share))
        return share_interval(self.correct, len(self), self._inflation(0, hits))

    @property
    def log_loss(self) -> float:
        """Mean cross-entropy, nats per row."""
        return self.loss.mean

    @property
    def log_loss_gain_interval(self) -> tuple[float, float]:
        """95 % interval of how much smaller the log loss is than the baseline's, paired by row."""
        return self.gain.interval(self._inflation(1, self.gain))

    @property
    def is_learned(self) -> bool:
        """Whether the predictions are shown to have to do with the classes: see `association`."""
        inflation = self._inflation(2, self.association)
        return self.association.interval(inflation)[0] > 0

    def _inflation(self, figure: int, mean: Mean) -> float:
        if self.of_groups is None:
            return self.inflation
        return self.inflation * self.of_groups.design_effect(figure, mean)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan
