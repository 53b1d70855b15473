"""Whole processes on iris, from the command line to the exit."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.measure import Row, compare, interleaved, run_process, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def rows() -> Iterator[Row]:
    """Training, help, version and one prediction."""
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "model.json")
        one_row = os.path.join(folder, "one.csv")
        Path(one_row).write_text("".join(Path(IRIS).read_text().splitlines(keepends=True)[:2]))
        train = [MINNET, "train", IRIS, "--model", model]
        run_process(train)
        fast = interleaved(
            {
                "train": seconds_of(*train),
                "one scikit-learn network": _python(ONE_NETWORK, IRIS),
                "import numpy, click": _python("import numpy, click"),
                "import click": _python("import click"),
                "--help": seconds_of(MINNET, "--help"),
                "--version": seconds_of(MINNET, "--version"),
                "predict one row": seconds_of(MINNET, "predict", one_row, "--model", model),
            },
            ROUNDS,
        )
        slow = interleaved(
            {
                "train": seconds_of(*train),
                "8-fold scikit-learn": _python(SAME_DELIVERABLE, IRIS),
            },
            SLOW_ROUNDS,
        )
    for benchmark, peer, goal in (
        ("train", "import numpy, click", 1.8),
        ("train", "one scikit-learn network", 1 / 6),
        ("--help", "import click", 1.6),
        ("--version", "import click", None),
        ("predict one row", "import numpy, click", None),
    ):
        yield compare(f"process: {benchmark}", "s", fast[benchmark], peer, fast[peer], goal)
    peer = "8-fold scikit-learn"
    yield compare("process: train", "s", slow["train"], peer, slow[peer], 1 / 10)


def _python(code: str, *arguments: str):  # noqa: ANN202  # a contender
    return seconds_of(sys.executable, "-W", "ignore", "-c", code, *arguments)
