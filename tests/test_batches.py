from __future__ import annotations

import numpy as np
import pytest

import minnet.training.batches
from minnet.training.batches import Rows, padded, shuffled


def test_shuffled_gives_each_network_all_its_rows_in_its_own_fresh_order() -> None:
    generators = [np.random.default_rng(seed) for seed in (0, 1)]
    rows = [np.arange(0, 40), np.arange(20, 60)]
    first, second = shuffled(rows, generators), shuffled(rows, generators)
    for order in (first, second):
        np.testing.assert_array_equal(np.sort(order), rows)
    assert (first != second).any(axis=1).all()
    assert (first[0] != first[1] - 20).any()


def test_shuffled_repeats_rows_of_a_network_that_has_fewer() -> None:
    generators = [np.random.default_rng(seed) for seed in (0, 1)]
    order = shuffled([np.arange(5), np.array([7, 8])], generators)
    assert order.shape == (2, 5)
    assert np.bincount(order[1])[7:].tolist() in ([3, 2], [2, 3])


def test_padded_marks_which_rows_are_real() -> None:
    holdout = np.array([[1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=bool)
    rows, is_real = padded(holdout)
    assert is_real.tolist() == [[True, True], [True, False], [False, False]]
    assert rows[is_real].tolist() == [0, 2, 3]


def test_padded_is_empty_where_nobody_holds_out_a_row() -> None:
    rows, is_real = padded(np.zeros((3, 4), dtype=bool))
    assert rows.shape == is_real.shape == (3, 0)


@pytest.mark.parametrize(("rows_at_once", "lengths"), [(7, [6, 4]), (1, [3, 3, 3, 1]), (99, [10])])
def test_parts_are_whole_batches_of_the_rows_asked_for_in_their_order(
    rows_at_once: int, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minnet.training.batches, "ROWS_AT_ONCE", rows_at_once)
    features, labels = np.arange(10.0)[:, None], np.arange(10) % 2
    order = np.random.default_rng(1).permutation(10)[None]
    parts = list(Rows(features, labels, 2, labels + 1.0, batch_size=3).parts(order))
    assert [part.labels.shape[1] for part in parts] == lengths
    seen = np.concatenate([part.features for part in parts], axis=1)[0, :, 0]
    np.testing.assert_array_equal(seen, order[0])
    for part in parts:
        expected = part.features[..., 0] % 2
        np.testing.assert_array_equal(part.labels, expected)
        np.testing.assert_array_equal(part.observed[..., 1], expected)
        np.testing.assert_array_equal(part.observed[..., 0], 1 - expected)
        np.testing.assert_array_equal(part.weights, expected + 1)


def test_parts_of_a_wide_table_have_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minnet.training.batches, "NUMBERS_AT_ONCE", 28)
    labels = np.zeros(10, dtype=np.int64)
    rows = Rows(np.zeros((10, 4)), labels, 2, None, batch_size=3)
    # 28 numbers are 7 rows of 4, and so 2 whole batches of 3.
    assert [part.features.shape[1] for part in rows.parts(np.arange(10)[None])] == [6, 4]


@pytest.mark.parametrize("weights", [None, np.array([5.0, 6.0, 7.0])])
def test_rows_that_are_not_real_get_weight_0(weights: np.ndarray | None) -> None:
    rows = Rows(np.zeros((3, 1)), np.zeros(3, dtype=np.int64), 2, weights, batch_size=9)
    is_real = np.array([[True, True, False]])
    (part,) = rows.parts(np.array([[1, 2, 0]]), is_real)
    expected = [1, 1, 0] if weights is None else [6, 7, 0]
    assert part.weights is not None
    assert part.weights.tolist() == [expected]
    assert part.weights.dtype == np.float32
