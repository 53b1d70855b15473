from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minnet
from minnet.analysis.tuning import Comparison, compare
from minnet.errors import SettingsError
from minnet.model.document import save
from tests.helpers import IRIS, PENGUINS, fit

if TYPE_CHECKING:
    from pathlib import Path

    from minnet import Model, Table
    from tests.helpers import Run

QUICK = minnet.TrainingSettings(epochs=20, networks=5)


@pytest.fixture(scope="module")
def strong(iris: Table) -> Model:
    return fit(iris, "species", QUICK)


@pytest.fixture(scope="module")
def weak(iris: Table) -> Model:
    return fit(iris, "species", QUICK, ignore=["petal_length", "petal_width"])


def counted(only_first: int, only_second: int) -> Comparison:
    return Comparison(
        evaluations=(None, None),  # type: ignore[arg-type]  # not looked at
        rows=only_first + only_second,
        accuracies=(0, 0),
        log_losses=(0, 0),
        accuracy_difference_interval=(0, 0),
        log_loss_difference_interval=(0, 0),
        only_first=only_first,
        only_second=only_second,
    )


def test_model_with_the_telling_columns_is_better(strong: Model, weak: Model, iris: Table) -> None:
    result = compare(weak, strong, iris)
    assert result.rows == 150
    assert result.better == 1
    assert result.log_loss_difference_interval[1] < 0
    assert result.accuracy_difference_interval[0] > 0
    assert result.p_value < 1e-4
    evaluations = [minnet.evaluate(model, iris) for model in (weak, strong)]
    assert result.accuracies == pytest.approx([one.accuracy for one in evaluations])
    assert result.log_losses == pytest.approx([one.log_loss for one in evaluations])
    correct = [one.predicted == one.labels for one in evaluations]
    assert result.only_first == (correct[0] & ~correct[1]).sum()
    assert result.only_second == (correct[1] & ~correct[0]).sum()


def test_order_of_the_models_only_turns_the_signs(strong: Model, weak: Model, iris: Table) -> None:
    one, other = compare(weak, strong, iris), compare(strong, weak, iris)
    low, high = one.log_loss_difference_interval
    assert other.log_loss_difference_interval == pytest.approx((-high, -low))
    assert other.better == 0
    assert other.p_value == one.p_value


def test_model_is_no_better_than_itself(strong: Model, iris: Table) -> None:
    result = compare(strong, strong, iris)
    assert (result.only_first, result.only_second, result.p_value) == (0, 0, 1)
    assert result.log_loss_difference_interval == (0, 0)
    assert result.better is None


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemars_test_is_the_binomial_test(only_first: int, only_second: int) -> None:
    from scipy.stats import binomtest

    if only_first + only_second:
        few, unequal = min(only_first, only_second), only_first + only_second
        expected = min(1, 2 * binomtest(few, unequal, alternative="less").pvalue)
        assert counted(only_first, only_second).p_value == pytest.approx(expected)


def test_mcnemars_test_of_many_rows_goes_on_from_that_of_few() -> None:
    few, many = counted(450, 550).p_value, counted(451, 552).p_value
    assert many == pytest.approx(few, rel=0.15)
    assert counted(0, 10**6).p_value == 0


def test_models_of_different_targets_are_refused(strong: Model) -> None:
    sex = fit(minnet.read_csv(PENGUINS), "sex", replace(QUICK, epochs=1))
    with pytest.raises(SettingsError, match="different targets: 'species', 'sex'"):
        compare(strong, sex, IRIS)


def test_rows_are_only_those_that_both_can_be_judged_on(iris: Table, strong: Model) -> None:
    alone = fit(iris, "species", replace(QUICK, networks=1, epochs=2))
    result = compare(strong, alone, iris)
    assert result.rows == len(minnet.evaluate(alone, iris)) == 30


def test_compare_prints_both_models_and_a_verdict(
    run: Run, tmp_path: Path, strong: Model, weak: Model
) -> None:
    save(strong, tmp_path / "strong.json")
    save(weak, tmp_path / "weak.json")
    ending = run("compare", "strong.json", "weak.json", IRIS)
    assert ending.err == ""
    lines = ending.out.splitlines()
    assert lines[0] == "150 rows judged by both models"
    assert lines[-1].startswith("strong.json is better: its log loss is ")
    document = json.loads(run("compare", "strong.json", "weak.json", IRIS, "--json").out)
    assert document["better"] == "strong.json"
    assert f"{document['log_loss'][1]:.3f}" in ending.out
    low, high = document["log_loss_difference_95_interval"]
    assert f"{low:+.3f} to {high:+.3f}" in ending.out
    assert np.isfinite(document["mcnemar_p_value"])
    same = run("compare", "strong.json", "strong.json", IRIS).out
    assert same.splitlines()[-1].startswith("no difference in log loss was shown")


def test_compare_needs_a_file_that_can_be_read_twice(with_iris_model: Run) -> None:
    ending = with_iris_model("compare", "model.json", "model.json", "-")
    assert ending.code == 2
    assert "name a file, not -" in ending.only_error


@pytest.mark.parametrize("place", [0, 1])
def test_model_that_cannot_be_used_is_named(
    with_iris_model: Run, tmp_path: Path, place: int
) -> None:
    (tmp_path / "bad.json").write_text("{}")
    models = ["model.json", "model.json"]
    models[place] = "bad.json"
    ending = with_iris_model("compare", *models, IRIS)
    assert ending.code == 1
    assert "bad.json: not a usable minnet model" in ending.only_error
