"""Rows as lines of a CSV that every reader splits alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Some reader would split or strip an unquoted cell with one of these: delimiters (not only the
# file's own), quotes, whatever ends a line for `str.splitlines`, a byte order mark, and white space
# at either end.
_TO_QUOTE = re.compile(r'[",;\t|\n\r\v\f\x1c-\x1e\x85\u2028\u2029\ufeff]|^\s|\s\Z')
_PLAIN = re.compile(r'[^",;|\s\ufeff]*')


def csv_line(cells: Sequence[str], delimiter: str) -> str:
    r"""Write a row, with its line end.

    The csv module quotes less: before Python 3.13, not even a carriage return.

    >>> csv_line(["5.1", "a;b", "c d", " e"], ",")
    '5.1,"a;b",c d," e"\n'
    """
    if not _PLAIN.fullmatch("".join(cells)):  # most rows are, which a single look tells
        cells = [_quoted(cell) if _TO_QUOTE.search(cell) else cell for cell in cells]
    return (delimiter.join(cells) or '""') + "\n"


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'
