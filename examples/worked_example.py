"""The network of the StatQuest lessons: every number they publish beside the exact one.

Two inputs (petal width and sepal width, scaled to 0..1), two hidden units with ReLU, three
species. It shows how raw outputs become probabilities, what argmax and softmax can teach, what
cross-entropy costs, and how gradient descent moves one bias to where the slope is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minnet.network.layers import Dense, ReLU
from minnet.network.losses import CrossEntropy, argmax_one_hot, one_hot, softmax, softmax_jacobian
from minnet.network.network import Network
from minnet.network.optimizers import SGD
from minnet.plots.figure import BLUE, ORANGE, finish, isolate, new_axes, save

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet.arrays import Array

SPECIES = ("setosa", "versicolor", "virginica")
ROWS = np.array([[[0.04, 0.42], [1.00, 0.54], [0.50, 0.37]]])
LABELS = np.array([[0, 2, 1]])  # setosa, virginica, versicolor
TARGETS = one_hot(LABELS, 3)
VIRGINICA = 1


def make_network(setosa_bias: float = 0.0) -> Network:
    """Build the network with the published weights; the bias is `b3` in the lessons."""
    hidden = Dense(np.array([[[-2.5, -1.5], [0.6, 0.4]]]), np.array([[[1.6, 0.7]]]))
    weights = np.array([[[-0.1, 2.4, -2.2], [1.5, -5.2, 3.7]]])
    return Network([hidden, ReLU(), Dense(weights, np.array([[[setosa_bias, 0.0, 1.0]]]))])


def observed_probabilities(network: Network) -> Array:
    """Probability that each row's own species gets."""
    return np.take_along_axis(softmax(network.forward(ROWS)), LABELS[..., None], axis=-1).ravel()


def summed_loss(setosa_bias: float) -> float:
    """Cross-entropy of the three rows together, in nats."""
    return float(CrossEntropy().of_rows(make_network(setosa_bias).forward(ROWS), TARGETS).sum())


def fill_gradients(network: Network, rows: slice = slice(None)) -> Array:
    """Fill the gradients of the summed cross-entropy; return those of the last layer's biases."""
    logits = network.forward(ROWS[:, rows])
    network.backward(CrossEntropy().row_gradients(logits, TARGETS[:, rows]))
    return network.layers[-1].parameters[1].gradients.ravel()


def show(step: str, published: str, exact: Sequence[float] | Array) -> None:
    """Print one line of the table; a star marks a published number that rounding cannot explain."""
    decimals = [len(number.partition(".")[2]) for number in published.split()]
    rounded = [f"{value:.{places}f}" for value, places in zip(exact, decimals, strict=False)]
    star = "*" if rounded != published.split() else " "
    print(f"{step:<44}{published:>16} {star} {line(exact)}")


def line(values: Sequence[float] | Array) -> str:
    """Write numbers side by side, to four decimals."""
    # Adding 0 turns a -0 into a 0.
    return " ".join(f"{value + 0.0:8.4f}" for value in values)


def argmax_gradients(logits: Array, step: float = 1e-6) -> Array:
    """Measure how the first output of argmax moves with each raw output."""
    moves = step * np.eye(len(logits))
    return (argmax_one_hot(logits + moves) - argmax_one_hot(logits - moves))[:, 0] / (2 * step)


def show_one_flower() -> None:
    """Walk one input from the hidden units to the gradients of softmax and of argmax."""
    _, hidden, logits = (
        output.ravel() for output in make_network().outputs_of_layers(np.array([[[0.0, 1.0]]]))
    )
    print(f"\n{'petal width 0, sepal width 1':<44}{'published':>16}   {'exact':>8}")
    show("hidden units after ReLU", "2.2 1.1", hidden)
    show("raw outputs", "1.43 -0.4 0.23", logits)
    show("softmax of the raw outputs", "0.69 0.10 0.21", softmax(logits))
    show("softmax of exactly 1.43 -0.4 0.23", "", softmax(np.array([1.43, -0.4, 0.23])))
    show("argmax of the raw outputs", "1 0 0", argmax_one_hot(logits))
    show("gradient of p(setosa) w.r.t. raw outputs", "", softmax_jacobian(softmax(logits))[0])
    show("gradient of its 1 w.r.t. raw outputs", "", argmax_gradients(logits))
    print("* not what rounding the exact value gives: 0.1059 was cut to 0.10, not rounded to 0.11.")
    print("  The 0.69 comes from -0.44: the rounded -0.4 would have given 0.68.")


def show_three_rows() -> None:
    """Print probabilities and cross-entropies of the three training rows, for two biases."""
    print(f"\n{'three rows: setosa, virginica, versicolor':<44}{'published':>16}   {'exact':>8}")
    show("raw outputs of the versicolor row", "0.09", make_network().forward(ROWS)[0, 2])
    for bias, p, losses, total in (
        (0.0, "0.57", "0.56 0.54 0.65", "1.75"),
        (-2.0, "0.15 0.71 0.65", "1.89 0.35 0.43", "2.67"),
    ):
        probabilities = observed_probabilities(make_network(bias))
        show(f"b3 = {bias:g}: p(observed)", p, probabilities)
        show(f"b3 = {bias:g}: cross-entropy, -ln p", losses, -np.log(probabilities))
        show(f"b3 = {bias:g}: their sum", total, [summed_loss(bias)])
    from_rounded = -np.log(np.round(observed_probabilities(make_network()), 2))
    show("* -ln of 0.57 0.58 0.52 instead", "0.56 0.54 0.65", from_rounded)
    print("* -ln was taken of probabilities already rounded to two digits, as the last line shows,")
    print("  and the sum of the results, rounded again.")


def show_gradients() -> None:
    """Print every gradient at b3 = -2, and those that the virginica row alone contributes."""
    network = make_network(-2.0)
    print("\ngradients of the summed cross-entropy at b3 = -2")
    fill_gradients(network)
    print_gradients(network)
    sums = network.outputs_of_layers(ROWS)[0][0, VIRGINICA]
    print(f"\nof the virginica row alone: its hidden sums are {line(sums)}, both below 0,")
    print("so ReLU blocks every gradient there, and only the last biases learn from this flower")
    fill_gradients(network, slice(VIRGINICA, VIRGINICA + 1))
    print_gradients(network)


def print_gradients(network: Network) -> None:
    """Print the gradients of both layers, weights with a line for each input."""
    for name, source, layer in (
        ("hidden layer", "input", network.layers[0]),
        ("last layer", "hidden unit", network.layers[2]),
    ):
        weights, biases = (parameter.gradients[0] for parameter in layer.parameters)
        for number, row in enumerate(weights, 1):
            print(f"  {f'{name}, weights of {source} {number}':<42}{line(row)}")
        print(f"  {f'{name}, biases':<42}{line(biases[0])}")


def descend(steps: int = 40) -> list[float]:
    """Train b3 alone from -2 with learning rate 1; return where it was before and after a step."""
    network = make_network(-2.0)
    biases = network.layers[-1].parameters[1].values[..., 0]
    optimizer = SGD(learning_rate=1.0, momentum=0.0)
    path = [-2.0]
    for _ in range(steps):
        optimizer.step(biases, fill_gradients(network)[None, :1])
        path.append(float(biases.item()))
    return path


def show_bias_lessons() -> list[float]:
    """Print the loss for several biases, then the steps that gradient descent takes."""
    print("\nlesson 1: the summed cross-entropy moves with b3")
    for bias in (-3, -2, -1, -0.5, 0, 0.5, 1, 2):
        print(f"  b3 {bias:5.1f}   sum {summed_loss(bias):.4f}")
    setosa = softmax(make_network(-2.0).forward(ROWS))[0, :, 0]
    slope = fill_gradients(make_network(-2.0))[0]
    print("\nlesson 2: its gradient with respect to b3 is softmax - observed, summed over the rows")
    print(f"  ({setosa[0]:.4f} - 1) + {setosa[1]:.4f} + {setosa[2]:.4f} = {slope:.4f}")
    path = descend()
    print(f"\n{'gradient descent, learning rate 1':<44}{'published':>16}   {'exact':>8}")
    show("slope at b3 = -2", "-0.77", [slope])
    show("b3 after step 1: -2 - 1 x slope", "-1.23", path[1:2])
    show("b3 after steps 2, 3 and 4", "", path[2:5])
    show(f"b3 after step {len(path) - 1}", "", path[-1:])
    show("the sum of cross-entropies there", "", [summed_loss(path[-1])])
    return path


def draw(path: Sequence[float], file: str) -> None:
    """Draw the summed loss over b3, with the steps of gradient descent on it."""
    axes = new_axes()
    biases = np.linspace(-3, 2, 201)
    axes.plot(biases, [summed_loss(bias) for bias in biases], color=BLUE)
    losses = [summed_loss(bias) for bias in path]
    axes.plot(path, losses, "o", color=ORANGE, markeredgecolor="black", label="b3 at each step")
    for step, (bias, loss) in enumerate(zip(path[:3], losses, strict=False)):
        axes.annotate(
            f"step {step}: {bias:.2f}" if step else f"start: {bias:.2f}",
            (bias, loss),
            xytext=(9, 6),
            textcoords="offset points",
        )
    axes.annotate(
        f"settles at {path[-1]:.4f}",
        (path[-1], losses[-1]),
        xytext=(0, -22),
        textcoords="offset points",
        ha="center",
    )
    axes.set_ylim(1.5, 3.6)
    axes.set_xlabel("bias of setosa's raw output, b3")
    axes.set_ylabel("cross-entropy of three rows, summed (nats)")
    finish(axes, "Gradient descent on one bias stops where the slope is 0")
    axes.legend(frameon=False)
    save(axes, file)


def main() -> None:
    """Print the claim, the tables and the lessons; save the picture."""
    isolate()
    numbers = make_network().values.size
    print(f"Claim: all numbers of the lessons follow from one network of {numbers} parameters;")
    print("where the published ones differ, they were rounded or cut on the way.")
    print(f"Outputs in the order {', '.join(SPECIES)}.")
    show_one_flower()
    show_three_rows()
    path = show_bias_lessons()
    show_gradients()
    draw(path, "worked_example.png")
    print("\nwrote worked_example.png")


if __name__ == "__main__":
    main()
