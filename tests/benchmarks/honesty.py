"""Printed scores minus true ones, and how often the 95 % intervals hold the truth.

Each table is drawn, trained on without options, and judged by its own networks as `train` does; the
truth is measured on fresh rows. Out-of-fold scores estimate the mean over the single networks; the
ensemble that `predict` asks is better.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import minnet
from minnet.data.table import Table
from minnet.model.scores import Evaluation
from tests import test_held_out_scores as cases
from tests.benchmarks.measure import Row
from tests.benchmarks.quality import write_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.random import Generator

    from minnet.arrays import Array, IntArray
    from minnet.model.model import Model

    Draw = Callable[[Generator, int], tuple[Array, IntArray]]

TABLES = 100
FRESH_ROWS = 20_000
VISITS = 10
CALIBRATED_TABLES = 1000
DEALINGS = cases.DEALINGS
MOST_LEAKED = 3.0
MOST_MISSED, MOST_FALSE_CLAIMS, MOST_ABOVE_CHANCE = 7.0, 5.0, 9.0


def noise(generator: Generator, rows: int) -> tuple[Array, IntArray]:
    """Five features that tell nothing of the two classes."""
    return generator.standard_normal((rows, 5)), generator.integers(0, 2, rows)


def gaussians(generator: Generator, rows: int) -> tuple[Array, IntArray]:
    """Two classes that one of five features tells apart: 80 % accuracy is possible."""
    labels = generator.integers(0, 2, rows)
    features = generator.standard_normal((rows, 5))
    features[:, 0] += 0.84 * (2 * labels - 1)
    return features, labels


def xor(generator: Generator, rows: int) -> tuple[Array, IntArray]:
    """Two classes in opposite quadrants, a tenth of the labels wrong."""
    features = generator.standard_normal((rows, 2))
    return features, ((features.prod(axis=1) > 0) ^ (generator.random(rows) < 0.1)).astype(int)


def visits(generator: Generator, rows: int) -> tuple[Array, IntArray]:
    """Ten rows of each group, half of whose features and label are the group's; its number last."""
    groups = np.arange(rows) // VISITS
    features = generator.standard_normal((rows, 5))
    features[:, :3] += generator.standard_normal((groups[-1] + 1, 3))[groups]
    luck = generator.standard_normal(groups[-1] + 1)[groups]
    logits = features[:, 0] + 1.5 * luck
    labels = generator.random(rows) < 1 / (1 + np.exp(-logits))
    return np.column_stack([features, groups]), labels.astype(int)


# The most points that the printed accuracy may flatter by; None is two standard errors.
SETTINGS: tuple[tuple[Draw, int, float | None], ...] = (
    (noise, 80, 1.5),
    (noise, 400, 1.0),
    (gaussians, 100, None),
    (gaussians, 400, None),
    (xor, 400, None),
    (visits, 600, None),
)
CALIBRATED = (100, 2), (1000, 2), (300, 4), (1000, 10)
"""Rows and classes of tables whose labels are drawn by their probabilities."""
SMOKE = {
    "TABLES": 3,
    "FRESH_ROWS": 500,
    "CALIBRATED_TABLES": 2,
    "DEALINGS": range(2),
    "SETTINGS": ((noise, 80, 1.5), (visits, 80, None)),
}


class _Outcome(NamedTuple):
    """What one table came to: flattery (printed better than true) and what intervals said."""

    accuracy: float
    log_loss: float
    ensemble_accuracy: float
    ensemble_log_loss: float
    accuracy_missed: bool
    gain_missed: bool
    claims_learning: bool


def rows() -> Iterator[Row]:
    """Flattery in points and nats, and misses of the intervals in per cent, for each setting."""
    for draw, count, most in SETTINGS:
        outcomes = [_outcome(draw, count, seed) for seed in range(TABLES)]
        columns = dict(zip(_Outcome._fields, np.array(outcomes, dtype=float).T, strict=True))
        title = f"honesty: {draw.__name__}, {count} rows"
        for name in ("accuracy", "log_loss", "ensemble_accuracy", "ensemble_log_loss"):
            is_share = name.endswith("accuracy")
            values = columns[name] * (100 if is_share else 1)
            yield _flattery(
                f"{title}, {name.replace('_', ' ')}",
                "points" if is_share else "nats",
                values,
                most if name == "accuracy" else None,
                has_goal=name == "accuracy" or (name == "log_loss" and draw is not noise),
            )
        for name in ("accuracy_missed", "gain_missed"):
            yield _rate(f"{title}, {name.replace('_', ' ')}", columns[name], MOST_MISSED)
        goal = MOST_FALSE_CLAIMS if draw is noise else None
        yield _rate(f"{title}, learning claimed", columns["claims_learning"], goal)
    yield from _leaks()
    for count, classes in CALIBRATED:
        tables = [_calibrated(count, classes, seed) for seed in range(CALIBRATED_TABLES)]
        above = [one.calibration_error > one.chance_calibration_errors[1] for one in tables]
        title = f"honesty: calibrated, {count} rows, {classes} classes"
        yield _rate(f"{title}, worse than chance", np.array(above, float), MOST_ABOVE_CHANCE)


def _leaks() -> Iterator[Row]:
    """Flattery where held-out rows could leak; the truth is 50 %, or that of fresh rows."""
    for name, table in (("texts", cases.reviews), ("visits", cases.visits)):
        tables = [table(dealing) for dealing in DEALINGS]
        groups = [f"visit{k}" if name == "visits" else "" for k in DEALINGS]
        printed = [
            _printed(minnet.train(one, "y", group=group, group_feature=bool(group)), one) - 0.5
            for one, group in zip(tables, groups, strict=True)
        ]
        yield _points(f"honesty: a {name[:-1]} to each row or group", printed)
    printed = []
    for dealing in DEALINGS:
        own, fresh = cases.names(dealing, 0, 400), cases.names(dealing, 1, 2000)
        model = minnet.train(own, "y")
        printed.append(
            _printed(model, own) - minnet.evaluate(model, fresh, new=True).balanced_accuracy
        )
    yield _points("honesty: 200 names", printed)
    printed = []
    for dealing in DEALINGS:
        model, fresh = minnet.train(cases.shapes(dealing), "y"), cases.shapes(dealing + 100)
        judged = minnet.evaluate(model, fresh, new=True).balanced_accuracy
        printed.append(_printed(model, fresh) - judged)
    yield _points("honesty: fresh rows of a coarse table", printed)
    models = cases.models_of_noise(DEALINGS)
    for name, saved in cases.SAVED.items():
        printed = [_printed(model, saved(frame)) - 0.5 for model, frame in models]
        yield _points(f"honesty: noise, {name}", printed)


def _printed(model: Model, table: Any) -> float:
    return minnet.evaluate(model, table).balanced_accuracy


def _points(title: str, flattery: list[float]) -> Row:
    values = 100 * np.array(flattery)
    return _flattery(title, "points", values, MOST_LEAKED, has_goal=True)


def _outcome(draw: Draw, count: int, seed: int) -> _Outcome:
    generator = np.random.default_rng([count, seed])
    features, labels = draw(generator, count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        write_csv(path, features, labels)
        table = minnet.read_csv(path)
    group = f"feature{features.shape[1] - 1}" if draw is visits else None
    model = minnet.train(table, "label", group=group)
    printed = minnet.evaluate(model, table)
    low, high = printed.accuracy_interval
    lower, higher = printed.log_loss_gain_interval

    fresh, fresh_labels = draw(generator, FRESH_ROWS)
    columns = {f"feature{i}": column.tolist() for i, column in enumerate(fresh.T)}
    answers = model.member_probabilities(Table.from_columns(columns))
    codes = np.array([model.encoder.class_names.index(str(label)) for label in (0, 1)])
    accuracies, losses = zip(*(_scores(p, codes[fresh_labels]) for p in answers), strict=True)
    accuracy, loss = float(np.mean(accuracies)), float(np.mean(losses))
    ensemble_accuracy, ensemble_loss = _scores(answers.mean(axis=0), codes[fresh_labels])
    true_gain = -float(np.log(printed.class_shares[codes[fresh_labels]]).mean()) - loss
    return _Outcome(
        printed.accuracy - accuracy,
        loss - printed.log_loss,
        printed.accuracy - ensemble_accuracy,
        ensemble_loss - printed.log_loss,
        not low <= accuracy <= high,
        not lower <= true_gain <= higher,
        printed.is_learned,
    )


def _calibrated(count: int, classes: int, seed: int) -> Evaluation:
    """Draw the class of each row by its probabilities."""
    generator = np.random.default_rng([count, classes, seed])
    probabilities = generator.dirichlet(np.linspace(0.3, 1.5, classes), count)
    above = generator.random((count, 1)) > probabilities.cumsum(axis=1)
    return Evaluation(
        class_names=tuple(map(str, range(classes))),
        labels=np.minimum(above.sum(axis=1), classes - 1),
        probabilities=probabilities,
        rows=np.arange(count),
        fold_of_row=np.full(count, -1),
        class_shares=probabilities.mean(axis=0),
        networks=8,
    )


def _scores(probabilities: Array, labels: IntArray) -> tuple[float, float]:
    """Accuracy and log loss."""
    observed = probabilities[np.arange(len(labels)), labels]
    right = probabilities.argmax(axis=1) == labels
    return float(right.mean()), float(-np.log(observed).mean())


def _flattery(title: str, unit: str, values: Any, most: float | None, *, has_goal: bool) -> Row:
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    flattery = float(values.mean())
    peer = 2 * error if most is None else most
    against = "two standard errors" if most is None else "the goal"
    unit = f"{unit}, +-{error:.2g}"
    return Row(title, unit, flattery, against, peer, flattery / peer, 1.0 if has_goal else None)


def _rate(title: str, happened: Any, most: float | None) -> Row:
    rate = 100 * float(happened.mean())
    peer = 100.0 if most is None else most
    against = "all tables" if most is None else "the goal"
    return Row(title, "%", rate, against, peer, rate / peer, None if most is None else 1.0)
