"""CPU seconds that commands take to start: whole processes against their imports alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.measure import Row, compare, interleaved, run_process, seconds_of
from tests.benchmarks.process import IRIS, MINNET, python

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 10
SMOKE = {"ROUNDS": 1}
NUMPY, CLICK = "import numpy, click", "import click"


def rows() -> Iterator[Row]:
    """Training, one epoch and all, help, version and one prediction."""
    with tempfile.TemporaryDirectory() as folder:
        model, one_row = os.path.join(folder, "model.json"), os.path.join(folder, "one.csv")
        Path(one_row).write_text("".join(Path(IRIS).read_text().splitlines(keepends=True)[:2]))
        train = ("train", IRIS, "--model", model)
        run_process([MINNET, *train])
        commands = {
            "train --epochs 1": ((*train, "--epochs", "1"), NUMPY, 1.45),
            "train": (train, NUMPY, 1.6),
            "--help": (("--help",), CLICK, 1.25),
            "--version": (("--version",), CLICK, None),
            "predict one row": (("predict", one_row, "--model", model), NUMPY, 1.1),
        }
        figures = interleaved(
            {peer: python(peer) for peer in (NUMPY, CLICK)}
            | {name: seconds_of(MINNET, *words) for name, (words, _, _) in commands.items()},
            ROUNDS,
        )
    for name, (_, peer, goal) in commands.items():
        yield compare(f"start: {name}", "s", figures[name], peer, figures[peer], goal)
