"""One column of a table, grown cell by cell: as numbers, or as text.

From values in memory to a column, as if they had been written to a CSV and read.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.data.cells import LARGEST_EXACT, USUAL, CellFormat, find_name, parse_number, truth
from minnet.data.csv import LINES_AT_ONCE
from minnet.data.frames import OF_DATES, Values, number_cells, text_cells, unpack
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


_PROBED_ROWS = 4 * MOST_KEPT_SPELLINGS
_FLOATS_AT_ONCE = 2**16


def make_columns(
    columns: Mapping[str, Any],
    text: Iterable[str] = (),
    numbers: Iterable[str] = (),
    cell_format: CellFormat = USUAL,
) -> dict[str, Column]:
    """Make columns of a table; each is what it would be were its values written to a CSV and read.

    So numbers keep how they are written while few are distinct, text stays verbatim and may hold
    numbers, booleans are the words `True` and `False`. A number of float32 is the one that is
    written for it, 0.1 and not 0.10000000149. Only a categorical column stays text even if it holds
    numbers, and the decimal mark and what is left out of numbers are a matter of text alone.

    Parameters
    ----------
    text, numbers, cell_format
        See `Table.from_chunks`.
    """
    only_text = {find_name(name, columns) for name in text}
    only_numbers = {find_name(name, columns) for name in numbers}
    return {
        name: _column(
            name,
            unpack(values),
            cell_format,
            only_text=name in only_text,
            only_numbers=name in only_numbers,
        )
        for name, values in columns.items()
    }


def _column(
    name: str,
    unpacked: Values,
    cell_format: CellFormat,
    *,
    only_text: bool,
    only_numbers: bool,
) -> Column:
    values, missing, is_category, refused = unpacked
    cells: list[str] | None = None
    if not refused and isinstance(values, np.ndarray):
        cell_format = CellFormat(cell_format.missing_words)
        if all(parse_number(word) is None for word in cell_format.missing_words):
            return _column_of_numbers(
                name,
                values,
                missing,
                cell_format,
                only_text=only_text,
                only_numbers=only_numbers,
            )
        cells = number_cells(values, missing)
    elif not refused:
        cells = text_cells(values)
    if cells is None:
        codes = np.zeros(len(values), np.int32)
        if missing is not None:
            codes[missing] = -1
        return Column(
            name,
            None,
            codes,
            ("",),
            missing_spellings=("",) if (codes < 0).any() else (),
            refused=refused or OF_DATES,
        )
    builder = ColumnBuilder(
        name,
        cell_format,
        is_text=only_text or is_category,
        is_numeric=only_numbers and not is_category,
    )
    for start in range(0, len(cells), LINES_AT_ONCE):
        builder.add(cells[start : start + LINES_AT_ONCE])
    return builder.column()


def _column_of_numbers(
    name: str,
    values: Any,
    missing: BoolArray | None,
    cell_format: CellFormat,
    *,
    only_text: bool,
    only_numbers: bool,
) -> Column:
    """Take numbers as they are, and write the distinct ones only if these are few."""
    if values.dtype.itemsize > 8:  # a long double
        values = values.astype(np.float64)
    absent = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), np.bool_)
    if missing is not None:
        absent |= missing
    everywhere = not absent.any()
    present = values if everywhere else values[~absent]
    numbers = _as_written(present)
    if not everywhere:
        numbers = _spread_out(numbers, ~absent, np.nan)
    bad_cell = None
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        bad_cell = int(infinite[0]), str(numbers[infinite[0]])
    if not only_numbers and present.dtype.kind in "iu":
        large = present[np.abs(numbers[~absent]) > LARGEST_EXACT].tolist()
        only_text = only_text or any(int(float(number)) != number for number in large)
    most = len(present) if only_text else -1 if only_numbers else MOST_KEPT_SPELLINGS
    distinct = _distinct(present, most)
    if distinct is None:
        return Column(name, numbers, None, (), bad_cell, cell_format=cell_format)
    spellings = tuple(map(str, distinct[0]))
    codes = distinct[1] if everywhere else _spread_out(distinct[1], ~absent, -1)
    return Column(
        name,
        None if only_text else numbers,
        codes,
        spellings,
        None if only_text else bad_cell,
        () if everywhere else ("",),
        cell_format,
    )


def _spread_out(values: Any, places: BoolArray, filling: float) -> Any:
    """Put values into their places among as many more that are missing."""
    among = np.full(len(places), filling, values.dtype)
    among[places] = values
    return among


def _as_written(values: Any) -> Array:
    """Read a number of fewer bits than 64 as the decimal that is written for it."""
    if values.dtype.kind != "f" or values.dtype.itemsize == 8:
        return values.astype(np.float64)
    parts = range(0, len(values), _FLOATS_AT_ONCE)
    texts = (values[start : start + _FLOATS_AT_ONCE].astype(str) for start in parts)
    return np.concatenate([np.empty(0), *(part.astype(np.float64) for part in texts)])


def _distinct(values: Any, most: int) -> tuple[Any, IntArray] | None:
    """Distinct numbers in order of appearance, and the index of each; `None` if more than `most`.

    Told apart by their bits: -0.0 is written otherwise than 0.0.
    """
    values = np.ascontiguousarray(values)
    bits = values.view(f"i{values.dtype.itemsize}")
    if most < 0 or len(np.unique(bits[:_PROBED_ROWS])) > most:
        return None
    distinct = np.unique(bits)
    if len(distinct) > most:
        return None
    # As numpy.unique could give, too, in twice the time.
    places = np.searchsorted(distinct, bits)
    first = np.empty(len(distinct), np.int64)
    first[places[::-1]] = np.arange(len(bits) - 1, -1, -1)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return values[first[order]], rank[places]


def joined(parts: Sequence[Values]) -> Values:
    """Put the values of a column in several files below each other."""
    parts = [part for part in parts if len(part.values)] or [*parts[:1]]
    refused = [part.refused for part in parts if part.refused]
    if len(parts) == 1 or refused:
        return parts[0]._replace(refused="".join(refused[:1]))
    numeric = [*filter(None, map(_numeric, parts))]
    if len(numeric) == len(parts):
        kinds = {values.dtype for values, *_ in numeric}
        return Values(
            np.concatenate([v if len(kinds) == 1 else _as_written(v) for v, *_ in numeric]),
            np.concatenate([missing for _, missing, *_ in numeric]),
        )
    # As in a CSV, which knows no types.
    cells = [
        number_cells(values, missing) if isinstance(values, np.ndarray) else values
        for values, missing, *_ in parts
    ]
    return Values([*chain(*cells)], is_category=any(part.is_category for part in parts))


def _numeric(part: Values) -> Values | None:
    """Values as an array of numbers and where they are missing, if they are numbers or nothing."""
    values, missing, *_ = part
    if not isinstance(values, np.ndarray):
        if part.is_category or {*values} != {None}:
            return None
        values = np.full(len(values), np.nan)
    return Values(values, np.zeros(len(values), np.bool_) if missing is None else missing)
