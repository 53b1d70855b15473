"""What callers from Python give, made plain: settings are checked and converted here alone."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from minnet.errors import SettingsError


def as_integer(name: str, value: Any, smallest: int, largest: int = 2**63 - 1) -> int:
    """Take a whole number within bounds, numpy's too; else raise a `SettingsError`."""
    number = _plain(value)
    if type(number) is int and smallest <= number <= largest:
        return number
    bounds = f"from {smallest} to {largest:,}" if largest < 2**63 - 1 else f"of {smallest} or more"
    raise SettingsError(f"is {number!r}: it must be a whole number {bounds}", name)


def as_number(name: str, value: Any, *, may_be_0: bool = False) -> float:
    """Take a finite number above 0, or 0 where it may be; else raise a `SettingsError`."""
    number = _plain(value)
    if type(number) in (int, float) and 0 <= number <= sys.float_info.max and (may_be_0 or number):
        return float(number)
    bounds = "of 0 or more" if may_be_0 else "above 0"
    shown = f"{number:g}" if type(number) is float else repr(number)
    raise SettingsError(f"is {shown}: it must be a number {bounds}", name)


def as_truth(name: str, value: Any) -> bool:
    """Take True or False; else raise a `SettingsError`."""
    truth = _plain(value)
    if type(truth) is bool:
        return truth
    raise SettingsError(f"is {truth!r}: it must be True or False", name)


def as_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Take one of some words; else raise a `SettingsError`."""
    word = _plain(value)
    if type(word) is str and word in choices:
        return word
    raise SettingsError(f"is {word!r}: it must be {' or '.join(map(repr, choices))}", name)


def as_name(name: str, value: Any) -> str:
    """Take the name of a column, or `None` for none; frames may name it by a number."""
    if value is not None and not is_single(value):
        raise SettingsError(f"is a {type(value).__name__}: it must be the name of a column", name)
    return "" if value is None else str(value)


def as_names(value: Any) -> tuple[str, ...]:
    """Take the name of one column, several, or `None` for none; frames may name them by numbers."""
    return () if value is None else tuple(map(str, as_list(value)))


def as_list(value: Any) -> list[Any]:
    """List the items of a collection; what is none is the only item."""
    return [value] if is_single(value) else list(value)


def is_single(value: Any) -> bool:
    """Whether this is no collection, but one value: a text, a number, an array of no dimensions."""
    is_scalar = isinstance(value, (str, bytes)) or getattr(value, "ndim", 1) == 0
    return is_scalar or not isinstance(value, Iterable)


def _plain(value: Any) -> Any:
    """Make a Python number of one of numpy."""
    return value.item() if getattr(value, "ndim", None) == 0 else value
