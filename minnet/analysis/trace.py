"""One row through one network: every number on the way there and on the way back, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.errors import ModelError
from minnet.network.layers import Dense, Layer, ReLU, Standardize
from minnet.network.losses import one_hot, softmax, softmax_jacobian
from minnet.network.network import Network
from minnet.training.epochs import LOSSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet.arrays import Array
    from minnet.training.settings import LossName

UNITS_AT_ONCE = 256
LARGEST_EXPONENT = 500


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """Slopes of the loss by what is in one layer.

    Attributes
    ----------
    outputs
        By the layer's outputs, `(fan_out,)`: what arrives from above.
    sums
        By its sums, `(fan_out,)`: the same, but 0 where ReLU blocks it.
    weights, biases
        Input x slope by the sum, `(fan_in, fan_out)`, and 1 x slope by the sum, `(fan_out,)`.
    """

    outputs: Array
    sums: Array
    weights: Array
    biases: Array


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """One layer of weighted sums, with the ReLU behind it (the last layer has none).

    Attributes
    ----------
    inputs
        Scaled features, or what comes out of the layer below, `(fan_in,)`.
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


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the observed class teaches the network; every array is `(classes,)`.

    Attributes
    ----------
    label
        The observed class.
    residuals
        Softmax - observed: the slopes of cross-entropy by the raw outputs.
    softmax_slopes
        Of the observed class's probability by the raw outputs: its row of softmax's Jacobian.
    cross_entropy
        -ln of the observed class's probability, in nats.
    loss_name, loss, slopes
        What the network is trained with, its value, and its slopes by the raw outputs.
    learning_rate
        Of a plain gradient step on this one row.
    raw_outputs_after, probabilities_after, loss_after
        What the network would say after that step.
    """

    label: int
    residuals: Array
    softmax_slopes: Array
    cross_entropy: float
    loss_name: LossName
    loss: float
    slopes: Array
    learning_rate: float
    raw_outputs_after: Array
    probabilities_after: Array
    loss_after: float


@dataclass(frozen=True, eq=False)
class Trace:
    """One row through one network.

    Attributes
    ----------
    layers
        From the first to the last; the raw outputs are the last one's sums.
    probabilities
        Softmax of the raw outputs, `(classes,)`.
    lesson
        `None` without an observed class.
    """

    layers: Sequence[LayerTrace]
    probabilities: Array
    lesson: Lesson | None

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
        return self.predicted if self.lesson is None else self.lesson.label

    @property
    def predicted(self) -> int:
        """The class with the largest raw output."""
        return int(self.raw_outputs.argmax())


def trace(
    network: Network,
    features: Array,
    label: int | None = None,
    loss_name: LossName = "cross-entropy",
    learning_rate: float = 0.01,
) -> Trace:
    """Follow one row through one network and, if there is an observed class, back again.

    It is computed in float64, from a copy of the network, so that each number follows from the
    others to many more digits than a person is shown.

    Parameters
    ----------
    network
        Stays as it is; of several side by side, the first is followed.
    features
        `(features,)`.
    label
        The observed class.
    loss_name, learning_rate
        For the way back.

    Raises
    ------
    ModelError
        If a layer is none of `Dense`, `ReLU` and `Standardize`.
    """
    network = in_float64(network, [0])
    inputs = features[None, None]
    values = [inputs, *network.outputs_of_layers(inputs)]
    slopes, lesson = None, None
    if label is not None:
        slopes = [LOSSES[loss_name].fused(values[-1], np.array([[label]]), None)[1]]
        for layer in reversed(network.layers):
            slopes.insert(0, layer.backward(slopes[0]))
        lesson = _lesson(network, inputs, label, loss_name, learning_rate)
    layers = [
        _layer(network, place, values, slopes)
        for place, layer in enumerate(network.layers)
        if isinstance(layer, Dense)
    ]
    return Trace(layers, softmax(values[-1][0, 0]), lesson)


def in_float64(network: Network, chosen: Sequence[int]) -> Network:
    """Copy some of the networks that run side by side.

    Raises
    ------
    ModelError
        If a layer is none of `Dense`, `ReLU` and `Standardize`.
    """
    layers: list[Layer] = []
    for layer in network.layers:
        if type(layer) not in (Dense, ReLU, Standardize):
            raise ModelError(f"a layer of kind {type(layer).__name__} cannot be explained")
        if isinstance(layer, Standardize):
            means, scales = layer.means[chosen], layer.scales[chosen]
            layers.append(Standardize(means, scales, np.float64))
        elif isinstance(layer, Dense):
            weights, biases = layer.weights.values[chosen], layer.biases.values[chosen]
            layers.append(Dense(weights.astype(np.float64), biases.astype(np.float64)))
        else:
            layers.append(ReLU())
    return Network(layers)


def _lesson(
    network: Network, inputs: Array, label: int, loss_name: LossName, learning_rate: float
) -> Lesson:
    """Look at the loss, and at where a step along the network's gradients leads."""
    after = in_float64(network, [0])
    after.values -= learning_rate * network.gradients
    logits, logits_after = network.forward(inputs), after.forward(inputs)
    probabilities = softmax(logits[0, 0])
    labels = np.array([[label]])
    loss = LOSSES[loss_name].fused
    losses, slopes = loss(logits, labels, None)
    return Lesson(
        label,
        probabilities - one_hot(labels[0, 0], len(probabilities)),
        softmax_jacobian(probabilities)[label],
        float(LOSSES["cross-entropy"].fused(logits, labels, None)[0][0]),
        loss_name,
        float(losses[0]),
        slopes[0, 0],
        learning_rate,
        logits_after[0, 0],
        softmax(logits_after[0, 0]),
        float(loss(logits_after, labels, None)[0][0]),
    )


def _layer(
    network: Network, place: int, values: Sequence[Array], slopes: Sequence[Array] | None
) -> LayerTrace:
    """Gather what is in one layer.

    Parameters
    ----------
    place
        Of the `Dense` layer.
    values, slopes
        What goes into each of the network's layers and, at the end, comes out of the last one;
        and the slopes of the loss by these.
    """
    layer = network.layers[place]
    assert isinstance(layer, Dense)
    after_relu = min(place + 2, len(network.layers))
    gradients = None
    if slopes is not None:
        gradients = LayerGradients(
            slopes[after_relu][0, 0],
            slopes[place + 1][0, 0],
            layer.weights.gradients[0],
            layer.biases.gradients[0, 0],
        )
    return LayerTrace(
        values[place][0, 0],
        _strengths(network, place, values),
        layer.weights.values[0],
        layer.biases.values[0, 0],
        values[place + 1][0, 0],
        values[after_relu][0, 0],
        gradients,
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
