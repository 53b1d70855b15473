from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from minnet.data.encoding import Encoder
from minnet.data.table import read_csv
from minnet.model.fit import fit_model, start_networks
from minnet.model.judges import split
from minnet.training import batches
from minnet.training.loop import Outcome, train_configurations
from minnet.training.settings import TrainingSettings
from tests.helpers import PENGUINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet import Model


def trained_both_ways(configurations: Sequence[TrainingSettings]) -> list[tuple[Outcome, Model]]:
    table = read_csv(PENGUINS)
    encoder = Encoder.fit(table, "species")
    examples = encoder.examples(table)
    dealt = split(examples, configurations[0])
    network, generators = start_networks(encoder, examples, dealt, configurations[0])
    outcomes = train_configurations(
        network, examples.features, examples.labels, dealt.mask, generators, configurations
    )
    alone = [
        fit_model(encoder, table, examples, dealt, configuration)
        for configuration in configurations
    ]
    return list(zip(outcomes, alone, strict=True))


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
        {},
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
    for outcome, model in trained_both_ways(
        settings_of(*DIFFERENT, epochs=12, patience=2, **settings)
    ):
        assert not outcome.error
        np.testing.assert_array_equal(outcome.values, model.network.values)
        for name, figures in vars(model.history).items():
            np.testing.assert_array_equal(getattr(outcome.history, name), figures)
        lengths.add(len(outcome.history))
    assert settings or len(lengths) > 1, "all configurations stopped after the same epoch"


def test_configuration_that_diverges_leaves_the_others_alone() -> None:
    configurations = settings_of((None, 0.05), (1e30, 0.05), (0.003, 0.05), epochs=4)
    table = read_csv(PENGUINS)
    encoder = Encoder.fit(table, "species")
    examples = encoder.examples(table)
    dealt = split(examples, configurations[0])
    network, generators = start_networks(encoder, examples, dealt, configurations[0])
    before = network.values.copy()
    first, diverged, last = train_configurations(
        network, examples.features, examples.labels, dealt.mask, generators, configurations
    )
    assert "too large: try 0.01" in diverged.error
    for outcome, configuration in ((first, configurations[0]), (last, configurations[2])):
        alone = fit_model(encoder, table, examples, dealt, configuration)
        np.testing.assert_array_equal(outcome.values, alone.network.values)
    np.testing.assert_array_equal(network.values, before)
