"""Cross-entropy pulls hardest where a prediction is badly wrong; squared residuals let go there.

First both losses and their gradients over the probability p of the observed class, then real
trainings on iris: from ordinary random starts, and from starts that are sure of a wrong class.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minnet.data.encoding import Encoder
from minnet.data.table import read_csv
from minnet.network.layers import Dense, ReLU
from minnet.network.losses import LOSSES, one_hot, softmax
from minnet.network.network import Network
from minnet.network.preparation import FeatureSummary, fit_preparation
from minnet.plots.figure import BLUE, ORANGE, finish, isolate, save
from minnet.training.batches import LabelledRows
from minnet.training.loop import make_generators, train_networks
from minnet.training.settings import LossName, OptimizerName, TrainingSettings

if TYPE_CHECKING:
    from minnet.arrays import Array

IRIS = Path(__file__).parents[1] / "data" / "iris.csv"
LOSS_NAMES: tuple[LossName, LossName] = ("cross-entropy", "squared-residuals")
EPOCHS = (1, 5, 10, 30, 100)
WRONG_BIAS = 10.0


def losses_and_gradients(p: Array) -> tuple[Array, Array, Array, Array]:
    """Both losses of a row of two classes, and their gradients with respect to its raw output.

    Returns
    -------
    tuple of Array
        Cross-entropy, its gradient, sum of squared residuals, its gradient; each shaped as `p`.
    """
    logits = np.log(np.stack([p, 1 - p], axis=-1))[None]
    targets = one_hot(np.zeros((1, len(p)), dtype=np.int64), 2)
    entropy, residuals = (
        (loss.of_rows(logits, targets)[0], loss.row_gradients(logits, targets)[0, :, 0])
        for loss in (LOSSES["cross-entropy"], LOSSES["squared-residuals"])
    )
    return *entropy, *residuals


def show_losses() -> None:
    """Print losses and gradients over p."""
    print(
        "\none row, two classes; gradients with respect to the raw output of the observed class\n"
    )
    print(f"{'probability p of':>18}{'cross-entropy':>24}{'squared residuals':>24}")
    print(f"{'observed class':>18}{'loss':>12}{'gradient':>12}{'loss':>12}{'gradient':>12}")
    p = np.array([0.0001, 0.01, 0.1, 1 / 3, 0.5, 0.9, 0.99])
    for row in zip(p, *losses_and_gradients(p), strict=True):
        print(f"{row[0]:18.4f}" + "".join(f"{number:12.4f}" for number in row[1:]))
    print(
        "\nAt p = 0.0001 the prediction could hardly be worse. Cross-entropy's gradient is p - 1,"
    )
    print("nearly -1: the full pull. That of the squared residuals, -4 p (1 - p)^2, is nearly 0.")


def draw(file: str) -> None:
    """Draw both losses over p, and beside them their gradients."""
    from matplotlib.figure import Figure

    p = np.linspace(0.005, 0.995, 199)
    entropy, entropy_gradients, residuals, residual_gradients = losses_and_gradients(p)
    left, right = Figure(figsize=(10, 4.2), layout="constrained").subplots(1, 2)
    left.plot(p, entropy, color=BLUE, label="cross-entropy, -ln p (nats)")
    left.plot(p, residuals, "--", color=ORANGE, label="squared residuals, 2 (1 - p)²")
    right.plot(p, entropy_gradients, color=BLUE, label="cross-entropy, p - 1")
    right.plot(p, residual_gradients, "--", color=ORANGE, label="squared residuals, -4 p (1 - p)²")
    right.annotate(
        "badly wrong:\nno pull left",
        (0.01, residual_gradients[1]),
        xytext=(0.13, -0.16),
        arrowprops={"arrowstyle": "->"},
    )
    left.set_ylabel("loss of one row")
    right.set_ylabel("gradient with respect to the raw output")
    finish(left, "The loss")
    finish(right, "What training feels of it")
    for axes in (left, right):
        axes.set_xlabel("probability p of the observed class")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    save(left, file)


def show_training(optimizer: OptimizerName, wrong_bias: float) -> None:
    """Train 20 networks by each loss from the same starts, and print how accuracy grows."""
    table = read_csv(IRIS)
    encoder = Encoder.fit(table, "species")
    features, labels = encoder.transform(table), encoder.labels(table)
    for loss in LOSS_NAMES:
        settings = TrainingSettings(
            networks=20, loss=loss, optimizer=optimizer, epochs=EPOCHS[-1], weight_decay=0.0
        )
        generators = make_generators(settings)
        last = Dense.random(8, 3, generators)
        last.biases.values[..., 0] = wrong_bias
        network = Network(
            [
                *fit_preparation(FeatureSummary.of(features), encoder.fewest_rows),
                Dense.random(4, 8, generators),
                ReLU(),
                last,
            ]
        )
        of_classes = softmax(network.forward(features[None]))
        start = np.median(of_classes[:, np.arange(len(labels)), labels][:, labels > 0])
        nothing_held_out = np.zeros((len(network), len(labels)), dtype=np.bool_)
        data = LabelledRows(features, labels, nothing_held_out)
        history = train_networks(network, data, generators, [settings]).history()
        medians = np.median(history.training_accuracy, axis=1)
        print(
            f"{loss:<20}{start:12.6f}" + "".join(f"{medians[epoch - 1]:10.3f}" for epoch in EPOCHS)
        )


def main() -> None:
    """Print the claim, the tables and the trainings; save the picture."""
    isolate()
    print("Claim: from a badly wrong start gradient descent learns by cross-entropy, and hardly by")
    print("squared residuals.")
    show_losses()
    print("\niris, 20 networks 4-8-3 from the same starts, median accuracy after each epoch;")
    print("p at start: median over the flowers that are not setosa, of their own species")
    trainings: list[tuple[OptimizerName, float, str]] = [
        ("sgd", 0.0, "ordinary random starts, gradient descent with momentum"),
        ("sgd", WRONG_BIAS, "badly wrong starts: sure that every flower is setosa (bias +10)"),
        ("adam", WRONG_BIAS, "the same badly wrong starts, Adam"),
    ]
    for optimizer, wrong_bias, title in trainings:
        print(f"\n{title}")
        epochs = "".join(f"{'epoch ' + str(epoch):>10}" for epoch in EPOCHS)
        print(f"{'loss':<20}{'p at start':>12}{epochs}")
        show_training(optimizer, wrong_bias)
    print(
        "\nFrom ordinary starts both losses get there. From badly wrong ones the gradients of the"
    )
    print("squared residuals are so small that gradient descent stands still for many epochs. Adam")
    print(
        "divides each gradient by its usual size, so that small ones make full steps, too: with it"
    )
    print("the difference hardly shows.")
    draw("cross_entropy_or_squared_residuals.png")
    print("wrote cross_entropy_or_squared_residuals.png")


if __name__ == "__main__":
    main()
