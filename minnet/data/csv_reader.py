"""The structure of a CSV file: text, delimiter, header and rows; errors name file and line."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections import deque
from itertools import chain, islice, tee
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from minnet.data.cells import parse_number
from minnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence, Sized

DELIMITERS = ",;\t"
ROWS_AT_ONCE = 256
CHARACTERS_AT_ONCE = 2**16
LONGEST_LINE = 20_000_000
LONGEST_HEADER = 100

# What other files begin with.
_FOREIGN = {
    b"PK\3\4": "a zip archive or an Excel workbook: save it as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV",
    b"\x1f\x8b": "compressed with gzip: unpack it first",
    b"BZh91AY&SY": "compressed with bzip2: unpack it first",
    b"\xfd7zXZ": "compressed with xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it first",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF-": "a PDF document",
    b"PAR1\x15": "a Parquet file, which a pipe cannot bring: give its name",
    b"SQLite format 3\0": "an SQLite database: save a table as CSV",
    b"\x93NUMPY": "a numpy array: save it as CSV",
    b"<!doctype": "a web page: download the CSV file itself",
    b"<html": "a web page: download the CSV file itself",
    b"<?xml": "an XML file: save it as CSV",
    b'{\n "format": "minnet-model"': "a minnet model: DATA comes first, --model before the model",
    b'{"': "JSON: save it as CSV",
    b"{\n": "JSON: save it as CSV",
    b"{\r": "JSON: save it as CSV",
    b"[{": "JSON: save it as CSV",
    b"[\n": "JSON: save it as CSV",
    b"[[": "JSON: save it as CSV",
}


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
        self._hashing = _HashingFile(file)
        buffered = io.BufferedReader(self._hashing)
        self._refuse_foreign(buffered.peek(64))
        self._text = io.TextIOWrapper(
            buffered,
            encoding="utf-8-sig",
            errors="surrogateescape",
            newline="",
        )
        lines = chain.from_iterable(self._blocks())
        blank_lines, first_lines = self._first_lines(lines)
        outside_quotes = re.sub(r'"[^"]*("|$)', "", "".join(first_lines))
        self.delimiter: str = max(DELIMITERS, key=outside_quotes.count)
        self._lines_before = blank_lines
        ahead, self._behind = tee(chain(first_lines, lines))
        self._rows = csv.reader(ahead, delimiter=self.delimiter, strict=True)
        first = self._read(1)
        row = list(first.rows[0])
        self.names: list[str] = row if name_columns is None else name_columns(row)
        # A file with no header may have been given the very names it would get.
        self._waiting = Chunk([], []) if row == self.names else first
        self._check_names()

    def _refuse_foreign(self, beginning: bytes) -> None:
        beginning = beginning.removeprefix(codecs.BOM_UTF8).lstrip().lower()
        for mark, kind in _FOREIGN.items():
            if beginning.startswith(mark.lower()):
                raise DataError(f"{self.source}: not a CSV file but {kind}")

    def _first_lines(self, lines: Iterator[str]) -> tuple[int, list[str]]:
        """Read the first line, and those that belong to it because a quote is still open.

        Also tells how many blank lines were before it.
        """
        first_lines: list[str] = []
        blank_lines = 0
        for line in lines:
            if first_lines or line.strip():
                first_lines.append(line)
                quotes = "".join(first_lines).count('"')
                if quotes % 2 == 0 or len(first_lines) == LONGEST_HEADER:
                    break
            else:
                blank_lines += 1
        if not first_lines:
            raise DataError(f"{self.source}: the file is empty")
        return blank_lines, first_lines

    def _blocks(self) -> Iterator[list[str]]:
        """All lines, some at a time: looking at them one by one costs 0.2 us each.

        So what is wrong with a line is told before what is wrong with the rows of its block.
        """
        lines_before, is_last = 0, False
        while not is_last:
            text = self._text.read(CHARACTERS_AT_ONCE)
            # Then there is no more: to ask again would take another Ctrl-D at a terminal.
            is_last = len(text) < CHARACTERS_AT_ONCE
            if not is_last:
                text += self._text.readline(LONGEST_LINE + 1)
            lines = io.StringIO(text, newline="").readlines()
            if _has_surrogate(text) or "\0" in text or len(text) > LONGEST_LINE:
                for number, line in enumerate(lines, start=lines_before + 1):
                    self._check_line(number, line)
            lines_before += len(lines)
            yield lines

    def _check_line(self, number: int, line: str) -> None:
        reason = ""
        if _has_surrogate(line):
            reason = "not UTF-8 text: is it a CSV file, saved as UTF-8?"
        elif "\0" in line:
            reason = "a NUL byte: is it a CSV file?"
        elif len(line) > LONGEST_LINE:
            reason = f"a line of over {LONGEST_LINE:,} characters"
        if reason:
            raise DataError(f"{self.source}:{number}: {reason}")

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
                raise DataError(f"{self.source}:{line}: {cells}, but there {columns}")
        return Chunk(rows, lines)

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


def default_names(cells: Sized) -> list[str]:
    """column1, column2, ...: for a file without a header, given a row of it."""
    return [f"column{position}" for position in range(1, len(cells) + 1)]


def _looks_like_data(names: Sequence[str]) -> bool:
    """Whether a first line holds numbers that are not just the columns' positions."""
    positions = ({str(i), str(i + 1)} for i in range(len(names)))
    return not all(
        name in position or parse_number(name) is None
        for name, position in zip(names, positions, strict=True)
    )
