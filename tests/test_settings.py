from __future__ import annotations

import dataclasses
import math
import os
import resource
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import minnet
from minnet.data.table import Table
from minnet.errors import SettingsError
from minnet.training import settings as settings_module
from minnet.training.settings import TrainingSettings, total_memory

if TYPE_CHECKING:
    from typing import NoReturn


def test_defaults_are_the_measured_recipe() -> None:
    assert dataclasses.asdict(TrainingSettings()) == {
        "networks": 8,
        "hidden": (32,),
        "bins": 8,
        "sharp_bins": False,
        "epochs": 300,
        "patience": 12,
        "learning_rate": None,
        "batch_size": None,
        "weight_decay": 0.05,
        "optimizer": "adam",
        "loss": "cross-entropy",
        "balanced": False,
        "class_weights": None,
        "seed": 0,
    }


def test_settings_are_made_of_keywords_and_an_unknown_one_is_named() -> None:
    settings = TrainingSettings.of(hidden=[4, 3], seed=7)
    assert settings == TrainingSettings(hidden=(4, 3), seed=7)
    with pytest.raises(SettingsError, match="no setting 'epoch'; did you mean 'epochs'"):
        TrainingSettings.of(epoch=3)


def test_settings_cannot_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingSettings().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("optimizer", "learning_rate", "expected"),
    [("adam", None, 0.01), ("sgd", None, 0.03), ("adam", 0.5, 0.5), ("sgd", 1e-9, 1e-9)],
)
def test_effective_learning_rate_is_the_learning_rate_or_the_optimizers_own(
    optimizer: Any, learning_rate: float | None, expected: float
) -> None:
    settings = TrainingSettings(optimizer=optimizer, learning_rate=learning_rate)
    assert settings.effective_learning_rate == expected


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 0.003), ("sgd", 0.009)])
def test_learning_rate_is_smaller_for_more_features_than_rows(optimizer: Any, rate: float) -> None:
    settings = TrainingSettings(optimizer=optimizer)
    assert settings.for_table(30, 30) == settings
    assert settings.for_table(30, 31).effective_learning_rate == pytest.approx(rate)
    given = TrainingSettings(optimizer=optimizer, learning_rate=0.01)
    assert given.for_table(30, 31) == given


def test_whatever_trains_on_a_wide_table_takes_the_smaller_rate() -> None:
    generator = np.random.default_rng(0)
    table = Table.from_columns(
        {f"x{i}": generator.standard_normal(20) for i in range(21)} | {"label": ["a", "b"] * 10}
    )
    quick: dict[str, Any] = {"epochs": 2, "networks": 2, "bins": 0, "hidden": 4}
    default, given = (
        minnet.train(table, "label", **quick, **rate) for rate in ({}, {"learning_rate": 0.003})
    )
    assert default.settings == given.settings
    assert (default.network.values == given.network.values).all()
    tuned = minnet.tune(table, "label", **quick | {"hidden": [4, 5]})
    assert {one.model.settings.learning_rate for one in tuned.trials if one.model} == {0.003}
    studies = [
        minnet.seeds(table, "label", **quick, **rate) for rate in ({}, {"learning_rate": 0.003})
    ]
    assert (studies[0].probabilities == studies[1].probabilities).all()


@pytest.mark.parametrize(("networks", "folds"), [(1, 5), (4, 5), (5, 5), (6, 6), (20, 20)])
def test_there_is_a_fold_for_each_network_but_at_least_five(networks: int, folds: int) -> None:
    assert TrainingSettings(networks=networks).folds == folds


@pytest.mark.parametrize("rows", [150, 20_000])
def test_small_tables_take_small_batches(rows: int) -> None:
    assert TrainingSettings().batch_size_for(rows) == 32


def test_large_tables_take_large_batches_unless_told() -> None:
    assert TrainingSettings().batch_size_for(20_001) == 512
    assert TrainingSettings(batch_size=7).batch_size_for(20_001) == 7


@pytest.mark.parametrize("name", ["networks", "epochs", "patience", "batch_size"])
@pytest.mark.parametrize("value", [0, 2.0, "3", True, 2**63])
def test_counts_that_are_not_whole_numbers_from_1_on_are_refused(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"^`{name}` is .*: it must be a whole number"):
        TrainingSettings(**{name: value})


@pytest.mark.parametrize("value", [-1, 0.5, "0", False])
def test_seed_that_is_not_a_whole_number_from_0_on_is_refused(value: Any) -> None:
    with pytest.raises(SettingsError, match=r"^`seed` is .*: it must be a whole number"):
        TrainingSettings(seed=value)


@pytest.mark.parametrize("hidden", [(0,), (8, -1), (8, 2.5)])
def test_hidden_layers_without_units_are_refused(hidden: tuple[Any, ...]) -> None:
    with pytest.raises(SettingsError, match="`hidden` is"):
        TrainingSettings(hidden=hidden)


@pytest.mark.parametrize("settings", [{"networks": 100_001}, {"hidden": (8, 100_001)}])
def test_networks_and_layers_that_no_memory_holds_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="is 100001: it must be a whole number"):
        TrainingSettings(**settings)


def test_no_hidden_layer_is_allowed() -> None:
    assert TrainingSettings(hidden=()).hidden == ()


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_learning_rates_that_make_no_sense_are_refused(value: float) -> None:
    with pytest.raises(SettingsError, match="`learning_rate` is"):
        TrainingSettings(learning_rate=value)


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_weight_decays_that_make_no_sense_are_refused(value: float) -> None:
    with pytest.raises(SettingsError, match="`weight_decay` is"):
        TrainingSettings(weight_decay=value)


@pytest.mark.parametrize(
    ("name", "choices"),
    [("optimizer", "'adam' or 'sgd'"), ("loss", "'cross-entropy' or 'squared-residuals'")],
)
def test_an_unknown_name_is_answered_with_the_known_ones(name: str, choices: str) -> None:
    with pytest.raises(SettingsError, match=f"^`{name}` is 'newton': it must be {choices}$"):
        TrainingSettings(**{name: "newton"})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1, "no", None])
def test_balanced_that_is_neither_true_nor_false_is_refused(value: Any) -> None:
    with pytest.raises(SettingsError, match="`balanced` is"):
        TrainingSettings(balanced=value)


def test_layer_sizes_run_from_features_to_classes() -> None:
    assert TrainingSettings(hidden=(7, 6)).layer_sizes(150, 4, 3) == [4, 7, 6, 3]
    assert TrainingSettings(hidden=()).layer_sizes(150, 4, 3) == [4, 3]


@pytest.mark.parametrize(
    ("settings", "rows", "features"),
    [
        ({"hidden": (10_000, 10_000)}, 150, 4),
        ({"networks": 10_000, "hidden": (500,)}, 150, 4),
        ({}, 150, 10_000_000),
        ({}, 1_000_000_000, 4),
    ],
)
def test_shapes_that_would_take_more_memory_than_there_is_are_refused(
    settings: dict[str, Any], rows: int, features: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_module, "total_memory", lambda: 2.0 * 2**30)
    with pytest.raises(SettingsError, match=r"GB of memory, and there are 2\.0 GB"):
        TrainingSettings(**settings).layer_sizes(rows, features, 3)


def test_shapes_are_refused_by_no_fixed_number(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = 150, 100_000, 3
    settings = TrainingSettings()
    monkeypatch.setattr(settings_module, "total_memory", lambda: 5.0 * 2**30)
    assert settings.layer_sizes(*shape) == [100_000, 32, 3]
    monkeypatch.setattr(settings_module, "total_memory", lambda: 4.5 * 2**30)
    with pytest.raises(SettingsError, match=r"about 4\.7 GB of memory"):
        settings.layer_sizes(*shape)


def test_memory_is_that_of_the_machine_or_what_the_process_may_have() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    whole = total_memory()
    assert whole == os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (int(whole) - 2**20, before[1]))
    try:
        assert total_memory() == whole - 2**20
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("error", [AttributeError, ValueError, OSError])
def test_nothing_is_refused_where_the_memory_is_unknown(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> NoReturn:
        raise error

    monkeypatch.setattr(os, "sysconf", refuse)
    assert total_memory() == math.inf
    assert TrainingSettings().layer_sizes(10**12, 10**9, 3)


def test_nothing_is_refused_where_the_system_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", lambda _: -1)
    assert total_memory() == math.inf
    monkeypatch.setitem(sys.modules, "resource", None)
    assert total_memory() == math.inf
