"""A neural network from scratch, all of it on one page: read, start, forward, backward, step.

Needs numpy alone. One hidden layer learns to tell three kinds of iris by four lengths; every
gradient is written by hand. Put `descend` in place of `Adam`, or change a number, and run it again.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

HIDDEN_UNITS, ROWS_OF_A_BATCH, EPOCHS = 8, 16, 60

IRIS = Path(__file__).parents[1] / "data" / "iris.csv"
Arrays = list[np.ndarray]  # [hidden weights, hidden biases, output weights, output biases]


def read_table(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features `(rows, columns)`, each row's class as a number, and the names of the classes."""
    with open(path, newline="") as file:
        _, *rows = csv.reader(file)  # the first line is the header
    classes = sorted({row[-1] for row in rows})
    features = np.array([row[:-1] for row in rows], dtype=np.float64)
    return features, np.array([classes.index(row[-1]) for row in rows]), classes


def start(features: int, units: int, classes: int, random: np.random.Generator) -> Arrays:
    """Random weights (He 2015: variance 2 / inputs, as ReLU cuts half of the sums), biases of 0."""
    return [
        random.normal(0, np.sqrt(2 / features), (features, units)),
        np.zeros(units),
        random.normal(0, np.sqrt(2 / units), (units, classes)),
        np.zeros(classes),
    ]


def forward(parameters: Arrays, inputs: np.ndarray) -> Arrays:
    """From inputs `(rows, features)` to sums and units of the hidden layer, and to raw outputs."""
    hidden_weights, hidden_biases, output_weights, output_biases = parameters
    sums = inputs @ hidden_weights + hidden_biases  # dense: sum of x_i w_i, plus b
    units = np.maximum(sums, 0)  # ReLU: what is above 0 passes
    return [sums, units, units @ output_weights + output_biases]  # dense again


def softmax(outputs: np.ndarray) -> np.ndarray:
    """e^output over the sum of all e^output: keeps the order, lies in 0..1, sums to 1."""
    exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))  # e^1000 would overflow
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def cross_entropy(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -ln(probability of the class that was observed), in nats per row."""
    observed = softmax(outputs)[np.arange(len(labels)), labels]
    return float(-np.log(observed).mean())


def backward(parameters: Arrays, inputs: np.ndarray, labels: np.ndarray) -> Arrays:
    """Gradients of the mean cross-entropy, one for each parameter, by the chain rule.

    With p = softmax(z) and loss L = -ln p_y, dL/dz_j = p_j - (1 if j is the class y, else 0).
    A sum s = x_1 w_1 + ... + b has ds/dw_i = x_i, ds/db = 1, ds/dx_i = w_i; a matrix product
    adds these products over the rows. ReLU's slope is 1 above 0, else 0.
    """
    sums, units, outputs = forward(parameters, inputs)
    targets = np.eye(outputs.shape[1])[labels]  # 1 at the observed class, 0 elsewhere
    by_outputs = (softmax(outputs) - targets) / len(labels)  # softmax minus target; of the mean
    by_units = by_outputs @ parameters[2].T
    by_sums = by_units * (sums > 0)
    return [inputs.T @ by_sums, by_sums.sum(axis=0), units.T @ by_outputs, by_outputs.sum(axis=0)]


def descend(parameters: Arrays, gradients: Arrays, learning_rate: float = 0.1) -> None:
    """Plain gradient descent: each value steps against its gradient, in place."""
    for values, gradient in zip(parameters, gradients, strict=True):
        values -= learning_rate * gradient


class Adam:
    """Steps of about equal size for every value (Kingma, Ba 2015, algorithm 1)."""

    def __init__(self, learning_rate: float = 0.01) -> None:
        self.learning_rate, self.steps, self.moments = learning_rate, 0, []

    def step(self, parameters: Arrays, gradients: Arrays) -> None:
        """Change the values in place."""
        self.steps += 1
        self.moments = self.moments or [[np.zeros_like(v), np.zeros_like(v)] for v in parameters]
        for values, gradient, moments in zip(parameters, gradients, self.moments, strict=True):
            moments[0] = 0.9 * moments[0] + 0.1 * gradient  # mean of the gradients
            moments[1] = 0.999 * moments[1] + 0.001 * gradient**2  # and of their squares
            first = moments[0] / (1 - 0.9**self.steps)  # both began at 0: make up for it
            second = moments[1] / (1 - 0.999**self.steps)
            values -= self.learning_rate * first / (np.sqrt(second) + 1e-8)


def main() -> None:
    """Train on four fifths of the flowers, and judge by the fifth that was held out."""
    random = np.random.default_rng(0)
    features, labels, classes = read_table(IRIS)
    held_out, training = np.split(random.permutation(len(labels)), [len(labels) // 5])
    inputs = (features - features[training].mean(axis=0)) / features[training].std(axis=0)
    parameters = start(inputs.shape[1], HIDDEN_UNITS, len(classes), random)
    optimizer = Adam()
    for epoch in range(1, EPOCHS + 1):
        order = random.permutation(training)  # every row once, in batches of another mix
        for batch in np.split(order, range(ROWS_OF_A_BATCH, len(order), ROWS_OF_A_BATCH)):
            optimizer.step(parameters, backward(parameters, inputs[batch], labels[batch]))
        if epoch in (1, 2, 5) or epoch % 10 == 0:
            outputs = forward(parameters, inputs)[-1]
            loss = cross_entropy(outputs[training], labels[training])
            loss_held_out = cross_entropy(outputs[held_out], labels[held_out])
            print(f"epoch {epoch:2}: loss {loss:.3f}, held out {loss_held_out:.3f}")
    predicted = forward(parameters, inputs[held_out])[-1].argmax(axis=1)  # classifies
    print(f"{(predicted == labels[held_out]).sum()} of {len(held_out)} flowers are named right")


if __name__ == "__main__":
    main()
