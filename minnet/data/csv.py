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
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import chain, compress, islice, takewhile
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from minnet.data import cells
from minnet.errors import DataError, MinnetError, plural

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
            import fsspec  # comes with Dask

            return fsspec.open(path, "rb").open()
        return open(os.path.join(folder, path), "rb")


@contextmanager
def reading(source: str, kind: str = "") -> Iterator[None]:
    """Tell what the system or a library says of a file that is read as one of some kind.

    Raises
    ------
    DataError
        In place of its own error.
    """
    try:
        yield
    except (MinnetError, MemoryError):
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise DataError(f"{source}: cannot be read{kind and ' as '}{kind}: {reason}") from None


def files_of(data: str) -> list[str]:
    """Find the files that DATA is: those of a pattern such as `parts/*.csv`, by name; or one.

    Raises
    ------
    DataError
        If none matches.
    """
    if not is_pattern(data):
        return [data]
    with reading(data):
        if REMOTE in data:
            import fsspec

            files = [file.full_name for file in fsspec.open_files(data, "rb")]
        else:
            import glob

            files = glob.glob(data, recursive=True)
    if not files:
        raise DataError(f"{data}: no file matches")
    return sorted(files)


def is_pattern(data: str) -> bool:
    """Whether this names several files, or files of an object store."""
    return (REMOTE in data or not {*data}.isdisjoint("*?[")) and not os.path.lexists(data)


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
    rb"(%.*\s+)*+@relation\s": "an ARFF file: save it as CSV",
    rb"[+-]?\d[\d.]*( qid:\d+)?( \d+:[\d.e+-]+){2,} *(#.*)?[\r\n]": "LIBSVM text: save it as CSV",
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
        How many lines of the file stand before the text, which then is neither packed nor looked
        at for what it begins with.

    Raises
    ------
    DataError
        If the file begins like one of another kind; if a line is not text, or endless; if a
        compressed file is damaged.
    """
    file, is_last = file if lines_before else _open(file, source), False
    text_file = io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="")
    while not is_last:
        text = text_file.read(CHARACTERS_AT_ONCE)
        # Then there is no more: to ask again would take another Ctrl-D at a terminal.
        is_last = len(text) < CHARACTERS_AT_ONCE
        if not is_last:
            text += text_file.readline(LONGEST_LINE + 1)
        lines = io.StringIO(text, newline="").readlines()
        if not cells.is_unicode(text) or "\0" in text or len(text) > LONGEST_LINE:
            for number, line in enumerate(lines, start=lines_before + 1):
                for is_wrong, reason in (
                    (not cells.is_unicode(line), "not UTF-8 text: is it a CSV, saved as UTF-8?"),
                    ("\0" in line, "a NUL byte: is it a CSV file?"),
                    (len(line) > LONGEST_LINE, f"a line of over {LONGEST_LINE:,} characters"),
                ):
                    if is_wrong:
                        raise DataError(f"{source}:{number}: {reason}")
        lines_before += len(lines)
        yield lines


def _open(file: BinaryIO, source: str) -> BinaryIO:
    """Unpack a file if it is compressed, refuse what is no CSV, and pass over byte order marks."""
    name, raw = "", _CountedFile(file, source)
    buffered = io.BufferedReader(raw)
    while compression := compression_of(buffered.peek(64)):
        if name:
            raise DataError(f"{source}: {compression[0]} inside {name}: unpack it first")
        name, module = compression
        raw = _CountedFile(import_module(module).open(buffered), source, name, raw)
        buffered = io.BufferedReader(raw)
    while buffered.peek(64).startswith(codecs.BOM_UTF8):
        buffered.read(len(codecs.BOM_UTF8))
    beginning = buffered.peek(64).lstrip()
    for mark, kind in _FOREIGN.items():
        if re.match(mark, beginning, re.IGNORECASE):
            raise DataError(f"{source}: not a CSV file but {kind}")
    return buffered


class _CountedFile(io.RawIOBase):
    """Reads on and counts the bytes; those of a packed file, as they are unpacked."""

    def __init__(
        self, file: BinaryIO, source: str, name: str = "", packed: _CountedFile | None = None
    ) -> None:
        self._source, self._name, self._packed, self.size = source, name, packed, 0
        # A read1 waits once at most: in between, Python looks whether there was a signal.
        self._read = getattr(file, "read1", file.read)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with reading(self._source, self._name):
            data = self._read(len(buffer))
        buffer[: len(data)] = data
        self.size += len(data)
        if self._packed and self.size > max(LARGE, MOST_TIMES_LARGER * self._packed.size):
            raise DataError(
                f"{self._source}: compressed with {self._name}, and over {MOST_TIMES_LARGER} times "
                "larger than its file: unpack it first, if you trust it"
            )
        return len(data)


def compression_of(beginning: bytes) -> tuple[str, str] | None:
    """Tell the name of a compressed file's format, and of the module that unpacks it."""
    matching = (names for mark, names in _COMPRESSED.items() if re.match(mark, beginning))
    return next(matching, None)


DELIMITERS = ",;\t|"
COMMENT = "#"
BLANK = " "
LINES_AT_ONCE = 512
LONGEST_HEADER = 100
LINES_LOOKED_AT = 100
"""How many lines decide on how all rows are split."""
FEWEST_OF_TEXT = 3
"""How many rows and columns of text alone are a table separated by blanks, and no list."""

_SEPARATOR = re.compile(rf'"?sep=([{DELIMITERS}])"?\s*', re.IGNORECASE)
_WRAPPED = re.compile(r'"((?:[^"]|"")*+)"(?=\s*\Z)')


class Chunk(NamedTuple):
    """Some rows of a file.

    Attributes
    ----------
    columns
        What each column holds, of a CSV the cells; there may be none if there are no rows.
    lines
        Which the rows start on.
    headers
        Where further headers are, `iris.csv:12`, which are no rows.
    """

    columns: Sequence[Any]
    lines: Sequence[int] = ()
    headers: Sequence[str] = ()


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
        What separates the cells; of blanks, so many as there are.
    header
        The cells of the header, `None` without one: a row that repeats it is none.
    skips_blanks
        Whether blanks may stand before a quote, and so before any cell.
    is_wrapped
        Whether each line is one quoted cell, as spreadsheets write what they did not split.
    has_margin
        Whether empty cells may follow those of the columns.
    """

    source: str
    names: list[str]
    delimiter: str
    header: list[str] | None = None
    skips_blanks: bool = False
    is_wrapped: bool = False
    has_margin: bool = False

    @property
    def quoted_cells(self) -> re.Pattern[str]:
        """Matches cells in quotes: what is before them, the text in them, and their end if any.

        A quote inside an unquoted cell, as in `5" pipe`, begins none.
        """
        blanks = " *" if self.skips_blanks else ""
        before = rf"(?:\A|[{re.escape(self.delimiter)}\r\n]){blanks}"
        return re.compile(rf'({before})"([^"]*+(?:""[^"]*+)*+)("|\Z)')

    def is_quote_open(self, text: str) -> bool:
        """Whether rows end inside a quoted cell."""
        return '"' in text and not all(cell[3] for cell in self.quoted_cells.finditer(text))

    def plain(self, line: str) -> str:
        """Take a line out of the quotes around it, or from before the blanks at its end."""
        if self.is_wrapped and (wrapped := _WRAPPED.match(line)):
            return wrapped[1].replace('""', '"') + line[wrapped.end() :]
        if self.delimiter == BLANK:
            text = line.rstrip("\r\n")
            return text.rstrip(BLANK) + line[len(text) :]
        return line

    def _reader(self, lines: Iterable[str]) -> Any:
        if self.is_wrapped or self.delimiter == BLANK:
            lines = map(self.plain, lines)
        return csv.reader(
            lines, delimiter=self.delimiter, skipinitialspace=self.skips_blanks, strict=True
        )

    def rows_at_start(self, lines: Iterable[str]) -> list[list[str]]:
        """Split the first lines of a file into the cells of rows, up to one that is not whole."""
        rows: list[list[str]] = []
        with suppress(csv.Error):
            rows.extend(self._reader(lines))
        return rows

    def split(self, block: Block) -> tuple[list[list[str]], list[int]]:
        """Split lines into the cells of rows.

        Also tells the index of the line each row starts on, and of the one the last ends before.

        Raises
        ------
        DataError
            If a row is broken.
        """
        rows, starts = [], [0]
        reader = self._reader(block.text)
        try:
            for row in reader:
                rows.append(row)
                starts.append(reader.line_num)
        except csv.Error as error:
            reason = str(error)
            if reason.startswith("field larger"):
                limit = csv.field_size_limit()
                reason = f"a cell of over {limit:,} characters: is a quote not closed?"
            elif reason == "unexpected end of data":
                reason = "a quote is never closed"
            where = f"{self.source}:{block.lines_before + starts[-1] + 1}"
            raise DataError(f"{where}: the row that starts here is broken: {reason}") from None
        return rows, starts

    def chunk(self, block: Block) -> Chunk:
        """Split the lines of a block, and leave out further headers and those of only spaces.

        Raises
        ------
        DataError
            If a row is broken, or has more or fewer cells than there are columns.
        """
        rows, starts = self.split(block)
        lines, width = [block.lines_before + 1 + start for start in starts[:-1]], len(self.names)
        first, *rest = self.header or [""]
        last = rest[-1] if rest else None
        left_out, headers = [], []
        for place, row in enumerate(rows):
            if len(row) == width and row[-1] != last:
                continue
            where = f"{self.source}:{lines[place]}"
            if rest and row[1:] == rest and first in row[0]:
                headers.append(where)
                left_out.append(place)
            elif self.has_margin and len(row) > width and not "".join(row[width:]).strip():
                rows[place] = row[:width]
            elif len(row) < 2 and not "".join(row).strip():
                left_out.append(place)
            elif len(row) != width:
                columns = "is 1 column" if width == 1 else f"are {width} columns"
                hint = ": is the first line a title, not a header?" if width == 1 else ""
                has = plural(len(row), "cell")
                raise DataError(f"{where}: {has}, but there {columns}{hint}")
        for place in reversed(left_out):
            del rows[place], lines[place]
        return Chunk([*zip(*rows, strict=True)], lines, headers)

    def plain_chunk(self, block: Block, is_number: Sequence[bool]) -> Chunk | None:
        """Do what `chunk` does, in a third of the time, where each line is a row of plain cells.

        `None` where one needs a closer look: with a quote in it, without a number where there must
        be one, broken, blank, or a header again.

        Parameters
        ----------
        is_number
            Which columns hold only finite numbers with a decimal point, which are read.
        """
        text, is_special = block.text, self.skips_blanks or self.is_wrapped or self.has_margin
        names = compress(self.names, is_number)
        if is_special or '"' in "".join(text) or None not in map(cells.parse_number, names):
            return None
        if max(map(len, text)) > csv.field_size_limit():
            return None
        fields = [(f"{place}", "f8" if one else "O") for place, one in enumerate(is_number)]
        try:
            rows = np.loadtxt(text, fields, comments=None, delimiter=self.delimiter, ndmin=1)
        except ValueError:
            return None
        numbers = [name for name, kind in fields if kind == "f8"]
        if len(rows) < len(text) or not all(np.isfinite(rows[name]).all() for name in numbers):
            return None
        columns = [
            array("d", rows[name].tobytes()) if kind == "f8" else rows[name].tolist()
            for name, kind in fields
        ]
        return Chunk(columns, range(block.lines_before + 1, block.lines_before + 1 + len(text)))


UNKNOWN = RowParser("", [], DELIMITERS, skips_blanks=True)
"""What knows quoted cells while the delimiter may be any."""


class CsvReader:
    """Reads a CSV in chunks of rows and checks its structure on the way.

    UTF-8, plain or compressed, with or without a byte order mark; commas, semicolons, tabs
    or bars, whichever the first line has most of, or else blanks; quoted cells may hold delimiters,
    quotes and newlines; blank lines are skipped, and comments before the header.

    Parameters
    ----------
    file
        Open for reading bytes.
    source
        The file's name, as the user knows it.
    form
        How a table is read: the columns it names are not taken apart.
    parser
        Of a piece in the middle of a file: what splits the rows of the whole.
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
    parser
        Splits its blocks.
    lines_before
        How many lines of the file stand before the next row.
    """

    def __init__(
        self,
        file: BinaryIO,
        source: str,
        form: cells.TableFormat = cells.PLAIN,
        parser: RowParser | None = None,
        lines_before: int = 0,
    ) -> None:
        self.source, self.lines_before = source, lines_before
        blocks = text_blocks(file, source, lines_before)
        self._lines: Iterator[str] = chain.from_iterable(blocks)
        self.parser = parser or self._find_parser(form)
        self.names = self.parser.names

    def _find_parser(self, form: cells.TableFormat) -> RowParser:
        """Find out from the first lines what splits those of a file, and read its header."""
        first_lines, delimiter = self._first_lines()
        lines = [*islice(self._lines, LINES_LOOKED_AT)]
        self._lines = chain(lines, self._lines)
        plain = RowParser(self.source, [], delimiter or ",")
        self.parser = plain._replace(skips_blanks=_has_blanks_before_quotes(plain, lines))
        cell = "".join(first_lines).strip().strip('"').replace('""', '"')
        if not delimiter and cells.find_name(cell, {*form.text, *form.numbers}) is None:
            by_blanks = plain._replace(delimiter=BLANK, skips_blanks=True)
            in_quotes = plain._replace(delimiter=_delimiter_of(cell) or ",", is_wrapped=True)
            for parser in (by_blanks, in_quotes):
                if _is_table(parser.rows_at_start(lines), form):
                    self.parser = parser
        whole = Block(self._whole_rows(1), self.lines_before)
        self._lines = chain(whole.text, self._lines)
        (first, *_), (_, end, *_) = self.parser.split(whole)
        rows = [*takewhile(first.__ne__, self.parser.rows_at_start(lines)[1:])]
        rows = [row for row in rows if "".join(row).strip()]
        names = form.name_columns(first) if form.name_columns else first
        # A file with no header may have been given the very names it would get.
        header, has_margin = (first if names == first else None), False
        if header:
            text = "".join(map(self.parser.plain, first_lines))
            quoted = self.parser.quoted_cells.findall(text)
            protected = {name.replace('""', '"') for _, name, _ in quoted}
            names = [name if name in protected else name.strip() for name in header]
            width = max((k for k, name in enumerate(names, start=1) if name.strip()), default=1)
            margins = ["".join(row[width:]) for row in rows]
            is_wider = width < len(names) or all(len(row) > width for row in rows)
            has_margin = is_wider and not "".join(margins).strip()
            if has_margin:
                names = names[:width]
            elif _have_row_names(rows, len(names)):
                names.insert(0, cells.INDEX)
        self._check_names(names, self.lines_before + end)
        if header:
            self.lines_before += end
            self._lines = islice(self._lines, end, None)
        return self.parser._replace(names=names, header=header, has_margin=has_margin)

    def _first_lines(self) -> tuple[list[str], str]:
        """Read the first line, and those that belong to it because a quote is still open.

        Passes over blank lines and comments before it. Also tells the delimiter: that of a line
        `sep=;`, or else the one the first line has most of; empty if it has none.
        """
        skipped, delimiter = 0, ""
        comments: list[str] = []
        first_lines: list[str] = []
        for line in self._lines:
            if not first_lines and line.startswith(COMMENT):
                comments.append(line)
            elif not first_lines and not line.strip():
                skipped += 1
            elif not first_lines and (separator := _SEPARATOR.fullmatch(line)):
                skipped, delimiter = skipped + 1, separator[1]
            else:
                first_lines.append(line)
                is_open = UNKNOWN.is_quote_open("".join(first_lines))
                if not is_open or len(first_lines) == LONGEST_HEADER:
                    break
        if comments and (not first_lines or _is_header(comments[-1], first_lines[0])):
            first_lines.insert(0, comments.pop())
        if not first_lines:
            raise DataError(f"{self.source}: the file is empty")
        self.lines_before += skipped + len(comments)
        self._lines = chain(first_lines, self._lines)
        return first_lines, delimiter or _delimiter_of("".join(first_lines))

    def _whole_rows(self, lines_at_once: int) -> list[str]:
        """Read so many lines, and further ones while a quote is open."""
        lines = [*islice(self._lines, lines_at_once)]
        # Twice as many each time: so the work stays in proportion to them.
        while self.parser.is_quote_open("".join(lines)) and (
            more := [*islice(self._lines, len(lines))]
        ):
            lines += more
        return lines

    def _check_names(self, names: list[str], line: int) -> None:
        where = f"{self.source}:{line}"
        if not names[0].strip() and len(names) > 1:
            names[0] = cells.INDEX
        if _looks_like_data(names):
            raise DataError(
                f"{where}: the first line looks like data ({', '.join(names[:6])}), not like "
                "column names: add a header line, or train with --no-header (a name may not be a "
                "number)"
            )
        for position, name in enumerate(names, start=1):
            if not name.strip():
                raise DataError(f"{where}: column {position} has no name in the header")
        cells.check_distinct(
            names, where, ", or, if the file has no header line, train with --no-header"
        )

    def blocks(self, lines_at_once: int = LINES_AT_ONCE) -> Iterator[Block]:
        """All rows as lines that a `RowParser` can split: that takes longer than reading them."""
        while lines := self._whole_rows(lines_at_once):
            block = Block(lines, self.lines_before)
            self.lines_before += len(lines)
            yield block


def _delimiter_of(text: str) -> str:
    """Find the delimiter that there is most of outside quotes; empty if there is none."""
    outside_quotes = UNKNOWN.quoted_cells.sub(r"\1", text)
    delimiter = max(DELIMITERS, key=outside_quotes.count)
    return delimiter if delimiter in outside_quotes else ""


def _has_blanks_before_quotes(parser: RowParser, lines: Sequence[str]) -> bool:
    """Whether a cell is in quotes, all of it but for blanks before them: no writer means those."""
    outside_quotes = parser.quoted_cells.sub(r"\1", "".join(lines))
    edge = rf"[{re.escape(parser.delimiter)}\r\n]"
    return re.search(rf'(\A|{edge}) +"[^"]*"({edge}|\Z)', outside_quotes) is not None


def _is_table(rows: Sequence[Sequence[str]], form: cells.TableFormat) -> bool:
    """Whether rows are as wide as the first, or by one cell wider; and some cells are numbers.

    Text alone, such as names of persons, is a table only from some rows and columns on.
    """
    first = rows[0] if rows else []
    others = [row for row in rows if row and (row != first or form.name_columns)]
    if len(first) < 2 or {len(row) - len(first) for row in others} not in ({0}, {1}):
        return False
    columns, spelled = [*zip(*others, strict=True)], form.cells.for_file(BLANK)
    return min(len(columns), len(others)) >= FEWEST_OF_TEXT or any(
        spelled.for_column([cell for cell in column if not spelled.is_missing(cell)])
        for column in columns
    )


def _have_row_names(rows: Sequence[Sequence[str]], columns: int) -> bool:
    """Whether each row has one cell more than the header, its own name, as R writes a table."""
    names = {row[0].strip() for row in rows if len(row) == columns + 1 > 2}
    are_whole = {None if cells.parse_number(name) is None else name.isdigit() for name in names}
    return len(names) == len(rows) and are_whole in ({None}, {True})


def _is_header(comment: str, line: str) -> bool:
    """Whether a comment names the columns of the data in the line after it, as in `#id,x,y`."""
    delimiter = max(DELIMITERS, key=line.count)
    names = line.split(delimiter)
    return comment.count(delimiter) == len(names) - 1 > 0 and _looks_like_data(names)


def _looks_like_data(names: Sequence[str]) -> bool:
    """Whether a first line holds numbers that are not just the columns' positions."""
    first = 1 if names[0] == cells.INDEX else 0
    positions = ({str(i - first), str(i), str(i + 1)} for i in range(len(names)))
    return not all(
        name in position or cells.parse_number(name) is None
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


def _quoted(column: Sequence[str]) -> Sequence[str]:
    """Quote what needs it, in most columns no cell."""
    if _PLAIN.fullmatch("".join(column)):
        return column
    return [
        '"' + cell.replace('"', '""') + '"' if _TO_QUOTE.search(cell) else cell for cell in column
    ]
