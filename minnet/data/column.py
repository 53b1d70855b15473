"""One column of a table, as numbers or as text: grown cell by cell, or from values in memory."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress, count
from typing import Any, NamedTuple

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.data.cells import LARGEST_EXACT, USUAL, CellFormat, Kind, truth
from minnet.data.csv import LINES_AT_ONCE
from minnet.data.frames import Values, as_written, joined
from minnet.errors import plural

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
        Of numbers without `codes`: row and text of the first word of truth, read as 1 or 0.
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
    def first_text(self) -> tuple[int, str] | None:
        """Row and text of the first cell that is no number; `None` if there is none.

        In a numeric column, that is a word of truth.
        """
        if self.codes is None or self.refused:
            return self.first_word
        texts = [self.cell_format.number(cell) is None for cell in self.spellings]
        is_text = self.look_up(texts, False, np.bool_)
        if not is_text.any():
            return None
        row = int(is_text.argmax())
        return row, self.spellings[self.codes[row]]

    def select(self, rows: IntArray) -> Column:
        """Make the column that the cells of some rows alone would be, ascending."""
        if self.codes is None:
            assert self.numbers is not None
            row, cell = self.bad_cell or (-1, "")
            bad_cell = None if row < 0 else (int(np.searchsorted(rows, row)), cell)
            return replace(self, numbers=self.numbers[rows], bad_cell=bad_cell)
        texts = [*self.spellings, *reversed(self.missing_spellings)]
        # Text that is all numbers is text because someone says so.
        numbers = map(self.cell_format.number, self.spellings)
        is_text = self.numbers is None and all(number is not None for number in numbers)
        builder = ColumnBuilder(self.name, self.cell_format, "text" if is_text else "")
        builder.add([texts[code] for code in self.codes[rows].tolist()])
        return replace(builder.column(), refused=self.refused)

    def look_up(self, of_spellings: Sequence[Any], missing: Any, dtype: Any) -> Any:
        """Take for each cell what belongs to its spelling, or what stands for missing ones."""
        # Codes of missing cells count from the end.
        values = [*of_spellings, *[missing] * len(self.missing_spellings)]
        return np.array(values, dtype)[self.codes]

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


class CodedCells(NamedTuple):
    """Some cells of a column: the distinct ones, in order of appearance, and the index of each."""

    distinct: list[str]
    codes: array[int]

    @classmethod
    def of(cls, cells: Sequence[str]) -> CodedCells:
        """Find the distinct cells."""
        code_of = defaultdict[str, int](count().__next__)
        codes = array("i", [*map(code_of.__getitem__, cells)])
        return cls([*code_of], codes)

    @property
    def cells(self) -> list[str]:
        """All cells."""
        return [self.distinct[code] for code in self.codes]


class ColumnBuilder:
    """Grows a `Column` chunk by chunk, in typed arrays rather than lists of text.

    While a column has few distinct cells, only their codes are kept: then each spelling has to be
    read as a number once. With too many distinct cells for that, and all of them numbers, it goes
    on with the numbers alone.

    Parameters
    ----------
    cell_format
        How the cells are spelled.
    kind
        What is known of them beforehand.
    """

    def __init__(self, name: str, cell_format: CellFormat, kind: Kind = "") -> None:
        self.name = name
        self._format = cell_format
        self._kind: Kind = kind
        self._values: list[Values] = []
        self._codes = array("i")
        self._code_of = defaultdict[str, int](count().__next__)
        self._numbers: array[float] | None = array("d") if kind == "numbers" else None
        self._bad_cell: tuple[int, str] | None = None
        self._first_word: tuple[int, str] | None = None

    @property
    def reading(self) -> tuple[CellFormat | None, bool]:
        """How all further cells are read as numbers, `None` if they are not.

        Also tells whether all so far are numbers with a decimal point, and further ones may be.
        """
        if self._numbers is None:
            return None, False
        has_point = self._format.decimal in ("", ".") and not self._format.strip
        has_point = has_point and not self._format.has_missing_numbers
        return self._format, has_point and bool(np.isfinite(self._numbers).all())

    def add(self, cells: Sequence[str] | CodedCells | array[float] | Values) -> None:
        """Append cells: as text, read as `reading` tells, or all as values in memory."""
        if isinstance(cells, Values):
            self._values.append(cells)
        elif isinstance(cells, array):
            self._numbers.extend(cells)  # type: ignore[union-attr]  # it reads numbers
        elif self._numbers is not None:
            text = cells.cells if isinstance(cells, CodedCells) else cells
            self._numbers.extend(self._format.plain_numbers(text) or self._parse(text))
        else:
            coded = cells if isinstance(cells, CodedCells) else CodedCells.of(cells)
            codes = np.array([*map(self._code_of.__getitem__, coded.distinct)], np.int32)
            self._codes.frombytes(codes[coded.codes].tobytes())
        if len(self._code_of) > MOST_KEPT_SPELLINGS and self._kind != "text":
            column = self._coded()
            if column.numbers is None:
                self._kind = "text"
            elif len(column.spellings) > MOST_KEPT_SPELLINGS:  # forget how they were written
                self._numbers = array("d", column.numbers.tobytes())
                self._format, self._bad_cell = column.cell_format, column.bad_cell
                self._code_of.clear()

    def _parse(self, cells: Sequence[str]) -> Iterator[float]:
        """Numbers cell by cell; remembers the first cell that is none, or infinite."""
        for row, cell in enumerate(cells, start=len(self._numbers or ())):
            number = np.nan if self._format.is_missing(cell) else self._format.number(cell)
            if number is None and self._kind == "numbers":
                number = truth(cell)
                if number is not None and self._first_word is None:
                    self._first_word = row, cell
            if self._bad_cell is None and (number is None or np.isinf(number)):
                self._bad_cell = row, cell
            yield np.nan if number is None else number

    def _coded(self) -> Column:
        """Make the column of all cells so far, each kept as the code of its spelling."""
        is_missing = np.array([*map(self._format.is_missing, self._code_of)], np.bool_)
        spellings = tuple(compress(self._code_of, ~is_missing))
        number_of = np.cumsum([is_missing, ~is_missing], axis=1, dtype=np.int32)
        code = np.where(is_missing, -number_of[0], number_of[1] - 1)
        codes = code[np.frombuffer(self._codes, np.int32)]
        missing_spellings = tuple(compress(self._code_of, is_missing))
        column = Column(self.name, None, codes, spellings, None, missing_spellings, self._format)
        read = None if self._kind == "text" else self._format.for_column(spellings)
        if read is not None:
            column.cell_format, numbers = read
            column.numbers = np.array([*numbers, *[np.nan] * len(missing_spellings)])[codes]
            infinite = np.flatnonzero(np.isinf(column.numbers))
            if len(infinite):
                column.bad_cell = int(infinite[0]), spellings[codes[infinite[0]]]
        return column

    def column(self) -> Column:
        """Make the column of all cells so far.

        Values in memory become what they would be were they written to a CSV and read: numbers keep
        how they are written while few are distinct, text stays verbatim and may hold numbers,
        booleans are the words `True` and `False`. Only a categorical column stays text even if it
        holds numbers, and the decimal mark and what is left out of numbers are a matter of text.
        """
        refused = ""
        if self._values:
            given = joined(self._values)
            refused = given.refused
            if isinstance(given.values, np.ndarray):
                self._format = CellFormat(self._format.missing_words)
                numbers = self._numbers_alone(given)
                if numbers is not None:
                    return numbers
            if given.is_category or refused:
                self._kind, self._numbers = "text", None
            cells = given.cells
            for start in range(0, len(cells), LINES_AT_ONCE):
                self.add(cells[start : start + LINES_AT_ONCE])
        if self._numbers is None:
            return replace(self._coded(), refused=refused)
        column = Column(self.name, np.frombuffer(self._numbers), None, (), self._bad_cell)
        column.cell_format, column.first_word = self._format, self._first_word
        return column

    def _numbers_alone(self, given: Values) -> Column | None:
        """Take numbers as they are; `None` if it is to be kept how they are written.

        So it is where few are distinct, and of whole numbers that float64 does not hold. A number
        of float32 is the one that is written for it, 0.1 and not 0.10000000149.
        """
        if self._format.has_missing_numbers or self._kind == "text":
            return None
        numbers, present = as_written(given.values), given.values[~given.missing]
        if self._kind == "":
            # Told apart by their bits: -0.0 is written otherwise than 0.0.
            bits = np.ascontiguousarray(present).view(f"i{present.dtype.itemsize}")
            # Of most columns, the first ones tell.
            some, most = bits[: 4 * MOST_KEPT_SPELLINGS], MOST_KEPT_SPELLINGS
            is_few = all(len(np.unique(part)) <= most for part in (some, bits))
            large = given.values[np.abs(numbers) > LARGEST_EXACT]
            is_whole = present.dtype.kind in "iu"
            if is_few or (is_whole and any(int(float(one)) != one for one in large.tolist())):
                return None
        numbers[given.missing] = np.nan
        column = Column(self.name, numbers, None, (), cell_format=self._format)
        infinite = np.flatnonzero(np.isinf(numbers))
        if len(infinite):
            column.bad_cell = int(infinite[0]), str(numbers[infinite[0]])
        return column
