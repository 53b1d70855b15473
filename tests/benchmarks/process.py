"""Whole trainings of iris, from the command line to the exit, against scikit-learn's."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.measure import Row, compare, interleaved, seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IRIS = str(Path(__file__).parents[2] / "data" / "iris.csv")
MINNET = os.path.join(os.path.dirname(sys.executable), "minnet")
ROUNDS = 9
SLOW_ROUNDS = 3

_READ = """
import csv, sys
import numpy as np
from sklearn.neural_network import MLPClassifier
rows = list(csv.reader(open(sys.argv[1])))[1:]
features = np.array([row[:-1] for row in rows], dtype=float)
labels = np.array([row[-1] for row in rows])
features = (features - features.mean(axis=0)) / features.std(axis=0)
"""
ONE_NETWORK = _READ + "MLPClassifier().fit(features, labels)"
SAME_DELIVERABLE = (
    _READ
    + """
from sklearn.model_selection import StratifiedKFold
held_out = np.zeros((len(rows), 3))
networks = []
for training, test in StratifiedKFold(8, shuffle=True).split(features, labels):
    networks.append(MLPClassifier().fit(features[training], labels[training]))
    held_out[test] = networks[-1].predict_proba(features[test])
"""
)
SMOKE = {
    "ROUNDS": 1,
    "SLOW_ROUNDS": 1,
    "ONE_NETWORK": ONE_NETWORK.replace("MLPClassifier()", "MLPClassifier(max_iter=1)"),
    "SAME_DELIVERABLE": SAME_DELIVERABLE.replace("MLPClassifier()", "MLPClassifier(max_iter=1)"),
}


def rows() -> Iterator[Row]:
    """Training without options against one network of scikit-learn, and against as many."""
    for peer, code, rounds, goal in (
        ("one scikit-learn network", ONE_NETWORK, ROUNDS, 1 / 6),
        ("8-fold scikit-learn", SAME_DELIVERABLE, SLOW_ROUNDS, 1 / 10),
    ):
        with tempfile.TemporaryDirectory() as folder:
            model = os.path.join(folder, "model.json")
            contenders = {
                "train": seconds_of(MINNET, "train", IRIS, "--model", model),
                peer: python(code, IRIS),
            }
            figures = interleaved(contenders, rounds)
        yield compare("process: train", "s", figures["train"], peer, figures[peer], goal)


def python(code: str, *arguments: str) -> Callable[[], float]:
    """Make a contender of a process that runs this code."""
    return seconds_of(sys.executable, "-W", "ignore", "-c", code, *arguments)
