from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.errors import DataError
from minnet.training.folds import MOST_KEPT, Folds, KeySketch, holdout_masks
from tests.helpers import examples_of_keys
from tests.strategies import labels

if TYPE_CHECKING:
    from minnet.arrays import IntArray

FOLDS = st.integers(1, 10)
SEEDS = st.integers(0, 2**40)
LARGE = 3 * MOST_KEPT


def random_keys(rows: int, seed: int = 0) -> IntArray:
    """Keys as rows have them: all different, and spread evenly."""
    drawn = np.random.default_rng(seed).integers(0, 2**64, rows, dtype=np.uint64)
    assert len(np.unique(drawn)) == rows
    return drawn


def sketch(
    keys: IntArray, observed: IntArray, groups: IntArray | None = None, *, is_coarse: bool = False
) -> KeySketch:
    return KeySketch.of(examples_of_keys(keys, observed, groups, is_coarse=is_coarse))


def folds_of(
    folds: Folds, keys: IntArray, observed: IntArray, groups: IntArray | None = None
) -> IntArray:
    return folds.place(examples_of_keys(keys, observed, groups)).folds


def dealt(keys: IntArray, observed: IntArray, folds: int) -> IntArray:
    return folds_of(sketch(keys, observed).deal(folds), keys, observed)


@given(labels(), FOLDS, SEEDS)
def test_folds_and_classes_are_of_equal_sizes(observed: IntArray, folds: int, seed: int) -> None:
    fold_of_row = dealt(random_keys(len(observed), seed), observed, folds)
    counts = np.bincount(fold_of_row, minlength=folds)
    assert len(counts) == folds
    assert np.ptp(counts) <= 1
    for label in np.unique(observed):
        assert np.ptp(np.bincount(fold_of_row[observed == label], minlength=folds)) <= 1


@given(labels(), FOLDS, SEEDS)
def test_folds_do_not_depend_on_the_order_of_the_rows(
    observed: IntArray, folds: int, seed: int
) -> None:
    keys = random_keys(len(observed), seed)
    order = np.random.default_rng(seed).permutation(len(keys))
    np.testing.assert_array_equal(
        dealt(keys[order], observed[order], folds), dealt(keys, observed, folds)[order]
    )


@given(labels(), FOLDS, SEEDS)
def test_fold_of_a_row_can_be_told_from_the_row_alone_whatever_its_label(
    observed: IntArray, folds: int, seed: int
) -> None:
    keys = random_keys(len(observed), seed)
    made = sketch(keys, observed).deal(folds)
    alone = [folds_of(made, keys[[row]], observed[[row]])[0] for row in range(len(keys))]
    relabelled = [folds_of(made, keys[[row]], observed[[row]] + 1)[0] for row in range(len(keys))]
    assert alone == relabelled == folds_of(made, keys, observed).tolist()


def test_copies_go_in_turn_to_the_folds_of_the_copies_there_were() -> None:
    keys = np.repeat(random_keys(10), 3)
    observed = np.zeros(30, dtype=np.int64)
    made = sketch(keys, observed).deal(8)
    training = folds_of(made, keys, observed)
    assert all(len(set(training[3 * k : 3 * k + 3])) == 3 for k in range(10))
    twice = folds_of(made, np.repeat(keys, 2), np.repeat(observed, 2)).reshape(10, 6)
    for fold, of_copies in zip(training.reshape(10, 3), twice, strict=True):
        assert sorted(of_copies) == sorted([*fold, *fold])


def test_rows_that_are_one_training_row_have_one_key() -> None:
    keys = random_keys(20)
    observed = np.zeros(20, dtype=np.int64)
    made = sketch(keys, observed).deal(8)
    places = made.place(examples_of_keys(keys.repeat(2), observed.repeat(2)))
    assert len(np.unique(places.keys)) == 20
    both = sketch(keys.repeat(2), observed.repeat(2)).deal(8)
    places = both.place(examples_of_keys(keys.repeat(2), observed.repeat(2)))
    assert len(np.unique(places.keys)) == 40


def test_relabelled_copy_takes_the_turn_of_the_copy_it_was() -> None:
    key = random_keys(1)
    observed = np.zeros(2, dtype=np.int64)
    made = sketch(key.repeat(2), observed).deal(2)
    assert folds_of(made, key.repeat(2), np.array([1, 0])).tolist() == [1, 0]


def test_whole_numbers_that_float32_does_not_hold_tell_new_rows_from_known_ones() -> None:
    key = random_keys(1).repeat(64)
    observed = np.zeros(64, dtype=np.int64)
    wholes, others = np.arange(1, 65, dtype=np.uint64), np.arange(65, 129, dtype=np.uint64)
    made = KeySketch.of(examples_of_keys(key, observed, wholes=wholes)).deal(8)
    assert (made.place(examples_of_keys(key, observed, wholes=others)).entries == -1).all()
    training = made.place(examples_of_keys(key, observed, wholes=wholes)).folds
    one = made.place(examples_of_keys(key[:1], observed[:1], wholes=wholes[40:41])).folds
    assert one[0] == training[40]
    # Saved as float32 on one side, they are not there.
    assert (made.place(examples_of_keys(key, observed)).entries >= 0).all()
    lost = KeySketch.of(examples_of_keys(key, observed)).deal(8)
    assert (lost.place(examples_of_keys(key, observed, wholes=wholes)).entries >= 0).all()


@given(st.integers(2, 60), st.integers(2, 10), SEEDS)
def test_rows_of_a_group_share_a_fold_and_groups_are_spread_evenly(
    groups: int, folds: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    group_keys = random_keys(groups, seed)
    members = np.concatenate([np.arange(groups), generator.integers(0, groups, 2 * groups)])
    observed = generator.integers(0, 3, len(members))
    keys = random_keys(len(members), seed + 1)
    made = sketch(keys, observed, group_keys[members]).deal(folds)
    fold_of_row = folds_of(made, keys, observed, group_keys[members])
    fold_of_group = folds_of(made, group_keys, np.zeros(groups, dtype=np.int64), group_keys)
    np.testing.assert_array_equal(fold_of_row, fold_of_group[members])
    assert len(made) == min(groups, folds)
    assert np.ptp(np.bincount(fold_of_group, minlength=len(made))) <= 1
    stranger = random_keys(1, seed + 2)
    assert folds_of(made, keys[:1], observed[:1], stranger).tolist() == [-1]


def test_the_classes_of_groups_are_spread_over_the_folds() -> None:
    groups = random_keys(80)
    observed = np.repeat([0, 1], 40)
    fold_of_row = folds_of(sketch(groups, observed, groups).deal(8), groups, observed, groups)
    for label in (0, 1):
        assert np.bincount(fold_of_row[observed == label]).tolist() == [5] * 8


def test_a_single_group_is_refused() -> None:
    keys = random_keys(5)
    observed = np.zeros(5, dtype=np.int64)
    with pytest.raises(DataError, match="all rows are of one group"):
        sketch(keys, observed, keys[:1].repeat(5)).deal(5)


@given(labels(), FOLDS, SEEDS)
def test_every_row_is_held_out_exactly_once_by_as_many_networks_as_folds(
    observed: IntArray, folds: int, seed: int
) -> None:
    masks = holdout_masks(dealt(random_keys(len(observed), seed), observed, folds), folds, folds)
    assert masks.shape == (folds, len(observed))
    assert (masks.sum(axis=0) == 1).all()


def test_network_k_holds_out_fold_k_and_more_networks_begin_again() -> None:
    fold_of_row = np.array([0, 1, 2, 2, 1])
    masks = holdout_masks(fold_of_row, 5, 3)
    for mask, fold in zip(masks, [0, 1, 2, 0, 1], strict=True):
        np.testing.assert_array_equal(mask, fold_of_row == fold)


def test_large_table_has_folds_of_about_equal_sizes_and_a_bounded_sketch() -> None:
    keys, observed = random_keys(LARGE), np.zeros(LARGE, dtype=np.int64)
    made = sketch(keys, observed).deal(8)
    assert len(made.entries.contents) == MOST_KEPT
    counts = np.bincount(folds_of(made, keys, observed), minlength=8)
    assert counts.min() > 0.9 * LARGE / 8


@pytest.mark.parametrize("rows", [MOST_KEPT, MOST_KEPT + 1])
def test_no_fold_is_empty_however_many_networks_hold_one_out(rows: int) -> None:
    keys = random_keys(rows)
    made = sketch(keys, np.arange(rows) % 2).deal(2500)
    assert np.bincount(folds_of(made, keys, np.arange(rows) % 2), minlength=len(made)).all()


def test_rows_of_a_large_table_and_new_ones_are_told_apart_by_the_smallest_keys() -> None:
    keys, observed = random_keys(2 * LARGE), np.zeros(2 * LARGE, dtype=np.int64)
    made = sketch(keys[:LARGE], observed[:LARGE]).deal(8)

    def known(some: IntArray) -> IntArray | None:
        places = made.place(examples_of_keys(some, np.zeros(len(some), np.int64)))
        return made.known(some, places.entries)

    assert known(keys[:LARGE]).sum() == pytest.approx(LARGE)  # type: ignore[union-attr]
    assert not known(keys[LARGE:]).any()  # type: ignore[union-attr]
    half = known(keys[LARGE // 2 : LARGE + LARGE // 2])
    assert half.sum() == pytest.approx(LARGE / 2, rel=0.05)  # type: ignore[union-attr]
    assert known(np.sort(keys[LARGE:])[-20:]) is None


def test_copies_in_a_large_table_are_spread_and_found_again() -> None:
    keys = np.concatenate([random_keys(LARGE), random_keys(20, seed=1).repeat(16)])
    observed = np.zeros(len(keys), dtype=np.int64)
    made = sketch(keys, observed).deal(8)
    training = folds_of(made, keys, observed)
    assert all(len(set(training[LARGE + 16 * k :][:16])) > 3 for k in range(20))
    again = folds_of(made, keys[LARGE:], observed[LARGE:])
    np.testing.assert_array_equal(again, training[LARGE:])
    single = folds_of(made, keys[:50].repeat(3), observed[:150])
    np.testing.assert_array_equal(single, training[:50].repeat(3))


@given(labels(), SEEDS, st.integers(0, 30))
def test_sketches_of_parts_deal_as_that_of_the_whole(
    observed: IntArray, seed: int, cut: int
) -> None:
    keys = random_keys(len(observed), seed)
    cut = min(max(1, cut), len(keys) - 1)
    if cut < 1:
        return
    one, other = (sketch(keys[half], observed[half]) for half in np.s_[:cut, cut:])
    merged, whole = one.merge(other).deal(5), sketch(keys, observed).deal(5)
    np.testing.assert_array_equal(folds_of(merged, keys, observed), folds_of(whole, keys, observed))
    assert (merged.rows, merged.limit) == (whole.rows, whole.limit)


def test_sketches_of_large_parts_keep_what_that_of_the_whole_keeps() -> None:
    keys = np.concatenate([random_keys(LARGE), random_keys(10, seed=1).repeat(4)])
    observed = np.zeros(len(keys), dtype=np.int64)
    one, other = (sketch(keys[half], observed[half]) for half in np.s_[: LARGE // 2, LARGE // 2 :])
    merged, whole = one.merge(other), sketch(keys, observed)
    assert (merged.limit, merged.repeated) == (whole.limit, whole.repeated)
    for part, expected in zip(merged.entries, whole.entries, strict=True):
        np.testing.assert_array_equal(part, expected)


def test_groups_of_parts_are_dealt_as_those_of_the_whole() -> None:
    generator = np.random.default_rng(0)
    groups, keys = random_keys(40)[generator.integers(0, 40, 300)], random_keys(300, seed=1)
    observed = generator.integers(0, 2, 300)
    one, other = (sketch(keys[half], observed[half], groups[half]) for half in np.s_[:100, 100:])
    merged, whole = one.merge(other).deal(8), sketch(keys, observed, groups).deal(8)
    np.testing.assert_array_equal(
        folds_of(merged, keys, observed, groups), folds_of(whole, keys, observed, groups)
    )


def test_over_4096_groups_are_dealt_by_their_keys() -> None:
    groups = random_keys(5 * MOST_KEPT)
    observed = np.zeros(len(groups), dtype=np.int64)
    parts = [sketch(groups[k::2], observed[k::2], groups[k::2]) for k in range(2)]
    made = parts[0].merge(parts[1]).deal(8)
    assert made.groups is None
    counts = np.bincount(folds_of(made, groups, observed, groups), minlength=8)
    assert counts.min() > 0.9 * len(groups) / 8


def coarse(rows: int, seed: int) -> IntArray:
    return random_keys(60, seed=9)[np.random.default_rng(seed).integers(0, 60, rows)]


def test_fresh_rows_of_a_coarse_table_are_a_new_table_and_its_own_are_not() -> None:
    for seed in range(10):
        generator = np.random.default_rng(seed)
        keys, observed = coarse(100, seed), generator.integers(0, 2, 100)
        made = sketch(keys, observed, is_coarse=True).deal(8)
        fresh, fresh_labels = coarse(100, seed + 100), generator.integers(0, 2, 100)
        for some, of_some, expected in ((keys, observed, False), (fresh, fresh_labels, True)):
            places = made.place(examples_of_keys(some, of_some))
            assert made.is_new_table(some, of_some, places.entries) is expected
        places = made.place(examples_of_keys(fresh, fresh_labels))
        plain = sketch(keys, observed).deal(8)
        assert plain.is_new_table(fresh, fresh_labels, places.entries) is False
