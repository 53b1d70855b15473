"""How good a model is: no row is judged by a network that trained on it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minnet.errors import DataError
from minnet.model import html
from minnet.model.intervals import design_effect, share_interval
from minnet.model.judges import judges_of
from minnet.model.model import row_blocks
from minnet.model.ranking import average_precision, precision_recall_curve, roc_area, roc_curve
from minnet.model.scores import Scores, Sums, cross_entropy, tenth_of
from minnet.training.spread import in_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.data.examples import Examples
    from minnet.data.table import Data
    from minnet.model.judges import Judges
    from minnet.model.model import Model

BLOCKS_ALONE = 8
"""Fewer take less time in this process than workers take to start."""


class CalibrationBin(NamedTuple):
    """Rows whose probability of a class lies within one tenth of 0..1.

    Attributes
    ----------
    rows
        How many.
    mean_probability
        Of the class.
    share
        Of rows that are of the class.
    interval
        95 % interval of that share.
    """

    rows: int
    mean_probability: float
    share: float
    interval: tuple[float, float]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Evaluation(Scores):
    """Labels beside probabilities, and every score that follows from them.

    Attributes
    ----------
    labels
        Observed integer labels, `(rows,)`.
    probabilities
        `(rows, classes)`.
    rows
        Which rows of the table were judged, counted from 0, `(rows,)`, ascending.
    is_new
        Which rows are sure to be new, and judged by the mean of all networks, `(rows,)`; all others
        are judged by the networks that held them out or would have. `None` if that is the same for
        all rows, as `known` tells.
    groups
        Key of the group that each row is in, or of the training row that it copies, `(rows,)`:
        rows with the same key count as one where they are alike. `None` if there are no such rows.
    threshold
        Of two classes: from which probability on a row is predicted as the second class.
    source
        Name of the table's file.
    copies
        How many rows are training rows that others are already: with these they count as one in
        intervals.

    The others are those of `Scores`; its sums follow from the rows.
    """

    labels: IntArray
    probabilities: Array
    rows: IntArray
    is_new: BoolArray | None = None
    groups: IntArray | None = None
    threshold: float = 0.5
    source: str = ""
    copies: int = 0
    sums: Sums = field(init=False)

    def __post_init__(self) -> None:
        """Sum up the rows."""
        figures = self.labels, self.predicted, self.probabilities, self.class_shares, self.groups
        object.__setattr__(self, "sums", Sums.of(*figures))

    def _repr_html_(self) -> str:
        """Show the scores, and those of each class, in a notebook."""
        return html.scores(self)

    @property
    def subsets(self) -> dict[str, Evaluation]:
        """The rows of the training table and the new ones, where there are both; else nothing."""
        if self.is_new is None or not 0 < np.count_nonzero(self.is_new) < len(self):
            return {}
        return {"training_table": self._select(~self.is_new), "new": self._select(self.is_new)}

    def _select(self, some: BoolArray) -> Evaluation:
        is_new = self.is_new is not None and bool(self.is_new[some].all())
        return replace(
            self,
            labels=self.labels[some],
            probabilities=self.probabilities[some],
            rows=self.rows[some],
            groups=None if self.groups is None else self.groups[some],
            is_new=None,
            known=0 if is_new else self.known,
            new=int(np.count_nonzero(some)) if is_new else 0,
            inflation=1.0 if is_new else self.inflation,
        )

    @property
    def predicted(self) -> IntArray:
        """Label of the most probable class, or of two classes by the threshold, `(rows,)`."""
        if self.threshold != 0.5:
            return (self.probabilities[:, 1] >= self.threshold).astype(np.int64)
        return self.probabilities.argmax(axis=-1)

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
        return cross_entropy(self.probabilities, self.labels)

    @property
    def area_under_roc_curve(self) -> float:
        """How often a row of a class gets a higher probability of it than a row of the rest.

        Of two classes that of the second, of more the mean over the classes, each against the rest;
        NaN where a class has no rows.
        """
        return self._over_classes(lambda *of_class: roc_area(roc_curve(*of_class)))

    @property
    def average_precision(self) -> float:
        """Precision averaged over the steps of recall, of classes as `area_under_roc_curve`."""
        return self._over_classes(
            lambda *of_class: average_precision(precision_recall_curve(*of_class))
        )

    def _over_classes(self, score: Callable[[Array, BoolArray], float]) -> float:
        if not self.class_counts.all():
            return math.nan
        scores = [score(self.probabilities[:, k], self.labels == k) for k in self.main_classes]
        return sum(scores) / len(scores)

    def calibration_curve(self, label: int) -> list[CalibrationBin]:
        """Take the rows by their probability of a class, in tenths; empty ones are left out."""
        places, is_class = tenth_of(self.probabilities[:, label]), self.labels == label
        curve = []
        for tenth, (rows, total, hits, _) in enumerate(self.sums.tenths[:, label].T.tolist()):
            inside = places == tenth
            if rows:
                groups = None if self.groups is None else self.groups[inside]
                effect = design_effect(is_class[inside], groups)
                interval = share_interval(hits, rows, self.inflation, effect)
                curve.append(CalibrationBin(int(rows), total / rows, hits / rows, interval))
        return curve


def evaluate(
    model: Model, data: Data, *, new: bool = False, workers: int = 1, executor: Any = None
) -> Evaluation:
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
    judged = judge(model, examples, judges_of(model, examples, new=new), spread)
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
        groups = "" if examples.groups is None else ", or they were in groups of other names"
        raise DataError(f"no row can be judged: every network trained on them all{groups}")
    return Evaluation(
        class_names=model.class_names,
        labels=examples.labels[judged],
        probabilities=sums[judged] / counts[judged, None],
        rows=examples.rows[judged],
        class_shares=np.array(model.class_counts) / sum(model.class_counts),
        networks=len(model.network),
        known=judges.known,
        is_exact=judges.is_exact,
        is_new=judges.is_new[judged],
        copies=judges.copies,
        new=int(np.count_nonzero(judges.is_new[judged])),
        inflation=judges.inflation,
        is_weighted=model.settings.balanced or model.settings.class_weights is not None,
        groups=None if judges.clusters is None else judges.clusters[judged],
        selection=model.selection if judges.out_of_fold else None,
    )


def _judged_sums(model: Model, features: Array, mask: BoolArray, rows: slice) -> Array:
    """Sum up the probabilities by the judges of some rows, `(rows, classes)`."""
    members = model.member_probabilities_of(features[rows])
    sums: Array = (members * mask[:, rows, None]).sum(axis=0)
    return sums
