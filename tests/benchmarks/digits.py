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

from minnet.layers import Standardize
from minnet.model import holdout_of
from minnet.network import Network
from minnet.settings import TrainingSettings
from minnet.softmax import softmax
from minnet.training import make_generators, train
from tests.benchmarks.measure import Row, compare, interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator

LOSS = 0.12
ROUNDS = 3


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
        holdout = holdout_of(training_labels, settings)
        own_rows = [np.flatnonzero(~held_out) for held_out in holdout]
        standardize = Standardize.fit(training, own_rows, np.ones(64, dtype=bool))
        generators = make_generators(settings)
        network = Network.random([64, 32, 10], generators, first=[standardize])

        def on_epoch(_: object) -> None:
            nonlocal pause
            before = time.process_time()
            answers = softmax(network.forward(test[None]).astype(np.float64)).mean(axis=0)
            reached = log_loss(test_labels, answers) <= LOSS
            pause += time.process_time() - before
            if reached:
                raise _Reached

        try:
            train(network, training, training_labels, holdout, generators, settings, on_epoch)
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
