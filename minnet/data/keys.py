"""A row's identity is its content: a 64-bit key of its features, whatever became of the file.

The key follows from the values of the feature columns, by column name. So the order of rows and
columns, quoting, line endings and `5.10` for `5.1` do not change it, nor does the label. Numbers
count as float32 holds them: a table that was saved with 12 digits, or as float32, is still the same
one. Dates and times count as the moments that they name. Whether rows are equal is another
question, asked of exact values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import reduce
from typing import NamedTuple

import numpy as np

from minnet.arrays import Array, IntArray
from minnet.data.cells import CellFormat, is_rounded, truth
from minnet.data.column import Column
from minnet.data.dates import ON_NO_DAY, moment

MISSING = 0x9AE16A3B2F90404F
LABEL = np.uint64(0xD6E8FEB86659FD93)
SMALLEST_INEXACT = 2.0**24
"""Below, float32 holds all whole numbers."""


class Keys(NamedTuple):
    """Keys of cells, or of rows, unsigned 64-bit, `(rows,)` each.

    Attributes
    ----------
    contents
        By the values in float32. Collisions do no harm: equal contents are copies of each other.
    wholes
        By the whole numbers that float32 does not hold, such as account numbers; 0 if there are
        none. Where two rows have any, these must agree as well.
    exact
        By the values in float64.
    """

    contents: IntArray
    wholes: IntArray
    exact: IntArray


def mixed(numbers: IntArray) -> IntArray:
    """Spread the bits of unsigned 64-bit numbers evenly, one to one; a new array.

    References
    ----------
    Steele, Lea, Flood (2014), "Fast splittable pseudorandom number generators" (splitmix64).
    """
    bits = numbers ^ (numbers >> np.uint64(30))
    bits *= np.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> np.uint64(27)
    bits *= np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return bits


def cell_keys(column: Column) -> Keys:
    """Key of each cell with the name of its column; a cell that is a number counts by value."""
    name = np.uint64(_text_key(column.name.strip()))
    if column.numbers is not None:
        keys = _number_keys(column.numbers)
        for part, missing in zip(keys, (MISSING, 0, MISSING), strict=True):
            part[column.missing] = missing
    else:
        distinct = [_spelling_keys(cell, column.cell_format) for cell in column.spellings]
        of_cells = column.look_up(distinct, (MISSING, 0, MISSING), np.uint64)
        keys = Keys(*of_cells.reshape(-1, 3).T)
    contents, wholes, exact = keys
    large = np.flatnonzero(wholes)
    wholes[large] = mixed(wholes[large] ^ name)
    return Keys(mixed(contents ^ name), wholes, mixed(exact ^ name))


def row_keys(cells: Iterable[Keys]) -> Keys:
    """Combine the keys of the cells of each row, one or more of them, in any order."""
    contents, wholes, exact = reduce(lambda one, other: Keys(*map(np.add, one, other)), cells)
    return Keys(mixed(contents), wholes, mixed(exact))


def with_labels(keys: IntArray, labels: IntArray) -> IntArray:
    """Make other keys of rows, by their integer labels as well."""
    return mixed(keys + LABEL * (labels + 1).astype(np.uint64))


def order_of(keys: IntArray, *ties: IntArray) -> IntArray:
    """Sort rows by keys, and where these are equal by the others in turn: indices, `(rows,)`.

    Most keys are distinct, so that takes a third of the time of `numpy.lexsort` of all.
    """
    order = np.argsort(keys, kind="stable")
    is_tie = keys[order[1:]] == keys[order[:-1]]
    places = np.flatnonzero(np.append(is_tie, False) | np.append(False, is_tie))
    tied = order[places]
    order[places] = tied[np.lexsort([one[tied] for one in (*reversed(ties), keys)])]
    return order


def occurrences(keys: IntArray) -> IntArray:
    """How many rows before each one have the same key, `(rows,)`."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    counts = np.empty(len(keys), dtype=np.int64)
    counts[order] = np.arange(len(keys)) - np.searchsorted(ordered, ordered)
    return counts


def _number_keys(numbers: Array) -> Keys:
    with np.errstate(over="ignore", invalid="ignore"):
        # Adding 0 turns a -0 into a 0.
        rounded = (numbers + 0.0).astype(np.float32)
        exact = (numbers + 0.0).view(np.uint64)
        wholes = np.zeros_like(exact)
        large = np.flatnonzero(np.abs(numbers) >= SMALLEST_INEXACT)
        large = large[(numbers[large] % 1 == 0) & (rounded[large] != numbers[large])]
        # The decimal that is written for a float32 stands for it.
        large = large[rounded[large].astype(str).astype(np.float64) != numbers[large]]
    wholes[large] = exact[large]
    return Keys(rounded.view(np.uint32).astype(np.uint64), wholes, exact)


def _spelling_keys(cell: str, cell_format: CellFormat) -> tuple[int, int, int]:
    """Keys of a cell of text; one that is a number, or true or false, has those of the number.

    One that is a date or a time has those of its full form. In a part of the rows, the whole column
    may be numbers.
    """
    number = cell_format.number(cell)
    number = truth(cell) if number is None else number
    if number is None or is_rounded(cell, number):
        named = moment(cell) or moment(cell, ON_NO_DAY)
        key = _text_key(named.isoformat() if named else cell)
        return key, 0, key
    contents, wholes, exact = _number_keys(np.array([number]))
    return int(contents[0]), int(wholes[0]), int(exact[0])


def _text_key(text: str) -> int:
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class GroupSums(NamedTuple):
    """Sums of figures over the rows of each group, mergeable over parts of the rows.

    Attributes
    ----------
    groups
        Keys, ascending, `(groups,)`.
    rows
        How many each has, `(groups,)`.
    sums
        Of each figure, `(figures, groups)`.
    """

    groups: IntArray
    rows: Array
    sums: Array

    @classmethod
    def of(cls, groups: IntArray, rows: Array, figures: Array) -> GroupSums:
        """Sum up figures `(figures, entries)` by their groups, `(entries,)`, each of some rows."""
        distinct, members = np.unique(groups, return_inverse=True)
        sums = [np.bincount(members, figure, minlength=len(distinct)) for figure in figures]
        return cls(distinct, np.bincount(members, rows).astype(np.float64), np.array(sums))

    def smallest(self, count: int) -> GroupSums:
        """Keep so many groups, those with the smallest keys."""
        return GroupSums(self.groups[:count], self.rows[:count], self.sums[:, :count])

    def merge(self, other: GroupSums) -> GroupSums:
        """Take in other rows."""
        both = zip(self, other, strict=True)
        return GroupSums.of(*(np.concatenate(pair, axis=-1) for pair in both))

    def design_effect(self, figure: int, mean: float, squares: float) -> float:
        """How much larger the variance of a mean is because groups of rows are alike.

        The squares of the groups' summed residuals against those of the single rows, at least 1;
        where all rows have the same value, the squares of the groups' sizes against the rows.

        Parameters
        ----------
        figure
            Which of the figures.
        mean, squares
            Of that figure, over all rows; the sum of the squared deviations from the mean.

        References
        ----------
        Kish (1965), "Survey sampling", on design effects and cluster sampling.
        """
        if not squares:
            return float(self.rows @ self.rows / self.rows.sum())
        residuals = self.sums[figure] - self.rows * mean
        return max(1.0, float((residuals**2).sum() / squares))
