"""Nothing can be learned through argmax, since its slope is 0; through softmax it can.

One network with one random start is trained twice on iris, with the same loss, the same chain rule
and the same optimizer. Only what follows the raw outputs differs: argmax or softmax.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.data.encoding import Encoder
from minnet.data.table import read_csv
from minnet.network.losses import argmax_one_hot, one_hot, softmax, softmax_jacobian
from minnet.network.network import Network
from minnet.network.optimizers import SGD
from minnet.network.preparation import FeatureSummary, fit_preparation

if TYPE_CHECKING:
    from collections.abc import Callable

    from minnet.arrays import Array

IRIS = Path(__file__).parents[1] / "data" / "iris.csv"
STEPS = 300
NUDGE = 1e-6


class Step(NamedTuple):
    """Where training stands before a step, and how steep it is there."""

    loss: float
    accuracy: float
    largest: float
    values: Array


def argmax_with_gradients(logits: Array) -> tuple[Array, Array]:
    """Apply argmax, and measure how each output moves when a raw output is nudged."""
    nudges = NUDGE * np.eye(logits.shape[-1])
    above = argmax_one_hot(logits[..., None, :] + nudges)
    below = argmax_one_hot(logits[..., None, :] - nudges)
    return argmax_one_hot(logits), ((above - below) / (2 * NUDGE)).mT


def softmax_with_gradients(logits: Array) -> tuple[Array, Array]:
    """Apply softmax, and work out how each output moves with each raw output."""
    probabilities = softmax(logits)
    return probabilities, softmax_jacobian(probabilities)


def train_through(output_with_gradients: Callable[[Array], tuple[Array, Array]]) -> list[Step]:
    """Train by squared residuals and plain gradient descent, all rows in every step."""
    table = read_csv(IRIS)
    encoder = Encoder.fit(table, "species")
    features, labels = encoder.transform(table), encoder.labels(table)
    targets = one_hot(labels, len(encoder.class_names))
    summary = FeatureSummary.of(features)
    (standardize,) = fit_preparation(summary, encoder.fewest_rows, dtype=np.float64)
    network = Network.random([4, 8, 3], [np.random.default_rng(1)], np.float64, [standardize])
    optimizer = SGD(learning_rate=0.5, momentum=0)
    steps = []
    for _ in range(STEPS + 1):
        logits = network.forward(features[None])
        outputs, gradients_of_outputs = output_with_gradients(logits)
        gradients_of_loss = 2 * (outputs - targets) / len(labels)
        # The chain rule: the gradients with respect to the outputs, times those of the outputs.
        network.backward((gradients_of_loss[..., None, :] @ gradients_of_outputs)[..., 0, :])
        steps.append(
            Step(
                float(np.square(outputs - targets).sum(axis=-1).mean()),
                float((logits.argmax(axis=-1) == labels).mean()),
                float(np.abs(network.gradients).max()),
                network.values.copy(),
            )
        )
        optimizer.step(network.values, network.gradients)
    return steps


def show(name: str, steps: list[Step]) -> None:
    """Print some of the steps, and how far the weights came."""
    print(f"\nthrough {name}")
    print("step  loss: squared residuals  accuracy  largest gradient of any parameter")
    for number in (0, 1, 10, 100, STEPS):
        step = steps[number]
        print(f"{number:4d}{step.loss:25.4f}{step.accuracy:10.3f}{step.largest:35.6f}")
    never = all(step.largest == 0 for step in steps)
    moved = float(np.abs(steps[-1].values - steps[0].values).max())
    print(f"gradient exactly 0 at every step: {'yes' if never else 'no'}")
    print(f"largest change of any parameter: {moved:.4f}")


def main() -> None:
    """Print the claim, both trainings and the reason."""
    print("Claim: trained through argmax a network does not move; through softmax it learns.")
    show("argmax", train_through(argmax_with_gradients))
    show("softmax", train_through(softmax_with_gradients))
    print(
        """
Why: argmax gives the largest raw output 1 and the others 0. Nudge a raw output a little and the
largest is still the largest, so the outputs stay as they are: every slope of argmax is 0. (Where
two are equally large it jumps, and has no slope at all.) The chain rule multiplies the slope of
the loss by this 0, and every parameter gets the gradient 0: gradient descent has nowhere to go,
however wrong the predictions are. With softmax, dp_i/dz_j = p_i (1 if i = j else 0) - p_i p_j,
which is not 0: each nudge moves every probability a little, and so says which way is better. That
is why networks train with softmax and use argmax only to name the predicted class."""
    )


if __name__ == "__main__":
    main()
