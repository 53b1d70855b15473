"""Damage model files and CSV files at random, and see that nothing but a plain error comes of it.

By hand, from the folder that holds tests/: `python -m tests.bad_inputs.fuzz --seconds 60`
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import minnet
from minnet import TrainingSettings
from minnet.data.table import Table
from minnet.errors import MinnetError
from minnet.model.document import from_bytes, to_bytes
from tests.helpers import IRIS, PENGUINS, fit, read_text
from tests.test_model_file import DATA, edited

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_CASE = 5.0
TOKENS = (
    *(b"", b",", b";", b"\t", b'"', b'""', b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf"),
    *(b"NA", b"nan", b"inf", b"-1e308", b"1e308", b"1e-320", b"1e309", b"1_000", b"9" * 400),
    *(b"[", b"]", b"{", b"}", b":", b"null", b"true", b"NaN", b"-0", b"1e5", b'"\\ud800"', b"0.5"),
    *("é".encode(), "🐧".encode(), "٣".encode(), b"\x1b[31m", b"\x80", b"-1", b"0", b"1", b"2"),
)
SETTINGS = TrainingSettings(networks=2, hidden=(2,), epochs=1)
MODELS = (DATA, edited({}))
TABLES = tuple(
    b"".join(path.read_bytes().splitlines(keepends=True)[:1] + some)
    for path in (IRIS, PENGUINS)
    for some in [path.read_bytes().splitlines(keepends=True)[i::30] for i in (1, 2)]
)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Change a few places: a bit, a byte, a token, a piece taken out, doubled or moved."""
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        start = chance.randrange(len(data) + 1)
        stop = min(len(data), start + chance.choice((0, 1, 1, 4, 20, 200)))
        piece = data[start:stop]
        match chance.randrange(6):
            case 0:
                piece = bytes(byte ^ (1 << chance.randrange(8)) for byte in piece)
            case 1:
                piece = chance.choice(TOKENS)
            case 2:
                piece = b""
            case 3:
                piece *= chance.choice((2, 3, 50))
            case 4:
                place = chance.randrange(len(data) + 1)
                piece = data[place : place + chance.choice((1, 5, 50))]
            case 5:
                piece = chance.choice(TOKENS) + piece + chance.choice(TOKENS)
        data = data[:start] + piece + data[stop:]
    return data


def try_model(data: bytes) -> None:
    """Load a model; what loads must answer and be saved again as what it is."""
    model = from_bytes(data, "model.json")
    saved = to_bytes(model)
    assert to_bytes(from_bytes(saved, "model.json")) == saved
    columns = {column.name: ["1", "", "kurz"] for column in model.encoder.columns}
    for name in columns:
        if hasattr(next(c for c in model.encoder.columns if c.name == name), "median"):
            columns[name] = ["1", "", "-1e300"]
    check_answers(model, Table.from_columns(columns))


def try_csv(data: bytes) -> None:
    """Read a CSV; what can be read is learned, and what can be learned can be used."""
    table = read_text(data)
    assert all(len(column.missing) == len(table) for column in table.columns.values())
    model = fit(table, list(table.columns)[-1], SETTINGS)
    check_answers(model, table)
    saved = to_bytes(model)
    again = from_bytes(saved, "model.json")
    assert np.array_equal(again.member_probabilities(table), model.member_probabilities(table))


def check_answers(model: minnet.Model, table: Table) -> None:
    """Probabilities are between 0 and 1 and sum to 1."""
    probabilities = model.member_probabilities(table)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert np.allclose(probabilities.sum(axis=-1), 1)


TARGETS: tuple[tuple[Callable[[bytes], None], tuple[bytes, ...]], ...] = (
    (try_model, MODELS),
    (try_csv, TABLES),
)


def fuzz(seconds: float, seed: int) -> dict[str, int]:
    """Try damaged files for so long; return how many were used and how many refused.

    Raises
    ------
    AssertionError
        If a file brings out anything but an answer or a plain error; names a copy of the file.
    """
    chance = random.Random(seed)
    counts = {"used": 0, "refused": 0}
    end = time.monotonic() + seconds
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        while time.monotonic() < end:
            target, originals = chance.choice(TARGETS)
            data = damaged(chance.choice(originals), chance)
            counts[_try(target, data)] += 1
    return counts


def _try(target: Callable[[bytes], None], data: bytes) -> str:
    start = time.monotonic()
    try:
        target(data)
        outcome = "used"
    except MinnetError as error:
        outcome = "refused"
        problem = None if str(error).isprintable() else f"an error of many lines: {error!r}"
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    else:
        problem = None
    if time.monotonic() - start > LONGEST_CASE:
        problem = f"it took over {LONGEST_CASE:g} seconds"
    if problem:
        with tempfile.NamedTemporaryFile(prefix=target.__name__, delete=False) as file:
            file.write(data)
        raise AssertionError(f"{target.__name__} of {Path(file.name)}: {problem}")
    return outcome


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}")
    print(fuzz(chosen.seconds, chosen.seed))
