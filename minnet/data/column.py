"""One column of a table, grown cell by cell: as numbers, or as text."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.data.cells import USUAL, CellFormat, truth
from minnet.errors import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
        `(rows,)`: index of each cell's text in `spellings`; where missing, -1 for the first of
        `missing_spellings`, -2 for the second, ...; `None` for numbers of which too many are
        distinct.
    spellings
        The distinct cells, verbatim, in order of appearance.
    bad_cell
        Row and text of the first cell that spoils a numeric column: an infinite one, or a
        text after more distinct numbers than spellings are kept. Using the column raises.
    missing_spellings
        The distinct cells that stand for "no value", verbatim, in order of appearance.
    cell_format
        How its cells were read.
    first_word
        Row and text of the first cell that is a word of truth, read as 1 or 0.
    refused
        Why a column of a frame is neither numbers nor categories; else empty. Using it raises.
    """

    name: str
    numbers: Array | None
    codes: IntArray | None
    spellings: tuple[str, ...]
    bad_cell: tuple[int, str] | None = None
    missing_spellings: tuple[str, ...] = ()
    cell_format: CellFormat = USUAL
    refused: str = ""
    first_word: tuple[int, str] | None = None

    def __repr__(self) -> str:
        kind = "text" if self.numbers is None else "numbers"
        return f"<Column: {self.name!r}, {plural(len(self.missing), 'row')} of {kind}>"

    @property
    def missing(self) -> BoolArray:
        """`(rows,)`: where there is no value."""
        if self.numbers is not None:
            return np.isnan(self.numbers)
        return self.codes < 0  # type: ignore[operator,return-value]  # it has codes

    @property
    def distinct(self) -> int:
        """How many different cells it has, those that are missing left out."""
        if self.numbers is None:
            return len(self.spellings)
        # Not numpy.unique: its first call imports numpy.ma, which takes as long as a training.
        numbers = np.sort(self.numbers[~self.missing])
        return int(np.count_nonzero(numbers[1:] != numbers[:-1])) + (len(numbers) > 0)

    @property
    def decimal_mark(self) -> str:
        """The decimal mark of its numbers; empty if none is seen in them."""
        if self.numbers is None:
            return ""
        mark, numbers = self.cell_format.decimal, self.numbers[~self.missing]
        return "" if mark == "." and np.array_equal(numbers, np.floor(numbers)) else mark

    @property
    def missing_counts(self) -> dict[str, int]:
        """How often each of `missing_spellings` stands in the column."""
        if self.codes is None:
            return {}
        counts = np.bincount(-1 - self.codes[self.codes < 0]).tolist()
        return dict(zip(self.missing_spellings, counts, strict=True))


class _Codes(dict[str, int]):
    """Numbers the distinct cells in order of appearance, when they are looked up.

    From 0 upwards; those that stand for "no value" from -1 downwards.
    """

    def __init__(self, is_missing: Callable[[str], bool]) -> None:
        self._is_missing = is_missing
        self.distinct = 0

    def __missing__(self, cell: str) -> int:
        if self._is_missing(cell):
            code = self.distinct - len(self) - 1
        else:
            code = self.distinct
            self.distinct += 1
        self[cell] = code
        return code

    @property
    def spellings(self) -> tuple[str, ...]:
        return tuple(cell for cell, code in self.items() if code >= 0)

    @property
    def missing_spellings(self) -> tuple[str, ...]:
        return tuple(cell for cell, code in self.items() if code < 0)


class ColumnBuilder:
    """Grows a `Column` chunk by chunk, in typed arrays rather than lists of text.

    While a column has few distinct cells, only their codes are kept: then each spelling has to be
    read as a number once. With too many distinct cells for that, and all of them numbers, it goes
    on with the numbers alone.

    Parameters
    ----------
    cell_format
        How the cells are spelled.
    is_text, is_numeric
        Known beforehand: cells are kept as text, or read as numbers alone, so that text is a bad
        cell unless it is a word of truth.
    """

    def __init__(
        self,
        name: str,
        cell_format: CellFormat,
        *,
        is_text: bool = False,
        is_numeric: bool = False,
    ) -> None:
        self.name = name
        self._format = cell_format
        self._is_text = is_text
        self._codes = array("i")
        self._code_of = _Codes(cell_format.is_missing)
        self._is_numeric = is_numeric
        self._numbers: array[float] | None = array("d") if is_numeric else None
        self._bad_cell: tuple[int, str] | None = None
        self._first_word: tuple[int, str] | None = None

    @property
    def number_format(self) -> CellFormat | None:
        """How cells are read if all further ones are read as numbers."""
        return None if self._numbers is None else self._format

    def add(self, cells: Sequence[str] | array[float]) -> None:
        """Append the cells of a chunk, as text or read as `number_format` tells."""
        if isinstance(cells, array):
            self._numbers.extend(cells)  # type: ignore[union-attr]  # it has a `number_format`
            return
        if self._numbers is not None:
            self._numbers.extend(self._format.plain_numbers(cells) or self._parse(cells))
            return
        self._codes.extend(array("i", [*map(self._code_of.__getitem__, cells)]))
        if self._code_of.distinct > MOST_KEPT_SPELLINGS and not self._is_text:
            self._keep_only_numbers()

    def _keep_only_numbers(self) -> None:
        """Forget how the cells were written, unless one is text."""
        numbers = self._numbers_of_codes()
        self._is_text = numbers is None
        if numbers is not None:
            self._numbers = array("d", numbers.tobytes())
            self._code_of.clear()

    def _parse(self, cells: Sequence[str]) -> Iterator[float]:
        """Numbers cell by cell; remembers the first cell that is none, or infinite."""
        for row, cell in enumerate(cells, start=len(self._numbers or ())):
            number = np.nan if self._format.is_missing(cell) else self._format.number(cell)
            if number is None and self._is_numeric:
                number = truth(cell)
                if number is not None and self._first_word is None:
                    self._first_word = row, cell
            if self._bad_cell is None and (number is None or np.isinf(number)):
                self._bad_cell = row, cell
            yield np.nan if number is None else number

    def _numbers_of_codes(self) -> Array | None:
        """Numbers of all cells so far; `None` if one is text."""
        spellings = self._code_of.spellings
        read = self._format.for_column(spellings)
        if read is None:
            return None
        self._format, numbers = read
        missing = [np.nan] * (len(self._code_of) - len(spellings))
        codes = np.frombuffer(self._codes, dtype=np.int32)
        of_rows: Array = np.array([*numbers, *missing], dtype=np.float64)[codes]
        infinite = np.flatnonzero(np.isinf(of_rows))
        if len(infinite):
            self._bad_cell = int(infinite[0]), spellings[codes[infinite[0]]]
        if set(numbers) <= {0.0, 1.0}:
            words = [k for k, cell in enumerate(spellings) if self._format.number(cell) is None]
            if words:  # in order of appearance
                self._first_word = int((codes == words[0]).argmax()), spellings[words[0]]
        return of_rows

    def column(self) -> Column:
        """Make the column of all cells so far."""
        if self._numbers is not None:
            numbers: Array | None = np.frombuffer(self._numbers, dtype=np.float64)
            codes = None
        else:
            numbers = None if self._is_text else self._numbers_of_codes()
            codes = np.frombuffer(self._codes, dtype=np.int32)
        return Column(
            self.name,
            numbers,
            codes,
            self._code_of.spellings,
            self._bad_cell,
            self._code_of.missing_spellings,
            self._format,
            first_word=self._first_word,
        )
