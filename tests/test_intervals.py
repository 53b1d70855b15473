from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from minnet.arrays import Array, IntArray
from minnet.model.judges import (
    Mean,
    association,
    design_effect,
    share_interval,
    variance_inflation,
)

inflations = st.floats(1, 2)
rows_and_hits = st.integers(1, 10_000).flatmap(
    lambda rows: st.tuples(st.just(rows), st.integers(0, rows))
)
values = arrays.arrays(np.float64, st.integers(2, 30), elements=st.floats(-100, 100))
fold_counts = arrays.arrays(np.int64, st.integers(2, 12), elements=st.integers(0, 40))


@given(rows_and_hits, inflations)
def test_interval_of_a_share_lies_in_0_to_1_and_holds_the_share(
    rows_and_hits: tuple[int, int], inflation: float
) -> None:
    rows, hits = rows_and_hits
    low, high = share_interval(hits, rows, inflation)
    assert 0 <= low <= hits / rows + 1e-12
    assert hits / rows - 1e-12 <= high <= 1
    assert low < high


@given(rows_and_hits, inflations, st.integers(2, 9))
def test_interval_of_a_share_shrinks_with_rows_and_grows_with_the_inflation(
    rows_and_hits: tuple[int, int], inflation: float, times: int
) -> None:
    rows, hits = rows_and_hits
    width = width_of(share_interval(hits, rows, inflation))
    assert width_of(share_interval(times * hits, times * rows, inflation)) < width
    assert width_of(share_interval(hits, rows, inflation + 0.5)) > width


@given(rows_and_hits, inflations)
def test_intervals_of_right_and_of_wrong_mirror_each_other(
    rows_and_hits: tuple[int, int], inflation: float
) -> None:
    rows, hits = rows_and_hits
    low, high = share_interval(hits, rows, inflation)
    other_low, other_high = share_interval(rows - hits, rows, inflation)
    assert (1 - other_high, 1 - other_low) == pytest.approx((low, high), abs=1e-12)


def test_interval_of_a_share_of_independent_rows_is_wilsons() -> None:
    # Newcombe (1998), table I: 81 of 263, and 0 of 20.
    assert share_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert share_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert share_interval(20, 20) == pytest.approx((0.8389, 1.0), abs=1e-4)


def test_share_is_inflated_by_2_over_pi_of_the_inflation_of_a_mean() -> None:
    halving = 1 + math.pi / 2
    assert share_interval(40, 40, halving) == pytest.approx(share_interval(20, 20))
    assert share_interval(162, 526, halving) == pytest.approx(share_interval(81, 263))


@given(rows_and_hits, inflations, st.integers(2, 9))
def test_design_effect_divides_the_rows(
    rows_and_hits: tuple[int, int], inflation: float, effect: int
) -> None:
    rows, hits = rows_and_hits
    alike = share_interval(effect * hits, effect * rows, inflation, effect)
    assert alike == pytest.approx(share_interval(hits, rows, inflation))


def test_share_of_60_groups_of_10_lies_in_its_interval_95_times_of_100() -> None:
    generator = np.random.default_rng(0)
    groups = np.arange(60).repeat(10)
    held = 0
    for _ in range(1000):
        share = generator.beta(1.4, 0.6, 60)  # of hits in each group, on average 0.7
        hits = (generator.random(600) < share.repeat(10)).astype(float)
        low, high = share_interval(hits.sum(), 600, effect=design_effect(hits, groups))
        held += low <= 0.7 <= high
    assert 930 <= held <= 970


@given(values, inflations, st.floats(-10, 10))
def test_interval_of_a_mean_is_centred_moves_with_the_values_and_grows_with_the_inflation(
    values: Array, inflation: float, shift: float
) -> None:
    low, high = Mean.of(values).interval(inflation)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=1e-9)
    assert Mean.of(values + shift).interval(inflation) == pytest.approx(
        (low + shift, high + shift), abs=1e-9
    )
    wider = width_of(Mean.of(values).interval(4 * inflation))
    assert wider == pytest.approx(2 * (high - low), abs=1e-9)


@pytest.mark.parametrize(
    ("values", "half_width", "tolerance"),
    [
        # Student's quantiles for 2, 4 and 99 degrees of freedom are 4.303, 2.776 and 1.984.
        ([-1, 0, 1], 4.303 / math.sqrt(3), 0.01),
        ([-2, -1, 0, 1, 2], 2.776 * math.sqrt(2.5 / 5), 0.001),
        ([-1, 1] * 50, 1.984 * math.sqrt(100 / 99 / 100), 0.001),
    ],
)
def test_interval_of_a_mean_is_students(
    values: list[float], half_width: float, tolerance: float
) -> None:
    interval = Mean.of(np.array(values, dtype=float)).interval()
    assert interval == pytest.approx((-half_width, half_width), rel=tolerance)


def test_mean_of_one_row_has_no_bounds() -> None:
    assert Mean.of(np.array([3.0])).interval() == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("judged_of_fold", "judged", "training_table", "inflation"),
    [
        ([10] * 8, 80, 80, 2.0),
        ([10, 0, 0, 0, 0], 10, 50, 1.0),
        ([10, 10, 0, 0, 0], 20, 50, 1.25),
        ([0] * 8, 500, 80, 1.0),
        ([5] * 8, 40, 80, 1.5),
        ([10] * 8, 160, 80, 1.5),
    ],
    ids=["all folds", "one network", "two of five", "fresh", "half the table", "half fresh"],
)
def test_inflation_counts_the_pairs_that_judge_each_other(
    judged_of_fold: list[int], judged: int, training_table: int, inflation: float
) -> None:
    counts = np.array(judged_of_fold)
    assert variance_inflation(counts, judged, training_table) == pytest.approx(inflation)


@given(fold_counts, st.integers(0, 100), st.integers(0, 100))
def test_inflation_is_1_to_2_and_falls_with_fresh_rows(
    counts: IntArray, fresh: int, unjudged: int
) -> None:
    known = int(counts.sum())
    assume(known > 0)
    inflation = variance_inflation(counts, known + fresh, known + unjudged)
    assert 1 <= inflation <= 2 + 1e-12
    assert variance_inflation(counts, known + fresh + 1, known + unjudged) <= inflation


def test_inflation_is_that_of_noise_seen_through_a_symmetric_likeness() -> None:
    generator = np.random.default_rng(0)
    rows, folds = 60, 6
    fold = np.arange(rows) % folds
    teaches = fold[:, None] != fold
    likeness = np.triu(generator.standard_normal((4000, rows, rows)), 1)
    likeness += likeness.transpose(0, 2, 1)
    scores = (likeness * teaches).sum(axis=2)
    inflation = variance_inflation(np.bincount(fold), rows, rows)
    of_mean = scores.mean(axis=1).var() / (scores.var() / rows)
    assert of_mean == pytest.approx(inflation, rel=0.1)
    share = (scores > 0).mean(axis=1)
    of_share = share.var() / (0.25 / rows)
    assert of_share == pytest.approx(1 + 2 / math.pi * (inflation - 1), rel=0.1)
    intervals = [share_interval(rows * each, rows, inflation) for each in share]
    assert np.mean([low <= 0.5 <= high for low, high in intervals]) > 0.93
    independent = [share_interval(rows * each, rows) for each in share]
    assert np.mean([low <= 0.5 <= high for low, high in independent]) < 0.9


@given(st.integers(0, 1000), st.integers(2, 4), st.integers(4, 40))
def test_association_is_the_covariance_of_probabilities_and_classes(
    seed: int, classes: int, rows: int
) -> None:
    probabilities, labels = random_answers(seed, classes, rows)
    occurs = np.eye(classes)[labels]
    covariances = [np.cov(probabilities[:, k], occurs[:, k], ddof=0)[0, 1] for k in range(classes)]
    pointing = association(probabilities, labels, shares_of(labels, classes))
    assert pointing.mean() == pytest.approx(sum(covariances), abs=1e-12)


@given(st.integers(0, 1000), st.integers(2, 4), st.integers(4, 40))
def test_predictions_that_are_the_same_for_every_row_have_no_association(
    seed: int, classes: int, rows: int
) -> None:
    probabilities, labels = random_answers(seed, classes, rows)
    same = np.tile(probabilities[0], (rows, 1))
    pointing = association(same, labels, shares_of(labels, classes))
    assert pointing.mean() == pytest.approx(0, abs=1e-12)


def test_association_of_certain_and_right_predictions_is_the_chance_of_another_class() -> None:
    labels = np.array([0, 0, 0, 1])
    assert association(np.eye(2)[labels], labels, shares_of(labels, 2)).tolist() == [
        0.25,
        0.25,
        0.25,
        0.75,
    ]


def random_answers(seed: int, classes: int, rows: int) -> tuple[Array, IntArray]:
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.ones(classes), rows), generator.integers(0, classes, rows)


def shares_of(labels: IntArray, classes: int) -> Array:
    return np.bincount(labels, minlength=classes) / len(labels)


def width_of(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([0, 0, 0, 1, 1, 1], 3),  # all that differs is between the groups
        ([0, 1, 0.5, 0, 1, 0.5], 1),  # all that differs is within them: not below 1
        ([1, 1, 1, 1, 1, 1], 3),  # nothing differs: as if the rows of a group were one
        ([0, 0, 1, 1, 1, 1], 1.5),
    ],
)
def test_groups_of_like_rows_inflate_the_variance_by_their_size(
    figures: list[float], expected: float
) -> None:
    groups = np.array([5, 5, 5, 2, 2, 2])
    assert design_effect(np.array(figures), groups) == pytest.approx(expected)
    assert design_effect(np.array(figures), None) == 1


def test_a_few_copies_among_single_rows_inflate_the_variance_by_the_squares_of_their_sizes() -> (
    None
):
    groups = np.concatenate([np.arange(990), np.full(10, 2000)])
    expected = (990 + 10**2) / 1000
    assert design_effect(np.ones(1000), groups) == pytest.approx(expected)
    figures = np.resize([-1.0, 1.0], 1000)
    figures[990:] = 1
    assert design_effect(figures, groups) == pytest.approx(expected, rel=0.01)
    assert design_effect(figures, np.arange(1000)) == pytest.approx(1)
