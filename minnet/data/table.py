"""A table of named columns, from files, from rows of text, or from columns in memory.

The parts of a table in files: whole files, or pieces of large ones.
"""

from __future__ import annotations

import io
import os
from array import array
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np

from minnet.arguments import as_names
from minnet.arrays import Array, IntArray
from minnet.data import cells, csv
from minnet.data.column import CodedCells, Column, ColumnBuilder
from minnet.data.frames import ParquetReader, columns_of, is_parquet, unpack
from minnet.errors import DataError, SettingsError, plural, unknown_name

Reader: TypeAlias = csv.CsvReader | ParquetReader
# Yields the results of a function for items, in order, given first arguments common to all.
Spread: TypeAlias = "Callable[..., Iterator[Any]]"
# Any is a frame: pandas', polars' or pyarrow's.
Data: TypeAlias = "Table | Mapping[str, Iterable[object]] | str | os.PathLike[str] | Any"

BLOCKS_ALONE = 32
"""They tell which columns are numbers; and more pay for workers, which take time to start."""
LINES_OF_A_TASK = 4096


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
    repeated_headers
        Where lines of files are, `iris.csv:12`, that repeat the header and are no rows.
    """

    source: str
    columns: dict[str, Column]
    lines: IntArray
    has_header: bool = True
    cell_format: cells.CellFormat = cells.USUAL
    files: Mapping[int, str] = field(default_factory=dict)
    repeated_headers: tuple[str, ...] = ()

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
        found = cells.find_name(name, self.columns)
        if found is None:
            raise DataError(unknown_name(self.source, "column", name, self.columns))
        column = self.columns[found]
        if column.refused:
            raise DataError(f"{self.source}: column {name!r}: {column.refused}")
        return column

    def select(self, rows: IntArray) -> Table:
        """Make the table that some rows alone would be, ascending."""
        columns = {name: column.select(rows) for name, column in self.columns.items()}
        files = {int(np.searchsorted(rows, start)): file for start, file in self.files.items()}
        return replace(self, columns=columns, lines=self.lines[rows], files=files)

    def weights(self, name: str) -> Array:
        """How much each row counts by a column, `(rows,)`.

        Raises
        ------
        DataError
            At the first cell that is not a number of 0 to `MOST_WEIGHT`.
        """
        column = self[name]
        bad = column.bad_cell or (column.first_text if column.numbers is None else None)
        numbers = np.zeros(len(self)) if column.numbers is None else column.numbers
        is_weight = (numbers >= 0) & (numbers <= MOST_WEIGHT)
        if bad is None and len(wrong := np.flatnonzero(~is_weight)):
            bad = int(wrong[0]), f"{numbers[wrong[0]]:g}"
        if bad is not None:
            cell = "missing" if column.missing[bad[0]] else f"not {bad[1]!r}"
            bounds = f"a weight is 0 to {MOST_WEIGHT:g}"
            raise DataError(f"{self.at(bad[0])}: column {name!r}: {bounds}, {cell}")
        return np.where(numbers < LEAST_WEIGHT, 0, numbers)

    def weighted_rows(self, name: str) -> Table:
        """Leave out the rows of weight 0 by a column; all stay without its name."""
        if not name:
            return self
        if name not in self.columns:
            raise SettingsError(unknown_name(self.source, "column", name, self.columns))
        is_kept = self.weights(name) > 0
        for column in self.columns.values():
            if column.bad_cell is not None:  # is told wherever it stands
                is_kept[column.bad_cell[0]] = True
        return self if is_kept.all() else self.select(np.flatnonzero(is_kept))

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
    def from_files(
        cls,
        files: Iterable[AbstractContextManager[Reader]],
        source: str,
        form: cells.TableFormat = cells.PLAIN,
        spread: Spread | None = None,
    ) -> Table:
        """Read all rows of files, each opened in turn, as one table.

        Parameters
        ----------
        files
            Of one kind, CSV or Parquet. The first decides on the order of the columns, and whether
            numbers may have a decimal comma.
        source
            A name for all of them.
        spread
            Has worker processes split and parse the most of a CSV.

        Raises
        ------
        DataError
            If a file cannot be read, or differs from the first in its columns or kind.
        """
        first: Reader | None = None
        starts: dict[int, str] = {}
        for file in files:
            with file as reader:
                if first is None:
                    first = reader
                    builder = _TableBuilder(first.parser, form)
                elif type(reader) is not type(first):
                    sources = f"{reader.source} and {first.source}"
                    raise DataError(f"{sources}: only one of them is Parquet")
                cells.check_same_columns(first.source, first.names, reader.source, reader.names)
                starts[len(builder.lines)] = reader.source
                builder.add_file(reader, spread)
        assert first is not None
        return replace(builder.table(source), files={} if reader is first else starts)

    @classmethod
    def from_chunk(
        cls, parser: csv.RowParser, chunk: csv.Chunk, form: cells.TableFormat = cells.PLAIN
    ) -> Table:
        """Gather rows, of text that a parser split into cells or of values, into columns."""
        builder = _TableBuilder(parser, form)
        builder.add(chunk)
        return builder.table(parser.source)

    @classmethod
    def from_columns(
        cls,
        columns: object,
        source: str = "table",
        form: cells.TableFormat = cells.PLAIN,
        first_row: int = 1,
    ) -> Table:
        """Build a table from values in memory; `None`, NaN, NA and NaT are missing.

        Parameters
        ----------
        columns
            A mapping of columns, each a list, an array or a series; a pandas or polars frame; or a
            pyarrow table. The table is what it would be were it written to a CSV and read.
        form
            Its cells say how text spells numbers and missing values, and which numbers stand for
            the latter.
        first_row
            Where the rows are counted from.

        Raises
        ------
        DataError
            If the columns differ in length, or no table can be made of this.
        """
        named = columns_of(columns)
        parser = csv.RowParser(source, [*named], ",", [*named])
        table = cls.from_chunk(parser, csv.Chunk([*map(unpack, named.values())]), form)
        lengths = {len(column.missing) for column in table.columns.values()} or {0}
        if len(lengths) > 1:
            raise DataError(f"{source}: the columns differ in length")
        return replace(table, lines=np.arange(first_row, first_row + lengths.pop()))


class _TableBuilder:
    """Gathers the rows of one file or several into columns."""

    def __init__(self, parser: csv.RowParser, form: cells.TableFormat) -> None:
        self.lines = array("q")
        self._headers: list[str] = []
        self._how = parser.header is not None, form.cells
        cell_format, kinds = form.cells.for_file(parser.delimiter), form.kinds(parser.names)
        self._builders = {
            name: ColumnBuilder(name, cell_format, kind) for name, kind in kinds.items()
        }

    def add(self, chunk: csv.Chunk, names: Iterable[str] = ()) -> None:
        """Append rows, perhaps with the columns in another order."""
        self.lines.extend(chunk.lines)
        self._headers += chunk.headers
        # No rows may have no columns.
        for name, values in zip(names or self._builders, chunk.columns, strict=False):
            self._builders[name].add(values)

    def add_file(self, reader: Reader, spread: Spread | None) -> None:
        """Append all rows of a file."""
        names = reader.names
        if isinstance(reader, ParquetReader):
            self.add(csv.Chunk([*map(reader.values, names)], reader.rows), names)
            return
        parser = reader.parser
        for block in islice(reader.blocks(), BLOCKS_ALONE):
            self.add(parser.chunk(block), names)
        blocks = reader.blocks(LINES_OF_A_TASK)
        common = parser, [self._builders[name].reading for name in names]
        for chunk in (
            spread(_parsed, blocks, *common) if spread else map(partial(_parsed, *common), blocks)
        ):
            self.add(chunk, names)

    def table(self, source: str) -> Table:
        """Make the table of all rows, which are forgotten."""
        columns = {name: self._builders.pop(name).column() for name in [*self._builders]}
        lines = np.frombuffer(self.lines, dtype=np.int64)
        return Table(source, columns, lines, *self._how, repeated_headers=tuple(self._headers))


def _parsed(
    parser: csv.RowParser, reading: Sequence[tuple[cells.CellFormat | None, bool]], block: csv.Block
) -> csv.Chunk:
    """Split a block, and parse plain numbers where there is a format; all other cells get codes."""
    is_plain = [is_plain for _, is_plain in reading]
    chunk = parser.plain_chunk(block, is_plain) or parser.chunk(block)
    columns = [
        column
        if isinstance(column, array)
        else (cell_format and cell_format.plain_numbers(column)) or CodedCells.of(column)
        for column, (cell_format, _) in zip(chunk.columns, reading, strict=False)
    ]
    return chunk._replace(columns=columns, lines=array("q", chunk.lines))


LEAST_WEIGHT, MOST_WEIGHT = 1e-100, 1e12
"""Of a row; their squares can be added up. Less counts as 0."""
MOST_BYTES, MOST_ROWS = 2**25, 2**18
"""About what a piece of a CSV and one of Parquet hold."""


class CsvBlock(NamedTuple):
    """Some whole rows of a CSV file: where they begin and how long they are, in bytes.

    Attributes
    ----------
    lines_before
        How many lines of the file come before.
    parser
        What splits its rows.
    """

    start: int
    length: int
    lines_before: int
    parser: csv.RowParser


def _line_ends(text: bytes) -> int:
    """Count the ends of lines, of which a carriage return alone is one."""
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")


@dataclass(frozen=True)
class FilePart:
    """One file, CSV or Parquet, on a disk that all workers see or in an object store; or a piece.

    Attributes
    ----------
    path
        Of the file, or its address, such as `s3://bucket/part.parquet`.
    form
        How it is read.
    piece
        Which row groups of a Parquet file, or rows of a CSV; `None` for all of it.
    folder
        That the path starts from.
    """

    path: str
    form: cells.TableFormat = cells.PLAIN
    piece: range | CsvBlock | None = None
    folder: str = field(default_factory=os.getcwd)

    @contextmanager
    def open(self) -> Iterator[Reader]:
        """Read it as what it is: Parquet, or else CSV."""
        with csv.open_file(self.path, self.folder) as file:
            if isinstance(self.piece, CsvBlock):
                start, length, lines_before, parser = self.piece
                with csv.reading(self.path):
                    file.seek(start)
                    rows = file.read(length)
                if len(rows) < length:
                    raise DataError(f"{self.path}: made shorter while it was read")
                text = io.BytesIO(rows)
                yield csv.CsvReader(text, self.path, self.form, parser, lines_before)
            elif is_parquet(file, self.path):
                yield ParquetReader(file, self.path, self.piece)
            else:
                yield csv.CsvReader(file, self.path, self.form)

    def read(self) -> Table:
        """Read all of it; may have no rows."""
        return Table.from_files([self.open()], self.path, self.form)

    def names(self) -> list[str]:
        """Read the names of its columns."""
        with self.open() as reader:
            return reader.names

    def cut(self, most_bytes: int, most_rows: int) -> Sequence[FilePart]:
        """Cut a large file into pieces of about so many bytes of a CSV, or rows of Parquet.

        A CSV that is compressed stays whole.
        """
        pieces: Iterable[range | CsvBlock] = ()
        with csv.open_file(self.path, self.folder) as file, csv.reading(self.path):
            is_packed = csv.compression_of(file.read(64))
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if is_parquet(file, self.path):
                pieces = ParquetReader(file, self.path).runs(most_rows)
            elif size > most_bytes and not is_packed:
                pieces = self._blocks(file, most_bytes)
            return [replace(self, piece=piece) for piece in pieces] or [self]

    def _blocks(self, file: BinaryIO, most_bytes: int) -> Iterator[CsvBlock]:
        """Cut the rows of a CSV where no quoted cell is open."""
        file.seek(0)
        reader = csv.CsvReader(file, self.path, self.form)
        parser, lines_before = reader.parser, reader.lines_before
        file.seek(0)
        text = io.TextIOWrapper(file, "latin-1", newline="")  # a character for each byte
        start = sum(map(len, islice(text, lines_before)))
        text.detach()
        file.seek(start)
        while rows := file.read(most_bytes):
            rows += file.readline()
            length, lines = len(rows), _line_ends(rows)
            is_open = parser.is_quote_open(rows.decode("latin-1"))
            while is_open and (line := file.readline()):
                is_open = parser.is_quote_open('"' + line.decode("latin-1"))
                length, lines = length + len(line), lines + _line_ends(line)
            yield CsvBlock(start, length, lines_before, parser)
            start, lines_before = start + length, lines_before + lines


def as_table(data: Data, form: cells.TableFormat = cells.PLAIN) -> Table:
    """Take a table as it is; make one of a mapping, a frame, or the name or pattern of files."""
    if isinstance(data, Table):
        return data
    if isinstance(data, (str, os.PathLike)):
        path = os.fspath(data)
        files = (FilePart(file, form, folder="").open() for file in csv.files_of(path))
        return Table.from_files(files, path, form)
    return Table.from_columns(data, "table", form)


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

    Returns
    -------
    Table
        Its columns, by name.

    Raises
    ------
    DataError
        If the file cannot be read, or is not a CSV of that form; names the line.
    SettingsError
        If cells cannot be read so.

    Examples
    --------
    >>> import minnet
    >>> table = minnet.read_csv("data/iris.csv")
    >>> len(table), [*table.columns][-1]
    (150, 'species')
    """
    cell_format = cells.CellFormat(as_names(missing), decimal, strip)
    naming = None if header else cells.default_names
    return as_table(os.fspath(path), cells.TableFormat(as_names(text), (), cell_format, naming))
