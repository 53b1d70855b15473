"""What bins cost and gain: CPU time beside no bins, and log loss on held-out rows."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
)

import minnet
from tests.benchmarks.measure import Row, compare, interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minnet import Table
    from minnet.model.model import Model

BINS = (0, 8, 16)
EPOCHS = 10
ROUNDS = 3


def rows() -> Iterator[Row]:
    """Times of whole trainings and of an epoch, then losses of cross-validation."""
    for name, (features, labels) in _timed().items():
        train = partial(minnet.train, _table(features, labels), "label")
        whole = interleaved({str(bins): partial(_seconds, train, bins) for bins in BINS}, ROUNDS)
        epochs = interleaved(
            {str(bins): partial(_seconds, train, bins, epochs=EPOCHS) for bins in BINS}, ROUNDS
        )
        for bins in BINS[1:]:
            for kind, figures in (("training", whole), (f"{EPOCHS} epochs", epochs)):
                title = f"bins: {kind} on {name}, {bins} bins"
                goal = 3.0 if bins == 8 else None
                own, other = figures[str(bins)], figures["0"]
                yield compare(title, "s", own, "no bins", other, goal)
    for name, (features, labels) in _judged().items():
        table = _table(features, labels)
        losses = [
            minnet.evaluate(minnet.train(table, "label", bins=bins), table).log_loss
            for bins in BINS
        ]
        for bins, loss in zip(BINS[1:], losses[1:], strict=True):
            title = f"bins: log loss, cross-validated, {name}, {bins} bins"
            yield compare(title, "nats", [loss], "no bins", losses[:1])


def _seconds(train: Any, bins: int, **settings: int) -> float:
    start = time.process_time()
    model: Model = train(bins=bins, **settings)
    assert len(model.history)
    return time.process_time() - start


def _timed() -> dict[str, Any]:
    large = make_classification(10_000, 20, n_informative=10, n_classes=3, random_state=0)
    return {
        "iris": load_iris(return_X_y=True),
        "wine": load_wine(return_X_y=True),
        "digits": load_digits(return_X_y=True),
        "10,000 x 20": large,
    }


def _judged() -> dict[str, Any]:
    generator = np.random.default_rng(0)
    bands = generator.uniform(size=(1500, 4))
    steps = generator.lognormal(sigma=2, size=(2000, 6))
    noise = generator.uniform(size=2000) < 0.1
    return {
        "wine": load_wine(return_X_y=True),
        "breast_cancer": load_breast_cancer(return_X_y=True),
        "digits": load_digits(return_X_y=True),
        # Eight bands of one column, alternately of two classes.
        "bands": (bands, (bands[:, 0] * 8).astype(int) % 2),
        # Thresholds in three skewed columns, and a tenth of the labels turned round.
        "thresholds": (
            steps,
            (((steps[:, 0] > 1) & (steps[:, 1] < 2)) | (steps[:, 2] > 9)) ^ noise,
        ),
    }


def _table(features: Any, labels: Any) -> Table:
    columns = {f"feature{i}": features[:, i] for i in range(features.shape[1])}
    return minnet.Table.from_columns({**columns, "label": [f"class {int(one)}" for one in labels]})


def _wine() -> dict[str, Any]:
    return {"wine": load_wine(return_X_y=True)}


SMOKE = {"EPOCHS": 1, "ROUNDS": 1, "_timed": _wine, "_judged": _wine}
