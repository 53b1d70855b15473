"""What a model answers for new rows, and how far to trust each answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from minnet.arrays import Array, IntArray
    from minnet.data.table import Table
    from minnet.model.model import Model


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers for the rows of a table.

    Attributes
    ----------
    probabilities
        Mean over the networks, `(rows, classes)`.
    labels
        Integer label of the most probable class, `(rows,)`.
    spread
        Largest minus smallest probability that the networks give that class, `(rows,)`.
    cautions
        For each row, why to distrust its answer; empty if there is no reason.
    """

    probabilities: Array
    labels: IntArray
    spread: Array
    cautions: list[list[str]]


def predict(model: Model, table: Table) -> Predictions:
    """Ask a model about every row of a table.

    Raises
    ------
    DataError
        If the table lacks a column or has text where training had numbers.
    """
    each = model.probabilities(table)
    probabilities = each.mean(axis=0)
    labels = probabilities.argmax(axis=-1)
    of_answer = np.take_along_axis(each, labels[None, :, None], axis=-1)[..., 0]
    cautions = model.encoder.cautions(table)
    for row in np.flatnonzero((each.argmax(axis=-1) != labels).any(axis=0)):
        cautions[row].append("networks disagree")
    return Predictions(probabilities, labels, np.ptp(of_answer, axis=0), cautions)
