from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers import Run

    Write = Callable[[str, str | bytes], Path]


def test_the_training_file_is_judged_by_networks_that_never_saw_the_row(
    with_iris_model: Run,
) -> None:
    ending = with_iris_model("evaluate", IRIS)
    assert ending.out.startswith(
        "150 rows, all in the training table: each row judged by a network that never saw it\n"
    )
    assert json.loads(with_iris_model("evaluate", IRIS, "--json").out)["judged_by"] == (
        "networks that never saw the row"
    )


def test_file_that_shares_no_row_with_the_training_file_is_judged_by_the_mean_of_all_networks(
    with_iris_model: Run, write: Write
) -> None:
    fresh = write("fresh.csv", IRIS.read_text().replace(".", ".04"))
    ending = with_iris_model("evaluate", fresh)
    assert ending.out.startswith("150 rows, judged by the mean of 8 networks\n")


def test_evaluate_shows_every_score(with_iris_model: Run) -> None:
    out = with_iris_model("evaluate", IRIS).out
    for word in ("accuracy", "95 % interval", "majority class 'setosa': 33.3 %", "log loss"):
        assert word in out
    assert "class shares: 1.099" in out
    assert "calibration error" in out
    assert "precision  recall" in out
    assert "observed \\ predicted  setosa  versicolor  virginica" in out


def test_json_scores_add_up(with_iris_model: Run) -> None:
    scores = json.loads(with_iris_model("evaluate", IRIS, "--json").out)
    confusion = scores["confusion"]
    assert sum(map(sum, confusion)) == scores["rows"] == 150
    assert sum(confusion[k][k] for k in range(3)) == scores["correct"]
    assert scores["accuracy"] == pytest.approx(scores["correct"] / 150)


def test_fail_under_exits_with_three(with_iris_model: Run) -> None:
    passed = with_iris_model("evaluate", IRIS, "--fail-under", 0.9)
    failed = with_iris_model("evaluate", IRIS, "--fail-under", 1)
    assert (passed.code, failed.code) == (0, 3)
    assert "is below 1" in failed.err
    assert passed.out == failed.out


def test_classes_of_long_or_blank_names_are_told_apart(run: Run) -> None:
    classes = ("a class of a long name, 1", "a class of a long name, 2", "x", "x ")
    table = "n,y\n" + "".join(f'{i % 4},"{classes[i % 4]}"\n' for i in range(80))
    run("train", "-", "-q", "--epochs", 2, stdin=table)
    names = ["a class of...ong name, 1", "a class of...ong name, 2", "x", "'x '"]
    for command in (("evaluate", "-"), ("show",)):
        lines = [line.lstrip() for line in run(*command, stdin=table).out.splitlines()]
        for name in names:
            assert [line for line in lines if line.startswith(f"{name}  ")], (command, name)


def test_threshold_trades_precision_for_recall_of_the_second_class(run: Run) -> None:
    run("train", PENGUINS, "-t", "sex", "-q", "--epochs", 10)
    reports = {
        threshold: json.loads(run("evaluate", PENGUINS, "--threshold", threshold, "--json").out)[
            "classes"
        ]["male"]
        for threshold in (0.1, 0.5, 0.9)
    }
    recalls = [report["recall"] for report in reports.values()]
    precisions = [report["precision"] for report in reports.values()]
    assert recalls[0] > recalls[1] > recalls[2]
    assert precisions[0] < precisions[1] < precisions[2]
    out = run("evaluate", PENGUINS, "--threshold", 0.1).out
    assert out.splitlines()[1] == "predicted 'male' from p = 0.1 on"
    plain = run("evaluate", PENGUINS).out
    assert run("evaluate", PENGUINS, "--threshold", 0.5).out == plain


def test_threshold_needs_two_classes(with_iris_model: Run) -> None:
    ending = with_iris_model("evaluate", IRIS, "--threshold", 0.3)
    assert ending.code == 2
    assert "--threshold needs two classes: there are 3" in ending.only_error
