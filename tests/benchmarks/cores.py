"""Seconds on a clock with two workers beside one, and beside pandas + scikit-learn.

They mean little unless two cores are idle.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import TYPE_CHECKING

from tests.benchmarks.large_table import SKLEARN_TRAIN, write_table
from tests.benchmarks.measure import Row, Run, compare, run_process
from tests.benchmarks.process import MINNET

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS, FEWER_ROWS, ROUNDS = 1_000_000, 20_000, 3
PEER = "pandas + scikit-learn"
SMOKE = {"ROWS": 200, "FEWER_ROWS": 200, "ROUNDS": 1, "SKLEARN_TRAIN": "pass"}
TRAIN, PREDICT = "train, one epoch of 1e6 rows", "predict 1e6 rows"


def rows() -> Iterator[Row]:
    """Whole commands with two workers and with one, and the goals for two cores."""
    with tempfile.TemporaryDirectory() as folder:
        figures = _figures(folder)
    for name, runs in figures.items():
        if name != PEER:
            walls = [[run.wall for run in runs[count]] for count in (2, 1)]
            seconds = [[run.seconds for run in runs[count]] for count in (2, 1)]
            yield compare(f"{name}, 2 workers", "s wall", walls[0], "1 worker", walls[1])
            yield compare(f"{name}, 2 workers", "s CPU", seconds[0], "1 worker", seconds[1])
    walls = [[run.wall for run in figures[name][2]] for name in (TRAIN, PEER)]
    yield compare(f"{TRAIN}, 2 workers", "s wall", walls[0], PEER, walls[1], 0.7)
    rates = [ROWS / run.wall for run in figures[PREDICT][2]]
    title = f"{PREDICT}, 2 workers"
    yield compare(title, "rows a second (1 / ratio)", rates, "goal", [180_000] * ROUNDS, None)
    peaks = [run.peak for run in figures[PREDICT][2]]
    yield compare(title, "MB a process", peaks, "goal", [150] * ROUNDS, 1.0)


def _figures(folder: str) -> dict[str, dict[int, list[Run]]]:
    """Runs of each command by the number of its workers; the peer has none."""
    names = ("large.csv", "fewer.csv", "m.json", "other.json", "out.csv", "m.pickle")
    large, fewer, model, other, output, pickle = (os.path.join(folder, name) for name in names)
    write_table(large, ROWS)
    write_table(fewer, FEWER_ROWS)
    commands = {
        TRAIN: ("train", large, "--epochs", "1", "--batch-size", "512", "-m", model),
        "train, 20 epochs of 20,000 rows": ("train", fewer, "--epochs", "20", "-m", other),
        PREDICT: ("predict", large, "-m", model, "-o", output),
        "evaluate 1e6 rows": ("evaluate", large, "-m", model),
        "importance, 20,000 rows": ("importance", fewer, "-m", model),
        "seeds, 50 networks": ("seeds", fewer, "--epochs", "3", "--networks", "50"),
    }
    peer = (sys.executable, "-W", "ignore", "-c", SKLEARN_TRAIN, large, pickle)
    figures: dict[str, dict[int, list[Run]]] = {name: {1: [], 2: []} for name in (*commands, PEER)}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            for count in (1, 2):
                run = run_process([MINNET, *command, "-q", "--workers", str(count)])
                figures[name][count].append(run)
        figures[PEER][2].append(run_process(peer))
    return figures
