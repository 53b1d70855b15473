"""How good a model is: no row is judged by a network that trained on it.

Scores follow from a few sums over judged rows, and so can be merged over parts of them; an
`Evaluation` is such scores with their rows, which curves over all thresholds need.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.data.cells import short_names
from minnet.data.encoding import Examples
from minnet.data.keys import GroupSums
from minnet.data.table import Data
from minnet.errors import DataError, counted, plural
from minnet.model import curves
from minnet.model.judges import (
    Judges,
    Mean,
    association,
    design_effect,
    judged_by,
    judges_of,
    share_interval,
)
from minnet.model.model import Model, Selection, row_blocks
from minnet.model.threshold import TRIED, Threshold, predicted_labels
from minnet.report import Cells, Section, Shown, attributes, percent, three_decimals
from minnet.training.settings import FEWEST_FOLDS
from minnet.training.workers import in_order

MOST_CLASSES_CROSSED, MOST_CONFUSIONS = 12, 10  # all pairs of so many classes; else so many pairs
TINY = np.finfo(np.float64).tiny
ROUNDING = 1e-9
NORMAL_QUANTILE_95 = 1.645  # one-sided
GROUPED = "correct", "gain", "association", "residual"
"""The figures of a row whose likeness within groups is measured."""
TOLD = (
    *("judged_by", "out_of_fold", "correct", "accuracy", "accuracy_interval", "majority"),
    *("log_loss", "baseline_log_loss", "log_loss_gain_interval", "is_learned"),
    *("balanced_accuracy", "area_under_roc_curve", "average_precision", "calibration_error"),
    *("chance_calibration_errors", "top_label_calibration_error", "warnings", "class_scores"),
    *("confusion", "selection", "threshold"),
)
"""By their names in a document, too."""


class Sums(NamedTuple):
    """What all scores are made of, mergeable over parts of the rows.

    Attributes
    ----------
    rows
        How many of each observed class, `(classes,)`. All other sums are of their weights.
    confusion
        Of each observed class that got each prediction, `(observed, predicted)`.
    tenths
        Of the rows whose probability p of a class lies in one tenth of 0..1: how many they are,
        and the sums of p, of y (1 for a row of the class, else 0) and of p (1 - p), the variance of
        y where p holds, `(4, classes, tenths)`.
    top_tenths
        By the probability of the most probable class: rows, their summed probability and how many
        are of that class, `(3, tenths)`.
    correct, loss, gain, association, residual
        Of a row: whether its prediction is correct; its cross-entropy, and how much smaller that is
        than the class shares'; its `association`, with the shares of the training table; whether
        the most probable class is the observed one, minus its probability.
    associations
        Summed up by observed class, `(classes,)`.
    groups
        Those of `GROUPED` by group; `None` without groups.
    """

    rows: IntArray
    confusion: Array
    tenths: Array
    top_tenths: Array
    correct: Mean
    loss: Mean
    gain: Mean
    association: Mean
    residual: Mean
    associations: Array
    groups: GroupSums | None

    @classmethod
    def of(cls, judged: Evaluation) -> Sums:
        """Sum up the rows of an evaluation, at least one."""
        labels, probabilities = judged.labels, judged.probabilities
        classes, weights = len(judged.class_names), judged.weights
        of_rows = np.ones(len(labels)) if weights is None else weights
        pairs: Any = np.bincount(labels * classes + judged.predicted, weights, classes**2)
        tenths = [
            curves.tenths(p, of_rows, labels == k, p * (1 - p) * of_rows)
            for k, p in enumerate(probabilities.T)
        ]
        top, is_top = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
        figures = {
            "correct": (judged.predicted == labels).astype(np.float64),
            "loss": judged.row_losses,
            "gain": nats(judged.class_shares)[labels] - judged.row_losses,
            "association": association(probabilities, labels, judged.class_shares),
            "residual": is_top - top,
        }
        groups = None
        if judged.groups is not None:
            grouped = np.array([figures[name] * of_rows for name in GROUPED])
            groups = GroupSums.of(judged.groups, of_rows, grouped)
        pointing = figures["association"] * of_rows
        return cls(
            rows=np.bincount(labels, minlength=classes),
            confusion=pairs.reshape(classes, classes),
            tenths=np.stack(tenths, axis=1),
            top_tenths=curves.tenths(top, of_rows, is_top),
            **{name: Mean.of(values, weights) for name, values in figures.items()},
            associations=np.bincount(labels, pointing, classes).astype(np.float64),
            groups=groups,
        )

    def merge(self, other: Sums) -> Sums:
        """Take in other rows."""
        pairs: Any = zip(self, other, strict=True)
        return Sums(*(a + b if isinstance(a, np.ndarray) else a and a.merge(b) for a, b in pairs))

    def design_effect(self, figure: str) -> float:
        """How much larger the variance of a mean is because groups of rows are alike."""
        if self.groups is None:
            return 1.0
        mean = getattr(self, figure)
        squares = mean.squares * mean.square_weights / mean.weight
        return self.groups.design_effect(GROUPED.index(figure), mean.mean, squares)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Scores:
    """How good a model is, as far as sums over the judged rows can tell.

    Attributes
    ----------
    class_names
        In the model's order.
    class_shares
        Of the classes in the training table, `(classes,)`: what there is to beat. Of weighted rows
        those of the judged rows, since how much a class counts changes with the weights.
    networks
        How many networks the model has.
    known, is_exact
        How many rows were in the training table; see `minnet.model.judges.Judges`.
    new
        How many rows are sure to be new, and judged by the mean of all networks; all others are
        judged by the networks that held them out or would have.
    inflation
        How much larger the variance of a mean over the rows is than over independent ones.
    repeats
        How many rows were left out because they repeat others, as they were in training.
    is_weighted
        Whether the networks were trained balanced or with class weights.
    selection
        How the model was chosen by its scores on rows of the training table, if such were judged;
        else `None`.
    threshold
        By which one of two classes was predicted; `None` if the most probable class was.
    sums
        Of all judged rows.
    """

    class_names: tuple[str, ...]
    class_shares: Array
    networks: int
    known: int | None = 0
    is_exact: bool = True
    new: int
    inflation: float = 1.0
    repeats: int = 0
    is_weighted: bool = False
    selection: Selection | None = None
    threshold: Threshold | None = None
    sums: Sums

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {plural(len(self), 'row')}, accuracy {self.accuracy:.3f}, "
            f"log loss {self.log_loss:.3f}>"
        )

    def merge(self, other: Scores) -> Scores:
        """Take in the scores of other rows of the training table by the same model.

        How far rows of both parts judge each other, only who knows their folds can tell.
        """
        known = (self.known or 0) + (other.known or 0)
        return replace(self.scores, known=known, sums=self.sums.merge(other.sums))

    @property
    def scores(self) -> Scores:
        """These alone, without the rows that an evaluation has."""
        return Scores(**{field.name: getattr(self, field.name) for field in fields(Scores)})

    @property
    def out_of_fold(self) -> bool:
        """Whether each row is judged only by networks that never saw it or its like."""
        return self.new < len(self)

    @property
    def judged_by(self) -> str:
        """Which rows these are and which networks judged them, in a sentence."""
        return judged_by(self.known, len(self), self.new, self.networks, is_exact=self.is_exact)

    def __len__(self) -> int:
        """How many rows were judged."""
        return int(self.sums.rows.sum())

    @property
    def weight(self) -> float:
        """Of all judged rows together: how many there are, unless some count more than others."""
        return self.sums.loss.weight

    @property
    def confusion(self) -> Array:
        """How many rows of each observed class got each prediction, `(observed, predicted)`."""
        return self.sums.confusion

    @property
    def confusions(self) -> Array:
        """Observed class, another one predicted, and rows, most frequent first: `(pairs, 3)`."""
        wrong = self.confusion - np.diag(self.confusion.diagonal())
        order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
        return np.column_stack([*np.unravel_index(order, wrong.shape), wrong.flat[order]])

    @property
    def class_counts(self) -> Array:
        """Rows of each class, or their weights, `(classes,)`."""
        counts: Array = self.confusion.sum(axis=1)
        return counts

    @property
    def main_classes(self) -> list[int]:
        """Labels with rows, the most frequent first; of two classes, the second stands for both."""
        if len(self.class_names) == 2:
            return [1]
        counts = self.class_counts
        return [k for k in np.argsort(-counts, kind="stable").tolist() if counts[k]]

    @property
    def correct(self) -> float:
        """How many predictions are correct, or their weight."""
        return self.confusion.trace().item()

    @property
    def accuracy(self) -> float:
        """Share of correct predictions."""
        return self.correct / self.weight

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy; see `minnet.model.judges`."""
        effect = self.sums.design_effect("correct")
        rows = self.sums.correct.rows
        return share_interval(self.accuracy * rows, rows, self.inflation, effect)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have rows."""
        return float(np.nanmean([scores.recall for scores in self.class_scores.values()]))

    @property
    def majority(self) -> tuple[str, float]:
        """The most frequent class, and the accuracy of always predicting it."""
        counts = self.class_counts
        return self.class_names[counts.argmax()], float(counts.max() / self.weight)

    @property
    def log_loss(self) -> float:
        """Mean cross-entropy, nats per row."""
        return self.sums.loss.mean

    @property
    def baseline_log_loss(self) -> float:
        """Log loss of always giving the class shares of the training table."""
        return float(self.class_counts @ nats(self.class_shares) / self.weight)

    @property
    def log_loss_gain_interval(self) -> tuple[float, float]:
        """95 % interval of how much smaller the log loss is than the baseline's, paired by row."""
        return self.sums.gain.interval(self.inflation * self.sums.design_effect("gain"))

    @property
    def is_learned(self) -> bool:
        """Whether the predictions are shown to have to do with the classes: see `association`.

        Its mean M is the covariance of the probability of a class and its occurrence, summed over
        the classes, if the shares are those among the judged rows; by those of the training table,
        it lacks the difference of the shares times the mean probabilities m. As the shares are
        drawn with the rows, what a row adds to M is its association less m of its class: of a rare
        class, most of the variance goes, since one row of it changes the shares.
        """
        counts, pointing = self.class_counts, self.sums.association
        mean_probabilities = self.sums.tenths[1].sum(axis=1) / self.weight
        expected = float(counts @ mean_probabilities) / self.weight
        of_class = mean_probabilities - expected
        squares = pointing.squares - 2 * float(of_class @ self.sums.associations)
        squares += float(counts @ of_class**2)
        mean = pointing.mean - expected + float(self.class_shares @ mean_probabilities)
        inflation = self.inflation * self.sums.design_effect("association")
        low, _ = pointing._replace(mean=mean, squares=max(squares, 0.0)).interval(inflation)
        return low > ROUNDING

    @property
    def class_scores(self) -> dict[str, curves.ClassScores]:
        """Precision, recall and F1 of each class."""
        confusion = self.confusion
        hits, observed, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
        with np.errstate(invalid="ignore"):
            scores = hits / predicted, hits / observed, 2 * hits / (observed + predicted)
        columns = *(score.tolist() for score in scores), self.sums.rows.tolist()
        return dict(zip(self.class_names, map(curves.ClassScores, *columns), strict=True))

    @property
    def calibration_error(self) -> float:
        """Share of probability that lies in the wrong place.

        Half the sum, over the classes and over tenths of a class's probability p, of
        |sum of (p - y)| / n, where y is 1 for a row of the class and 0 for any other. Of two
        classes it is the expected calibration error of the probability of either. It does not fade
        with many classes, as a mean over them does, and sees what the most probable class alone
        hides: that a rare class gets too much everywhere.

        References
        ----------
        Naeini, Cooper, Hauskrecht (2015), "Obtaining well calibrated probabilities using Bayesian
        binning".
        Nixon et al. (2019), "Measuring calibration in deep learning", on the error by class.
        """
        _, probability, occurs, _ = self.sums.tenths
        return float(np.abs(probability - occurs).sum() / (2 * self.weight))

    @property
    def chance_calibration_errors(self) -> tuple[float, float]:
        """What calibration error chance makes of perfect calibration: expected, and its 95 % limit.

        With y drawn by the probabilities, the sum of (p - y) over a tenth of a class is about
        normal, with the variance v = sum of p (1 - p), times the design effect where rows come in
        groups. Its absolute value has the mean sqrt(2 v / pi) and the variance (1 - 2 / pi) v. The
        classes depend on each other as counts of a fixed total do: with two, the second says the
        first again. So their variances add up to more, by about classes / (classes - 1).
        """
        variance = self.sums.tenths[3] * self.sums.design_effect("residual")
        expected = float(np.sqrt(2 / np.pi * variance).sum())
        likeness = len(self.class_names) / (len(self.class_names) - 1)
        spread = math.sqrt(likeness * (1 - 2 / math.pi) * float(variance.sum()))
        twice = 2 * self.weight
        return expected / twice, (expected + NORMAL_QUANTILE_95 * spread) / twice

    @property
    def calibration_in_words(self) -> str:
        """The calibration error, and what chance alone would make of it."""
        expected, limit = self.chance_calibration_errors
        return f"{self.calibration_error:.3f} ({expected:.3f} by chance, up to {limit:.3f})"

    @property
    def hits(self) -> str:
        """How many rows are predicted as they were observed, or how much they weigh."""
        if self.weight == len(self):
            return f"{self.correct:,} of {plural(len(self), 'row')}"
        return f"{counted(self.correct)} of {counted(self.weight)} by weight"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The main scores, each by its name, as reports show them."""
        majority, share = self.majority
        low, high = self.accuracy_interval
        shown = f"{percent(self.accuracy)}, 95 % interval {100 * low:.1f}-{100 * high:.1f}"
        shares = f"class shares: {self.baseline_log_loss:.3f}"
        return [
            ("accuracy", f"{self.hits} ({shown})"),
            ("", f"majority class {majority!r}: {percent(share)}"),
            ("log loss", f"{self.log_loss:.3f} nats per row ({shares})"),
            ("calibration error", self.calibration_in_words),
        ]

    @property
    def top_label_calibration_error(self) -> float:
        """Mean distance, over tenths, of accuracy from the probability of the predicted class.

        References
        ----------
        Guo, Pleiss, Sun, Weinberger (2017), "On calibration of modern neural networks".
        """
        _, probability, correct = self.sums.top_tenths
        return float(np.abs(probability - correct).sum() / self.weight)

    @property
    def area_under_roc_curve(self) -> float:
        """How often a row of a class gets a higher probability of it than a row of the rest.

        Of two classes that of the second, of more the mean over the classes, each against the rest;
        NaN where a class has no rows, and of sums without their rows.
        """
        return self._over_classes(curves.ROC)

    @property
    def average_precision(self) -> float:
        """Precision averaged over the steps of recall, of classes as `area_under_roc_curve`."""
        return self._over_classes(curves.PRECISION_RECALL)

    def _over_classes(self, curve: curves.Curve) -> float:
        return math.nan

    @property
    def warnings(self) -> list[str]:
        """What speaks against trusting the model or its probabilities, a sentence each."""
        found = []
        if not self.is_learned:
            found.append(
                "nothing was shown to be learned: chance alone could have brought such predictions"
            )
        low, high = self.log_loss_gain_interval
        if low <= 0:
            than = "worse than" if high < 0 else "not shown to be better than"
            hint = "more weight decay may help (--weight-decay)"
            if self.is_weighted:
                hint = "the probabilities are those of classes balanced or weighted as in training"
            found.append(f"the log loss is {than} that of the class shares: {hint}")
        if self.calibration_error > self.chance_calibration_errors[1]:
            found.append(
                "worse calibrated than chance would make it: the probabilities do not hold"
            )
        return found

    def document(self) -> dict[str, Any]:
        """Tell every score as JSON, unrounded; `null` where there is nothing to divide by."""
        rows = {
            "rows": len(self),
            "rows_in_training_table": self.known,
            "rows_in_training_table_is_exact": self.is_exact,
            "new_rows": self.new,
            "repeats_left_out": self.repeats,
        }
        return rows | attributes(self, *TOLD)


def nats(probabilities: Array) -> Array:
    """Negative natural logarithms, finite where a probability is 0."""
    return -np.log(np.maximum(probabilities, TINY))


ROWS_ALONE = 2**15
"""Fewer take less time in this process than workers take to start."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Evaluation(Scores, Shown):
    """Labels beside probabilities, and every score that follows from them, as in `Scores`.

    Attributes
    ----------
    labels
        Observed integer labels, `(rows,)`.
    probabilities
        `(rows, classes)`.
    rows
        Which rows of the table were judged, from 0, `(rows,)`, ascending.
    fold_of_row
        The fold of the training table that each row is in, `(rows,)`: networks judge it that held
        it out or would have; -1 of rows that are sure to be new, judged by all networks.
    groups
        Key of the group that each row is in, or of the training row that it copies, `(rows,)`:
        such rows count as one where they are alike. `None` if there are none.
    weights
        How much each row counts, `(rows,)`; `None` counts all alike.
    source
        Name of the table's file.
    copies
        How many rows are training rows that others are already: in intervals they count as one.
    """

    labels: IntArray
    probabilities: Array
    rows: IntArray
    fold_of_row: IntArray
    groups: IntArray | None = None
    weights: Array | None = None
    source: str = ""
    copies: int = 0
    new: int = field(init=False)
    sums: Sums = field(init=False)

    def __post_init__(self) -> None:
        """Sum up the rows."""
        object.__setattr__(self, "sums", Sums.of(self))
        object.__setattr__(self, "new", int(np.count_nonzero(self.fold_of_row < 0)))

    def report(self) -> list[Section]:
        """Say whose rows were judged and by which networks, and every score."""
        names = short_names(self.class_names)
        lines = [str(one) for one in (self.selection, self.threshold) if one]
        whose = "each class against the rest, mean"
        if len(names) == 2:
            whose = f"{names[1]!r}, {percent(self.class_counts[1] / self.weight)} of rows"
        facts = {
            "balanced accuracy": percent(self.balanced_accuracy),
            "area under ROC": f"{three_decimals(self.area_under_roc_curve)} ({whose})",
            "average precision": three_decimals(self.average_precision),
        }
        subsets = [
            (name.replace("_", " "), "{0[1]}, log loss {2[1]}".format(*subset.facts))
            for name, subset in self.subsets.items()
        ]
        classes, pairs, title, heads = [], [], "", ["observed \\ predicted", *names]
        heads[0] += " (weight)" * (self.weight != len(self))
        of_classes = self.class_scores.values(), self.confusion.tolist()
        for name, scores, counts in zip(names, *of_classes, strict=True):
            classes.append([name, *map(three_decimals, scores[:3]), f"{scores.rows:,}"])
            pairs.append([name, *map(counted, counts)])
        if len(names) > MOST_CLASSES_CROSSED:
            found, heads = self.confusions.tolist(), ["observed", "predicted", "rows"]
            title = f"most frequent of {len(found):,} confusions (all: --json)"
            found = found[:MOST_CONFUSIONS]
            pairs = [[names[int(k)], names[int(j)], counted(n)] for k, j, n in found]
        main: list[str | Cells] = [
            *lines,
            Cells(subsets, left=(0, 1), indent="  "),
            Cells([*self.facts, *facts.items()], left=(0, 1)),
            *self.warnings,
        ]
        return [
            Section(f"{plural(len(self), 'row')}, {self.judged_by}", main),
            Section("", [Cells(classes, ["class", "precision", "recall", "F1", "rows"])]),
            Section(title, [Cells(pairs, heads, left=(0, 1)[: 1 + bool(title)])]),
        ]

    @property
    def subsets(self) -> dict[str, Evaluation]:
        """The rows of the training table and the new ones, where there are both; else nothing."""
        if not 0 < self.new < len(self):
            return {}
        is_new = self.fold_of_row < 0
        return {"training_table": self.select(~is_new), "new": self.select(is_new)}

    def select(self, some: BoolArray) -> Evaluation:
        """Take some of the rows, `(rows,)`."""
        names = "labels", "probabilities", "rows", "fold_of_row", "groups", "weights"
        pairs = ((name, getattr(self, name)) for name in names)
        changes: dict[str, Any] = {name: one if one is None else one[some] for name, one in pairs}
        if (changes["fold_of_row"] < 0).all():
            changes |= {"known": 0, "inflation": 1.0}
        return replace(self, **changes)

    @property
    def predicted(self) -> IntArray:
        """Integer label of the predicted class, `(rows,)`."""
        names, threshold = self.class_names, self.threshold
        return predicted_labels(self.probabilities, names, threshold, self.fold_of_row)

    @property
    def threshold_counts(self) -> Array:
        """What chooses a threshold, of rows of the training table, `(folds, 2, places)`.

        Rows of each fold and class, by how many of the thresholds are at most their probability of
        the second class. The counts of parts can be added up.
        """
        counts = np.zeros((max(self.networks, FEWEST_FOLDS), 2, len(TRIED) + 1))
        places = np.searchsorted(TRIED, self.probabilities[:, 1], side="right")
        of_rows = 1 if self.weights is None else self.weights
        np.add.at(counts, (self.fold_of_row, self.labels, places), of_rows)
        return counts

    @property
    def observed_probability(self) -> Array:
        """Probability of the observed class, `(rows,)`."""
        return self.probabilities[np.arange(len(self.labels)), self.labels]

    @property
    def row_losses(self) -> Array:
        """Cross-entropy of each row, nats, `(rows,)`."""
        return nats(self.observed_probability)

    def _over_classes(self, curve: curves.Curve) -> float:
        if not self.class_counts.all():
            return math.nan
        rates_of, area_of = curve
        columns, weights = self.probabilities.T, self.weights
        rates = [rates_of(columns[k], self.labels == k, weights) for k in self.main_classes]
        return sum(map(area_of, rates)) / len(rates)

    def calibration_curve(self, label: int) -> list[curves.CalibrationBin]:
        """Take the rows by their probability of a class, in tenths; empty ones are left out."""
        places, is_class = curves.tenth_of(self.probabilities[:, label]), self.labels == label
        curve = []
        for tenth, (rows, total, hits, _) in enumerate(self.sums.tenths[:, label].T.tolist()):
            inside = places == tenth
            if rows:
                groups = None if self.groups is None else self.groups[inside]
                effect = design_effect(is_class[inside], groups) * len(self) / self.sums.loss.rows
                interval = share_interval(hits, rows, self.inflation, effect)
                curve.append(curves.CalibrationBin(int(rows), total / rows, hits / rows, interval))
        return curve


def evaluate(model: Model, data: Data, *, new: bool = False, workers: Any = 1) -> Evaluation:
    """Judge a model by a labelled table.

    A row of the table that the model was trained on, in whatever order or format, is judged by the
    networks that held it out (one that every network trained on is left out); a row that is sure to
    be new, by the mean of all. See `minnet.model.judges.judges_of`. If the model was trained
    without rows that repeat others, so it is judged.

    Parameters
    ----------
    new
        Whether all rows are new, whatever they look like.
    workers
        How many processes; or an executor of `concurrent.futures`, or a Dask client. Decides
        nothing but the time it takes.

    Returns
    -------
    Evaluation
        Every score, and the judged rows.

    Raises
    ------
    DataError
        If the table has no label column, an unknown class, no row to judge, or does not fit.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> len(minnet.evaluate(model, "data/iris.csv"))
    150
    """
    table = model.encoder.table(data)
    whole = model.encoder.examples(table)
    examples = model.encoder.learned_from(whole)
    judges, source = judges_of(model, examples, new=new), os.path.basename(table.source)
    repeats = len(whole) - len(examples)
    return judge(model, examples, judges, workers, repeats=repeats, source=source)


def judge(
    model: Model, examples: Examples, judges: Judges, workers: Any = 1, **others: Any
) -> Evaluation:
    """Judge a model by examples, see `evaluate`; `others` are attributes of the evaluation."""
    counts, sums = judges.mask.sum(axis=0), np.zeros((len(examples), len(model.class_names)))
    tasks = [
        (network, own[block])
        for network, own in enumerate(map(np.flatnonzero, judges.mask))
        for block in row_blocks(len(own))
    ]
    common = model, examples.features
    alone = 0 if counts.sum() > ROWS_ALONE else len(tasks)
    found = in_order(workers, _probabilities, tasks, *common, alone=alone)
    for (_, rows), probabilities in zip(tasks, found, strict=True):
        sums[rows] += probabilities
    order = np.argsort(examples.rows)
    judged = order[counts[order] > 0]
    if not len(judged):
        groups = "" if examples.groups is None else ", or they were in groups of other names"
        raise DataError(f"no row can be judged: every network trained on them all{groups}")
    of_classes = np.array(model.class_counts)
    if examples.weights is not None:
        of_classes = np.bincount(examples.labels[judged], examples.weights[judged], len(of_classes))
    return Evaluation(
        class_names=model.class_names,
        labels=examples.labels[judged],
        probabilities=sums[judged] / counts[judged, None],
        rows=examples.rows[judged],
        class_shares=of_classes / of_classes.sum(),
        networks=len(model.network),
        known=judges.known,
        is_exact=judges.is_exact,
        copies=judges.copies,
        inflation=judges.inflation,
        is_weighted=model.settings.balanced or model.settings.class_weights is not None,
        groups=None if judges.clusters is None else judges.clusters[judged],
        weights=None if examples.weights is None else examples.weights[judged],
        selection=None if judges.is_new.all() else model.selection,
        threshold=model.threshold,
        fold_of_row=np.where(judges.is_new, -1, judges.mask.argmax(axis=0))[judged],
        **others,
    )


def _probabilities(model: Model, features: Array, task: tuple[int, IntArray]) -> Array:
    """Let one network predict some rows, `(rows, classes)`."""
    network, rows = task
    return model.member_probabilities_of(features[rows], slice(network, network + 1))[0]
