"""What tuning gains on held-out tables, what it costs, and how far being chosen flatters.

The tables are scikit-learn's, and drawn ones: three with steps in single columns, as trees like
them, and three smooth ones. Wall times depend on what else the machine does.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_classification,
    make_friedman1,
    make_hastie_10_2,
)
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier

import minnet
from tests.benchmarks.measure import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minnet import Model
    from minnet.arrays import Array, IntArray

    Drawn = tuple[Array, IntArray]

MOST_COST = 25.0
LEAST_SPEED_UP = 1.7
FLATTERED_TABLES = 20


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


def hastie(generator: Any) -> Drawn:
    """Whether ten normal numbers lie outside of a ball."""
    features, labels = make_hastie_10_2(1200, random_state=0)
    return features, (labels > 0).astype(int)


def friedman(generator: Any) -> Drawn:
    """Thirds of Friedman's first function."""
    features, target = make_friedman1(1200, noise=1.0, random_state=0)
    return features, np.searchsorted(np.quantile(target, [1 / 3, 2 / 3]), target)


def clusters(generator: Any) -> Drawn:
    """Clusters of three classes in twelve columns, five of which tell nothing."""
    drawn: Drawn = make_classification(
        1200, 12, n_informative=5, n_classes=3, flip_y=0.05, random_state=0
    )
    return drawn


TABLES: dict[str, Callable[[], Drawn]] = {
    "wine": lambda: load_wine(return_X_y=True),
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
    **{
        draw.__name__: lambda draw=draw: draw(np.random.default_rng(0))
        for draw in (stripes, thresholds, boxes, hastie, friedman, clusters)
    },
    "digits": lambda: load_digits(return_X_y=True),
}


def rows() -> Iterator[Row]:
    """Log losses on test rows, CPU and wall times; then the flattery of being chosen."""
    names = "train", "boosting"
    sums: dict[str, list[float]] = {name: [] for name in ("tune", *names)}
    costs, walls = [], []
    for table, load in TABLES.items():
        losses, cost, wall = _compared(*load())
        for name, values in losses.items():
            sums[name].append(float(np.mean(values)))
        differences = np.array(losses["tune"]) - losses["train"]
        title = f"tuning: {table}, log loss (+-{differences.std(ddof=1) / math.sqrt(3):.3f})"
        for name in names:
            yield _row(title, "nats", sums["tune"][-1], name, sums[name][-1])
        costs.append(cost)
        walls.append(wall)
        yield _row(f"tuning: {table}, CPU time", "s", cost[0], "train", cost[1], MOST_COST)
        title = f"tuning: {table}, wall time"
        yield _row(title, "s", wall[1], "one worker", wall[0], 1 / LEAST_SPEED_UP)
    for name in names:
        own, peer = (float(np.mean(sums[one])) for one in ("tune", name))
        yield _row("tuning: mean log loss", "nats", own, name, peer, 1.0)
    tune, train = np.sum(costs, axis=0)
    yield _row("tuning: CPU time of all", "s", tune, "train", train, MOST_COST)
    one, two = np.sum(walls, axis=0)
    yield _row("tuning: wall time of all", "s", two, "one worker", one, 1 / LEAST_SPEED_UP)
    yield from flattery_rows()


def flattery_rows() -> Iterator[Row]:
    """How much of the printed gain is gone on other rows, and what `Tuning.flattery` says of it."""
    for draw in (stripes, thresholds, boxes):
        measured = np.array([_flattery(draw, seed) for seed in range(FLATTERED_TABLES)])
        measured = measured[~np.isnan(measured).any(axis=1)]
        true, told = measured.mean(axis=0)
        error = measured[:, 0].std(ddof=1) / math.sqrt(len(measured))
        title = f"tuning: {draw.__name__}, 150 rows, flattery told (of {len(measured)} winners)"
        yield _row(title, "nats", told, f"measured (+-{error:.3f})", true)


def _flattery(draw: Callable[[Any, int], Drawn], seed: int) -> tuple[float, float]:
    """Gain on the rows that chose minus gain on others, and what is told; NaN without a winner."""
    features, labels = draw(np.random.default_rng(seed), 4150)
    tuning = minnet.tune(_columns(features[:150], labels[:150]), "label")
    if not tuning.chosen:
        return math.nan, math.nan
    first = tuning.tried[0]
    models = tuning.source.model(first.settings, first.outcome), tuning.model
    losses = [_member_loss(model, features[150:], labels[150:]) for model in models]
    return tuning.trials[tuning.chosen].gain - (losses[0] - losses[1]), tuning.flattery


def _member_loss(model: Model, features: Array, labels: IntArray) -> float:
    """Mean loss of the single networks: what held-out rows of the training table estimate."""
    members = model.member_probabilities(_columns(features))
    codes = [model.class_names.index(str(label)) for label in labels]
    return float(-np.log(members[:, np.arange(len(codes)), codes]).mean())


def _columns(features: Array, labels: IntArray | None = None) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        f"x{i}": column.tolist() for i, column in enumerate(features.T)
    }
    return columns if labels is None else columns | {"label": list(map(str, labels))}


def _compared(
    features: Array, labels: IntArray
) -> tuple[dict[str, list[float]], tuple[float, float], tuple[float, float]]:
    """Losses in three test parts; CPU times of tune and train; wall times with 1 and 2 workers."""
    losses: dict[str, list[float]] = {"tune": [], "train": [], "boosting": []}
    cpu, wall = np.zeros(2), np.zeros(2)
    folds = StratifiedKFold(3, shuffle=True, random_state=0).split(features, labels)
    for fold, (training, test) in enumerate(folds):
        table, fresh = _columns(features[training], labels[training]), _columns(features[test])
        start, clock = time.process_time(), time.perf_counter()
        tuned = minnet.tune(table, "label").model
        between, wall_of_one = time.process_time(), time.perf_counter() - clock
        trained = minnet.train(table, "label")
        cpu += between - start, time.process_time() - between
        if fold == 0:
            clock = time.perf_counter()
            minnet.tune(table, "label", workers=2)
            wall += wall_of_one, time.perf_counter() - clock
        boosting = HistGradientBoostingClassifier(random_state=0)
        boosting.fit(features[training], labels[training])
        observed = list(map(str, labels[test]))
        for name, model in (("tune", tuned), ("train", trained)):
            probabilities = model.probabilities(fresh)
            order = np.argsort(model.class_names)
            names = np.array(model.class_names)[order].tolist()
            losses[name].append(log_loss(observed, probabilities[:, order], labels=names))
        losses["boosting"].append(log_loss(labels[test], boosting.predict_proba(features[test])))
    return losses, (cpu[0], cpu[1]), (wall[0], wall[1])


def _row(
    title: str, unit: str, own: float, against: str, peer: float, goal: float | None = None
) -> Row:
    return Row(title, unit, own, against, peer, own / peer, goal)
