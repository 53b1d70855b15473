from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from pyarrow import csv, parquet

from tests.helpers import IRIS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers import Run

PETALS = ["petal_length", "petal_width"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with tables of all kinds."""
    (tmp_path / "iris.csv").write_bytes(IRIS.read_bytes())
    (tmp_path / "odd.csv").write_text("petal length,petal's,\x1b[31m,y\n1,2,3,a\n")
    (tmp_path / "no_header.csv").write_text("1.5,2.5,a\n1.5,3.5,b\n")
    rows = b"1,a\n" * 100_000
    (tmp_path / "broken_later.csv").write_bytes(b"petals,y\n" + rows + b"\xff\xff\n")
    (tmp_path / "broken.csv").write_bytes(b"petals,\xff\n1,a\n")
    (tmp_path / "empty.csv").touch()
    parquet.write_table(csv.read_csv(IRIS), tmp_path / "iris.parquet")
    os.mkfifo(tmp_path / "pipe.csv")
    return tmp_path


def variables(line: str, incomplete: str, shell: str) -> dict[str, str]:
    """What a shell tells behind Tab."""
    words = ["minnet", *shlex.split(line)]
    return {
        "_MINNET_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": shlex.join([*words, *([incomplete] if incomplete else [])]),
        "COMP_CWORD": str(len(words)),
    }


@pytest.fixture
def offered(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What a shell is told behind Tab, in a folder with tables of all kinds."""

    def words(line: str, incomplete: str) -> list[str]:
        for name, value in variables(line, incomplete, "bash").items():
            monkeypatch.setenv(name, value)
        ending = run()
        assert (ending.code, ending.err) == (0, "")
        return ending.out.split("\n")[:-1] if ending.out.strip() else []

    return words


@pytest.mark.parametrize(
    ("line", "incomplete", "expected"),
    [
        ("train iris.csv --target", "petal", PETALS),
        ("train iris.csv --ignore petal_width --ignore", "pet", PETALS),
        ("seeds iris.csv -t", "petal_l", PETALS[:1]),
        ("plot regions iris.csv --x", "petal", PETALS),
        ("train iris.csv --group", "sp", ["species"]),
        ("train broken_later.csv -t", "", ["petals", "y"]),
        ("train odd.csv -t", "", ["'petal length'", "'petal'\"'\"'s'", "y"]),
        ("train iris.parquet -t", "petal", PETALS),
        ("train no_header.csv --no-header -t", "", ["column1", "column2", "column3"]),
        *(
            (f"train {name} -t", "", [])
            for name in ("broken.csv", "empty.csv", "pipe.csv", "nowhere.csv", "-", ".")
        ),
        ("train -t", "", []),
        ("predict iris.csv --id", "petal", PETALS),
        ("predict iris.csv --columns", "pre", ["predicted"]),
        ("predict iris.csv --columns", "predicted,sp", ["predicted,spread"]),
        ("plot", "re", ["regions"]),
        ("train iris.csv --optimizer", "a", ["adam"]),
    ],
)
def test_bash_is_offered_columns_of_the_data_and_choices(
    offered: Callable[..., list[str]], line: str, incomplete: str, expected: list[str]
) -> None:
    assert offered(line, incomplete) == [f"plain,{word}" for word in expected]


def test_other_shells_are_offered_names_as_they_are(folder: Path) -> None:
    ending = subprocess.run(
        [sys.executable, "-m", "minnet"],
        cwd=folder,
        env={**os.environ, **variables("train odd.csv -t", "petal", "zsh")},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ending.stderr == ""
    words = ending.stdout.split("\n")
    assert [word for word in words if "petal" in word] == ["petal length", "petal's"]


@pytest.mark.parametrize(
    "line",
    [
        "train",
        "export -o",
        "predict",
        "plot regions",
        "show -m",
        "predict iris.csv -o",
        "train --plot",
    ],
)
def test_files_are_offered_where_a_file_is_due(
    offered: Callable[..., list[str]], line: str
) -> None:
    assert offered(line, "ir") == ["file,ir"]
