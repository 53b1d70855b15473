"""CPU seconds until the same test loss on scikit-learn's digits, both with their defaults."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from minnet.training.settings import TrainingSettings
from tests.benchmarks.measure import Row, compare, interleaved
from tests.benchmarks.networks import test_loss, trained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minnet.network.network import Network

LOSS = 0.12
ROUNDS = 3
SMOKE = {"LOSS": 2.0, "ROUNDS": 1}


class _Reached(Exception):
    """Training is good enough."""


def rows() -> Iterator[Row]:
    """Eight networks of minnet against one of scikit-learn."""
    features, labels = load_digits(return_X_y=True)
    parts = train_test_split(features, labels, test_size=1 / 3, stratify=labels, random_state=0)

    def minnet_seconds(networks: int) -> float:
        training, test, training_labels, test_labels = parts
        settings = TrainingSettings(networks=networks)
        start = time.process_time()
        pause = 0.0

        def on_epoch(network: Network) -> None:
            nonlocal pause
            before = time.process_time()
            reached = test_loss(network, test, test_labels) <= LOSS
            pause += time.process_time() - before
            if reached:
                raise _Reached

        try:
            trained(training, training_labels, settings, on_epoch)
        except _Reached:
            return time.process_time() - start - pause
        raise RuntimeError(f"minnet never reached a test loss of {LOSS}")

    def sklearn_seconds() -> float:
        training, test, training_labels, test_labels = parts
        scaler = StandardScaler()
        start = time.process_time()
        scaled = scaler.fit_transform(training)
        estimator = MLPClassifier()
        seconds = time.process_time() - start
        for _ in count():
            start = time.process_time()
            estimator.partial_fit(scaled, training_labels, classes=np.arange(10))
            seconds += time.process_time() - start
            if log_loss(test_labels, estimator.predict_proba(scaler.transform(test))) <= LOSS:
                return seconds
        raise AssertionError

    figures = interleaved(
        {
            "8 networks": lambda: minnet_seconds(8),
            "1 network": lambda: minnet_seconds(1),
            "MLPClassifier": sklearn_seconds,
        },
        ROUNDS,
    )
    peer = "MLPClassifier"
    for name in ("8 networks", "1 network"):
        title = f"digits: test loss {LOSS}, {name}"
        yield compare(title, "s", figures[name], peer, figures[peer])
