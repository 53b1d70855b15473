from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import minnet

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(minnet.__file__).parent

FLOORS = [
    {"errors", "softmax", "layers", "optimizers", "folds", "history", "cells"},
    {"batches", "network", "settings", "csv_reader", "files", "checked_json"},
    {"table", "epochs", "figure"},
    {"columns", "trace", "processes"},
    {"encoding", "training"},
    {"model_file", "checkpoint"},
    {"model"},
    {"evaluation", "explanation", "gradient_check", "notes", "prediction", "seeds"},
    {"plots", "plot_network", "plot_regions"},
    {"cli"},
]
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}

ONLY_IN = {"click": {"cli"}, "matplotlib": {"figure", "plots", "plot_network", "plot_regions"}}
OUTSIDE = {"minnet", "__main__", "arrays"}

FILES = {path: path.relative_to(PACKAGE).parts for path in sorted(PACKAGE.rglob("*.py"))}


def module_of(parts: tuple[str, ...]) -> str:
    """Name a file's module; all files of `cli/` are `cli`, and `__init__.py` is `minnet`."""
    return "minnet" if parts == ("__init__.py",) else parts[0].removesuffix(".py")


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


def faults(module: str, source: str) -> list[str]:
    """Say what a module imports that it must not."""
    if module not in FLOOR_OF | dict.fromkeys(OUTSIDE):
        return [f"{module} stands on no floor: add it to FLOORS"]
    found = []
    for name in imports_at_run_time(ast.parse(source)):
        package, inner = [*name.split("."), ""][:2]
        if not package:
            found.append(f"{module} imports {name}: write it in full")
        if module not in ONLY_IN.get(package, {module}):
            found.append(f"{module} imports {package}")
        if package != "minnet" or module in OUTSIDE - {"arrays"} or inner in ("", "__version__"):
            continue
        inside_cli = module == inner == "cli"
        if not inside_cli and FLOOR_OF.get(inner, 99) >= FLOOR_OF.get(module, -1):
            found.append(f"{module} imports {inner}, which is on no lower floor")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_only_from_lower_floors(path: Path) -> None:
    assert faults(module_of(FILES[path]), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("table", "from minnet.columns import describe"),
        ("table", "from minnet.training import train"),
        ("table", "from minnet import model"),
        ("table", "import minnet.model as m"),
        ("table", "def f():\n    from minnet.cli import main"),
        ("table", "from minnet.arrays import Array"),
        ("table", "from .errors import DataError"),
        ("table", "from minnet.nowhere import x"),
        ("table", "if not done:\n    import click"),
        ("table", "if TYPE_CHECKING:\n    pass\nelse:\n    import minnet.model"),
        ("evaluation", "from minnet.seeds import x"),
        ("plots", "import click.testing"),
        ("cli", "from matplotlib.figure import Figure"),
        ("arrays", "from minnet.errors import DataError"),
        ("utilities", ""),
    ],
)
def test_import_that_breaks_a_rule_is_found(module: str, source: str) -> None:
    assert len(faults(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("table", "from minnet.errors import DataError"),
        ("table", "import numpy as np, os.path"),
        ("table", "if TYPE_CHECKING:\n    from minnet.arrays import Array\n    import click"),
        ("plots", "def f():\n    from matplotlib.figure import Figure"),
        ("cli", "import click, minnet\nfrom minnet.cli import text\nfrom minnet import plots"),
        ("__main__", "from minnet.cli import main"),
    ],
)
def test_import_that_keeps_the_rules_is_no_fault(module: str, source: str) -> None:
    assert faults(module, source) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_is_longer_than_a_person_reads_at_once(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_the_floors_are_told_in_contributing() -> None:
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (\d) \| `(\w+)(?:\.py|/)` \|", text, re.MULTILINE)
    assert {name: int(floor) for floor, name in told} == FLOOR_OF
