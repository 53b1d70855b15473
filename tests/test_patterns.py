"""A pattern of files is read and judged as the one file that it stands for."""

from __future__ import annotations

import io
import json
from contextlib import nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet import read_csv
from minnet.data import column as column_module
from minnet.data.cells import TableFormat
from minnet.data.columns import NumericColumn
from minnet.data.csv import CsvReader
from minnet.data.table import FilePart, Table
from minnet.model.document import load
from tests.helpers import IRIS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.helpers import Run

QUICK = ("--epochs", 2, "--networks", 2, "--workers", 1)
FILES = ("a.csv", "b.csv", "c.csv")
CELLS = st.sampled_from(["", "1", "2.50", "2.5", "1,5", "-3", "NA", "red", "None", "inf", "1,234"])


class Written(NamedTuple):
    """What names a table on the command line, and how to find a row's place in it."""

    data: str
    place: Callable[[int], str]
    line: Callable[[int], str]


Save = "Callable[[str, Sequence[str]], Written]"


@pytest.fixture(params=["one file", "a pattern of three files"])
def save(request: pytest.FixtureRequest, tmp_path: Path) -> Save:
    """Write a header and rows into one file, or the same rows into three."""

    def write(header: str, rows: Sequence[str]) -> Written:
        if request.param == "one file":
            (tmp_path / "whole.csv").write_text("\n".join([header, *rows]) + "\n")
            return Written("whole.csv", "whole.csv:{}".format, "line {}".format)
        (tmp_path / "parts").mkdir(exist_ok=True)
        cuts = [0, len(rows) // 4, len(rows) // 2, len(rows)]
        for name, (first, last) in zip(FILES, pairwise(cuts), strict=True):
            (tmp_path / "parts" / name).write_text("\n".join([header, *rows[first:last]]) + "\n")

        def found(line: int) -> tuple[str, int]:
            number = max(k for k in range(3) if cuts[k] <= line - 2)
            return f"parts/{FILES[number]}", line - cuts[number]

        return Written(
            "parts/*.csv",
            lambda line: "{}:{}".format(*found(line)),
            lambda line: "line {1} of {0}".format(*found(line)),
        )

    return write


def iris_rows() -> tuple[str, list[str]]:
    header, *rows = IRIS.read_text().splitlines()
    return header, rows[::3] + rows[1::3] + rows[2::3]


def parquet_packages() -> tuple[Any, Any]:
    reason = "this is a test of Parquet"
    return (
        pytest.importorskip("pyarrow", reason=reason),
        pytest.importorskip("pyarrow.parquet", reason=reason),
    )


@pytest.mark.parametrize("row", [3, 149], ids=["early", "late"])
@pytest.mark.parametrize(
    "command",
    [["evaluate"], ["importance"], ["explain", "--row", 1], ["page"], ["plot", "confusion"]],
    ids=lambda words: words[0],
)
def test_text_in_a_column_of_numbers_is_refused_where_it_stands(
    with_iris_model: Run, save: Save, command: list[str], row: int
) -> None:
    header, rows = iris_rows()
    rows[row] = "abc," + rows[row].partition(",")[2]
    data, place, _ = save(header, rows)
    name, *options = command
    where = [*options, data] if name == "plot" else [data, *options]
    error = with_iris_model(name, *where).only_error
    assert error.startswith(f"Error: {place(row + 2)}: column 'sepal_length': 'abc' is not a numb")


@pytest.mark.parametrize("cell", ["inf", "1e999"])
def test_infinite_number_is_refused_where_it_stands(
    with_iris_model: Run, save: Save, cell: str
) -> None:
    header, rows = iris_rows()
    rows[100] = f"{cell}," + rows[100].partition(",")[2]
    data, place, _ = save(header, rows)
    for error in (
        with_iris_model("evaluate", data).only_error,
        with_iris_model("train", data, *QUICK).only_error,
    ):
        assert error.startswith(f"Error: {place(102)}: column 'sepal_length': '{cell}' is not a f")


def test_unknown_class_is_refused_where_it_stands(with_iris_model: Run, save: Save) -> None:
    header, rows = iris_rows()
    rows[120] = rows[120].rpartition(",")[0] + ",rose"
    data, place, _ = save(header, rows)
    error = with_iris_model("evaluate", data).only_error
    assert error.startswith(f"Error: {place(122)}: column 'species': the model has no class 'rose'")


def test_ragged_row_is_refused_where_it_stands(with_iris_model: Run, save: Save) -> None:
    header, rows = iris_rows()
    rows[120] += ",1"
    data, place, _ = save(header, rows)
    error = with_iris_model("evaluate", data).only_error
    assert error == f"Error: {place(122)}: 6 cells, but there are 5 columns"


def mixed_rows(spoil_from: int) -> list[str]:
    """Rows of ids that are numbers at first, over 1,000 of them, and texts later."""
    ids = [str(row) if row < spoil_from else f"id{row}" for row in range(4400)]
    return [f"{id},{row % 7},{'pq'[row % 7 > 2]}" for row, id in enumerate(ids)]


@pytest.mark.parametrize("spoil_from", [1100, 2200, 4399])
def test_ignored_column_may_hold_anything(run: Run, save: Save, spoil_from: int) -> None:
    data, *_ = save("id,x,y", mixed_rows(spoil_from))
    assert run("train", data, "--ignore", "id", *QUICK).code == 0
    assert run("evaluate", data, "--workers", 1).code == 0


@pytest.mark.parametrize("spoil_from", [1100, 2200, 4399])
def test_column_that_turns_into_text_late_is_refused_where_it_does(
    run: Run, save: Save, spoil_from: int
) -> None:
    data, place, _ = save("id,x,y", mixed_rows(spoil_from))
    error = run("train", data, *QUICK).only_error
    cell = f"id{spoil_from}"
    assert error.startswith(f"Error: {place(spoil_from + 2)}: column 'id': '{cell}' is not a numb")


def test_notes_tell_the_line_and_the_file(run: Run, save: Save) -> None:
    header, rows = iris_rows()
    rows[110] = "," + rows[110].partition(",")[2]
    rows[90] = rows[90].rpartition(",")[0] + ","
    data, _, line = save(header, rows)
    told = run("train", data, *QUICK).err
    assert f"1 missing cell in 1 column, the first in {line(112)}, column 'sepal_length'" in told
    assert f"1 row without a label left out, the first in {line(92)}" in told


def test_reports_tell_the_row_and_json_its_place(with_iris_model: Run, save: Save) -> None:
    data, place, _ = save(*iris_rows())
    assert json.loads(with_iris_model("explain", data, "--row", 100, "--json").out)[
        "place"
    ] == place(101)
    ending = with_iris_model("seeds", data, "--networks", 2, "--epochs", 2, "--json")
    rows = json.loads(ending.out)["rows"]
    assert [row["place"] for row in rows] == [*map(place, range(2, 152))]
    report = with_iris_model("seeds", data, "--networks", 2, "--epochs", 2).out
    assert any(f"row {number}" in report for number in range(1, 151))


@pytest.mark.parametrize(
    ("marks", "are_numbers"),
    [(["1,5", "2,25", "3"], True), (["1.5", "2,5", "3,5"], False), (["9", "1,234", "1,5"], True)],
    ids=str,
)
def test_decimal_mark_is_that_of_the_whole_column(
    run: Run, save: Save, tmp_path: Path, marks: Sequence[str], are_numbers: bool
) -> None:
    numbers = [marks[k // 25 if k < 50 else 2] for k in range(100)]
    rows = [f"{cell};{k % 5};{'pq'[k % 5 > 2]}" for k, cell in enumerate(numbers)]
    data, *_ = save("x;z;y", rows)
    assert run("train", data, *QUICK).code == 0
    column, _ = load(tmp_path / "model.json").encoder.columns
    assert isinstance(column, NumericColumn) == are_numbers


def test_model_is_that_of_the_one_file(run: Run, tmp_path: Path) -> None:
    header, rows = iris_rows()
    (tmp_path / "whole.csv").write_text("\n".join([header, *rows]))
    for part in range(3):
        (tmp_path / f"part{part}.csv").write_text("\n".join([header, *rows[part::3]]))
    (tmp_path / "part3.csv").write_text(header)
    # The columns of a file may stand in another order.
    cells = [line.split(",") for line in [header, *rows[1::3]]]
    (tmp_path / "part1.csv").write_text("\n".join(",".join(row[::-1]) for row in cells))
    names = ("whole.csv", "part*.csv")
    for data, model in zip(names, ("one.json", "many.json"), strict=True):
        assert run("train", data, "-t", "species", "-m", model, *QUICK).code == 0
    one, many = (load(tmp_path / name) for name in ("one.json", "many.json"))
    assert one.encoder == many.encoder
    assert one.network.values.tobytes() == many.network.values.tobytes()
    told, told_of_many = (run("evaluate", data, "-m", "one.json").out for data in names)
    assert told_of_many.replace(*names[::-1]) == told


def readers(rows: Sequence[tuple[str, ...]], cuts: Sequence[int]) -> Iterator[Any]:
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for number, (first, last) in enumerate(pairwise(bounds)):
        text = "\n".join(["x;y", *(";".join(row) for row in rows[first:last])])
        yield nullcontext(CsvReader(io.BytesIO(text.encode()), f"{number}.csv"))


@given(
    rows=st.lists(st.tuples(CELLS, CELLS), max_size=20),
    cuts=st.lists(st.integers(0, 20), max_size=3),
    kept=st.sampled_from([1000, 3, 0]),
    chosen=st.sampled_from([((), ()), (("y",), ("x",))]),
)
def test_any_rows_in_any_files_make_the_columns_of_one(
    rows: Sequence[tuple[str, ...]],
    cuts: Sequence[int],
    kept: int,
    chosen: tuple[Sequence[str], Sequence[str]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(column_module, "MOST_KEPT_SPELLINGS", kept)
        # What is read at once decides, too, on how many distinct numbers are kept as text.
        patch.setattr(CsvReader, "blocks", lambda self, *_: blocks_of_rows(self))
        form = TableFormat(*chosen)
        whole, parts = (Table.from_files(readers(rows, at), "all", form) for at in ((), cuts))
    assert len(parts) == len(rows)
    for name, column in whole.columns.items():
        for field, value in vars(column).items():
            np.testing.assert_equal(getattr(parts.columns[name], field), value)


BLOCKS = CsvReader.blocks


def blocks_of_rows(reader: CsvReader) -> Iterator[object]:
    return BLOCKS(reader, 1)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("x,z\n1,p\n", "b.csv has no column 'y', but a.csv has one"),
        ("x,y,z\n1,p,q\n", "a.csv has no column 'z', but b.csv has one"),
        ("1,5\n2,q\n", "b.csv:1: the first line looks like data"),
        ("", "b.csv: the file is empty"),
    ],
)
def test_file_that_does_not_fit_is_named(run: Run, tmp_path: Path, other: str, says: str) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,p\n2,q\n")
    (tmp_path / "b.csv").write_text(other)
    assert run("train", "*.csv", *QUICK).only_error.startswith(f"Error: {says}")


def test_files_of_nothing_but_headers_are_one_line(run: Run, tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text("x,y\n")
    assert run("train", "*.csv", *QUICK).only_error == "Error: *.csv: a header but no rows"


COLUMNS = {
    "whole numbers, then with a gap": ([1, 2, 3], [4, None, 6]),
    "single and double precision": (
        np.array([0.1, 0.2, 0.1], np.float32),
        np.array([0.1, 0.3, 0.1], np.float64),
    ),
    "nothing, then numbers": ([None, None, None], [1.5, 2.5, 3.5]),
    "numbers, then texts": ([1, 2, 3], ["4", "x", None]),
    "texts": (["a", "b", None], ["b", "c", "a"]),
    "truth": ([True, False, None], [True, True, False]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_parquet_of_a_pattern_is_what_its_values_are_in_one_table(
    run: Run, tmp_path: Path, name: str
) -> None:
    pyarrow, parquet = parquet_packages()
    for part, values in zip("ab", COLUMNS[name], strict=True):
        table = pyarrow.table({"x": values, "n": [1, 2, 3], "y": ["p", "q", "p"]})
        parquet.write_table(table, tmp_path / f"{part}.parquet")
    files = [FilePart(str(tmp_path / f"{part}.parquet")).open() for part in "ab"]
    made = Table.from_files(files, "all")
    cells = ["" if cell is None else str(cell) for part in COLUMNS[name] for cell in part]
    (tmp_path / "whole.csv").write_text("\n".join(["x,n", *(f"{cell},1" for cell in cells)]))
    expected, column = read_csv(tmp_path / "whole.csv")["x"], made["x"]
    assert (column.numbers is None) == (expected.numbers is None)
    if column.numbers is None:
        assert column.spellings == expected.spellings
        np.testing.assert_array_equal(column.codes, expected.codes)
    else:
        np.testing.assert_array_equal(column.numbers, expected.numbers)
    assert made.at(4).endswith("b.parquet:2")


@pytest.mark.parametrize("dated", ["ab", "a", "b"])
def test_durations_of_parquet_are_refused_in_a_pattern_too(
    run: Run, tmp_path: Path, dated: str
) -> None:
    pyarrow, parquet = parquet_packages()
    hours = np.array([1, 2, 3], "m8[s]")
    for part in "ab":
        when = hours if part in dated else ["x", "y", "z"]
        table = pyarrow.table({"when": when, "n": [1, 2, 3], "y": ["p", "q", "p"]})
        parquet.write_table(table, tmp_path / f"{part}.parquet")
    error = run("train", "*.parquet", *QUICK).only_error
    assert error.startswith("Error: *.parquet: column 'when': it holds durations or periods")
    assert run("train", "*.parquet", "--ignore", "when", *QUICK).code == 0


def test_csv_and_parquet_are_no_table_together(run: Run, tmp_path: Path) -> None:
    pyarrow, parquet = parquet_packages()
    (tmp_path / "a.csv").write_text("x,y\n1,p\n2,q\n")
    parquet.write_table(pyarrow.table({"x": [1], "y": ["p"]}), tmp_path / "b.parquet")
    assert run("train", "*.*", *QUICK).only_error == (
        "Error: b.parquet and a.csv: only one of them is Parquet"
    )
