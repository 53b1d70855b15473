from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from minnet.cli import predict as predictions
from minnet.data import csv as text_source
from tests.bad_inputs.helpers import children, contents, finish, is_running, minnet, time_limit
from tests.helpers import IRIS, known_note, recorded_pools

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Run

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only"),
    # The test run itself may have threads, from torch; the command line has none.
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let workers start after 20 rows; how many, each time."""
    counts = recorded_pools(monkeypatch)
    monkeypatch.setattr(predictions, "LINES_AT_ONCE", 10)
    monkeypatch.setattr(predictions, "BLOCKS_ALONE", 2)
    return counts


@pytest.fixture
def difficult(tmp_path: Path) -> Path:
    """Iris with blank lines, and cells that hold quotes, delimiters and line ends."""
    lines = [line + f",{row}" for row, line in enumerate(IRIS.read_text().splitlines())]
    lines[0] = lines[0].replace(",0", ",note")
    lines[30] += '"inches"'
    lines[50:50] = ["", "  "]
    lines[60] = lines[60].replace(",58", ',"a, ""b""\nc\n\nd"')
    lines[66:80] = [f'{line[:-2]}"{row},\n"' for row, line in enumerate(lines[66:80])]
    path = tmp_path / "difficult.csv"
    path.write_bytes("\r\n".join(lines).encode())
    return path


@pytest.mark.parametrize("options", [(), ("--json",), ("--columns", "predicted,caution")], ids=str)
def test_any_number_of_workers_writes_the_bytes_of_one(
    with_iris_model: Run, started: list[int], difficult: Path, options: tuple[str, ...]
) -> None:
    alone, three = (
        with_iris_model("predict", difficult, *options, "--workers", count) for count in (1, 3)
    )
    assert alone.code == 0
    assert three == alone
    assert started == [1, 3]


def test_cells_are_written_as_they_were_whatever_is_in_them(
    with_iris_model: Run, started: list[int], difficult: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    assert with_iris_model("predict", difficult, "-o", out, "--workers", 2).code == 0
    with open(difficult, newline="") as before, open(out, newline="") as after:
        rows = [row for row in csv.reader(before) if len(row) > 1]
        assert [row[: len(rows[0])] for row in csv.reader(after)] == rows
    assert len(rows) == 151
    assert started == [2]


def test_small_table_stays_in_one_process(
    with_iris_model: Run, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "BLOCKS_ALONE", 15)
    assert with_iris_model("predict", IRIS, "--workers", 2).code == 0
    assert not started


@pytest.mark.parametrize("later", [",ragged", ',"broken"quote', ',"open', "\0"])
@pytest.mark.usefixtures("started")
def test_the_first_error_of_a_table_is_told_with_any_number_of_workers(
    with_iris_model: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    monkeypatch.setattr(text_source, "CHARACTERS_AT_ONCE", 100)
    lines = IRIS.read_text().splitlines()
    lines[120] = "much" + lines[120]
    lines[140] += later
    data = tmp_path / "bad.csv"
    data.write_text("\n".join(lines))
    for count in (1, 2, 3):
        ending = with_iris_model("predict", data, "-o", tmp_path / "out.csv", "--workers", count)
        assert ending.code == 1
        assert "bad.csv:121: column 'sepal_length': 'much" in ending.err
        assert ending.err.count("\n") == 1
        assert list(tmp_path.glob("out*")) == []
        assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (signal.SIGINT, 130, "Interrupted: out.csv was not written"),
        (signal.SIGTERM, 143, "Interrupted: out.csv was not written"),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
    ids=["Ctrl-C", "SIGTERM", "SIGKILL"],
)
def test_signal_ends_all_processes_of_predict_and_leaves_no_file(
    iris_model: Path, tmp_path: Path, number: int, code: int, message: str
) -> None:
    header, *rows = IRIS.read_text().splitlines()
    process = minnet(
        *("predict", "-", "-m", iris_model, "-o", "out.csv", "--workers", 2),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    try:
        with time_limit():
            # More than this process does alone; and then it waits for the rest.
            process.stdin.write("\n".join([header, *rows * 400]).encode())
            process.stdin.flush()
            while len(found := children(process.pid)) < 2:
                time.sleep(0.001)
            if number == signal.SIGINT:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            process.wait()
            while any(map(is_running, found)):
                time.sleep(0.01)
            ending = finish(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (ending.code, ending.out, ending.err.strip()) == (code, "", message)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".minnet-")] == []
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []


@pytest.fixture
def parts(iris_model: Path, tmp_path: Path) -> Path:
    """A folder with a model, six files of 3,000 rows, and an earlier prediction for one of them."""
    header, *rows = IRIS.read_text().splitlines()
    for name in "abcdef":
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *rows * 20]))
    (tmp_path / "model.json").write_bytes(iris_model.read_bytes())
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "b.csv").write_text("an earlier prediction")
    return tmp_path


def spoil(path: Path) -> None:
    """Put a text into the last row but one, where a number should be."""
    lines = path.read_text().splitlines()
    lines[-2] = "much" + lines[-2][3:]
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("folder", "workers", "bad"),
    [
        ("there", 1, "f"),
        ("there", 2, "cf"),
        ("there", 3, "a"),
        ("new/folder", 1, "a"),
        ("new/folder", 2, "f"),
        ("new/folder", 3, "cf"),
    ],
)
def test_bad_file_among_good_ones_leaves_nothing_and_changes_nothing(
    with_iris_model: Run, parts: Path, folder: str, workers: int, bad: str
) -> None:
    for name in bad:
        spoil(parts / f"{name}.csv")
    before = contents(parts)
    ending = with_iris_model("predict", "?.csv", "-o", folder, "--workers", workers)
    assert ending.only_error.startswith(f"Error: {bad[0]}.csv:3000: column 'sepal_length': 'much")
    assert contents(parts) == before


@pytest.mark.parametrize("workers", [1, 2])
def test_files_of_a_pattern_are_what_each_alone_is(
    with_iris_model: Run, parts: Path, workers: int
) -> None:
    ending = with_iris_model("predict", "?.csv", "-o", "there", "--workers", workers)
    assert (ending.code, ending.err) == (0, f"wrote 6 files to there\n{known_note(18_000)}")
    alone = with_iris_model("predict", "a.csv").out
    assert {path.name: path.read_text() for path in (parts / "there").iterdir()} == {
        f"{name}.csv": alone for name in "abcdef"
    }


def test_what_a_header_shows_is_refused_before_anything_is_predicted(
    with_iris_model: Run, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (parts / "f.csv").read_text().splitlines()
    (parts / "f.csv").write_text("\n".join(line.partition(",")[2] for line in lines))
    before = contents(parts)
    monkeypatch.setattr(predictions, "predict", lambda *_: pytest.fail("predicted"))
    ending = with_iris_model("predict", "?.csv", "-o", "there")
    assert ending.only_error.startswith("Error: f.csv has no column 'sepal_length'")
    assert contents(parts) == before


@pytest.mark.parametrize(("folder", "workers"), [("there", 1), ("new/folder", 2)])
@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_signal_among_the_files_of_a_pattern_leaves_nothing(
    parts: Path, folder: str, number: int, workers: int
) -> None:
    header, *rows = (parts / "a.csv").read_text().splitlines()
    (parts / "a.csv").write_text("\n".join([header, *rows * 30]))
    before = contents(parts)
    process = minnet(
        *("predict", "?.csv", "-o", folder, "--workers", workers),
        cwd=parts,
        start_new_session=True,
    )
    try:
        with time_limit():
            while not any(path.stat().st_size for path in parts.rglob(".minnet-*.new")):
                time.sleep(0.001)
            # As a terminal does: to all processes.
            os.killpg(process.pid, number)
            ending = finish(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (ending.code, ending.out) == (128 + number, "")
    assert ending.err == f"Interrupted: {folder} was not written\n"
    assert contents(parts) == before
