from __future__ import annotations

import multiprocessing
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from minnet.data import csv as text_source
from minnet.data import table as table_builder
from minnet.data.cells import CellFormat, TableFormat
from minnet.data.csv import LINES_AT_ONCE
from minnet.errors import DataError
from minnet.model import scores as evaluation
from minnet.training.workers import in_order
from tests.helpers import IRIS, PENGUINS, read_text, recorded_pools

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from minnet.data.table import Table
    from tests.helpers import Run

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only"),
    # The test run itself may have threads, from torch; the command line has none.
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]
ROWS = 6 * LINES_AT_ONCE


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let workers start after one block; how many, each time."""
    counts = recorded_pools(monkeypatch)
    monkeypatch.setattr(table_builder, "BLOCKS_ALONE", 1)
    monkeypatch.setattr(evaluation, "ROWS_ALONE", 0)
    return counts


def read(text: str, count: int, **cell_format: Any) -> Table:
    spread = partial(in_order, count) if count > 1 else None
    form = TableFormat(["word"], ["number"], CellFormat(**cell_format))
    return read_text(text, form, spread=spread)


COLUMNS = {
    "plain": [f"{row / 8}" for row in range(ROWS)],
    "few": [f"{row % 7}" for row in range(ROWS)],
    "many of them late": [f"{row % 900 + row // 2000 * row}" for row in range(ROWS)],
    "word": [f"{row}" for row in range(ROWS)],
    "number": ["1,234"] * (ROWS - 2) + ["many", "1"],
    "missing": [["n/a", "0x", "", " 5"][row % 4] for row in range(ROWS)],
    "late text": [*map(str, range(ROWS - 99)), *["late"] * 99],
    "infinite": ["1e999" if row == 1234 else f"{row}" for row in range(ROWS)],
    "quoted": [f'"{row}\n"' if row % 1000 == 999 else f" {row % 9}" for row in range(ROWS)],
    "decimal": [f"{row},5" for row in range(ROWS)],
}


@pytest.mark.parametrize("cell_format", [{}, {"missing_words": ("0x", "7")}], ids=str)
def test_any_number_of_workers_reads_the_very_table(
    cell_format: dict[str, Any], started: list[int]
) -> None:
    lines = [";".join(row) for row in ([*COLUMNS], *zip(*COLUMNS.values(), strict=True))]
    text = "\n".join(lines).replace("\n5", "\n\n5")  # some blank lines
    alone, *others = (read(text, count, **cell_format) for count in (1, 2, 3))
    assert started == [2, 3]
    assert len(alone) == ROWS
    for table in others:
        assert [*table.columns] == [*alone.columns]
        np.testing.assert_array_equal(table.lines, alone.lines)
        for column in table.columns.values():
            for field, value in vars(alone[column.name]).items():
                np.testing.assert_equal(getattr(column, field), value, err_msg=column.name)


@pytest.mark.parametrize("later", ["1;2;3", '"a"b;1', '"open;1', "\0;1", "1"])
def test_the_first_error_of_a_file_is_told_with_any_number_of_workers(
    later: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_source, "CHARACTERS_AT_ONCE", 1000)
    monkeypatch.setattr("minnet.data.table.LINES_OF_A_TASK", 256)
    lines = ["a;b", *["1;2"] * ROWS]
    lines[2000], lines[2300] = "ragged", later
    for count in (1, 2, 3):
        with pytest.raises(DataError, match=r"^data.csv:2001: 1 cell, but there are 2 columns$"):
            read("\n".join(lines), count)
        assert multiprocessing.active_children() == []


@pytest.mark.parametrize("data", [IRIS, PENGUINS], ids=lambda path: path.stem)
def test_evaluate_prints_the_same_with_any_number_of_workers(
    run: Run, started: list[int], tmp_path: Path, data: Path
) -> None:
    header, *rows = data.read_text().splitlines()
    large = tmp_path / "large.csv"
    large.write_text("\n".join([header, *rows * 70]))
    assert run("train", data, "--epochs", 2, "-t", header.split(",")[-1], "--workers", 1).code == 0
    started.clear()
    for table in (data, large):
        alone, *others = (run("evaluate", table, "--json", "--workers", n) for n in (1, 2, 3))
        assert alone.code == 0
        assert others == [alone, alone]
    assert started == [1, 2, 3, 1, 2, 2, 3, 3]


def test_small_table_is_read_and_judged_in_one_process(
    with_iris_model: Run, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_builder, "BLOCKS_ALONE", 2)
    monkeypatch.setattr(evaluation, "ROWS_ALONE", 150)
    assert with_iris_model("evaluate", IRIS, "--workers", 2).code == 0
    assert not started


def test_items_are_taken_no_faster_than_their_results() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = in_order(2, pow, items(), 2)
    assert next(results) == 1
    assert len(taken) < 20
    results.close()
    assert multiprocessing.active_children() == []
