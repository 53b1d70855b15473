from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minnet.training.folds import SKETCH_SIZE, FileFolds, KeySketch, deal, holdout_masks
from tests.strategies import labels

if TYPE_CHECKING:
    from minnet.arrays import IntArray

FOLDS = st.integers(1, 10)
SEEDS = st.integers(0, 2**40)


def random_keys(rows: int, seed: int = 0) -> IntArray:
    """Keys as rows have them: all different, and spread evenly."""
    drawn = np.random.default_rng(seed).integers(0, 2**64, rows, dtype=np.uint64)
    assert len(np.unique(drawn)) == rows
    return drawn


def folds_of(observed: IntArray, folds: int, seed: int) -> IntArray:
    keys = random_keys(len(observed), seed)
    return deal(keys, observed, folds).of(keys, observed)


@given(labels(), FOLDS, SEEDS)
def test_every_row_has_one_fold(observed: IntArray, folds: int, seed: int) -> None:
    fold_of_row = folds_of(observed, folds, seed)
    assert fold_of_row.shape == observed.shape
    assert set(fold_of_row) <= set(range(folds))


@given(labels(), FOLDS, SEEDS)
def test_every_class_is_spread_evenly_over_the_folds(
    observed: IntArray, folds: int, seed: int
) -> None:
    fold_of_row = folds_of(observed, folds, seed)
    for label in np.unique(observed):
        counts = np.bincount(fold_of_row[observed == label], minlength=folds)
        assert np.ptp(counts) <= 1


@given(labels(), FOLDS, SEEDS)
def test_sizes_of_folds_differ_by_at_most_one(observed: IntArray, folds: int, seed: int) -> None:
    counts = np.bincount(folds_of(observed, folds, seed), minlength=folds)
    assert len(counts) == folds
    assert np.ptp(counts) <= 1


@given(labels(), FOLDS, SEEDS)
def test_folds_do_not_depend_on_the_order_of_the_rows(
    observed: IntArray, folds: int, seed: int
) -> None:
    keys = random_keys(len(observed), seed)
    order = np.random.default_rng(seed).permutation(len(keys))
    one, other = deal(keys, observed, folds), deal(keys[order], observed[order], folds)
    for name, array in vars(one).items():
        np.testing.assert_array_equal(array, getattr(other, name))
    np.testing.assert_array_equal(
        one.of(keys[order], observed[order]), one.of(keys, observed)[order]
    )


@given(labels(), FOLDS, SEEDS)
def test_fold_of_a_row_can_be_told_from_the_row_alone(
    observed: IntArray, folds: int, seed: int
) -> None:
    keys = random_keys(len(observed), seed)
    dealt = deal(keys, observed, folds)
    alone = [dealt.of(keys[[row]], observed[[row]])[0] for row in range(len(keys))]
    assert alone == dealt.of(keys, observed).tolist()


def test_new_rows_are_spread_over_the_folds_too() -> None:
    observed = np.repeat([0, 1], 500)
    dealt = deal(random_keys(1000), observed, 8)
    counts = np.bincount(dealt.of(random_keys(1000, seed=1), observed), minlength=8)
    assert counts.min() > 75
    assert counts.max() < 175


@given(st.integers(2, 60), st.integers(2, 10), SEEDS)
def test_rows_of_a_group_share_a_fold_and_groups_are_spread_evenly(
    groups: int, folds: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    group_keys = random_keys(groups, seed)
    members = np.concatenate([np.arange(groups), generator.integers(0, groups, 2 * groups)])
    observed = generator.integers(0, 3, len(members))
    keys = random_keys(len(members), seed + 1)
    dealt = deal(keys, observed, folds, group_keys[members])
    fold_of_row = dealt.of(group_keys[members], observed)
    fold_of_group = dealt.of(group_keys, np.zeros(groups, dtype=np.int64))
    np.testing.assert_array_equal(fold_of_row, fold_of_group[members])
    assert len(dealt) == min(groups, folds)
    assert np.ptp(np.bincount(fold_of_group, minlength=len(dealt))) <= 1


@given(labels(), FOLDS, SEEDS)
def test_every_row_is_held_out_exactly_once_by_as_many_networks_as_folds(
    observed: IntArray, folds: int, seed: int
) -> None:
    masks = holdout_masks(folds_of(observed, folds, seed), folds, folds)
    assert masks.shape == (folds, len(observed))
    assert (masks.sum(axis=0) == 1).all()


def test_network_k_holds_out_fold_k_and_more_networks_begin_again() -> None:
    fold_of_row = np.array([0, 1, 2, 2, 1])
    masks = holdout_masks(fold_of_row, 5, 3)
    for mask, fold in zip(masks, [0, 1, 2, 0, 1], strict=True):
        np.testing.assert_array_equal(mask, fold_of_row == fold)


def test_fewer_networks_than_folds_hold_out_the_first_folds() -> None:
    fold_of_row = np.array([4, 0, 1, 0])
    np.testing.assert_array_equal(holdout_masks(fold_of_row, 1, 5)[0], fold_of_row == 0)


@given(st.integers(1, 200), SEEDS)
def test_rows_of_a_small_table_are_all_known_and_no_other(rows: int, seed: int) -> None:
    keys = random_keys(2 * rows, seed)
    dealt = deal(keys[:rows], np.zeros(rows, dtype=np.int64), 5)
    assert dealt.is_exact
    known = dealt.known(keys)
    assert known is not None
    assert known.tolist() == [1] * rows + [0] * rows


LARGE = 3 * SKETCH_SIZE
LARGE_KEYS = random_keys(2 * LARGE)
LARGE_FOLDS = deal(LARGE_KEYS[:LARGE], np.zeros(LARGE, dtype=np.int64), 8)


@given(st.integers(40, 3000), st.floats(0.5, 1), SEEDS)
def test_file_that_shares_half_of_its_rows_with_a_large_table_is_never_taken_for_new(
    rows: int, share: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    old = int(np.ceil(share * rows))
    drawn = [
        generator.choice(LARGE_KEYS[:LARGE], old, replace=False),
        generator.choice(LARGE_KEYS[LARGE:], rows - old, replace=False),
    ]
    known = LARGE_FOLDS.known(np.concatenate(drawn))
    assert known is None or known.any()


@given(st.integers(0, 2000), st.integers(0, 2000), SEEDS)
def test_rows_known_of_a_large_table_are_counted_about_right(old: int, new: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    drawn = [
        generator.choice(LARGE_KEYS[:LARGE], old, replace=False),
        generator.choice(LARGE_KEYS[LARGE:], new, replace=False),
    ]
    known = LARGE_FOLDS.known(np.concatenate(drawn))
    if known is None:
        assert old + new < 120 or old == 0
        return
    # A third of the rows can be compared: six standard errors of a share of these.
    assert abs(known.sum() - old) <= 6 * 0.5 * np.sqrt(3 * (old + new)) + 1


def test_few_rows_of_a_large_table_may_be_too_few_to_tell() -> None:
    large = np.sort(LARGE_KEYS[:LARGE])
    assert LARGE_FOLDS.known(large[-20:]) is None
    assert LARGE_FOLDS.known(large[:1]) is not None


def test_table_that_shares_nothing_with_a_large_one_is_new() -> None:
    known = LARGE_FOLDS.known(LARGE_KEYS[LARGE:])
    assert known is not None
    assert not known.any()


def test_folds_of_a_model_of_version_1_stay_the_same_for_ever() -> None:
    # Models on disk rely on it: `evaluate` tells from the labels which rows each network held out.
    observed = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2])
    folds = [FileFolds("", seed, 3).of(observed).tolist() for seed in (0, 1)]
    assert folds[0] == [0, 2, 1, 0, 1, 2, 2, 0, 1, 1, 0]
    assert folds[1] == [1, 0, 0, 2, 1, 0, 2, 2, 1, 0, 1]


@given(observed=labels(), folds=st.integers(2, 8), cut=st.integers(0, 60))
def test_parts_are_dealt_as_the_whole(observed: IntArray, folds: int, cut: int) -> None:
    keys = random_keys(len(observed))
    parts = [KeySketch.of(keys[half], observed[half], 6) for half in np.s_[:cut, cut:]]
    dealt, expected = parts[0].merge(parts[1]).deal(folds), deal(keys, observed, folds)
    np.testing.assert_array_equal(dealt.of(keys, observed), expected.of(keys, observed))
    np.testing.assert_array_equal(dealt.sketch, expected.sketch)
    assert dealt.rows == expected.rows


@given(
    groups=st.lists(st.integers(0, 11), min_size=2, max_size=60).filter(lambda g: len(set(g)) > 1),
    folds=st.integers(2, 8),
    cut=st.integers(0, 60),
)
def test_groups_of_parts_are_dealt_as_those_of_the_whole(
    groups: list[int], folds: int, cut: int
) -> None:
    keys, observed = random_keys(len(groups)), np.zeros(len(groups), np.int64)
    whole = random_keys(12, seed=1)[groups]
    one, other = (
        KeySketch.of(keys[half], observed[half], 1, whole[half]) for half in np.s_[:cut, cut:]
    )
    dealt, expected = one.merge(other).deal(folds), deal(keys, observed, folds, whole)
    np.testing.assert_array_equal(dealt.limits, expected.limits)
    np.testing.assert_array_equal(dealt.first, expected.first)


def test_too_many_groups_for_a_sketch_are_dealt_about_evenly() -> None:
    rows = 5 * SKETCH_SIZE
    keys, observed, groups = random_keys(rows), np.zeros(rows, np.int64), random_keys(rows, 1)
    parts = [KeySketch.of(keys[k::2], observed[k::2], 1, groups[k::2]) for k in range(2)]
    merged = parts[0].merge(parts[1])
    for sketch in (*parts, merged):
        assert sketch.groups is not None
        assert len(sketch.groups) == SKETCH_SIZE
    counts = np.bincount(merged.deal(8).of(groups, observed), minlength=8)
    assert np.abs(counts / counts.mean() - 1).max() < 0.1


def test_class_of_too_many_rows_for_a_sketch_is_dealt_about_evenly() -> None:
    rows = 5 * SKETCH_SIZE
    keys, observed = random_keys(rows), np.zeros(rows, dtype=np.int64)
    observed[:10] = 1
    halves = [KeySketch.of(keys[k::2], observed[k::2], 2) for k in range(2)]
    merged = halves[0].merge(halves[1])
    assert len(merged.smallest[0]) == SKETCH_SIZE
    dealt = merged.deal(8)
    counts = np.bincount(dealt.of(keys, observed)[10:], minlength=8)
    assert counts.sum() == rows - 10
    assert np.abs(counts / counts.mean() - 1).max() < 0.1
    np.testing.assert_array_equal(dealt.sketch, np.sort(keys)[:SKETCH_SIZE])
