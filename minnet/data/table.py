"""From a CSV file to a table of named columns."""

from __future__ import annotations

import hashlib
import os
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from minnet.data.cells import USUAL, CellFormat
from minnet.data.column import Column, ColumnBuilder
from minnet.data.csv_reader import Chunk, CsvReader, default_names
from minnet.errors import DataError, plural, unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from minnet.arrays import IntArray

    Data: TypeAlias = "Table | Mapping[str, Iterable[object]] | str | os.PathLike[str]"


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
        `(rows,)`: the physical line each row starts on.
    sha256
        Of the whole file or of the values in memory, in hex: by it a model knows its training
        table again. Empty for a part of a file.
    has_header
        Whether the file named its columns.
    cell_format
        How its cells were to be read.
    """

    source: str
    columns: dict[str, Column]
    lines: IntArray
    sha256: str = ""
    has_header: bool = True
    cell_format: CellFormat = USUAL

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
            If there is none; says which there are.
        """
        found = find_name(name, self.columns)
        if found is None:
            raise DataError(unknown_name(self.source, "column", name, self.columns))
        return self.columns[found]

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
        known = dict.fromkeys(names)
        always_text = {find_name(name, known) for name in text}
        always_numbers = {find_name(name, known) for name in numbers}
        lines = array("q")
        builders = [
            ColumnBuilder(
                name,
                lines,
                cell_format,
                is_text=name in always_text,
                is_numeric=name in always_numbers,
            )
            for name in names
        ]
        for chunk in chunks:
            lines.extend(chunk.lines)
            for builder, cells in zip(builders, zip(*chunk.rows, strict=True), strict=True):
                builder.add(cells)
        columns = {builder.name: builder.column() for builder in builders}
        return cls(source, columns, np.frombuffer(lines, dtype=np.int64))

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Iterable[object]],
        source: str = "table",
        cell_format: CellFormat = USUAL,
    ) -> Table:
        """Build a table from values in memory; `None` and NaN are missing.

        Raises
        ------
        DataError
            If the columns differ in length.
        """
        cells = [
            ["" if value is None else str(value) for value in values] for values in columns.values()
        ]
        if len({len(values) for values in cells}) > 1:
            raise DataError(f"{source}: the columns differ in length")
        rows = list(zip(*cells, strict=True))
        chunks = [Chunk(rows, range(1, len(rows) + 1))] if rows else []
        table = cls.from_chunks(source, list(columns), chunks, cell_format=cell_format)
        table.sha256 = hashlib.sha256(repr((list(columns), rows)).encode()).hexdigest()
        return table


def find_name(name: str, names: Collection[str]) -> str | None:
    """Find a name, or else the only one that differs from it just in white space around it."""
    if name in names:
        return name
    alike = [other for other in names if other.strip() == name.strip()]
    return alike[0] if len(alike) == 1 else None


def read_table(
    reader: CsvReader,
    text: Iterable[str] = (),
    numbers: Iterable[str] = (),
    cell_format: CellFormat = USUAL,
) -> Table:
    """All rows of an open CSV as one table; see `Table.from_chunks`."""
    settled = cell_format.for_file(reader.delimiter)
    table = Table.from_chunks(reader.source, reader.names, reader.chunks(), text, numbers, settled)
    table.sha256 = reader.sha256
    table.has_header = reader.has_header
    table.cell_format = cell_format
    return table


def as_table(
    data: Data,
    text: Iterable[str] = (),
    numbers: Iterable[str] = (),
    name_columns: Callable[[Sequence[str]], list[str]] | None = None,
    cell_format: CellFormat = USUAL,
) -> Table:
    """Take a table as it is; make one of a mapping of columns or of the name of a CSV file.

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
    return Table.from_columns(data, cell_format=cell_format)


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
    cell_format = CellFormat(tuple(missing), decimal, strip)
    return _read(path, text, (), None if header else default_names, cell_format)


def _read(
    path: str | os.PathLike[str],
    text: Iterable[str],
    numbers: Iterable[str],
    name_columns: Callable[[Sequence[str]], list[str]] | None,
    cell_format: CellFormat,
) -> Table:
    try:
        with open(path, "rb") as file:
            reader = CsvReader(file, os.fspath(path), name_columns)
            return read_table(reader, text, numbers, cell_format)
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: {error.strerror or error}") from None
