"""A row's identity is its content: a 64-bit key, whatever became of the file in between.

The key follows from the values of the feature columns, by column name, from the label and from the
occurrence number (the first, second, ... row with that content). So the order of rows and columns,
quoting, line endings and `5.10` for `5.1` do not change it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from minnet.data.cells import without_zeros

if TYPE_CHECKING:
    from collections.abc import Iterable

    from minnet.arrays import Array, IntArray
    from minnet.data.column import Column

MISSING = 0x9AE16A3B2F90404F
OCCURRENCE = np.uint64(0x9E3779B97F4A7C15)
# Numbers count as equal if they agree to 40 bits (12 digits): a spreadsheet keeps no more than 15.
DROPPED_BITS = np.uint64(12)


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


def cell_keys(column: Column, *, by_value: bool) -> IntArray:
    """Key of each cell with the name of its column, `(rows,)`.

    Parameters
    ----------
    by_value
        Whether numbers count by value; else all cells count as they are written.
    """
    if by_value and column.numbers is not None:
        keys = _number_keys(column.numbers)
        keys[column.missing] = MISSING
    else:
        number = column.cell_format.number
        values = [number(cell) if by_value else None for cell in column.spellings]
        distinct = [
            _text_key(without_zeros(cell))
            if value is None
            else int(_number_keys(np.array([value]))[0])
            for cell, value in zip(column.spellings, values, strict=True)
        ]
        missing = [MISSING] * len(column.missing_spellings)
        keys = np.array([*distinct, *missing], dtype=np.uint64)[column.codes]
    keys ^= np.uint64(_text_key(column.name.strip()))
    return mixed(keys)


def row_keys(cells: Iterable[IntArray], *, tell_repeats: bool = True) -> tuple[IntArray, IntArray]:
    """Combine the keys of the cells of each row.

    Parameters
    ----------
    cells
        From `cell_keys`, one or more, each `(rows,)`; in any order.
    tell_repeats
        Whether rows with the same content get different keys.

    Returns
    -------
    tuple
        Keys, and the occurrence number of each row: 0 for the first one with its content.
    """
    contents: IntArray = np.zeros(1, dtype=np.uint64)
    for keys in cells:
        contents = contents + keys
    contents = mixed(contents)
    occurrences = _occurrences(contents)
    if tell_repeats:
        contents += OCCURRENCE * occurrences.astype(np.uint64)
    return mixed(contents), occurrences


def _occurrences(contents: IntArray) -> IntArray:
    """How many rows before each one have the same content, `(rows,)`."""
    order = np.argsort(contents, kind="stable")
    ordered = contents[order]
    places = np.arange(len(contents))
    is_first = np.empty(len(contents), dtype=np.bool_)
    is_first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    occurrences = np.empty(len(contents), dtype=np.int64)
    occurrences[order] = places - np.maximum.accumulate(np.where(is_first, places, 0))
    return occurrences


def _number_keys(numbers: Array) -> IntArray:
    # Adding 0 turns a -0 into a 0.
    bits = (numbers + 0.0).view(np.uint64)
    return (bits + (np.uint64(1) << (DROPPED_BITS - np.uint64(1)))) >> DROPPED_BITS


def _text_key(text: str) -> int:
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
