"""Log loss and accuracy without options, on tables that come with scikit-learn and statsmodels.

Prints the table of the README before the rows.
"""

from __future__ import annotations

import csv
import importlib
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._testing import ignore_warnings

import minnet
from tests.benchmarks.measure import Row, compare
from tests.helpers import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from minnet.arrays import Array

DATA = Path(__file__).parents[2] / "data"
PEERS = {
    "HistGradientBoosting": HistGradientBoostingClassifier,
    "logistic regression": LogisticRegression,
    "MLPClassifier": MLPClassifier,
}


def _of_scikit_learn(load: Callable[..., Any]) -> tuple[Array, Array]:
    features, labels = load(return_X_y=True)
    return features, labels


def _of_statsmodels(name: str, target: str) -> tuple[Array, Array]:
    """Numeric tables, of whose target it is asked whether it is above 0."""
    datasets = importlib.import_module("statsmodels.datasets")
    frame = getattr(datasets, name).load_pandas().data
    return frame.drop(columns=target).to_numpy(float), (frame[target] > 0).to_numpy(int)


TABLES: dict[str, Callable[[], tuple[Array, Array]]] = {
    "iris": partial(_of_scikit_learn, load_iris),
    "wine": partial(_of_scikit_learn, load_wine),
    "breast cancer": partial(_of_scikit_learn, load_breast_cancer),
    "digits": partial(_of_scikit_learn, load_digits),
    "anes96: vote": partial(_of_statsmodels, "anes96", "vote"),
    "fair: affairs": partial(_of_statsmodels, "fair", "affairs"),
    "randhie: visits": partial(_of_statsmodels, "randhie", "mdvis"),
}
SMOKE = {
    "TABLES": {"wine": TABLES["wine"]},
    "PEERS": {name: partial(peer, max_iter=1) for name, peer in PEERS.items()},
}


def rows() -> Iterator[Row]:
    """Out-of-fold scores of the project's own tables, test scores of scikit-learn's."""
    yield from _own_table("iris", least_accuracy=0.94, most_loss=0.15)
    yield from _own_table("penguins", least_accuracy=0.97)
    losses: dict[str, list[float]] = {}
    print(f"| table (rows, columns, classes) | minnet | {' | '.join(PEERS)} |")
    print(f"|---|{'---|' * (1 + len(PEERS))}")
    for name, load in TABLES.items():
        features, labels = load()
        scores = _test_scores(features, labels)
        size = f"{len(labels):,}, {features.shape[1]}, {len(np.unique(labels))}"
        cells = [f"{loss:.3f}, {100 * (1 - error):.1f} %" for loss, error in scores.values()]
        print(f"| {name} ({size}) | {' | '.join(cells)} |", flush=True)
        for contender, values in scores.items():
            losses.setdefault(contender, []).append(values[0])
        for peer in PEERS:
            for kind, score in enumerate(("log loss", "test error")):
                own, other = scores["minnet"][kind], scores[peer][kind]
                yield compare(f"quality: {name}, {score}", "", [own], peer, [other])
    means = {contender: [float(np.mean(values))] for contender, values in losses.items()}
    for peer in PEERS:
        yield compare("quality: mean log loss", "nats", means["minnet"], peer, means[peer], 1.0)


def _own_table(name: str, least_accuracy: float, most_loss: float | None = None) -> Iterator[Row]:
    table = minnet.read_csv(DATA / f"{name}.csv")
    scores = minnet.evaluate(fit(table, "species"), table)
    error = [1 - scores.accuracy]
    yield compare(f"quality: {name}, error", "", error, "the goal", [1 - least_accuracy], 1.0)
    if most_loss is not None:
        loss = [scores.log_loss]
        yield compare(f"quality: {name}, log loss", "nats", loss, "the goal", [most_loss], 1.0)


@ignore_warnings(category=ConvergenceWarning)
def _test_scores(features: Any, labels: Any) -> dict[str, tuple[float, float]]:
    """Mean log loss and error over three test parts, for minnet and its peers."""
    scores: dict[str, list[tuple[float, float]]] = {}
    for training, test in StratifiedKFold(3, shuffle=True, random_state=0).split(features, labels):
        answers = {"minnet": _minnet(features, labels, training, test)}
        for name, peer in PEERS.items():
            pipeline = make_pipeline(StandardScaler(), peer(random_state=0))
            pipeline.fit(features[training], labels[training])
            answers[name] = pipeline.predict_proba(features[test])
        for name, probabilities in answers.items():
            error = float((probabilities.argmax(axis=1) != labels[test]).mean())
            scores.setdefault(name, []).append((log_loss(labels[test], probabilities), error))
    return {name: tuple(np.mean(values, axis=0)) for name, values in scores.items()}


def _minnet(features: Any, labels: Any, training: Any, test: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        parts = {name: Path(folder, f"{name}.csv") for name in ("training", "test")}
        for path, part in zip(parts.values(), (training, test), strict=True):
            write_csv(path, features[part], labels[part])
        model = fit(minnet.read_csv(parts["training"]), "label")
        return model.member_probabilities(minnet.read_csv(parts["test"])).mean(axis=0)


def write_csv(path: Path, features: Any, labels: Iterable[Any]) -> None:
    """Write features and a last column `label`."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"feature{i}" for i in range(features.shape[1])), "label"])
        writer.writerows(
            [*row, label] for row, label in zip(features.tolist(), labels, strict=True)
        )
