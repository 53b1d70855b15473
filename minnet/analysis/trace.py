"""One row through one network: every number on the way there and on the way back, as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from minnet.arrays import Array
from minnet.errors import ModelError
from minnet.model.document import check_layers
from minnet.network.layers import Dense, Layer, ReLU
from minnet.network.losses import LOSSES, one_hot, softmax, softmax_jacobian
from minnet.network.network import Network
from minnet.network.preparation import Bins, Standardize
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

    @property
    def is_squared(self) -> bool:
        """Whether the loss is the squared residuals."""
        return self.loss_name == "squared-residuals"


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
