from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.data.csv import CsvReader, csv_lines
from tests.helpers import chunks_of, rows_of

cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6
) | st.text('",;|\t\r\n\v\f \N{BYTE ORDER MARK}\x1c\x85\u2028x', max_size=4)


@st.composite
def texts(draw: st.DrawFn) -> tuple[list[list[str]], str, str]:
    """A table with a header of plain names, its delimiter and its text."""
    width = draw(st.integers(1, 4))
    row = st.lists(cells, min_size=width, max_size=width)
    rows = [[f"c{i}" for i in range(width)], *draw(st.lists(row, min_size=1, max_size=4))]
    delimiter = draw(st.sampled_from(",;\t"))
    return rows, delimiter, csv_lines([*zip(*rows, strict=True)], delimiter)


@given(texts())
def test_the_csv_module_reads_the_cells_back(table: tuple[list[list[str]], str, str]) -> None:
    rows, delimiter, text = table
    for spaces in (False, True):
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=delimiter,
            skipinitialspace=spaces,
            strict=True,
        )
        assert list(reader) == rows


@given(texts())
def test_minnet_reads_the_cells_back(table: tuple[list[list[str]], str, str]) -> None:
    rows, _, text = table
    reader = CsvReader(io.BytesIO(text.encode()), "data.csv")
    assert [
        reader.names,
        *rows_of(chunks_of(reader)),
    ] == rows


@given(texts())
def test_pandas_reads_the_cells_back(table: tuple[list[list[str]], str, str]) -> None:
    pandas = pytest.importorskip("pandas")
    rows, delimiter, text = table
    for engine in ("c", "python"):
        frame = pandas.read_csv(
            io.BytesIO(text.encode()),
            sep=delimiter,
            header=None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            engine=engine,
        )
        assert frame.to_numpy().tolist() == rows


@given(texts())
def test_no_cell_is_split_by_a_reader_of_lines_or_of_another_delimiter(
    table: tuple[list[list[str]], str, str],
) -> None:
    rows, delimiter, text = table
    assert list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter)) == rows
    bare = "".join(text.split('"')[::2])
    assert bare.count("\n") == len(bare.splitlines()) == len(rows)
    assert {other for other in ",;\t|" if other in bare} <= {delimiter}


def test_plain_cells_are_not_quoted() -> None:
    row = ["5.1", "", "networks disagree", "größe", "p(a)"]
    assert csv_lines([[cell] for cell in row], ",") == ",".join(row) + "\n"
    assert csv_lines([[""], [""]], ";") == ";\n"
    assert csv_lines([["", "a", ""]], ",") == '""\na\n""\n'
