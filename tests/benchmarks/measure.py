"""Figures measured side by side, and the table they make.

Times are CPU seconds unless a row says otherwise: in a single thread they equal the seconds on a
clock if nothing else runs, and stay the same if something does.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
wall = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, wall]))
"""

_uncounted_rounds = 1


class Row(NamedTuple):
    """One comparison.

    Attributes
    ----------
    benchmark
        What was measured.
    minnet, peer
        Medians, in `unit`.
    against
        Who the peer is.
    ratio
        Median of minnet / peer over the rounds.
    goal
        The ratio is to be at most this; `None` where there is no goal.
    """

    benchmark: str
    unit: str
    minnet: float
    against: str
    peer: float
    ratio: float
    goal: float | None = None


def rows_of(name: str, *, smoke: bool) -> Iterator[Row]:
    """Run a benchmark; as a smoke test it only shows that it runs.

    Each benchmark says in `SMOKE` what its constants are then.
    """
    module = importlib.import_module(f"tests.benchmarks.{name}")
    if smoke:
        global _uncounted_rounds
        _uncounted_rounds = 0
        for constant, value in module.SMOKE.items():
            assert hasattr(module, constant), f"{name} has no {constant}"
            setattr(module, constant, value)
    for row in module.rows():
        yield row._replace(goal=None) if smoke else row


def interleaved(
    contenders: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """Let each contender measure itself once a round, after one round that does not count."""
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    for counts in [False] * _uncounted_rounds + [True] * rounds:
        for name, measure in contenders.items():
            figure = measure()
            if counts:
                figures[name].append(figure)
    return figures


def compare(
    benchmark: str,
    unit: str,
    minnet: Sequence[float],
    against: str,
    peer: Sequence[float],
    goal: float | None = None,
) -> Row:
    """Make a row of figures that were measured in the same rounds."""
    ratio = statistics.median(own / other for own, other in zip(minnet, peer, strict=True))
    return Row(
        benchmark,
        unit,
        statistics.median(minnet),
        against,
        statistics.median(peer),
        ratio,
        goal,
    )


class Run(NamedTuple):
    """CPU seconds, peak memory in MB and seconds on a clock of a whole process.

    Those of its workers count among the CPU seconds; the peak is that of the largest process.
    """

    seconds: float
    peak: float
    wall: float


def run_process(arguments: Sequence[str]) -> Run:
    """Run a process to its end, without showing what it prints.

    A small process in between starts it: Linux would count the memory of a large parent as the
    child's own. It may keep its bytecode, as an installed minnet does: to compile all of it anew
    would take as long as importing numpy.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *arguments]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    printed = subprocess.run(launcher, stdout=subprocess.PIPE, check=True, env=environment).stdout
    code, seconds, peak, wall = json.loads(printed)
    if code != 0:
        raise RuntimeError(f"exit code {code}: {' '.join(arguments)}")
    return Run(seconds, peak, wall)


def seconds_of(*arguments: str) -> Callable[[], float]:
    """Make a contender of a whole process."""
    return lambda: run_process(arguments).seconds


def markdown(rows: Sequence[Row]) -> str:
    """Write the rows as a table."""
    lines = [
        "| benchmark | unit | minnet | against | its figure | ratio | at most | reached |",
        "|---|---|---:|---|---:|---:|---:|---|",
    ]
    for row in rows:
        goal, reached = "", ""
        if row.goal is not None:
            goal, reached = f"{row.goal:.3g}", "yes" if row.ratio <= row.goal else "NO"
        lines.append(
            f"| {row.benchmark} | {row.unit} | {row.minnet:.4g} | {row.against} | {row.peer:.4g} "
            f"| {row.ratio:.3g} | {goal} | {reached} |"
        )
    return "\n".join(lines)
