from __future__ import annotations

import math
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain, pairwise, product
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minnet
from minnet.analysis import search as search_module
from minnet.analysis.grid import TRIED, Grid, shown_value
from minnet.analysis.tuning import Tuning, expected_flattery, tune
from minnet.errors import SettingsError, TrainingError
from minnet.model.document import to_bytes
from minnet.model.intervals import design_effect
from minnet.training.settings import TrainingSettings
from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from minnet.analysis.grid import Point

QUICK: dict[str, Any] = {"epochs": 6, "networks": 4, "bins": 0}
SLOW_FIRST = {"learning_rate": [0.003, 0.01], **QUICK}


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
    return tune(PENGUINS, "species", **SLOW_FIRST)


@pytest.mark.parametrize("workers", [2, 3])
def test_results_are_the_same_whatever_the_workers(penguins: Tuning, workers: int) -> None:
    other = tune(PENGUINS, "species", workers=workers, **SLOW_FIRST)
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


def test_winner_has_the_smallest_log_loss_and_gains_more_than_a_standard_error_and_luck(
    penguins: Tuning,
) -> None:
    winner = penguins.trials[penguins.chosen]
    assert winner.log_loss == min(trial.log_loss for trial in penguins.trials)
    assert winner.gain * (winner.gain - penguins.flattery) > winner.gain_error**2 > 0


def test_first_recipe_wins_where_the_best_is_so_by_chance() -> None:
    generator = np.random.default_rng(5)
    noise = table_of(generator.standard_normal((120, 3)), generator.integers(0, 2, 120))
    alike = {"hidden": [(4,), (5,), (6,)], "seed": [0, 1]}
    fixed = {"learning_rate": None, "weight_decay": 0.05, "bins": 0, "epochs": 20}
    tuning = tune(noise, "label", **alike, **fixed)
    best = tuning.trials[tuning.best]
    assert best.gain > best.gain_error, "too easy"
    assert 0 < tuning.flattery <= best.gain
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
        tuning = tune(PENGUINS, "species", trials=most, **SLOW_FIRST)
        assert tuning.recipes == penguins.recipes[:most]
    assert len(tune(PENGUINS, "species", trials=1000, **SLOW_FIRST)) == len(penguins)


def test_after_its_seconds_no_recipe_is_begun_but_the_first_is_always_tried() -> None:
    tuning = tune(PENGUINS, "species", seconds=1e-9, **SLOW_FIRST)
    assert len(tuning) < 4
    assert tuning.recipes[0] == {"hidden": (32,), "learning_rate": 0.003, "weight_decay": 0.05}


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
        ({"networks": [2, 8]}, "`networks` can have only one value"),
        ({"hidden": [32], "bins": 0, "learning_rate": 0.1, "weight_decay": 0.1}, "only one recipe"),
        ({"learning_rate": [0.1, -1]}, "`learning_rate` is -1: it must be a number above 0"),
        ({"learning_rate": []}, "`learning_rate` has no value"),
        ({"hiden": [3, 4]}, "did you mean 'hidden'?"),
        ({"trials": 0}, "`trials` is 0"),
        ({"seconds": 0}, "`seconds` is 0: it must be a number above 0"),
        ({"workers": 0}, "`workers` is 0"),
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


def test_flattery_is_the_luck_of_winners() -> None:
    generator = np.random.default_rng(0)
    told, luck = [], []
    for _ in range(20_000):
        true = generator.uniform(0, 3) * alike_by_half(generator)
        gains = true + alike_by_half(generator)
        best = gains.argmax()
        if gains[best] > 0:
            flattery = expected_flattery(gains, np.ones(12))
            if gains[best] * (gains[best] - flattery) > 1:
                told.append(flattery)
                luck.append(gains[best] - true[best])
    assert len(told) > 5000
    assert np.mean(told) == pytest.approx(np.mean(luck), rel=0.2)


def test_at_most_one_noise_table_in_six_has_a_winner() -> None:
    generator = np.random.default_rng(0)
    winners = 0
    for _ in range(4000):
        gains = alike_by_half(generator)
        best = gains.max()
        flattery = expected_flattery(gains, np.ones(12)) if best > 0 else 0.0
        winners += best * (best - flattery) > 1
    assert winners / 4000 < 1 / 6  # so much lies more than a standard error above the mean


def alike_by_half(generator: Any) -> Any:
    """Twelve normal numbers, of correlation a half, as gains over the same first recipe have."""
    return (generator.standard_normal(12) + generator.standard_normal()) / math.sqrt(2)


def test_flattery_is_small_for_gains_far_above_their_errors_and_all_of_those_within() -> None:
    gains = np.array([0.3, 0.2, -0.1])
    assert expected_flattery(gains, np.full(3, 0.01)) == pytest.approx(0.3 / 351, rel=0.01)
    assert expected_flattery(gains, np.full(3, 0.4)) == 0.3
    assert expected_flattery(gains, np.zeros(3)) == 0
    assert expected_flattery(gains, np.full(3, math.inf)) == 0.3


def test_hopeless_recipes_do_not_make_a_gain_sure() -> None:
    errors = np.full(3, 0.2)
    poor, hopeless = (np.array([0.3, 0.1, -loss]) for loss in (0.3, 5.0))
    told = expected_flattery(poor, errors)
    assert 0.1 < told < 0.3
    assert expected_flattery(hopeless, errors) == told


def test_flattery_is_that_of_the_trials(penguins: Tuning) -> None:
    others = penguins.trials[1:]
    gains = np.array([trial.gain for trial in others])
    errors = np.array([trial.gain_error for trial in others])
    assert 0 < penguins.flattery == expected_flattery(gains, errors) < gains.max()


def test_flattery_is_none_where_the_first_recipe_is_the_best_or_failed() -> None:
    alike: dict[str, Any] = {"hidden": (3,), "weight_decay": 0.05, **QUICK}
    tuning = tune(IRIS, "species", learning_rate=[0.01, 1e-6], **alike)
    assert (tuning.best, tuning.flattery) == (0, 0)
    tuning = tune(IRIS, "species", learning_rate=[1e30, 0.01], **alike)
    assert (tuning.best, tuning.flattery) == (1, 0)


def test_long_tasks_come_first_and_recipes_of_a_shape_stay_together() -> None:
    grid = Grid.of({"hidden": [(4,), (64,)], "bins": 0, "weight_decay": [0.0, 0.1, 0.2]})
    points = grid.around(grid.origin, ())
    tasks = grid.tasks(points, 1)
    assert sorted(point for task in tasks for point in task) == sorted(points)
    sizes = [{grid.settings(point).hidden for point in task} for task in tasks]
    assert sizes == [{(64,)}, {(4,)}]
    assert max(map(len, grid.tasks(points, 3))) == 2


def results_of(
    grid: Grid, loss_of: Callable[[Point], int], trials: int, workers: int, ends: Callable[..., Any]
) -> list[dict[Point, Any]]:
    """Search with workers of which `ends`, given futures and their points, chooses the next."""
    points = {grid.settings(point): point for point in product(*map(range, map(len, grid.values)))}
    running: dict[Future[Any], list[Point]] = {}

    class Pool(nullcontext[Any]):
        size = workers

        def submit(self, function: Any, recipes: Any) -> Future[Any]:
            future: Future[Any] = Future()
            running[future] = [points[recipe] for recipe in recipes]
            return future

    def wait(futures: Any, return_when: str) -> Any:
        assert list(futures) == list(running)
        assert len(running) <= workers
        future = ends(running)
        tried = [SimpleNamespace(log_loss=loss_of(point)) for point in running.pop(future)]
        future.set_result(tried)
        return SimpleNamespace(done={future})

    source: Any = SimpleNamespace(try_together=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_module, "open_pool", lambda *_: Pool(Pool()))
        patch.setattr(search_module, "wait", wait)
        found = list(search_module.search(source, grid, trials, math.inf, workers))
    return [{point: one.log_loss for point, one in some.items()} for some in found]


@settings(deadline=None)
@given(losses=st.lists(st.integers(0, 9), min_size=24, max_size=24), data=st.data())
def test_search_asks_for_the_same_recipes_in_whatever_order_workers_end(
    losses: list[int], data: st.DataObject
) -> None:
    grid = Grid.of({})
    loss_of = dict(zip(product(*map(range, map(len, grid.values))), losses, strict=True))
    trials, workers = data.draw(st.integers(1, 24)), data.draw(st.integers(2, 5))

    def any_of(running: dict[Future[Any], Any]) -> Future[Any]:
        return data.draw(st.sampled_from(list(running)))

    alone = results_of(grid, loss_of.__getitem__, trials, 1, any_of)[-1]
    assert len(alone) <= trials
    several = results_of(grid, loss_of.__getitem__, trials, workers, any_of)
    assert list(several[-1].items()) == list(alone.items())
    for before, after in pairwise(several):
        assert before.items() < after.items()


def test_worker_without_work_begins_the_next_round() -> None:
    grid = Grid.of({})
    begun: list[Point] = []
    begun_beside_the_first: list[int] = []

    def last_begun(running: dict[Future[Any], list[Point]]) -> Future[Any]:
        begun[:] = dict.fromkeys([*begun, *chain(*running.values())])
        first, *others = running
        if not others:
            begun_beside_the_first.append(len(begun))
        return others[-1] if others else first

    results_of(grid, lambda point: 10 - sum(point), 24, 2, last_begun)
    first_round = grid.around(grid.origin, ())
    assert set(begun[: len(first_round)]) == set(first_round)
    assert begun_beside_the_first[0] > len(first_round)
