"""Names of columns, categories and classes, made fit to stand in a report or a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minnet.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

LONGEST_NAME = 24


def short_names(names: Iterable[str], longest: int = LONGEST_NAME) -> list[str]:
    """Make names that stand together short and printable, and keep them distinct.

    A name is cut in the middle, because the end of `flipper_length_mm is missing` matters as much
    as the beginning; one with white space that cannot be seen is put in quotes. Names that look
    alike after that are numbered.

    >>> short_names(["a", "a ", "a name that is far too long 1", "a name that was far too long 1"])
    ['a', "'a '", 'a name tha...oo long 1', 'a name tha...oo long 1 (2)']
    """
    shown_names: dict[str, None] = {}
    for name in names:
        short = shown = short_name(name, longest)
        number = 1
        while shown in shown_names:
            number += 1
            shown = f"{short} ({number})"
        shown_names[shown] = None
    return list(shown_names)


def short_name(name: str, longest: int = LONGEST_NAME) -> str:
    """Make a name short and printable, without a look at others."""
    shown = printable(name)
    if shown != " ".join(shown.split()):
        shown = f"'{shown}'"
    return cut_middle(shown, longest)


def cut_middle(text: str, longest: int) -> str:
    """Leave out the middle of a text that is too long."""
    if len(text) <= longest:
        return text
    kept = longest - 3
    return f"{text[: kept // 2]}...{text[-(kept - kept // 2) :]}"


def find_name(name: str, names: Collection[str]) -> str | None:
    """Find a name, or else the only one that differs from it just in white space around it."""
    if name in names:
        return name
    alike = [other for other in names if other.strip() == name.strip()]
    return alike[0] if len(alike) == 1 else None


def check_same_columns(
    one: str, names: Iterable[str], other: str, other_names: Iterable[str]
) -> None:
    """Refuse two files, or parts of a table, that have not the same columns.

    Raises
    ------
    DataError
        If a column is in one of them only.
    """
    columns, other_columns = dict.fromkeys(names), dict.fromkeys(other_names)
    for name in columns | other_columns:
        if name not in columns or name not in other_columns:
            without, having = (other, one) if name in columns else (one, other)
            raise DataError(f"{without} has no column {name!r}, but {having} has one")
