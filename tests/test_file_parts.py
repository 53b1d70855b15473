from __future__ import annotations

import gzip
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minnet
from minnet.data.cells import TableFormat, default_names
from minnet.data.table import FilePart
from minnet.errors import DataError
from tests.helpers import IRIS

if TYPE_CHECKING:
    from pathlib import Path

    from minnet.data.column import Column

CELLS = st.sampled_from(
    [
        "1",
        "2.5",
        "word",
        "two\nlines",
        '5" pipe',
        'a;"b',
        'a "quote"',
        "a, comma",
        "",
        "\r\n",
        "a\r, b",
        "é",
    ]
)

FORM = TableFormat(("y",))


def pieces_of(path: Path, most_bytes: int) -> list[FilePart]:
    return [*FilePart(str(path), FORM).cut(most_bytes, 2**18)]


def cells_of(column: Column) -> list[str]:
    assert column.codes is not None
    spellings = [*column.spellings, *reversed(column.missing_spellings)]
    return [spellings[code] for code in column.codes]


def cell_text(cell: str) -> str:
    """Write a cell, with quotes only where it has to have them: not for one inside it."""
    if not {*cell}.isdisjoint(",\r\n") or cell.startswith('"'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def read_pieces(path: Path) -> int:
    pieces = pieces_of(path, 1000)
    for piece in pieces:
        piece.read()
    return len(pieces)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, st.sampled_from("ab")), min_size=1, max_size=40),
    most_bytes=st.integers(30, 300),
    end=st.sampled_from(["\n", "\r\n"]),
    before=st.sampled_from(["", "\ufeff", "# a comment\n\n", "# one\r# two\r\n"]),
    first=st.sampled_from(["u", "", " u", "two\nlines", '5" pipe', 'a "b" c"']),
)
def test_pieces_hold_the_rows_of_the_whole_on_their_lines(
    tmp_path: Path,
    rows: list[tuple[str, str, str]],
    most_bytes: int,
    end: str,
    before: str,
    first: str,
) -> None:
    path = tmp_path / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(before)
        file.writelines(",".join(map(cell_text, row)) + end for row in [(first, "v", "y"), *rows])
    whole = minnet.read_csv(path, text=["y"])
    pieces = pieces_of(path, most_bytes)
    tables = [piece.read() for piece in pieces]
    assert len(pieces) > 1 or path.stat().st_size < 2 * most_bytes + 100
    assert np.concatenate([table.lines for table in tables]).tolist() == whole.lines.tolist()
    for name, column in whole.columns.items():
        cells = [cell for table in tables for cell in cells_of(table.columns[name])]
        assert cells_of(column) == cells
    assert all(piece.names() == [*whole.columns] for piece in pieces)


def test_header_that_looks_like_a_comment_is_that_of_all_pieces(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("#id,x,y\n" + "1,2,3\n" * 50 + "?,b,c\n" * 50)
    pieces = pieces_of(path, 50)
    assert {tuple(piece.names()) for piece in pieces} == {("#id", "x", "y")}
    assert sum(len(piece.read()) for piece in pieces) == 100


@pytest.mark.parametrize(
    ("header", "end"), [('"two\rlines",y\n', "\n"), ("x,y\r", "\n"), ('"x",y\n', "\r")]
)
def test_carriage_return_ends_a_line_where_it_does_in_the_whole(
    header: str, end: str, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    rows = "".join(f'{number},"a\rb"{end if number % 3 else chr(10)}' for number in range(100))
    path.write_text(header + rows, newline="")
    whole = minnet.read_csv(path)
    tables = [piece.read() for piece in pieces_of(path, 100)]
    assert np.concatenate([table.lines for table in tables]).tolist() == whole.lines.tolist()
    assert {tuple(table.columns) for table in tables} == {tuple(whole.columns)}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2,3", "3 cells, but there are 2 columns"),
        ("1,\xff", "not UTF-8 text"),
        ("1,\0", "a NUL byte"),
        ('1,"a"b', "the row that starts here is broken"),
    ],
)
def test_errors_name_the_line_of_the_file(line: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [f"{number},b" for number in range(20_000)]
    path.write_text("# of\nx,y\n" + "\n".join(rows), encoding="latin-1")
    assert read_pieces(path) > 50
    rows[17_000] = line
    path.write_text("# of\nx,y\n" + "\n".join(rows), encoding="latin-1")
    with pytest.raises(DataError, match=f"table.csv:17003: {reason}"):
        read_pieces(path)


def test_packed_and_small_files_stay_whole(tmp_path: Path) -> None:
    packed = tmp_path / "iris.csv.gz"
    packed.write_bytes(gzip.compress(IRIS.read_bytes()))
    assert pieces_of(packed, 100) == [FilePart(str(packed), FORM)]
    assert pieces_of(IRIS, 10_000) == [FilePart(str(IRIS), FORM)]
    assert len(pieces_of(IRIS, 1000)) == 4


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_file_without_a_header_is_cut_as_well(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(mark + "".join(f"{row},{'ab'[row % 2]}\n" for row in range(100)))
    form = TableFormat(name_columns=default_names)
    tables = [piece.read() for piece in FilePart(str(path), form).cut(100, 1)]
    assert len(tables) > 3
    numbers = np.concatenate([table["column1"].numbers for table in tables])  # type: ignore[misc]
    assert numbers.tolist() == [*range(100)]
    assert not any(table.has_header for table in tables)


@pytest.mark.parametrize("cell", ["%PDF-", "@relation ", "\ufeff5"])
def test_piece_may_begin_like_a_file_of_another_kind(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,y\n" + f"{cell},b\n" * 50)
    tables = [piece.read() for piece in pieces_of(path, 20)]
    assert len(tables) > 9
    assert {table["x"].spellings for table in tables} == {(cell,)}


def test_quote_that_is_never_closed_is_told_in_its_line(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [f"{number},b" for number in range(900)]
    rows[700] = '1,"b'
    path.write_text("x,y\n" + "\n".join(rows))
    with pytest.raises(
        DataError, match=r"table.csv:702: the row that starts here is broken: a quote"
    ):
        read_pieces(path)


def test_row_groups_of_parquet_are_read_on_their_own(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="this is a test of Parquet")
    pyarrow = pytest.importorskip("pyarrow")
    numbers = np.arange(100.0)
    numbers[77] = np.inf
    path = tmp_path / "table.parquet"
    table = pyarrow.table({"x": numbers, "y": ["ab"[k % 2] for k in range(100)]})
    parquet.write_table(table, path, row_group_size=10)
    pieces = FilePart(str(path), FORM).cut(2**25, 25)
    tables = [piece.read() for piece in pieces]
    assert [len(table) for table in tables] == [20, 20, 20, 20, 20]
    assert np.concatenate([table.lines for table in tables]).tolist() == [*range(1, 101)]
    assert tables[1].columns["x"].numbers.tolist() == [*range(20, 40)]
    assert tables[3].columns["x"].bad_cell == (17, "inf")
    assert tables[3].at(17) == f"{path}:78"
    assert [len(piece.read()) for piece in FilePart(str(path)).cut(2**25, 5)] == [10] * 10
    (whole,) = FilePart(str(path)).cut(2**25, 1000)
    assert len(whole.read()) == 100
    parquet.write_table(table[:0], path)
    assert [len(piece.read()) for piece in FilePart(str(path)).cut(2**25, 25)] == [0]


def test_file_made_shorter_while_it_is_read_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "iris.csv"
    path.write_bytes(IRIS.read_bytes())
    pieces = pieces_of(path, 1000)
    path.write_text("".join(IRIS.read_text().splitlines(keepends=True)[:-9]))
    with pytest.raises(DataError, match=r"iris.csv: made shorter while it was read"):
        pieces[-1].read()


def test_pieces_keep_how_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x;y\n" + "".join(f"{number},5;b\n" for number in range(200)))
    part = FilePart(str(path), replace(FORM, cells=minnet.read_csv(path).cell_format))
    for piece in part.cut(500, 1):
        table = piece.read()
        assert [*table.columns] == ["x", "y"]
        assert table.columns["x"].numbers is not None
