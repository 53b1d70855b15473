"""One row of a table, explained: what one of the model's networks makes of it, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.analysis.trace import in_float64, trace
from minnet.data.columns import codes_of
from minnet.errors import DataError, SettingsError
from minnet.model.html import grid
from minnet.model.judges import judges_of
from minnet.model.model import finite_probabilities
from minnet.model.network_document import check_layers
from minnet.network.bins import Bins, input_names
from minnet.network.preparation import Standardize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet.analysis.trace import Trace
    from minnet.arrays import Array, BoolArray
    from minnet.data.table import Data, Table
    from minnet.model.model import Model


@dataclass(frozen=True, eq=False)
class Explanation:
    """One row through one network.

    All numbers are of float64 copies of the networks, whose own weights are float32: in the
    seventh digit, the probabilities may differ from those of `Model.member_probabilities`.

    Attributes
    ----------
    source
        Name of the table's file.
    row, network
        Which ones, counted from 0.
    trained_on_row
        Which networks were, `(networks,)`; `None` if the table shares no row with the training
        table.
    feature_names, class_names
        As the encoder has them.
    values, means, stds
        The row in the features' own units (NaN where missing), beside the mean and the standard
        deviation of the network's training rows; all `(features,)`.
    trace
        The way through the network, and back if there is an observed class.
    unlabelled
        Why there is no observed class; else empty.
    all_probabilities
        Of every network of the model, `(networks, classes)`.
    input_names
        Of what goes into the first layer: the features, and their bins if there are any.
    bins
        Those of this network, in float64; `None` without any.
    """

    source: str
    row: int
    network: int
    trained_on_row: BoolArray | None
    feature_names: Sequence[str]
    class_names: Sequence[str]
    values: Array
    means: Array
    stds: Array
    trace: Trace
    unlabelled: str
    all_probabilities: Array
    input_names: Sequence[str]
    bins: Bins | None

    def __repr__(self) -> str:
        return (
            f"<Explanation: row {self.row + 1}, network {self.network + 1}, predicted "
            f"{self.class_names[self.trace.predicted]!r}>"
        )

    def _repr_html_(self) -> str:
        """Show what goes in and what comes out in a notebook."""
        features = zip(
            self.feature_names,
            self.values,
            self.means,
            self.stds,
            self.trace.layers[0].inputs,
            strict=True,
        )
        inputs = [[name, *(f"{number:.6g}" for number in numbers)] for name, *numbers in features]
        everyone = self.all_probabilities
        classes = zip(
            self.class_names,
            self.trace.raw_outputs,
            self.trace.probabilities,
            everyone.min(axis=0),
            everyone.max(axis=0),
            everyone.mean(axis=0),
            strict=True,
        )
        outputs = [[name, *(f"{number:.4f}" for number in numbers)] for name, *numbers in classes]
        place = f"row {self.row + 1} through network {self.network + 1} of {len(everyone)}"
        return grid(
            f"minnet explanation: {place}", ["feature", "value", "mean", "std", "scaled"], inputs
        ) + grid(
            "one network, and all of them",
            ["class", "raw output", "softmax", "smallest", "largest", "mean"],
            outputs,
        )


@np.errstate(over="ignore", invalid="ignore")
def explain(model: Model, data: Data, row: int, network: int | None = None) -> Explanation:
    """Follow one row through one network, forward and back; the model stays as it is.

    Parameters
    ----------
    data
        As `train` takes it.
    row
        Counted from 0.
    network
        Counted from 0; `None` takes the first that was not trained on the row, as far as that can
        be told, else the first.

    Raises
    ------
    SettingsError
        If there is no such row or network.
    DataError
        If the table does not fit the model.
    ModelError
        If the network's layers are not those of a model; see `check_layers`.
    """
    check_layers(model.network.layers, "explained")
    table = model.encoder.table(data)
    _check_number("row", row, len(table), table.source)
    features = model.encoder.transform(table)[row]
    label, unlabelled = _label(model, table, row)
    trained_on_row = _trained_on_row(model, table, row)
    if network is None:
        network = 0 if trained_on_row is None else int(trained_on_row.argmin())
    _check_number("network", network, len(model.network), "the model")
    one = in_float64(model.network, [network])
    everyone = in_float64(model.network, range(len(model.network)))
    standardize = one.layers[0]
    assert isinstance(standardize, Standardize)  # every model begins with it
    learning_rate = model.settings.effective_learning_rate
    return Explanation(
        source=os.path.basename(table.source),
        row=row,
        network=network,
        trained_on_row=trained_on_row,
        feature_names=model.encoder.features,
        class_names=model.class_names,
        input_names=input_names(one.layers, model.encoder.features),
        bins=next((layer for layer in one.layers if isinstance(layer, Bins)), None),
        values=features,
        means=standardize.means[0, 0],
        stds=standardize.scales[0, 0],
        trace=trace(one, features, label, model.settings.loss, learning_rate),
        unlabelled=unlabelled,
        all_probabilities=finite_probabilities(everyone.forward(features[None, None]))[:, 0],
    )


def _check_number(kind: str, number: int, count: int, owner: str) -> None:
    if not 0 <= number < count:
        raise SettingsError(
            f"there is no {kind} {number + 1}: {owner} has {count:,}, counted from 1"
        )


def _label(model: Model, table: Table, row: int) -> tuple[int | None, str]:
    """Observed class of a row; or `None` and the reason why there is none."""
    target = model.encoder.target
    if target not in table.columns:
        return None, f"{table.source} has no column {target!r}"
    column = table[target]
    label = int(codes_of(column, model.encoder.class_names)[row])
    if label >= 0:
        return label, ""
    if column.missing[row]:
        return None, f"column {target!r} is empty in this row"
    cell = column.spellings[column.codes[row]]  # type: ignore[index]  # `codes_of` saw to it
    return None, f"column {target!r} says {cell!r}, a class that was not there in training"


def _trained_on_row(model: Model, table: Table, row: int) -> BoolArray | None:
    try:
        examples = model.encoder.examples(table, refuse_unknown=False)
    except DataError:  # without a label or a group, a row cannot be told to be a training row
        return None
    judges = judges_of(model, examples)
    if not judges.out_of_fold:
        return None
    own = np.flatnonzero(examples.rows == row)
    if not len(own):
        return np.zeros(len(model.network), np.bool_)
    return ~judges.mask[:, own[0]]
