from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn import metrics

from minnet import TrainingSettings, read_csv
from minnet.data.table import Table
from minnet.model.judges import split
from minnet.model.scores import Evaluation, evaluate
from tests.helpers import IRIS, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

QUICK = TrainingSettings(epochs=3)


def made(names: Sequence[str], labels: Any, probabilities: Any, **fields: Any) -> Evaluation:
    classes = len(names)
    others: dict[str, Any] = {"networks": 8, "class_shares": np.full(classes, 1 / classes)}
    return Evaluation(
        class_names=tuple(names),
        labels=np.array(labels),
        probabilities=np.array(probabilities),
        rows=np.arange(len(labels)),
        fold_of_row=np.full(len(labels), -1 if fields.get("known", 0) == 0 else 0),
        **others | fields,
    )


def random_evaluation(rows: int = 200, classes: int = 4, seed: int = 0) -> Evaluation:
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(classes, 0.5), rows)
    labels = np.array([generator.choice(classes, p=p**0.5 / (p**0.5).sum()) for p in probabilities])
    names = tuple("abcdefgh"[:classes])
    return made(names, labels, probabilities)


def test_scores_agree_with_scikit_learn() -> None:
    evaluation = random_evaluation()
    labels, answers = evaluation.labels, evaluation.predicted
    precision, recall, f1, rows = metrics.precision_recall_fscore_support(labels, answers)
    assert evaluation.accuracy == pytest.approx(metrics.accuracy_score(labels, answers))
    assert evaluation.log_loss == pytest.approx(metrics.log_loss(labels, evaluation.probabilities))
    assert (evaluation.confusion == metrics.confusion_matrix(labels, answers)).all()
    for k, scores in enumerate(evaluation.class_scores.values()):
        assert scores == pytest.approx((precision[k], recall[k], f1[k], rows[k]))


def test_a_class_without_rows_or_answers_has_no_precision_or_recall() -> None:
    evaluation = made("ab", [0, 0], [[0.9, 0.1]] * 2)
    scores = evaluation.class_scores["b"]
    assert math.isnan(scores.precision)
    assert math.isnan(scores.recall)
    assert scores.rows == 0


def test_majority_is_the_most_frequent_class() -> None:
    evaluation = made("ab", [1, 1, 0, 1], np.full((4, 2), 0.5))
    assert evaluation.majority == ("b", 0.75)


def test_observed_probability_is_that_of_the_observed_class() -> None:
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8]])
    evaluation = made("ab", [0, 0, 1], probabilities)
    assert evaluation.observed_probability.tolist() == [0.9, 0.3, 0.8]


def test_log_loss_of_an_impossible_answer_is_finite() -> None:
    evaluation = made("ab", [0], [[0.0, 1.0]])
    assert 700 < evaluation.log_loss < 720


def test_calibration_error_of_honest_probabilities_is_small_and_of_boasting_is_large() -> None:
    generator = np.random.default_rng(1)
    sure = generator.uniform(0.5, 1, 20_000)
    right = generator.random(20_000) < sure
    labels = np.where(right, 0, 1)
    honest = np.stack([sure, 1 - sure], axis=1)
    boasting = np.tile([0.999, 0.001], (20_000, 1))
    errors = [made("ab", labels, p).calibration_error for p in (honest, boasting)]
    assert errors[0] < 0.02
    assert errors[1] == pytest.approx(0.999 - right.mean())


def test_calibration_error_is_half_the_misplaced_probability_of_all_classes() -> None:
    evaluation = random_evaluation()
    tenths = np.minimum((evaluation.probabilities * 10).astype(int), 9)
    residuals = evaluation.probabilities - np.eye(4)[evaluation.labels]
    misplaced = sum(
        abs(residuals[tenths[:, k] == tenth, k].sum()) for k in range(4) for tenth in range(10)
    )
    assert evaluation.calibration_error == pytest.approx(misplaced / 2 / len(evaluation))
    top = evaluation.probabilities.max(axis=1)
    off = [
        (top - (evaluation.predicted == evaluation.labels))[(top * 10).astype(int) == tenth]
        for tenth in range(10)
    ]
    assert evaluation.top_label_calibration_error == pytest.approx(
        sum(abs(part.sum()) for part in off) / len(evaluation)
    )


def test_calibration_curve_holds_every_row_once_and_the_class_in_its_tenth() -> None:
    evaluation = random_evaluation()
    for k in range(4):
        curve = evaluation.calibration_curve(k)
        assert sum(part.rows for part in curve) == len(evaluation)
        hits = sum(part.rows * part.share for part in curve)
        assert hits == pytest.approx((evaluation.labels == k).sum())
        for rows, probability, share, (low, high) in curve:
            inside = np.abs(evaluation.probabilities[:, k] * 10 // 1 - probability * 10 // 1) < 0.5
            assert rows == inside.sum()
            assert share == pytest.approx((evaluation.labels[inside] == k).mean())
            assert low <= share <= high


def test_calibration_intervals_of_groups_are_those_of_so_many_fewer_rows() -> None:
    plain = random_evaluation(rows=100)
    copies = replace(
        plain,
        labels=plain.labels.repeat(4),
        probabilities=plain.probabilities.repeat(4, axis=0),
        rows=np.arange(400),
        groups=np.arange(100).repeat(4),
    )
    for k in range(4):
        pairs = zip(plain.calibration_curve(k), copies.calibration_curve(k), strict=True)
        for one, four in pairs:
            assert four.rows == 4 * one.rows
            assert four.interval == pytest.approx(one.interval)
    assert copies.accuracy_interval == pytest.approx(plain.accuracy_interval)


@pytest.mark.parametrize("classes", [2, 4])
def test_ranking_scores_are_scikit_learns_with_ties(classes: int) -> None:
    for seed in range(5):
        drawn = random_evaluation(classes=classes, seed=seed)
        probabilities = (drawn.probabilities * 5).round() + 0.5
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        evaluation = replace(drawn, probabilities=probabilities)
        labels = evaluation.labels
        scores = probabilities[:, 1] if classes == 2 else probabilities
        is_class = labels if classes == 2 else np.eye(classes)[labels]
        assert evaluation.area_under_roc_curve == pytest.approx(
            metrics.roc_auc_score(labels, scores, multi_class="ovr", average="macro")
        )
        assert evaluation.average_precision == pytest.approx(
            metrics.average_precision_score(is_class, scores, average="macro")
        )
        assert evaluation.balanced_accuracy == pytest.approx(
            metrics.balanced_accuracy_score(labels, evaluation.predicted)
        )


def test_ranking_is_undefined_where_a_class_has_no_rows() -> None:
    evaluation = made("abc", [0, 0, 1], np.full((3, 3), 1 / 3))
    assert math.isnan(evaluation.area_under_roc_curve)
    assert math.isnan(evaluation.average_precision)
    assert evaluation.balanced_accuracy == 0.5  # of the classes that have rows, as scikit-learn's


def test_training_rows_are_judged_only_by_networks_that_held_them_out() -> None:
    table = read_csv(IRIS)
    model = fit(table, "species", QUICK)
    evaluation = evaluate(model, table)
    each = model.member_probabilities(table)
    examples = model.encoder.examples(table)
    holdout = split(examples, model.settings).mask[:, np.argsort(examples.rows)]
    assert evaluation.out_of_fold
    for row in range(150):
        (judge,) = np.flatnonzero(holdout[:, row])
        # The rows come in another order, and with it the last digits of the sums.
        assert evaluation.probabilities[row] == pytest.approx(each[judge, row], rel=1e-5)


def test_one_network_judges_only_the_fifth_it_held_out() -> None:
    table = read_csv(IRIS)
    model = fit(table, "species", TrainingSettings(epochs=3, networks=1))
    evaluation = evaluate(model, table)
    assert len(evaluation) == 30
    assert np.bincount(evaluation.labels).tolist() == [10, 10, 10]


def test_a_fresh_table_is_judged_by_the_mean_of_all_networks() -> None:
    table = read_csv(IRIS)
    model = fit(table, "species", QUICK)
    fresh = Table.from_columns(
        {name: table[name].numbers + 0.01 for name in NAMES} | {"species": column_of(table)}  # type: ignore[operator]
    )
    evaluation = evaluate(model, fresh)
    assert (evaluation.known, evaluation.out_of_fold) == (0, False)
    mean = model.member_probabilities(fresh).mean(axis=0)
    assert evaluation.probabilities == pytest.approx(mean)


def test_rows_without_a_label_are_not_judged() -> None:
    columns = {"x": list(range(20)), "y": ["a", "b", None, "b"] * 5}
    table = Table.from_columns(columns)
    evaluation = evaluate(fit(table, "y", QUICK), table)
    assert evaluation.rows.tolist() == [row for row in range(20) if row % 4 != 2]


NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def column_of(table: Table) -> list[str]:
    column = table["species"]
    assert column.codes is not None
    return [column.spellings[code] for code in column.codes]


def test_baseline_is_what_the_class_shares_of_the_training_table_score() -> None:
    shares = np.array([0.89, 0.11])
    evaluation = made("ab", [0] * 89 + [1] * 11, np.tile([0.5, 0.5], (100, 1)), class_shares=shares)
    assert evaluation.baseline_log_loss == pytest.approx(-(shares * np.log(shares)).sum())
    assert evaluation.log_loss == pytest.approx(np.log(2))
    low, high = evaluation.log_loss_gain_interval
    assert low < high < 0


def test_predictions_that_have_nothing_to_do_with_the_classes_are_not_learned() -> None:
    generator = np.random.default_rng(0)
    labels = (generator.random(300) < 0.11).astype(int)
    signal = np.clip(0.11 + 0.3 * (labels - 0.11) + generator.normal(0, 0.05, 300), 0.01, 0.99)
    for share, learned in ((generator.permutation(signal), False), (signal, True)):
        assert made("ab", labels, np.c_[1 - share, share]).is_learned is learned


def test_intervals_are_wider_where_rows_are_judged_by_each_other_or_come_in_groups() -> None:
    plain = random_evaluation()
    groups = np.repeat(np.arange(20), 10)
    labels = np.append(plain.predicted[:100], plain.labels[100:])  # whole groups right
    inflated, alike = replace(plain, inflation=2.0), replace(plain, labels=labels, groups=groups)
    for one, other in ((plain, inflated), (replace(alike, groups=None), alike)):
        low, high = one.accuracy_interval
        wider_low, wider_high = other.accuracy_interval
        assert wider_low < low < high < wider_high


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "judged by the mean of 8 networks"),
        ({"known": 3}, "all in the training table: judged by networks that never saw them"),
        ({"known": 2}, "2 of them in the training table: each row judged by the network that held"),
        ({"known": 2, "is_exact": False}, "about 2 of them in the training table: each row judged"),
        ({"known": None}, "too few to tell whether they were in the training table: each row"),
        (
            {"known": 3, "networks": 1},
            "held out by the only network, which chose its epoch by them",
        ),
    ],
)
def test_judged_by_says_which_rows_and_which_networks(
    fields: dict[str, Any], sentence: str
) -> None:
    evaluation = made("ab", [0, 1, 1], [[0.5, 0.5]] * 3, **fields)
    assert evaluation.judged_by.startswith(sentence)
