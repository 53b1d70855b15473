"""What has to be known of a table to learn its columns and classes, mergeable over its parts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from minnet.data.cells import USUAL, CellFormat
from minnet.data.names import check_same_columns
from minnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from minnet.arrays import BoolArray
    from minnet.data.column import Column
    from minnet.data.table import Table

MOST_KEPT = 10_000
"""Spellings of a part of a table whose counts are kept, the most frequent ones."""


@dataclass(frozen=True)
class ColumnSummary:
    """What a column holds.

    Attributes
    ----------
    source
        The table, or the first part of it.
    counts
        How often each spelling stands there; `None` for numbers of which too many are distinct.
    missing_counts
        How often each spelling of a missing cell does.
    rows, missing
        How many cells there are, and how many of them are missing.
    is_numeric
        Whether all cells are numbers or missing. Words of truth are numbers where all others are 0
        and 1, too.
    is_binary
        Whether all numbers are 0 or 1.
    minimum, median, maximum
        Of the numbers, NaN where there are none. The median of parts is that of the parts'
        medians.
    first_text
        Where the first cell is that is no number, `iris.csv:12`, and its text, perhaps a word of
        truth; both empty if there is none.
    bad_cell
        The same of the first cell that spoils a numeric column; see `Column`.
    refused
        See `Column`.
    left_out
        How many spellings there were whose counts are not kept.
    decimal_mark
        See `Column`; of parts with different ones, the comma.
    cell_format
        How its cells were read.
    """

    name: str
    source: str
    counts: Mapping[str, int] | None
    missing_counts: Mapping[str, int]
    rows: int
    missing: int
    is_numeric: bool
    is_binary: bool
    minimum: float
    median: float
    maximum: float
    first_text: tuple[str, str] = ("", "")
    bad_cell: tuple[str, str] = ("", "")
    refused: str = ""
    left_out: int = 0
    decimal_mark: str = ""
    cell_format: CellFormat = USUAL

    def merge(self, other: ColumnSummary) -> ColumnSummary:
        """Put another part's below.

        Raises
        ------
        DataError
            If one part holds text and another too many different numbers to be categories.
        """
        first_text = self.first_text if self.first_text[0] else other.first_text
        is_binary = self.is_binary and other.is_binary
        is_numeric = self.is_numeric and other.is_numeric and (is_binary or not first_text[0])
        counts = None
        if self.counts is not None and other.counts is not None:
            counts = Counter(self.counts) + Counter(other.counts)
        elif not (is_numeric or self.bad_cell[0] or other.bad_cell[0]):
            where, cell = first_text
            numeric = other if self.first_text[0] else self
            raise DataError(
                f"{where}: column {self.name!r}: {cell!r} is not a number, as the cells in "
                f"{numeric.source} are"
            )
        marks = {self.decimal_mark, other.decimal_mark}
        return replace(
            self,
            counts=counts,
            missing_counts=Counter(self.missing_counts) + Counter(other.missing_counts),
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            is_numeric=is_numeric,
            is_binary=is_binary,
            minimum=float(np.fmin(self.minimum, other.minimum)),
            maximum=float(np.fmax(self.maximum, other.maximum)),
            first_text=first_text,
            bad_cell=self.bad_cell if self.bad_cell[0] else other.bad_cell,
            refused=self.refused or other.refused,
            left_out=self.left_out + other.left_out,
            decimal_mark=min(marks - {""}, default="") if is_numeric else "",
        )


@dataclass(frozen=True)
class TableSummary:
    """What the columns of a table hold, and how it was read.

    Attributes
    ----------
    columns
        By name; of those that were ignored, `None`.
    """

    source: str
    rows: int
    columns: Mapping[str, ColumnSummary | None]
    has_header: bool
    cell_format: CellFormat

    def __getitem__(self, name: str) -> ColumnSummary:
        """Look up a column that is there and was not ignored.

        Raises
        ------
        DataError
            If it is a column of a frame that is neither numbers nor categories.
        """
        column = self.columns[name]
        assert column is not None
        if column.refused:
            raise DataError(f"{column.source}: column {name!r}: {column.refused}")
        return column


def summarize(table: Table, ignore: Collection[str] = ()) -> TableSummary:
    """Summarize a table, but for some columns."""
    columns = {
        name: None if name in ignore else _summary(column, table)
        for name, column in table.columns.items()
    }
    return TableSummary(table.source, len(table), columns, table.has_header, table.cell_format)


def merge(parts: Sequence[TableSummary]) -> TableSummary:
    """Put the summaries of the parts of a table together; parts without rows say nothing.

    Raises
    ------
    DataError
        If the parts have different columns, or columns that do not go together.
    """
    first, *others = parts
    for part in others:
        check_same_columns(first.source, first.columns, part.source, part.columns)
    filled = [part for part in parts if part.rows] or [first]
    columns = {}
    for name in first.columns:
        summaries = [one for one in (part.columns[name] for part in filled) if one is not None]
        columns[name] = _merged(summaries) if summaries else None
    rows = sum(part.rows for part in parts)
    return replace(filled[0], source=first.source, rows=rows, columns=columns)


def _merged(parts: Sequence[ColumnSummary]) -> ColumnSummary:
    merged = reduce(ColumnSummary.merge, parts)
    medians = sorted(
        (one.median, one.rows - one.missing) for one in parts if one.rows > one.missing
    )
    if not merged.is_numeric or not medians:
        return _bounded(merged)
    values, weights = map(np.array, zip(*medians, strict=True))
    middle = np.searchsorted(weights.cumsum(), weights.sum() / 2)
    return _bounded(replace(merged, median=float(values[middle])))


def _bounded(column: ColumnSummary) -> ColumnSummary:
    """Keep the counts of the most frequent spellings, by name among equals."""
    if column.counts is None or len(column.counts) <= MOST_KEPT:
        return column
    ranking = sorted(column.counts.items(), key=lambda item: (-item[1], item[0]))
    left_out = column.left_out + len(ranking) - MOST_KEPT
    return replace(column, counts=dict(ranking[:MOST_KEPT]), left_out=left_out)


def _summary(column: Column, table: Table) -> ColumnSummary:
    missing = column.missing
    minimum = median = maximum = np.nan
    counts = None
    first_text, bad_cell = (
        ("", "") if found is None else (table.at(found[0]), found[1])
        for found in (column.first_word, column.bad_cell)
    )
    numbers = None if column.numbers is None else column.numbers[~missing]
    if numbers is not None and len(numbers):
        middle = [(len(numbers) - 1) // 2, len(numbers) // 2]
        # Not numpy.median: its first call imports numpy.ma, which takes longer than all the rest.
        low, high = np.partition(numbers, middle)[middle].tolist()
        minimum, median, maximum = float(numbers.min()), low / 2 + high / 2, float(numbers.max())
    if column.codes is not None:
        of_codes = np.bincount(column.codes[~missing], minlength=len(column.spellings))
        counts = dict(zip(column.spellings, of_codes.tolist(), strict=True))
        if numbers is None and not column.refused and not missing.all():
            row = first_text_row(column)
            first_text = table.at(row), column.spellings[column.codes[row]]
    return ColumnSummary(
        name=column.name,
        source=table.source,
        counts=counts,
        missing_counts=column.missing_counts,
        rows=len(table),
        missing=int(missing.sum()),
        is_numeric=numbers is not None,
        is_binary=numbers is not None
        and not (minimum < 0 or maximum > 1)  # soon told of most columns
        and bool(((numbers == 0) | (numbers == 1)).all()),
        minimum=minimum,
        median=median,
        maximum=maximum,
        first_text=first_text,
        bad_cell=bad_cell,
        refused=column.refused,
        decimal_mark=column.decimal_mark,
        cell_format=column.cell_format,
    )


def first_text_row(column: Column) -> int:
    """Find the first row of a text column whose cell is not a number."""
    assert column.codes is not None  # text has codes
    missing = np.zeros(len(column.missing_spellings), np.bool_)
    return int(np.argmax(np.concatenate([_is_text(column), missing])[column.codes]))


def _is_text(column: Column) -> BoolArray:
    """Which of the spellings are not numbers, `(spellings,)`."""
    number = column.cell_format.number
    return np.array([number(cell) is None for cell in column.spellings], dtype=np.bool_)
