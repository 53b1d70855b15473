"""From a file, or from columns in memory, to a table of named columns."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from minnet.arguments import as_names
from minnet.data.cells import USUAL, CellFormat
from minnet.data.column_names import default_names
from minnet.data.csv_reader import CsvReader
from minnet.data.files import open_file, reading
from minnet.data.frames import columns_of
from minnet.data.names import check_same_columns, find_name
from minnet.data.parquet import ParquetReader, is_parquet
from minnet.data.table_builder import ParquetTableBuilder, TableBuilder
from minnet.data.values import make_columns
from minnet.errors import DataError, plural, unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import BinaryIO

    from minnet.arrays import IntArray
    from minnet.data.column import Column
    from minnet.data.csv_reader import Chunk
    from minnet.data.table_builder import Spread

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
    cell_format
        How its cells were to be read.
    files
        Of a table in several files, the name of each by its first row here.
    """

    source: str
    columns: dict[str, Column]
    lines: IntArray
    sha256: str = ""
    has_header: bool = True
    cell_format: CellFormat = USUAL
    files: Mapping[int, str] = field(default_factory=dict)

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
        found = find_name(name, self.columns)
        if found is None:
            raise DataError(unknown_name(self.source, "column", name, self.columns))
        column = self.columns[found]
        if column.refused:
            raise DataError(f"{self.source}: column {name!r}: {column.refused}")
        return column

    def at(self, row: int) -> str:
        """Where a row stands, `iris.csv:12`, to start an error with."""
        return f"{self._file(row)}:{self.lines[row]}"

    def line(self, row: int) -> str:
        """Where a row stands, `line 12`, in a sentence; of several files, in which."""
        line = f"line {self.lines[row]}"
        return f"{line} of {self._file(row)}" if self.files else line

    def _file(self, row: int) -> str:
        starts = [*self.files]
        return self.files[starts[bisect(starts, row) - 1]] if starts else self.source

    @classmethod
    def from_chunks(
        cls,
        source: str,
        names: Sequence[str],
        chunks: Iterable[Chunk],
        text: Iterable[str] = (),
        numbers: Iterable[str] = (),
        cell_format: CellFormat = USUAL,
    ) -> Table:
        """Gather rows of text into columns.

        Parameters
        ----------
        text
            Names of columns to keep as text; see `read_csv`.
        numbers
            Names of columns to read as numbers alone, so that text in them is a bad cell.
        cell_format
            How the cells are spelled; see `CellFormat.for_file`.
        """
        builder = TableBuilder(names, text, numbers, cell_format)
        builder.add_chunks(names, chunks)
        return cls(source, builder.columns(), np.frombuffer(builder.lines, dtype=np.int64))

    @classmethod
    def from_columns(
        cls,
        columns: object,
        source: str = "table",
        text: Iterable[str] = (),
        numbers: Iterable[str] = (),
        cell_format: CellFormat = USUAL,
    ) -> Table:
        """Build a table from values in memory; `None`, NaN, NA and NaT are missing.

        Parameters
        ----------
        columns
            A mapping of columns, each a list, an array or a series; a pandas or polars frame; or a
            pyarrow table. The table is what it would be were it written to a CSV and read.
        text, numbers
            Names of columns to keep as text, or to read as numbers alone; see `from_chunks`.
        cell_format
            How text spells numbers and missing values, and which numbers stand for the latter.

        Raises
        ------
        DataError
            If the columns differ in length, or no table can be made of this.
        """
        made = make_columns(columns_of(columns), as_names(text), as_names(numbers), cell_format)
        table = cls.of(made, source)
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
    with reading(source):
        if is_parquet(file):
            return ParquetReader(file, source)
    return CsvReader(file, source, name_columns)


def read_table(
    reader: CsvReader | ParquetReader,
    text: Iterable[str] = (),
    numbers: Iterable[str] = (),
    cell_format: CellFormat = USUAL,
    spread: Spread | None = None,
) -> Table:
    """All rows of an open file as one table; see `read_files`."""
    return read_files([reader], reader.source, text, numbers, cell_format, spread)


def read_files(
    readers: Iterable[CsvReader | ParquetReader],
    source: str,
    text: Iterable[str] = (),
    numbers: Iterable[str] = (),
    cell_format: CellFormat = USUAL,
    spread: Spread | None = None,
) -> Table:
    """All rows of files, each open in turn, as one table; see `Table.from_chunks`.

    Parameters
    ----------
    readers
        Of one kind, CSV or Parquet. The first decides on the order of the columns, and whether
        numbers may have a decimal comma.
    source
        A name for all of them.
    spread
        See `TableBuilder.add_all`.

    Raises
    ------
    DataError
        If a file cannot be read, or differs from the first in its columns or kind.
    """
    first: CsvReader | ParquetReader | None = None
    builder: Any = None
    files: dict[int, str] = {}
    hashes = []
    for reader in readers:
        if first is None:
            first = reader
            kind = ParquetTableBuilder if isinstance(reader, ParquetReader) else TableBuilder
            settled = cell_format.for_file(reader.delimiter)
            builder = kind(reader.names, text, numbers, settled)
        elif type(reader) is not type(first):
            raise DataError(f"{reader.source} and {first.source}: only one of them is Parquet")
        check_same_columns(first.source, first.names, reader.source, reader.names)
        files[len(builder.lines)] = reader.source
        builder.add_all(reader, spread)
        hashes.append(reader.sha256)
    assert first is not None
    return Table(
        source,
        builder.columns(),
        np.frombuffer(builder.lines, dtype=np.int64),
        hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest(),
        getattr(first, "has_header", True),
        cell_format,
        files if len(hashes) > 1 else {},
    )


def as_table(
    data: Data,
    text: Iterable[str] = (),
    numbers: Iterable[str] = (),
    name_columns: Callable[[Sequence[str]], list[str]] | None = None,
    cell_format: CellFormat = USUAL,
) -> Table:
    """Take a table as it is; make one of a mapping, a frame or the name of a file.

    Parameters
    ----------
    text, numbers, cell_format
        See `Table.from_chunks`.
    name_columns
        For a file without a header; see `CsvReader`.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, (str, os.PathLike)):
        return _read(data, text, numbers, name_columns, cell_format)
    return Table.from_columns(data, "table", text, numbers, cell_format)


def read_csv(
    path: str | os.PathLike[str],
    *,
    header: bool = True,
    text: Iterable[str] = (),
    missing: Iterable[str] = (),
    decimal: str = "",
    strip: str = "",
) -> Table:
    """Read a CSV file into a table.

    A column is numeric when every cell that is not missing is a finite number, or when each is one
    of true and false, in any case, or 1 and 0. Cells are missing when they are empty or one of NA,
    N/A, NaN, null, None, ?.

    Parameters
    ----------
    path
        The file.
    header
        Whether the first line names the columns; else they are called column1, column2, ...
    text
        Names of columns to keep as text even if all their cells are numbers. Only needed for
        columns of over 1,000 distinct numbers: below that, both are kept.
    missing
        Further words that stand for "no value".
    decimal
        The decimal mark of numbers, `.` or `,`. By default, `.`, and in a file that is not
        separated by commas also `,` for a column in which all numbers are written so.
    strip
        Characters to leave out of numbers, such as `$,` in `$1,234`.

    Raises
    ------
    DataError
        If the file cannot be read, or is not a CSV of that form; names the line.
    SettingsError
        If cells cannot be read so.
    """
    cell_format = CellFormat(as_names(missing), decimal, strip)
    return _read(path, as_names(text), (), None if header else default_names, cell_format)


def _read(
    path: str | os.PathLike[str],
    text: Iterable[str],
    numbers: Iterable[str],
    name_columns: Callable[[Sequence[str]], list[str]] | None,
    cell_format: CellFormat,
) -> Table:
    source = os.fspath(path)
    with open_file(source) as file:
        return read_table(make_reader(file, source, name_columns), text, numbers, cell_format)
