from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minnet.training.folds import holdout_masks, stratified_folds
from tests.strategies import labels

if TYPE_CHECKING:
    from minnet.arrays import IntArray

FOLDS = st.integers(1, 10)
SEEDS = st.integers(0, 2**40)


@given(labels(), FOLDS, SEEDS)
def test_every_class_is_spread_evenly_over_the_folds(
    observed: IntArray, folds: int, seed: int
) -> None:
    fold_of_row = stratified_folds(observed, folds, seed)
    for label in np.unique(observed):
        counts = np.bincount(fold_of_row[observed == label], minlength=folds)
        assert np.ptp(counts) <= 1


@given(labels(), FOLDS, SEEDS)
def test_folds_are_of_equal_size_or_one_less(observed: IntArray, folds: int, seed: int) -> None:
    fold_of_row = stratified_folds(observed, folds, seed)
    assert fold_of_row.shape == observed.shape
    counts = np.bincount(fold_of_row, minlength=folds)
    assert len(counts) == folds
    assert np.ptp(counts) <= 1


def test_same_seed_same_folds_and_another_seed_other_folds() -> None:
    observed = np.repeat([0, 1, 2], 20)
    folds = stratified_folds(observed, 5, seed=7)
    np.testing.assert_array_equal(folds, stratified_folds(observed, 5, seed=7))
    assert (folds != stratified_folds(observed, 5, seed=8)).any()


def test_rows_of_a_class_are_dealt_at_random_not_in_order() -> None:
    folds = stratified_folds(np.zeros(60, dtype=np.int64), 5)
    assert (folds != np.arange(60) % 5).any()


def test_folds_of_a_small_table_stay_the_same_for_ever() -> None:
    # Models on disk rely on it: `evaluate` tells from the labels which rows each network held out.
    observed = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2])
    assert stratified_folds(observed, 3, seed=0).tolist() == [0, 2, 1, 0, 1, 2, 2, 0, 1, 1, 0]
    assert stratified_folds(observed, 3, seed=1).tolist() == [1, 0, 0, 2, 1, 0, 2, 2, 1, 0, 1]


@given(labels(), FOLDS, SEEDS)
def test_every_row_is_held_out_exactly_once_by_as_many_networks_as_folds(
    observed: IntArray, folds: int, seed: int
) -> None:
    masks = holdout_masks(observed, folds, folds, seed)
    assert masks.shape == (folds, len(observed))
    assert (masks.sum(axis=0) == 1).all()


def test_network_k_holds_out_fold_k_and_more_networks_begin_again() -> None:
    observed = np.repeat([0, 1], 10)
    fold_of_row = stratified_folds(observed, 3, seed=4)
    masks = holdout_masks(observed, 5, 3, seed=4)
    for mask, fold in zip(masks, [0, 1, 2, 0, 1], strict=True):
        np.testing.assert_array_equal(mask, fold_of_row == fold)


def test_fewer_networks_than_folds_hold_out_the_first_folds() -> None:
    observed = np.repeat([0, 1], 10)
    np.testing.assert_array_equal(
        holdout_masks(observed, 1, 5)[0], stratified_folds(observed, 5) == 0
    )
