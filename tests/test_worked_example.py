"""The best-known small example of the field: two inputs, two hidden units, three species.

Its numbers can be checked with a calculator; the comments say how each follows. They go through
the network that trains, in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from minnet.network.layers import Dense, ReLU
from minnet.network.losses import LOSSES, argmax_one_hot, one_hot, softmax, softmax_jacobian
from minnet.network.network import Network
from minnet.network.optimizers import SGD
from tests.differences import mean_and_gradients

if TYPE_CHECKING:
    from minnet.arrays import Array

CROSS_ENTROPY, SQUARED_RESIDUALS = LOSSES.values()

# Petal width and sepal width, scaled to 0..1; setosa, virginica, versicolor.
ROWS = np.array([[[0.04, 0.42], [1.00, 0.54], [0.50, 0.37]]])
LABELS = np.array([[0, 2, 1]])  # in the order setosa, versicolor, virginica
VIRGINICA = 1


def example(setosa_bias: float = 0.0) -> Network:
    return Network(
        [
            Dense(np.array([[[-2.5, -1.5], [0.6, 0.4]]]), np.array([[[1.6, 0.7]]])),
            ReLU(),
            Dense(
                np.array([[[-0.1, 2.4, -2.2], [1.5, -5.2, 3.7]]]),
                np.array([[[setosa_bias, 0.0, 1.0]]]),
            ),
        ]
    )


def about(*values: float) -> object:
    """Equal to within 1e-4."""
    return pytest.approx(np.array(values), abs=1e-4, rel=0)


def observed_probabilities(network: Network) -> Array:
    """Probability given to what each row really is."""
    return np.take_along_axis(softmax(network.forward(ROWS)), LABELS[..., None], -1)[0, :, 0]


def summed_gradients(network: Network, rows: slice = slice(None)) -> list[Array]:
    """Slopes of the summed cross-entropy by W1, b1, W2, b2 (the network's own are of the mean)."""
    logits = network.forward(ROWS[:, rows])
    network.backward(mean_and_gradients(CROSS_ENTROPY, logits, LABELS[:, rows])[1])
    parameters = [parameter for layer in network.layers for parameter in layer.parameters]
    return [parameter.gradients.squeeze() * logits.shape[1] for parameter in parameters]


def test_forward_from_petal_0_sepal_1_to_raw_outputs() -> None:
    _, hidden, raw = example().outputs_of_layers(np.array([[[0.0, 1.0]]]))
    # 0.6 + 1.6 = 2.2 and 0.4 + 0.7 = 1.1, both above 0.
    assert hidden[0, 0] == about(2.2, 1.1)
    # 2.2 * -0.1 + 1.1 * 1.5; 2.2 * 2.4 - 1.1 * 5.2; 2.2 * -2.2 + 1.1 * 3.7 + 1
    assert raw[0, 0] == about(1.43, -0.44, 0.23)


def test_softmax_of_these_raw_outputs() -> None:
    # e^1.43 = 4.1787, e^-0.44 = 0.6440, e^0.23 = 1.2586; each over their sum, 6.0813
    assert softmax(np.array([1.43, -0.44, 0.23])) == about(0.6871, 0.1059, 0.2070)


def test_slopes_of_the_probability_of_setosa_by_each_raw_output() -> None:
    jacobian = softmax_jacobian(softmax(np.array([1.43, -0.44, 0.23])))
    # 0.6871 * (1 - 0.6871), -0.6871 * 0.1059, -0.6871 * 0.2070
    assert jacobian[0] == about(0.2150, -0.0728, -0.1422)


def test_softmax_and_argmax_of_the_rounded_raw_outputs() -> None:
    rounded = np.array([1.43, -0.4, 0.23])
    # e^-0.4 = 0.6703, so the sum is 6.1076: 4.1787, 0.6703 and 1.2586 over it
    assert softmax(rounded) == pytest.approx(np.array([0.684178, 0.109751, 0.206070]), abs=1e-6)
    assert argmax_one_hot(rounded).tolist() == [1, 0, 0]


def test_raw_outputs_of_the_versicolor_row() -> None:
    _, hidden, raw = example().outputs_of_layers(np.array([[[0.50, 0.37]]]))
    # -2.5 * 0.5 + 0.6 * 0.37 + 1.6 = 0.572 and -1.5 * 0.5 + 0.4 * 0.37 + 0.7 = 0.098
    assert hidden[0, 0] == about(0.572, 0.098)
    # -0.0572 + 0.147; 1.3728 - 0.5096; -1.2584 + 0.3626 + 1
    assert raw[0, 0] == about(0.0898, 0.8632, 0.1042)


def test_cross_entropy_of_the_three_rows() -> None:
    probabilities = observed_probabilities(example())
    # Raw outputs: (1.0368, 0.0032, 0.1352), (0, 0, 1) and (0.0898, 0.8632, 0.1042). So
    # e^1.0368 / (e^1.0368 + e^0.0032 + e^0.1352), e / (2 + e), e^0.8632 / (...).
    assert probabilities == about(0.5677, 0.5761, 0.5182)
    losses = CROSS_ENTROPY.of_rows(example().forward(ROWS), one_hot(LABELS, 3))[0]
    # -ln of each
    assert losses == about(0.5662, 0.5514, 0.6573)
    assert losses.sum() == about(1.7750)
    mean, _ = mean_and_gradients(CROSS_ENTROPY, example().forward(ROWS), LABELS)
    assert mean * 3 == about(1.7750)


def test_cross_entropy_with_the_bias_of_setosa_at_minus_2() -> None:
    # The raw outputs of setosa are lower by 2: -0.9632, -2 and -1.9102. The others stay.
    assert observed_probabilities(example(-2)) == about(0.1509, 0.7054, 0.6533)
    losses = CROSS_ENTROPY.of_rows(example(-2).forward(ROWS), one_hot(LABELS, 3))[0]
    assert losses == about(1.8913, 0.3490, 0.4256)
    assert losses.sum() == about(2.6659)


def test_slope_by_the_bias_of_setosa_is_softmax_minus_observed_summed_over_the_rows() -> None:
    setosa = softmax(example(-2).forward(ROWS))[0, :, 0]
    # (0.1509 - 1) + 0.0351 + 0.0408
    assert setosa == about(0.1509, 0.0351, 0.0408)
    assert (setosa - [1, 0, 0]).sum() == about(-0.7732)
    *_, biases = summed_gradients(example(-2))
    assert biases[0] == about(-0.7732)


def test_gradients_of_the_summed_cross_entropy() -> None:
    # With r = softmax minus observed of a row, and its hidden values h: dW2 sums h_i r_j over the
    # rows, db2 sums r. Back through W2: d_i = sum over j of W2_ij r_j where h_i > 0, else 0. Then
    # dW1 sums x_i d_j and db1 sums d. The virginica row has h = (0, 0), so only db2 hears of it:
    # dW2[0, 0] = 1.752 * -0.8491 + 0.572 * 0.0408 = -1.4643
    # dW2[1, 0] = 0.808 * -0.8491 + 0.098 * 0.0408 = -0.6821
    first_weights, first_biases, last_weights, last_biases = summed_gradients(example(-2))
    assert first_weights.ravel() == about(-0.7528, 1.4313, -0.5410, 0.4105)
    assert first_biases == about(-1.4678, 1.3340)
    assert last_weights.ravel() == about(-1.4643, 0.4965, 0.9678, -0.6821, 0.2865, 0.3956)
    assert last_biases == about(-0.7732, 0.3094, 0.4638)


def bias_lesson(steps: int) -> tuple[list[float], float]:
    """Train the bias of setosa alone, learning rate 1; return it after each step, and the loss."""
    network = example(-2)
    bias = network.layers[2].parameters[1]
    optimizer = SGD(learning_rate=1, momentum=0)
    reached = []
    for _ in range(steps):
        *_, gradients = summed_gradients(network)
        optimizer.step(bias.values[..., 0], gradients[:1, None])
        reached.append(bias.values[0, 0, 0].item())
    return reached, CROSS_ENTROPY.of_rows(network.forward(ROWS), one_hot(LABELS, 3)).sum()


def test_steps_of_the_bias_of_setosa() -> None:
    # -2 - 1 * -0.7732, and on: the slopes are -0.5645, -0.3350, -0.1666
    assert bias_lesson(4)[0] == about(-1.2268, -0.6623, -0.3273, -0.1606)


def test_bias_of_setosa_settles_where_the_slope_is_0() -> None:
    reached, loss = bias_lesson(40)
    # About 0.41 of the slope is left after each step: 0.41^40 of it is nothing.
    assert reached[-1] == about(-0.0317)
    assert loss == about(1.7747)


def test_virginica_row_is_blocked_by_both_hidden_units_and_teaches_only_the_last_biases() -> None:
    network = example(-2)
    sums, hidden, _ = network.outputs_of_layers(ROWS)
    # -2.5 * 1 + 0.6 * 0.54 + 1.6 and -1.5 * 1 + 0.4 * 0.54 + 0.7
    assert sums[0, VIRGINICA] == about(-0.576, -0.584)
    assert hidden[0, VIRGINICA].tolist() == [0, 0]
    *blocked, last_biases = summed_gradients(network, slice(VIRGINICA, VIRGINICA + 1))
    assert not any(gradients.any() for gradients in blocked)
    # softmax of (-2, 0, 1) minus (0, 0, 1)
    assert last_biases == about(0.0351, 0.2595, -0.2946)
