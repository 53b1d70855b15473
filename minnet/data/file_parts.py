"""The parts of a table in files: whole files, or pieces of large ones."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from minnet.data.cells import USUAL, CellFormat
from minnet.data.column_names import default_names
from minnet.data.csv_reader import CsvReader
from minnet.data.files import REMOTE, open_file
from minnet.data.parquet import ParquetReader
from minnet.data.table import Table, make_reader, read_table
from minnet.data.text_source import NO_GAP, Gap, compression_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

MOST_BYTES, MOST_ROWS = 2**25, 2**18
"""What a piece of a file may hold, of a CSV and of Parquet."""


class Place(NamedTuple):
    """Where in a file a block begins, how long it is, and how many lines there are before it."""

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

        What is packed, or a CSV without a header, stays whole.
        """
        with self._open() as file:
            reader = self._reader(file)
            if isinstance(reader, ParquetReader):
                return [RowGroups(**vars(self), groups=one) for one in reader.runs(most_rows)]
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if size <= most_bytes or self.no_header or compression_of(file.read(64)):
                return [self]
            file.seek(0)
            head = reader.header_lines
            return [
                CsvBlock(**vars(self), header_lines=head, place=one)
                for one in _blocks(file, most_bytes)
            ]

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
    place
        Where it is.
    header_lines
        How many lines there are before the first row of the file.
    """

    place: Place
    header_lines: int

    def _reader(self, file: BinaryIO) -> CsvReader:
        header, gap = b"", NO_GAP
        start, length, lines_before = self.place
        if start:
            header = b"".join(islice(file, self.header_lines))
            gap = Gap(self.header_lines, lines_before - self.header_lines)
        file.seek(start)
        return CsvReader(BytesIO(header + file.read(length)), self.path, gap=gap)


def _blocks(file: BinaryIO, most_bytes: int) -> Iterator[Place]:
    """Cut a file where a line, and no quoted cell, ends."""
    start = lines_before = 0
    while text := file.read(most_bytes):
        quotes, length, lines = text.count(b'"'), len(text), text.count(b"\n")
        is_whole = text.endswith(b"\n")
        while (not is_whole or quotes % 2) and (line := file.readline()):
            quotes, length, lines = quotes + line.count(b'"'), length + len(line), lines + 1
            is_whole = True
        yield Place(start, length, lines_before)
        start, lines_before = start + length, lines_before + lines
