from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from minnet.network.network import Network
from minnet.network.preparation import Bins, input_names, preparation_of
from tests.differences import assert_slopes_agree, central_differences
from tests.helpers import bins_between, preparation_by_rows

if TYPE_CHECKING:
    from minnet.arrays import Array
    from minnet.network.layers import Layer


def prepared(features: Array, bins: int) -> Array:
    """What one network in float64 makes of its own training rows, `(rows, inputs)`."""
    layers = fitted(features, bins)
    inputs = features[None]
    for layer in layers:
        inputs = layer.forward(inputs)
    return inputs[0]


def fitted(features: Array, bins: int, scaled: Array | None = None) -> list[Layer]:
    if scaled is None:
        scaled = np.ones(features.shape[1], bool)
    return preparation_by_rows(features, [np.arange(len(features))], scaled, bins, np.float64)


def bins_of(features: Array, bins: int) -> Bins:
    layer = fitted(features, bins)[1]
    assert isinstance(layer, Bins)
    return layer


def column(*values: float) -> Array:
    return np.array(values)[:, None]


def test_bins_by_hand() -> None:
    layer = bins_between([[[0.0, 2, 3]]], [1], is_sharp=True)
    inputs = np.array([[[7.0, 0.5], [8, 2], [9, 2.25], [10, -4], [11, 50]]])
    outputs = layer.forward(inputs)
    assert outputs[0].tolist() == [
        [7, 0.5, -0.25, -0.5],
        [8, 2, 0.5, -0.5],
        [9, 2.25, 0.5, -0.25],
        [10, -4, -0.5, -0.5],
        [11, 50, 0.5, 0.5],
    ]
    scaled = bins_between([[[0.0, 2, 3]]], [1]).forward(inputs)
    np.testing.assert_allclose(scaled[..., 2:], outputs[..., 2:] / np.sqrt(2), rtol=1e-15)
    np.testing.assert_array_equal(scaled[..., :2], inputs)


def test_bins_of_a_column_lie_side_by_side_behind_all_features() -> None:
    layer = bins_between([[[0.0, 1, 2], [10, 20, 40]]], [0, 2], is_sharp=True)
    outputs = layer.forward(np.array([[[1.5, 99, 15]]]))
    assert outputs.tolist() == [[[1.5, 99, 15, 0.5, 0, 0, -0.5]]]
    assert layer.numbers.tolist() == [1, 2, 1, 2]


def test_edges_are_quantiles_of_the_rows() -> None:
    values = np.random.default_rng(0).permutation(np.arange(101.0))[:, None]
    layer = bins_of(values, 4)
    edges = (np.array([0, 25, 50, 75, 100]) - 50) / values.std()
    np.testing.assert_allclose(layer.lower[0], edges[:-1], rtol=1e-12)
    np.testing.assert_allclose(layer.upper[0], edges[1:], rtol=1e-12)


@given(
    arrays.arrays(np.float64, 5, elements=st.floats(-3, 3)),
    arrays.arrays(np.float64, 9, elements=st.floats(-3, 3)),
    st.booleans(),
)
def test_a_weighted_sum_of_bins_is_any_function_that_is_linear_between_the_edges(
    heights: Array, values: Array, is_sharp: bool
) -> None:
    edges = np.array([-2.0, -1.5, 0, 0.25, 2])
    layer = bins_between(edges[None, None], [0], is_sharp=is_sharp)
    of_bins = layer.forward(values[None, :, None])[0, :, 1:]
    summed = heights[0] + (of_bins / layer.heights + 0.5) @ np.diff(heights)
    np.testing.assert_allclose(summed, np.interp(values, edges, heights), atol=1e-12)


@given(st.integers(2, 40), st.integers(0, 2**32))
def test_the_bins_of_a_column_have_a_squared_length_of_a_quarter_at_most(
    bins: int, seed: int
) -> None:
    values = np.random.default_rng(seed).normal(size=(60, 1)).round(1)
    squares = np.square(prepared(values, bins)[:, 1:]).sum(axis=1)
    assert squares.max() == pytest.approx(0.25)


def test_a_bin_without_a_width_in_any_network_is_left_out() -> None:
    values = column(0, 0, 0, 0, 0, 0, 1, 2, 3)
    assert bins_of(values, 4).columns.tolist() == [0, 0]
    outputs = prepared(values, 4) * np.sqrt(2)
    np.testing.assert_allclose(outputs[:, 1], [-0.5] * 6 + [0.5] * 3, atol=1e-12)
    np.testing.assert_allclose(outputs[-3:, 2], [-0.5, 0, 0.5], atol=1e-12)


def test_a_bin_without_a_width_is_0_to_a_network_that_alone_has_none() -> None:
    layer = bins_between([[[0.0, 0, 1, 2]], [[0, 1, 2, 2]]], [0], is_sharp=True)
    outputs = layer.forward(np.full((1, 1, 1), 5.0))[:, 0, 1:]
    assert outputs.tolist() == [[0, 0.5, 0.5], [0.5, 0.5, 0]]


@pytest.mark.parametrize(
    "values", [(5.0, 5.0, 5.0), (np.nan, np.nan), (1e300,), (), (0, 1, 1, 0, 1)]
)
def test_column_of_two_values_or_fewer_gets_no_bins(values: tuple[float, ...]) -> None:
    assert len(fitted(column(*values), 3)) == 1
    if len(values) > 2:
        others = np.column_stack([values, np.arange(len(values))])
        assert set(bins_of(others, 3).columns) == {1}


def test_missing_cells_are_left_out_of_the_quantiles_and_get_the_bins_of_the_mean() -> None:
    values = column(np.nan, 0, 1, 2, np.nan, 3, 4)
    outputs = prepared(values, 2)
    np.testing.assert_array_equal(outputs[[1, 2, 3, 5, 6]], prepared(column(0, 1, 2, 3, 4), 2))
    np.testing.assert_array_equal(outputs[0], outputs[3])


def test_indicators_get_no_bins() -> None:
    features = np.array([[0.0, 1], [1, 3], [1, 5]])
    layers = fitted(features, 2, np.array([False, True]))
    assert layers[0].forward(features[None]).shape[-1] == 2
    assert layers[1].forward(layers[0].forward(features[None])).shape[-1] == 4
    assert len(fitted(features, 2, np.array([False, False]))) == 1
    assert len(fitted(features, 0)) == 1


def test_bins_take_each_networks_own_rows_only_in_any_order() -> None:
    generator = np.random.default_rng(3)
    features = generator.normal(size=(40, 3))
    rows = [np.arange(30), np.arange(10, 40), np.arange(0, 40, 2)]
    scaled = np.ones(3, bool)
    together = Network.random(
        [15, 2], [generator] * 3, first=preparation_by_rows(features, rows, scaled, 4)
    )
    for network, own in enumerate(rows):
        changed = features.copy()
        changed[np.setdiff1d(np.arange(40), own)] = 1e6
        alone = preparation_by_rows(changed, [generator.permutation(own)], scaled, 4)
        other = Network.random([15, 2], [generator], first=alone)
        expected = together.prepare(features[None])[network]
        np.testing.assert_allclose(other.prepare(features[None])[0], expected, atol=1e-6)
        selected = together.select(slice(network, network + 1))
        np.testing.assert_array_equal(selected.prepare(features[None])[0], expected)


@pytest.mark.parametrize(
    "values", [(1e308, -1e308, 0.0, 1.0), (1e-320, 3e-320, 2e-320), (1e15, 1e15 + 1, 1e15 + 3)]
)
def test_bins_cope_with_extreme_numbers(values: tuple[float, ...]) -> None:
    features = column(*values)
    outputs = prepared(features, 3)
    assert np.isfinite(outputs).all()
    assert np.abs(outputs[:, 1:]).max() == pytest.approx(0.5 / np.sqrt(outputs.shape[1] - 1))
    assert len(input_names(fitted(features, 3), ["x"])) == outputs.shape[1]


def test_a_bin_too_narrow_for_float32_is_resolved() -> None:
    values = column(0, 1, 2, 3, 1e12)
    layers = preparation_by_rows(values, [np.arange(5)], np.array([True]), 4)
    inputs = values[None]
    for layer in layers:
        inputs = layer.forward(inputs)
    assert inputs.dtype == np.float32
    np.testing.assert_allclose(
        inputs[0, :3, 1:3], [[-0.25, -0.25], [0.25, -0.25], [0.25, 0.25]], atol=0.01
    )


def test_bins_backward_agrees_with_central_differences() -> None:
    generator = np.random.default_rng(5)
    edges = np.sort(generator.normal(size=(2, 3, 5)), axis=-1)
    edges[0, 1, 2] = edges[0, 1, 3]  # no width: no slope
    edges[:, 2, 1] = edges[:, 2, 2]  # in no network: one bin less
    layer = bins_between(edges, [0, 2, 3])
    inputs = generator.normal(size=(2, 7, 4))
    slopes = generator.normal(size=(2, 7, 15))
    layer.forward(inputs)
    gradients = layer.backward(slopes)
    assert gradients.shape == inputs.shape

    def loss() -> Array:
        return np.asarray((layer.forward(inputs) * slopes).sum())

    assert_slopes_agree(gradients, central_differences(loss, inputs), relative=1e-7)


def test_inputs_are_named_with_the_limits_of_their_bins_in_the_features_own_unit() -> None:
    features = np.array([[0.1, 5, 2001], [0.2, 5, 2003], [0.3, 5, 2005]])
    names = input_names(fitted(features, 2), ["width", "same", "year"])
    assert names == [
        "width",
        "same",
        "year",
        "width bin 1 (0.1 to 0.2)",
        "width bin 2 (0.2 to 0.3)",
        "year bin 1 (2001 to 2003)",
        "year bin 2 (2003 to 2005)",
    ]
    assert input_names(fitted(features, 0), ["width", "same", "year"]) == ["width", "same", "year"]


def test_limits_of_bins_are_finite_whatever_the_numbers() -> None:
    features = np.array([[-1.7e308]] * 4 + [[0.0]] * 4 + [[1.7e308]] * 2)
    names = input_names(fitted(features, 2), ["x"])
    assert names == ["x", "x bin 1 (-1.7e+308 to 0)", "x bin 2 (0 to 1.79769313486232e+308)"]
    features = np.array([[0.0], [1e308], [1.79e308], [1.79e308]])
    assert len(input_names(fitted(features, 3), ["x"])) == 3


def test_features_alone_are_prepared_as_among_others() -> None:
    generator = np.random.default_rng(6)
    features = generator.normal(size=(30, 4))
    layers = fitted(features, 3, np.array([True, False, True, True]))
    network = Network.random([13, 2], [generator], first=layers)
    whole = network.prepare(features[None])
    for own in (slice(0, 1), slice(1, 2), slice(1, 3), slice(3, 4), slice(0, 4)):
        prepare, places = preparation_of(layers, own)
        alone = features[None, :, own]
        for layer in prepare:
            alone = layer.forward(alone)
        np.testing.assert_array_equal(alone, whole[..., places])
