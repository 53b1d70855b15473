"""From a file, or from columns in memory, to a table of named columns."""

from __future__ import annotations

import hashlib
import os
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from minnet.data.column import Column, ColumnBuilder
from minnet.data.csv_reader import Chunk, CsvReader, default_names
from minnet.data.frames import columns_of
from minnet.data.parquet import ParquetReader, is_parquet
from minnet.data.values import make_columns
from minnet.errors import DataError, plural, unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from minnet.arrays import IntArray

    # Any is a frame: pandas', polars' or pyarrow's.
    Data: TypeAlias = "Table | Mapping[str, Iterable[object]] | str | os.PathLike[str] | Any"


@dataclass(eq=False)
class Table:
    """Named columns of equal length.

    Attributes
    ----------
    source
        The file's name, as the user knows it.
    columns
        By name, in the file's order.
    lines
        `(rows,)`: the physical line each row starts on; counted rows where there are no lines.
    sha256
        Of the whole file or of the values in memory, in hex: by it a model knows its training
        table again. Empty for a part of a file.
    has_header
        Whether the file named its columns.
    """

    source: str
    columns: dict[str, Column]
    lines: IntArray
    sha256: str = ""
    has_header: bool = True

    def __len__(self) -> int:
        """How many rows."""
        return len(self.lines)

    def __repr__(self) -> str:
        return (
            f"<Table: {self.source}, {plural(len(self), 'row')}, columns {', '.join(self.columns)}>"
        )

    def __getitem__(self, name: str) -> Column:
        """Look up a column by name.

        Raises
        ------
        DataError
            If there is none, and says which there are; or if it is neither numbers nor categories.
        """
        if name not in self.columns:
            raise DataError(unknown_name(self.source, "column", name, self.columns))
        column = self.columns[name]
        if column.refused:
            raise DataError(f"{self.source}: column {name!r}: {column.refused}")
        return column

    def at(self, row: int) -> str:
        """Where a row stands, `iris.csv:12`, to start an error with."""
        return f"{self.source}:{self.lines[row]}"

    @classmethod
    def from_chunks(
        cls,
        source: str,
        names: Sequence[str],
        chunks: Iterable[Chunk],
        text: Iterable[str] = (),
        numbers: Iterable[str] = (),
    ) -> Table:
        """Gather rows of text into columns.

        Parameters
        ----------
        text
            Names of columns to keep as text; see `read_csv`.
        numbers
            Names of columns to read as numbers alone, so that text in them is a bad cell.
        """
        always_text, always_numbers = set(text), set(numbers)
        lines = array("q")
        builders = [ColumnBuilder(name, lines, is_text=name in always_text) for name in names]
        for builder in builders:
            if builder.name in always_numbers:
                builder.keep_only_numbers()
        for chunk in chunks:
            lines.extend(chunk.lines)
            for builder, cells in zip(builders, zip(*chunk.rows, strict=True), strict=True):
                builder.add(cells)
        columns = {builder.name: builder.column() for builder in builders}
        return cls(source, columns, np.frombuffer(lines, dtype=np.int64))

    @classmethod
    def from_columns(
        cls,
        columns: object,
        source: str = "table",
        text: Iterable[str] = (),
    ) -> Table:
        """Build a table from values in memory; `None`, NaN, NA and NaT are missing.

        Parameters
        ----------
        columns
            A mapping of columns, each a list, an array or a series; a pandas or polars frame; or a
            pyarrow table. The table is what it would be were it written to a CSV and read.
        text
            Names of columns to keep as text; see `read_csv`.

        Raises
        ------
        DataError
            If the columns differ in length, or no table can be made of this.
        """
        table = cls.of(make_columns(columns_of(columns), text), source)
        sha256 = hashlib.sha256()
        for column in table.columns.values():
            sha256.update(repr((column.name, column.spellings)).encode())
            for values in (column.numbers, column.codes):
                sha256.update(b"-" if values is None else values.tobytes())
        table.sha256 = sha256.hexdigest()
        return table

    @classmethod
    def of(cls, columns: dict[str, Column], source: str, first_row: int = 1) -> Table:
        """Gather columns whose rows are counted, having no lines.

        Raises
        ------
        DataError
            If the columns differ in length.
        """
        lengths = {len(column.missing) for column in columns.values()} or {0}
        if len(lengths) > 1:
            raise DataError(f"{source}: the columns differ in length")
        return cls(source, columns, np.arange(first_row, first_row + lengths.pop()))


def make_reader(
    file: BinaryIO,
    source: str,
    name_columns: Callable[[Sequence[str]], list[str]] | None = None,
) -> CsvReader | ParquetReader:
    """Read a file as what it is: Parquet, or else CSV; see `CsvReader` for the parameters."""
    if is_parquet(file):
        return ParquetReader(file, source)
    return CsvReader(file, source, name_columns)


def read_table(reader: CsvReader | ParquetReader, text: Iterable[str] = ()) -> Table:
    """All rows of an open file as one table; see `read_csv` for `text`."""
    if isinstance(reader, ParquetReader):
        table = Table.of(reader.columns(text), reader.source)
        table.sha256 = reader.sha256
        return table
    table = Table.from_chunks(reader.source, reader.names, reader.chunks(), text)
    table.sha256 = reader.sha256
    table.has_header = reader.has_header
    return table


def read_parts(
    reader: CsvReader | ParquetReader,
    text: Iterable[str],
    numbers: Iterable[str],
    rows_at_once: int,
) -> Iterator[tuple[Table, Any]]:
    """Read an open file some rows at a time; see `Table.from_chunks` for `text` and `numbers`.

    Yields
    ------
    tuple[Table, Any]
        The rows as a table, and as they were read: lists of cells, or pyarrow's record batch.
    """
    if isinstance(reader, ParquetReader):
        row = 1
        for columns, batch in reader.parts(text, numbers, rows_at_once):
            yield Table.of(columns, reader.source, row), batch
            row += len(batch)
    else:
        for chunk in reader.chunks(rows_at_once):
            yield Table.from_chunks(reader.source, reader.names, [chunk], text, numbers), chunk.rows


def as_table(
    data: Data,
    text: Iterable[str] = (),
    name_columns: Callable[[Sequence[str]], list[str]] | None = None,
) -> Table:
    """Take a table as it is; make one of a mapping, a frame or the name of a CSV file.

    Parameters
    ----------
    text
        Names of columns to keep as text; see `read_csv`.
    name_columns
        For a file without a header; see `CsvReader`.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, (str, os.PathLike)):
        return _read(data, name_columns, text)
    return Table.from_columns(data, text=text)


def read_csv(
    path: str | os.PathLike[str], *, header: bool = True, text: Iterable[str] = ()
) -> Table:
    """Read a CSV file into a table.

    A column is numeric when every cell that is not missing is a finite number. Cells are missing
    when they are empty or one of NA, N/A, NaN, null, None, ?.

    Parameters
    ----------
    path
        The file.
    header
        Whether the first line names the columns; else they are called column1, column2, ...
    text
        Names of columns to keep as text even if all their cells are numbers. Only needed for
        columns of over 1,000 distinct numbers: below that, both are kept.

    Raises
    ------
    DataError
        If the file cannot be read, or is not a CSV of that form; names the line.
    """
    return _read(path, None if header else default_names, text)


def _read(
    path: str | os.PathLike[str],
    name_columns: Callable[[Sequence[str]], list[str]] | None,
    text: Iterable[str],
) -> Table:
    try:
        with open(path, "rb") as file:
            return read_table(make_reader(file, os.fspath(path), name_columns), text)
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: {error.strerror or error}") from None
