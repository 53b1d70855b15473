"""The structure of a CSV file: text, delimiter, header and rows; errors name file and line."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from minnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MISSING = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "None", "?"})
DELIMITERS = ",;\t"
ROWS_AT_ONCE = 4096
LONGEST_LINE = 20_000_000

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.I)


def is_missing(cell: str) -> bool:
    """Whether a cell stands for "no value"."""
    return cell.strip() in MISSING


def parse_number(cell: str) -> float | None:
    """Read the number in a cell, perhaps infinite; `None` for anything else.

    Stricter than `float`, which also takes `1_000` and digits of other scripts.
    """
    cell = cell.strip()
    return float(cell) if _NUMBER.fullmatch(cell) else None


class Chunk(NamedTuple):
    """Some rows of a CSV file as text, cell by cell, and the lines they start on."""

    rows: Sequence[Sequence[str]]
    lines: Sequence[int]


class _HashingFile(io.RawIOBase):
    """Reads on and keeps the SHA-256 of all that was read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.sha256.update(data)
        return len(data)


class CsvReader:
    """Reads a CSV in chunks of rows and checks its structure on the way.

    UTF-8, with or without a byte order mark; commas, semicolons or tabs, whichever the first line
    has most of; quoted cells may hold delimiters, quotes and newlines; blank lines are skipped.

    Parameters
    ----------
    file
        Open for reading bytes.
    source
        The file's name, as a person knows it.
    name_columns
        For a file without a header: names its columns, given how many there are.

    Raises
    ------
    DataError
        If the text is not a CSV of this form.

    Attributes
    ----------
    names
        Of the columns.
    delimiter
        What separates the cells.
    """

    def __init__(
        self,
        file: BinaryIO,
        source: str,
        name_columns: Callable[[int], list[str]] | None = None,
    ) -> None:
        self.source = source
        self.has_header = name_columns is None
        self._hashing = _HashingFile(file)
        self._text = io.TextIOWrapper(
            io.BufferedReader(self._hashing),
            encoding="utf-8-sig",
            errors="surrogateescape",
            newline="",
        )
        self._line = 0
        first_line = self._first_line()
        outside_quotes = re.sub(r'"[^"]*("|$)', "", first_line)
        self.delimiter: str = max(DELIMITERS, key=outside_quotes.count)
        self._rows = csv.reader(self._lines(first_line), delimiter=self.delimiter, strict=True)
        first = next(self._numbered_rows())
        self.names: list[str] = first[1] if name_columns is None else name_columns(len(first[1]))
        # A file with no header may have been given the very names it would get.
        self._waiting = [] if first[1] == self.names else [first]
        self._check_names()

    def _first_line(self) -> str:
        for line in self._raw_lines():
            if line.strip():
                return line
        raise DataError(f"{self.source}: the file is empty")

    def _raw_lines(self) -> Iterator[str]:
        while line := self._text.readline(LONGEST_LINE + 1):
            self._line += 1
            where = f"{self.source}:{self._line}"
            if not line.isascii() and _has_surrogate(line):
                raise DataError(f"{where}: not UTF-8 text: is it a CSV file, saved as UTF-8?")
            if "\0" in line:
                raise DataError(f"{where}: a NUL byte: is it a CSV file?")
            if len(line) > LONGEST_LINE:
                raise DataError(f"{where}: a line of over {LONGEST_LINE:,} characters")
            yield line

    def _lines(self, first_line: str) -> Iterator[str]:
        yield first_line
        yield from self._raw_lines()

    def _numbered_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Rows with the line they start on, blank lines left out."""
        while True:
            start = self._line + 1 if self._rows.line_num else self._line
            try:
                row = next(self._rows, None)
            except csv.Error as error:
                raise DataError(
                    f"{self.source}:{start}: the row that starts here is broken: {error}"
                ) from None
            if row is None:
                return
            if row:
                yield start, row

    def _check_names(self) -> None:
        where = f"{self.source}:{self._line}"
        if self.has_header and _looks_like_data(self.names):
            raise DataError(
                f"{where}: the first line looks like data ({', '.join(self.names[:6])}), not like "
                "column names: add a header line, or train with --no-header"
            )
        for position, name in enumerate(self.names, start=1):
            if not name.strip():
                raise DataError(f"{where}: column {position} has no name in the header")
            if name in self.names[: position - 1]:
                raise DataError(f"{where}: two columns are named {name!r}")

    def chunks(self, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[Chunk]:
        """All rows, `rows_at_once` at a time.

        Raises
        ------
        DataError
            If a row has more or fewer cells than the header.
        """
        width = len(self.names)
        rows = self._numbered_rows()
        while part := [*self._waiting, *islice(rows, rows_at_once)]:
            self._waiting = []
            for line, row in part:
                if len(row) != width:
                    cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
                    raise DataError(f"{self.source}:{line}: {cells}, but there are {width} columns")
            yield Chunk([row for _, row in part], [line for line, _ in part])

    @property
    def sha256(self) -> str:
        """SHA-256 of all bytes read so far, in hex."""
        return self._hashing.sha256.hexdigest()


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def default_names(count: int) -> list[str]:
    """column1, column2, ...: for a file without a header."""
    return [f"column{position}" for position in range(1, count + 1)]


def _looks_like_data(names: Sequence[str]) -> bool:
    """Whether a first line holds numbers that are not just the columns' positions."""
    numbers = [name for name in names if parse_number(name) is not None]
    positions = ({str(i), str(i + 1)} for i in range(len(names)))
    are_positions = all(
        name in position or parse_number(name) is None
        for name, position in zip(names, positions, strict=True)
    )
    return bool(numbers) and not are_positions
