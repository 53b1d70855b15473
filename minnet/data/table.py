"""From the rows of files to the columns of a table, in several processes if need be.

The parts of a table in files: whole files, or pieces of large ones.

From a file, or from columns in memory, to a table of named columns.
"""

from __future__ import annotations

import csv
import os
from array import array
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO, StringIO, TextIOWrapper
from itertools import islice
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np

from minnet.arguments import as_names
from minnet.arrays import IntArray
from minnet.data.cells import USUAL, CellFormat, check_same_columns, default_names, find_name
from minnet.data.column import Column, ColumnBuilder, joined, make_columns
from minnet.data.csv import (
    REMOTE,
    Block,
    Chunk,
    CsvReader,
    RowParser,
    compression_of,
    is_quote_open,
    open_file,
    reading,
)
from minnet.data.frames import Values, columns_of
from minnet.data.parquet import ParquetReader, is_parquet
from minnet.errors import DataError, plural, unknown_name

# Yields the results of a function for items, in order, given first arguments common to all.
Spread: TypeAlias = "Callable[..., Iterator[Any]]"

BLOCKS_ALONE = 32
"""Fewer take less time in this process than workers take to start."""


class TableBuilder:
    """Gathers rows of text, of one file or several, into columns.

    See `Table.from_chunks` for the parameters.
    """

    def __init__(
        self,
        names: Sequence[str],
        text: Iterable[str],
        numbers: Iterable[str],
        cell_format: CellFormat,
    ) -> None:
        known = dict.fromkeys(names)
        always_text = {find_name(name, known) for name in text}
        always_numbers = {find_name(name, known) for name in numbers}
        self.lines = array("q")
        self._builders = {
            name: ColumnBuilder(
                name,
                cell_format,
                is_text=name in always_text,
                is_numeric=name in always_numbers,
            )
            for name in names
        }

    def add(
        self,
        names: Iterable[str],
        lines: Iterable[int],
        columns: Iterable[Sequence[str] | array[float]],
    ) -> None:
        """Append rows: the lines they start on, and the cells of each column."""
        self.lines.extend(lines)
        for name, cells in zip(names, columns, strict=True):
            self._builders[name].add(cells)

    def add_chunks(self, names: Iterable[str], chunks: Iterable[Chunk]) -> None:
        """Append rows cell by cell."""
        for chunk in chunks:
            if chunk.rows:
                self.add(names, chunk.lines, zip(*chunk.rows, strict=True))

    def add_all(self, reader: CsvReader, spread: Spread | None) -> None:
        """Append all rows of a file; `spread` has worker processes split and parse the most."""
        names = reader.names
        if spread is None:
            self.add_chunks(names, reader.chunks())
            return
        blocks, parser = reader.blocks(), RowParser(reader.source, names, reader.delimiter)
        self.add_chunks(names, map(parser.chunk, islice(blocks, BLOCKS_ALONE)))
        parsing = _Parsing(parser, [self._builders[name].number_format for name in names])
        for lines, columns in spread(_Parsing.columns, blocks, parsing):
            if lines:
                self.add(names, lines, columns)

    def columns(self) -> dict[str, Column]:
        """Make the columns of all rows so far."""
        return {name: builder.column() for name, builder in self._builders.items()}


class ParquetTableBuilder:
    """Gathers the columns of one Parquet file or several; see `Table.from_chunks`."""

    def __init__(
        self,
        names: Sequence[str],
        text: Iterable[str],
        numbers: Iterable[str],
        cell_format: CellFormat,
    ) -> None:
        self.lines = array("q")
        self._parts: dict[str, list[Values]] = {name: [] for name in names}
        self._text, self._numbers, self._format = tuple(text), tuple(numbers), cell_format

    def add_all(self, reader: ParquetReader, _: Spread | None) -> None:
        """Append all rows of a file."""
        self.lines.extend(reader.rows)
        for name in reader.names:
            self._parts[name].append(reader.values(name))

    def columns(self) -> dict[str, Column]:
        """Make the columns of all rows, which are forgotten."""
        columns: dict[str, Column] = {}
        for name in [*self._parts]:
            values = joined(self._parts.pop(name))
            columns |= make_columns({name: values}, self._text, self._numbers, self._format)
        return columns


class _Parsing(NamedTuple):
    """What turns a block into columns, in whichever process; a format for those of numbers."""

    parser: RowParser
    formats: Sequence[CellFormat | None]

    def columns(self, block: Block | Chunk) -> tuple[array[int], list[Any]]:
        """Split a block, and parse plain numbers; all other cells stay text."""
        chunk = self.parser.chunk(block)
        same: dict[str, str] = {}  # of equal cells, only one is sent
        columns = [
            (cell_format and cell_format.plain_numbers(cells))
            or [*map(same.setdefault, cells, cells)]
            for cells, cell_format in zip(zip(*chunk.rows, strict=True), self.formats, strict=False)
        ]
        return array("q", chunk.lines), columns


MOST_BYTES, MOST_ROWS = 2**25, 2**18
"""About what a piece of a CSV and one of Parquet hold."""


class Place(NamedTuple):
    """Where in a file a block begins and how long it is, in bytes, and the lines before it."""

    start: int
    length: int
    lines_before: int


@dataclass(frozen=True)
class FilePart:
    """One file, CSV or Parquet, on a disk that all workers see or in an object store.

    Attributes
    ----------
    path
        Of the file, or its address, such as `s3://bucket/part.parquet`.
    text
        Names of columns to keep as text.
    cell_format
        How its cells are spelled.
    no_header
        Whether its columns have no names.
    folder
        That the path starts from.
    """

    path: str
    text: tuple[str, ...] = ()
    cell_format: CellFormat = USUAL
    no_header: bool = False
    folder: str = field(default_factory=os.getcwd)

    def read(self) -> Table:
        """Read all of it; may have no rows."""
        with self._open() as file:
            return read_table(self._reader(file), self.text, (), self.cell_format)

    def names(self) -> list[str]:
        """Read the names of its columns."""
        with self._open() as file:
            return self._reader(file).names

    def cut(self, most_bytes: int, most_rows: int) -> Sequence[FilePart]:
        """Cut a large file into pieces of about so many bytes of a CSV, or rows of Parquet.

        A CSV that is compressed or has no header stays whole.
        """
        with self._open() as file, reading(self.path):
            if is_parquet(file):
                runs = ParquetReader(file, self.path).runs(most_rows)
                return [RowGroups(**vars(self), groups=groups) for groups in runs]
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if size <= most_bytes or self.no_header or compression_of(file.read(64)):
                return [self]
            file.seek(0)
            reader = CsvReader(file, self.path)
            first = _first_row(file, reader.header_lines)
            blocks = _blocks(file, first, most_bytes, reader.delimiter)
            return [CsvBlock(**vars(self), header=_header(reader), place=one) for one in blocks]

    def _open(self) -> BinaryIO:
        remote = REMOTE in self.path
        return open_file(self.path if remote else os.path.join(self.folder, self.path))

    def _reader(self, file: BinaryIO) -> CsvReader | ParquetReader:
        return make_reader(file, self.path, default_names if self.no_header else None)


@dataclass(frozen=True, kw_only=True)
class RowGroups(FilePart):
    """Some row groups of a Parquet file."""

    groups: range

    def _reader(self, file: BinaryIO) -> ParquetReader:
        return ParquetReader(file, self.path, self.groups)


@dataclass(frozen=True, kw_only=True)
class CsvBlock(FilePart):
    """Some whole rows of a CSV file.

    Attributes
    ----------
    header
        Names of the columns, spelled so that they are told from data whatever row follows.
    place
        Where the rows are.
    """

    header: bytes
    place: Place

    def _reader(self, file: BinaryIO) -> CsvReader:
        with reading(self.path):
            file.seek(self.place.start)
            rows = file.read(self.place.length)
        if len(rows) < self.place.length:
            raise DataError(f"{self.path}: made shorter while it was read")
        lines_before = self.place.lines_before - _line_ends(self.header)
        return CsvReader(BytesIO(self.header + rows), self.path, lines_before=lines_before)


def _header(reader: CsvReader) -> bytes:
    header = StringIO()
    csv.writer(header, delimiter=reader.delimiter, quoting=csv.QUOTE_ALL).writerow(reader.names)
    return header.getvalue().encode()


def _first_row(file: BinaryIO, lines_before: int) -> Place:
    """Find where the rows of a file begin."""
    file.seek(0)
    text = TextIOWrapper(file, "latin-1", newline="")  # a character for each byte
    start = sum(map(len, islice(text, lines_before)))
    text.detach()
    return Place(start, 0, lines_before)


def _blocks(file: BinaryIO, first: Place, most_bytes: int, delimiter: str) -> Iterator[Place]:
    """Cut the rows of a file where a line, and no quoted cell, ends."""
    start, _, lines_before = first
    file.seek(start)
    while text := file.read(most_bytes):
        text += file.readline()
        length, lines = len(text), _line_ends(text)
        is_open = is_quote_open(text.decode("latin-1"), delimiter)
        while is_open and (line := file.readline()):
            is_open = is_quote_open('"' + line.decode("latin-1"), delimiter)
            length, lines = length + len(line), lines + _line_ends(line)
        yield Place(start, length, lines_before)
        start, lines_before = start + length, lines_before + lines


def _line_ends(text: bytes) -> int:
    """Count the ends of lines, of which a carriage return alone is one."""
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")


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
        return cls.of(made, source)

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
    assert first is not None
    return Table(
        source,
        builder.columns(),
        np.frombuffer(builder.lines, dtype=np.int64),
        getattr(first, "has_header", True),
        cell_format,
        {} if reader is first else files,
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
