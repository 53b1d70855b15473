"""The parts of a table in files: whole files, or pieces of large ones."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass, field
from io import BytesIO, StringIO, TextIOWrapper
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from minnet.data.cells import USUAL, CellFormat
from minnet.data.column_names import default_names
from minnet.data.csv_reader import CsvReader, is_quote_open
from minnet.data.files import REMOTE, open_file, reading
from minnet.data.parquet import ParquetReader, is_parquet
from minnet.data.table import Table, make_reader, read_table
from minnet.data.text_source import compression_of
from minnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

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
