"""Columns in memory, from lists, arrays and frames, as columns of a table.

Parquet files, read and written by pyarrow, which is imported only for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from itertools import chain, pairwise, starmap
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from minnet.arguments import is_single
from minnet.arrays import Array, BoolArray
from minnet.data.cells import check_distinct
from minnet.data.csv import RowParser, reading
from minnet.errors import DataError, PackageError

_NOTHING = {"NoneType", "NAType", "NaTType"}  # pandas' NaT is a date to Python
_UNLIKE_ITSELF = float, complex, np.datetime64, np.timedelta64  # NaN and NaT
_REFUSED = (
    "it holds {}, and minnet takes numbers, categories and dates: give what matters of them as "
    "columns of their own ({}), or leave the column out with `ignore`"
)
_OF_DURATIONS = _REFUSED.format("durations or periods", "hours, year, month")
_OF_OBJECTS: dict[tuple[type, ...], str] = {
    (timedelta, np.timedelta64): _OF_DURATIONS,
    (bytes, bytearray, memoryview): _REFUSED.format("bytes", "the text or number they stand for"),
    (dict,): _REFUSED.format("structs", "one for each field"),
    (list, tuple, set, np.ndarray): _REFUSED.format("lists", "their length, one for each item"),
    (complex,): _REFUSED.format("complex numbers", "real and imaginary part"),
}


FLOATS_AT_ONCE = 2**16


class Values(NamedTuple):
    """A column in memory, as numbers or as the cells that a CSV would hold.

    Attributes
    ----------
    values
        An array of numbers; or text, empty where there is no value.
    missing
        `(rows,)`: where numbers have no value.
    is_category
        Whether it stays text even if it holds numbers.
    refused
        Why it is neither numbers nor categories; else empty.
    """

    values: Any
    missing: Any = None
    is_category: bool = False
    refused: str = ""

    @property
    def cells(self) -> list[str]:
        """As cells of a CSV, empty where there is no value."""
        if isinstance(self.values, list):
            return self.values
        # Told apart by their bits: -0.0 is written otherwise than 0.0.
        bits = np.ascontiguousarray(self.values).view(f"i{self.values.dtype.itemsize}")
        distinct, places = np.unique(bits, return_inverse=True)
        texts = np.array([*map(str, distinct.view(self.values.dtype))], dtype=object)
        return np.where(self.missing, "", texts[places]).tolist()


def columns_of(data: Any) -> dict[str, Any]:
    """Columns by name of a mapping, a pandas or polars frame, or a pyarrow table.

    In a mapping, a single value is a column of one row. What else offers Arrow's C stream is read
    by pyarrow. The index of a pandas frame is no column.

    Raises
    ------
    DataError
        If it is none of these, or two columns have the same name.
    """
    names: Iterable[Any]
    columns: Iterable[Any]
    if isinstance(data, Mapping):
        names = data.keys()
        columns = [[values] if is_single(values) else values for values in data.values()]
    elif hasattr(data, "iloc") and hasattr(data, "columns"):  # pandas
        names, columns = data.columns, [data.iloc[:, k] for k in range(len(data.columns))]
    elif hasattr(data, "get_columns"):  # polars
        names, columns = data.columns, data.get_columns()
    else:  # pyarrow
        if not hasattr(data, "column_names") and hasattr(data, "__arrow_c_stream__"):
            try:
                import pyarrow
            except ImportError:
                raise PackageError("pyarrow", "parquet", f"a {type(data).__name__!r}") from None
            data = pyarrow.table(data)
        if not hasattr(data, "column_names"):
            raise DataError(
                f"no table can be made of {type(data).__name__!r}: give a file's name, a mapping "
                "of columns, a pandas or polars frame, or a pyarrow table"
            )
        names, columns = data.column_names, data.columns
    names = [*map(str, names)]
    check_distinct(names, "table")
    return dict(zip(names, columns, strict=True))


def unpack(values: Any) -> Values:
    """Find out what kind of column this is by what it can do: no library is imported for it."""
    if isinstance(values, Values):
        return values
    dtype = getattr(values, "dtype", None)
    if hasattr(values, "to_pylist"):
        return _from_arrow(values)
    if hasattr(dtype, "is_temporal"):
        return _from_polars(values)
    if hasattr(dtype, "kind") and type(values).__name__ != "MaskedArray":
        if values.ndim != 1:
            raise DataError(f"table: a column has {values.ndim} dimensions: give one column each")
        return _from_numpy(values)
    # A masked array lists None for what is masked.
    return _from_list(values.tolist() if hasattr(values, "tolist") else list(values))


def _from_list(values: list[Any], *, is_category: bool = False, refused: str = "") -> Values:
    """Take Python objects as numbers if all are of one kind, or else each as text."""
    kinds = set(map(type, values))
    if kinds <= {float, np.float64, type(None)} and not is_category:
        return _from_numbers(np.array(values, np.float64))
    if kinds == {int} and not is_category:
        integers = np.array(values)
        if integers.dtype.kind in "iu":  # else they are too large for that
            return _from_numbers(integers)
    nothing = {kind for kind in kinds if kind.__name__ in _NOTHING}
    for unwanted, refusal in _OF_OBJECTS.items():
        if any(issubclass(kind, unwanted) for kind in kinds - nothing):
            refused = refused or refusal
    cells = [
        ""
        if type(value) in nothing or (isinstance(value, _UNLIKE_ITSELF) and value != value)
        else str(value)
        for value in values
    ]
    return Values(cells, is_category=is_category, refused=refused)


def _from_moments(values: Any) -> Values:
    """Write moments of datetime64, in UTC, as a CSV would hold them: dates if at midnight all."""
    days = values.astype("M8[D]")
    are_days = ((values == days) | np.isnat(values)).all()
    return _from_list((days if are_days else values.astype("M8[us]")).tolist())


def _from_numbers(values: Any, missing: Any = False) -> Values:
    if values.dtype.itemsize > 8:  # a long double
        values = values.astype(np.float64)
    return Values(values, np.isnan(values) | missing)


def _from_numpy(values: Any) -> Values:
    """Unpack an array, or a pandas series of any type."""
    dtype = values.dtype
    if hasattr(dtype, "categories"):
        return _from_list(values.astype(object).tolist(), is_category=True)
    if getattr(dtype, "freq", None) is not None:
        return _from_list(values.tolist(), refused=_OF_DURATIONS)
    if dtype.kind == "M" and not hasattr(dtype, "pyarrow_dtype"):
        return _from_moments(np.asarray(values, "M8[us]"))
    if dtype.kind not in "iufb":
        # numpy's own list of durations is one of integers.
        return _from_list(list(values) if dtype.kind == "m" else values.tolist())
    missing = np.asarray(values.isna() if hasattr(values, "isna") else values != values, np.bool_)
    plain = getattr(dtype, "numpy_dtype", None)
    # Without one it is numpy's own, or sparse.
    array = values.to_numpy(plain, na_value=plain.type(0)) if plain else np.asarray(values)
    if array.dtype.kind == "b":
        words = np.array(["False", "True", ""], dtype=object)
        return Values(words[np.where(missing, 2, array)].tolist())
    return _from_numbers(array, missing)


def _from_polars(values: Any) -> Values:
    dtype = values.dtype
    if dtype.is_temporal() and not str(dtype).startswith(("Time", "Duration")):
        return _from_moments(values.to_numpy())
    if dtype.is_float() or (dtype.is_integer() and "128" not in str(dtype)):
        return _from_numbers(values.fill_null(0).to_numpy(), values.is_null().to_numpy())
    return _from_list(values.to_list(), is_category=hasattr(dtype, "categories"))


def _from_arrow(values: Any) -> Values:
    from pyarrow import timestamp, types

    kind = values.type
    chunks = getattr(values, "chunks", [values])
    missing = np.concatenate([np.empty(0, np.bool_), *map(_missing_in_arrow, chunks)])
    if types.is_interval(kind):
        return _from_list(values.to_pylist(), refused=_OF_DURATIONS)
    if types.is_timestamp(kind) or types.is_date(kind):
        utc = values.cast(timestamp("us"), safe=False)
        return _from_moments(np.array(utc.to_pylist(), "M8[us]"))
    if types.is_dictionary(kind):
        return _from_list(values.cast(kind.value_type).to_pylist(), is_category=True)
    if types.is_integer(kind) or types.is_floating(kind):
        none = np.empty(0, kind.to_pandas_dtype())
        return _from_numbers(np.concatenate([none, *map(_numbers_in_arrow, chunks)]), missing)
    if types.is_string(kind) or types.is_large_string(kind):
        return Values([text for chunk in chunks for text in _text_in_arrow(chunk)])
    return _from_list(values.to_pylist())


# pyarrow's own `to_numpy` would first import pandas if that is installed: 0.3 s.
def _numbers_in_arrow(chunk: Any) -> Any:
    numbers = np.frombuffer(chunk.buffers()[1] or b"", chunk.type.to_pandas_dtype())
    return numbers[chunk.offset : chunk.offset + len(chunk)]


def _missing_in_arrow(chunk: Any) -> BoolArray:
    return np.from_dlpack(chunk.is_null().cast("uint8")) > 0


def _text_in_arrow(chunk: Any) -> list[str]:
    """Make each distinct text once: several times as fast as `to_pylist`."""
    encoded = chunk.dictionary_encode()
    texts = np.array([*encoded.dictionary.to_pylist(), ""], dtype=object)
    codes = np.where(_missing_in_arrow(encoded.indices), -1, _numbers_in_arrow(encoded.indices))
    return texts[codes].tolist()


def as_written(values: Any) -> Array:
    """Read a number of fewer bits than 64 as the decimal that is written for it."""
    if values.dtype.kind != "f" or values.dtype.itemsize == 8:
        return values.astype(np.float64)
    starts = range(0, len(values), FLOATS_AT_ONCE)
    texts = (values[start : start + FLOATS_AT_ONCE].astype(str) for start in starts)
    return np.concatenate([np.empty(0), *(part.astype(np.float64) for part in texts)])


def joined(parts: Sequence[Values]) -> Values:
    """Put the values of a column in several files below each other."""
    parts = [part for part in parts if len(part.values)] or [*parts[:1]]
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part.values, np.ndarray) for part in parts):
        is_same = len({part.values.dtype for part in parts}) == 1
        numbers = [part.values if is_same else as_written(part.values) for part in parts]
        return Values(np.concatenate(numbers), np.concatenate([part.missing for part in parts]))
    # As in a CSV, which knows no types.
    cells = chain.from_iterable(part.cells for part in parts)
    refused = next((part.refused for part in parts if part.refused), "")
    return Values([*cells], is_category=any(part.is_category for part in parts), refused=refused)


ROW_GROUP = 2**16
"""Rows that are written together."""
_MARK = b"PAR1\x15"
"""With the first byte of whatever comes first; a CSV may begin with the other four."""


def is_parquet(file: BinaryIO, source: str) -> bool:
    """Whether a file that can be read again holds Parquet: by its content, not by its name."""
    if not file.seekable():
        return False
    with reading(source):
        beginning = file.read(len(_MARK))
        file.seek(0)
    return beginning == _MARK


class ParquetReader:
    """Reads a Parquet file, whole or some rows at a time.

    Parameters
    ----------
    file
        Open for reading bytes, with a `seek`.
    source
        The file's name, as the user knows it.
    row_groups
        Which row groups to read; `None` for all.

    Raises
    ------
    DataError
        If pyarrow is not installed, or cannot read the file.

    Attributes
    ----------
    names
        Of the columns.
    parser
        What would split its rows, were they written as a CSV.
    """

    def __init__(self, file: BinaryIO, source: str, row_groups: range | None = None) -> None:
        try:
            from pyarrow import parquet
        except ImportError:
            raise PackageError("pyarrow", "parquet", f"{source}: Parquet") from None
        self.source = source
        with reading(source, "Parquet"):
            self._parquet = parquet.ParquetFile(file)
            self.names: list[str] = self._parquet.schema_arrow.names
            check_distinct(self.names, source)
            self.parser = RowParser(source, self.names, ",", self.names)
            groups = range(self._parquet.num_row_groups)
            row_group = self._parquet.metadata.row_group
            self._rows_of_groups: list[int] = [row_group(group).num_rows for group in groups]
        self._row_groups = groups if row_groups is None else row_groups

    @property
    def rows(self) -> range:
        """Which rows of the file it reads, from 1."""
        groups, rows = self._row_groups, self._rows_of_groups
        return range(1 + sum(rows[: groups.start]), 1 + sum(rows[: groups.stop]))

    def runs(self, most_rows: int) -> list[range]:
        """Put row groups that follow each other together, to so many rows if they are smaller."""
        starts, rows = [0], 0
        for group, of_group in enumerate(self._rows_of_groups):
            if rows and rows + of_group > most_rows:
                starts.append(group)
                rows = 0
            rows += of_group
        return [*starmap(range, pairwise([*starts, len(self._rows_of_groups)]))]

    def values(self, name: str) -> Values:
        """Read all rows of a column."""
        with reading(self.source, "Parquet"):
            columns = self._parquet.read_row_groups(
                self._row_groups, columns=[name], use_threads=False
            )
            return unpack(columns[name])

    def blocks(self, rows_at_once: int) -> Iterator[tuple[int, Any]]:
        """Read some rows at a time, as pyarrow has them; also tells which is the first."""
        row, groups = self.rows.start, self._row_groups
        with reading(self.source, "Parquet"):
            for batch in self._parquet.iter_batches(rows_at_once, groups, use_threads=False):
                yield row, batch
                row += len(batch)


def write_parquet(
    file: BinaryIO, kept: Sequence[str], pieces: Iterable[tuple[Any, Mapping[str, Any]]]
) -> None:
    """Write batches that a `ParquetReader` read again, with columns beside them.

    Parameters
    ----------
    file
        Open for writing bytes.
    kept
        Names of the columns to write again.
    pieces
        Each batch, and by name the columns to add to it.
    """
    import pyarrow
    from pyarrow import parquet

    with ExitStack() as stack:
        writer = None
        for batch, added in pieces:
            table = pyarrow.Table.from_batches([batch]).select([*kept])
            for name, values in added.items():
                table = table.append_column(name, pyarrow.array(values))
            writer = writer or stack.enter_context(parquet.ParquetWriter(file, table.schema))
            writer.write_table(table)
