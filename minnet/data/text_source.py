"""From the bytes of a file to lines of text: other formats named, compression, encoding, hash."""

from __future__ import annotations

import codecs
import hashlib
import io
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

from minnet.data.files import reading
from minnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

CHARACTERS_AT_ONCE = 2**16
LONGEST_LINE = 20_000_000
# Real tables shrink to a third or a thirtieth, the sparsest to a hundredth.
MOST_TIMES_LARGER = 500
LARGE = 16 * 2**20

# What compressed files begin with, and the standard library's module for each.
_COMPRESSED = {
    re.compile(rb"\x1f\x8b"): ("gzip", "gzip"),
    re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"): ("bzip2", "bz2"),
    re.compile(rb"\xfd7zXZ\0"): ("xz", "lzma"),
}

# What other files begin with.
_FOREIGN = {
    b"PK\3\4": "a zip archive or an Excel workbook: save it as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it first",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF-": "a PDF document",
    b"PAR1\x15": "a Parquet file, not read compressed or from a pipe: give its name",
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


class TextSource:
    """Reads a file, plain or compressed with gzip, bzip2 or xz, as lines of UTF-8 text.

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
        If the file begins like one of another kind.
    """

    def __init__(self, file: BinaryIO, source: str, lines_before: int = 0) -> None:
        self.source = source
        self._lines_before = lines_before
        self._bytes = _HashingFile(file, source)
        buffered = io.BufferedReader(self._bytes)
        beginning = buffered.peek(64)
        if compression := compression_of(beginning):
            name, module = compression
            unpacked = import_module(module).open(buffered)
            self._bytes = _UnpackedFile(unpacked, source, name, packed=self._bytes)
            buffered = io.BufferedReader(self._bytes)
            beginning = buffered.peek(64)
            if compression := compression_of(beginning):
                raise DataError(f"{source}: {compression[0]} inside {name}: unpack it first")
        self._refuse_foreign(beginning)
        self._text = io.TextIOWrapper(
            buffered,
            encoding="utf-8-sig",
            errors="surrogateescape",
            newline="",
        )

    @property
    def sha256(self) -> str:
        """SHA-256 of all bytes read so far, in hex; of a compressed file, unpacked."""
        return self._bytes.sha256.hexdigest()

    def blocks(self) -> Iterator[list[str]]:
        """All lines, some at a time: looking at them one by one costs 0.2 us each.

        So what is wrong with a line is told before what is wrong with the rows of its block.

        Raises
        ------
        DataError
            If a line is not text, or endless; if a compressed file is damaged.
        """
        lines_before, is_last = self._lines_before, False
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

    def _refuse_foreign(self, beginning: bytes) -> None:
        beginning = beginning.removeprefix(codecs.BOM_UTF8).lstrip().lower()
        for mark, kind in _FOREIGN.items():
            if beginning.startswith(mark.lower()):
                raise DataError(f"{self.source}: not a CSV file but {kind}")

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


class _HashingFile(io.RawIOBase):
    """Reads on and keeps the size and the SHA-256 of all that was read."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        self._source = source
        # A read1 waits once at most: in between, Python looks whether there was a signal.
        self._read = getattr(file, "read1", file.read)
        self.size = 0
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with reading(self._source):
            data = self._read(len(buffer))
        return self._keep(buffer, data)

    def _keep(self, buffer: Any, data: bytes) -> int:
        buffer[: len(data)] = data
        self.size += len(data)
        self.sha256.update(data)
        return len(data)


class _UnpackedFile(_HashingFile):
    """The content of a compressed file, unpacked as it is read."""

    def __init__(self, file: BinaryIO, source: str, name: str, packed: _HashingFile) -> None:
        super().__init__(file, source)
        self._what = f"{source}: compressed with {name}"
        self._packed = packed

    def readinto(self, buffer: Any) -> int:
        import lzma
        import zlib

        try:
            count = self._keep(buffer, self._read(len(buffer)))
        except EOFError:
            raise DataError(f"{self._what}, but its end is missing") from None
        except (OSError, lzma.LZMAError, zlib.error) as error:
            raise DataError(f"{self._what}, but damaged: {error}") from None
        if self.size > max(LARGE, MOST_TIMES_LARGER * self._packed.size):
            raise DataError(
                f"{self._what}, and over {MOST_TIMES_LARGER} times larger than its file: "
                "unpack it first, if you trust it"
            )
        return count


def compression_of(beginning: bytes) -> tuple[str, str] | None:
    """Tell the name of a compressed file's format, and of the module that unpacks it."""
    matching = (names for mark, names in _COMPRESSED.items() if mark.match(beginning))
    return next(matching, None)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
