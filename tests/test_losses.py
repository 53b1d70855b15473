from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.special
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from minnet.network.losses import LOSSES, argmax_one_hot, one_hot, softmax, softmax_jacobian
from tests.differences import assert_slopes_agree, central_differences, mean_and_gradients
from tests.strategies import Answers, answers, logits

if TYPE_CHECKING:
    from minnet.arrays import Array, IntArray
    from minnet.network.losses import Loss

CROSS_ENTROPY, SQUARED_RESIDUALS = LOSSES.values()


def plain_cross_entropy(probabilities: Array, labels: IntArray) -> Array:
    """-ln of the probability of the observed class, row by row, by the textbook."""
    return -np.log(np.take_along_axis(probabilities, labels[..., None], axis=-1)[..., 0])


def plain_squared_residuals(probabilities: Array, labels: IntArray) -> Array:
    """Sum of (probability - target)^2, row by row, by the textbook."""
    return ((probabilities - one_hot(labels, probabilities.shape[-1])) ** 2).sum(axis=-1)


BOTH_LOSSES = pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))


@given(logits(1e4))
def test_softmax_keeps_the_order_of_the_raw_outputs(values: Array) -> None:
    ordered = np.take_along_axis(softmax(values), values.argsort(axis=-1), axis=-1)
    assert (np.diff(ordered, axis=-1) >= -1e-15).all()  # equals may differ in the last digit


@given(logits(1e4))
def test_softmax_lies_in_0_to_1_and_sums_to_1(values: Array) -> None:
    probabilities = softmax(values)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-14)


@given(logits(), st.floats(-1e3, 1e3))
def test_softmax_does_not_change_when_all_raw_outputs_shift(values: Array, shift: float) -> None:
    np.testing.assert_allclose(softmax(values + shift), softmax(values), rtol=1e-11)


@given(logits(300))
def test_softmax_agrees_with_scipy(values: Array) -> None:
    np.testing.assert_allclose(softmax(values), scipy.special.softmax(values, axis=-1), rtol=1e-13)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e4, -1e4, 0], [1, 0, 0]),
        ([-1e4, -1e4, -1e4], [1 / 3, 1 / 3, 1 / 3]),
        ([1e308, 1e308, 0], [0.5, 0.5, 0]),
        ([-1e308, 0, 1], [0, 1 / (1 + np.e), np.e / (1 + np.e)]),
        ([-1.7e308, -1.7e308, -1.7e308], [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_softmax_of_extreme_raw_outputs_is_exact(
    values: list[float], expected: list[float]
) -> None:
    np.testing.assert_allclose(softmax(np.array(values)), expected, rtol=1e-15)


def test_softmax_leaves_its_input_alone() -> None:
    values = np.array([1.0, 2.0])
    softmax(values)
    assert values.tolist() == [1, 2]


def test_softmax_and_its_jacobian_keep_float32() -> None:
    probabilities = softmax(np.zeros((2, 3), np.float32))
    assert probabilities.dtype == softmax_jacobian(probabilities).dtype == np.float32


@given(logits(5))
def test_jacobian_agrees_with_central_differences(values: Array) -> None:
    row = values[0].copy()
    by_raw_output = central_differences(lambda: softmax(row), row)  # [j, i] is dp_i/dz_j
    np.testing.assert_allclose(softmax_jacobian(softmax(row)), by_raw_output.T, atol=1e-9)


def test_jacobian_of_a_row_is_the_same_in_a_batch() -> None:
    probabilities = softmax(np.random.default_rng(0).normal(size=(2, 3, 4)))
    batch = softmax_jacobian(probabilities)
    assert batch.shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(batch[1, 2], softmax_jacobian(probabilities[1, 2]))


@given(answers())
def test_jacobian_times_cross_entropy_gradient_is_the_fused_gradient(given: Answers) -> None:
    values, observed, _ = given
    probabilities = softmax(values)
    # The slope of -ln p_y by p is -1/p_y for the observed class y and 0 for the others.
    slopes = -one_hot(observed, values.shape[-1]) / probabilities
    chained = (slopes[..., None, :] @ softmax_jacobian(probabilities))[..., 0, :]
    _, fused = mean_and_gradients(CROSS_ENTROPY, values, observed)
    np.testing.assert_allclose(fused * values.shape[1], chained, atol=1e-12)


@BOTH_LOSSES
@given(answers(largest=5))
def test_fused_gradients_agree_with_central_differences(loss: Loss, given: Answers) -> None:
    values, observed, weights = given
    _, gradients = mean_and_gradients(loss, values, observed, weights)
    slopes = central_differences(
        lambda: mean_and_gradients(loss, values, observed, weights)[0].sum(), values
    )
    np.testing.assert_allclose(gradients, slopes, atol=1e-8)


@BOTH_LOSSES
def test_fused_gradients_agree_to_seven_digits_on_one_batch(loss: Loss) -> None:
    generator = np.random.default_rng(3)
    values, observed = generator.normal(size=(2, 5, 4)), generator.integers(0, 4, (2, 5))
    slopes = central_differences(
        lambda: mean_and_gradients(loss, values, observed)[0].sum(), values
    )
    assert_slopes_agree(mean_and_gradients(loss, values, observed)[1], slopes, relative=1e-7)


@given(answers(largest=50))
def test_fused_cross_entropy_is_the_mean_of_the_plain_one(given: Answers) -> None:
    values, observed, weights = given
    plain = plain_cross_entropy(softmax(values), observed)
    losses, _ = mean_and_gradients(CROSS_ENTROPY, values, observed)
    np.testing.assert_allclose(losses, plain.mean(axis=-1), rtol=1e-12, atol=1e-14)
    losses, _ = mean_and_gradients(CROSS_ENTROPY, values, observed, weights)
    expected = [np.average(p, weights=w) for p, w in zip(plain, weights, strict=True)]
    np.testing.assert_allclose(losses, expected, rtol=1e-12, atol=1e-14)


@given(answers(largest=50))
def test_fused_squared_residuals_are_the_mean_of_the_plain_ones(given: Answers) -> None:
    values, observed, weights = given
    plain = plain_squared_residuals(softmax(values), observed)
    losses, _ = mean_and_gradients(SQUARED_RESIDUALS, values, observed, weights)
    expected = [np.average(p, weights=w) for p, w in zip(plain, weights, strict=True)]
    np.testing.assert_allclose(losses, expected, rtol=1e-12, atol=1e-14)


@given(answers())
def test_losses_of_rows_are_the_textbooks(given: Answers) -> None:
    values, observed, _ = given
    targets = one_hot(observed, values.shape[-1])
    for loss, plain in (
        (CROSS_ENTROPY, plain_cross_entropy),
        (SQUARED_RESIDUALS, plain_squared_residuals),
    ):
        expected = plain(softmax(values), observed)
        np.testing.assert_allclose(loss.of_rows(values, targets), expected, rtol=1e-12, atol=1e-14)


def test_weighted_cross_entropy_agrees_with_scikit_learn() -> None:
    generator = np.random.default_rng(5)
    values, observed = generator.normal(size=(1, 40, 3)), generator.integers(0, 3, (1, 40))
    weights = generator.uniform(0, 4, (1, 40))
    expected = sklearn.metrics.log_loss(
        observed[0], softmax(values)[0], sample_weight=weights[0], labels=[0, 1, 2]
    )
    assert mean_and_gradients(CROSS_ENTROPY, values, observed, weights)[0] == pytest.approx(
        expected, rel=1e-12
    )


@BOTH_LOSSES
def test_weight_2_counts_as_the_row_twice_and_weight_0_as_no_row(loss: Loss) -> None:
    generator = np.random.default_rng(1)
    values, observed = generator.normal(size=(2, 4, 3)), generator.integers(0, 3, (2, 4))
    weighted, gradients = mean_and_gradients(
        loss, values, observed, np.array([[1, 2, 0, 1], [1, 2, 0, 1]])
    )
    repeated = [0, 1, 1, 3]
    expected, by_row = mean_and_gradients(loss, values[:, repeated], observed[:, repeated], None)
    np.testing.assert_allclose(weighted, expected, rtol=1e-14)
    np.testing.assert_allclose(gradients[:, 1], by_row[:, 1] + by_row[:, 2], rtol=1e-13)
    np.testing.assert_allclose(gradients[:, [0, 3]], by_row[:, [0, 3]], rtol=1e-13)
    assert not gradients[:, 2].any()


@BOTH_LOSSES
def test_equal_weights_change_nothing_whatever_their_size(loss: Loss) -> None:
    generator = np.random.default_rng(2)
    values, observed = generator.normal(size=(1, 5, 3)), generator.integers(0, 3, (1, 5))
    for plain, weighted in zip(
        mean_and_gradients(loss, values, observed, None),
        mean_and_gradients(loss, values, observed, np.full((1, 5), 7.0)),
        strict=True,
    ):
        np.testing.assert_allclose(weighted, plain, rtol=1e-14)


@BOTH_LOSSES
def test_losses_leave_the_raw_outputs_alone_and_gradients_keep_float32(loss: Loss) -> None:
    values = np.array([[[1, 2, 3]]], np.float32)
    for weights in (None, np.ones((1, 1))):
        _, gradients = mean_and_gradients(loss, values, np.array([[0]]), weights)
        assert values.tolist() == [[[1, 2, 3]]]
        assert gradients.dtype == np.float32


def test_fused_cross_entropy_stays_exact_where_the_probability_rounds_to_0() -> None:
    losses, gradients = mean_and_gradients(
        CROSS_ENTROPY, np.array([[[-1e4, 1e4]]]), np.array([[0]])
    )
    assert losses.tolist() == [2e4]
    assert gradients.tolist() == [[[-1, 1]]]


def test_slope_of_a_hopelessly_wrong_row_stays_for_cross_entropy_and_vanishes_for_squares() -> None:
    values, observed = np.array([[[-15.0, 15.0]]]), np.array([[0]])
    assert mean_and_gradients(CROSS_ENTROPY, values, observed)[1] == pytest.approx(
        np.array([[[-1, 1]]])
    )
    assert np.abs(mean_and_gradients(SQUARED_RESIDUALS, values, observed)[1]).max() < 1e-12


def test_cross_entropy_is_minus_ln_of_the_observed_probability() -> None:
    logits = np.log(np.array([[[0.25, 0.75], [0.5, 0.5]]]))
    losses = CROSS_ENTROPY.of_rows(logits, one_hot(np.array([[0, 1]]), 2))
    np.testing.assert_allclose(losses, [[np.log(4), np.log(2)]])


def test_squared_residuals_run_from_0_for_right_to_2_for_wrong() -> None:
    logits = np.array([[[500.0, 0, 0], [0, 500, 0], [np.log(2), 0, 0]]])
    losses = SQUARED_RESIDUALS.of_rows(logits, one_hot(np.array([[0, 0, 0]]), 3))
    np.testing.assert_allclose(losses, [[0, 2, 0.25 + 0.0625 + 0.0625]], atol=1e-15)


def test_loss_of_the_class_shares_is_their_entropy_and_one_minus_the_sum_of_their_squares() -> None:
    shares = np.array([0.6, 0.3, 0.1])
    counts = np.array([6, 0, 3, 1])  # a class without rows changes nothing
    assert CROSS_ENTROPY.of_class_shares(counts) == pytest.approx(-(shares * np.log(shares)).sum())
    assert SQUARED_RESIDUALS.of_class_shares(counts) == pytest.approx(1 - (shares**2).sum())
    assert CROSS_ENTROPY.of_class_shares(np.full(4, 7)) == pytest.approx(np.log(4))


def test_argmax_puts_1_at_the_first_of_the_largest() -> None:
    values = np.array([[1.43, -0.4, 0.23], [2, 5, 5], [-1, -1, -1]], np.float32)
    largest = argmax_one_hot(values)
    assert largest.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert largest.dtype == np.float32


def test_argmax_does_not_move_when_the_raw_outputs_move_a_little() -> None:
    values = np.array([1.43, -0.4, 0.23])
    assert not central_differences(lambda: argmax_one_hot(values), values).any()


def test_one_hot_writes_each_label_as_a_row() -> None:
    assert one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]
