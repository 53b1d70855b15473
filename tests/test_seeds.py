from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from minnet import Table, TrainingSettings, read_csv
from minnet.analysis import seeds
from minnet.analysis.seeds import SeedStudy, study_seeds
from minnet.data.encoding import Encoder
from minnet.errors import DataError
from minnet.network.layers import Dense, ReLU
from minnet.network.network import Network
from tests.helpers import IRIS, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

# So fast and impatient that each network keeps another epoch.
QUICK = TrainingSettings(networks=7, hidden=(8,), learning_rate=0.05, epochs=60, patience=3)


@pytest.fixture(scope="module")
def study(iris: Table) -> SeedStudy:
    return study_seeds(Encoder.fit(iris, "species"), iris, QUICK)


def read_rows(lines: Sequence[str]) -> Table:
    names, *rows = [line.split(",") for line in lines]
    return Table.from_columns(dict(zip(names, zip(*rows, strict=True), strict=True)))


def made_study(
    predicted: Sequence[Sequence[int]],
    probabilities: Sequence[Sequence[float]],
    losses: Sequence[float] = (),
) -> SeedStudy:
    """Make a study of rows of class a, of which the first is held out."""
    networks, rows = np.shape(predicted)
    return SeedStudy(
        class_names=("a", "b"),
        rows=np.arange(rows),
        table=Table.from_columns({"x": [*range(rows)]}),
        labels=np.zeros(rows, dtype=np.int64),
        held_out=np.arange(rows) == 0,
        seeds=tuple(range(networks)),
        predicted=np.array(predicted),
        probabilities=np.array(probabilities),
        losses=np.array(losses or [0.1] * networks),
        baseline=0.5,
        live_units=np.ones(networks, dtype=np.int64),
        hidden_units=1,
    )


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_the_grouping_of_networks_changes_no_bit(
    iris: Table, study: SeedStudy, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder.fit(iris, "species")
    monkeypatch.setattr(seeds, "NETWORKS_AT_ONCE", at_once)
    other = study_seeds(encoder, iris, QUICK)
    np.testing.assert_array_equal(other.probabilities, study.probabilities)
    np.testing.assert_array_equal(other.predicted, study.predicted)
    np.testing.assert_array_equal(other.losses, study.losses)
    np.testing.assert_array_equal(other.live_units, study.live_units)
    assert len(np.unique(study.probabilities[:, 0])) == QUICK.networks


def test_each_seed_becomes_the_model_of_one_network_trained_on_the_rows_not_held_out(
    iris: Table, study: SeedStudy
) -> None:
    lines = IRIS.read_text().splitlines()
    training = [lines[0], *(lines[1 + row] for row in np.flatnonzero(~study.held_out))]
    table = read_rows(training)
    kept = []
    for seed in (0, 2, 4):
        alone = fit(table, "species", replace(QUICK, networks=1, seed=seed))
        of_observed = alone.member_probabilities(iris)[0, np.arange(len(iris)), study.labels]
        np.testing.assert_allclose(study.probabilities[seed], of_observed, rtol=1e-9)
        losses = -np.log(of_observed[study.held_out])
        assert study.losses[seed] == pytest.approx(losses.mean(), rel=1e-5)
        kept += alone.history.best_epochs.tolist()
    assert len(set(kept)) > 1


def test_what_held_out_rows_hold_changes_no_network(
    iris: Table, study: SeedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder.fit(iris, "species")
    examples = encoder.examples(iris)
    held_out = study.held_out[examples.rows]
    features = examples.features.copy()
    features[held_out] += 1
    changed = replace(examples, features=features)
    monkeypatch.setattr(Encoder, "examples", lambda *_: changed)
    other = study_seeds(encoder, iris, QUICK)
    seen = ~study.held_out
    np.testing.assert_array_equal(other.probabilities[:, seen], study.probabilities[:, seen])
    assert (other.probabilities[:, ~seen] != study.probabilities[:, ~seen]).any()


def test_the_first_seed_is_that_of_the_settings(iris: Table, study: SeedStudy) -> None:
    later = study_seeds(Encoder.fit(iris, "species"), iris, replace(QUICK, networks=2, seed=3))
    assert later.seeds == (3, 4)
    np.testing.assert_array_equal(later.probabilities, study.probabilities[3:5])


def test_all_networks_hold_out_the_same_stratified_fifth(study: SeedStudy) -> None:
    assert np.bincount(study.labels[study.held_out]).tolist() == [10, 10, 10]


def seeds_table(groups: int = 12) -> Table:
    """Make rows of some groups, every third repeating the one before it."""
    numbers = [number - (number % 3 == 2) for number in range(90)]
    return Table.from_columns(
        {
            "x": numbers,
            "g": [f"g{number // 3 % groups}" for number in range(90)],
            "y": ["ab"[number % 2] for number in numbers],
        }
    )


def test_groups_are_held_out_whole() -> None:
    table = seeds_table()
    encoder = Encoder.fit(table, "y", group="g")
    study = study_seeds(encoder, table, replace(QUICK, networks=2, epochs=1))
    assert encoder.features == ["x"]
    groups = np.array([number // 3 % 12 for number in range(90)])
    shares = np.bincount(groups, study.held_out) / np.bincount(groups)
    assert set(shares) == {0, 1}


def test_two_groups_are_too_few_to_hold_out_one_and_choose_the_epoch_by_another() -> None:
    table = seeds_table(2)
    with pytest.raises(DataError, match="column 'g' has fewer than 3 groups"):
        study_seeds(Encoder.fit(table, "y", group="g"), table, QUICK)


def test_rows_that_repeat_others_are_counted_and_left_out_if_asked() -> None:
    table = seeds_table()
    for drop_repeats, rows, note in (
        (False, 90, "30 rows repeat others, as chance alone"),
        (True, 60, "30 rows that repeated others left out"),
    ):
        encoder = Encoder.fit(table, "y", ["g"], drop_repeats=drop_repeats)
        study = study_seeds(encoder, table, replace(QUICK, networks=2, epochs=1))
        assert len(study.rows) == rows
        assert [one[: len(note)] for one in study.notes] == [note]


def test_the_split_does_not_depend_on_the_seed(iris: Table, study: SeedStudy) -> None:
    encoder = Encoder.fit(iris, "species")
    settings = replace(QUICK, networks=2, epochs=1)
    other = study_seeds(encoder, iris, replace(settings, seed=50))
    np.testing.assert_array_equal(other.held_out, study.held_out)


def test_accuracy_counts_held_out_rows_only() -> None:
    study = made_study([[0, 1, 1], [1, 0, 0]], np.full((2, 3), 0.5).tolist())
    assert study.accuracies.tolist() == [1.0, 0.0]


def test_ranges_are_smallest_median_and_largest_over_the_networks() -> None:
    study = made_study([[0], [0], [0]], [[0.9], [0.2], [0.6]])
    np.testing.assert_allclose(study.ranges[:, 0], [0.2, 0.6, 0.9])


def test_networks_that_never_beat_guessing_have_failed() -> None:
    study = made_study([[0]] * 4, [[0.5]] * 4, losses=[0.4, 0.5, 0.6, np.nan])
    assert study.failed.tolist() == [False, True, True, True]


def test_torn_rows_are_those_whose_class_depends_on_the_seed_most_torn_first() -> None:
    study = made_study(
        predicted=[[0, 0, 1, 0, 0], [0, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 0, 1]],
        probabilities=[
            [0.9, 0.6, 0.1, 0.9, 0.8],
            [0.1, 0.4, 0.2, 0.9, 0.8],
            [0.9, 0.4, 0.3, 0.2, 0.8],
            [0.9, 0.6, 0.4, 0.9, 0.4],
        ],
    )
    assert study.prediction_counts.tolist() == [[4, 0], [2, 2], [0, 4], [3, 1], [3, 1]]
    assert study.unstable.tolist() == [1, 3, 4]


def test_a_unit_is_live_if_it_fires_for_any_row() -> None:
    weights = np.array([[[1.0, 1.0, -1.0]], [[-1.0, -1.0, -1.0]]])
    biases = np.array([[[-2.5, 0.0, 0.0]], [[0.0, 0.0, 0.0]]])
    network = Network(
        [Dense(weights, biases), ReLU(), Dense(np.ones((2, 3, 2)), np.zeros((2, 1, 2)))]
    )
    rows = np.array([[[1.0], [2.0], [3.0]]])
    assert network.live_units(rows).tolist() == [[True, True, False], [False, False, False]]
    assert network.live_units(rows[:, :2]).tolist() == [[False, True, False], [False, False, False]]


def test_live_units_are_counted_over_all_hidden_layers(iris: Table) -> None:
    encoder = Encoder.fit(iris, "species")
    deep = study_seeds(encoder, iris, replace(QUICK, networks=2, epochs=1, hidden=(4, 5)))
    assert deep.hidden_units == 9
    assert (deep.live_units > 5).all()
    assert (deep.live_units <= 9).all()
    flat = study_seeds(encoder, iris, replace(QUICK, networks=2, epochs=1, hidden=()))
    assert flat.hidden_units == 0
    assert flat.live_units.tolist() == [0, 0]


def test_rows_without_a_label_are_left_out_and_lines_are_the_files(
    write: Callable[[str, str | bytes], Path],
) -> None:
    cells = [f"{i},{'' if i == 3 else 'ab'[i % 2]}" for i in range(20)]
    path = write("gaps.csv", "\n".join(["x,y", "", *cells]))
    table = read_csv(path)
    settings = TrainingSettings(networks=2, epochs=1)
    study = study_seeds(Encoder.fit(table, "y"), table, settings)
    assert study.rows.tolist() == [0, 1, 2, *range(4, 20)]
    assert study.table.lines[study.rows].tolist() == [3, 4, 5, *range(7, 23)]
    assert study.probabilities.shape == study.predicted.shape == (2, 19)


def test_progress_is_told_group_by_group(iris: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    settings = replace(QUICK, networks=5, epochs=1)
    monkeypatch.setattr(seeds, "NETWORKS_AT_ONCE", 2)
    study_seeds(Encoder.fit(iris, "species"), iris, settings, told.append)
    assert told == [2, 2, 1]


def test_probability_of_one_real_flower_depends_on_the_seed_where_accuracy_does_not(
    iris: Table,
) -> None:
    encoder = Encoder.fit(iris, "species", ["petal_length", "sepal_length"])
    study = study_seeds(encoder, iris, TrainingSettings(networks=100, hidden=(2,), bins=0))
    flower = 41
    assert iris["petal_width"].numbers[flower] == 0.3  # type: ignore[index]
    assert iris["sepal_width"].numbers[flower] == 2.3  # type: ignore[index]
    assert study.class_names[study.labels[flower]] == "setosa"
    good = study.accuracies >= 0.9
    assert good.sum() > 90
    assert study.probabilities[good, flower].min() < 0.35
    assert study.probabilities[good, flower].max() > 0.95
