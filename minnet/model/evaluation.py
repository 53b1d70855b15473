"""How good a model is, honestly: no row is judged by a network that trained on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.model.model import holdout_of, labelled_rows
from minnet.training.settings import ROWS_AT_ONCE

if TYPE_CHECKING:
    from minnet.arrays import Array, IntArray
    from minnet.data.table import Table
    from minnet.model.model import Model

CALIBRATION_BINS = 10


class ClassScores(NamedTuple):
    """How one class fares; NaN where nothing can be said.

    Attributes
    ----------
    precision
        Of the rows called this class, the share that are.
    recall
        Of the rows of this class, the share that are called so.
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
    """Rows whose answer has a probability within one tenth of 0..1."""

    rows: int
    mean_probability: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Labels beside probabilities, and every score that follows from them.

    Attributes
    ----------
    class_names
        In the model's order.
    labels
        Observed integer labels, `(rows,)`.
    probabilities
        `(rows, classes)`.
    rows
        Which rows of the table were judged, counted from 0.
    out_of_fold
        Whether this is the training table, each row judged by networks that never saw it; else
        each row is judged by the mean of all networks.
    """

    class_names: tuple[str, ...]
    labels: IntArray
    probabilities: Array
    rows: IntArray
    out_of_fold: bool

    def __len__(self) -> int:
        """How many rows were judged."""
        return len(self.labels)

    @property
    def answers(self) -> IntArray:
        """Label of the most probable class, `(rows,)`."""
        return np.asarray(self.probabilities.argmax(axis=-1))

    @property
    def correct(self) -> int:
        """How many answers are right."""
        return int((self.answers == self.labels).sum())

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.correct / len(self)

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy."""
        return wilson_interval(self.correct, len(self))

    @property
    def majority(self) -> tuple[str, float]:
        """The most frequent class, and the accuracy of always answering it."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return self.class_names[counts.argmax()], float(counts.max() / len(self))

    @property
    def observed(self) -> Array:
        """Probability of the observed class, `(rows,)`."""
        return np.asarray(self.probabilities[np.arange(len(self)), self.labels])

    @property
    def most_wrong(self) -> int:
        """Which judged row has the smallest probability of its observed class."""
        return int(self.observed.argmin())

    @property
    def log_loss(self) -> float:
        """Mean cross-entropy, nats per row."""
        observed = self.observed
        return float(-np.log(np.maximum(observed, np.finfo(np.float64).tiny)).mean())

    @property
    def guessing_log_loss(self) -> float:
        """Log loss of giving every class the same probability: ln(classes)."""
        return math.log(len(self.class_names))

    @property
    def confusion(self) -> IntArray:
        """How many rows of each observed class got each answer, `(observed, answered)`."""
        classes = len(self.class_names)
        pairs = np.bincount(self.labels * classes + self.answers, minlength=classes**2)
        return pairs.reshape(classes, classes)

    @property
    def class_scores(self) -> dict[str, ClassScores]:
        """Precision, recall and F1 of each class."""
        confusion = self.confusion
        hits, observed, answered = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
        return {
            name: ClassScores(
                _ratio(hits[k], answered[k]),
                _ratio(hits[k], observed[k]),
                _ratio(2 * hits[k], observed[k] + answered[k]),
                int(observed[k]),
            )
            for k, name in enumerate(self.class_names)
        }

    @property
    def calibration(self) -> list[CalibrationBin]:
        """Rows by the probability of their answer, in ten equal bins; empty bins left out."""
        confidence = self.probabilities.max(axis=-1)
        right = self.answers == self.labels
        bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
        return [
            CalibrationBin(
                int(inside.sum()), float(confidence[inside].mean()), float(right[inside].mean())
            )
            for inside in (bins == k for k in range(CALIBRATION_BINS))
            if inside.any()
        ]

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


def evaluate(model: Model, table: Table) -> Evaluation:
    """Judge a model by a labelled table.

    If it is the very table the model was trained on, each row is judged by the networks that held
    it out (rows that every network trained on are left out). Otherwise each row is judged by the
    mean of all networks.

    Raises
    ------
    DataError
        If the table has no label column, an unknown class, or does not fit the model.
    """
    features, labels, rows = labelled_rows(model.encoder, table)
    out_of_fold = bool(table.sha256) and table.sha256 == model.sha256
    if out_of_fold:
        judges = holdout_of(labels, model.settings)
    else:
        judges = np.ones((len(model.network), len(labels)), dtype=np.bool_)
    counts = judges.sum(axis=0)
    judged = counts > 0
    parts = (slice(start, start + ROWS_AT_ONCE) for start in range(0, len(labels), ROWS_AT_ONCE))
    sums = np.concatenate(
        [
            (model.probabilities_of(features[part]) * judges[:, part, None]).sum(axis=0)
            for part in parts
        ]
    )
    return Evaluation(
        model.encoder.class_names,
        labels[judged],
        sums[judged] / counts[judged, None],
        rows[judged],
        out_of_fold,
    )


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """95 % interval for a share, sound also for few trials and for shares near 0 and 1.

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    z = 1.959964
    share = hits / trials
    centre = share + z * z / (2 * trials)
    half_width = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    scale = 1 + z * z / trials
    return max(0.0, (centre - half_width) / scale), min(1.0, (centre + half_width) / scale)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan
