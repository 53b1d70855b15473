"""What a model knows of each feature column, and how a column becomes features."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.data.cells import suggest_options, without_zeros
from minnet.data.summaries import first_text_row
from minnet.errors import DataError, did_you_mean, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.data.column import Column
    from minnet.data.summaries import ColumnSummary
    from minnet.data.table import Table

MOST_CATEGORIES = 50
FEWEST_MISSING = 2
LONGEST_WORD = 40


@dataclass(frozen=True)
class NumericColumn:
    """A numeric column, as the training table had it.

    Attributes
    ----------
    minimum, median, maximum
        Of the training table, in the column's own unit.
    has_missing
        Whether cells were missing in training: gives a second, 0/1 feature "is missing".
    is_boolean
        Whether 0 and 1 were words of truth, and are shown as such.
    """

    name: str
    minimum: float
    median: float
    maximum: float
    has_missing: bool
    is_boolean: bool = False

    @property
    def features(self) -> list[str]:
        """Names of the features this column becomes."""
        return [self.name, *([f"{self.name} is missing"] if self.has_missing else [])]

    @property
    def fewest_rows(self) -> list[int]:
        """In how many rows a network has to see each feature; see `Encoder.fewest_rows`."""
        return [0, *[FEWEST_MISSING] * self.has_missing]

    def fill(self, features: Array, table: Table) -> None:
        """Write this column's features, `(rows, len(self.features))`, in place.

        Raises
        ------
        DataError
            At the first cell that is not a finite number.
        """
        column = table[self.name]
        bad_cell = column.bad_cell if self.takes_words else column.bad_cell or column.first_word
        if bad_cell:
            row, cell = bad_cell
            raise DataError(f"{table.at(row)}: {_not_a_number(column, cell)}")
        if column.numbers is None:
            row = first_text_row(column)
            cell = column.spellings[column.codes[row]]  # type: ignore[index]  # text has codes
            if column.cell_format.number(cell) is not None:
                raise DataError(
                    f"column {self.name!r} holds numbers as text: read the file without "
                    f"text=[{self.name!r}], or make the frame's column one of numbers"
                )
            raise DataError(f"{table.at(row)}: {_not_a_number(column, cell)}")
        features[:, 0] = column.numbers
        if self.has_missing:
            features[:, 1] = column.missing

    @property
    def takes_words(self) -> bool:
        """Whether words of truth are among its numbers: these were from 0 to 1 in training."""
        return 0 <= self.minimum and self.maximum <= 1

    def shown(self, number: float) -> str:
        """Write a number of this column, as a word of truth if it stands for one."""
        words = {0.0: "false", 1.0: "true"} if self.is_boolean else {}
        return words.get(number) or f"{number:g}"

    def cautions(self, table: Table) -> Iterator[tuple[str, BoolArray]]:
        """Why to distrust a row, and which rows, `(rows,)`."""
        column = table[self.name]
        numbers: Array = column.numbers  # type: ignore[assignment]  # `fill` has seen to it
        outside = (numbers < self.minimum) | (numbers > self.maximum)
        yield "outside training range", outside
        if not self.has_missing:
            yield "missing, but never missing in training", column.missing


@dataclass(frozen=True)
class CategoricalColumn:
    """A column of text, as the training table had it.

    Attributes
    ----------
    categories
        The most frequent ones, at most 50, most frequent first.
    left_out
        How many further categories there were: all zeros, like an unseen one.
    has_missing
        Whether cells were missing in training: makes "is missing" a category of its own.
    most_left_out
        Rows of the most frequent category that was left out; 0 if there is none.
    """

    name: str
    categories: tuple[str, ...]
    left_out: int
    has_missing: bool
    most_left_out: int = 0

    @property
    def features(self) -> list[str]:
        """Names of the 0/1 features this column becomes."""
        names = [f"{self.name} = {category}" for category in self.categories]
        return [*names, *([f"{self.name} is missing"] if self.has_missing else [])]

    @property
    def fewest_rows(self) -> list[int]:
        """In how many rows a network has to see each feature; see `Encoder.fewest_rows`."""
        of_categories = [self.most_left_out + 1] * len(self.categories)
        return [*of_categories, *[FEWEST_MISSING] * self.has_missing]

    def fill(self, features: Array, table: Table) -> None:
        """Write this column's features, `(rows, len(self.features))`, in place."""
        codes = self._codes(table)
        known = np.flatnonzero(codes >= 0)
        features[:] = 0
        features[known, codes[known]] = 1
        if self.has_missing:
            features[:, -1] = table[self.name].missing

    def cautions(self, table: Table) -> Iterator[tuple[str, BoolArray]]:
        """Why to distrust a row, and which rows, `(rows,)`."""
        missing = table[self.name].missing
        unseen = (self._codes(table) < 0) & ~missing
        yield ("rare or unseen category" if self.left_out else "unseen category"), unseen
        if not self.has_missing:
            yield "missing, but never missing in training", missing

    def unseen(self, table: Table) -> str:
        """Say so if most cells hold categories that training did not have; else nothing.

        Where categories were left out, most cells may well be of these: then only if all are.
        """
        column = table[self.name]
        unseen = (self._codes(table) < 0) & ~column.missing
        count, cells = int(unseen.sum()), len(table) - int(column.missing.sum())
        if count <= cells / 2 or (self.left_out and count < cells):
            return ""
        codes: IntArray = column.codes[unseen]  # type: ignore[index]  # `_codes` saw to it
        most_frequent = column.spellings[np.bincount(codes).argmax()]
        return (
            f"{count:,} of {plural(len(table), 'row')} of {self.name!r} hold categories that "
            f"training did not have{' or had too rarely' if self.left_out else ''}, such as "
            f"{most_frequent!r}{did_you_mean(most_frequent, self.categories)}"
        )

    def _codes(self, table: Table) -> IntArray:
        """Index of each row's category, `(rows,)`; -1 for an unseen one and a missing one."""
        return codes_of(table[self.name], self.categories)


def describe(column: ColumnSummary) -> NumericColumn | CategoricalColumn:
    """Learn what a column of a training table holds.

    Raises
    ------
    DataError
        If a number is infinite, or a few cells spoil a numeric column.
    """
    has_missing = column.missing > 0
    if column.refused:
        raise DataError(f"{column.source}: column {column.name!r}: {column.refused}")
    where, cell = column.bad_cell
    if where:
        raise DataError(f"{where}: {_not_a_number(column, cell)}: {_advice(column, cell)}")
    if column.is_numeric:
        is_boolean = bool(column.first_text[0])
        # Half of them may be true: then either is a median.
        median = float(column.median // 1) if is_boolean else column.median
        return NumericColumn(
            column.name, column.minimum, median, column.maximum, has_missing, is_boolean
        )
    counts: Mapping[str, int] = column.counts or {}
    _refuse_spoiled_numbers(column, counts)
    # By name among equals, so that the order of the rows decides nothing.
    ranking = sorted((-count, spelling) for spelling, count in counts.items())
    kept = tuple(spelling for _, spelling in ranking[:MOST_CATEGORIES])
    left_out = column.left_out + len(ranking) - len(kept)
    most_left_out = -ranking[MOST_CATEGORIES][0] if left_out else 0
    return CategoricalColumn(column.name, kept, left_out, has_missing, most_left_out)


def _refuse_spoiled_numbers(column: ColumnSummary, counts: Mapping[str, int]) -> None:
    """Refuse a column of many different numbers in which a few cells are not numbers."""
    number = column.cell_format.number
    numbers = [count for cell, count in counts.items() if number(cell) is not None]
    if len(numbers) <= MOST_CATEGORIES:
        return
    cells = column.rows - column.missing
    if 0.95 <= sum(numbers) / cells < 1:
        where, cell = column.first_text
        raise DataError(
            f"{where}: {_not_a_number(column, cell)}, as {sum(numbers):,} of the "
            f"column's {cells:,} cells are: {_advice(column, cell)}"
        )


def codes_of(column: Column, names: Collection[str]) -> IntArray:
    """Index in `names` of each cell, `(rows,)`; -1 where missing or not among them.

    A number that is not among them as it is written is the one of the same value; see `by_value`.

    Raises
    ------
    DataError
        If it was not kept how the cells were written.
    """
    if column.codes is None:
        raise DataError(
            f"column {column.name!r} holds too many different numbers to be read as categories: "
            f"read the file with text=[{column.name!r}]"
        )
    code_of = {name: code for code, name in enumerate(names)}
    of_value = {value: code_of[name] for value, name in by_value(names).items()}
    # Codes of missing cells count from the end.
    spellings = (*column.spellings, *reversed(column.missing_spellings))
    positions = [
        code_of[spelling] if spelling in code_of else of_value.get(without_zeros(spelling), -1)
        for spelling in spellings
    ]
    return np.array(positions, dtype=np.int64)[column.codes]


def by_value(names: Iterable[str]) -> dict[str, str]:
    """Find the name that each number stands for, written without zeros; none if two names do."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(without_zeros(name), []).append(name)
    return {value: name for value, (name, *others) in alike.items() if not others}


def _not_a_number(column: Column | ColumnSummary, cell: str) -> str:
    finite = "" if column.cell_format.number(cell) is None else "finite "
    return f"column {column.name!r}: {cell!r} is not a {finite}number"


def _advice(column: ColumnSummary, cell: str) -> str:
    """Say what can be done about a cell that is not a finite number."""
    if options := suggest_options([cell]):
        shown = " ".join(f"`{name}` {value}" for name, value in options.items())
        return f"read it with {shown}, or leave the column out with `ignore`"
    advice = "correct it, empty it, or leave the column out with `ignore`"
    if column.cell_format.number(cell) is None and len(cell) <= LONGEST_WORD:
        advice += f"; if it stands for a missing value: `missing` {shlex.quote(cell.strip())}"
    return advice
