from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

import minnet
from minnet.errors import SettingsError
from minnet.model.threshold import TRIED, Threshold, predicted_labels
from tests.test_evaluation import made

if TYPE_CHECKING:
    from pathlib import Path

    from minnet.model.model import Model
    from minnet.model.scores import Evaluation
    from tests.helpers import Run

NAMES = ("no", "yes")


def rare(rows: int = 400, skill: float = 1.5, seed: int = 0) -> dict[str, Any]:
    """A seventh of the rows is "yes"; without skill, nothing tells which."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 2))
    p = 1 / (1 + np.exp(-skill * x.sum(axis=1) + 2 + skill / 2))
    return {
        "a": x[:, 0].round(3),
        "b": x[:, 1].round(3),
        "y": np.where(generator.random(rows) < p, "yes", "no"),
    }


@cache
def balanced() -> Model:
    return minnet.train(rare(), "y", threshold="balanced", epochs=30)


def judged(seed: int, rows: int = 60, folds: int = 5) -> Evaluation:
    generator = np.random.default_rng(seed)
    second = generator.random(rows)
    labels = (generator.random(rows) < second).astype(np.int64)
    evaluation = made(NAMES, labels, np.stack([1 - second, second], axis=1), known=rows)
    return replace(evaluation, fold_of_row=generator.integers(0, folds, rows))


@given(seed=st.integers(0, 999))
def test_balanced_threshold_is_the_best_of_all_that_are_tried(seed: int) -> None:
    evaluation = judged(seed)
    found = Threshold.balanced("yes", evaluation.threshold_counts)
    accuracies = [
        replace(evaluation, threshold=Threshold("yes", one)).balanced_accuracy
        for one in TRIED.tolist()
    ]
    chosen = replace(evaluation, threshold=Threshold("yes", found.probability))
    assert chosen.balanced_accuracy == pytest.approx(max(accuracies))


def test_rows_of_a_fold_are_judged_by_the_threshold_that_the_others_choose() -> None:
    evaluation = judged(0)
    threshold = Threshold.balanced("yes", evaluation.threshold_counts)
    fitted = replace(evaluation, threshold=threshold)
    assert len({*threshold.of_folds}) > 1
    for fold in range(5):
        own = evaluation.fold_of_row == fold
        others = Threshold.balanced("yes", evaluation.select(~own).threshold_counts)
        assert threshold.of_folds[fold] == others.probability
        expected = evaluation.probabilities[own, 1] >= others.probability
        assert (fitted.predicted[own] == expected).all()
    new = replace(fitted, fold_of_row=np.full(len(fitted), -1))
    assert (new.predicted == (new.probabilities[:, 1] >= threshold.probability)).all()


def test_balanced_accuracy_of_noise_does_not_flatter() -> None:
    printed, flattering = [], []
    for seed in range(40):
        evaluation = judged(seed)
        labels = np.random.default_rng([1, seed]).integers(0, 2, len(evaluation))
        evaluation = replace(evaluation, labels=labels)
        threshold = Threshold.balanced("yes", evaluation.threshold_counts)
        printed.append(replace(evaluation, threshold=threshold).balanced_accuracy)
        threshold = replace(threshold, of_folds=())
        flattering.append(replace(evaluation, threshold=threshold).balanced_accuracy)
    assert np.mean(flattering) > 0.56
    assert 0.44 < np.mean(printed) < 0.52


def test_without_rows_to_choose_by_the_threshold_is_one_half() -> None:
    alone = minnet.train(rare(), "y", threshold="balanced", networks=1, epochs=5).threshold
    assert alone is not None
    assert alone.of_folds[0] == 0.5  # no other fold is held out by anybody
    assert alone.probability != 0.5


def test_threshold_of_either_class() -> None:
    probabilities = np.array([[0.3, 0.7], [0.7, 0.3], [0.8, 0.2]])
    for threshold, labels in (
        (None, [1, 0, 0]),
        (Threshold("yes", 0.3), [1, 1, 0]),
        (Threshold("no", 0.75), [1, 1, 0]),
        (Threshold("no", 0.3), [0, 0, 0]),
    ):
        assert predicted_labels(probabilities, NAMES, threshold).tolist() == labels


def test_balanced_threshold_finds_more_of_the_rare_class() -> None:
    plain = minnet.evaluate(replace(balanced(), threshold=None), rare())
    found = minnet.evaluate(balanced(), rare())
    assert found.balanced_accuracy > plain.balanced_accuracy + 0.05
    assert found.log_loss == plain.log_loss
    expected = balanced_accuracy_score(found.labels, found.predicted)
    assert found.balanced_accuracy == pytest.approx(expected)
    fresh = rare(4000, seed=1)
    assert minnet.evaluate(balanced(), fresh).balanced_accuracy > (
        minnet.evaluate(replace(balanced(), threshold=None), fresh).balanced_accuracy + 0.05
    )


def test_predictions_follow_the_threshold() -> None:
    model = replace(balanced(), threshold=Threshold("yes", 0.2))
    predictions, members = minnet.predict(model, rare()), model.member_probabilities(rare())
    is_yes = predictions.probabilities[:, 1] >= 0.2
    assert predictions.predicted == np.where(is_yes, "yes", "no").tolist()
    assert (is_yes & (predictions.probabilities[:, 1] < 0.5)).any()
    disagree = ((members[..., 1] >= 0.2) != is_yes).any(axis=0)
    assert [any("disagree" in one for one in row) for row in predictions.cautions] == (
        disagree.tolist()
    )
    of_label = np.take_along_axis(members, is_yes.astype(int)[None, :, None], axis=2)[..., 0]
    assert np.allclose(predictions.spread, np.ptp(of_label, axis=0))


def test_model_keeps_its_threshold(tmp_path: Path) -> None:
    minnet.save(balanced(), tmp_path / "model.json")
    again = minnet.load(tmp_path / "model.json")
    assert again.threshold == balanced().threshold
    assert minnet.train(rare(), "y", threshold=("no", 0.75), epochs=1).threshold == (
        Threshold("no", 0.75)
    )


@pytest.mark.parametrize(
    ("threshold", "says"),
    [
        (0.3, 'is 0.3: it must be a class and a probability, ("yes", 0.3), or "balanced"'),
        ("best", "is 'best': it must be a class"),
        (("yes", "much"), "it must be a class"),
        (("yes", 1.5), "is 1.5: it must be between 0 and 1"),
        (("yes", float("nan")), "is nan: it must be between 0 and 1"),
        (("maybe", 0.5), "has no class 'maybe'"),
    ],
)
def test_threshold_that_means_nothing_is_refused(threshold: Any, says: str) -> None:
    with pytest.raises(SettingsError) as error:
        minnet.train(rare(), "y", threshold=threshold)
    assert says in str(error.value)


def written(path: Path, rows: int = 200) -> Path:
    lines = [",".join(map(str, row)) for row in zip(*rare(rows).values(), strict=True)]
    path.write_text("\n".join(["a,b,y", *lines]) + "\n")
    return path


def test_commands_follow_the_threshold_of_the_model(run: Run, tmp_path: Path) -> None:
    data = written(tmp_path / "rare.csv")
    told = run("train", data, "--epochs", 20, "--threshold", "balanced", "--json").out
    printed, again = json.loads(told), json.loads(run("evaluate", data, "--json").out)
    for name in ("accuracy", "balanced_accuracy", "confusion", "threshold"):
        assert printed[name] == again[name], name
    threshold = again["threshold"]
    assert threshold["class_name"] == "yes"
    line = f"predicted 'yes' from p = {threshold['probability']:.3g} on (best balanced accuracy)"
    assert line in run("show").out
    assert line in run("evaluate", data).out
    assert json.loads(run("show", "--json").out)["threshold"] == threshold
    for options, p in (((), threshold["probability"]), (("--threshold", "no=0.9"), 0.1)):
        table = json.loads(run("predict", data, "--json", "-q", *options).out)["predictions"]
        for row in table:
            is_yes = row["probabilities"]["yes"] >= p
            assert row["predicted"] == ("yes" if is_yes else "no")


def test_compare_judges_each_model_by_its_own_threshold(run: Run, tmp_path: Path) -> None:
    data = written(tmp_path / "rare.csv")
    run("train", data, "--epochs", 20, "-q")
    run("train", data, "--epochs", 20, "-q", "--threshold", "yes=0.05", "-m", "b.json")
    told = json.loads(run("compare", "model.json", "b.json", data, "--json").out)
    first, second = told["scores"]
    assert told["log_loss_difference_95_interval"] == [0, 0]
    assert first["class_scores"]["yes"]["recall"] < second["class_scores"]["yes"]["recall"]
    assert sum(told["correct_with_one_alone"]) > 0


def test_picture_of_regions_follows_the_threshold() -> None:
    table = minnet.Table.from_columns(rare())
    for p, regions in ((0.2, {"no", "yes"}), (0.0, {"yes"})):
        model = replace(balanced(), threshold=Threshold("yes", p))
        axes = minnet.plot_regions(model, table)
        assert {text.get_text() for text in axes.texts} & {"no", "yes"} == regions
