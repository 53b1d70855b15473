"""What tuning gains on test rows, and what it costs.

The tables are scikit-learn's, and drawn ones: three with steps in single columns, as trees like
them, and three smooth ones. Wall times depend on what else the machine does.
"""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_classification,
    make_friedman1,
    make_hastie_10_2,
)
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

import minnet
from tests.benchmarks.measure import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minnet import Model
    from minnet.arrays import Array, IntArray

    Drawn = tuple[Array, IntArray]

FOLDS = 3
OPTIONS: dict[str, Any] = {}
MOST_COST = 25.0
LEAST_SPEED_UP = 1.7
MOST_GAP_LEFT = 0.5


def stripes(generator: Any, rows: int = 1200) -> Drawn:
    """Two classes that take turns along one of six columns; a tenth of the labels wrong."""
    features = generator.random((rows, 6))
    labels = (6 * features[:, 0]).astype(int) % 2
    return features, labels ^ (generator.random(rows) < 0.1)


def thresholds(generator: Any, rows: int = 1200) -> Drawn:
    """How many of four columns are above a threshold of their own decides among three classes."""
    features = generator.standard_normal((rows, 8))
    above = (features[:, :4] > [-0.8, 0.2, 0.6, 1.0]).sum(axis=1)
    labels = np.clip(above, 0, 2)
    wrong = generator.random(rows) < 0.1
    labels[wrong] = generator.integers(0, 3, wrong.sum())
    return features, labels


def boxes(generator: Any, rows: int = 1500) -> Drawn:
    """Classes of a random tree with 24 leaves; a tenth of the labels wrong."""
    features = generator.random((rows, 6))
    tree = DecisionTreeClassifier(max_leaf_nodes=24, random_state=0)
    tree.fit(generator.random((100, 6)), generator.integers(0, 2, 100))
    return features, tree.predict(features) ^ (generator.random(rows) < 0.1)


def hastie(generator: Any, rows: int = 1200) -> Drawn:
    """Whether ten normal numbers lie outside of a ball."""
    features, labels = make_hastie_10_2(rows, random_state=_state(generator))
    return features, (labels > 0).astype(int)


def friedman(generator: Any, rows: int = 1200) -> Drawn:
    """Thirds of Friedman's first function."""
    features, target = make_friedman1(rows, noise=1.0, random_state=_state(generator))
    return features, np.searchsorted(np.quantile(target, [1 / 3, 2 / 3]), target)


def clusters(generator: Any, rows: int = 1200) -> Drawn:
    """Clusters of three classes in twelve columns, five of which tell nothing."""
    drawn: Drawn = make_classification(
        rows,
        12,
        n_informative=5,
        n_classes=3,
        flip_y=0.05,
        random_state=_state(generator),
    )
    return drawn


def _state(generator: Any) -> int:
    return int(generator.integers(2**31))


DRAWN = stripes, thresholds, boxes, hastie, friedman, clusters
TABLES: dict[str, Callable[[], Drawn]] = {
    "wine": lambda: load_wine(return_X_y=True),
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
    **{draw.__name__: lambda draw=draw: draw(np.random.default_rng(0)) for draw in DRAWN},
    "digits": lambda: load_digits(return_X_y=True),
}


class _Compared(NamedTuple):
    """Loss of each test row; CPU times of tune and train; wall times with 1 and 2 workers."""

    losses: dict[str, Array]
    cpu: Array
    wall: Array


def rows() -> Iterator[Row]:
    """Log losses on test rows, CPU and wall times."""
    means: list[dict[str, float]] = []
    costs, walls = [], []
    for table, load in TABLES.items():
        losses, cost, wall = _compared(*load())
        mean = {name: float(values.mean()) for name, values in losses.items()}
        for name in ("train", "CatBoost"):
            difference = losses["tune"] - losses[name]
            error = float(difference.std(ddof=1)) / math.sqrt(len(difference))
            title = f"tuning: {table}, log loss (+-{error:.4f})"
            goal = 1 + error / mean["train"] if name == "train" else None
            yield _row(title, "nats", mean["tune"], name, mean[name], goal)
        gap = mean["train"] - mean["CatBoost"]
        if gap > 0:
            left = mean["tune"] - mean["CatBoost"]
            yield _row(
                f"tuning: {table}, gap to CatBoost", "nats", left, "train", gap, MOST_GAP_LEFT
            )
        yield _row(f"tuning: {table}, CPU time", "s", cost[0], "train", cost[1], MOST_COST)
        title = f"tuning: {table}, wall time (load {os.getloadavg()[0]:.1f})"
        yield _row(title, "s", wall[1], "one worker", wall[0], 1 / LEAST_SPEED_UP)
        means.append(mean)
        costs.append(cost)
        walls.append(wall)
    for name in ("train", "CatBoost"):
        own, peer = (float(np.mean([mean[one] for mean in means])) for one in ("tune", name))
        yield _row("tuning: mean log loss", "nats", own, name, peer, 1.0)
    tune, train = np.sum(costs, axis=0)
    yield _row("tuning: CPU time of all", "s", tune, "train", train, MOST_COST)
    one, two = np.sum(walls, axis=0)
    yield _row("tuning: wall time of all", "s", two, "one worker", one, 1 / LEAST_SPEED_UP)


def boosted_trees() -> Any:
    """Make the peer."""
    from catboost import CatBoostClassifier  # drawing tables does not need it

    return CatBoostClassifier(verbose=False, allow_writing_files=False, thread_count=1)


def _codes(model: Model, labels: IntArray) -> list[int]:
    return [model.class_names.index(str(label)) for label in labels]


def columns_of(features: Array, labels: IntArray | None = None) -> dict[str, list[Any]]:
    """Make a table of features and, if they are given, labels."""
    columns: dict[str, list[Any]] = {
        f"x{i}": column.tolist() for i, column in enumerate(features.T)
    }
    return columns if labels is None else columns | {"label": list(map(str, labels))}


def _compared(features: Array, labels: IntArray) -> _Compared:
    """Train on all folds of a table but one and test on that, for each of them."""
    losses: dict[str, list[Array]] = {"tune": [], "train": [], "CatBoost": []}
    cpu, wall = np.zeros(2), np.zeros(2)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(features, labels)
    for fold, (training, test) in enumerate(folds):
        table, fresh = columns_of(features[training], labels[training]), columns_of(features[test])
        start, clock = time.process_time(), time.perf_counter()
        tuning = minnet.tune(table, "label", **OPTIONS)
        models = {"tune": tuning.model}
        between, wall_of_one = time.process_time(), time.perf_counter() - clock
        models["train"] = minnet.train(table, "label")
        cpu += between - start, time.process_time() - between
        if fold == 0:
            clock = time.perf_counter()
            _ = minnet.tune(table, "label", workers=2, **OPTIONS).model
            wall += wall_of_one, time.perf_counter() - clock
        for name, model in models.items():
            probabilities = model.probabilities(fresh)
            observed = probabilities[np.arange(len(test)), _codes(model, labels[test])]
            losses[name].append(-np.log(observed))
        boosting = boosted_trees()
        boosting.fit(features[training], labels[training])
        codes = np.searchsorted(boosting.classes_, labels[test])
        observed = boosting.predict_proba(features[test])[np.arange(len(test)), codes]
        losses["CatBoost"].append(-np.log(observed))
    return _Compared({name: np.concatenate(of) for name, of in losses.items()}, cpu, wall)


def _row(
    title: str, unit: str, own: float, against: str, peer: float, goal: float | None = None
) -> Row:
    return Row(title, unit, own, against, peer, own / peer, goal)


SMOKE = {
    "TABLES": {"wine": TABLES["wine"]},
    "FOLDS": 2,
    "OPTIONS": {"trials": 2, "epochs": 2},
    "boosted_trees": GaussianNB,
}
