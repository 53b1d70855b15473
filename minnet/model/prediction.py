"""What a model predicts for new rows, and how far to trust each prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.errors import plural
from minnet.model.html import MOST_SHOWN, grid

if TYPE_CHECKING:
    from collections.abc import Collection

    from minnet.arrays import Array, IntArray
    from minnet.data.table import Data
    from minnet.model.model import Model

PREFIX = "minnet_"
OWN_COLUMNS = ("predicted", "spread", "caution")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions for the rows of a table.

    Attributes
    ----------
    class_names
        In the order of the probabilities.
    probabilities
        Mean over the networks, `(rows, classes)`.
    spread
        Largest minus smallest probability that the networks give the predicted class, `(rows,)`.
    cautions
        For each row, why to distrust its prediction; empty if there is no reason.
    """

    class_names: tuple[str, ...]
    probabilities: Array
    spread: Array
    cautions: list[list[str]]

    @property
    def labels(self) -> IntArray:
        """Integer label of the most probable class, `(rows,)`."""
        return self.probabilities.argmax(axis=-1)

    @property
    def predicted(self) -> list[str]:
        """Name of the most probable class of each row."""
        return [self.class_names[label] for label in self.labels.tolist()]

    @property
    def columns(self) -> list[Any]:
        """What is predicted, column by column: see `added_names`."""
        cautions = ["; ".join(reasons) for reasons in self.cautions]
        return [self.predicted, *self.probabilities.T, self.spread, cautions]

    def __len__(self) -> int:
        """How many rows."""
        return len(self.probabilities)

    def __repr__(self) -> str:
        return f"<Predictions: {plural(len(self), 'row')}, classes {', '.join(self.class_names)}>"

    def _repr_html_(self) -> str:
        """Show the first rows in a notebook."""
        shown = slice(MOST_SHOWN)
        rows = [
            [
                str(row),
                predicted,
                *(f"{probability:.3f}" for probability in probabilities[shown]),
                f"{spread:.3f}",
                "; ".join(cautions),
            ]
            for row, predicted, probabilities, spread, cautions in zip(
                range(1, len(self) + 1)[shown],
                self.predicted[shown],
                self.probabilities[shown],
                self.spread[shown],
                self.cautions[shown],
                strict=True,
            )
        ]
        classes = [f"p({name})" for name in self.class_names[shown]]
        heads = ["row", "predicted", *classes, "spread", "caution"]
        return grid(f"minnet predictions, {plural(len(self), 'row')}", heads, rows, len(self))


def predict(model: Model, data: Data) -> Predictions:
    """Predict the class of every row of a table.

    Parameters
    ----------
    data
        As `train` takes it.

    Raises
    ------
    DataError
        If the table lacks a column or has text where training had numbers.
    """
    table = model.encoder.table(data)
    members = model.member_probabilities(table)
    probabilities = members.mean(axis=0)
    labels = probabilities.argmax(axis=-1)
    of_predicted = np.take_along_axis(members, labels[None, :, None], axis=-1)[..., 0]
    cautions = model.encoder.cautions(table)
    for row in np.flatnonzero((members.argmax(axis=-1) != labels).any(axis=0)):
        cautions[row].append("networks disagree")
    return Predictions(model.class_names, probabilities, np.ptp(of_predicted, axis=0), cautions)


def added_names(model: Model, taken: Collection[str]) -> list[str]:
    """Name the columns that are added to a table with predictions.

    The predicted class, a probability for each class, spread and caution; with a prefix, if one of
    these names is `taken`.
    """
    probabilities = [f"p({name})" for name in model.encoder.class_names]
    first, *last = OWN_COLUMNS
    added = [first, *probabilities, *last]
    while not set(added).isdisjoint(taken):
        added = [PREFIX + name for name in added]
    return added
