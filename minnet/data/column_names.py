"""Names of columns that have none, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence, Sized

INDEX = "(index)"
"""What the first column is called if it has no name, as in what pandas writes by default."""


def is_index(name: str) -> bool:
    """Whether a column has no name of its own; pandas calls it `__index_level_0__` in Parquet."""
    return name == INDEX or name.startswith("__index_level_")


def default_target(names: Sequence[str]) -> str:
    """Which column holds the labels if none is named: the last that has a name."""
    return ([name for name in names if not is_index(name)] or [*names])[-1]


def default_names(cells: Sized) -> list[str]:
    """column1, column2, ...: for a file without a header, given a row of it."""
    return [f"column{position}" for position in range(1, len(cells) + 1)]
