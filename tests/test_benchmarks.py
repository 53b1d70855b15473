"""Each benchmark runs, on next to nothing."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import LONGEST, NAMES
from tests.benchmarks.measure import Row, markdown, rows_of

HELPERS = {"__init__", "__main__", "measure", "networks"}


def test_each_benchmark_is_named() -> None:
    files = {path.stem for path in Path(__file__).parent.joinpath("benchmarks").glob("*.py")}
    assert sorted(NAMES + LONGEST) == sorted(files - HELPERS)


def rows_alone(name: str) -> list[Row]:
    """Run a benchmark in a process of its own: Dask's threads may hang beside those of torch."""
    command = [sys.executable, "-m", "tests.benchmarks", "--smoke", name]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [Row(**row) for row in json.loads(printed.splitlines()[-1])]


@pytest.mark.parametrize("name", NAMES + LONGEST)
def test_benchmark_runs(name: str) -> None:
    if name == "step" and shutil.which("gcc") is None:
        pytest.skip("there is no compiler for the limit in C")
    rows = rows_alone(name) if name == "dask" else list(rows_of(name, smoke=True))
    assert rows
    assert all(math.isfinite(row.minnet + row.peer) for row in rows)
    assert markdown(rows).count("\n") == len(rows) + 1
