"""How good a model is: no row is judged by a network that trained on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.network.losses import LOSSES

if TYPE_CHECKING:
    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.data.encoding import Examples
    from minnet.data.table import Data
    from minnet.model.model import Model

CALIBRATION_BINS = 10


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

    def __repr__(self) -> str:
        return (
            f"<Evaluation: {len(self):,} rows, accuracy {self.accuracy:.3f}, "
            f"log loss {self.log_loss:.3f}>"
        )

    def __len__(self) -> int:
        """How many rows were judged."""
        return len(self.labels)

    @property
    def predicted(self) -> IntArray:
        """Label of the most probable class, `(rows,)`."""
        return self.probabilities.argmax(axis=-1)

    @property
    def correct(self) -> int:
        """How many predictions are correct."""
        return int((self.predicted == self.labels).sum())

    @property
    def accuracy(self) -> float:
        """Share of correct predictions."""
        return self.correct / len(self)

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy."""
        return wilson_interval(self.correct, len(self))

    @property
    def majority(self) -> tuple[str, float]:
        """The most frequent class, and the accuracy of always predicting it."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return self.class_names[counts.argmax()], float(counts.max() / len(self))

    @property
    def observed_probability(self) -> Array:
        """Probability of the observed class, `(rows,)`."""
        return self.probabilities[np.arange(len(self)), self.labels]

    @property
    def most_wrong(self) -> int:
        """Which judged row has the smallest probability of its observed class."""
        return int(self.observed_probability.argmin())

    @property
    def log_loss(self) -> float:
        """Mean cross-entropy, nats per row."""
        observed = self.observed_probability
        return float(-np.log(np.maximum(observed, np.finfo(np.float64).tiny)).mean())

    @property
    def baseline_log_loss(self) -> float:
        """Log loss of always giving the shares of the classes in these rows."""
        return LOSSES["cross-entropy"].of_class_shares(np.bincount(self.labels))

    @property
    def confusion(self) -> IntArray:
        """How many rows of each observed class got each prediction, `(observed, predicted)`."""
        classes = len(self.class_names)
        pairs = np.bincount(self.labels * classes + self.predicted, minlength=classes**2)
        return pairs.reshape(classes, classes)

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
    def calibration(self) -> list[CalibrationBin]:
        """Rows by the probability of their prediction, in ten equal bins; empty bins left out."""
        confidence = self.probabilities.max(axis=-1)
        correct = self.predicted == self.labels
        bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
        return [
            CalibrationBin(
                int(inside.sum()), float(confidence[inside].mean()), float(correct[inside].mean())
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


def evaluate(model: Model, data: Data) -> Evaluation:
    """Judge a model by a labelled table.

    If it is the very table the model was trained on, each row is judged by the networks that held
    it out (rows that every network trained on are left out). Otherwise each row is judged by the
    mean of all networks.

    Raises
    ------
    DataError
        If the table has no label column, an unknown class, or does not fit the model.
    """
    table = model.encoder.table(data)
    examples = model.encoder.examples(table)
    return judge(model, examples, model.holdout(table, examples.labels))


def judge(model: Model, examples: Examples, holdout: BoolArray | None) -> Evaluation:
    """Judge a model by examples; see `evaluate`.

    Parameters
    ----------
    holdout
        Which examples each network never saw, `(networks, labelled)`; `None` if no network ever
        saw any.
    """
    out_of_fold = holdout is not None
    if holdout is None:
        holdout = np.ones((len(model.network), len(examples)), dtype=np.bool_)
    counts = holdout.sum(axis=0)
    judged = counts > 0
    sums = np.empty((len(examples), len(model.class_names)))
    for rows, members in model.member_blocks(examples.features):
        sums[rows] = (members * holdout[:, rows, None]).sum(axis=0)
    return Evaluation(
        model.class_names,
        examples.labels[judged],
        sums[judged] / counts[judged, None],
        examples.rows[judged],
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
