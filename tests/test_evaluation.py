from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from minnet import TrainingSettings, read_csv
from minnet.data.table import Table
from minnet.model.evaluation import Evaluation, evaluate, wilson_interval
from minnet.model.model import holdout_of
from tests.helpers import IRIS, fit

QUICK = TrainingSettings(epochs=3)


def random_evaluation(rows: int = 200, classes: int = 4, seed: int = 0) -> Evaluation:
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(classes, 0.5), rows)
    labels = np.array([generator.choice(classes, p=p**0.5 / (p**0.5).sum()) for p in probabilities])
    names = tuple("abcdefgh"[:classes])
    return Evaluation(names, labels, probabilities, np.arange(rows), out_of_fold=False)


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
    evaluation = Evaluation(
        ("a", "b"), np.array([0, 0]), np.array([[0.9, 0.1]] * 2), np.arange(2), out_of_fold=False
    )
    scores = evaluation.class_scores["b"]
    assert math.isnan(scores.precision)
    assert math.isnan(scores.recall)
    assert scores.rows == 0


def test_wilson_interval_is_the_textbooks() -> None:
    # Newcombe (1998), table I: 81 of 263, and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson_interval(20, 20) == pytest.approx((0.8389, 1.0), abs=1e-4)


def test_majority_is_the_most_frequent_class() -> None:
    evaluation = Evaluation(
        ("a", "b"), np.array([1, 1, 0, 1]), np.full((4, 2), 0.5), np.arange(4), out_of_fold=False
    )
    assert evaluation.majority == ("b", 0.75)


def test_most_wrong_is_the_row_whose_observed_class_got_least() -> None:
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8]])
    evaluation = Evaluation(
        ("a", "b"), np.array([0, 0, 1]), probabilities, np.arange(3), out_of_fold=False
    )
    assert evaluation.observed_probability.tolist() == [0.9, 0.3, 0.8]
    assert evaluation.most_wrong == 1


def test_log_loss_of_an_impossible_answer_is_finite() -> None:
    evaluation = Evaluation(
        ("a", "b"), np.array([0]), np.array([[0.0, 1.0]]), np.arange(1), out_of_fold=False
    )
    assert 700 < evaluation.log_loss < 720


def test_calibration_error_of_honest_probabilities_is_small_and_of_boasting_is_large() -> None:
    generator = np.random.default_rng(1)
    sure = generator.uniform(0.5, 1, 20_000)
    right = generator.random(20_000) < sure
    labels = np.where(right, 0, 1)
    honest = np.stack([sure, 1 - sure], axis=1)
    boasting = np.tile([0.999, 0.001], (20_000, 1))
    errors = [
        Evaluation(("a", "b"), labels, p, np.arange(20_000), out_of_fold=False).calibration_error
        for p in (honest, boasting)
    ]
    assert errors[0] < 0.02
    assert errors[1] == pytest.approx(0.999 - right.mean())


def test_calibration_bins_hold_every_row_once() -> None:
    evaluation = random_evaluation()
    assert sum(part.rows for part in evaluation.calibration) == len(evaluation)


def test_training_rows_are_judged_only_by_networks_that_held_them_out() -> None:
    table = read_csv(IRIS)
    model = fit(table, "species", QUICK)
    evaluation = evaluate(model, table)
    each = model.member_probabilities(table)
    holdout = holdout_of(model.encoder.labels(table), model.settings)
    assert evaluation.out_of_fold
    for row in range(150):
        (judge,) = np.flatnonzero(holdout[:, row])
        assert evaluation.probabilities[row].tolist() == each[judge, row].tolist()


def test_one_network_judges_only_the_fifth_it_held_out() -> None:
    table = read_csv(IRIS)
    model = fit(table, "species", TrainingSettings(epochs=3, networks=1))
    evaluation = evaluate(model, table)
    assert len(evaluation) == 30
    assert np.bincount(evaluation.labels).tolist() == [10, 10, 10]


def test_a_fresh_table_is_judged_by_the_mean_of_all_networks() -> None:
    table = read_csv(IRIS)
    model = fit(table, "species", QUICK)
    fresh = Table.from_columns({name: column_of(table, name) for name in NAMES})
    evaluation = evaluate(model, fresh)
    assert not evaluation.out_of_fold
    mean = model.member_probabilities(table).mean(axis=0)
    assert evaluation.probabilities == pytest.approx(mean)


def test_rows_without_a_label_are_not_judged() -> None:
    columns = {"x": list(range(20)), "y": ["a", "b", None, "b"] * 5}
    table = Table.from_columns(columns)
    evaluation = evaluate(fit(table, "y", QUICK), table)
    assert evaluation.rows.tolist() == [row for row in range(20) if row % 4 != 2]


NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width", "species")


def column_of(table: Table, name: str) -> list[str]:
    column = table[name]
    assert column.codes is not None
    return [column.spellings[code] for code in column.codes]
