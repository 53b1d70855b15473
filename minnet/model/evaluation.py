"""How good a model is: no row is judged by a network that trained on it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.errors import DataError, plural
from minnet.model import html
from minnet.model.intervals import association, design_effect, mean_interval, share_interval
from minnet.model.judges import judges_of
from minnet.model.model import row_blocks
from minnet.model.scores import CALIBRATION_BINS, TINY, CalibrationBin, Scores
from minnet.training.spread import in_order

if TYPE_CHECKING:
    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.data.examples import Examples
    from minnet.data.table import Data
    from minnet.model.judges import Judges
    from minnet.model.model import Model
    from minnet.model.selection import Selection

BLOCKS_ALONE = 8
"""Fewer take less time in this process than workers take to start."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation(Scores):
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
        Which rows of the table were judged, counted from 0, `(rows,)`, ascending.
    class_shares
        Of the classes in the training table, `(classes,)`: what there is to beat.
    networks
        How many networks the model has.
    known
        How many rows were in the training table, exactly or about; `None` if that cannot be told.
        If it is not 0, each row is judged by the networks that held it out or, if it is new, would
        have; else by the mean of all.
    is_exact
        Whether `known` is exact.
    inflation
        How much larger the variance of a mean over the rows is than over independent ones.
    groups
        Key of each row's group, `(rows,)`; `None` without groups.
    threshold
        Of two classes: from which probability on a row is predicted as the second class.
    source
        Name of the table's file.
    repeats
        How many rows were left out because they repeat others, as they were in training.
    selection
        How the model was chosen by its scores on rows of the training table, if such were judged;
        else `None`.
    """

    class_names: tuple[str, ...]
    labels: IntArray
    probabilities: Array
    rows: IntArray
    class_shares: Array
    networks: int
    known: int | None = 0
    is_exact: bool = True
    inflation: float = 1.0
    groups: IntArray | None = None
    threshold: float = 0.5
    source: str = ""
    repeats: int = 0
    selection: Selection | None = None

    def __repr__(self) -> str:
        return (
            f"<Evaluation: {plural(len(self), 'row')}, accuracy {self.accuracy:.3f}, "
            f"log loss {self.log_loss:.3f}>"
        )

    def _repr_html_(self) -> str:
        """Show the scores, and those of each class, in a notebook."""
        return html.scores(self)

    @property
    def predicted(self) -> IntArray:
        """Label of the most probable class, or of two classes by the threshold, `(rows,)`."""
        if self.threshold != 0.5:
            return (self.probabilities[:, 1] >= self.threshold).astype(np.int64)
        return self.probabilities.argmax(axis=-1)

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy; see `minnet.model.intervals`."""
        inflation = self._inflation(self.predicted == self.labels)
        return share_interval(self.correct, len(self), inflation)

    @property
    def is_learned(self) -> bool:
        """Whether the predictions are shown to have to do with the classes: see `association`."""
        values = association(self.probabilities, self.labels)
        return mean_interval(values, self._inflation(values))[0] > 0

    def _inflation(self, values: Array | BoolArray) -> float:
        return self.inflation * design_effect(values, self.groups)

    @property
    def observed_probability(self) -> Array:
        """Probability of the observed class, `(rows,)`."""
        return self.probabilities[np.arange(len(self)), self.labels]

    @property
    def most_wrong(self) -> int:
        """Which judged row has the smallest probability of its observed class."""
        return int(self.observed_probability.argmin())

    @property
    def row_losses(self) -> Array:
        """Cross-entropy of each row, nats, `(rows,)`."""
        losses: Array = -np.log(np.maximum(self.observed_probability, TINY))
        return losses

    @property
    def row_gains(self) -> Array:
        """How much smaller the loss of each row is than that of the class shares, `(rows,)`."""
        return -self.row_losses - np.log(np.maximum(self.class_shares[self.labels], TINY))

    @property
    def log_loss(self) -> float:
        """Mean cross-entropy, nats per row."""
        return float(self.row_losses.mean())

    @property
    def log_loss_gain_interval(self) -> tuple[float, float]:
        """95 % interval of how much smaller the log loss is than the baseline's, paired by row."""
        gains = self.row_gains
        return mean_interval(gains, self._inflation(gains))

    @property
    def confusion(self) -> IntArray:
        """How many rows of each observed class got each prediction, `(observed, predicted)`."""
        classes = len(self.class_names)
        pairs = np.bincount(self.labels * classes + self.predicted, minlength=classes**2)
        return pairs.reshape(classes, classes)

    @property
    def calibration(self) -> list[CalibrationBin]:
        """Rows by the probability of their prediction, in ten equal bins; empty bins left out."""
        confidence = self.probabilities.max(axis=-1)
        correct = self.probabilities.argmax(axis=-1) == self.labels
        bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
        return [
            CalibrationBin(
                int(inside.sum()), float(confidence[inside].mean()), float(correct[inside].mean())
            )
            for inside in (bins == k for k in range(CALIBRATION_BINS))
            if inside.any()
        ]


def evaluate(model: Model, data: Data, *, workers: int = 1, executor: Any = None) -> Evaluation:
    """Judge a model by a labelled table.

    If the table shares rows with the one the model was trained on, in whatever order or format,
    each row is judged by the networks that held it out or, if it is new, would have (rows that
    every network trained on are left out). Otherwise each row is judged by the mean of all
    networks. If the model was trained without rows that repeat others, so it is judged.

    Parameters
    ----------
    workers
        How many processes judge a large table; no score depends on it.
    executor
        What is to judge instead: an executor of `concurrent.futures`, or a Dask client.

    Raises
    ------
    DataError
        If the table has no label column, an unknown class, no row to judge, or does not fit.
    """
    table = model.encoder.table(data)
    whole = model.encoder.examples(table)
    examples = model.encoder.learned_from(whole)
    spread = workers if executor is None else executor
    judged = judge(model, examples, judges_of(model, examples), spread)
    source = os.path.basename(table.source)
    return replace(judged, repeats=len(whole) - len(examples), source=source)


def judge(model: Model, examples: Examples, judges: Judges, workers: Any = 1) -> Evaluation:
    """Judge a model by examples; see `evaluate`."""
    counts = judges.mask.sum(axis=0)
    sums = np.empty((len(examples), len(model.class_names)))
    blocks = [*row_blocks(len(examples))]
    common = model, examples.features, judges.mask
    judging = in_order(workers, _judged_sums, blocks, *common, alone=BLOCKS_ALONE)
    for rows, of_judges in zip(blocks, judging, strict=True):
        sums[rows] = of_judges
    order = np.argsort(examples.rows)
    judged = order[counts[order] > 0]
    if not len(judged):
        raise DataError("no row can be judged: every network trained on them all")
    return Evaluation(
        class_names=model.class_names,
        labels=examples.labels[judged],
        probabilities=sums[judged] / counts[judged, None],
        rows=examples.rows[judged],
        class_shares=np.array(model.class_counts) / sum(model.class_counts),
        networks=len(model.network),
        known=judges.known,
        is_exact=judges.is_exact,
        inflation=judges.inflation,
        groups=None if examples.groups is None else examples.groups[judged],
        selection=model.selection if judges.out_of_fold else None,
    )


def _judged_sums(model: Model, features: Array, mask: BoolArray, rows: slice) -> Array:
    """Sum up the probabilities by the judges of some rows, `(rows, classes)`."""
    members = model.member_probabilities_of(features[rows])
    sums: Array = (members * mask[:, rows, None]).sum(axis=0)
    return sums
