"""Files by name or pattern, here and in object stores.

From the bytes of a file to lines of text: other formats named, compression, encoding.

The structure of a CSV file: text, delimiter, header and rows; errors name file and line.

Rows as lines of a CSV that every reader splits alike.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import chain, islice
from typing import Any, BinaryIO, NamedTuple

from minnet.data.cells import INDEX, is_unicode, parse_number
from minnet.errors import DataError, PackageError

REMOTE = "://"
"""In the address of an object store, such as `s3://bucket/part.csv`."""


def open_file(path: str, folder: str = "") -> BinaryIO:
    """Open a file for reading bytes: in an object store, or here, from a folder on.

    Raises
    ------
    DataError
        If that fails.
    """
    with reading(path):
        if REMOTE in path:
            return _fsspec().open(path, "rb").open()
        return open(os.path.join(folder, path), "rb")


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Tell an error of the system as one of a file that is read.

    Raises
    ------
    DataError
        In place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror or error}") from None


def files_of(data: str) -> list[str]:
    """Find the files that DATA is: those of a pattern such as `parts/*.csv`, by name; or one.

    Raises
    ------
    DataError
        If none matches.
    """
    if not is_pattern(data):
        return [data]
    if REMOTE in data:
        try:
            files = [file.full_name for file in _fsspec().open_files(data, "rb")]
        except (OSError, ValueError, ImportError) as error:
            raise DataError(f"{data}: cannot be read: {error}") from None
    else:
        import glob

        files = glob.glob(data, recursive=True)
    if not files:
        raise DataError(f"{data}: no file matches")
    return sorted(files)


def is_pattern(data: str) -> bool:
    """Whether this names several files, or files of an object store."""
    return (REMOTE in data or not {*data}.isdisjoint("*?[")) and not os.path.lexists(data)


def _fsspec() -> Any:
    """Import what opens files of object stores; it comes with Dask."""
    try:
        import fsspec
    except ImportError:
        raise PackageError("fsspec", "dask") from None
    return fsspec


CHARACTERS_AT_ONCE = 2**16
LONGEST_LINE = 20_000_000
# Real tables shrink to a third or a thirtieth, the sparsest to a hundredth.
MOST_TIMES_LARGER = 500
LARGE = 16 * 2**20

# What compressed files begin with, and the standard library's module for each.
_COMPRESSED = {
    rb"\x1f\x8b": ("gzip", "gzip"),
    rb"BZh[1-9](1AY&SY|\x17rE8P\x90)": ("bzip2", "bz2"),
    rb"\xfd7zXZ\0": ("xz", "lzma"),
}

# What other files begin with.
_FOREIGN = {
    rb"PK\x03\x04": "a zip archive or an Excel workbook: save it as CSV",
    rb"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV",
    rb"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it first",
    rb"\xff\xfe|\xfe\xff": "UTF-16 text: save it as UTF-8",
    rb"\x89PNG": "a PNG picture",
    rb"\xff\xd8\xff": "a JPEG picture",
    rb"%PDF-": "a PDF document",
    rb"PAR1\x15": "a Parquet file, not read compressed or from a pipe: give its name",
    rb"SQLite format 3\0": "an SQLite database: save a table as CSV",
    rb"\x93NUMPY": "a numpy array: save it as CSV",
    rb"<!doctype|<html": "a web page: download the CSV file itself",
    rb"<\?xml": "an XML file: save it as CSV",
    rb'\{\n "format": "minnet-model"': "a minnet model: DATA comes first, --model before the model",
    rb'\{["\n\r]|\[[{\n\[]': "JSON: save it as CSV",
}


def text_blocks(file: BinaryIO, source: str, lines_before: int = 0) -> Iterator[list[str]]:
    """Read a file, plain or compressed with gzip, bzip2 or xz, as lines of UTF-8 text.

    Some at a time: looking at them one by one costs 0.2 us each. So what is wrong with a line is
    told before what is wrong with the rows of its block.

    Parameters
    ----------
    file
        Open for reading bytes.
    source
        The file's name, as the user knows it.
    lines_before
        How many lines of the file stand before the text.

    Raises
    ------
    DataError
        If the file begins like one of another kind; if a line is not text, or endless; if a
        compressed file is damaged.
    """
    text_file, is_last = _open_text(file, source), False
    while not is_last:
        text = text_file.read(CHARACTERS_AT_ONCE)
        # Then there is no more: to ask again would take another Ctrl-D at a terminal.
        is_last = len(text) < CHARACTERS_AT_ONCE
        if not is_last:
            text += text_file.readline(LONGEST_LINE + 1)
        lines = io.StringIO(text, newline="").readlines()
        if not is_unicode(text) or "\0" in text or len(text) > LONGEST_LINE:
            for number, line in enumerate(lines, start=lines_before + 1):
                reason = ""
                if not is_unicode(line):
                    reason = "not UTF-8 text: is it a CSV file, saved as UTF-8?"
                elif "\0" in line:
                    reason = "a NUL byte: is it a CSV file?"
                elif len(line) > LONGEST_LINE:
                    reason = f"a line of over {LONGEST_LINE:,} characters"
                if reason:
                    raise DataError(f"{source}:{number}: {reason}")
        lines_before += len(lines)
        yield lines


def _open_text(file: BinaryIO, source: str) -> io.TextIOWrapper:
    """Unpack a file if it is compressed, and refuse what is no CSV."""
    name, raw = "", _CountedFile(file, source)
    buffered = io.BufferedReader(raw)
    while compression := compression_of(buffered.peek(64)):
        if name:
            raise DataError(f"{source}: {compression[0]} inside {name}: unpack it first")
        name, module = compression
        raw = _CountedFile(import_module(module).open(buffered), source, name, raw)
        buffered = io.BufferedReader(raw)
    beginning = buffered.peek(64).removeprefix(codecs.BOM_UTF8).lstrip()
    for mark, kind in _FOREIGN.items():
        if re.match(mark, beginning, re.IGNORECASE):
            raise DataError(f"{source}: not a CSV file but {kind}")
    return io.TextIOWrapper(buffered, "utf-8-sig", "surrogateescape", newline="")


class _CountedFile(io.RawIOBase):
    """Reads on and counts the bytes; those of a packed file, as they are unpacked."""

    def __init__(
        self, file: BinaryIO, source: str, name: str = "", packed: _CountedFile | None = None
    ) -> None:
        self._what = f"{source}: compressed with {name}"
        # A read1 waits once at most: in between, Python looks whether there was a signal.
        self._read = getattr(file, "read1", file.read)
        self._packed, self.size = packed, 0
        self._errors = partial(_unpacking, self._what) if packed else partial(reading, source)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._errors():
            data = self._read(len(buffer))
        buffer[: len(data)] = data
        self.size += len(data)
        if self._packed and self.size > max(LARGE, MOST_TIMES_LARGER * self._packed.size):
            raise DataError(
                f"{self._what}, and over {MOST_TIMES_LARGER} times larger than its file: "
                "unpack it first, if you trust it"
            )
        return len(data)


@contextmanager
def _unpacking(what: str) -> Iterator[None]:
    import lzma
    import zlib

    try:
        yield
    except EOFError:
        raise DataError(f"{what}, but its end is missing") from None
    except (OSError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{what}, but damaged: {error}") from None


def compression_of(beginning: bytes) -> tuple[str, str] | None:
    """Tell the name of a compressed file's format, and of the module that unpacks it."""
    matching = (names for mark, names in _COMPRESSED.items() if re.match(mark, beginning))
    return next(matching, None)


DELIMITERS = ",;\t|"
COMMENT = "#"
LINES_AT_ONCE = 512
LONGEST_HEADER = 100


def quoted_cells(delimiters: str) -> re.Pattern[str]:
    """Match cells that begin with a quote: what is before it, the text in it, and its end if any.

    A quote inside an unquoted cell, as in `5" pipe`, begins none.
    """
    return re.compile(rf'(\A|[{re.escape(delimiters)}\r\n])"([^"]*+(?:""[^"]*+)*+)("|\Z)')


def is_quote_open(text: str, delimiters: str) -> bool:
    """Whether rows of a CSV end inside a quoted cell."""
    return '"' in text and not all(cell[3] for cell in quoted_cells(delimiters).finditer(text))


class Chunk(NamedTuple):
    """Some rows of a CSV file, and the lines they start on.

    Attributes
    ----------
    columns
        The cells of each column.
    lines
        `(rows,)`.
    """

    columns: Sequence[Sequence[str]]
    lines: Sequence[int]


class Block(NamedTuple):
    """Some whole rows of a CSV file as lines of text, and how many lines come before."""

    text: list[str]
    lines_before: int


class RowParser(NamedTuple):
    """Splits lines of a CSV file into cells, in whichever process: it needs no file.

    Attributes
    ----------
    source
        The file's name, as the user knows it.
    names
        Of the columns.
    delimiter
        What separates the cells.
    """

    source: str
    names: Sequence[str]
    delimiter: str

    def split(self, block: Block, most: int | None = None) -> tuple[list[list[str]], list[int]]:
        """Split lines into the cells of rows, so many of these at most.

        Also tells the index of the line each row starts on, and of the one the last ends before.

        Raises
        ------
        DataError
            If a row is broken.
        """
        rows, starts = [], [0]
        reader = csv.reader(block.text, delimiter=self.delimiter, strict=True)
        try:
            for row in islice(reader, most):
                rows.append(row)
                starts.append(reader.line_num)
        except csv.Error as error:
            line, reason = block.lines_before + starts[-1] + 1, str(error)
            if reason.startswith("field larger"):
                limit = csv.field_size_limit()
                reason = f"a cell of over {limit:,} characters: is a quote not closed?"
            what = f"the row that starts here is broken: {reason}"
            if reason == "unexpected end of data":
                *_, cell = next(csv.reader(block.text[starts[-1] :], delimiter=self.delimiter))
                lines = max(1, len(io.StringIO(cell, newline="").readlines()))
                line = block.lines_before + len(block.text) + 1 - lines
                what = "a quote that opens in this line is never closed"
            raise DataError(f"{self.source}:{line}: {what}") from None
        return rows, starts

    def chunk(self, block: Block) -> Chunk:
        """Split the lines of a block, and leave out those of nothing but spaces.

        Raises
        ------
        DataError
            If a row is broken, or has more or fewer cells than there are columns.
        """
        rows, starts = self.split(block)
        lines, width = [block.lines_before + 1 + start for start in starts[:-1]], len(self.names)
        odd = [place for place, row in enumerate(rows) if len(row) != width]
        for place in odd:
            row = rows[place]
            if len(row) > 1 or "".join(row).strip():
                cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
                columns = "is 1 column" if width == 1 else f"are {width} columns"
                hint = ": is the first line a title, not a header?" if width == 1 else ""
                where = f"{self.source}:{lines[place]}"
                raise DataError(f"{where}: {cells}, but there {columns}{hint}")
        for place in reversed(odd):
            del rows[place], lines[place]
        return Chunk([*zip(*rows, strict=True)] or [()] * width, lines)


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
    lines_before
        How many lines of the file stand before the text.

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
    parser
        Splits its blocks.
    lines_before
        How many lines of the file stand before the next row.
    """

    def __init__(
        self,
        file: BinaryIO,
        source: str,
        name_columns: Callable[[Sequence[str]], list[str]] | None = None,
        lines_before: int = 0,
    ) -> None:
        self.source = source
        self.has_header = name_columns is None
        lines = chain.from_iterable(text_blocks(file, source, lines_before))
        skipped, first_lines = self._first_lines(lines)
        self.lines_before = lines_before + skipped
        first_text = "".join(first_lines)
        outside_quotes = quoted_cells(DELIMITERS).sub(r"\1", first_text)
        self.delimiter: str = max(DELIMITERS, key=outside_quotes.count)
        self.parser = RowParser(source, (), self.delimiter)
        self._lines: Iterator[str] = chain(first_lines, lines)
        first = Block(self._whole_rows(1), self.lines_before)
        [row], [_, end] = self.parser.split(first, 1)
        if name_columns is None:
            quoted = quoted_cells(self.delimiter).findall(first_text)
            protected = {name.replace('""', '"') for _, name, _ in quoted}
            self.names = [name if name in protected else name.strip() for name in row]
        else:
            self.names = name_columns(row)
        self._check_names(self.lines_before + end)
        self.parser = self.parser._replace(names=self.names)
        # A file with no header may have been given the very names it would get.
        used = end if self.has_header or row == self.names else 0
        self.lines_before += used
        self._lines = chain(first.text[used:], self._lines)

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
                is_open = is_quote_open("".join(first_lines), DELIMITERS)
                if not is_open or len(first_lines) == LONGEST_HEADER:
                    break
        if comments and (not first_lines or _is_header(comments[-1], first_lines[0])):
            first_lines.insert(0, comments.pop())
        if not first_lines:
            raise DataError(f"{self.source}: the file is empty")
        return skipped + len(comments), first_lines

    def _whole_rows(self, lines_at_once: int) -> list[str]:
        """Read so many lines, and further ones while a quote is open."""
        lines = [*islice(self._lines, lines_at_once)]
        # Twice as many each time: so the work stays in proportion to them.
        while is_quote_open("".join(lines), self.delimiter) and (
            more := [*islice(self._lines, len(lines))]
        ):
            lines += more
        return lines

    def _check_names(self, line: int) -> None:
        where = f"{self.source}:{line}"
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

    def chunks(self, lines_at_once: int = LINES_AT_ONCE) -> Iterator[Chunk]:
        """All rows, those of so many lines at a time; of more where a row is not whole.

        Raises
        ------
        DataError
            If a row is broken, or has more or fewer cells than the header.
        """
        chunks = map(self.parser.chunk, self.blocks(lines_at_once))
        return (chunk for chunk in chunks if chunk.lines)

    def blocks(self, lines_at_once: int = LINES_AT_ONCE) -> Iterator[Block]:
        """All rows as lines that a `RowParser` can split: that takes longer than reading them."""
        while lines := self._whole_rows(lines_at_once):
            yield Block(lines, self.lines_before)
            self.lines_before += len(lines)


class CsvBlock(NamedTuple):
    """Some whole rows of a CSV file: where they begin and how long they are, in bytes.

    Attributes
    ----------
    lines_before
        How many lines of the file come before.
    header
        Names of the columns, spelled so that they are told from data whatever row follows.
    """

    start: int
    length: int
    lines_before: int
    header: bytes

    def reader(self, file: BinaryIO, source: str) -> CsvReader:
        """Read these rows of a file."""
        with reading(source):
            file.seek(self.start)
            rows = file.read(self.length)
        if len(rows) < self.length:
            raise DataError(f"{source}: made shorter while it was read")
        lines_before = self.lines_before - _line_ends(self.header)
        return CsvReader(io.BytesIO(self.header + rows), source, lines_before=lines_before)


def cut(file: BinaryIO, source: str, most_bytes: int) -> Iterator[CsvBlock]:
    """Cut the rows of a file into blocks of about so many bytes, where no quoted cell is open."""
    file.seek(0)
    reader, header = CsvReader(file, source), io.StringIO()
    csv.writer(header, delimiter=reader.delimiter, quoting=csv.QUOTE_ALL).writerow(reader.names)
    lines_before = reader.lines_before
    file.seek(0)
    text = io.TextIOWrapper(file, "latin-1", newline="")  # a character for each byte
    start = sum(map(len, islice(text, lines_before)))
    text.detach()
    file.seek(start)
    while rows := file.read(most_bytes):
        rows += file.readline()
        length, lines = len(rows), _line_ends(rows)
        is_open = is_quote_open(rows.decode("latin-1"), reader.delimiter)
        while is_open and (line := file.readline()):
            is_open = is_quote_open('"' + line.decode("latin-1"), reader.delimiter)
            length, lines = length + len(line), lines + _line_ends(line)
        yield CsvBlock(start, length, lines_before, header.getvalue().encode())
        start, lines_before = start + length, lines_before + lines


def _line_ends(text: bytes) -> int:
    """Count the ends of lines, of which a carriage return alone is one."""
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")


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


# Some reader would split or strip an unquoted cell with one of these: delimiters (not only the
# file's own), quotes, whatever ends a line for `str.splitlines`, a byte order mark, and white space
# at either end.
_TO_QUOTE = re.compile(r'[",;\t|\n\r\v\f\x1c-\x1e\x85\u2028\u2029\ufeff]|^\s|\s\Z')
_PLAIN = re.compile(r'[^",;|\s\ufeff]*')


def csv_lines(columns: Sequence[Sequence[str]], delimiter: str) -> str:
    r"""Write columns of cells as lines, each with its end.

    The csv module quotes less: before Python 3.13, not even a carriage return.

    >>> csv_lines([["5.1", "5"], ["a;b", "c d"], [" e", ""]], ",")
    '5.1,"a;b"," e"\n5,c d,\n'
    """
    lines = map(delimiter.join, zip(*map(_quoted, columns), strict=True))
    return "".join((line or '""') + "\n" for line in lines)


def _quoted(cells: Sequence[str]) -> Sequence[str]:
    """Quote what needs it, in most columns no cell."""
    if _PLAIN.fullmatch("".join(cells)):
        return cells
    return [
        '"' + cell.replace('"', '""') + '"' if _TO_QUOTE.search(cell) else cell for cell in cells
    ]
