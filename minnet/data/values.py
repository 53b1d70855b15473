"""From values in memory to a column, as if they had been written to a CSV and read."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.data.cells import LARGEST_EXACT, USUAL, CellFormat, parse_number
from minnet.data.column import MOST_KEPT_SPELLINGS, Column, ColumnBuilder
from minnet.data.csv_reader import LINES_AT_ONCE
from minnet.data.frames import OF_DATES, Values, number_cells, text_cells, unpack
from minnet.data.names import find_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from minnet.arrays import Array, BoolArray, IntArray

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
