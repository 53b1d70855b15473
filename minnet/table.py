"""From a CSV file to a table of named columns."""

from __future__ import annotations

import hashlib
import os
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.csv_reader import Chunk, CsvReader, default_names, is_missing, parse_number
from minnet.errors import DataError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from minnet.arrays import Array, BoolArray, IntArray

MOST_KEPT_SPELLINGS = 1000
"""A column of numbers keeps how its cells were written while it has no more distinct ones."""


@dataclass(eq=False)
class Column:
    """One column of a table, as numbers or as text (or as both: few distinct numbers).

    Attributes
    ----------
    name
        From the header.
    numbers
        `(rows,)` float64, NaN where missing; `None` if some cell is text.
    codes
        `(rows,)`: index of each cell's text in `spellings`, -1 where missing; `None` for numbers
        of which too many are distinct.
    spellings
        The distinct cells, verbatim, in order of appearance.
    bad_cell
        Line and text of the first cell that spoils a column of numbers: an infinite one, or a
        text after more distinct numbers than spellings are kept. Using the column raises.
    """

    name: str
    numbers: Array | None
    codes: IntArray | None
    spellings: tuple[str, ...]
    bad_cell: tuple[int, str] | None = None

    @property
    def missing(self) -> BoolArray:
        """`(rows,)`: where there is no value."""
        if self.numbers is not None:
            return np.isnan(self.numbers)
        return np.less(self.codes, 0)  # type: ignore[arg-type]  # a column has one or the other


@dataclass(eq=False)
class Table:
    """Named columns of equal length.

    Attributes
    ----------
    source
        The file's name, as a person knows it.
    columns
        By name, in the file's order.
    lines
        `(rows,)`: the physical line each row starts on.
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

    def __getitem__(self, name: str) -> Column:
        """Look up a column by name.

        Raises
        ------
        DataError
            If there is none; says which there are.
        """
        if name not in self.columns:
            raise DataError(unknown_name(self.source, "column", name, self.columns))
        return self.columns[name]

    def at(self, row: int) -> str:
        """Where a row stands, `iris.csv:12`, to start an error with."""
        return f"{self.source}:{self.lines[row]}"

    @classmethod
    def from_chunks(
        cls, source: str, names: Sequence[str], chunks: Iterable[Chunk], text: Iterable[str] = ()
    ) -> Table:
        """Gather rows of text into columns; see `read_csv` for `text`."""
        always_text = set(text)
        builders = [_ColumnBuilder(name, is_text=name in always_text) for name in names]
        lines = array("q")
        for chunk in chunks:
            lines.extend(chunk.lines)
            for builder, cells in zip(builders, zip(*chunk.rows, strict=True), strict=True):
                builder.add(cells, chunk.lines)
        columns = {builder.name: builder.column() for builder in builders}
        return cls(source, columns, np.frombuffer(lines, dtype=np.int64))

    @classmethod
    def from_columns(cls, columns: Mapping[str, Iterable[object]], source: str = "table") -> Table:
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
        table = cls.from_chunks(source, list(columns), chunks)
        table.sha256 = hashlib.sha256(repr((list(columns), rows)).encode()).hexdigest()
        return table


class _ColumnBuilder:
    """Grows a `Column` chunk by chunk, in typed arrays rather than lists of text."""

    def __init__(self, name: str, *, is_text: bool) -> None:
        self.name = name
        self._is_text = is_text
        self._numbers: array[float] | None = None if is_text else array("d")
        self._codes: array[int] | None = array("i")
        self._code_of: dict[str, int] = {}
        self._bad_cell: tuple[int, str] | None = None

    def add(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        if self._numbers is not None:
            self._add_numbers(self._numbers, cells, lines)
        if self._codes is not None:
            code_of = self._code_of
            self._codes.extend(
                -1 if is_missing(cell) else code_of.setdefault(cell, len(code_of)) for cell in cells
            )
            if self._numbers is not None and len(code_of) > MOST_KEPT_SPELLINGS:
                self._codes = None
                self._code_of = {}

    def _add_numbers(
        self, numbers: array[float], cells: Sequence[str], lines: Sequence[int]
    ) -> None:
        for line, cell in zip(lines, cells, strict=True):
            number = np.nan if is_missing(cell) else parse_number(cell)
            if number is None and self._codes is not None:
                self._numbers = None
                self._bad_cell = None
                return
            if self._bad_cell is None and (number is None or np.isinf(number)):
                self._bad_cell = line, cell
            numbers.append(np.nan if number is None else number)

    def column(self) -> Column:
        return Column(
            self.name,
            None if self._numbers is None else np.frombuffer(self._numbers, dtype=np.float64),
            None if self._codes is None else np.frombuffer(self._codes, dtype=np.int32),
            tuple(self._code_of),
            self._bad_cell,
        )


def read_table(reader: CsvReader, text: Iterable[str] = ()) -> Table:
    """All rows of an open CSV as one table; see `read_csv` for `text`."""
    table = Table.from_chunks(reader.source, reader.names, reader.chunks(), text)
    table.sha256 = reader.sha256
    table.has_header = reader.has_header
    return table


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
    try:
        with open(path, "rb") as file:
            reader = CsvReader(file, os.fspath(path), None if header else default_names)
            return read_table(reader, text)
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: {error.strerror or error}") from None
