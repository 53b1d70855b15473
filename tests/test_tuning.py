from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import minnet
from minnet.analysis.grid import TRIED, Grid, shown_value
from minnet.analysis.tuning import Tuning, tune
from minnet.errors import SettingsError, TrainingError
from minnet.model.document import to_bytes
from minnet.model.intervals import design_effect
from minnet.training.settings import TrainingSettings
from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from collections.abc import Sequence

QUICK: dict[str, Any] = {"epochs": 6, "networks": 4, "bins": 0}


def table_of(features: Any, labels: Any) -> dict[str, list[Any]]:
    columns = {f"x{i}": column.tolist() for i, column in enumerate(np.transpose(features))}
    return columns | {"label": [f"class {label}" for label in labels]}


@pytest.fixture(scope="module")
def stripes() -> dict[str, list[Any]]:
    """Classes that take turns along one column."""
    features = np.random.default_rng(0).random((300, 3))
    return table_of(features, (6 * features[:, 0]).astype(int) % 2)


@pytest.fixture(scope="module")
def penguins() -> Tuning:
    return tune(PENGUINS, "species", **QUICK)


@pytest.mark.parametrize("workers", [2, 3])
def test_results_are_the_same_whatever_the_workers(penguins: Tuning, workers: int) -> None:
    other = tune(PENGUINS, "species", workers=workers, **QUICK)
    assert [replace(trial, seconds=0) for trial in other.trials] == [
        replace(trial, seconds=0) for trial in penguins.trials
    ]
    assert to_bytes(other.model) == to_bytes(penguins.model)
    assert other.flattery == penguins.flattery


def test_model_is_what_train_makes_with_the_winners_settings(penguins: Tuning) -> None:
    winner = penguins.tried[penguins.chosen]
    assert penguins.chosen
    model = minnet.train(PENGUINS, "species", **vars(winner.settings))
    assert to_bytes(penguins.model) == to_bytes(model)
    evaluation = minnet.evaluate(model, PENGUINS)
    trial = penguins.trials[penguins.chosen]
    assert trial.log_loss == pytest.approx(evaluation.log_loss)
    losses = evaluation.row_losses
    assert trial.standard_error == pytest.approx(
        math.sqrt(evaluation.inflation * losses.var(ddof=1) / len(losses))
    )
    first = minnet.evaluate(
        minnet.train(PENGUINS, "species", **vars(penguins.tried[0].settings)), PENGUINS
    )
    gains = first.row_losses - losses
    assert trial.gain == pytest.approx(first.log_loss - evaluation.log_loss)
    assert trial.gain_error == pytest.approx(
        math.sqrt(evaluation.inflation * gains.var(ddof=1) / len(gains))
    )


def test_winner_has_the_smallest_log_loss_and_gains_more_than_a_standard_error(
    penguins: Tuning,
) -> None:
    winner = penguins.trials[penguins.chosen]
    assert winner.log_loss == min(trial.log_loss for trial in penguins.trials)
    assert winner.gain > winner.gain_error > 0


def test_first_recipe_wins_where_the_best_is_so_by_chance() -> None:
    generator = np.random.default_rng(5)
    noise = table_of(generator.standard_normal((120, 3)), generator.integers(0, 2, 120))
    alike = {"hidden": [(4,), (5,), (6,)], "seed": [0, 1]}
    fixed = {"learning_rate": None, "weight_decay": 0.05, "bins": 0, "epochs": 20}
    tuning = tune(noise, "label", **alike, **fixed)
    best = tuning.trials[tuning.best]
    assert best.gain > best.gain_error, "too easy"
    assert 0 < best.gain - tuning.flattery <= best.gain_error
    assert tuning.chosen == 0


def test_bins_win_where_classes_take_turns_along_a_column(stripes: dict[str, list[Any]]) -> None:
    tuning = tune(stripes, "label", hidden=(16,), learning_rate=None, weight_decay=0.05)
    assert tuning.tried[tuning.chosen].settings.bins > 0
    trial = tuning.trials[tuning.chosen]
    assert trial.gain > 3 * trial.gain_error
    assert 0 <= tuning.flattery < trial.gain


def test_default_grid_begins_with_the_default_recipe_and_steps_to_neighbours() -> None:
    tuning = tune(IRIS, "species", epochs=2, networks=2)
    first = tuning.tried[0].settings
    assert first == TrainingSettings(epochs=2, networks=2)
    assert list(tuning.trials[0].recipe) == list(TRIED)
    assert tuning.trials[0].recipe["learning_rate"] == 0.01
    recipes = [list(map(shown_value, recipe.values())) for recipe in tuning.recipes]
    steps = sum(len(values) - 1 for values in TRIED.values())
    assert len(recipes) > 1 + steps
    assert len({tuple(recipe) for recipe in recipes}) == len(recipes)

    def distance(a: Sequence[str], b: Sequence[str]) -> int:
        return sum(x != y for x, y in zip(a, b, strict=True))

    assert all(distance(recipes[0], recipe) == 1 for recipe in recipes[1 : 1 + steps])
    for i in range(1 + steps, len(recipes)):
        assert any(distance(recipes[j], recipes[i]) == 1 for j in range(i))
    best = int(np.argmin([trial.log_loss for trial in tuning.trials]))
    tried = set(map(tuple, recipes))
    grid = Grid.of({"epochs": 2, "networks": 2})
    around = grid.around(tuple(0 for _ in TRIED), ())
    assert len(around) == 1 + steps
    for name, values in TRIED.items():  # no neighbour of the best was left out
        for value in values:
            changed = dict(zip(TRIED, recipes[best], strict=True))
            changed[name] = shown_value(0.01 if value is None else value)
            assert tuple(changed.values()) in tried


def test_trials_are_the_most_recipes_and_the_same_ones_first(penguins: Tuning) -> None:
    for most in (1, 3):
        tuning = tune(PENGUINS, "species", trials=most, **QUICK)
        assert tuning.recipes == penguins.recipes[:most]
    assert len(tune(PENGUINS, "species", trials=1000, **QUICK)) == len(penguins)


def test_after_its_seconds_no_recipe_is_begun_but_the_first_is_always_tried() -> None:
    tuning = tune(PENGUINS, "species", seconds=1e-9, **QUICK)
    assert len(tuning) < 4
    assert tuning.recipes[0] == {"hidden": (32,), "learning_rate": 0.01, "weight_decay": 0.05}


def test_settings_are_fixed_or_lists() -> None:
    tuning = tune(
        IRIS,
        "species",
        hidden=[[3], (2, 2), (3,)],
        learning_rate=0.02,
        weight_decay=[0.0, 0.1],
        batch_size=[16, 64],
        epochs=2,
        networks=2,
        bins=0,
    )
    assert list(tuning.recipes[0]) == ["hidden", "weight_decay", "batch_size"]
    assert tuning.recipes[0] == {"hidden": (3,), "weight_decay": 0.0, "batch_size": 16}
    assert {tried.settings.learning_rate for tried in tuning.tried} == {0.02}
    assert {tried.settings.hidden for tried in tuning.tried} == {(3,), (2, 2)}
    assert {tried.settings.batch_size for tried in tuning.tried} == {16, 64}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"networks": [2, 8]}, "networks can have only one value"),
        ({"hidden": [32], "bins": 0, "learning_rate": 0.1, "weight_decay": 0.1}, "only one recipe"),
        ({"learning_rate": [0.1, -1]}, "learning_rate is -1: it must be above 0"),
        ({"learning_rate": []}, "learning_rate has no value"),
        ({"hiden": [3, 4]}, "did you mean 'hidden'?"),
        ({"trials": 0}, "trials is 0"),
        ({"seconds": 0}, "seconds is 0: it must be above 0"),
        ({"workers": 0}, "workers is 0"),
    ],
    ids=str,
)
def test_what_cannot_be_tried_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        tune(IRIS, "species", **settings)
    assert message in str(error.value)


def test_recipe_that_fails_is_told_and_passed_over() -> None:
    fixed: dict[str, Any] = {"hidden": (3,), "weight_decay": 0.05, **QUICK}
    tuning = tune(IRIS, "species", learning_rate=[0.01, 1e30], **fixed)
    assert tuning.chosen == 0
    assert "too large" in tuning.trials[1].error
    assert math.isnan(tuning.trials[1].log_loss)
    tuning = tune(IRIS, "species", learning_rate=[1e30, 0.01], **fixed)
    assert tuning.chosen == 1
    assert math.isnan(tuning.trials[1].gain)
    assert tuning.model.settings.learning_rate == 0.01
    with pytest.raises(TrainingError, match=r"too large: try 0\.01"):
        _ = tune(IRIS, "species", learning_rate=[1e30, 1e29], **fixed).model


def test_callback_sees_all_recipes_so_far() -> None:
    seen: list[Tuning] = []
    tuning = tune(IRIS, "species", hidden=[(2,), (3,), (4,)], on_trials=seen.append, **QUICK)
    lengths = [len(one) for one in seen]
    assert lengths == sorted(set(lengths))
    assert seen[-1].recipes == tuning.recipes
    assert len(lengths) > 2


def test_error_in_a_callback_ends_the_search() -> None:
    def stop(_: Tuning) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        tune(IRIS, "species", on_trials=stop, workers=2, **QUICK)


def test_rows_of_a_group_count_as_one_in_the_standard_errors() -> None:
    generator = np.random.default_rng(0)
    table = table_of(generator.standard_normal((90, 2)), generator.integers(0, 2, 90))
    table["shop"] = [f"shop {i // 5}" for i in range(90)]
    tuning = tune(table, "label", group="shop", hidden=(2,), **QUICK)
    evaluation = tuning.tried[0].evaluation
    assert evaluation is not None
    losses = evaluation.row_losses
    effect = design_effect(losses, evaluation.groups)
    expected = math.sqrt(evaluation.inflation * effect * losses.var(ddof=1) / len(losses))
    assert tuning.trials[0].standard_error == pytest.approx(expected)


def test_flattery_is_what_a_choice_among_equals_adds() -> None:
    from minnet.analysis.tuning import _difference_of_halves

    told, added = [], []
    for seed in range(40):
        gains = np.random.default_rng(seed).standard_normal((150, 6))
        told.append(_difference_of_halves(gains, None) / math.sqrt(2))
        added.append(gains.mean(axis=0).max())
    assert np.mean(told) == pytest.approx(np.mean(added), rel=0.25)
    assert _difference_of_halves(np.full((150, 6), 0.5), None) == pytest.approx(0)


def test_long_tasks_come_first_and_recipes_of_a_shape_stay_together() -> None:
    grid = Grid.of({"hidden": [(4,), (64,)], "bins": 0, "weight_decay": [0.0, 0.1, 0.2]})
    points = grid.around(grid.origin, ())
    tasks = grid.tasks(points, 1)
    assert sorted(point for task in tasks for point in task) == sorted(points)
    sizes = [{grid.settings(point).hidden for point in task} for task in tasks]
    assert sizes == [{(64,)}, {(4,)}]
    assert max(map(len, grid.tasks(points, 3))) == 2


def test_flattery_allows_for_the_luck_that_cross_validated_rows_share() -> None:
    tuning = tune(IRIS, "species", hidden=[(2,), (3,), (4,)], seed=[0, 1], **QUICK)

    def told(inflation: float) -> float:
        first, *others = tuning.tried
        assert first.evaluation is not None
        first = first._replace(evaluation=replace(first.evaluation, inflation=inflation))
        return replace(tuning, tried=(first, *others)).flattery

    assert told(2.0) == pytest.approx(math.sqrt(2) * told(1.0)) != 0
