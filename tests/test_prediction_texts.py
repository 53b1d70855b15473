from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from minnet.cli import prediction_texts
from minnet.data import text_source
from minnet.training import workers
from tests.helpers import IRIS

if TYPE_CHECKING:
    from pathlib import Path

    from minnet.data.csv_reader import Block
    from tests.helpers import Run

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only"),
    # The test run itself may have threads, from torch; the command line has none.
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let workers start after 20 rows; how many, each time."""
    counts = []
    process_pool = workers.process_pool

    def recorded(count: int, *common: Any) -> Any:
        counts.append(count)
        return process_pool(count, *common)

    monkeypatch.setattr(workers, "process_pool", recorded)
    monkeypatch.setattr(prediction_texts, "LINES_AT_ONCE", 10)
    monkeypatch.setattr(prediction_texts, "BLOCKS_ALONE", 2)
    return counts


@pytest.mark.parametrize("options", [(), ("--json",), ("--columns", "predicted,caution")], ids=str)
def test_any_number_of_workers_writes_the_bytes_of_one(
    with_iris_model: Run, started: list[int], options: tuple[str, ...]
) -> None:
    alone, *others = (
        with_iris_model("predict", IRIS, *options, "--workers", count) for count in (1, 2, 3)
    )
    assert alone.code == 0
    assert others == [alone, alone]
    assert started == [1, 2, 3]


def test_small_table_stays_in_one_process(
    with_iris_model: Run, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_texts, "BLOCKS_ALONE", 15)
    assert with_iris_model("predict", IRIS, "--workers", 2).code == 0
    assert not started


@pytest.mark.parametrize("later", [",ragged", ',"broken"quote', ',"open', "\0"])
@pytest.mark.usefixtures("started")
def test_the_first_error_of_a_table_is_told_with_any_number_of_workers(
    with_iris_model: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    monkeypatch.setattr(text_source, "CHARACTERS_AT_ONCE", 100)
    lines = IRIS.read_text().splitlines()
    lines[40] = "much" + lines[40]
    lines[60] += later
    data = tmp_path / "bad.csv"
    data.write_text("\n".join(lines))
    for count in (1, 2, 3):
        ending = with_iris_model("predict", data, "-o", tmp_path / "out.csv", "--workers", count)
        assert ending.code == 1
        assert "bad.csv:41: column 'sepal_length': 'much" in ending.err
        assert ending.err.count("\n") == 1
        assert list(tmp_path.glob("out*")) == []
        assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("started")
def test_killed_worker_ends_predict_with_one_line_and_no_file(
    with_iris_model: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, text = os.getpid(), prediction_texts._Writer.text

    def killed(writer: Any, block: Block) -> str:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return text(writer, block)

    monkeypatch.setattr(prediction_texts._Writer, "text", killed)
    # Pickled by its name, the function is the one that stands there.
    killed.__qualname__, killed.__module__ = "_Writer.text", prediction_texts.__name__
    ending = with_iris_model("predict", IRIS, "-o", tmp_path / "out.csv", "--workers", 2)
    assert (ending.code, ending.out) == (1, "")
    assert ending.err == (
        "Error: a worker process was killed, perhaps for lack of memory: try --workers 1\n"
    )
    assert list(tmp_path.glob("*out*")) == []
    assert multiprocessing.active_children() == []
