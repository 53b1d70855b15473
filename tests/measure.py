"""Measure the code of minnet itself: `python -m tests.measure` prints the table."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import minnet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = Path(minnet.__file__).parent
IRIS = PACKAGE.parent / "data" / "iris.csv"
MOST_PARAMETERS = 6

# What is no code: a comment, a blank line, and what only ends or indents lines.
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

_MODULES_OF_TRAINING = """
import sys
from minnet.__main__ import main
try:
    main()
except SystemExit as ending:
    assert not ending.code
print(*(name for name in sys.modules if name.partition(".")[0] == "minnet"))
"""


class Measures(NamedTuple):
    """What the code comes to, as the limits in `tests/test_rooms.py` are named."""

    lines: int
    files: int
    import_share: float
    functions_of_many_parameters: int
    modules_of_training: int
    circles: int


@cache
def sources() -> Mapping[str, str]:
    """Text of each module of minnet, by its dotted name."""
    return {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path.read_text(encoding="utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def is_for_type_checkers(node: ast.AST) -> bool:
    """Tell whether this is an `if TYPE_CHECKING`."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imported_names(node: ast.AST, *, types: bool = True) -> Iterator[str]:
    """Dotted names of all that is imported, also inside functions, and for type checkers or not."""
    if not types and isinstance(node, ast.If) and is_for_type_checkers(node):
        for child in node.orelse:
            yield from imported_names(child, types=types)
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        start = "." * node.level + (node.module or "")
        yield from (f"{start}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imported_names(child, types=types)


def code_lines(source: str) -> set[int]:
    """Numbers of the lines that are neither docstring, comment nor blank."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
            lines.difference_update(_lines_of(node.body[0]))
    return lines


def import_lines(source: str) -> set[int]:
    """Numbers of the lines that import, with the whole of a block for type checkers."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom) or is_for_type_checkers(node):
            lines.update(_lines_of(node))
    return lines & code_lines(source)


def _lines_of(node: ast.AST) -> range:
    return range(node.lineno, node.end_lineno + 1)


def functions_of_many_parameters(source: str) -> list[str]:
    """Names of the functions that take too many, `self` and `cls` not counted."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
            own = names[:1] in (["self"], ["cls"])
            if len(names) + len(node.args.kwonlyargs) - own > MOST_PARAMETERS:
                found.append(node.name)
    return found


def circles(modules: Mapping[str, str], *, types: bool = True) -> list[list[str]]:
    """Groups of modules each of which imports all others of its group, by whatever way."""
    imports: dict[str, set[str]] = {}
    for module, source in modules.items():
        names = set(imported_names(ast.parse(source), types=types))
        names |= {name.rpartition(".")[0] for name in names}
        imports[module] = names & set(modules) - {module, "minnet"}
    reached = {module: _reached(module, imports) for module in modules}
    groups = {
        tuple(other for other in modules if other in reached[module] and module in reached[other])
        for module in modules
    }
    return [list(group) for group in sorted(groups) if group]


def _reached(module: str, imports: Mapping[str, set[str]]) -> set[str]:
    """Find what a module imports, and what that imports in turn."""
    reached: set[str] = set()
    ahead = list(imports[module])
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += imports[name]
    return reached


def modules_of_training(folder: Path) -> list[str]:
    """Names of the modules of minnet that `minnet train data/iris.csv` imports."""
    model = str(folder / "model.json")
    command = [sys.executable, "-c", _MODULES_OF_TRAINING, "train", str(IRIS), "-q", "-m", model]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return out.splitlines()[-1].split()


def measures(folder: Path) -> Measures:
    """Measure everything; a model is written into the folder."""
    modules = sources()
    lines = sum(len(code_lines(source)) for source in modules.values())
    imports = sum(len(import_lines(source)) for source in modules.values())
    return Measures(
        lines=lines,
        files=len(modules),
        import_share=imports / lines,
        functions_of_many_parameters=sum(
            len(functions_of_many_parameters(source)) for source in modules.values()
        ),
        modules_of_training=len(modules_of_training(folder)),
        circles=len(circles(modules)),
    )


def main() -> None:
    """Print what the code comes to, and where it is more than it should be."""
    import tempfile

    from tests.test_rooms import LIMITS

    with tempfile.TemporaryDirectory() as folder:
        measured = measures(Path(folder))
    print("| measure | is | at most |\n|---|---:|---:|")
    for name, value, limit in zip(Measures._fields, measured, LIMITS, strict=True):
        form = ".1%" if isinstance(value, float) else ","
        print(f"| {name.replace('_', ' ')} | {value:{form}} | {limit:{form}} |")
    for module, source in sources().items():
        for name in functions_of_many_parameters(source):
            print(f"{module}.{name} has more than {MOST_PARAMETERS} parameters")
    for group in circles(sources()):
        print("circle:", " ".join(group))


if __name__ == "__main__":
    main()
