"""Each benchmark runs, on next to nothing."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import LONGEST, NAMES
from tests.benchmarks.measure import markdown, rows_of

HELPERS = {"__init__", "__main__", "measure", "networks"}


def test_each_benchmark_is_named() -> None:
    files = {path.stem for path in Path(__file__).parent.joinpath("benchmarks").glob("*.py")}
    assert sorted(NAMES + LONGEST) == sorted(files - HELPERS)


@pytest.mark.parametrize("name", NAMES + LONGEST)
def test_benchmark_runs(name: str) -> None:
    if name == "step" and shutil.which("gcc") is None:
        pytest.skip("there is no compiler for the limit in C")
    rows = list(rows_of(name, smoke=True))
    assert rows
    assert all(math.isfinite(row.minnet + row.peer) for row in rows)
    assert markdown(rows).count("\n") == len(rows) + 1
