"""One column of a table, grown cell by cell: as numbers, or as text."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.data.cells import is_missing, parse_number, parse_plain_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from minnet.arrays import Array, BoolArray, IntArray

MOST_KEPT_SPELLINGS = 1000
"""A numeric column keeps how its cells were written while it has no more distinct ones."""


@dataclass(eq=False)
class Column:
    """One column of a table, as numbers or as text (or as both: few distinct numbers).

    Attributes
    ----------
    name
        From the header.
    numbers
        `(rows,)` float64, NaN where missing; `None` if some cell is text.
    codes
        `(rows,)`: index of each cell's text in `spellings`, -1 where missing; `None` for numbers
        of which too many are distinct.
    spellings
        The distinct cells, verbatim, in order of appearance.
    bad_cell
        Line and text of the first cell that spoils a numeric column: an infinite one, or a
        text after more distinct numbers than spellings are kept. Using the column raises.
    refused
        Why a column of a frame is neither numbers nor categories; else empty. Using it raises.
    """

    name: str
    numbers: Array | None
    codes: IntArray | None
    spellings: tuple[str, ...]
    bad_cell: tuple[int, str] | None = None
    refused: str = ""

    def __repr__(self) -> str:
        kind = "text" if self.numbers is None else "numbers"
        return f"<Column: {self.name!r}, {len(self.missing):,} rows of {kind}>"

    @property
    def missing(self) -> BoolArray:
        """`(rows,)`: where there is no value."""
        if self.numbers is not None:
            return np.isnan(self.numbers)
        return self.codes < 0  # type: ignore[operator,return-value]  # it has codes


class _Codes(dict[str, int]):
    """Numbers the distinct cells in order of appearance, when they are looked up; missing: -1."""

    distinct = 0

    def __missing__(self, cell: str) -> int:
        code = -1
        if not is_missing(cell):
            code = self.distinct
            self.distinct += 1
        self[cell] = code
        return code

    @property
    def spellings(self) -> tuple[str, ...]:
        return tuple(cell for cell, code in self.items() if code >= 0)


class ColumnBuilder:
    """Grows a `Column` chunk by chunk, in typed arrays rather than lists of text.

    While a column has few distinct cells, only their codes are kept: then each spelling has to be
    read as a number once. With too many distinct cells for that, and all of them numbers, it goes
    on with the numbers alone.

    Parameters
    ----------
    lines
        Where each row of the table starts; whoever owns it adds the lines of a chunk first.
    """

    def __init__(self, name: str, lines: Sequence[int], *, is_text: bool) -> None:
        self.name = name
        self._lines = lines
        self._is_text = is_text
        self._codes = array("i")
        self._code_of = _Codes()
        self._numbers: array[float] | None = None
        self._bad_cell: tuple[int, str] | None = None

    def add(self, cells: Sequence[str]) -> None:
        """Append the cells of a chunk."""
        if self._numbers is not None:
            self._numbers.extend(parse_plain_numbers(cells) or self._parse(cells))
            return
        self._codes.extend(array("i", [*map(self._code_of.__getitem__, cells)]))
        if self._code_of.distinct > MOST_KEPT_SPELLINGS and not self._is_text:
            self.keep_only_numbers()

    def keep_only_numbers(self) -> None:
        """Forget how the cells were written, unless one is text."""
        numbers = self._numbers_of_codes()
        self._is_text = numbers is None
        if numbers is not None:
            self._numbers = array("d", numbers.tobytes())
            self._code_of.clear()

    def _parse(self, cells: Sequence[str]) -> Iterator[float]:
        """Numbers cell by cell; remembers the first cell that is none, or infinite."""
        for row, cell in enumerate(cells, start=len(self._numbers or ())):
            number = np.nan if is_missing(cell) else parse_number(cell)
            if self._bad_cell is None and (number is None or np.isinf(number)):
                self._bad_cell = self._lines[row], cell
            yield np.nan if number is None else number

    def _numbers_of_codes(self) -> Array | None:
        """Numbers of all cells so far; `None` if one is text."""
        spellings = self._code_of.spellings
        numbers = parse_plain_numbers(spellings) or [parse_number(cell) for cell in spellings]
        if None in numbers:
            return None
        codes = np.frombuffer(self._codes, dtype=np.int32)
        of_rows: Array = np.array([*numbers, np.nan], dtype=np.float64)[codes]
        infinite = np.flatnonzero(np.isinf(of_rows))
        if len(infinite):
            self._bad_cell = self._lines[infinite[0]], spellings[codes[infinite[0]]]
        return of_rows

    def column(self) -> Column:
        """Make the column of all cells so far."""
        if self._numbers is not None:
            numbers = np.frombuffer(self._numbers, dtype=np.float64)
            return Column(self.name, numbers, None, (), self._bad_cell)
        return Column(
            self.name,
            None if self._is_text else self._numbers_of_codes(),
            np.frombuffer(self._codes, dtype=np.int32),
            self._code_of.spellings,
            self._bad_cell,
        )
