"""From the rows of files to the columns of a table, in several processes if need be."""

from __future__ import annotations

from array import array
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from minnet.data.cells import CellFormat
from minnet.data.column import Column, ColumnBuilder
from minnet.data.csv_reader import RowParser
from minnet.data.names import find_name
from minnet.data.values import joined, make_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, TypeAlias

    from minnet.data.csv_reader import Block, Chunk, CsvReader
    from minnet.data.frames import Values
    from minnet.data.parquet import ParquetReader

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
