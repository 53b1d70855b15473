from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from minnet.data.encoding import Encoder
from minnet.data.table import read_csv
from minnet.model.fit import TrainingData, fit_model
from minnet.training import batches
from minnet.training.loop import Training, train_networks
from minnet.training.settings import TrainingSettings
from tests.helpers import PENGUINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet import Model


def penguins(settings: TrainingSettings) -> TrainingData:
    table = read_csv(PENGUINS)
    encoder = Encoder.fit(table, "species")
    return TrainingData.of(encoder, table.source, encoder.examples(table), settings)


def trained_both_ways(
    configurations: Sequence[TrainingSettings],
) -> tuple[Training, list[Model]]:
    data = penguins(configurations[0])
    one, generators = data.start(configurations[0])
    network = one.select(np.tile(np.arange(len(one)), len(configurations)))
    together = train_networks(network, data.rows, generators, configurations)
    return together, [
        fit_model(data, one)
        for one, error in zip(configurations, together.errors, strict=True)
        if not error
    ]


def settings_of(*rates_and_decays: tuple[float | None, float], **settings: Any) -> Any:
    common = TrainingSettings(**settings)
    return [
        replace(common, learning_rate=rate, weight_decay=decay) for rate, decay in rates_and_decays
    ]


DIFFERENT = (None, 0.05), (0.003, 0.0), (0.1, 0.3)


@pytest.mark.parametrize("numbers_prepared", [0, 2**24])
@pytest.mark.parametrize(
    "settings",
    [
        {"bins": 0},
        {"bins": 4, "networks": 3},
        {"optimizer": "sgd", "balanced": True, "networks": 5},
        {"loss": "squared-residuals", "hidden": (), "networks": 1},
    ],
    ids=str,
)
def test_configuration_among_others_gets_the_bits_of_a_training_alone(
    settings: Any, numbers_prepared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_NUMBERS_PREPARED", numbers_prepared)
    lengths = set()
    together, alone = trained_both_ways(settings_of(*DIFFERENT, epochs=40, patience=2, **settings))
    assert not any(together.errors)
    for number, model in enumerate(alone):
        values, history = (
            together.best_values[together.networks_of(number)],
            together.history(number),
        )
        np.testing.assert_array_equal(values, model.network.values)
        for name, figures in vars(model.history).items():
            np.testing.assert_array_equal(getattr(history, name), figures)
        lengths.add(len(history))
    assert (together.seconds > 0).all()
    assert len(settings) > 1 or len(lengths) > 1, "all configurations stopped after the same epoch"


def test_configuration_that_diverges_leaves_the_others_alone() -> None:
    configurations = settings_of((None, 0.05), (1e30, 0.05), (0.003, 0.05), epochs=4)
    together, alone = trained_both_ways(configurations)
    assert "too large: try 0.01" in together.errors[1]
    assert [not error for error in together.errors] == [True, False, True]
    for number, model in zip((0, 2), alone, strict=True):
        values = together.best_values[together.networks_of(number)]
        np.testing.assert_array_equal(values, model.network.values)
