from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import minnet.training.batches
from minnet.training.batches import Order, TrainingRows

if TYPE_CHECKING:
    from minnet.arrays import BoolArray


def test_shuffled_gives_each_network_all_its_rows_in_its_own_fresh_order() -> None:
    generators = [np.random.default_rng(seed) for seed in (0, 1)]
    rows = [np.arange(0, 40), np.arange(20, 60)]
    first, second = (Order.shuffled(rows, generators).rows for _ in range(2))
    for order in (first, second):
        np.testing.assert_array_equal(np.sort(order), rows)
    assert (first != second).any(axis=1).all()
    assert (first[0] != first[1] - 20).any()


def test_shuffled_repeats_rows_of_a_network_that_has_fewer() -> None:
    generators = [np.random.default_rng(seed) for seed in (0, 1)]
    order = Order.shuffled([np.arange(5), np.array([7, 8])], generators).rows
    assert order.shape == (2, 5)
    assert np.bincount(order[1])[7:].tolist() in ([3, 2], [2, 3])


def rows_held_out(holdout: BoolArray) -> Order:
    """Tell which of four rows networks hold out."""
    return TrainingRows(np.zeros((4, 1)), np.arange(4), 4, 1, None, 2).held_out(holdout)


def test_rows_held_out_are_marked_as_real() -> None:
    holdout = np.array([[1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=bool)
    rows, is_real = rows_held_out(holdout)
    assert is_real is not None
    assert is_real.tolist() == [[True, True], [True, False], [False, False]]
    assert rows[is_real].tolist() == [0, 2, 3]


def test_no_rows_are_held_out_where_nobody_holds_out_any() -> None:
    rows, is_real = rows_held_out(np.zeros((3, 4), dtype=bool))
    assert is_real is not None
    assert rows.shape == is_real.shape == (3, 0)


@pytest.mark.parametrize(("rows_at_once", "lengths"), [(7, [6, 4]), (1, [3, 3, 3, 1]), (99, [10])])
def test_blocks_are_whole_batches_of_the_rows_asked_for_in_their_order(
    rows_at_once: int, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minnet.training.batches, "MOST_ROWS_OF_A_BLOCK", rows_at_once)
    features, labels = np.arange(10.0)[:, None], np.arange(10) % 2
    order = np.random.default_rng(1).permutation(10)[None]
    blocks = list(
        TrainingRows(features, labels, 2, 1, labels + 1.0, batch_size=3).blocks(Order(order))
    )
    assert [block.labels.shape[1] for block in blocks] == lengths
    seen = np.concatenate([block.features for block in blocks], axis=1)[0, :, 0]
    np.testing.assert_array_equal(seen, order[0])
    for block in blocks:
        expected = block.features[..., 0] % 2
        np.testing.assert_array_equal(block.labels, expected)
        np.testing.assert_array_equal(block.targets[..., 1], expected)
        np.testing.assert_array_equal(block.targets[..., 0], 1 - expected)
        np.testing.assert_array_equal(block.weights, expected + 1)


def test_blocks_of_a_wide_table_have_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minnet.training.batches, "MOST_NUMBERS_OF_A_BLOCK", 28)
    labels = np.zeros(10, dtype=np.int64)
    rows = TrainingRows(np.zeros((10, 4)), labels, 2, 4, None, batch_size=3)
    # 28 numbers are 7 rows of 4, and so 2 whole batches of 3.
    assert [block.features.shape[1] for block in rows.blocks(Order(np.arange(10)[None]))] == [6, 4]


@pytest.mark.parametrize("weights", [None, np.array([5.0, 6.0, 7.0])])
def test_rows_that_are_not_real_get_weight_0(weights: np.ndarray | None) -> None:
    rows = TrainingRows(np.zeros((3, 1)), np.zeros(3, dtype=np.int64), 2, 1, weights, batch_size=9)
    is_real = np.array([[True, True, False]])
    (block,) = rows.blocks(Order(np.array([[1, 2, 0]]), is_real))
    expected = [1, 1, 0] if weights is None else [6, 7, 0]
    assert block.weights is not None
    assert block.weights.tolist() == [expected]


def test_batches_of_a_block_are_its_rows_in_order_and_the_last_may_be_short() -> None:
    rows = TrainingRows(
        np.arange(5.0)[:, None], np.zeros(5, dtype=np.int64), 2, 1, None, batch_size=5
    )
    (block,) = rows.blocks(Order(np.array([[4, 0, 3, 1, 2]])))
    batches = list(block.batches(2))
    assert [batch.features[0, :, 0].tolist() for batch in batches] == [[4, 0], [3, 1], [2]]
    assert [batch.targets.shape for batch in batches] == [(1, 2, 2), (1, 2, 2), (1, 1, 2)]
    assert [batch.weights for batch in batches] == [None] * 3
