from __future__ import annotations

import re
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.model.judges import Mean
from minnet.model.scores import Evaluation, Scores

NAMES = ("a", "b", "c")


def evaluation_of(labels: np.ndarray, probabilities: np.ndarray, **fields: Any) -> Evaluation:
    classes = probabilities.shape[1]
    others: dict[str, Any] = {
        "class_names": NAMES[:classes],
        "rows": np.arange(len(labels)),
        "fold_of_row": np.zeros(len(labels), np.int64),
        "class_shares": np.array([0.5, 0.3, 0.2])[:classes],
        "networks": 8,
        "known": len(labels),
    }
    return Evaluation(labels=labels, probabilities=probabilities, **others | fields)


def merged_parts(whole: Evaluation, bounds: list[int]) -> Scores:
    """Judge the rows between the bounds each alone, and merge what they come to."""
    parts = []
    for start, stop in pairwise(bounds):
        rows = slice(start, stop)
        part = replace(
            whole,
            labels=whole.labels[rows],
            probabilities=whole.probabilities[rows],
            rows=whole.rows[rows],
            fold_of_row=whole.fold_of_row[rows],
            groups=None if whole.groups is None else whole.groups[rows],
            known=stop - start,
        )
        parts.append(part.scores)
    return reduce(Scores.merge, parts)


EVERY_SCORE = [
    name
    for name, member in vars(Scores).items()
    if isinstance(member, property)
    and name not in ("scores", "area_under_roc_curve", "average_precision")
]


def test_representation_names_the_scores_and_not_the_rows() -> None:
    evaluation = evaluation_of(np.array([0, 1]), np.eye(3)[:2] * 0.7 + 0.1)
    assert repr(evaluation) == "<Evaluation: 2 rows, accuracy 1.000, log loss 0.223>"
    assert repr(evaluation.scores) == "<Scores: 2 rows, accuracy 1.000, log loss 0.223>"


@given(
    rows=st.integers(2, 80),
    cuts=st.lists(st.integers(1, 79), min_size=1, max_size=4),
    grouped=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_score_of_merged_parts_is_that_of_the_whole(
    rows: int, cuts: list[int], grouped: bool, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    whole = evaluation_of(
        generator.integers(3, size=rows),
        generator.dirichlet([0.5, 0.5, 0.5], rows).round(1),
        groups=generator.integers(1, 9, size=rows) if grouped else None,
        inflation=1.7,
    )
    merged = merged_parts(whole, sorted({0, rows, *(cut for cut in cuts if cut < rows)}))
    assert not isinstance(merged, Evaluation)
    assert (len(merged), merged.known) == (rows, rows)
    assert {"calibration_error", "accuracy_interval", "is_learned", "confusion"} <= {*EVERY_SCORE}
    for name in EVERY_SCORE:
        one, other = getattr(merged, name), getattr(whole, name)
        if isinstance(one, float | tuple | np.ndarray) and name != "majority":
            assert one == pytest.approx(other, rel=1e-6, abs=1e-9)
        else:
            # Half a thousandth may be rounded up of one sum, and down of another.
            figures = [[*map(float, re.findall(r"\d+\.\d{3}", str(of)))] for of in (one, other)]
            assert figures[0] == pytest.approx(figures[1], abs=0.0011), name
            words = [re.sub(r"\d+\.\d{3}", "", str(of)) for of in (one, other)]
            assert words[0] == words[1], name


def test_rows_stay_in_their_tenth_whatever_their_mean_probability() -> None:
    first, second = np.tile([0.4, 0.6], (10, 1)), np.tile([0.35, 0.65], (10, 1))
    assert first[:, 1].mean() < 0.6  # the mean of ten times 0.6 lies in the tenth below
    labels = np.array([1] * 10 + [0] * 10)
    whole = evaluation_of(labels, np.concatenate([first, second]))
    merged = merged_parts(whole, [0, 10, 20])
    for scores in (whole, merged):
        assert scores.top_label_calibration_error == pytest.approx(abs(-4 + 6.5) / 20)
        # Of the first class, 0.4 and 0.35 lie in two tenths.
        expected = (abs(-4 + 6.5) + 4 + 6.5) / 2 / 20
        assert scores.calibration_error == pytest.approx(expected)


def test_scores_of_noise_and_of_knowledge_are_told_apart() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=3000)
    noise = evaluation_of(labels, generator.dirichlet([1, 1, 1], 3000)).scores
    known = evaluation_of(labels, 0.2 + 0.4 * np.eye(3)[labels]).scores
    assert not noise.is_learned
    assert known.is_learned
    assert noise.log_loss_gain_interval[1] < 0 < known.log_loss_gain_interval[0]


@pytest.mark.parametrize("share", [0.5, 0.1, 0.03])
@pytest.mark.parametrize("shown", [1.0, 8.0], ids=["own shares", "as of balanced classes"])
def test_learning_is_shown_of_rare_classes_too_and_seldom_of_noise(
    share: float, shown: float
) -> None:
    claims = {True: 0, False: 0}
    for seed in range(200):
        generator = np.random.default_rng(seed)
        odds = share / (1 - share) * np.exp(generator.normal(size=1000))
        truth = odds / (1 + odds)
        labels = (generator.random(1000) < truth).astype(int)
        for is_signal in claims:
            told = shown * (odds if is_signal else generator.permutation(odds))
            p = told / (1 + told)
            both = np.stack([1 - p, p], axis=1)
            # The training table may have had other shares.
            trained_on = np.bincount(labels) / 1000 if seed % 2 else np.array([0.4, 0.6])
            claims[is_signal] += evaluation_of(labels, both, class_shares=trained_on).is_learned
    assert claims[True] >= 160
    assert claims[False] <= 12


def test_predictions_that_are_the_same_for_every_row_are_not_learned() -> None:
    generator = np.random.default_rng(0)
    for seed in range(50):
        same = np.tile(np.random.default_rng(seed).dirichlet([1, 1, 1]), (100, 1))
        assert not evaluation_of(generator.integers(3, size=100), same).is_learned


def calibrated(rows: int, classes: int, seed: int, **fields: Any) -> Evaluation:
    """Rows whose class is drawn by their probabilities."""
    generator = np.random.default_rng([rows, classes, seed])
    probabilities = generator.dirichlet(np.linspace(0.3, 1.5, classes), rows)
    labels = (generator.random((rows, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    return evaluation_of(
        np.minimum(labels, classes - 1),
        probabilities,
        class_names=tuple(map(str, range(classes))),
        class_shares=probabilities.mean(axis=0),
        **fields,
    )


@pytest.mark.parametrize(("rows", "classes"), [(100, 2), (1000, 2), (300, 4), (1000, 10)])
def test_few_calibrated_tables_are_worse_calibrated_than_chance(rows: int, classes: int) -> None:
    tables = [calibrated(rows, classes, seed) for seed in range(300)]
    errors = np.array([table.calibration_error for table in tables])
    expected, limits = np.array([table.chance_calibration_errors for table in tables]).T
    assert expected.mean() == pytest.approx(errors.mean(), rel=0.12)
    assert 0.01 <= (errors > limits).mean() <= 0.1
    said = [any("worse calibrated" in text for text in table.warnings) for table in tables]
    assert said == (errors > limits).tolist()


def test_copies_of_rows_do_not_make_calibration_look_worse_than_chance() -> None:
    worse = 0
    for seed in range(100):
        table = calibrated(200, 2, seed)
        copies = evaluation_of(
            np.repeat(table.labels, 5),
            np.repeat(table.probabilities, 5, axis=0),
            groups=np.repeat(np.arange(200), 5),
        )
        alone, together = table.chance_calibration_errors[0], copies.chance_calibration_errors[0]
        assert together == pytest.approx(alone, rel=1e-6)
        worse += copies.calibration_error > copies.chance_calibration_errors[1]
    assert worse <= 12


def test_calibration_sees_that_a_rare_class_gets_too_much_everywhere() -> None:
    generator = np.random.default_rng(3)
    truth = generator.beta(0.5, 14, 4000)
    odds = truth / (1 - truth) / (truth.mean() / (1 - truth.mean()))  # as of balanced classes
    labels, p = (generator.random(4000) < truth).astype(int), odds / (1 + odds)
    weighted = evaluation_of(
        labels,
        np.stack([1 - p, p], axis=1),
        class_shares=np.bincount(labels) / 4000,
        is_weighted=True,
    )
    assert weighted.calibration_error > 0.15
    assert weighted.calibration_error > 5 * weighted.chance_calibration_errors[1]
    assert weighted.is_learned
    first, second = weighted.warnings
    assert first.startswith(
        "the log loss is worse than that of the class shares: the probabilities"
    )
    assert "balanced or weighted" in first
    assert second.startswith("worse calibrated than chance")
    share_of_tenth = {bin.share < bin.mean_probability for bin in weighted.calibration_curve(1)}
    assert share_of_tenth == {True}


def test_log_loss_that_is_not_shown_to_beat_the_class_shares_is_told_with_a_remedy() -> None:
    labels = np.arange(60) % 3
    shares = np.full(3, 1 / 3)
    same = evaluation_of(labels, np.tile(shares, (60, 1)), class_shares=shares)
    told = [text for text in same.warnings if "class shares" in text]
    assert told == [
        "the log loss is not shown to be better than that of the class shares: "
        "more weight decay may help (--weight-decay)"
    ]
    good = evaluation_of(labels, 0.1 + 0.7 * np.eye(3)[labels], class_shares=shares)
    assert not any("class shares" in text for text in good.warnings)


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), data=st.data())
def test_means_of_parts_merge(values: list[float], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(values) - 1))
    merged = Mean.of(np.array(values[:cut])).merge(Mean.of(np.array(values[cut:])))
    whole = Mean.of(np.array(values))
    assert merged == pytest.approx(whole, rel=1e-9, abs=1e-6)
