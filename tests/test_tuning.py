from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minnet
from minnet.analysis import tuning as tuning_module
from minnet.analysis.tuning import (
    DEFAULT_VALUES,
    Grid,
    Trial,
    Tuning,
    optimism,
    search,
    tasks,
    tune,
    work,
)
from minnet.data.encoding import Encoder
from minnet.errors import SettingsError, TrainingError
from minnet.model.document import from_bytes, to_bytes
from minnet.model.fit import TrainingData
from minnet.model.judges import design_effect
from minnet.model.model import Selection
from minnet.training.settings import TrainingSettings, shown_value
from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

QUICK: dict[str, Any] = {"epochs": 6, "networks": 4, "bins": 0}
SLOW_FIRST = {"learning_rate": [0.003, 0.01], **QUICK}


def table_of(features: Any, labels: Any) -> dict[str, list[Any]]:
    columns = {f"x{i}": column.tolist() for i, column in enumerate(np.transpose(features))}
    return columns | {"label": [f"class {label}" for label in labels]}


def configurations_of(tuning: Tuning) -> list[dict[str, Any]]:
    return [trial.configuration for trial in tuning.trials]


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


def test_model_is_what_train_makes_with_the_winners_settings(penguins: Tuning) -> None:
    assert penguins.chosen
    model = minnet.train(PENGUINS, "species", **vars(penguins.model.settings))
    assert to_bytes(replace(penguins.model, selection=None)) == to_bytes(model)
    evaluation = minnet.evaluate(model, PENGUINS)
    trial = penguins.trials[penguins.chosen]
    assert trial.log_loss == pytest.approx(evaluation.log_loss)
    assert trial.accuracy == evaluation.accuracy == penguins.evaluation.accuracy
    losses = evaluation.row_losses
    assert trial.standard_error == pytest.approx(
        math.sqrt(evaluation.inflation * losses.var(ddof=1) / len(losses))
    )
    origin = penguins.trials[0].model
    assert origin is not None
    first = minnet.evaluate(minnet.train(PENGUINS, "species", **vars(origin.settings)), PENGUINS)
    gains = first.row_losses - losses
    error = math.sqrt(evaluation.inflation * gains.var(ddof=1) / len(gains))
    assert penguins.gain == pytest.approx((first.log_loss - evaluation.log_loss, error))


def test_winner_has_the_smallest_log_loss(penguins: Tuning) -> None:
    losses = [trial.log_loss for trial in penguins.trials]
    assert penguins.chosen == int(np.argmin(losses))
    assert penguins.gain[0] == pytest.approx(losses[0] - min(losses))


def test_of_equal_log_losses_the_first_wins() -> None:
    trials = tuple(Trial({"bins": bins}, loss) for bins, loss in enumerate((0.5, 0.4, 0.4)))
    assert Tuning(trials, np.arange(3)).chosen == 1


def test_model_remembers_from_how_many_it_was_chosen_and_the_optimism(penguins: Tuning) -> None:
    selection = penguins.model.selection
    assert selection is not None
    judged = [trial.evaluation for trial in penguins.trials if trial.evaluation is not None]
    losses = np.array([one.row_losses for one in judged])
    hits = np.array([one.predicted == one.labels for one in judged])
    assert selection == Selection(len(judged), *optimism(losses, hits, penguins.parts))
    assert selection.configurations == len(penguins)
    assert from_bytes(to_bytes(penguins.model), "here").selection == selection


def test_scores_of_a_tuned_model_are_said_to_flatter_on_rows_of_its_training_table_alone(
    stripes: dict[str, list[Any]],
) -> None:
    half = {name: column[:150] for name, column in stripes.items()}
    fresh = {name: column[150:] for name, column in stripes.items()}
    tuning = tune(half, "label", hidden=[(4,), (5,)], **QUICK)
    for rows in (half, {name: column[:20] for name, column in half.items()}, stripes):
        evaluation = minnet.evaluate(tuning.model, rows)
        assert evaluation.selection == tuning.selection is not None
        assert str(tuning.selection) in evaluation._repr_html_()
    assert minnet.evaluate(tuning.model, fresh).selection is None
    assert str(tuning.selection) in tuning.model._repr_html_()


def test_model_of_a_single_configuration_was_not_chosen() -> None:
    alike: dict[str, Any] = {"hidden": (3,), "weight_decay": 0.05, **QUICK}
    for tuning in (
        tune(IRIS, "species", trials=1, **QUICK),
        tune(IRIS, "species", learning_rate=[1e30, 0.01], **alike),
    ):
        assert tuning.selection is None
        assert tuning.model.selection is None


def test_bins_win_where_classes_take_turns_along_a_column(stripes: dict[str, list[Any]]) -> None:
    tuning = tune(stripes, "label", hidden=(16,), bins=[0, 8, 16])
    assert tuning.model.settings.bins > 0
    gain, error = tuning.gain
    assert gain > 3 * error
    assert tuning.selection is not None
    assert 0 <= tuning.selection.log_loss_optimism < gain / 2


def test_default_grid_begins_with_the_default_configuration_and_steps_to_neighbours() -> None:
    tuning = tune(IRIS, "species", epochs=2, networks=2)
    first = tuning.trials[0].model
    assert first is not None
    assert first.settings == TrainingSettings(epochs=2, networks=2)
    assert list(tuning.trials[0].configuration) == list(DEFAULT_VALUES)
    configurations = [list(map(shown_value, one.values())) for one in configurations_of(tuning)]
    assert len({tuple(configuration) for configuration in configurations}) == len(configurations)

    def distance(a: Sequence[str], b: Sequence[str]) -> int:
        return sum(x != y for x, y in zip(a, b, strict=True))

    for i in range(1, len(configurations)):
        assert any(distance(configurations[j], configurations[i]) == 1 for j in range(i))
    for name in ("bins", "weight_decay", "hidden"):
        seen = {shown_value(one[name]) for one in configurations_of(tuning)}
        assert seen == set(map(shown_value, DEFAULT_VALUES[name]))


def noise(rows: int, columns: int) -> dict[str, list[Any]]:
    generator = np.random.default_rng(1)
    numbers = {f"x{k}": generator.normal(size=rows).tolist() for k in range(columns)}
    return numbers | {"label": ["ab"[k] for k in generator.integers(0, 2, rows)]}


def test_more_weight_decay_is_tried_and_first_where_there_is_little_to_learn_from() -> None:
    hard = {"epochs": 3, "networks": 2, "bins": 0, "hidden": 4, "learning_rate": [0.01, 0.02]}

    def decays(data: Any, target: str, **settings: Any) -> list[float]:
        tuning = tune(data, target, **settings)
        return [trial.model.settings.weight_decay for trial in tuning.trials if trial.model]

    assert decays(IRIS, "species", **hard | {"epochs": 30}) == [0.05, 0.3, 0.05]
    wide = decays(noise(30, 40), "label", **hard)
    assert wide[:4] == [0.05, 0.3, 1, 3]
    few = decays(noise(200, 2), "label", **hard | {"learning_rate": [0.3, 0.2]})
    assert few[:4] == [0.05, 0.3, 1, 3]
    given = tune(noise(30, 40), "label", **hard, weight_decay=0.1)
    assert {trial.model.settings.weight_decay for trial in given.trials if trial.model} == {0.1}


def test_quick_configurations_are_tried_first() -> None:
    grid = Grid.from_settings({})
    around = grid.around(grid.first, {grid.first}, "hidden")
    assert [one.hidden for one in around] == [(), (8,), (64,)]
    assert [work(one) for one in around] == sorted(map(work, around))
    budget = tune(IRIS, "species", trials=2, epochs=2, networks=2)
    assert [trial.configuration["bins"] for trial in budget.trials] == [8, 0]


def test_no_configuration_without_bins_is_sharp() -> None:
    grid = Grid.from_settings({"bins": 0, "sharp_bins": [False, True], "hidden": [4, 5]})
    assert "sharp_bins" not in grid.values
    grid = Grid.from_settings({"bins": [4, 0]})
    sharp = replace(grid.first, sharp_bins=True)
    assert [one.bins for one in grid.around(sharp, (), "bins")] == [4]


def test_trials_are_the_most_configurations_and_the_same_ones_first(penguins: Tuning) -> None:
    for most in (1, 3):
        tuning = tune(PENGUINS, "species", trials=most, **SLOW_FIRST)
        assert configurations_of(tuning) == configurations_of(penguins)[:most]
    assert len(tune(PENGUINS, "species", trials=1000, **SLOW_FIRST)) == len(penguins)


def test_after_its_seconds_no_configuration_is_begun_but_the_first_is_always_tried() -> None:
    tuning = tune(PENGUINS, "species", seconds=1e-9, **SLOW_FIRST)
    assert len(tuning) < 4
    first = tuning.trials[0].model
    assert first is not None
    assert first.settings.learning_rate == 0.003


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
    assert list(configurations_of(tuning)[0]) == ["weight_decay", "hidden", "batch_size"]
    assert configurations_of(tuning)[0] == {"weight_decay": 0.0, "hidden": (3,), "batch_size": 16}
    models = [trial.model for trial in tuning.trials if trial.model is not None]
    assert {model.settings.learning_rate for model in models} == {0.02}
    assert {model.settings.hidden for model in models} == {(3,), (2, 2)}
    assert {model.settings.batch_size for model in models} == {16, 64}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"networks": [2, 8]}, "`networks` can have only one value"),
        (
            {"hidden": [32], "bins": 0, "learning_rate": 0.1, "weight_decay": 0.1},
            "only one configuration",
        ),
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


def test_configuration_that_fails_is_told_and_passed_over() -> None:
    fixed: dict[str, Any] = {"hidden": (3,), "weight_decay": 0.05, **QUICK}
    tuning = tune(IRIS, "species", learning_rate=[0.01, 1e30], **fixed)
    assert tuning.chosen == 0
    assert "too large" in tuning.trials[1].error
    assert math.isinf(tuning.trials[1].log_loss)
    tuning = tune(IRIS, "species", learning_rate=[1e30, 0.01], **fixed)
    assert tuning.chosen == 1
    assert all(map(math.isnan, tuning.gain))
    assert tuning.model.settings.learning_rate == 0.01
    with pytest.raises(TrainingError, match=r"too large: try 0\.01"):
        _ = tune(IRIS, "species", learning_rate=[1e30, 1e29], **fixed).model


def test_callback_sees_all_configurations_so_far() -> None:
    seen: list[Tuning] = []
    tuning = tune(IRIS, "species", hidden=[(2,), (3,), (4,)], on_trials=seen.append, **QUICK)
    lengths = [len(one) for one in seen]
    assert lengths == sorted(set(lengths))
    assert configurations_of(seen[-1]) == configurations_of(tuning)
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
    evaluation = tuning.trials[0].evaluation
    assert evaluation is not None
    losses = evaluation.row_losses
    effect = design_effect(losses, evaluation.groups)
    expected = math.sqrt(evaluation.inflation * effect * losses.var(ddof=1) / len(losses))
    assert tuning.trials[0].standard_error == pytest.approx(expected)
    shops = np.array(table["shop"])[evaluation.rows]
    for shop in shops:
        assert len(set(tuning.parts[shops == shop])) == 1
    assert set(tuning.parts) == set(range(8))


def test_optimism_is_the_luck_of_the_best_of_several() -> None:
    generator = np.random.default_rng(0)
    told, luck = [], []
    for _ in range(300):
        losses = generator.standard_normal((12, 160))  # none is better: all is luck
        told.append(optimism(losses, -losses, np.arange(160) % 8))
        luck.append(-losses.mean(axis=1).min())
    biases = np.array(told)[:, 0] - luck
    assert np.mean(luck) > 0.05
    assert abs(biases.mean()) < 3 * biases.std() / math.sqrt(300)
    np.testing.assert_allclose(*np.transpose(told))


@given(
    st.integers(1, 4).flatmap(
        lambda rows: st.lists(
            st.lists(st.floats(0, 5), min_size=3 * rows, max_size=3 * rows), min_size=2, max_size=5
        )
    ),
    st.integers(1, 9),
)
def test_optimism_of_the_loss_is_never_negative_and_no_more_than_the_whole_gain(
    losses: list[list[float]], parts: int
) -> None:
    values = np.array(losses)
    told, missed = optimism(values, np.zeros_like(values), np.arange(values.shape[1]) % parts)
    means = values.mean(axis=1)
    assert 0 <= told <= values.max() * len(values)
    assert missed == 0
    if parts == 1:
        assert told == pytest.approx(means[0] - means.min())


def test_optimism_is_none_where_all_rows_choose_alike() -> None:
    generator = np.random.default_rng(0)
    losses = generator.random((3, 80)) + np.array([[2.0], [0.0], [2.0]])
    assert optimism(losses, losses, np.arange(80) % 8) == (0, 0)


def test_gain_less_optimism_is_that_on_fresh_rows() -> None:
    """On tables of noise, whose gains are mostly luck; forty of them, since each scatters."""
    shown, told, true = [], [], []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, 2, 580)
        table = table_of(generator.standard_normal((580, 4)), labels)
        own = {name: column[:80] for name, column in table.items()}
        tuning = tune(own, "label", epochs=15, hidden=[(8,), (16,)])
        fresh = {name: column[80:] for name, column in table.items()}
        losses = []
        for model in (tuning.trials[0].model, tuning.model):
            assert model is not None
            observed = model.member_probabilities(fresh)[:, np.arange(500), labels[80:]]
            losses.append(-np.log(observed).mean())
        assert tuning.selection is not None
        shown.append(tuning.gain[0])
        told.append(tuning.gain[0] - tuning.selection.log_loss_optimism)
        true.append(losses[0] - losses[1])

    def bias(gains: list[float]) -> float:
        differences = np.subtract(gains, true)
        return float(differences.mean() / differences.std(ddof=1) * math.sqrt(40))

    assert bias(shown) > 3
    assert abs(bias(told)) < 2


def test_long_tasks_come_first_and_configurations_of_a_shape_stay_together() -> None:
    grid = Grid.from_settings({"hidden": [(4,), (64,)], "bins": 0, "weight_decay": [0.0, 0.1, 0.2]})
    configurations = [
        one
        for size in grid.around(grid.first, (), "hidden")
        for one in grid.around(size, (), "weight_decay")
    ]
    cut = tasks(configurations, 1)
    assert {one for task in cut for one in task} == set(configurations)
    assert sum(map(len, cut)) == len(configurations)
    assert [{settings.hidden for settings in task} for task in cut] == [{(64,)}, {(4,)}]
    assert max(map(len, tasks(configurations, 3))) == 2


def searched(
    grid: Grid, losses: Mapping[TrainingSettings, int], most: int, workers: int
) -> list[dict[tuple[Any, ...], float]]:
    """Search without training anything; returns what was found, each time."""
    table = minnet.read_csv(IRIS)
    encoder = Encoder.fit(table, "species")
    data = TrainingData.of(encoder, table.source, encoder.examples(table), grid.first)

    def tried(_workers: int, _function: Any, tasks: Any, *_common: Any) -> Any:
        for task in tasks:
            yield {one: Trial(grid.configuration(one), losses[one]) for one in task}

    found: list[Tuning] = []
    with patch.object(tuning_module, "in_order", tried):
        found.append(search(data, grid, most, workers=workers, on_trials=found.append))
    return [
        {tuple(trial.configuration.values()): trial.log_loss for trial in some.trials}
        for some in found
    ]


@settings(deadline=None)
@given(losses=st.lists(st.integers(0, 9), min_size=128, max_size=128), data=st.data())
def test_search_asks_for_the_same_configurations_with_any_number_of_workers(
    losses: list[int], data: st.DataObject
) -> None:
    grid = Grid.from_settings({})
    varied = grid.for_little_to_learn()
    configurations = [
        TrainingSettings(**dict(zip(varied.values, values, strict=True)))
        for values in product(*varied.values.values())
    ]
    loss_of = dict(zip(configurations, losses, strict=True))
    most, workers = data.draw(st.integers(1, 24)), data.draw(st.integers(2, 5))
    alone, several = (searched(grid, loss_of, most, count) for count in (1, workers))
    assert list(several[-1].items()) == list(alone[-1].items())
    assert several[-1] == several[-2]
    for before, after in pairwise(several[:-1]):
        assert before.items() < after.items()
    expected = [grid.first]
    for name, values in (varied if loss_of[grid.first] > math.log(3) else grid).values.items():
        best = min(expected, key=loss_of.__getitem__)
        others = {replace(best, **{name: value}): None for value in values}.keys() - {*expected}
        new = [one for one in others if one.bins or not one.sharp_bins]
        expected += sorted(new, key=lambda one: (work(one), values.index(getattr(one, name))))
    asked = [tuple(grid.configuration(one).values()) for one in expected[:most]]
    assert list(alone[-1]) == asked
    assert len(expected) <= grid.most
