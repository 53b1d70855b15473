"""What has to be known of a table to learn its columns and classes, mergeable over its parts.

What a model knows of each feature column, and how a column becomes features.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import accumulate, pairwise
from operator import add
from typing import Any

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.data import cells, dates
from minnet.data.cells import NOT_A_NUMBER, USUAL, CellFormat
from minnet.data.column import Column
from minnet.data.table import Table
from minnet.errors import DataError, ModelError, did_you_mean, plural

EVERY_ROW = slice(None)
MOST_CLASSES = 1000
LEAST_SHARE = 0.05
FEWEST_LABELS = 5
"""A word for "no value" is the name of a class if it is in so many labels, and that share."""


MOST_RARE, MOST_CATEGORIES, FEWEST_FREQUENT = 50, 1000, 5
"""Categories that are kept in any case, or if they stand in so many rows."""
MOST_ONE_HOT = 10_000_000
"""Rows times categories of a column, beyond which only `MOST_RARE` are kept."""
FEWEST_MISSING = 2
LONGEST_WORD = 40
MOST_KEPT = 10_000
"""Spellings of a part of a table whose counts are kept, the most frequent ones."""
_SUMS = "counts", "missing_counts", "rows", "missing", "medians", "left_out", "calendar"
"""Attributes of the summaries of parts that add up; if one is `None`, so is the sum."""


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
    minimum, maximum
        Of the numbers, NaN where there are none.
    medians
        The median of each part that holds numbers, and how many.
    first_text
        Where the first cell is that is no number, `iris.csv:12`, and its text, perhaps a word of
        truth; `None` if there is none.
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
    calendar
        Of a column of nothing but dates and times, how often each month, weekday and hour; see
        `minnet.data.dates.calendar`.
    """

    name: str
    source: str
    counts: Counter[str] | None
    missing_counts: Counter[str]
    rows: int
    missing: int
    is_numeric: bool
    is_binary: bool
    minimum: float
    maximum: float
    medians: tuple[tuple[float, int], ...]
    first_text: tuple[str, str] | None = None
    bad_cell: tuple[str, str] | None = None
    refused: str = ""
    left_out: int = 0
    decimal_mark: str = ""
    cell_format: CellFormat = USUAL
    calendar: Counter[tuple[str, int]] | None = None

    @property
    def median(self) -> float:
        """Median of the numbers, NaN without any; of parts, the median of their medians."""
        medians = sorted(self.medians)
        weights = np.cumsum([0, *(weight for _, weight in medians)])
        middle = int(np.searchsorted(weights[1:], weights[-1] / 2))
        return medians[middle][0] if medians else np.nan

    def merge(self, other: ColumnSummary) -> ColumnSummary:
        """Put another part's below.

        Raises
        ------
        DataError
            If one part holds text and another too many different numbers to be categories.
        """
        first_text = self.first_text or other.first_text
        bad_cell = self.bad_cell or other.bad_cell
        is_binary = self.is_binary and other.is_binary
        is_numeric = self.is_numeric and other.is_numeric and (is_binary or not first_text)
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in _SUMS}
        sums: dict[str, Any] = {
            name: None if None in pair else add(*pair) for name, pair in pairs.items()
        }
        if sums["counts"] is None and first_text and not (is_numeric or bad_cell):
            where, cell = first_text
            numeric = other if self.first_text else self
            what = _not_a_number(self, cell)
            raise DataError(f"{where}: {what}, as the cells in {numeric.source} are")
        marks = {self.decimal_mark, other.decimal_mark}
        return replace(
            self,
            **sums,
            is_numeric=is_numeric,
            is_binary=is_binary,
            minimum=float(np.fmin(self.minimum, other.minimum)),
            maximum=float(np.fmax(self.maximum, other.maximum)),
            first_text=first_text,
            bad_cell=bad_cell,
            refused=self.refused or other.refused,
            decimal_mark=min(marks - {""}, default="") if is_numeric else "",
        )

    def describe(self, *, as_categories: bool = False) -> FeatureColumn:
        """Tell what the column of a training table holds.

        Parameters
        ----------
        as_categories
            Whether numbers and dates are categories as well.

        Raises
        ------
        DataError
            If a number is infinite, or a few cells spoil a column of many different numbers.
        """
        has_missing = self.missing > 0
        if as_categories:
            return self._categorical()
        if self.bad_cell:
            where, cell = self.bad_cell
            raise DataError(f"{where}: {_not_a_number(self, cell)}: {_advice(self, cell)}")
        if self.is_numeric:
            is_boolean = bool(self.first_text)
            # Half of them may be true: then either is a median.
            median = float(self.median // 1) if is_boolean else self.median
            extremes = self.minimum, median, self.maximum
            return NumericColumn(self.name, *extremes, has_missing, is_boolean)
        if date := self._date():
            return date
        counts, number = self.counts or Counter[str](), self.cell_format.number
        numbers = [count for cell, count in counts.items() if number(cell) is not None]
        there, of_numbers = self.rows - self.missing, sum(numbers)
        if self.first_text and len(numbers) > MOST_RARE and 0.95 <= of_numbers / there < 1:
            where, cell = self.first_text
            raise DataError(
                f"{where}: {_not_a_number(self, cell)}, as {of_numbers:,} of the "
                f"column's {there:,} cells are: {_advice(self, cell)}"
            )
        return self._categorical()

    def _date(self) -> DateColumn | None:
        """Tell what is derived of the column, if it holds nothing but dates, or times of day."""
        seen, has_missing = self.calendar or Counter(), self.missing > 0
        derived = [
            CategoricalColumn(f"{self.name}.{kind}", names, 0, has_missing)
            for kind in dates.DERIVED
            if (names := dates.names_in_turn(kind, seen)) not in ((), ("0",))
        ]
        dated = sum(rows for (kind, _), rows in seen.items() if kind == "month")
        if not derived or dated not in (0, self.rows - self.missing):
            return None
        return DateColumn(self.name, tuple(derived), has_missing)

    def _categorical(self) -> CategoricalColumn:
        """Tell the most frequent categories; numbers among them are one if their value is."""
        # By name among equals, so that the order of the rows decides nothing.
        ranking = sorted((-count, spelling) for spelling, count in (self.counts or {}).items())
        named: dict[str, tuple[int, str]] = {}
        for count, spelling in ranking:
            value = cells.without_zeros(spelling)
            before, name = named.get(value, (0, spelling))
            named[value] = before + count, name
        ranking = sorted(named.values())
        frequent = sum(-count >= FEWEST_FREQUENT for count, _ in ranking)
        most = max(MOST_RARE, min(frequent, MOST_CATEGORIES, MOST_ONE_HOT // max(1, self.rows)))
        kept = tuple(spelling for _, spelling in ranking[:most])
        left_out = self.left_out + len(ranking) - len(kept)
        most_left_out = -ranking[most][0] if left_out else 0
        return CategoricalColumn(self.name, kept, left_out, self.missing > 0, most_left_out)


@dataclass(frozen=True)
class TableSummary:
    """What the columns of a table hold, and how it was read.

    Attributes
    ----------
    columns
        By name; of those that were ignored, `None`.
    repeated_headers
        See `Table`.
    """

    source: str
    rows: int
    columns: Mapping[str, ColumnSummary | None]
    has_header: bool
    cell_format: CellFormat
    repeated_headers: tuple[str, ...] = ()

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

    def class_names(self, target: str) -> list[str]:
        """Find the classes in the label column of a training table, in natural order.

        Raises
        ------
        DataError
            If they cannot be told apart or learned.
        """
        column, where = self[target], f"{self.source}: column {target!r}"
        counts, number = column.counts or Counter[str](), column.cell_format.number
        # Words for "no value" that are frequent, but for those given by hand; all others, if the
        # empty cell was given by hand.
        by_hand = self.cell_format.missing_words
        fewest = 1 if "" in by_hand else max(FEWEST_LABELS, LEAST_SHARE * column.rows)
        never = {"", *by_hand, *(() if "" in by_hand else NOT_A_NUMBER)}
        words = {
            word: count
            for word, count in column.missing_counts.items()
            if counts and count >= fewest and word.strip() not in never
        }
        names = [*counts, *words]
        labelled = column.rows - column.missing + sum(words.values())
        if not self.rows:
            raise DataError(f"{self.source}: a header but no rows")
        if not labelled:
            raise DataError(f"{where}: every label is missing")
        classes = len(names) + column.left_out
        # The column may have been read as text.
        if column.counts is None or (
            classes > max(20, labelled / 5) and all(number(name) is not None for name in counts)
        ):
            raise DataError(
                f"{where} looks like a number to be predicted, not a class "
                f"({'over 1,000' if column.counts is None else classes} different values in "
                f"{labelled} rows): minnet tells classes apart; choose a label column with `target`"
            )
        if classes == 1:
            raise DataError(f"{where}: every label is {names[0]!r}: there is nothing to tell apart")
        if classes == labelled or classes > MOST_CLASSES:
            raise DataError(
                f"{where}: {classes:,} different labels in {labelled:,} rows: nothing to learn "
                "from; choose a label column with `target`"
            )
        return sorted(names, key=cells.natural_order)


def summarize(table: Table, ignore: Collection[str] = ()) -> TableSummary:
    """Summarize a table, but for some columns."""
    columns = {
        name: None if name in ignore else _summary(column, table)
        for name, column in table.columns.items()
    }
    how = table.has_header, table.cell_format, table.repeated_headers
    return TableSummary(table.source, len(table), columns, *how)


def merge(parts: Sequence[TableSummary]) -> TableSummary:
    """Put the summaries of the parts of a table together; parts without rows say nothing.

    Raises
    ------
    DataError
        If the parts have different columns, or columns that do not go together.
    """
    first, *others = parts
    for part in others:
        cells.check_same_columns(first.source, first.columns, part.source, part.columns)
    filled = [part for part in parts if part.rows] or [first]
    columns = {}
    for name in first.columns:
        summaries = [one for one in (part.columns[name] for part in filled) if one is not None]
        columns[name] = _bounded(reduce(ColumnSummary.merge, summaries)) if summaries else None
    rows = sum(part.rows for part in parts)
    headers = tuple(place for part in parts for place in part.repeated_headers)
    merged = replace(filled[0], source=first.source, rows=rows, columns=columns)
    return replace(merged, repeated_headers=headers)


def _bounded(column: ColumnSummary) -> ColumnSummary:
    """Keep the counts of the most frequent spellings, by name among equals."""
    if column.counts is None or len(column.counts) <= MOST_KEPT:
        return column
    ranking = sorted(column.counts.items(), key=lambda item: (-item[1], item[0]))
    left_out = column.left_out + len(ranking) - MOST_KEPT
    return replace(column, counts=Counter(dict(ranking[:MOST_KEPT])), left_out=left_out)


def _summary(column: Column, table: Table) -> ColumnSummary:
    missing = column.missing
    minimum = maximum = np.nan
    medians: tuple[tuple[float, int], ...] = ()
    counts = None
    first_text, bad_cell = (
        found and (table.at(found[0]), found[1]) for found in (column.first_text, column.bad_cell)
    )
    numbers = None if column.numbers is None else column.numbers[~missing]
    if numbers is not None and len(numbers):
        middle = [(len(numbers) - 1) // 2, len(numbers) // 2]
        # Not numpy.median: its first call imports numpy.ma, which takes longer than all the rest.
        low, high = np.partition(numbers, middle)[middle].tolist()
        medians = ((low / 2 + high / 2, len(numbers)),)
        minimum, maximum = float(numbers.min()), float(numbers.max())
    if column.codes is not None:
        of_codes = np.bincount(column.codes[~missing], minlength=len(column.spellings))
        counts = Counter(dict(zip(column.spellings, of_codes.tolist(), strict=True)))
    return ColumnSummary(
        name=column.name,
        source=table.source,
        counts=counts,
        missing_counts=Counter(column.missing_counts),
        rows=len(table),
        missing=int(missing.sum()),
        is_numeric=numbers is not None,
        is_binary=numbers is not None and bool(((numbers == 0) | (numbers == 1)).all()),
        minimum=minimum,
        maximum=maximum,
        medians=medians,
        first_text=first_text,
        bad_cell=bad_cell,
        refused=column.refused,
        decimal_mark=column.decimal_mark,
        cell_format=column.cell_format,
        calendar=None if counts is None or column.refused else dates.calendar(counts),
    )


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
    def features(self) -> dict[str, int]:
        """Names of its features, and in how many rows a network has to see each.

        See `Encoder.fewest_rows`.
        """
        missing = {f"{self.name} is missing": FEWEST_MISSING} if self.has_missing else {}
        return {self.name: 0} | missing

    def fill(self, features: Array, table: Table, rows: slice | IntArray = EVERY_ROW) -> None:
        """Write this column's features of some rows, `(rows, len(self.features))`, in place.

        Raises
        ------
        DataError
            At the first cell that is not a finite number.
        """
        column = table[self.name]
        bad_cell = column.bad_cell
        # Words of truth are among its numbers if these were from 0 to 1 in training.
        if column.numbers is None or not 0 <= self.minimum <= self.maximum <= 1:
            bad_cell = bad_cell or column.first_text
        if bad_cell:
            row, cell = bad_cell
            raise DataError(f"{table.at(row)}: {_not_a_number(column, cell)}")
        if column.numbers is None:
            raise DataError(
                f"column {self.name!r} holds numbers as text: read the file without "
                f"text=[{self.name!r}], or make the frame's column one of numbers"
            )
        features[:, 0] = column.numbers[rows]
        if self.has_missing:
            features[:, 1] = column.missing[rows]

    def shown(self, number: float) -> str:
        """Write a number of this column, as a word of truth if it stands for one."""
        words = {0.0: "false", 1.0: "true"} if self.is_boolean else {}
        return words.get(number) or f"{number:g}"

    def caution(self, table: Table) -> tuple[str, BoolArray]:
        """Why to distrust cells that are not missing, and in which rows, `(rows,)`."""
        numbers: Array = table[self.name].numbers  # type: ignore[assignment]  # `fill` has seen to it
        return "outside training range", (numbers < self.minimum) | (numbers > self.maximum)


@dataclass(frozen=True)
class CategoricalColumn:
    """A column of text, as the training table had it.

    Attributes
    ----------
    categories
        The most frequent ones, most frequent first: 50, or as many as stand in 5 rows or more, up
        to 1,000 and ten million rows times categories.
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

    def __post_init__(self) -> None:
        """Check what no table has."""
        if len(set(self.categories)) != len(self.categories):
            raise ModelError(f"column {self.name!r} has a category twice")
        if min(self.left_out, self.most_left_out) < 0:
            raise ModelError(f"column {self.name!r} has a negative count")

    @property
    def features(self) -> dict[str, int]:
        """Names of its 0/1 features, and in how many rows a network has to see each.

        See `Encoder.fewest_rows`.
        """
        missing = {f"{self.name} is missing": FEWEST_MISSING} if self.has_missing else {}
        names = [f"{self.name} = {category}" for category in self.categories]
        return dict.fromkeys(names, self.most_left_out + 1) | missing

    def fill(self, features: Array, table: Table, rows: slice | IntArray = EVERY_ROW) -> None:
        """Write this column's features of some rows, `(rows, len(self.features))`, in place."""
        codes = codes_of(table[self.name], self.categories)[rows]
        known = np.flatnonzero(codes >= 0)
        features[:] = 0
        features[known, codes[known]] = 1
        if self.has_missing:
            features[:, -1] = table[self.name].missing[rows]

    def caution(self, table: Table) -> tuple[str, BoolArray]:
        """Why to distrust cells that are not missing, and in which rows, `(rows,)`."""
        column = table[self.name]
        unseen = (codes_of(column, self.categories) < 0) & ~column.missing
        return ("rare or unseen category" if self.left_out else "unseen category"), unseen

    def unseen(self, table: Table) -> str:
        """Say so if most cells hold categories that training did not have; else nothing.

        Where categories were left out, most cells may well be of these: then only if all are.
        """
        column, (_, unseen) = table[self.name], self.caution(table)
        count, there = int(unseen.sum()), len(table) - int(column.missing.sum())
        if count <= there / 2 or (self.left_out and count < there):
            return ""
        codes: IntArray = column.codes[unseen]  # type: ignore[index]  # `codes_of` saw to it
        most_frequent = column.spellings[np.bincount(codes).argmax()]
        return (
            f"{count:,} of {plural(len(table), 'row')} of {self.name!r} hold categories that "
            f"training did not have{' or had too rarely' if self.left_out else ''}, such as "
            f"{most_frequent!r}{did_you_mean(most_frequent, self.categories)}"
        )


@dataclass(frozen=True)
class DateColumn:
    """A column of dates, with or without times, or of times of day, as the training table had it.

    Attributes
    ----------
    derived
        The categorical columns that make its features, such as `day.month` of `day`: of dates,
        month, weekday and, unless all are at midnight, hour; of times of day, hour. The most
        frequent category comes first, and then those that follow it, `January` after `December`.
    has_missing
        Whether cells were missing in training.
    """

    name: str
    derived: tuple[CategoricalColumn, ...]
    has_missing: bool

    def __post_init__(self) -> None:
        """Check what no table has."""
        known = [f"{self.name}.{kind}" for kind in dates.DERIVED]
        if not self.derived or any(one.name not in known for one in self.derived):
            raise ModelError(f"column {self.name!r} has not the columns that are derived of dates")

    @property
    def day(self) -> str:
        """What `minnet.data.dates.moment` takes to read its cells."""
        return "" if len(self.derived) > 1 else dates.ON_NO_DAY

    @property
    def example(self) -> str:
        """What its cells are, in words."""
        return "a time such as 14:30" if self.day else "a date such as 2024-03-31"

    def derive(self, table: Table) -> dict[str, Column]:
        """Make the derived columns of a table.

        Raises
        ------
        DataError
            At the first cell that is not of this kind.
        """
        column, made = table[self.name], {}
        if column.codes is None:
            raise DataError(f"column {self.name!r} holds numbers: each must be {self.example}")
        read = dates.moments(column.spellings, self.day)
        if len(read) < len(column.spellings):
            row, cell = int(np.argmax(column.codes == len(read))), column.spellings[len(read)]
            raise DataError(
                f"{table.at(row)}: column {self.name!r}: {cell!r} is not {self.example}"
            )
        for one in self.derived:
            names, place_of = dates.DERIVED[one.name.removeprefix(f"{self.name}.")]
            codes = column.look_up([*map(place_of, read)], -1, np.int32)
            made[one.name] = Column(one.name, None, codes, tuple(names), missing_spellings=("",))
        return made


PlainColumn = NumericColumn | CategoricalColumn
FeatureColumn = PlainColumn | DateColumn


def plain_columns(column: FeatureColumn) -> Sequence[PlainColumn]:
    """Tell which columns make the features: those derived of one of dates, else itself."""
    return column.derived if isinstance(column, DateColumn) else [column]


def slices_of(columns: Sequence[FeatureColumn]) -> dict[str, slice]:
    """Tell which features each column has, by its name, if there are no others."""
    sizes = (sum(len(one.features) for one in plain_columns(column)) for column in columns)
    ends = pairwise(accumulate(sizes, initial=0))
    return {column.name: slice(*own) for column, own in zip(columns, ends, strict=True)}


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
        code_of.get(spelling, of_value.get(cells.without_zeros(spelling), -1))
        for spelling in spellings
    ]
    return np.array(positions, dtype=np.int64)[column.codes]


def by_value(names: Iterable[str]) -> dict[str, str]:
    """Find the name that each number stands for, written without zeros; none if two names do."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(cells.without_zeros(name), []).append(name)
    return {value: name for value, (name, *others) in alike.items() if not others}


def _not_a_number(column: Column | ColumnSummary, cell: str) -> str:
    finite = "" if column.cell_format.number(cell) is None else "finite "
    return f"column {column.name!r}: {cell!r} is not a {finite}number"


def _advice(column: ColumnSummary, cell: str) -> str:
    """Say what can be done about a cell that is not a finite number."""
    if options := cells.suggest_options([cell]):
        shown = " ".join(f"`{name}` {value}" for name, value in options.items())
        return f"read it with {shown}, or leave the column out with `ignore`"
    advice = "correct it, empty it, or leave the column out with `ignore`"
    if column.cell_format.number(cell) is None and len(cell) <= LONGEST_WORD:
        advice += f"; if it stands for a missing value: `missing` {shlex.quote(cell.strip())}"
    return advice
