"""The structure of a CSV file: text, delimiter, header and rows; errors name file and line."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from itertools import chain, islice, tee
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from minnet.data.cells import parse_number
from minnet.data.text_source import TextSource
from minnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence, Sized

DELIMITERS = ",;\t|"
COMMENT = "#"
ROWS_AT_ONCE = 256
LONGEST_HEADER = 100
INDEX = "(index)"
"""What the first column is called if it has no name, as in what pandas writes by default."""


def is_index(name: str) -> bool:
    """Whether a column has no name of its own; pandas calls it `__index_level_0__` in Parquet."""
    return name == INDEX or name.startswith("__index_level_")


class Chunk(NamedTuple):
    """Some rows of a CSV file as text, cell by cell, and the lines they start on."""

    rows: Sequence[Sequence[str]]
    lines: Sequence[int]


class CsvReader:
    """Reads a CSV in chunks of rows and checks its structure on the way.

    UTF-8, plain or compressed, with or without a byte order mark; commas, semicolons, tabs
    or bars, whichever the first line has most of; quoted cells may hold delimiters, quotes and
    newlines; blank lines are skipped, and comments before the header.

    Parameters
    ----------
    file
        Open for reading bytes.
    source
        The file's name, as the user knows it.
    name_columns
        For a file without a header: names its columns, given the cells of its first row.

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
        name_columns: Callable[[Sequence[str]], list[str]] | None = None,
    ) -> None:
        self.source = source
        self.has_header = name_columns is None
        self._text = TextSource(file, source)
        lines = chain.from_iterable(self._text.blocks())
        self._lines_before, first_lines = self._first_lines(lines)
        first_text = "".join(first_lines)
        outside_quotes = re.sub(r'"[^"]*("|$)', "", first_text)
        self.delimiter: str = max(DELIMITERS, key=outside_quotes.count)
        ahead, self._behind = tee(chain(first_lines, lines))
        self._rows = csv.reader(ahead, delimiter=self.delimiter, strict=True)
        first = self._read(1)
        row = list(first.rows[0])
        if name_columns is None:
            quoted = re.findall(r'"((?:[^"]|"")*)"', first_text)
            protected = {name.replace('""', '"') for name in quoted}
            self.names = [name if name in protected else name.strip() for name in row]
        else:
            self.names = name_columns(row)
        # A file with no header may have been given the very names it would get.
        self._waiting = Chunk([], []) if self.has_header or row == self.names else first
        self._check_names()

    def _first_lines(self, lines: Iterator[str]) -> tuple[int, list[str]]:
        """Read the first line, and those that belong to it because a quote is still open.

        Also tells how many blank lines and comments were before it.
        """
        skipped = 0
        comments: list[str] = []
        first_lines: list[str] = []
        for line in lines:
            if not first_lines and line.startswith(COMMENT):
                comments.append(line)
            elif not first_lines and not line.strip():
                skipped += 1
            else:
                first_lines.append(line)
                quotes = "".join(first_lines).count('"')
                if quotes % 2 == 0 or len(first_lines) == LONGEST_HEADER:
                    break
        if comments and (not first_lines or _is_header(comments[-1], first_lines[0])):
            first_lines.insert(0, comments.pop())
        if not first_lines:
            raise DataError(f"{self.source}: the file is empty")
        return skipped + len(comments), first_lines

    def _read(self, most: int) -> Chunk:
        """At most so many rows, blank ones as well, and the lines they start on."""
        reader, lines_before = self._rows, self._lines_before
        rows: list[list[str]] = []
        lines = [lines_before + reader.line_num + 1]
        reason = ""
        try:
            for row in islice(reader, most):
                rows.append(row)
                lines.append(lines_before + reader.line_num + 1)
        except csv.Error as error:
            reason = str(error)
        deque(islice(self._behind, lines[-1] - lines[0]), maxlen=0)  # skips these lines
        if reason:
            raise DataError(self._what_is_broken(lines[-1], reason))
        return Chunk(rows, lines[:-1])

    def _what_is_broken(self, line: int, reason: str) -> str:
        """Say what is wrong with the row that starts in a line, given the csv module's reason."""
        if reason == "unexpected end of data":
            reader = csv.reader(self._behind, delimiter=self.delimiter)
            *_, open_cell = next(reader)
            lines = max(1, len(io.StringIO(open_cell, newline="").readlines()))
            return (
                f"{self.source}:{line + reader.line_num - lines}: a quote that opens in this line "
                "is never closed"
            )
        if reason.startswith("field larger"):
            reason = f"a cell of over {csv.field_size_limit():,} characters: is a quote not closed?"
        return f"{self.source}:{line}: the row that starts here is broken: {reason}"

    def _check_names(self) -> None:
        where = f"{self.source}:{self._lines_before + self._rows.line_num}"
        if self.has_header and not self.names[0].strip() and len(self.names) > 1:
            self.names[0] = INDEX
        if self.has_header and _looks_like_data(self.names):
            raise DataError(
                f"{where}: the first line looks like data ({', '.join(self.names[:6])}), not like "
                "column names: add a header line, or train with --no-header (a name may not be a "
                "number)"
            )
        seen = set()
        for position, name in enumerate(self.names, start=1):
            if not name.strip():
                raise DataError(f"{where}: column {position} has no name in the header")
            if name in seen:
                raise DataError(
                    f"{where}: two columns are named {name!r}: rename one, or, if the file has no "
                    "header line, train with --no-header"
                )
            seen.add(name)

    def chunks(self, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[Chunk]:
        """All rows, `rows_at_once` at a time.

        Raises
        ------
        DataError
            If a row has more or fewer cells than the header.
        """
        waiting, self._waiting = self._waiting, Chunk([], [])
        more = self._read(rows_at_once - len(waiting.rows))
        chunk = Chunk([*waiting.rows, *more.rows], [*waiting.lines, *more.lines])
        while chunk.rows:
            if set(map(len, chunk.rows)) != {len(self.names)}:
                chunk = self._without_blank_rows(chunk)
            if chunk.rows:
                yield chunk
            chunk = self._read(rows_at_once)

    def _without_blank_rows(self, chunk: Chunk) -> Chunk:
        """Leave out lines of nothing but spaces; refuse any other row that is ragged."""
        width = len(self.names)
        lines, rows = [], []
        for line, row in zip(chunk.lines, chunk.rows, strict=True):
            if len(row) == width:
                rows.append(row)
                lines.append(line)
            elif len(row) > 1 or "".join(row).strip():
                cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
                columns = "is 1 column" if width == 1 else f"are {width} columns"
                hint = ": is the first line a title, not a header?" if width == 1 else ""
                raise DataError(f"{self.source}:{line}: {cells}, but there {columns}{hint}")
        return Chunk(rows, lines)

    @property
    def sha256(self) -> str:
        """SHA-256 of all bytes read so far, in hex; of a compressed file, unpacked."""
        return self._text.sha256


def default_names(cells: Sized) -> list[str]:
    """column1, column2, ...: for a file without a header, given a row of it."""
    return [f"column{position}" for position in range(1, len(cells) + 1)]


def _is_header(comment: str, line: str) -> bool:
    """Whether a comment names the columns of the data in the line after it, as in `#id,x,y`."""
    delimiter = max(DELIMITERS, key=line.count)
    cells = line.split(delimiter)
    return comment.count(delimiter) == len(cells) - 1 > 0 and _looks_like_data(cells)


def _looks_like_data(names: Sequence[str]) -> bool:
    """Whether a first line holds numbers that are not just the columns' positions."""
    first = 1 if names[0] == INDEX else 0
    positions = ({str(i - first), str(i), str(i + 1)} for i in range(len(names)))
    return not all(
        name in position or parse_number(name) is None
        for name, position in zip(names, positions, strict=True)
    )
