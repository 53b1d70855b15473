"""One row traced through one network, forward and back, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minnet.arrays import Array
from minnet.errors import ModelError
from minnet.network.layers import Dense
from minnet.network.losses import LOSSES, one_hot, softmax, softmax_jacobian
from minnet.network.network import Network

LARGEST_EXPONENT = 500


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
        Of the loss, by name: with respect to `outputs`, what arrives from above; to `sums`, the
        same, but 0 where ReLU blocks it; to `weights`, input x gradient of the sum; to `biases`,
        the gradient of the sum. Empty without an observed class.
    """

    inputs: Array
    strengths: Array
    weights: Array
    biases: Array
    sums: Array
    outputs: Array
    gradients: dict[str, Array]


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
    loss_name: str
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
    loss_name: str = "cross-entropy",
    learning_rate: float = 0.01,
) -> Trace:
    """Follow one row through one network and, if there is an observed class, back again.

    Parameters
    ----------
    network
        In float64, so that each number follows from the others to many more digits than are shown,
        and of a model's layers (see `check_layers`). Stays as it is; of several networks, the first
        is followed.
    features
        `(features,)`.
    label, loss_name, learning_rate
        The observed class; and what the way back takes.

    Raises
    ------
    ModelError
        If a number is not finite.
    """
    network = network.select(slice(1))
    inputs = features[None, None]
    values = [inputs, *network.outputs_of_layers(inputs)]
    logits, gradients, backward = values[-1], [], None
    probabilities, numbers = softmax(logits[0, 0]), [logits]
    if label is not None:
        loss, targets = LOSSES[loss_name], one_hot(np.array([[label]]), logits.shape[-1])
        gradients = [loss.gradients(logits, targets)]
        for layer in reversed(network.layers):
            gradients.insert(0, layer.backward(gradients[0]))
        stepped = network.select(np.array([0]))
        stepped.values -= learning_rate * network.gradients
        logits_after = stepped.forward(inputs)
        backward = BackwardTrace(
            label=label,
            residuals=probabilities - targets[0, 0],
            softmax_gradient=softmax_jacobian(probabilities)[label],
            cross_entropy=LOSSES["cross-entropy"].mean(logits, targets).item(),
            loss_name=loss_name,
            loss=loss.mean(logits, targets).item(),
            gradients=gradients[-1][0, 0],
            learning_rate=learning_rate,
            raw_outputs_after=logits_after[0, 0],
            probabilities_after=softmax(logits_after[0, 0]),
            loss_after=loss.mean(logits_after, targets).item(),
        )
        numbers += [network.gradients, logits_after, np.array([backward.loss_after])]
    layers = []
    for place, layer in enumerate(network.layers):
        if not isinstance(layer, Dense):
            continue
        after_relu, of_loss = min(place + 2, len(network.layers)), {}
        if gradients:
            of_loss = {
                "outputs": gradients[after_relu][0, 0],
                "sums": gradients[place + 1][0, 0],
                "weights": layer.weights.gradients[0],
                "biases": layer.biases.gradients[0, 0],
            }
        # On from the sums without one of the inputs each.
        without: Array = values[place + 1] - values[place].mT * layer.weights.values
        for above in network.layers[place + 1 :]:
            without = above.forward(without)
        layers.append(
            LayerTrace(
                inputs=values[place][0, 0],
                strengths=np.ptp(without - logits, axis=-1)[0],
                weights=layer.weights.values[0],
                biases=layer.biases.values[0, 0],
                sums=values[place + 1][0, 0],
                outputs=values[after_relu][0, 0],
                gradients=of_loss,
            )
        )
        numbers += [layers[-1].sums, layers[-1].strengths]
    if not all(np.isfinite(array).all() for array in numbers):
        raise ModelError("its weights or its learning rate are so large that a number is infinite")
    return Trace(layers, probabilities, backward)
