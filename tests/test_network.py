from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from minnet.network.layers import Dense, Layer, ReLU
from minnet.network.losses import LOSSES
from minnet.network.network import Network
from minnet.network.optimizers import Adam
from tests.differences import assert_slopes_agree, central_differences, mean_and_gradients
from tests.helpers import standardized_by_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from minnet.arrays import Array
    from minnet.network.losses import Loss

CROSS_ENTROPY, SQUARED_RESIDUALS = LOSSES.values()

BOTH_LOSSES = pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))


def started(sizes: Sequence[int], seeds: Sequence[int], dtype: DTypeLike = np.float32) -> Network:
    """Networks with random biases: biases of 0 put sums exactly on the kink of ReLU."""
    network = Network.random(sizes, [np.random.default_rng(seed) for seed in seeds], dtype)
    for values, seed in zip(network.values, seeds, strict=True):
        generator = np.random.default_rng([seed, 1])
        values[~network.decays] = generator.normal(size=np.count_nonzero(~network.decays))
    return network


def dense(*weights_and_biases: float) -> Dense:
    """One network's layer from 2 to 1."""
    *weights, bias = weights_and_biases
    return Dense(np.array(weights).reshape(1, 2, 1), np.array([[[bias]]]))


def test_values_are_all_parameters_in_the_order_of_the_layers() -> None:
    network = Network(
        [dense(1, 2, 3), ReLU(), Dense(np.array([[[4.0, 5]]]), np.array([[[6.0, 7]]]))]
    )
    assert network.values.tolist() == [[1, 2, 3, 4, 5, 6, 7]]
    assert network.decays.tolist() == [True, True, False, True, True, False, False]


def test_each_row_of_values_is_one_network() -> None:
    together = started([3, 4, 2], [5, 6])
    np.testing.assert_array_equal(together.values[1], started([3, 4, 2], [6]).values[0])


@pytest.mark.parametrize("networks", [1, 3])
def test_parameters_are_views_into_values_and_gradients(networks: int) -> None:
    network = started([3, 4, 2], range(networks))
    start = 0
    for layer in network.layers:
        for parameter in layer.parameters:
            stop = start + parameter.values[0].size
            network.values[:, start:stop] = start
            assert (parameter.values == start).all()
            parameter.values[...] = -1
            assert (network.values[:, start:stop] == -1).all()
            parameter.gradients[...] = start + 1
            assert (network.gradients[:, start:stop] == start + 1).all()
            start = stop
    assert start == network.values.shape[1] == network.gradients.shape[1]


def test_parameters_stay_views_through_forward_backward_and_a_step() -> None:
    network = started([3, 4, 2], [0, 1])
    logits = network.forward(np.ones((1, 5, 3), np.float32))
    network.backward(logits)
    Adam(0.01).step(network.values, network.gradients)
    for layer in network.layers:
        for parameter in layer.parameters:
            assert np.shares_memory(parameter.values, network.values)
            assert np.shares_memory(parameter.gradients, network.gradients)


def test_the_arrays_that_layers_were_made_of_stay_as_they_were() -> None:
    weights = np.ones((1, 2, 1))
    network = Network([Dense(weights, np.zeros((1, 1, 1)))])
    network.values[...] = 5
    assert weights.ravel().tolist() == [1, 1]


def test_length_is_the_number_of_networks() -> None:
    assert len(started([2, 3], [0, 1, 2])) == 3


def test_random_puts_relu_between_dense_layers_and_none_at_the_end() -> None:
    network = Network.random([2, 5, 4, 3], [np.random.default_rng(0)])
    assert [type(layer) for layer in network.layers] == [Dense, ReLU, Dense, ReLU, Dense]
    shapes = [layer.parameters[0].values.shape for layer in network.layers[::2]]
    assert shapes == [(1, 2, 5), (1, 5, 4), (1, 4, 3)]
    assert not network.values[:, ~network.decays].any()


def test_forward_by_hand() -> None:
    network = Network(
        [dense(1, -1, 0.5), ReLU(), Dense(np.array([[[2.0, -3]]]), np.array([[[0.0, 1]]]))]
    )
    # 3 - 1 + 0.5 = 2.5 passes the ReLU: 2 * 2.5 and -3 * 2.5 + 1; 1 - 3 + 0.5 is cut to 0.
    assert network.forward(np.array([[[3.0, 1], [1, 3]]])).tolist() == [[[5, -6.5], [0, 1]]]


def test_outputs_of_layers_keep_what_comes_out_of_each() -> None:
    network = Network([dense(1, -1, 0.5), ReLU()])
    outputs = network.outputs_of_layers(np.array([[[3.0, 1], [1, 3]]]))
    assert [output.tolist() for output in outputs] == [[[[2.5], [-1.5]]], [[[2.5], [0]]]]


def test_fires_tells_which_hidden_units_are_above_0_for_any_row() -> None:
    # Units of the first layer: x and -x - 1; of the second: 0 (never above 0) and their sum.
    first = Dense(np.array([[[1.0, -1]]]), np.array([[[0.0, -1]]]))
    second = Dense(np.array([[[0.0, 1], [0, 1]]]), np.zeros((1, 1, 2)))
    network = Network([first, ReLU(), second, ReLU(), dense(1, 1, 0)])
    assert network.live_units(np.array([[[3.0], [0.5]]])).tolist() == [[True, False, False, True]]
    assert network.live_units(np.array([[[3.0], [-3]]])).tolist() == [[True, True, False, True]]
    assert network.live_units(np.array([[[0.5]]])).tolist() == [[True, False, False, True]]
    assert network.live_units(np.array([[[-0.5]]])).tolist() == [[False, False, False, False]]


def test_without_hidden_layers_there_is_nothing_to_fire() -> None:
    assert started([2, 3], [0, 1]).live_units(np.ones((1, 4, 2), np.float32)).shape == (2, 0)


def test_one_copy_of_the_rows_goes_through_every_network() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(7, 3))
    standardize = standardized_by_rows(features, [np.arange(4), np.arange(7)], np.ones(3, bool))
    generators = [np.random.default_rng(seed) for seed in range(2)]
    network = Network.random([3, 4, 2], generators, first=[standardize])
    broadcast = network.forward(features[None])
    assert broadcast.shape == (2, 7, 2)
    np.testing.assert_array_equal(broadcast, network.forward(np.stack([features, features])))
    assert (broadcast[0] != broadcast[1]).all()


def test_rows_prepared_once_go_through_the_learning_layers_as_if_through_all() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(7, 3, size=(7, 3))
    standardize = standardized_by_rows(features, [np.arange(7)], np.ones(3, bool))
    network = Network.random([3, 4, 2], [generator], first=[standardize])
    prepared, learning = network.prepare(features[None]), network.without_preparation()
    assert learning.values is network.values
    np.testing.assert_array_equal(prepared, standardize.forward(features[None]))
    np.testing.assert_array_equal(
        learning.forward(prepared[:, 2:5]), network.forward(features[None, 2:5])
    )


@BOTH_LOSSES
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("networks", [1, 5])
@pytest.mark.parametrize("hidden", [(), (5,), (5, 4), (5, 4, 3)])
def test_gradients_agree_with_central_differences(
    hidden: tuple[int, ...], networks: int, classes: int, loss: Loss
) -> None:
    network = started([3, *hidden, classes], range(networks), np.float64)
    generator = np.random.default_rng(99)
    inputs = generator.normal(size=(networks, 12, 3))
    labels = generator.integers(0, classes, (networks, 12))
    weights = generator.uniform(0.5, 2, (networks, 12))

    def losses() -> Array:
        return mean_and_gradients(loss, network.forward(inputs), labels, weights)[0]

    network.backward(mean_and_gradients(loss, network.forward(inputs), labels, weights)[1])
    gradients = network.gradients.copy()
    slopes = central_differences(lambda: np.asarray(losses().sum()), network.values)
    for layer in network.layers:
        for parameter in layer.parameters:
            # Every parameter of every network takes part: none is checked as 0 against 0.
            assert parameter.gradients.reshape(networks, -1).any(axis=1).all()
    assert_slopes_agree(gradients, slopes, relative=1e-6)


def test_gradients_agree_with_central_differences_behind_a_standardize_layer() -> None:
    generator = np.random.default_rng(4)
    features = generator.normal(100, 20, (9, 3))
    features[0, 0] = np.nan
    standardize = standardized_by_rows(features, [np.arange(9)], np.ones(3, bool), np.float64)
    network = Network.random([3, 4, 2], [generator], np.float64, first=[standardize])
    network.values += generator.normal(size=network.values.shape)
    labels = generator.integers(0, 2, (1, 9))

    def losses() -> Array:
        return mean_and_gradients(CROSS_ENTROPY, network.forward(features[None]), labels)[0]

    network.backward(mean_and_gradients(CROSS_ENTROPY, network.forward(features[None]), labels)[1])
    gradients = network.gradients.copy()
    slopes = central_differences(losses, network.values)[..., 0]
    assert_slopes_agree(gradients, slopes, relative=1e-7)


@BOTH_LOSSES
@pytest.mark.parametrize("rows", [1, 7, 32])
@pytest.mark.parametrize(
    "sizes", [(4, 16, 3), (1, 1, 1), (5, 1, 2), (3, 17, 33, 1), (60, 32, 7), (4, 8, 33)]
)
def test_many_networks_at_once_equal_each_alone_bit_for_bit(
    sizes: tuple[int, ...], rows: int, loss: Loss
) -> None:
    generator = np.random.default_rng(rows)
    seeds = range(6)
    inputs = generator.normal(size=(len(seeds), rows, sizes[0])).astype(np.float32)
    labels = generator.integers(0, sizes[-1], (len(seeds), rows))

    def trained(networks: slice) -> tuple[Network, Array]:
        network = started(sizes, seeds[networks])
        optimizer = Adam(0.01, weight_decay=0.05, decays=network.decays)
        losses = []
        for _ in range(5):
            logits = network.forward(inputs[networks])
            batch_losses, gradients = mean_and_gradients(loss, logits, labels[networks], None)
            network.backward(gradients)
            optimizer.step(network.values, network.gradients)
            losses.append(batch_losses)
        return network, np.stack(losses)

    together, losses = trained(slice(None))
    for k in seeds:
        alone, own_losses = trained(slice(k, k + 1))
        np.testing.assert_array_equal(alone.values[0], together.values[k])
        np.testing.assert_array_equal(alone.gradients[0], together.gradients[k])
        np.testing.assert_array_equal(own_losses[:, 0], losses[:, k])


def test_input_gradients_of_the_lowest_layer_are_not_computed() -> None:
    class NoInputGradients(Dense):
        def input_gradients(self, output_gradients: Array) -> Array:
            pytest.fail("nobody needs these")

    class NoBackward(Layer):
        def forward(self, inputs: Array) -> Array:
            return inputs

        def backward(self, output_gradients: Array) -> Array:
            pytest.fail("nothing below the lowest weights learns")

    lowest = NoInputGradients(np.ones((1, 2, 2)), np.zeros((1, 1, 2)))
    network = Network([NoBackward(), lowest, ReLU(), dense(1, 2, 3)])
    network.backward(np.ones_like(network.forward(np.ones((1, 4, 2)))))
    assert lowest.weights.gradients.tolist() == [[[4, 8], [4, 8]]]


def test_networks_do_not_touch_each_other() -> None:
    network = started([2, 3, 2], [0, 1])
    inputs = np.ones((2, 4, 2), np.float32)
    before = network.forward(inputs)[1]
    network.values[0] = np.nan
    np.testing.assert_array_equal(network.forward(inputs)[1], before)
