"""What a tuned model says of its own scores, against fresh rows; and what tuning gains there.

Each table is drawn and tuned without options. Told is the gain over the first configuration, less
the optimism that the model remembers. True is that of the same networks on fresh rows: since one
network judges a held-out row, the mean of the single networks' scores is compared.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import minnet
from tests.benchmarks.honesty import gaussians, noise, xor
from tests.benchmarks.measure import Row
from tests.benchmarks.tuning import DRAWN, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minnet import Model
    from minnet.arrays import Array, IntArray

    Draw = Callable[[Any, int], tuple[Array, IntArray]]

TABLES, ROWS, FRESH_ROWS = 30, 150, 5000


def noise_of_three(generator: Any, rows: int) -> tuple[Array, IntArray]:
    """Eight features that tell nothing of the three classes."""
    return generator.standard_normal((rows, 8)), generator.integers(0, 3, rows)


NOISE: tuple[Draw, ...] = (noise, noise_of_three)
SIGNAL: tuple[Draw, ...] = (gaussians, xor, *DRAWN)
DRAWS = (*NOISE, *SIGNAL)
SMOKE = {"TABLES": 2, "ROWS": 60, "FRESH_ROWS": 50, "DRAWS": (noise,)}


class _Gains(NamedTuple):
    """Over the first configuration: shown, told and true; then on fresh rows by all networks."""

    shown: float
    told: float
    true: float
    shown_accuracy: float
    told_accuracy: float
    true_accuracy: float
    ensemble: float
    ensemble_accuracy: float


def rows() -> Iterator[Row]:
    """Told minus true gains of each kind of table, and of all of noise and all of signal."""
    all_gains: dict[str, list[_Gains]] = {"all of noise": [], "all of signal": []}
    for draw in DRAWS:
        gains = [_gains(draw, seed) for seed in range(TABLES)]
        yield from _rows(f"{draw.__name__}, {ROWS} rows", gains)
        all_gains["all of noise" if draw in NOISE else "all of signal"] += gains
    for title, gains in all_gains.items():
        if gains:
            yield from _rows(title, gains)


def _rows(title: str, gains: list[_Gains]) -> Iterator[Row]:
    one = _Gains(*np.array(gains).T)
    for name, unit, told, shown, true in (
        ("log loss", "nats", one.told, one.shown, one.true),
        ("accuracy", "points", one.told_accuracy, one.shown_accuracy, one.true_accuracy),
    ):
        bias, error = _mean(told - true), _standard_error(told - true)
        means = f"shown {_mean(shown):.3f}, told {_mean(told):.3f}, true {_mean(true):.3f}"
        yield Row(
            f"optimism: {title}, {name} told - true (of {len(gains)}; {means})",
            f"{unit}, +-{error:.2g}",
            bias,
            "two standard errors",
            2 * error,
            abs(bias) / (2 * error),
            1.0,
        )
    for name, unit, values in (
        ("log loss", "nats", one.ensemble),
        ("accuracy", "points", one.ensemble_accuracy),
    ):
        error = _standard_error(values)
        gain = _mean(values)
        yield Row(
            f"tuning: {title}, gain in {name} on fresh rows",
            f"{unit}, +-{error:.2g}",
            gain,
            "two standard errors",
            2 * error,
            gain / (2 * error),
        )


def _mean(values: Any) -> float:
    return float(np.mean(values))


def _standard_error(values: Any) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def _gains(draw: Draw, seed: int) -> _Gains:
    features, labels = draw(np.random.default_rng([seed, ROWS]), ROWS + FRESH_ROWS)
    tuning = minnet.tune(columns_of(features[:ROWS], labels[:ROWS]), "label")
    first, model, selection = tuning.trials[0].model, tuning.model, tuning.selection
    assert first is not None
    assert selection is not None
    single, both = zip(
        *(_scores(one, features[ROWS:], labels[ROWS:]) for one in (first, model)), strict=True
    )
    shown = tuning.gain[0], 100 * (tuning.evaluation.accuracy - tuning.trials[0].accuracy)
    return _Gains(
        shown[0],
        shown[0] - selection.log_loss_optimism,
        single[0][0] - single[1][0],
        shown[1],
        shown[1] - 100 * selection.accuracy_optimism,
        single[1][1] - single[0][1],
        both[0][0] - both[1][0],
        both[1][1] - both[0][1],
    )


def _scores(model: Model, features: Array, labels: IntArray) -> list[tuple[float, float]]:
    """Log loss, and accuracy in per cent: the mean over the networks, and of all together."""
    members = model.member_probabilities(columns_of(features))
    codes = np.array([model.class_names.index(str(label)) for label in labels])
    return [
        (
            float(-np.log(answers[:, np.arange(len(codes)), codes]).mean()),
            float(100 * (answers.argmax(axis=-1) == codes).mean()),
        )
        for answers in (members, members.mean(axis=0, keepdims=True))
    ]
