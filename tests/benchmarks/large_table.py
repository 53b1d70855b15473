"""Large CSV files: seconds, peak memory and growth of reading, training and predicting."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import TYPE_CHECKING

import numpy as np

from tests.benchmarks.measure import Row, Run, compare, run_process
from tests.benchmarks.process import MINNET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SMALLEST = 100
SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 3
SMOKE = {"SMALLEST": 200, "SIZES": (200,), "ROUNDS": 1}

READ = "import minnet, sys; minnet.read_csv(sys.argv[1])"
READ_ANY = "import sys; from minnet.data.table import as_table; as_table(sys.argv[1])"
TO_PARQUET = "import pandas, sys; pandas.read_csv(sys.argv[1]).to_parquet(sys.argv[2])"
PANDAS_READ = "import pandas, sys; pandas.read_csv(sys.argv[1])"
TRAIN = """
import minnet, sys
from minnet.model.document import save
model = minnet.train(minnet.read_csv(sys.argv[1]), "label", epochs=1, batch_size=512)
save(model, sys.argv[2])
"""
_PIPELINE = """
import pandas, pickle, sys
from sklearn.compose import make_column_transformer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
table = pandas.read_csv(sys.argv[1])
"""
SKLEARN_TRAIN = (
    _PIPELINE
    + """
numbers = [f"number{i}" for i in range(8)]
scaled = make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(), ["town"]))
pipeline = make_pipeline(scaled, MLPClassifier(max_iter=1))
pipeline.fit(table, table["label"])
pickle.dump(pipeline, open(sys.argv[2], "wb"))
"""
)
SKLEARN_PREDICT = (
    _PIPELINE
    + """
pipeline = pickle.load(open(sys.argv[2], "rb"))
probabilities = pipeline.predict_proba(table)
table["predicted"] = pipeline.classes_[probabilities.argmax(axis=1)]
for label, name in enumerate(pipeline.classes_):
    table[f"p({name})"] = probabilities[:, label].round(6)
table.to_csv(sys.argv[3], index=False)
"""
)


def rows() -> Iterator[Row]:
    """8 columns of numbers, one of text and the label; 1,000,000 rows, and fewer for growth."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {size: _runs(folder, size) for size in sorted({SMALLEST, *SIZES})}
    largest = runs[SIZES[-1]]
    for job, limit, memory in (("read", 3.5, 0.5), ("train one epoch", None, None)):
        yield from _against(job, largest, limit, memory)
    yield from _against("predict", largest, 2.0, None)
    parquet, text = ([run.seconds for run in largest[job]] for job in ("read Parquet", "read"))
    yield compare("read Parquet, 1e6 rows", "s", parquet, "minnet, the CSV", text, 1 / 3)
    rate = [SIZES[-1] / run.seconds for run in largest["predict"]]
    yield compare(
        "predict 1e6 rows", "rows a second (1 / ratio)", rate, "goal", [200_000] * ROUNDS, None
    )
    peak = [run.peak for run in largest["predict"]]
    yield compare("predict 1e6 rows", "MB", peak, "goal", [150] * ROUNDS, 1.0)
    for job in ("read", "train one epoch", "predict") if len(SIZES) > 1 else ():
        # What a process takes before its first row is no growth.
        # The quickest rounds are those that other work on the machine disturbed least.
        start, *seconds = (min(run.seconds for run in of[job]) for of in runs.values())
        growth = np.polyfit(np.log(SIZES), np.log(np.array(seconds) - start), 1)[0]
        goal = None if job == "read" else 1.05
        yield compare(f"growth of {job} over rows", "exponent", [growth], "linear", [1.0], goal)


def _against(
    job: str, runs: dict[str, list[Run]], limit: float | None, memory: float | None
) -> Iterator[Row]:
    own, peer = runs[job], runs[f"{job}, peer"]
    name = "pandas" if job == "read" else "pandas + scikit-learn"
    for unit, goal in (("s", limit), ("MB", memory)):
        field = 0 if unit == "s" else 1
        ours, theirs = [run[field] for run in own], [run[field] for run in peer]
        yield compare(f"{job} 1e6 rows", unit, ours, name, theirs, goal)


def _runs(folder: str, size: int) -> dict[str, list[Run]]:
    data, model, output = (os.path.join(folder, name) for name in ("t.csv", "m.json", "o.csv"))
    peer_model = model + ".pickle"
    write_table(data, size)
    _python(TO_PARQUET, data, data + ".parquet")
    jobs: dict[str, Callable[[], Run]] = {
        "read": lambda: _python(READ, data),
        "read Parquet": lambda: _python(READ_ANY, data + ".parquet"),
        "read, peer": lambda: _python(PANDAS_READ, data),
        "train one epoch": lambda: _python(TRAIN, data, model),
        "train one epoch, peer": lambda: _python(SKLEARN_TRAIN, data, peer_model),
        "predict": lambda: run_process([MINNET, "predict", data, "-m", model, "-o", output]),
        "predict, peer": lambda: _python(SKLEARN_PREDICT, data, peer_model, output),
    }
    rounds = [{name: job() for name, job in jobs.items()} for _ in range(ROUNDS)]
    return {name: [of_round[name] for of_round in rounds] for name in jobs}


def _python(code: str, *arguments: str) -> Run:
    return run_process([sys.executable, "-W", "ignore", "-c", code, *arguments])


def write_table(path: str, size: int) -> None:
    """Write eight columns of numbers, one of text, and a label that depends on them."""
    generator = np.random.default_rng(0)
    with open(path, "w") as file:
        file.write(",".join([*(f"number{i}" for i in range(8)), "town", "label"]) + "\n")
        for start in range(0, size, 10_000):
            count = min(10_000, size - start)
            numbers = generator.normal(size=(count, 8))
            numbers[:, 5:] = np.round(100 * numbers[:, 5:])
            town = generator.integers(0, 20, count)
            noise = generator.normal(size=count)
            score = numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + 0.1 * town + noise
            label = (score > 1) + (numbers[:, 3] > 1)
            file.writelines(
                f"{','.join(map(str, row))},town{place},class{kind}\n"
                for row, place, kind in zip(
                    numbers.round(4).tolist(), town.tolist(), label.tolist(), strict=True
                )
            )
