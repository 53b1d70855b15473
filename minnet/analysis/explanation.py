"""One row through one network: every number on the way there and on the way back, as data.

One row of a table, explained: what one of the model's networks makes of it, and why.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from minnet.arrays import Array, BoolArray
from minnet.data.columns import codes_of
from minnet.data.table import Data, Table
from minnet.errors import DataError, ModelError, SettingsError
from minnet.model.document import check_layers
from minnet.model.judges import judges_of
from minnet.model.model import Model, finite_probabilities
from minnet.network.layers import Dense, Layer, ReLU
from minnet.network.losses import LOSSES, one_hot, softmax, softmax_jacobian
from minnet.network.network import Network
from minnet.network.preparation import Bins, Standardize, input_names
from minnet.report import Cells, Section, Shown
from minnet.training.settings import LossName

UNITS_AT_ONCE = 256
LARGEST_EXPONENT = 500


@dataclass(frozen=True, eq=False, repr=False)
class LayerGradients:
    """Gradients of the loss with respect to what is in one layer.

    Attributes
    ----------
    outputs
        Of the layer's outputs, `(fan_out,)`: what arrives from above.
    sums
        Of its sums, `(fan_out,)`: the same, but 0 where ReLU blocks it.
    weights, biases
        Input x gradient of the sum, `(fan_in, fan_out)`; the gradient of the sum, `(fan_out,)`.
    """

    outputs: Array
    sums: Array
    weights: Array
    biases: Array


@dataclass(frozen=True, eq=False, repr=False)
class LayerTrace:
    """One layer of weighted sums, with the ReLU behind it (the last layer has none).

    Attributes
    ----------
    inputs
        Scaled features and their bins, or what comes out of the layer below, `(fan_in,)`.
    strengths
        How much each input matters, `(fan_in,)`: how far the raw outputs would move apart (the
        largest less the smallest change of the classes) if it were 0. A change that all classes
        share changes no probability.
    weights, biases
        `(fan_in, fan_out)` and `(fan_out,)`.
    sums, outputs
        Before and after ReLU, `(fan_out,)`; in the last layer the same.
    gradients
        `None` without an observed class.
    """

    inputs: Array
    strengths: Array
    weights: Array
    biases: Array
    sums: Array
    outputs: Array
    gradients: LayerGradients | None


@dataclass(frozen=True, eq=False, repr=False)
class BackwardTrace:
    """From the observed class back to the raw outputs; every array is `(classes,)`.

    Attributes
    ----------
    label
        The observed class.
    residuals
        Softmax - target: the gradient of cross-entropy with respect to the raw outputs.
    softmax_gradient
        Of the observed class's probability with respect to the raw outputs: its row of softmax's
        Jacobian.
    cross_entropy
        -ln of the observed class's probability, in nats.
    loss_name, loss, gradients
        What the network is trained with, its value, and its gradient with respect to the raw
        outputs.
    learning_rate
        Of a plain gradient step on this one row.
    raw_outputs_after, probabilities_after, loss_after
        What the network would output after that step.
    """

    label: int
    residuals: Array
    softmax_gradient: Array
    cross_entropy: float
    loss_name: LossName
    loss: float
    gradients: Array
    learning_rate: float
    raw_outputs_after: Array
    probabilities_after: Array
    loss_after: float


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """One row through one network.

    Attributes
    ----------
    layers
        From the first to the last; the raw outputs are the last one's sums.
    probabilities
        Softmax of the raw outputs, `(classes,)`.
    backward
        `None` without an observed class.
    """

    layers: Sequence[LayerTrace]
    probabilities: Array
    backward: BackwardTrace | None

    @property
    def raw_outputs(self) -> Array:
        """`(classes,)`."""
        return self.layers[-1].sums

    @property
    def shift(self) -> int:
        """What to take off all raw outputs before e^raw: 0, unless e^raw gets out of bounds.

        It changes nothing about softmax, whose numerator and denominator shrink alike.
        """
        largest = float(self.raw_outputs.max())
        return round(largest) if abs(largest) > LARGEST_EXPONENT else 0

    @property
    def exponentials(self) -> Array:
        """e^(raw output - shift), `(classes,)`."""
        return np.exp(self.raw_outputs - self.shift)

    @property
    def label(self) -> int:
        """The observed class, or else the predicted one."""
        return self.predicted if self.backward is None else self.backward.label

    @property
    def predicted(self) -> int:
        """The class with the largest raw output."""
        return int(self.raw_outputs.argmax())


@np.errstate(over="ignore", invalid="ignore")
def trace(
    network: Network,
    features: Array,
    label: int | None = None,
    loss_name: LossName = "cross-entropy",
    learning_rate: float = 0.01,
) -> Trace:
    """Follow one row through one network and, if there is an observed class, back again.

    It is computed in float64, from a copy of the network, so that each number follows from the
    others to many more digits than are shown.

    Parameters
    ----------
    network
        Stays as it is; of several networks, the first is followed.
    features
        `(features,)`.
    label
        The observed class.
    loss_name, learning_rate
        For the way back.

    Raises
    ------
    ModelError
        If the layers are not those of a model (see `check_layers`), or a number is not finite.
    """
    network = in_float64(network, [0])
    inputs = features[None, None]
    values = [inputs, *network.outputs_of_layers(inputs)]
    gradients, backward = None, None
    if label is not None:
        targets = one_hot(np.array([[label]]), values[-1].shape[-1])
        gradients = [LOSSES[loss_name].gradients(values[-1], targets)]
        for layer in reversed(network.layers):
            gradients.insert(0, layer.backward(gradients[0]))
        backward = _backward(network, inputs, targets, loss_name, learning_rate)
    layers = [
        _layer(network, place, values, gradients)
        for place, layer in enumerate(network.layers)
        if isinstance(layer, Dense)
    ]
    made = Trace(layers, softmax(values[-1][0, 0]), backward)
    if not all(np.isfinite(number).all() for number in _numbers(made)):
        raise ModelError("its weights or its learning rate are so large that a number is infinite")
    return made


def _numbers(value: Any) -> Iterator[Any]:
    """All numbers and arrays of numbers within dataclasses."""
    if is_dataclass(value):
        for field in fields(value):
            yield from _numbers(getattr(value, field.name))
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, (float, np.ndarray)):
        yield value


def in_float64(network: Network, chosen: Sequence[int]) -> Network:
    """Copy some of the networks; a `ModelError` if their layers are not those of a model."""
    check_layers(network.layers, "explained", are_prepared=False)
    layers: list[Layer] = []
    for layer in network.layers:
        if isinstance(layer, Standardize):
            means, scales = layer.means[chosen], layer.scales[chosen]
            layers.append(Standardize(means, scales, np.float64))
        elif isinstance(layer, Bins):
            layers.append(Bins(layer.edges[chosen], layer.columns, np.float64))
        elif isinstance(layer, Dense):
            weights, biases = layer.weights.values[chosen], layer.biases.values[chosen]
            layers.append(Dense(weights.astype(np.float64), biases.astype(np.float64)))
        else:
            layers.append(ReLU())
    return Network(layers)


def _backward(
    network: Network, inputs: Array, targets: Array, loss_name: LossName, learning_rate: float
) -> BackwardTrace:
    """Look at the loss, and at where a step along the network's gradients leads."""
    after = in_float64(network, [0])
    after.values -= learning_rate * network.gradients
    logits, logits_after = network.forward(inputs), after.forward(inputs)
    probabilities = softmax(logits[0, 0])
    label = int(targets.argmax())
    loss = LOSSES[loss_name]
    return BackwardTrace(
        label=label,
        residuals=probabilities - targets[0, 0],
        softmax_gradient=softmax_jacobian(probabilities)[label],
        cross_entropy=LOSSES["cross-entropy"].mean(logits, targets).item(),
        loss_name=loss_name,
        loss=loss.mean(logits, targets).item(),
        gradients=loss.gradients(logits, targets)[0, 0],
        learning_rate=learning_rate,
        raw_outputs_after=logits_after[0, 0],
        probabilities_after=softmax(logits_after[0, 0]),
        loss_after=loss.mean(logits_after, targets).item(),
    )


def _layer(
    network: Network, place: int, values: Sequence[Array], gradients: Sequence[Array] | None
) -> LayerTrace:
    """Gather what is in one layer.

    Parameters
    ----------
    place
        Of the `Dense` layer.
    values, gradients
        What goes into each of the network's layers and, at the end, comes out of the last one;
        and the gradients of the loss with respect to these.
    """
    layer = network.layers[place]
    assert isinstance(layer, Dense)
    after_relu = min(place + 2, len(network.layers))
    own = None
    if gradients is not None:
        own = LayerGradients(
            outputs=gradients[after_relu][0, 0],
            sums=gradients[place + 1][0, 0],
            weights=layer.weights.gradients[0],
            biases=layer.biases.gradients[0, 0],
        )
    return LayerTrace(
        inputs=values[place][0, 0],
        strengths=_strengths(network, place, values),
        weights=layer.weights.values[0],
        biases=layer.biases.values[0, 0],
        sums=values[place + 1][0, 0],
        outputs=values[after_relu][0, 0],
        gradients=own,
    )


def _strengths(network: Network, place: int, values: Sequence[Array]) -> Array:
    """Run on from what goes into a layer, each time with another of the inputs set to 0."""
    inputs, raw_outputs = values[place][0, 0], values[-1][0]
    strengths = []
    for start in range(0, len(inputs), UNITS_AT_ONCE):
        units = np.arange(start, min(start + UNITS_AT_ONCE, len(inputs)))
        without = np.tile(inputs, (1, len(units), 1))
        without[0, units - start, units] = 0
        for layer in network.layers[place:]:
            without = layer.forward(without)
        strengths.append(np.ptp(without[0] - raw_outputs, axis=-1))
    return np.concatenate(strengths)


@dataclass(frozen=True, eq=False)
class Explanation(Shown):
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
    is_boolean
        Which of the values stand for false and true, `(features,)`.
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
    is_boolean: BoolArray
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

    def report(self) -> list[Section]:
        """Show what goes in and what comes out."""
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
        return [
            Section(
                f"minnet explanation: {place}",
                [Cells(inputs, ["feature", "value", "mean", "std", "scaled"])],
            ),
            Section(
                "one network, and all of them",
                [Cells(outputs, ["class", "raw output", "softmax", "smallest", "largest", "mean"])],
            ),
        ]


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
        is_boolean=model.encoder.is_boolean,
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
