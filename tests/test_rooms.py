from __future__ import annotations

import ast
import re

import pytest

from tests import measure
from tests.measure import Measures

# What each room may import from minnet, besides itself and these: the table of CONTRIBUTING.md.
EVERYBODYS = {"errors", "arrays"}
BARE = {"errors", "arrays", "network"}  # these import what their row says and nothing else
ROOMS = {
    "errors": set(),
    "arrays": set(),
    "arguments": set(),
    "storage": set(),
    "codec": set(),
    "network": {"arrays"},
    "data": {"arguments"},
    "report": {"data"},
    "training": {"arguments", "storage", "codec", "network", "data"},
    "model": {"storage", "codec", "network", "data", "report", "training"},
    "analysis": {"arguments", "network", "data", "report", "training", "model"},
    "plots": {"storage", "network", "data", "training", "model", "analysis"},
    "pages": {"storage", "codec", "network", "data", "report", "training", "model", "analysis"}
    | {"plots"},
    "onnx": {"storage", "codec", "network", "data", "training", "model"},
    "dask": {"network", "data", "training", "model"},
    "cli": {"storage", "codec", "network", "data", "report", "training", "model", "analysis"}
    | {"plots", "pages", "onnx", "dask"},
    "sklearn": {"arguments", "data", "training", "model"},
}
# These two stand above all rooms.
ENTRANCES = {"minnet", "__main__"}
ONLY_IN = {
    "click": {"cli"},
    "dask": {"dask"},
    "distributed": {"dask"},
    "fsspec": {"data"},
    "matplotlib": {"plots"},
    "onnx": {"onnx"},
    "onnxruntime": set(),
    "pandas": {"dask"},
    "pyarrow": {"data"},
    "sklearn": {"sklearn"},
}

FILES = measure.sources()

# What the code comes to at most; see `python -m tests.measure`.
LIMITS = Measures(
    lines=10_930,
    files=76,
    import_share=0.0905,
    functions_of_many_parameters=2,
    modules_of_training=44,
    circles=0,
)
MOST_LINES_OF_A_FILE = 700


def room_of(module: str) -> str:
    return [*module.split("."), "minnet"][1]


def faults(room: str, source: str) -> list[str]:
    """Say what a file of a room imports that it must not."""
    if room not in ROOMS | dict.fromkeys(ENTRANCES):
        return [f"{room} is no room: add it to ROOMS"]
    found = []
    for name in measure.imported_names(ast.parse(source), types=False):
        package, inner = [*name.split("."), ""][:2]
        if not package:
            found.append(f"{room} imports {name}: write it in full")
        if room not in ONLY_IN.get(package, {room}):
            found.append(f"{room} imports {package}")
        if package != "minnet" or room in ENTRANCES or inner in ("", "__version__", room):
            continue
        if inner not in ROOMS[room] | (set() if room in BARE else EVERYBODYS):
            found.append(f"{room} imports {inner}")
    return found


@pytest.mark.parametrize("module", FILES)
def test_file_imports_only_what_its_room_may(module: str) -> None:
    assert faults(room_of(module), FILES[module]) == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("network", "from minnet.data.table import Table"),
        ("network", "from minnet.errors import DataError"),
        ("data", "from minnet.network.layers import Dense"),
        ("data", "from minnet.training.loop import train"),
        ("data", "from minnet import model"),
        ("data", "import minnet.model.model as m"),
        ("data", "def f():\n    from minnet.cli import main"),
        ("data", "from .errors import DataError"),
        ("data", "from minnet.nowhere import x"),
        ("data", "if not done:\n    import click"),
        ("data", "if TYPE_CHECKING:\n    pass\nelse:\n    import minnet.model.model"),
        ("model", "from minnet.analysis.seeds import x"),
        ("plots", "import click.testing"),
        ("cli", "from matplotlib.figure import Figure"),
        ("cli", "def f():\n    import onnx.helper"),
        ("onnx", "import onnxruntime"),
        ("onnx", "from minnet.cli import main"),
        ("model", "from minnet.onnx import export"),
        ("arrays", "from minnet.errors import DataError"),
        ("utilities", ""),
    ],
)
def test_import_that_breaks_a_rule_is_found(room: str, source: str) -> None:
    assert len(faults(room, source)) == 1


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("data", "from minnet.errors import DataError"),
        ("data", "from minnet.data.cells import parse_number"),
        ("data", "import numpy as np, os.path"),
        ("data", "if TYPE_CHECKING:\n    from minnet.arrays import Array\n    import click"),
        ("plots", "def f():\n    from matplotlib.figure import Figure"),
        ("cli", "import click, minnet\nfrom minnet.cli import text\nfrom minnet import plots"),
        ("onnx", "def f():\n    from onnx import helper"),
        ("cli", "def f():\n    from minnet import onnx"),
        ("__main__", "from minnet.cli import main"),
    ],
)
def test_import_that_keeps_the_rules_is_no_fault(room: str, source: str) -> None:
    assert faults(room, source) == []


@pytest.mark.parametrize("module", FILES)
def test_no_file_is_longer_than_a_person_reads_at_once(module: str) -> None:
    assert len(FILES[module].splitlines()) <= MOST_LINES_OF_A_FILE


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measures:
    return measure.measures(tmp_path_factory.mktemp("measured"))


@pytest.mark.parametrize("name", Measures._fields)
def test_code_stays_small(name: str, measured: Measures) -> None:
    assert getattr(measured, name) <= getattr(LIMITS, name)


MEASURED = '''"""A docstring
of two lines."""
# a comment

from typing import (
    TYPE_CHECKING,
)

if TYPE_CHECKING:
    import os  # a comment


class One:
    """A docstring."""

    text = """not a
docstring"""

    def many(self, a, b, /, c, d, *rest, e=1, f=2, g, **others):
        """A docstring."""
        import sys

        return """no docstring"""

    def six(self, a, b, c, d, e, f): ...
'''


def test_lines_are_counted_without_docstrings_comments_and_blanks() -> None:
    assert measure.code_lines(MEASURED) == {5, 6, 7, 9, 10, 13, 16, 17, 19, 21, 23, 25}


def test_import_lines_are_counted_with_blocks_for_type_checkers() -> None:
    assert measure.import_lines(MEASURED) == {5, 6, 7, 9, 10, 21}


def test_parameters_are_counted_without_self() -> None:
    assert measure.functions_of_many_parameters(MEASURED) == ["many"]


def test_circle_of_types_is_found() -> None:
    modules = {
        "minnet": "",
        "minnet.a": "from minnet.b import x",
        "minnet.b": "from minnet import c",
        "minnet.c": "if TYPE_CHECKING:\n    import minnet.a",
        "minnet.d": "import minnet.a",
        "minnet.e": "def f():\n    from minnet.g import x",
        "minnet.g": "from minnet.e import x",
    }
    of_types, at_run_time = ["minnet.a", "minnet.b", "minnet.c"], ["minnet.e", "minnet.g"]
    assert measure.circles(modules) == [of_types, at_run_time]
    assert measure.circles(modules, types=False) == [at_run_time]


def test_the_rooms_are_told_in_contributing() -> None:
    text = (measure.PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \| [^|]+ \| ([\w, ]+) \|$", text, re.MULTILINE)
    told = {
        room: set(re.findall(r"\w+", imports)) - {"nothing"}
        for rooms, imports in rows
        for room in re.findall(r"`(\w+)(?:\.py|/)`", rooms)
    }
    assert told == ROOMS
