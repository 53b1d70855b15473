from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from minnet.analysis.gradient_check import GradientCheck, check_gradients, random_network
from minnet.errors import SettingsError
from minnet.network.layers import Dense, Layer, Parameter, ReLU
from minnet.network.losses import LOSSES
from minnet.network.network import Network
from minnet.training.settings import TrainingSettings
from tests.differences import central_differences, mean_and_gradients

if TYPE_CHECKING:
    from collections.abc import Callable

    from minnet.arrays import Array
    from minnet.network.losses import Loss

CROSS_ENTROPY, SQUARED_RESIDUALS = LOSSES.values()

FEATURES = np.random.default_rng(1).normal(100, 20, (40, 3))
LABELS = np.random.default_rng(2).integers(0, 4, 40)
FEWEST = np.zeros(3, np.int64)


def started(*hidden: int, seed: int = 0) -> Network:
    return random_network(FEATURES, FEWEST, 4, TrainingSettings(hidden=hidden, bins=0, seed=seed))


def check(network: Network, loss: Loss = CROSS_ENTROPY) -> GradientCheck:
    return check_gradients(
        network, FEATURES[None], LABELS[None], loss, ["a", "b", "c"], ["w", "x", "y", "z"]
    )


def with_layer(place: int, make: Callable[[Layer], Layer]) -> Network:
    """A network 3 -> 5 -> 4 with one layer replaced: 0 scales, 1 and 3 are dense, 2 is ReLU."""
    layers = list(started(5).layers)
    layers[place] = make(layers[place])
    return Network(layers)


def dense(kind: type[Dense]) -> Callable[[Layer], Layer]:
    def make(layer: Layer) -> Layer:
        assert isinstance(layer, Dense)
        return kind(layer.weights.values, layer.biases.values)

    return make


@pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))
@pytest.mark.parametrize("hidden", [(), (5,), (6, 4), (5, 4, 3)])
def test_hand_written_gradients_pass(hidden: tuple[int, ...], loss: Loss) -> None:
    result = check(started(*hidden), loss)
    assert result.passed
    assert 0 < result.relative_error < 1e-6
    assert result.backpropagated.any()


def test_differences_are_those_of_the_slow_sure_way() -> None:
    network = started(5)

    def loss() -> Array:
        return mean_and_gradients(CROSS_ENTROPY, network.forward(FEATURES[None]), LABELS[None])[0]

    result = check(network)
    expected = central_differences(loss, network.values)[0, :, 0]
    np.testing.assert_allclose(result.differences, expected, rtol=0, atol=1e-8)
    assert not result.skipped.any()


def test_many_parameters_are_moved_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = check(started(5, 4))
    monkeypatch.setattr("minnet.analysis.gradient_check.MOST_NUMBERS_OF_COPIES", 7 * 500)
    in_parts = check(started(5, 4))
    np.testing.assert_allclose(in_parts.differences, at_once.differences, rtol=0, atol=1e-9)
    assert len(in_parts.differences) == started(5, 4).values.shape[1]


def test_network_stays_as_it_is() -> None:
    network = started(5)
    check(network)
    np.testing.assert_array_equal(network.values, started(5).values)


def test_random_network_has_no_bias_of_zero_and_depends_on_the_seed() -> None:
    network = started(5)
    assert network.values.dtype == np.float64
    assert network.values.all()
    assert (network.values != started(5, seed=1).values).all()


class DoubledOneWeight(Dense):
    def fill_gradients(self, output_gradients: Array) -> None:
        super().fill_gradients(output_gradients)
        self.weights.gradients[0, 1, 2] *= 2


class SlightlyWrongBias(Dense):
    def fill_gradients(self, output_gradients: Array) -> None:
        super().fill_gradients(output_gradients)
        self.biases.gradients[0, 0, 3] *= 1.00001


class NotTransposed(Dense):
    def input_gradients(self, output_gradients: Array) -> Array:
        return output_gradients @ self.weights.values.mT[..., ::-1]


class NothingComesBack(Dense):
    def input_gradients(self, output_gradients: Array) -> Array:
        return output_gradients @ self.weights.values.mT * np.nan


class LetsAllPass(ReLU):
    def input_gradients(self, output_gradients: Array) -> Array:
        return output_gradients


class SoftmaxTwice(type(CROSS_ENTROPY)):  # type: ignore[misc]  # the class of cross-entropy
    def row_gradients(self, logits: Array, targets: Array) -> Array:
        return 0.5 * super().row_gradients(logits, targets)


@pytest.mark.parametrize(
    ("place", "kind", "worst"),
    [
        (1, DoubledOneWeight, "weights of layer 1, b -> hidden 3"),
        (3, DoubledOneWeight, "weights of layer 2, hidden 2 -> y"),
        (1, SlightlyWrongBias, "bias of layer 1, hidden 4"),
        (3, SlightlyWrongBias, "bias of layer 2, z"),
    ],
)
def test_one_broken_gradient_is_found_and_named(place: int, kind: type[Dense], worst: str) -> None:
    result = check(with_layer(place, dense(kind)))
    assert not result.passed
    assert result.names[result.worst] == worst
    wrong = np.flatnonzero(result.relative_errors > 1e-6)
    assert wrong.tolist() == [result.worst]


@pytest.mark.parametrize("kind", [NotTransposed, NothingComesBack])
def test_broken_way_back_is_found_in_the_layer_below(kind: type[Dense]) -> None:
    result = check(with_layer(3, dense(kind)))
    assert not result.passed
    assert "of layer 1" in result.names[result.worst]


def test_slopes_that_are_not_numbers_are_infinitely_wrong() -> None:
    assert check(with_layer(3, dense(NothingComesBack))).relative_error == np.inf


def test_relu_that_blocks_nothing_is_found() -> None:
    assert not check(with_layer(2, lambda _: LetsAllPass())).passed


def test_loss_with_wrong_slopes_is_found() -> None:
    assert check(started(5), SoftmaxTwice()).relative_error == pytest.approx(0.5)


def test_sums_on_the_kink_are_skipped_and_counted() -> None:
    # One row (1, 0): the sums of the hidden units are 1 - 1 = 0, exactly on the kink, and 2 + 1.
    weights = np.array([[[1.0, 2], [3, 4]]])
    network = Network(
        [
            Dense(weights, np.array([[[-1.0, 1]]])),
            ReLU(),
            Dense(np.array([[[0.5, -1], [2, 1]]]), np.array([[[0.3, 0.2]]])),
        ]
    )
    result = check_gradients(network, np.array([[[1.0, 0]]]), np.array([[1]]), CROSS_ENTROPY)
    skipped = [result.names[i] for i in np.flatnonzero(result.skipped)]
    assert skipped == ["weights of layer 1, input 1 -> hidden 1", "bias of layer 1, hidden 1"]
    assert result.passed
    # The difference there is half of the slope on the one side, so that comparing would fail.
    assert abs(result.differences[result.skipped]).min() > 0.01
    assert not result.relative_errors[result.skipped].any()


def test_kinks_of_a_later_layer_are_seen_from_all_below() -> None:
    network = started(1, 1)
    hidden = network.layers[3]
    assert isinstance(hidden, Dense)
    below = network.outputs_of_layers(FEATURES[None])[2]
    row = int(below[0, :, 0].argmax())
    hidden.biases.values[...] = -below[0, row] * hidden.weights.values
    result = check(network)
    names = [result.names[i] for i in np.flatnonzero(result.skipped)]
    assert {name.partition(",")[0] for name in names} == {
        "weights of layer 1",
        "bias of layer 1",
        "weights of layer 2",
        "bias of layer 2",
    }
    assert result.passed


def test_nothing_compared_is_nothing_passed() -> None:
    result = GradientCheck(["a"], np.ones(1), np.ones(1), np.ones(1, np.bool_))
    assert not result.passed


@pytest.mark.parametrize(
    ("slope", "other", "passes"),
    [(1.0, 1.0000009, True), (1.0, 1.0000011, False), (1e-12, 3e-9, True), (1e-9, 2e-8, False)],
)
def test_relative_error_is_by_the_larger_slope_but_not_by_one_near_zero(
    slope: float, other: float, passes: bool
) -> None:
    steepest = 1.0
    for one, two in ((slope, other), (other, slope)):
        result = GradientCheck(
            ["a", "b"], np.array([steepest, one]), np.array([steepest, two]), np.zeros(2, np.bool_)
        )
        assert result.passed == passes
        assert result.worst == 1


def test_gradients_of_zero_all_over_agree() -> None:
    result = GradientCheck(["a"], np.zeros(1), np.zeros(1), np.zeros(1, np.bool_))
    assert result.relative_error == 0


class Scale(Layer):
    """A layer of one's own: each value times a factor that is learned."""

    def __init__(self, factors: Array) -> None:
        self.factors = Parameter(factors, np.zeros_like(factors))
        self.parameters = (self.factors,)

    def forward(self, inputs: Array) -> Array:
        self._inputs = inputs
        return inputs * self.factors.values

    def fill_gradients(self, output_gradients: Array) -> None:
        np.sum(output_gradients * self._inputs, axis=-2, keepdims=True, out=self.factors.gradients)

    def input_gradients(self, output_gradients: Array) -> Array:
        return output_gradients * self.factors.values


def test_layer_of_ones_own_is_checked_like_the_others() -> None:
    class WrongScale(Scale):
        def fill_gradients(self, output_gradients: Array) -> None:
            super().fill_gradients(output_gradients)
            self.factors.gradients[0, 0, 1] = 0

    factors = np.array([[[0.5, -1, 2, 1.5, 0.7]]])
    for kind, passes in ((Scale, True), (WrongScale, False)):
        result = check(with_layer(2, lambda _, kind=kind: kind(factors)))  # type: ignore[misc]
        assert result.passed == passes
    assert result.names[result.worst] == "parameter 1 of layer 2, [0, 1]"


def test_parameters_are_named_in_the_order_of_the_networks_values() -> None:
    network = Network(
        [
            Dense(np.ones((1, 2, 1)), np.ones((1, 1, 1))),
            ReLU(),
            Dense(np.ones((1, 1, 2)), np.ones((1, 1, 2))),
        ]
    )
    result = check_gradients(network, np.ones((1, 1, 2)), np.zeros((1, 1), int), SoftmaxTwice())
    assert list(result.names) == [
        "weights of layer 1, input 1 -> hidden 1",
        "weights of layer 1, input 2 -> hidden 1",
        "bias of layer 1, hidden 1",
        "weights of layer 2, hidden 1 -> output 1",
        "weights of layer 2, hidden 1 -> output 2",
        "bias of layer 2, output 1",
        "bias of layer 2, output 2",
    ]


@pytest.mark.parametrize(("networks", "dtype"), [(1, np.float32), (2, np.float64)])
def test_only_a_single_network_in_float64_is_checked(networks: int, dtype: type) -> None:
    generators = [np.random.default_rng(k) for k in range(networks)]
    network = Network.random([3, 4], generators, dtype)
    with pytest.raises(SettingsError, match="single network, in float64"):
        check(network)
