from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

import minnet
from minnet.data.encoding import Encoder, Roles
from minnet.errors import DataError, SettingsError, counted
from minnet.model.document import to_bytes
from minnet.model.judges import Mean
from minnet.network.layers import Dense
from minnet.network.losses import LOSSES
from minnet.network.network import Network
from minnet.network.preparation import Bins, FeatureSummary, Moments, Standardize, fit_preparation
from minnet.plots.scores import plot_confusion
from minnet.training.batches import LabelledRows, Order, TrainingRows
from minnet.training.loop import metrics
from tests.helpers import PENGUINS
from tests.test_evaluation import made

if TYPE_CHECKING:
    from pathlib import Path

    from minnet.arrays import Array
    from tests.helpers import Run


def weighted_penguins(weights: Any) -> str:
    """The table of penguins with a column of weights before the label."""
    header, *lines = PENGUINS.read_text().splitlines()
    kept = [f"{weight},{line}" for weight, line in zip(weights, lines, strict=False)]
    return "\n".join([f"w,{header}", *kept]) + "\n"


ROWS = len(PENGUINS.read_text().splitlines()) - 1
SOME = np.random.default_rng(0).choice([0, 0.5, 1, 2.5], ROWS)


@pytest.mark.parametrize("loss", [*LOSSES])
@pytest.mark.parametrize("of_classes", [None, np.array([3.0, 0.5, 1.0])])
def test_weight_2_is_the_row_twice_in_loss_and_gradient_of_a_batch(
    loss: str, of_classes: Array | None
) -> None:
    generator = np.random.default_rng(0)
    network = Network([Dense(generator.normal(size=(2, 3, 3)), generator.normal(size=(2, 1, 3)))])
    features, labels = generator.normal(size=(6, 3)), np.array([0, 1, 2, 0, 1, 2])
    weights = np.array([1.0, 2, 1, 3, 1, 1])
    found = []
    for times in (None, weights.astype(int)):
        own = np.arange(6) if times is None else np.repeat(np.arange(6), times)
        holdout = np.zeros((2, len(own)), np.bool_)
        of_rows = weights if times is None else None
        data = LabelledRows(features[own], labels[own], holdout, of_rows)
        rows = TrainingRows.of(network, data, of_classes, len(own))
        (block,) = rows.blocks(Order(np.tile(np.arange(len(own)), (2, 1))))
        logits = network.forward(block.features)
        mean = LOSSES[loss].mean(logits, block.targets, block.weights)
        network.backward(LOSSES[loss].gradients(logits, block.targets, block.weights))
        summed = metrics(LOSSES[loss], logits, block)[:2]
        found.append([mean, network.gradients.copy(), summed])
    for weighted, twice in zip(*found, strict=True):
        np.testing.assert_allclose(weighted, twice, rtol=1e-6)
        assert np.abs(twice).max() > 0.01


@given(seed=st.integers(0, 999), scale=st.sampled_from([0.001, 1, 1000]))
def test_weights_of_scaling_and_bins_are_rows_repeated(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(40, 3)).round(2)
    features[generator.random(features.shape) < 0.2] = np.nan
    features[:, 2] = generator.integers(0, 2, 40)
    folds, times = generator.integers(0, 3, 40), generator.integers(1, 4, 40)
    own = np.repeat(np.arange(40), times)
    scaled, draws = np.array([True, True, False]), np.arange(40)
    weighted = FeatureSummary.of(features, folds, 3, draws, times * scale, scaled)
    repeated = FeatureSummary.of(features[own], folds[own], 3)
    plain = FeatureSummary.of(features, folds, 3)
    for name in Moments._fields[1:]:
        one, other, rows = (
            getattr(summary.moments, name) for summary in (weighted, repeated, plain)
        )
        np.testing.assert_allclose(one[:, :2], other[:, :2], atol=1e-12)
        np.testing.assert_allclose(one[:, 2], rows[:, 2], atol=1e-12)  # indicators count rows
    halves = [
        FeatureSummary.of(features[half], folds[half], 3, draws[half], times[half] * scale, scaled)
        for half in (slice(25), slice(25, 40))
    ]
    merged = halves[0].merge(halves[1]).moments
    for one, other in zip(merged, weighted.moments, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_edges_of_bins_are_weighted_quantiles() -> None:
    values, weights = np.arange(100.0)[:, None], np.where(np.arange(100) < 20, 8.0, 0.5)
    summary = FeatureSummary.of(values, None, 1, None, weights)
    layers = fit_preparation(summary, np.array([0]), bins=4)
    standardize, bins = layers
    assert isinstance(standardize, Standardize)
    assert isinstance(bins, Bins)
    edges = np.append(bins.lower[0], bins.upper[0, -1])
    edges = edges * standardize.scales[0, 0] + standardize.means[0, 0]
    assert edges.round().tolist() == [0, 6, 12, 18, 99]  # 80 % of the weight is below 20


def test_row_of_weight_0_is_as_if_it_were_not_there(run: Run, tmp_path: Path) -> None:
    table = weighted_penguins(SOME)
    # What only rows of weight 0 hold: text among numbers, a category, a class, an extreme.
    table += "0,Adelie,Elba,x,18.7,1e9,3750,male,2007\n0,Dodo,Dream,39,18,190,3750,female,2007\n"
    (tmp_path / "all.csv").write_text(table)
    header, *lines = table.splitlines()
    kept = [line for line in lines if float(line.partition(",")[0])]
    (tmp_path / "kept.csv").write_text("\n".join([header, *kept]) + "\n")
    options = ("-t", "species", "--weights", "w", "--epochs", 3, "--json", "-q")
    told = [
        json.loads(run("train", f"{name}.csv", "-m", f"{name}.json", *options).out)
        for name in ("all", "kept")
    ]
    models = [minnet.load(f"{name}.json") for name in ("all", "kept")]
    assert to_bytes(models[0]) == to_bytes(replace(models[1], trained_on="all.csv"))
    assert told[0] | {"model": ""} == told[1] | {"model": ""}
    assert told[0]["rows"] == len(kept)
    assert "w" not in [column.name for column in models[0].encoder.columns]
    # Judged again, those rows are no rows either.
    (tmp_path / "all.csv").write_text(table.replace("Elba,x,", "Elba,39,"))
    again = json.loads(run("evaluate", "all.csv", "-m", "kept.json", "--json").out)
    for name in ("rows", "accuracy", "log_loss", "confusion", "accuracy_interval"):
        assert again[name] == told[0][name], name


def test_pattern_and_frame_take_weights_as_one_file_does(run: Run, tmp_path: Path) -> None:
    table = weighted_penguins(SOME)
    header, *lines = table.splitlines(keepends=True)
    (tmp_path / "t.csv").write_text(table)
    for number, part in enumerate((lines[:100], lines[100:])):
        (tmp_path / f"part{number}.csv").write_text(header + "".join(part))
    options = {"target": "species", "weights": "w", "epochs": 2, "networks": 2}
    models = [
        minnet.train(data, **options)
        for data in (
            str(tmp_path / "t.csv"),
            str(tmp_path / "part*.csv"),
            pandas.read_csv(tmp_path / "t.csv"),
        )
    ]
    first, *others = (to_bytes(replace(model, trained_on="")) for model in models)
    assert others == [first, first]


def test_weights_move_the_training_and_folds_ignore_them() -> None:
    columns = {"x": [*np.linspace(0, 1, 60)], "y": [*"ab"] * 30, "w": [1.0, 4.0] * 30}
    plain = minnet.train(columns, "y", ignore="w", networks=3, epochs=30)
    model = minnet.train(columns, "y", weights="w", networks=3, epochs=30)
    assert (model.folds.entries.contents == plain.folds.entries.contents).all()
    assert model.class_counts == (30, 30)
    mean = minnet.predict(model, columns).probabilities[:, 1].mean()
    assert 0.7 < mean < 0.85  # "b" has four fifths of the weight
    assert 0.35 < minnet.predict(plain, columns).probabilities[:, 1].mean() < 0.6
    balanced = minnet.train(columns, "y", weights="w", balanced=True, networks=3, epochs=30)
    mean = minnet.predict(balanced, columns).probabilities[:, 1].mean()
    assert 0.4 < mean < 0.6
    scaled = columns | {"w": [0.001, 0.004] * 30}
    other = minnet.train(scaled, "y", weights="w", networks=3, epochs=30)
    np.testing.assert_allclose(other.network.values, model.network.values, atol=1e-3)


@given(seed=st.integers(0, 999))
def test_weighted_scores_are_those_of_rows_repeated_and_of_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = 50
    probabilities = generator.dirichlet([1, 1, 1], rows)
    labels, times = generator.integers(0, 3, rows), generator.integers(1, 4, rows)
    labels[:3] = 0, 1, 2
    own = np.repeat(np.arange(rows), times)
    weighted = made("abc", labels, probabilities, weights=times * 0.5)
    repeated = made("abc", labels[own], probabilities[own])
    for name in (
        *("accuracy", "log_loss", "balanced_accuracy", "baseline_log_loss", "calibration_error"),
        *("top_label_calibration_error", "majority", "area_under_roc_curve", "average_precision"),
    ):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name)), name
    assert (weighted.confusion * 2 == repeated.confusion).all()
    options: dict[str, Any] = {"sample_weight": times * 0.5}
    expected = sklearn_metrics.log_loss(labels, probabilities, labels=[0, 1, 2], **options)
    assert weighted.log_loss == pytest.approx(expected)
    precision, recall, _, _ = sklearn_metrics.precision_recall_fscore_support(
        labels, weighted.predicted, zero_division=np.nan, labels=[0, 1, 2], **options
    )
    found = np.array([scores[:2] for scores in weighted.class_scores.values()]).T
    np.testing.assert_allclose(found, [precision, recall])
    assert len(weighted) == rows
    halves = [np.arange(rows) < 20, np.arange(rows) >= 20]
    merged = weighted.select(halves[0]).scores.merge(weighted.select(halves[1]).scores)
    assert merged.accuracy_interval == pytest.approx(weighted.accuracy_interval)
    assert merged.log_loss_gain_interval == pytest.approx(weighted.log_loss_gain_interval)


def test_class_shares_to_beat_are_weighted(run: Run, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    labels = generator.random(300) < 0.1
    lines = [f"{generator.normal():.3f},{9 if y else 1},{y}" for y in labels]
    (tmp_path / "noise.csv").write_text("\n".join(["x,w,y", *lines]))
    run("train", "noise.csv", "--weights", "w", "--epochs", 2, "-q")
    told = json.loads(run("evaluate", "noise.csv", "--json").out)
    weights = np.where(labels, 9, 1)
    share = weights[labels].sum() / weights.sum()
    entropy = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert told["baseline_log_loss"] == pytest.approx(entropy)
    assert any("not shown to be better" in one for one in told["warnings"])
    assert run("plot", "roc", "noise.csv", "-o", "roc.png").code == 0


def test_counts_are_whole_however_many_and_weights_are_short() -> None:
    assert [*map(counted, (0, 1_234_567, 74.72999999999999, 0.25, 1234567.5))] == [
        *("0", "1,234,567", "74.73", "0.25", "1,234,568")
    ]
    evaluation = made("ab", [0, 0, 1], [[0.9, 0.1]] * 3, weights=np.array([0.1, 0.2, 0.4]))
    axes = plot_confusion(evaluation)
    assert {text.get_text() for text in axes.texts} >= {"0.3", "0.4"}
    assert "0.3 of 0.7 by weight correct (42.9 %)" in axes.get_title(loc="left")


def test_importance_and_comparison_weigh_rows_as_evaluate_does(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(weighted_penguins(SOME))
    options: dict[str, Any] = {"networks": 8, "epochs": 2}
    weighted = minnet.train(str(path), "species", weights="w", **options)
    plain = minnet.train(str(path), "species", ignore=["w", "bill_length_mm"], **options)
    evaluation = minnet.evaluate(weighted, str(path))
    measured = minnet.importance(weighted, str(path), shuffles=2)
    assert measured.log_loss == pytest.approx(evaluation.log_loss, rel=1e-5)
    for models, sign in (((plain, weighted), 1), ((weighted, plain), -1)):
        result = minnet.compare(*models, str(path))
        assert evaluation.log_loss == pytest.approx(result.log_losses[sign > 0])
        low, high = result.log_loss_difference_interval
        difference = result.log_losses[1] - result.log_losses[0]
        assert (low + high) / 2 == pytest.approx(difference)
        assert (low + high) * sign < 0


def test_interval_of_unequal_weights_holds() -> None:
    generator = np.random.default_rng(0)
    inside, flat = 0, 0
    for _ in range(1000):
        values, weights = generator.normal(size=60), generator.choice([0.01, 0.1], 60)
        low, high = Mean.of(values, weights).interval()
        inside += low < 0 < high
        mean, (low, high) = np.average(values, weights=weights), Mean.of(values).interval()
        flat += abs(mean) < (high - low) / 2
    assert 930 <= inside <= 970
    assert flat < 910  # as if all counted alike


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("-1", "w.csv:3: column 'w': a weight is 0 to 1e+12, not '-1'"),
        ("", "w.csv:3: column 'w': a weight is 0 to 1e+12, missing"),
        ("much", "w.csv:3: column 'w': a weight is 0 to 1e+12, not 'much'"),
        ("1e999", "w.csv:3: column 'w': a weight is 0 to 1e+12, not '1e999'"),
        ("1e308", "w.csv:3: column 'w': a weight is 0 to 1e+12, not '1e+308'"),
    ],
)
def test_weight_that_is_none_is_told_with_its_line(tmp_path: Path, cell: str, says: str) -> None:
    path = tmp_path / "w.csv"
    path.write_text(weighted_penguins([1, cell, *np.ones(ROWS)]))
    with pytest.raises(DataError) as error:
        minnet.train(str(path), "species", weights="w")
    assert str(error.value) == str(tmp_path / says)


def test_table_all_of_weight_0_has_no_rows_to_learn_from(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_text(weighted_penguins(["0", "1e-320", "1e-200"] * ROWS))
    with pytest.raises(DataError, match="no row has a weight above 0 in column 'w'"):
        minnet.train(str(path), "species", weights="w")
    with pytest.raises(SettingsError, match="has no column 'W'"):
        minnet.train(str(path), "species", weights="W")
    (tmp_path / "t.csv").write_text(weighted_penguins(SOME))
    model = minnet.train(str(tmp_path / "t.csv"), "species", weights="w", networks=2, epochs=1)
    with pytest.raises(DataError, match="no row has a weight above 0 in column 'w'"):
        minnet.evaluate(model, str(path))


def test_weights_and_groups_are_names_which_may_be_numbers() -> None:
    columns = {0: [*np.linspace(0.1, 1, 60)], 1: [*range(60)], "y": [*"ab"] * 30}
    made = minnet.train(columns, "y", weights=0, group=1, group_feature=True, epochs=1)
    assert (made.encoder.weights, made.encoder.group) == ("0", "1")
    for name in ("weights", "group"):
        wrong: dict[str, Any] = {name: np.ones(60)}
        with pytest.raises(SettingsError, match="is a ndarray: it must be the name of a column"):
            minnet.train(columns, "y", **wrong)


def test_no_note_is_about_the_column_of_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_text(weighted_penguins(SOME))
    model = minnet.train(str(path), "species", weights="w", networks=2, epochs=1)
    assert not [note for note in model.notes if "'w'" in note]


def test_spoiled_column_is_told_at_its_line_even_where_its_weight_is_0(tmp_path: Path) -> None:
    lines = [f"{row % 2},{row / 7},{'ab'[row % 3 > 1]}" for row in range(1500)]
    lines[1200] = "0,oops,a"
    path = tmp_path / "spoiled.csv"
    path.write_text("\n".join(["w,x,y", *lines]) + "\n")
    with pytest.raises(DataError) as error:
        minnet.train(str(path), "y", weights="w")
    assert f"{path}:1202: column 'x': 'oops' is not a number" in str(error.value)


def test_errors_name_the_lines_of_a_table_whose_rows_of_weight_0_are_gone(tmp_path: Path) -> None:
    for name in "ab":
        lines = [f"{row % 3},{row},{'ab'[row % 2]}" for row in range(60)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["w,x,y", *lines]) + "\n")
    table = minnet.data.table.as_table(str(tmp_path / "?.csv")).weighted_rows("w")
    assert len(table) == 80
    places = [table.at(row).rpartition("/")[2] for row in (0, 39, 40, 79)]
    assert places == ["a.csv:3", "a.csv:61", "b.csv:3", "b.csv:61"]


def test_column_of_weights_can_be_nothing_else() -> None:
    for roles in (
        Roles("y", "w", weights="w"),
        Roles("w", weights="w"),
        Roles("y", group="w", weights="w"),
    ):
        with pytest.raises(SettingsError):
            roles.target_among("t.csv", ["x", "w", "y"])
    with pytest.raises(SettingsError):
        Roles("y", weights="v").target_among("t.csv", ["x", "w", "y"])


def test_categories_that_are_numbers_stay_text_and_words_for_missing_stay() -> None:
    table = minnet.Table.from_columns(
        {
            "w": [0, *[1] * 12],
            "k": ["x", *["1", "2", "NA"] * 4],
            "t": pandas.Categorical(["z", *["1", "2", "03"] * 4]),
        }
    )
    kept = table.weighted_rows("w")
    assert kept["k"].numbers is not None  # the only text is gone
    assert kept["k"].missing_counts == {"NA": 4}
    assert Encoder.fit(kept, "t").class_names == ("1", "2", "03")


def test_evaluate_tells_that_weights_are_missing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(weighted_penguins(SOME))
    trained = run("train", "t.csv", "-t", "species", "--weights", "w", "--epochs", 2)
    assert "'w'" not in trained.err
    assert "weighted by 'w'" in run("show").out
    ending = run("evaluate", PENGUINS)
    assert "note: there is no column 'w' of weights: all rows count alike" in ending.err
    weighted = run("evaluate", "t.csv").out
    assert " by weight (" in weighted
    assert "observed \\ predicted (weight)" in weighted
    assert " by weight (" not in ending.out
    axes = minnet.plot_confusion(minnet.evaluate(minnet.load("model.json"), "t.csv"))
    assert " by weight correct (" in axes.get_title(loc="left")
    assert axes.get_ylabel() == "observed class (weight)"
