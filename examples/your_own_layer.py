"""A new layer takes about 15 lines, and a gradient check says whether they are right.

The layer is tanh, an S-curve from -1 to 1. It is checked against finite differences, together with
a copy that has a typical mistake, and then trained on iris beside ReLU.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minnet.analysis.gradient_check import check_gradients
from minnet.data.encoding import Encoder
from minnet.data.table import read_csv
from minnet.network.layers import Dense, Layer, ReLU
from minnet.network.losses import CrossEntropy
from minnet.network.network import Network
from minnet.network.preparation import FeatureSummary, fit_preparation
from minnet.training.batches import LabelledRows
from minnet.training.loop import make_generators, train_networks
from minnet.training.settings import TrainingSettings

if TYPE_CHECKING:
    from minnet.arrays import Array, IntArray

IRIS = Path(__file__).parents[1] / "data" / "iris.csv"


class Tanh(Layer):
    """Squeezes every sum into -1..1; the slope, 1 - tanh^2, is above 0 everywhere."""

    def forward(self, inputs: Array) -> Array:
        """Apply tanh; keep the outputs, since the slopes follow from them."""
        self._outputs: Array = np.tanh(inputs)
        return self._outputs

    def input_gradients(self, output_gradients: Array) -> Array:
        """Multiply each gradient by the slope of tanh: the chain rule."""
        return np.asarray(output_gradients * (1 - self._outputs**2))


class WrongTanh(Tanh):
    """The same with a typical mistake: the square is forgotten."""

    def input_gradients(self, output_gradients: Array) -> Array:
        """Multiply by the wrong slope."""
        return output_gradients * (1 - self._outputs)


def check(activation: Layer, features: Array, labels: IntArray) -> None:
    """Compare backpropagation through the layer with finite differences, in float64."""
    generators = [np.random.default_rng(0)]
    hidden = Dense.random(features.shape[1], 5, generators, np.float64)
    network = Network([hidden, activation, Dense.random(5, 3, generators, np.float64)])
    result = check_gradients(network, features[None], labels[None], CrossEntropy())
    print(
        f"{type(activation).__name__:<11}{'correct' if result.passed else 'WRONG':<9}"
        f"relative error {result.relative_error:.0e} at worst, {result.names[result.worst]}"
    )


def train_with(activation: Layer, features: Array, labels: IntArray) -> None:
    """Train 100 networks 4-2-3 from the same starts, and print how they fare on their rows."""
    settings = TrainingSettings(networks=100, epochs=100)
    generators = make_generators(settings)
    hidden = Dense.random(features.shape[1], 2, generators)
    network = Network([hidden, activation, Dense.random(2, 3, generators)])
    nothing_held_out = np.zeros((len(network), len(labels)), dtype=np.bool_)
    data = LabelledRows(features, labels, nothing_held_out)
    train_networks(network, data, generators, [settings])
    predictions = network.forward(features[None].astype(np.float32)).argmax(axis=-1)
    accuracies = (predictions == labels).mean(axis=1)
    print(
        f"{type(activation).__name__:<11}{accuracies.min():10.3f}{np.median(accuracies):10.3f}"
        f"{accuracies.max():10.3f}{np.count_nonzero(accuracies < 0.9):24d}"
    )


def main() -> None:
    """Check the layer and its broken copy, then train it beside ReLU."""
    print(
        "Claim: a new activation is a class of two short methods, and a check proves its gradients."
    )
    table = read_csv(IRIS)
    encoder = Encoder.fit(table, "species")
    numbers, labels = encoder.transform(table), encoder.labels(table)
    summary = FeatureSummary.of(numbers)
    (standardize,) = fit_preparation(summary, encoder.fewest_rows, dtype=np.float64)
    features = standardize.forward(numbers[None])[0]

    print("\nbackpropagation against central differences, network 4-5-3 on iris")
    check(Tanh(), features, labels)
    check(WrongTanh(), features, labels)

    print("\n100 networks 4-2-3, the same random starts, 100 epochs on all 150 flowers of iris")
    print(f"{'':<11}{'smallest':>10}{'median':>10}{'largest':>10}{'networks below 0.900':>24}")
    train_with(ReLU(), features, labels)
    train_with(Tanh(), features, labels)
    print("\nWith two hidden units, a ReLU that is off for most flowers gets gradients from few of")
    print("them, and none if it is off for all. Tanh always lets some through.")


if __name__ == "__main__":
    main()
