"""The parts of a table put together, where they fit into memory."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from minnet.data.column import Column
from minnet.data.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet.arrays import IntArray


def join_tables(tables: Sequence[Table], source: str) -> Table:
    """Put tables below each other, as one whose rows are counted.

    Parameters
    ----------
    tables
        Tables whose summaries could be merged; see `minnet.data.summaries`.
    source
        A name for all of them.
    """
    filled = [table for table in tables if len(table)] or [*tables[:1]]
    columns = {
        name: _joined([table.columns[name] for table in filled]) for name in tables[0].columns
    }
    joined = Table.of(columns, source)
    sha256 = hashlib.sha256()
    for table in tables:
        sha256.update(table.sha256.encode())
    joined.sha256 = sha256.hexdigest()
    joined.has_header, joined.cell_format = filled[0].has_header, filled[0].cell_format
    return joined


def _joined(parts: Sequence[Column]) -> Column:
    first = parts[0]
    numbers = codes = None
    spellings: dict[str, int] = {}
    missing: dict[str, int] = {}
    numeric = [part.numbers for part in parts if part.numbers is not None]
    if len(numeric) == len(parts):
        numbers = np.concatenate(numeric)
    if all(part.codes is not None for part in parts):
        codes = np.concatenate([_codes(part, spellings, missing) for part in parts])
    return Column(
        first.name,
        numbers,
        codes,
        tuple(spellings),
        missing_spellings=tuple(missing),
        cell_format=first.cell_format,
        first_word=next((part.first_word for part in parts if part.first_word), None),
    )


def _codes(part: Column, spellings: dict[str, int], missing: dict[str, int]) -> IntArray:
    """Codes of a part among all spellings so far, and its own."""
    assert part.codes is not None
    present = [spellings.setdefault(cell, len(spellings)) for cell in part.spellings]
    absent = [missing.setdefault(cell, -1 - len(missing)) for cell in part.missing_spellings]
    # Codes of missing cells count from the end.
    return np.array([*present, *reversed(absent)], dtype=np.int32)[part.codes]
