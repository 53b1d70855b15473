from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

import minnet
from minnet.model.document import load
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
        "150 rows, all in the training table: judged by networks that never saw them\n"
    )
    document = json.loads(with_iris_model("evaluate", IRIS, "--json").out)
    assert ending.out.startswith(f"150 rows, {document['judged_by']}\n")
    assert document["out_of_fold"]


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
    document = json.loads(with_iris_model("evaluate", IRIS, "--json").out)
    error, (by_chance, limit) = (
        document["calibration_error"],
        document["chance_calibration_errors"],
    )
    expected = f"calibration error  {error:.3f} ({by_chance:.3f} by chance, up to {limit:.3f})\n"
    assert expected in out
    assert f"balanced accuracy  {100 * document['balanced_accuracy']:.1f} %\n" in out
    area = document["area_under_roc_curve"]
    assert f"area under ROC     {area:.3f} (each class against the rest, mean)\n" in out
    assert f"average precision  {document['average_precision']:.3f}\n" in out
    assert 0 < document["top_label_calibration_error"] < 0.2
    assert "precision  recall" in out
    assert "observed \\ predicted  setosa  versicolor  virginica" in out


@pytest.mark.parametrize("names", ["ab", "pq", "uv"])  # other names deal other folds
def test_balanced_training_on_a_rare_class_is_told_to_be_badly_calibrated(
    run: Run, write: Write, names: str
) -> None:
    generator = np.random.default_rng(1)
    values = generator.standard_normal((2000, 2))
    p = 1 / (1 + np.exp(4.3 - values @ (1.2, 0.8)))
    labels = ["Yes" if y else "No" for y in generator.random(2000) < p]
    lines = [f"{a:.4f},{b:.4f},{y}" for (a, b), y in zip(values, labels, strict=True)]
    data = write("rare.csv", "\n".join([",".join([*names, "y"]), *lines]))
    warnings = []
    for options in ([], ["--balanced"]):
        report = run("train", data, "-t", "y", "--epochs", 25, *options).out
        document = json.loads(run("evaluate", data, "--json").out)
        text = run("evaluate", data).out
        error, (_, limit) = document["calibration_error"], document["chance_calibration_errors"]
        warnings.append(document["warnings"])
        for told in (report, text):
            assert f"calibration error  {error:.3f} (" in told
            assert [line for line in told.splitlines() if line in warnings[-1]] == warnings[-1]
        assert document["is_learned"]
        assert f"'Yes', {labels.count('Yes') / 20:.1f} % of rows" in text
        assert document["area_under_roc_curve"] > 0.7
        assert (error > 0.15) == (error > limit) == bool(options)
        assert document["top_label_calibration_error"] < 0.1
    plain, balanced = warnings
    assert plain == []
    first, second = balanced
    assert first.startswith("the log loss is worse than that of the class shares: the probabili")
    assert second.startswith("worse calibrated than chance")


def test_a_table_that_lacks_a_class_has_no_ranking_scores(
    with_iris_model: Run, write: Write
) -> None:
    lines = IRIS.read_text().splitlines()
    data = write("two.csv", "\n".join(line for line in lines if "virginica" not in line))
    document = json.loads(with_iris_model("evaluate", data, "--json").out)
    assert document["area_under_roc_curve"] is document["average_precision"] is None
    assert document["balanced_accuracy"] > 0.9
    assert "area under ROC     - (" in with_iris_model("evaluate", data).out


def test_the_row_that_the_judges_got_most_wrong_is_explained_next(with_iris_model: Run) -> None:
    err = with_iris_model("evaluate", IRIS).err
    found = re.search(
        r"^next: minnet explain \S+ --row (\d+) \(its class '(\w+)' got (\S+), the least\)$",
        err,
        re.MULTILINE,
    )
    assert found
    probabilities = minnet.evaluate(load("model.json"), IRIS).observed_probability
    assert probabilities[int(found[1]) - 1] == probabilities.min()
    assert f"{probabilities.min():.3f}" == found[3]
    out = with_iris_model("explain", IRIS, "--row", found[1]).out
    assert f"observed: {found[2]}, " in out
    assert "next:" not in with_iris_model("evaluate", "-", stdin=IRIS.read_text()).err


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
        p: json.loads(run("evaluate", PENGUINS, "--threshold", f"male={p}", "--json").out)[
            "class_scores"
        ]["male"]
        for p in (0.1, 0.5, 0.9)
    }
    recalls = [report["recall"] for report in reports.values()]
    precisions = [report["precision"] for report in reports.values()]
    assert recalls[0] > recalls[1] > recalls[2]
    assert precisions[0] < precisions[1] < precisions[2]
    out = run("evaluate", PENGUINS, "--threshold", "male=0.1").out
    assert out.splitlines()[1] == "predicted 'male' from p = 0.1 on"
    plain = run("evaluate", PENGUINS).out.splitlines()
    at_half = run("evaluate", PENGUINS, "--threshold", "male=0.5").out.splitlines()
    assert at_half == [plain[0], "predicted 'male' from p = 0.5 on", *plain[1:]]


def test_threshold_needs_two_classes(with_iris_model: Run) -> None:
    ending = with_iris_model("evaluate", IRIS, "--threshold", "setosa=0.3")
    assert ending.code == 2
    assert "--threshold needs two classes: there are 3" in ending.only_error
