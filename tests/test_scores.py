from __future__ import annotations

from dataclasses import replace
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.model.evaluation import Evaluation
from minnet.model.intervals import Mean
from minnet.model.scores import MergedScores

NAMES = ("a", "b", "c")
SHARES = np.array([0.5, 0.3, 0.2])


def evaluation_of(labels: np.ndarray, probabilities: np.ndarray) -> Evaluation:
    return Evaluation(
        class_names=NAMES,
        labels=labels,
        probabilities=probabilities,
        rows=np.arange(len(labels)),
        class_shares=SHARES,
        networks=8,
        known=len(labels),
    )


@given(rows=st.integers(2, 80), cut=st.integers(1, 79), seed=st.integers(0, 99))
def test_scores_of_parts_are_those_of_the_whole(rows: int, cut: int, seed: int) -> None:
    cut = min(cut, rows - 1)
    generator = np.random.default_rng(seed)
    labels = generator.integers(3, size=rows)
    probabilities = generator.dirichlet([1, 1, 1], rows)
    whole = evaluation_of(labels, probabilities)
    folds = np.bincount(generator.integers(8, size=rows), minlength=8)
    parts = [
        MergedScores.of(evaluation_of(labels[half], probabilities[half]), of_folds, rows)
        for half, of_folds in ((np.s_[:cut], folds), (np.s_[cut:], 0 * folds))
    ]
    merged = reduce(MergedScores.merge, parts)
    np.testing.assert_array_equal(merged.confusion, whole.confusion)
    for name in ("accuracy", "majority", "class_scores", "correct", "known", "judged_by"):
        assert str(getattr(merged, name)) == str(getattr(whole, name))
    for name in ("log_loss", "baseline_log_loss", "calibration_error"):
        assert getattr(merged, name) == pytest.approx(getattr(whole, name), abs=1e-9)
    assert merged.loss.squares == pytest.approx(whole.row_losses.var() * rows, abs=1e-9)
    assert merged.gain.mean == pytest.approx(whole.row_gains.mean(), abs=1e-9)
    assert merged.inflation >= 1
    low, high = merged.accuracy_interval
    assert low <= merged.accuracy <= high


@given(
    rows=st.integers(2, 80),
    cuts=st.lists(st.integers(1, 79), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_groups_widen_the_intervals_of_parts_as_of_the_whole(
    rows: int, cuts: list[int], seed: int
) -> None:
    generator = np.random.default_rng(seed)
    labels, groups = generator.integers(3, size=rows), generator.integers(1, 9, size=rows)
    probabilities = generator.dirichlet([1, 1, 1], rows)
    whole = replace(
        evaluation_of(labels, probabilities),
        groups=groups,
        class_shares=np.bincount(labels, minlength=3) / rows,
    )
    bounds = sorted({0, rows, *(cut for cut in cuts if cut < rows)})
    of_folds, merged = np.zeros(8, np.int64), []
    for start, stop in pairwise(bounds):
        part = replace(
            whole,
            labels=labels[start:stop],
            probabilities=probabilities[start:stop],
            rows=np.arange(start, stop),
            groups=groups[start:stop],
        )
        merged.append(MergedScores.of(part, of_folds, rows))
    scores = reduce(MergedScores.merge, merged)
    for name in ("accuracy_interval", "log_loss_gain_interval"):
        assert getattr(scores, name) == pytest.approx(getattr(whole, name), rel=1e-6, abs=1e-9)
    assert scores.is_learned == whole.is_learned


def test_scores_of_noise_and_of_knowledge_are_told_apart() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=3000)
    folds = np.full(8, 375)
    noise = MergedScores.of(
        evaluation_of(labels, generator.dirichlet([1, 1, 1], 3000)), folds, 3000
    )
    known = MergedScores.of(evaluation_of(labels, 0.2 + 0.4 * np.eye(3)[labels]), folds, 3000)
    assert not noise.is_learned
    assert known.is_learned
    assert noise.log_loss_gain_interval[1] < 0 < known.log_loss_gain_interval[0]
    assert noise.inflation == pytest.approx(2)


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), data=st.data())
def test_means_of_parts_merge(values: list[float], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(values) - 1))
    merged = Mean.of(np.array(values[:cut])).merge(Mean.of(np.array(values[cut:])))
    whole = Mean.of(np.array(values))
    assert merged == pytest.approx(whole, rel=1e-9, abs=1e-6)
