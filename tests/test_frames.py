from __future__ import annotations

import datetime
import decimal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minnet
from minnet import MinnetError, Table
from minnet.data import column as values_module
from minnet.data.cells import TableFormat
from minnet.data.table import as_table
from minnet.errors import DataError, PackageError, SettingsError
from tests.helpers import IRIS, PENGUINS, read_text

if TYPE_CHECKING:
    from collections.abc import Iterable

FRAMES = {
    "pandas": pandas.DataFrame,
    "pandas with nullable types": lambda columns: pandas.DataFrame(columns).convert_dtypes(),
    "pandas with arrow types": lambda columns: pandas.DataFrame(columns).convert_dtypes(
        dtype_backend="pyarrow"
    ),
    "polars": polars.DataFrame,
    "pyarrow": pyarrow.table,
    "record batch": pyarrow.RecordBatch.from_pydict,
}


def assert_same(one: Table, other: Table) -> None:
    assert list(one.columns) == list(other.columns)
    assert len(one) == len(other)
    for name, column in one.columns.items():
        same = other.columns[name]
        assert (column.numbers is None) == (same.numbers is None), name
        if column.numbers is not None:
            np.testing.assert_array_equal(column.numbers, same.numbers)
        assert column.spellings == same.spellings
        assert column.missing_spellings == same.missing_spellings
        assert (column.codes is None) == (same.codes is None), name
        if column.codes is not None:
            np.testing.assert_array_equal(column.codes, same.codes)
        assert (column.bad_cell is None) == (same.bad_cell is None)


def read_as_csv(frame: pandas.DataFrame, text: Iterable[str] = ()) -> Table:
    return read_text(frame.to_csv(index=False), TableFormat(text))


COLUMNS: dict[str, list[Any]] = {
    "number": [1.5, -0.0, 0.0, None, 1e-7],
    "whole": [3, 1, 3, 2, 2**60 + 1],
    "gaps": [1, None, 2, 2, None],
    "text": ["b", "a", None, "NA", " c"],
    "digits": ["01", "1", None, "2", "2.50"],
    "truth": [True, False, True, True, False],
    "maybe": [True, None, False, None, True],
    "nothing": [None] * 5,
}
EXPECTED = {
    "number": ["1.5", "-0.0", "0.0", "1e-07"],
    "whole": ["3", "1", "2", str(2**60 + 1)],
    "text": ["b", "a", " c"],
    "digits": ["01", "1", "2", "2.50"],
    "truth": ["True", "False"],
    "maybe": ["True", "False"],
    "nothing": [],
}


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_every_kind_of_frame_makes_the_same_table(make: Any) -> None:
    table = as_table(make(COLUMNS))
    assert list(table.columns) == list(COLUMNS)
    assert table.lines.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(table["number"].numbers, [1.5, -0.0, 0, np.nan, 1e-7])
    np.testing.assert_array_equal(table["gaps"].numbers, [1, np.nan, 2, 2, np.nan])
    np.testing.assert_array_equal(table["digits"].numbers, [1, 1, np.nan, 2, 2.5])
    assert table["text"].missing.tolist() == [False, False, True, True, False]
    assert table["maybe"].missing.tolist() == [False, True, False, True, False]
    assert table["nothing"].missing.all()
    assert {name: list(table[name].spellings) for name in EXPECTED} == EXPECTED
    kinds = {name for name, column in table.columns.items() if column.numbers is None}
    assert kinds == {"text", "whole"}  # float64 does not hold 2^60 + 1
    np.testing.assert_array_equal(table["truth"].numbers, [1, 0, 1, 1, 0])
    np.testing.assert_array_equal(table["maybe"].numbers, [1, np.nan, 0, np.nan, 1])


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_whole_numbers_with_gaps_are_written_as_whole_numbers(make: Any) -> None:
    spellings = as_table(make({"gaps": [1, None, 2]}))["gaps"].spellings
    plain_pandas = make is pandas.DataFrame  # whose own type for this is float64
    assert spellings == (("1.0", "2.0") if plain_pandas else ("1", "2"))


def test_slice_of_an_arrow_table_holds_its_own_rows() -> None:
    whole = pyarrow.table(COLUMNS)
    rows = {name: values[1:4] for name, values in COLUMNS.items()}
    assert_same(as_table(whole.slice(1, 3)), as_table(pyarrow.table(rows)))
    chunked = pyarrow.concat_tables([whole.slice(1, 2), whole.slice(3, 1), whole.slice(0, 0)])
    assert_same(as_table(chunked), as_table(pyarrow.table(rows)))


ARRAYS = [
    np.array([0.1, 1 / 3, 1e16, np.nan], np.float32),
    np.array([0.1, 1 / 3, 6e4, np.nan], np.float16),
    np.array([1, 2, 255], np.uint8),
    np.array([-1, 2, 2**62]),
    np.array([True, False]),
    np.array(["a", "b", ""]),
    np.array([1, "a", None, 2.5, True, np.nan], dtype=object),
    pandas.array([1, None], dtype="UInt8"),
    pandas.array([0.1, None], dtype="Float32"),
    pandas.arrays.SparseArray([0.0, 1.5, 0.0]),
    pandas.cut(np.arange(5), 2),
    pandas.Categorical(["b", None, "a"]),
    pandas.array(["x", None, "NaN"], dtype="string"),
    np.array(["2024-02-29", "NaT", "2024-03-01"], "M8[s]"),
    np.array(["2024-02-29", "NaT", "2024-03-01 10:30"], "M8[ns]"),
    [decimal.Decimal("1.50"), None, decimal.Decimal("2")],
    [2**70, 1],
    [-1, 2**63],
    [np.inf, 1.0, -np.inf],
]


@pytest.mark.parametrize("values", ARRAYS, ids=str)
@pytest.mark.parametrize("text", [[], ["x"]])
def test_column_of_a_frame_equals_that_of_its_csv(values: Any, text: list[str]) -> None:
    frame = pandas.DataFrame({"x": values, "y": "z"})
    assert_same(as_table(frame, TableFormat(text)), read_as_csv(frame, text))


CELLS = {
    "float": st.floats(),
    "float32": st.floats(width=32),
    "int": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "text": st.sampled_from(["a", "01", "1", "", "NA", " b", "inf", "1e5"]),
    "mixed": st.sampled_from(["a", 1, 2.0, None, True]),
}


@given(
    kind=st.sampled_from(sorted(CELLS)),
    data=st.data(),
    most=st.sampled_from([0, 3, 1000]),
    only_text=st.booleans(),
)
def test_any_column_of_a_frame_equals_that_of_its_csv(
    kind: str, data: st.DataObject, most: int, only_text: bool
) -> None:
    cells = data.draw(st.lists(CELLS[kind], min_size=1, max_size=12))
    dtype = {"float32": "float32", "mixed": object}.get(kind)
    frame = pandas.DataFrame({"x": pandas.Series(cells, dtype=dtype), "y": "z"})
    text = ["x"] if only_text else []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values_module, "MOST_KEPT_SPELLINGS", most)
        assert_same(as_table(frame, TableFormat(text)), read_as_csv(frame, text))


@pytest.mark.parametrize("path", [IRIS, PENGUINS], ids=["iris", "penguins"])
def test_frame_read_by_pandas_equals_the_file(path: Any) -> None:
    # Read as text: pandas writes a column of whole numbers with gaps as 1.0.
    frame = pandas.read_csv(path, dtype=str, keep_default_na=False)
    assert_same(as_table(frame), minnet.read_csv(path))


def test_many_distinct_numbers_are_kept_without_spellings() -> None:
    values = np.arange(5000.0)
    assert as_table({"x": values})["x"].codes is None
    assert len(as_table({"x": values}, TableFormat(["x"]))["x"].spellings) == 5000
    few_at_first = np.concatenate([np.zeros(10_000), values])
    assert as_table({"x": few_at_first})["x"].codes is None


def test_categorical_numbers_are_categories() -> None:
    for values in (
        pandas.Series([3, 1, None, 3], dtype="category"),
        polars.Series(["3", "1", None, "3"], dtype=polars.Categorical),
        pyarrow.array([3, 1, None, 3]).dictionary_encode(),
    ):
        column = as_table({"x": values})["x"]
        assert column.numbers is None
        assert column.missing.tolist() == [False, False, True, False]
        assert [spelling.removesuffix(".0") for spelling in column.spellings] == ["3", "1"]


def test_masked_cells_are_missing() -> None:
    column = as_table({"x": np.ma.array([1.5, 2.5], mask=[True, False])})["x"]
    np.testing.assert_array_equal(column.numbers, [np.nan, 2.5])


DURATIONS = {
    "objects": [datetime.timedelta(hours=1), None],
    "numpy": np.array([3600, "NaT"], "m8[s]"),
    "pandas": pandas.Series([pandas.Timedelta(3600, "s"), None]),
    "pandas periods": pandas.Series(pandas.period_range("2024", periods=2, freq="Y")),
    "polars": polars.Series([datetime.timedelta(hours=1), None]),
    "pyarrow": pyarrow.array([datetime.timedelta(hours=1), None]),
}


@pytest.mark.parametrize("durations", DURATIONS.values(), ids=DURATIONS)
def test_durations_are_refused_with_advice_where_they_are_used(durations: Any) -> None:
    table = as_table({"time": durations, "x": [0, 1]})
    with pytest.raises(DataError) as error:
        table["time"]
    assert str(error.value) == (
        "table: column 'time': it holds durations or periods, and minnet takes numbers, categories "
        "and dates: give what matters of them as columns of their own (hours, year, month), or "
        "leave the column out with `ignore`"
    )
    assert table["x"].numbers is not None


def test_table_with_durations_can_be_trained_on_without_them() -> None:
    frame = pandas.DataFrame(
        {"time": pandas.to_timedelta(range(20), "h"), "x": range(20), "y": ["a", "b"] * 10}
    )
    for target in ("y", "time"):
        with pytest.raises(DataError, match=r"time.*hours, year, month"):
            minnet.train(frame, target, epochs=1, networks=1)
    model = minnet.train(frame, "y", ignore=["time"], epochs=1, networks=1)
    assert len(minnet.predict(model, frame)) == 20


DAY = datetime.date(2024, 2, 29)
DATES = {
    "objects": [DAY, None],
    "moments": [np.datetime64(DAY), np.datetime64("NaT")],
    "numpy": np.array([DAY, "NaT"], "M8[D]"),
    "pandas": pandas.Series([pandas.Timestamp(DAY), None]),
    "pandas with arrow": pandas.Series([DAY, None], dtype=pandas.ArrowDtype(pyarrow.date32())),
    "polars": polars.Series([DAY, None]),
    "pyarrow": pyarrow.array([DAY, None], pyarrow.date64()),
}


@pytest.mark.parametrize("dates", DATES.values(), ids=DATES)
def test_dates_of_frames_are_those_of_a_csv(dates: Any) -> None:
    assert_same(as_table({"day": dates}), read_text('day\n2024-02-29\n""\n'))


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="'x': it holds complex numbers"):
        as_table({"x": np.array([1j])})["x"]


OBJECTS = {
    "lists": [[1, 2], None, [3]],
    "structs": [{"a": 1}, None, {"a": 2}],
    "bytes": [b"a", None, b"b"],
}


@pytest.mark.parametrize("make", [dict, pandas.DataFrame, polars.DataFrame, pyarrow.table])
@pytest.mark.parametrize("kind", OBJECTS)
def test_lists_structs_and_bytes_are_refused_with_advice_where_they_are_used(
    kind: str, make: Any
) -> None:
    table = as_table(make({"x": OBJECTS[kind], "z": [1, 2, 3]}))
    with pytest.raises(DataError, match=f"table: column 'x': it holds {kind}, and .* `ignore`"):
        table["x"]
    assert table.columns["x"].missing.tolist() == [False, True, False]
    assert table["z"].numbers is not None


def test_arrays_in_a_column_of_objects_are_lists() -> None:
    for values in (pandas.Series([np.ones(2), np.ones(3)]), [(1, 2), (3, 4)]):
        with pytest.raises(DataError, match="it holds lists"):
            as_table({"x": values})["x"]


def test_column_of_nothing_but_not_a_time_is_missing() -> None:
    assert as_table({"x": [pandas.NaT, None, pandas.NA]})["x"].missing.all()


def test_infinite_number_names_its_row() -> None:
    frame = pandas.DataFrame({"x": [1, 2, np.inf, 4] * 5, "y": ["a", "b"] * 10})
    with pytest.raises(DataError, match="table:3: column 'x': 'inf' is not a finite number"):
        minnet.train(frame, "y")


def test_frame_that_names_two_columns_alike_is_refused() -> None:
    frame = pandas.DataFrame([[1, 2, 3]], columns=["a", 1, "1"])
    with pytest.raises(DataError, match="two columns are named '1'"):
        as_table(frame)


@pytest.mark.parametrize("data", [[1, 2], np.ones((2, 2)), None, polars.LazyFrame({"x": [1]})])
def test_what_is_no_table_is_refused_with_what_would_be(data: Any) -> None:
    with pytest.raises(DataError, match=r"no table can be made of '.+': give a file's name"):
        as_table(data)


def test_column_of_two_dimensions_is_refused() -> None:
    with pytest.raises(DataError, match="a column has 2 dimensions"):
        as_table({"x": np.ones((2, 2))})


class Stream:
    """Offers Arrow's C stream and nothing else."""

    def __arrow_c_stream__(self, schema: Any = None) -> Any:
        return pyarrow.table({"x": [1, 2], "y": ["a", None]}).__arrow_c_stream__(schema)


def test_anything_that_offers_an_arrow_stream_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    table = as_table(Stream())
    assert table["y"].spellings == ("a",)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PackageError, match=r"pip install '\.\[parquet\]'"):
        as_table(Stream())


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame, pyarrow.table])
def test_every_function_takes_a_frame(make: Any) -> None:
    columns = {
        "x": np.linspace(0, 1, 40),
        "town": ["a", "b", "c", None] * 10,
        "kind": ["no"] * 20 + ["yes"] * 20,
    }
    frame = make(columns)
    model = minnet.train(frame, "kind", networks=2, epochs=5)
    assert model.class_names == ("no", "yes")
    scores = minnet.evaluate(model, frame)
    assert scores.out_of_fold
    assert len(minnet.predict(model, frame)) == 40
    assert model.probabilities(frame).shape == (40, 2)
    assert minnet.explain(model, frame, row=3).row == 3
    with pytest.raises(SettingsError, match="no column 'knd'; did you mean 'kind'"):
        minnet.train(frame, "knd")


def test_model_of_numbers_says_how_to_give_it_a_categorical_column() -> None:
    frame = pandas.DataFrame({"x": range(20), "y": ["a", "b"] * 10})
    model = minnet.train(frame, "y", networks=1, epochs=1)
    with pytest.raises(MinnetError, match="make the frame's column one of numbers"):
        minnet.predict(model, frame.astype({"x": "category"}))


def test_frames_import_no_library() -> None:
    code = (
        "import sys, minnet; model = minnet.train({'x': [1.5, 2] * 9, 'y': ['a', 'b'] * 9}, 'y', "
        "epochs=1); minnet.predict(model, {'x': [1]}); "
        "print(sorted({'pandas', 'polars', 'pyarrow', 'sklearn', 'onnx'} & {*sys.modules}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize(
    "row",
    [
        {"x": 0.5, "n": 7, "word": "uv", "truth": True},
        {"x": np.float32(0.5), "n": np.int8(7), "word": np.str_("uv"), "truth": np.True_},
        {"x": np.array(0.5), "n": None, "word": None, "truth": pandas.NA},
        {"x": decimal.Decimal("0.5"), "n": float("nan"), "word": "", "truth": None},
    ],
)
def test_mapping_of_single_values_is_one_row(row: dict[str, Any]) -> None:
    assert_same(Table.from_columns(row), Table.from_columns({k: [v] for k, v in row.items()}))


def test_one_row_is_predicted() -> None:
    rows = {"x": [1.0, 2.0] * 9, "word": ["uv", "w"] * 9, "y": ["a", "b"] * 9}
    model = minnet.train(rows, "y", networks=2, epochs=2)
    one = minnet.predict(model, {"x": 1, "word": "uv"})
    assert len(one) == 1
    whole = minnet.predict(model, {"x": [1.0, 2.0], "word": ["uv", "w"]})
    np.testing.assert_allclose(one.probabilities[0], whole.probabilities[0])


def test_single_value_beside_longer_columns_is_refused() -> None:
    with pytest.raises(DataError, match="the columns differ in length"):
        Table.from_columns({"x": [1.0, 2.0], "word": "uv"})
