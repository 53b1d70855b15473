"""Tables and networks that are large, and memory that is not."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from minnet.training import settings
from tests.bad_inputs.helpers import contents, error_of, finish, minnet
from tests.helpers import IRIS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bad_inputs.helpers import Refused
    from tests.helpers import Run

MEGABYTE = 2**20


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", IRIS, "--hidden", "10000", "--networks", "10000"),
        ("train", IRIS, "--hidden", "10000,10000"),
        ("train", IRIS, "--hidden", ",".join(["10000"] * 1000)),
        ("seeds", IRIS, "--hidden", "10000,10000"),
        ("check", IRIS, "--hidden", "10000,10000"),
    ],
    ids=lambda arguments: "-".join(map(str, arguments))[-40:],
)
def test_networks_that_no_memory_holds_are_refused_before_they_take_any(
    refused: Refused, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "total_memory", lambda: 0.2 * 2**30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(*arguments, says="GB of memory", code=2)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


def test_check_refuses_what_would_take_hours(refused: Refused) -> None:
    refused("check", IRIS, "--hidden", "5000", says="too many to move one by one", code=2)


def test_two_thousand_columns_are_learned_from(run: Run, tmp_path: Path) -> None:
    write_table(tmp_path / "wide.csv", rows=40, columns=2000)
    assert run("train", "wide.csv", "--epochs", "2", "--networks", "2").code == 0
    assert run("evaluate", "wide.csv").code == 0
    assert run("importance", "wide.csv").code == 0


def test_more_columns_than_memory_holds_are_refused_clearly(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "total_memory", lambda: 0.2 * 2**30)
    write_table(tmp_path / "wide.csv", rows=3, columns=10_000)
    refused("train", "wide.csv", "--target", "label", says="GB of memory", code=2)


def test_two_hundred_classes_are_learned(run: Run, tmp_path: Path) -> None:
    write_table(tmp_path / "data.csv", rows=800, columns=2, classes=200)
    assert run("train", "data.csv", "--epochs", "2", "--networks", "2").code == 0
    assert run("evaluate", "data.csv").code == 0
    assert run("importance", "data.csv").code == 0
    assert run("predict", "data.csv").code == 0


def test_memory_of_prediction_does_not_grow_with_the_rows(
    with_iris_model: Run, tmp_path: Path
) -> None:
    lines = IRIS.read_text().splitlines(keepends=True)
    peaks = []
    for times in (40, 200):
        (tmp_path / "big.csv").write_text(lines[0] + "".join(lines[1:]) * times)
        peaks.append(peak_memory("predict", "big.csv", "-o", "out.csv", folder=tmp_path))
    assert peaks[1] < peaks[0] + 20 * MEGABYTE


def test_memory_of_training_is_a_small_multiple_of_the_table(run: Run, tmp_path: Path) -> None:
    # 1,000,000 rows by 10 columns may take 1.5 GB; these are a twentieth of them.
    write_table(tmp_path / "big.csv", rows=50_000, columns=9)
    before = peak_memory("train", IRIS, "--epochs", "1", folder=tmp_path)
    after = peak_memory("train", "big.csv", "--epochs", "1", folder=tmp_path)
    assert after < before + 75 * MEGABYTE


@pytest.mark.parametrize("megabytes", [220, 330])
@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "wide.csv", "--epochs", "1", "--bins", "0"),
        ("predict", IRIS),
        ("evaluate", IRIS),
        ("importance", IRIS),
        ("plot", "-o", "loss.png"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_little_memory_is_one_line_or_enough(
    with_iris_model: Run, tmp_path: Path, megabytes: int, arguments: tuple[str, ...]
) -> None:
    if arguments[0] == "train":
        write_table(tmp_path / "wide.csv", rows=150, columns=1500)
    before = contents(tmp_path)

    def limit_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * MEGABYTE,) * 2)

    ending = finish(minnet(*arguments, cwd=tmp_path, preexec_fn=limit_memory))
    if ending.code:
        assert contents(tmp_path) == before
    # In one run of a hundred it is the stack that cannot grow, and the system ends the process.
    if ending.code not in (0, -signal.SIGSEGV):
        assert error_of(ending) == "Error: not enough memory"


def write_table(path: Path, rows: int, columns: int, classes: int = 2) -> None:
    """Write a table of small numbers and a label."""
    header = ",".join(f"c{i}" for i in range(columns))
    with open(path, "w") as file:
        file.write(f"{header},label\n")
        for row in range(rows):
            cells = ",".join(str((row * i) % 101 / 8) for i in range(columns))
            file.write(f"{cells},k{row % classes}\n")


def peak_memory(*arguments: object, folder: Path) -> int:
    """Run a command and tell the most memory that it took, in bytes."""
    code = (
        "import resource, sys\nfrom minnet.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as ending: assert not ending.code\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(process.stdout.split()[-1]) * 1024
