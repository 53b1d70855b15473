from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import minnet

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(minnet.__file__).parent

# What each room may import from minnet, besides itself: the table of CONTRIBUTING.md.
ROOMS = {
    "errors": set(),
    "arrays": set(),
    "arguments": {"errors"},
    "storage": {"errors"},
    "codec": {"errors", "arrays"},
    "network": {"arrays"},
    "data": {"errors", "arrays", "arguments"},
    "report": {"errors", "data"},
    "training": {"errors", "arrays", "arguments", "storage", "codec", "network", "data"},
    "model": {"errors", "arrays", "storage", "codec", "network", "data", "report", "training"},
    "analysis": {"errors", "arrays", "arguments", "network", "data", "report", "training"}
    | {"model"},
    "plots": {"errors", "arrays", "storage", "network", "data", "training", "model", "analysis"},
    "page": {"errors", "arrays", "storage", "codec", "network", "data", "training", "model"}
    | {"analysis", "plots"},
    "onnx": {"errors", "arrays", "storage", "codec", "network", "data", "training", "model"},
    "dask": {"errors", "arrays", "network", "data", "training", "model"},
    "cli": {"errors", "arrays", "storage", "codec", "network", "data", "report", "training"}
    | {"model", "analysis", "plots", "onnx", "page", "dask"},
    "sklearn": {"errors", "arrays", "arguments", "data", "training", "model"},
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

FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def room_of(module: str) -> str:
    return [*module.split("."), "minnet"][1]


def imports_at_run_time(node: ast.AST) -> Iterator[str]:
    """Dotted names of all that is imported, also inside functions, but not for type checkers."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        for child in node.orelse:
            yield from imports_at_run_time(child)
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        start = "." * node.level + (node.module or "")
        yield from (f"{start}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imports_at_run_time(child)


def faults(room: str, source: str) -> list[str]:
    """Say what a file of a room imports that it must not."""
    if room not in ROOMS | dict.fromkeys(ENTRANCES):
        return [f"{room} is no room: add it to ROOMS"]
    found = []
    for name in imports_at_run_time(ast.parse(source)):
        package, inner = [*name.split("."), ""][:2]
        if not package:
            found.append(f"{room} imports {name}: write it in full")
        if room not in ONLY_IN.get(package, {room}):
            found.append(f"{room} imports {package}")
        if package != "minnet" or room in ENTRANCES or inner in ("", "__version__", room):
            continue
        if inner not in ROOMS.get(room, ()):
            found.append(f"{room} imports {inner}")
    return found


@pytest.mark.parametrize("module", FILES)
def test_file_imports_only_what_its_room_may(module: str) -> None:
    assert faults(room_of(module), FILES[module].read_text(encoding="utf-8")) == []


def test_no_import_is_circular() -> None:
    graph: dict[str, set[str]] = {}
    for module, path in FILES.items():
        names = set(imports_at_run_time(ast.parse(path.read_text(encoding="utf-8"))))
        prefixes = names | {name.rpartition(".")[0] for name in names}
        graph[module] = prefixes & set(FILES) - {module, "minnet"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1]))


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
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= 750


def test_the_rooms_are_told_in_contributing() -> None:
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \| [^|]+ \| ([\w, ]+) \|$", text, re.MULTILINE)
    told = {
        room: set(re.findall(r"\w+", imports)) - {"nothing"}
        for rooms, imports in rows
        for room in re.findall(r"`(\w+)(?:\.py|/)`", rooms)
    }
    assert told == ROOMS
