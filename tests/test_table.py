from __future__ import annotations

import io
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.data import column as column_module
from minnet.data.cells import USUAL, TableFormat, parse_number
from minnet.data.column import MOST_KEPT_SPELLINGS, Column
from minnet.data.csv import CsvReader
from minnet.data.table import Table, read_csv
from minnet.errors import DataError
from tests.helpers import read_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


nan = float("nan")


def table_of(cells: Sequence[str], *, text: Sequence[str] = ()) -> Table:
    """Read a CSV that has these cells in a column `x`."""
    lines = ["x,y", *(f"{cell},a" for cell in cells), ""]
    return read_text("\n".join(lines), TableFormat(text))


def in_chunks(data: str, rows_at_once: int) -> Table:
    """Read a CSV so many rows at a time."""
    reader = CsvReader(io.BytesIO(data.encode()), "data.csv")
    blocks = reader.blocks(rows_at_once)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "blocks", lambda *_: blocks)
        return Table.from_files([nullcontext(reader)], "data.csv")


def cells_of(column: Column) -> list[str | None]:
    """What the text cells were; `None` where missing."""
    assert column.codes is not None
    return [None if code < 0 else column.spellings[code] for code in column.codes]


def same(one: Column, other: Column) -> bool:
    arrays = [(one.numbers, other.numbers), (one.codes, other.codes)]
    return (one.spellings, one.bad_cell) == (other.spellings, other.bad_cell) and all(
        a is b or (a is not None and b is not None and np.array_equal(a, b, equal_nan=True))
        for a, b in arrays
    )


def test_column_is_numeric_when_every_cell_that_is_not_missing_is_a_number() -> None:
    column = table_of(["1.5", "", "-2e3", "?", " 7 "])["x"]
    np.testing.assert_array_equal(column.numbers, [1.5, nan, -2000, nan, 7])
    assert column.missing.tolist() == [False, True, False, True, False]
    assert column.bad_cell is None


@pytest.mark.parametrize("cell", ["abc", "1_000", "1 000", "٣", "0x10", "-"])
def test_one_cell_of_text_makes_a_column_of_text(cell: str) -> None:
    column = table_of(["1", "2", cell])["x"]
    assert column.numbers is None
    assert cells_of(column) == ["1", "2", cell]


def test_column_of_few_distinct_numbers_keeps_how_they_were_written() -> None:
    column = table_of(["01", "1", "1.0", "NA", "01"])["x"]
    np.testing.assert_array_equal(column.numbers, [1, 1, 1, nan, 1])
    assert cells_of(column) == ["01", "1", "1.0", None, "01"]
    assert column.spellings == ("01", "1", "1.0")


def test_text_is_kept_verbatim() -> None:
    cells = [" a ", "a", "A", "=cmd|' /C calc'!A0", "🐧", "\x1b[31m"]
    assert cells_of(table_of(cells)["x"]) == cells


def test_missing_cells_of_text_have_no_category() -> None:
    column = table_of(["a", "", "null", "b"])["x"]
    assert column.missing.tolist() == [False, True, True, False]
    assert column.spellings == ("a", "b")


def test_column_of_missing_cells_alone_has_no_values() -> None:
    column = table_of(["", "NA"])["x"]
    assert column.missing.all()
    assert column.spellings == ()


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e309", "9" * 400])
def test_number_that_is_not_finite_is_remembered_as_a_bad_cell(cell: str) -> None:
    assert table_of(["1", "", cell, "inf"])["x"].bad_cell == (2, cell)


def test_infinite_cell_in_a_column_of_text_is_text() -> None:
    column = table_of(["inf", "a"])["x"]
    assert column.bad_cell is None
    assert cells_of(column) == ["inf", "a"]


@pytest.mark.parametrize(("more", "kept"), [(0, True), (1, False)])
def test_many_distinct_numbers_do_not_keep_how_they_were_written(more: int, kept: bool) -> None:
    cells = ["", *(str(number) for number in range(MOST_KEPT_SPELLINGS + more))]
    column = table_of(cells)["x"]
    assert (column.codes is not None) is kept
    np.testing.assert_array_equal(column.numbers, [nan, *range(MOST_KEPT_SPELLINGS + more)])
    assert np.flatnonzero(column.missing).tolist() == [0]


def test_column_read_as_text_keeps_every_cell() -> None:
    cells = [f"{number:06}" for number in range(5000)]
    column = table_of(cells, text=["x", "no such column"])["x"]
    assert column.numbers is None
    assert cells_of(column) == cells


def test_text_in_a_late_chunk_turns_few_distinct_numbers_into_text() -> None:
    cells = [f"0{number % 10}" for number in range(9000)] + ["late"]
    column = table_of(cells)["x"]
    assert column.numbers is None
    assert cells_of(column) == cells


def test_text_in_a_late_chunk_after_many_distinct_numbers_is_a_bad_cell() -> None:
    cells = [str(number) for number in range(9000)] + ["late", "later"]
    column = table_of(cells)["x"]
    assert column.bad_cell == (9000, "late")


def test_infinite_cell_before_late_text_is_forgotten() -> None:
    column = table_of(["inf", *["1"] * 5000, "late"])["x"]
    assert column.numbers is None
    assert column.bad_cell is None


def test_rows_beyond_the_first_chunk_are_kept_in_order() -> None:
    cells = [str(number) for number in range(10_000)]
    table = table_of(cells)
    assert len(table) == 10_000
    np.testing.assert_array_equal(table["x"].numbers, np.arange(10_000))
    np.testing.assert_array_equal(table.lines, np.arange(2, 10_002))
    assert table["y"].missing.sum() == 0


cells = st.sampled_from(["1", "2.5", "01", "", "NA", "a", " b", "inf"]) | st.floats().map(str)


@given(
    rows=st.lists(st.tuples(cells, cells), max_size=12),
    rows_at_once=st.integers(1, 5),
)
def test_reading_in_chunks_equals_reading_at_once(
    rows: list[tuple[str, str]], rows_at_once: int
) -> None:
    data = "\n".join(["x;y", *(f"{one};{other}" for one, other in rows)])
    at_once, in_parts = in_chunks(data, 100), in_chunks(data, rows_at_once)

    assert len(at_once) == len(rows)
    np.testing.assert_array_equal(in_parts.lines, at_once.lines)
    assert all(same(in_parts[name], at_once[name]) for name in ("x", "y"))


def test_late_text_is_treated_alike_in_whichever_chunk_it_comes() -> None:
    cells = [str(number) for number in range(5000)]
    early, late = ([*cells[:at], "late", *cells[at:]] for at in (2000, 4500))
    assert (table_of(early)["x"].bad_cell is None) == (table_of(late)["x"].bad_cell is None)


@given(
    numbers=st.lists(
        st.floats().map(str) | st.sampled_from(["", "NA", " 7", "1e309", "01"]), max_size=12
    ),
    rows_at_once=st.integers(1, 5),
)
def test_numbers_are_the_same_however_many_are_distinct(
    numbers: list[str], rows_at_once: int
) -> None:
    data = "\n".join(["x;y", *(f"{number};" for number in numbers)])
    expected = [nan if USUAL.is_missing(cell) else parse_number(cell) for cell in numbers]
    infinite = [(row, numbers[row]) for row in np.flatnonzero(np.isinf(expected))]
    for kept in (0, 3, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(column_module, "MOST_KEPT_SPELLINGS", kept)
            column = in_chunks(data, rows_at_once)["x"]
        np.testing.assert_array_equal(column.numbers, np.array(expected, dtype=np.float64))
        assert column.bad_cell == (infinite[0] if infinite else None)


def test_text_in_a_column_that_must_be_of_numbers_is_a_bad_cell() -> None:
    table = read_text("x,y\n1,1\nNA,a\nabc,2\n", TableFormat(numbers=["x"]))
    np.testing.assert_array_equal(table["x"].numbers, [1, nan, nan])
    assert table["x"].bad_cell == (2, "abc")
    assert cells_of(table["y"]) == ["1", "a", "2"]


def test_table_without_rows_is_read() -> None:
    table = table_of([])
    assert len(table) == 0
    assert list(table.columns) == ["x", "y"]


@pytest.mark.parametrize(("header", "names"), [(True, ["a", "b"]), (False, ["column1", "column2"])])
def test_table_knows_whether_the_file_named_its_columns(
    tmp_path: Path, header: bool, names: list[str]
) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\nx,y\n")
    table = read_csv(path, header=header)
    assert table.has_header is header
    assert list(table.columns) == names


def test_file_is_named_as_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("a\nx\n\ny\n")
    table = read_csv("./data.csv")
    assert table.source == "./data.csv"
    assert table.at(1) == "./data.csv:4"


def test_file_that_cannot_be_read_is_one_plain_error(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read_csv(tmp_path / "none.csv")
    assert str(error.value) == f"{tmp_path}/none.csv: cannot be read: No such file or directory"
    with pytest.raises(DataError) as error:
        read_csv(tmp_path)
    assert str(error.value) == f"{tmp_path}: cannot be read: Is a directory"


def test_unknown_column_is_refused_with_a_guess_and_a_list() -> None:
    table = Table.from_columns({"petal_width": [1], "species": ["a"]}, source="iris.csv")
    with pytest.raises(DataError) as error:
        table["specis"]
    assert str(error.value) == (
        "iris.csv has no column 'specis'; did you mean 'species'? It has: petal_width, species"
    )


def test_columns_from_memory_take_none_and_nan_as_missing() -> None:
    table = Table.from_columns({"x": [1, None, np.float64(2.5), nan], "y": ["a", "", None, "b"]})
    np.testing.assert_array_equal(table["x"].numbers, [1, nan, 2.5, nan])
    assert cells_of(table["y"]) == ["a", None, None, "b"]


def test_columns_from_memory_equal_those_from_a_file() -> None:
    read = table_of(["1.5", "NA", "-3"])
    made = Table.from_columns({"x": [1.5, None, -3], "y": ["a", "a", "a"]})
    assert len(made) == len(read)
    np.testing.assert_array_equal(made["x"].numbers, read["x"].numbers)
    assert same(made["y"], read["y"])


@given(st.lists(st.floats(allow_infinity=False)))
def test_numbers_from_memory_are_kept_exactly(numbers: list[float]) -> None:
    column = Table.from_columns({"x": numbers})["x"]
    np.testing.assert_array_equal(column.numbers, np.array(numbers, dtype=np.float64))


def test_columns_from_memory_must_be_of_equal_length() -> None:
    with pytest.raises(DataError, match="the columns differ in length"):
        Table.from_columns({"x": [1], "y": [1, 2]})
