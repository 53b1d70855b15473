from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from minnet.network.layers import Dense, Layer, ReLU
from minnet.network.preparation import Standardize
from tests.differences import assert_slopes_agree, central_differences
from tests.helpers import standardized_by_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet.arrays import Array


def standardized(columns: Array, scaled: bool = True) -> Array:
    """What one network in float64 makes of its own training rows, `(rows, features)`."""
    layer = standardized_by_rows(
        columns, [np.arange(len(columns))], np.full(columns.shape[1], scaled), np.float64
    )
    return layer.forward(columns[None])[0]


def column(*values: float) -> Array:
    return np.array(values)[:, None]


def assert_backward_agrees(layer: Layer, inputs: Array, slopes: Array) -> None:
    """Check a layer's gradients, for a loss whose slopes by the layer's outputs are `slopes`."""

    def loss() -> Array:
        return np.asarray((layer.forward(inputs) * slopes).sum())

    layer.forward(inputs)
    input_gradients = layer.backward(slopes)
    assert_slopes_agree(input_gradients, central_differences(loss, inputs), relative=1e-8)
    for parameter in layer.parameters:
        expected = central_differences(loss, parameter.values)
        assert_slopes_agree(parameter.gradients, expected, relative=1e-8)


def test_dense_forward_by_hand() -> None:
    layer = Dense(np.array([[[1.0, 2], [3, 4], [5, 6]]]), np.array([[[10.0, 20]]]))
    outputs = layer.forward(np.array([[[1.0, 0, -1], [2, 1, 0]]]))
    # 1*1 + 0*3 - 1*5 + 10 = 6 and 1*2 + 0*4 - 1*6 + 20 = 16; 2*1 + 1*3 + 10 = 15 and ...
    assert outputs.tolist() == [[[6, 16], [15, 28]]]


def test_dense_backward_by_hand() -> None:
    layer = Dense(np.array([[[1.0, 2], [3, 4]]]), np.zeros((1, 1, 2)))
    layer.forward(np.array([[[1.0, 10], [2, 20]]]))
    input_gradients = layer.backward(np.array([[[1.0, 0], [1, -1]]]))
    assert layer.weights.gradients.tolist() == [[[1 + 2, -2], [10 + 20, -20]]]
    assert layer.biases.gradients.tolist() == [[[2, -1]]]
    assert input_gradients.tolist() == [[[1, 3], [1 - 2, 3 - 4]]]


def test_dense_backward_agrees_with_central_differences() -> None:
    generator = np.random.default_rng(0)
    layer = Dense(generator.normal(size=(3, 4, 2)), generator.normal(size=(3, 1, 2)))
    assert_backward_agrees(
        layer, generator.normal(size=(3, 5, 4)), generator.normal(size=(3, 5, 2))
    )


def test_dense_overwrites_the_gradients_of_the_step_before() -> None:
    layer = Dense(np.ones((1, 1, 1)), np.zeros((1, 1, 1)))
    for _ in range(2):
        layer.forward(np.full((1, 1, 1), 3.0))
        layer.backward(np.ones((1, 1, 1)))
    assert layer.weights.gradients.item() == 3
    assert layer.biases.gradients.item() == 1


def test_only_the_weights_of_dense_decay() -> None:
    layer = Dense(np.ones((1, 1, 1)), np.zeros((1, 1, 1)))
    assert [parameter.decays for parameter in layer.parameters] == [True, False]


def test_random_dense_has_variance_2_over_fan_in_and_biases_0() -> None:
    layer = Dense.random(50, 2000, [np.random.default_rng(0), np.random.default_rng(1)])
    weights = layer.weights.values
    assert weights.dtype == np.float32
    assert weights.var(axis=(1, 2)) == pytest.approx([2 / 50, 2 / 50], rel=0.02)
    assert weights.mean(axis=(1, 2)) == pytest.approx([0, 0], abs=0.004)
    assert layer.biases.values.shape == (2, 1, 2000)
    assert not layer.biases.values.any()


def test_random_dense_of_a_network_depends_on_its_own_generator_alone() -> None:
    together = Dense.random(3, 4, [np.random.default_rng(seed) for seed in (5, 6, 7)])
    alone = Dense.random(3, 4, [np.random.default_rng(7)])
    np.testing.assert_array_equal(together.weights.values[2], alone.weights.values[0])
    assert (together.weights.values[0] != together.weights.values[1]).all()


def test_relu_by_hand() -> None:
    layer = ReLU()
    inputs = np.array([[[-1.5, 0, 2]]])
    assert layer.forward(inputs).tolist() == [[[0, 0, 2]]]
    assert layer.backward(np.array([[[7.0, 8, 9]]])).tolist() == [[[0, 0, 9]]]
    assert inputs.tolist() == [[[-1.5, 0, 2]]]


def test_relu_backward_agrees_with_central_differences() -> None:
    generator = np.random.default_rng(1)
    assert_backward_agrees(
        ReLU(), generator.normal(size=(2, 4, 3)), generator.normal(size=(2, 4, 3))
    )


def test_standardize_by_hand() -> None:
    # The mean of 1, 3, 5, 7 is 4, the standard deviation sqrt((9 + 1 + 1 + 9) / 4) = sqrt(5).
    expected = np.array([-3, -1, 1, 3]) / np.sqrt(5)
    np.testing.assert_allclose(standardized(column(1, 3, 5, 7))[:, 0], expected, rtol=1e-15)


@given(arrays.arrays(np.float64, (7, 2), elements=st.floats(-1e6, 1e6)))
def test_standardized_training_rows_have_mean_0_and_deviation_1_or_are_constant(
    features: Array,
) -> None:
    for scaled, raw in zip(standardized(features).T, features.T, strict=True):
        if np.ptp(raw) > max(1e-6 * np.abs(raw).max(), 1e-290):
            assert scaled.mean() == pytest.approx(0, abs=1e-8)
            assert scaled.std() == pytest.approx(1, rel=1e-8)


def test_standardize_takes_missing_for_the_mean_and_leaves_it_out_of_the_statistics() -> None:
    features = column(1, np.nan, 3)
    assert standardized(features)[:, 0].tolist() == [-1, 0, 1]
    assert np.isnan(features[1, 0])


def test_standardize_makes_a_wholly_missing_feature_0() -> None:
    assert not standardized(column(np.nan, np.nan)).any()


def test_standardize_without_any_row_makes_every_number_0() -> None:
    layer = standardized_by_rows(column(), [np.arange(0)], np.array([True]))
    assert layer.forward(column(3)[None]).item() == 0


def test_the_mean_of_a_single_number_is_that_number() -> None:
    layer = standardized_by_rows(column(np.nan, 7), [np.arange(2)], np.array([True]))
    assert layer.means.item() == 7
    assert layer.scales.item() == 0


def test_standardize_clips_at_10_deviations() -> None:
    layer = Standardize(np.array([[[5.0]]]), np.array([[[2.0]]]))
    outputs = layer.forward(column(25, 25.5, 1e300, np.inf, -16, -1e300, 24)[None])
    assert outputs[0, :, 0].tolist() == [10, 10, 10, 10, -10, -10, 9.5]


@pytest.mark.parametrize("rows", [1, 3, 150, 10_000])
@pytest.mark.parametrize("value", [0.0, 0.1, -5.1, 1 / 3, 123.456, 1e-300, 1e300])
def test_standardize_makes_a_constant_feature_0(rows: int, value: float) -> None:
    features = np.full((rows, 2), value)
    features[:, 1] = np.arange(rows)
    layer = standardized_by_rows(features, [np.arange(rows)], np.array([True, True]))
    assert not layer.forward(features[None])[..., 0].any()
    # What training never saw vary tells nothing, so another value is 0 as well.
    assert not layer.forward(features[None] + 1)[..., 0].any()


def test_standardize_takes_each_networks_own_rows_only() -> None:
    features = column(1, 3, 100, 300)
    layer = standardized_by_rows(features, [np.array([0, 1]), np.array([2, 3])], np.array([True]))
    assert layer.means.tolist() == [[[2]], [[200]]]
    assert layer.scales.tolist() == [[[1]], [[100]]]
    # One copy of the rows is scaled by each network in its own way.
    expected = np.array([[-1, 1, 10, 10], [-1.99, -1.97, -1, 1]], np.float32)
    np.testing.assert_array_equal(layer.forward(features[None])[:, :, 0], expected)


def test_standardize_leaves_indicators_as_they_are() -> None:
    features = np.array([[0.0, 1], [1, 3], [1, 5]])
    layer = standardized_by_rows(features, [np.arange(3)], np.array([False, True]))
    outputs = layer.forward(features[None])[0]
    assert outputs[:, 0].tolist() == [0, 1, 1]
    assert outputs[:, 1] == pytest.approx(np.array([-1, 0, 1]) * np.sqrt(1.5))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1e308, -1e308), (1, -1)),
        ((1.7e308, 1.7e308, -1.7e308, -1.7e308), (1, 1, -1, -1)),
        ((2e-320, 4e-320), (-1, 1)),
        ((1e-200, 3e-200), (-1, 1)),
        ((1e15, 1e15 + 1), (-1, 1)),
        ((1e15 - 1, 1e15 + 1), (-1, 1)),
        ((1e308, 1e-308, -1e308), (np.sqrt(1.5), 0, -np.sqrt(1.5))),
    ],
)
def test_standardize_copes_with_extreme_numbers(
    values: Sequence[float], expected: Sequence[float]
) -> None:
    np.testing.assert_allclose(standardized(column(*values))[:, 0], expected, atol=1e-12)


def test_standardize_sees_a_spread_of_1_on_1e15_in_many_rows() -> None:
    rows = 1e15 + np.random.default_rng(0).normal(size=(10_000, 2))
    scaled = standardized(rows)
    # Float64 has steps of 1/8 there, so that the mean itself may be off by half a step.
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1 / 16)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-2)


def test_standardize_copes_with_an_extreme_number_it_was_not_trained_on() -> None:
    layer = standardized_by_rows(column(-1e308, -1.1e308), [np.arange(2)], np.array([True]))
    assert layer.forward(column(1.7e308)[None]).item() == 10
    constant = standardized_by_rows(column(-1.7e308), [np.arange(1)], np.array([True]))
    assert constant.forward(column(1.7e308)[None]).item() == 0


def test_standardize_does_not_change_the_features() -> None:
    features = np.array([[1.0, np.nan], [2, 3]])
    before = features.copy()
    standardized(features)
    np.testing.assert_array_equal(features, before)


def test_standardize_gives_float32_for_training() -> None:
    layer = standardized_by_rows(column(1, 2), [np.arange(2)], np.array([True]))
    assert layer.forward(column(1, 2)[None]).dtype == np.float32


def test_standardize_backward_agrees_with_central_differences() -> None:
    generator = np.random.default_rng(2)
    features = generator.normal(5, 3, (6, 3))
    features[:, 2] = 1.0  # constant: its slope is 0
    layer = standardized_by_rows(
        features, [np.arange(4), np.arange(2, 6)], np.ones(3, bool), np.float64
    )
    inputs = np.stack([features, features])
    inputs[0, 0, 0] = 1e3  # clipped: its slope is 0
    assert_backward_agrees(layer, inputs, generator.normal(size=(2, 6, 3)))
    assert layer.backward(np.ones((2, 6, 3)))[0, 0, 0] == 0


def test_standardize_backward_through_a_tiny_scale_is_infinite_and_warns_of_nothing() -> None:
    layer = Standardize(column(0)[None], column(1e-300)[None], np.float64)
    layer.forward(column(1e-300)[None])
    assert layer.backward(column(-1e10)[None]).item() == -np.inf


def test_part_of_a_layer_is_of_the_same_kind_and_must_be_written_where_there_are_parameters() -> (
    None
):
    class Own(Dense):
        pass

    own = Own(np.ones((3, 2, 2)), np.zeros((3, 1, 2)))
    assert type(own.select(slice(1))) is Own
    assert own.select(slice(1)).weights.values.shape == (1, 2, 2)

    class Unfinished(Layer):
        parameters = (own.weights,)

    with pytest.raises(NotImplementedError):
        Unfinished().select(slice(1))
