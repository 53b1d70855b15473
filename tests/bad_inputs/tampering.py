"""Set every number of a model file to others, and see that every command answers or refuses it.

By hand, from the folder that holds tests/: `python -m tests.bad_inputs.tampering`
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import minnet
from minnet.cli import main
from minnet.errors import ModelError
from minnet.model.document import from_bytes, to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBERS = (0, -1, 1, 2, 0.5, 1e308, -1e308, 1e-310, 3e38, 2**62, 10**19)
OTHERS = (None, "", True, [], [0])
ROWS: dict[str, list[Any]] = {
    "width": [1.5, 2, None, 4, 2.5, 6, 7, 8.5, 9, 3] * 3,
    "height": [3, 1, 4, 1, 5, 9, 2, 6, 5, 3] * 3,
    "coat": ["long", "short", "long", "", "short"] * 6,
    "born": ["2024-03-04 10:00", "", "2023-12-31 23:30", "2024-02-29", "2024-03-04 09:00"] * 6,
    "fed": ["08:30", "18:00", "12:00"] * 10,
    "counts": [1, 2, 0.5] * 10,
    "kind": ["cat", "dog", "dog", "cat", "cat"] * 6,
}
COMMANDS = (
    "show",
    "show --json",
    "predict rows.csv",
    "predict rows.csv --json",
    "evaluate rows.csv",
    "evaluate rows.csv --json",
    "explain rows.csv --row 1",
    "explain rows.csv --row 3 --json",
    "importance rows.csv --json",
    "compare model.json tampered.json rows.csv --json",
    "page rows.csv -o page.html",
    "plot loss -o loss.png",
    "plot network -o network.png",
    "plot regions rows.csv -o regions.png",
    "plot calibration rows.csv -o calibration.png",
    "plot roc rows.csv -o roc.png",
    "export -o model.onnx",
)


def small_model() -> minnet.Model:
    """Train a model that has something of everything."""
    return minnet.train(
        ROWS,
        "kind",
        networks=2,
        hidden=2,
        bins=2,
        epochs=2,
        learning_rate=0.01,
        batch_size=9,
        class_weights={"cat": 2.0},
        weights="counts",
        threshold="balanced",
    )


def tampered(document: Any) -> Iterator[tuple[str, bytes]]:
    """Write the file anew with one field changed: of a list the first item, or all numbers."""
    for place in _places(document):
        *above, last = place
        inner = document
        for key in above:
            inner = inner[key]
        original = inner[last]
        for value in (*NUMBERS, *OTHERS):
            inner[last] = _filled(original, value)
            yield f"{'.'.join(map(str, place))}: {value!r}", json.dumps(document).encode()
        inner[last] = original


def _places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where there is a number, a truth, or a list of numbers; only the first item of each list."""
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*place, key))
    elif isinstance(value, list) and value:
        if _is_of_numbers(value):
            yield place
        items = enumerate(value) if isinstance(value[0], dict) else [(0, value[0])]
        for index, item in items:
            yield from _places(item, (*place, index))
    elif isinstance(value, int | float):
        yield place


def _is_of_numbers(value: Any) -> bool:
    return (
        all(map(_is_of_numbers, value)) if isinstance(value, list) else type(value) in (int, float)
    )


def _filled(value: Any, filling: Any) -> Any:
    return [_filled(item, filling) for item in value] if isinstance(value, list) else filling


def problem(command: str, model: str) -> str:
    """Run a command in this process, and say what is wrong with how it ended; else nothing."""
    words = command.split()
    if words[0] != "compare":
        words += ["--model", model]
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    code: Any = 0
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            main([*words, "-q"])
        except SystemExit as ending:
            code = ending.code or 0
    out, err = (stream.buffer.getvalue().decode() for stream in streams)  # type: ignore[attr-defined]
    if code not in (0, 1, 2) or "internal error" in err or len(err.splitlines()) != bool(code):
        return f"exit {code}: {err}"
    if code and (out or not err.startswith("Error: ")):
        return f"exit {code}: {err} after {out!r}"
    try:
        json.loads(out if "--json" in words and not code else "0", parse_constant=_refuse)
    except ValueError as error:
        return f"JSON: {error}"
    return ""


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def prepare() -> Any:
    """Write rows and a model of them into the current folder, and give what is in its file."""
    data = to_bytes(small_model())
    columns = zip(*ROWS.values(), strict=True)
    lines = [[*ROWS], *([("" if cell is None else str(cell)) for cell in row] for row in columns)]
    Path("rows.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    Path("model.json").write_bytes(data)
    document = json.loads(data)
    del document["checksum"]
    return document


def tamper(share: float = 1.0, commands: int = len(COMMANDS)) -> tuple[Counter[str], list[str]]:
    """Try all tampered files, or a share of them; count how they were taken, and list the problems.

    The folder that is worked in is the current one.

    Parameters
    ----------
    commands
        How many are run on each, drawn anew.
    """
    counts, problems = Counter[str](), []
    document = prepare()
    chance = random.Random(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, data in tampered(document):
            if chance.random() >= share:
                continue
            try:
                from_bytes(data, "tampered.json")
            except ModelError:
                counts["refused"] += 1
                continue
            counts["used"] += 1
            Path("tampered.json").write_bytes(data)
            for command in chance.sample(COMMANDS, commands):
                if wrong := problem(command, "tampered.json"):
                    problems.append(f"{name}: {command}: {wrong}")
    return counts, problems


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        counted, found = tamper(float(sys.argv[1]) if sys.argv[1:] else 1.0)
    print(counted, *found, sep="\n")
