"""From a CSV file to a table of named columns."""

from __future__ import annotations

import hashlib
import os
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.data.cells import is_missing, parse_number, parse_plain_numbers
from minnet.data.csv_reader import Chunk, CsvReader, default_names
from minnet.errors import DataError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
        builders = [_ColumnBuilder(name, lines, is_text=name in always_text) for name in names]
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


class _Codes(dict[str, int]):
    """Numbers the distinct cells in order of appearance, when they are looked up; missing: -1."""

    distinct = 0

    def __missing__(self, cell: str) -> int:
        code = -1
        if not is_missing(cell):
            code = self.distinct
            self.distinct += 1
        self[cell] = code
        return code

    @property
    def spellings(self) -> tuple[str, ...]:
        return tuple(cell for cell, code in self.items() if code >= 0)


class _ColumnBuilder:
    """Grows a `Column` chunk by chunk, in typed arrays rather than lists of text.

    While a column has few distinct cells, only their codes are kept: then each spelling has to be
    read as a number once. With too many distinct cells for that, and all of them numbers, it goes
    on with the numbers alone.

    Parameters
    ----------
    lines
        Where each row of the table starts; whoever owns it adds the lines of a chunk first.
    """

    def __init__(self, name: str, lines: Sequence[int], *, is_text: bool) -> None:
        self.name = name
        self._lines = lines
        self._is_text = is_text
        self._codes = array("i")
        self._code_of = _Codes()
        self._numbers: array[float] | None = None
        self._bad_cell: tuple[int, str] | None = None

    def add(self, cells: Sequence[str]) -> None:
        if self._numbers is not None:
            self._numbers.extend(parse_plain_numbers(cells) or self._parse(cells))
            return
        self._codes.extend(array("i", [*map(self._code_of.__getitem__, cells)]))
        if self._code_of.distinct > MOST_KEPT_SPELLINGS and not self._is_text:
            self.keep_only_numbers()

    def keep_only_numbers(self) -> None:
        """Forget how the cells were written, unless one is text."""
        numbers = self._numbers_of_codes()
        self._is_text = numbers is None
        if numbers is not None:
            self._numbers = array("d", numbers.tobytes())
            self._code_of.clear()

    def _parse(self, cells: Sequence[str]) -> Iterator[float]:
        """Numbers cell by cell; remembers the first cell that is none, or infinite."""
        for row, cell in enumerate(cells, start=len(self._numbers or ())):
            number = np.nan if is_missing(cell) else parse_number(cell)
            if self._bad_cell is None and (number is None or np.isinf(number)):
                self._bad_cell = self._lines[row], cell
            yield np.nan if number is None else number

    def _numbers_of_codes(self) -> Array | None:
        """Numbers of all cells so far; `None` if one is text."""
        spellings = self._code_of.spellings
        numbers = parse_plain_numbers(spellings) or [parse_number(cell) for cell in spellings]
        if None in numbers:
            return None
        codes = np.frombuffer(self._codes, dtype=np.int32)
        of_rows: Array = np.array([*numbers, np.nan], dtype=np.float64)[codes]
        infinite = np.flatnonzero(np.isinf(of_rows))
        if len(infinite):
            self._bad_cell = self._lines[infinite[0]], spellings[codes[infinite[0]]]
        return of_rows

    def column(self) -> Column:
        if self._numbers is not None:
            numbers = np.frombuffer(self._numbers, dtype=np.float64)
            return Column(self.name, numbers, None, (), self._bad_cell)
        return Column(
            self.name,
            None if self._is_text else self._numbers_of_codes(),
            np.frombuffer(self._codes, dtype=np.int32),
            self._code_of.spellings,
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
