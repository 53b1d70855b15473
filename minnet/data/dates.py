"""Dates and times of day in cells, as ISO 8601 writes them, and what they have in common.

A month, a weekday and an hour come again, so a network learns them as categories. The day itself
does not: next year's rows would all lie outside the training range.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import takewhile

ON_NO_DAY = "1970-01-01T"
"""What makes a moment of a time of day."""
MONTHS = "January February March April May June July August September October November December"
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
DERIVED: dict[str, tuple[list[str], Callable[[datetime], int]]] = {
    "month": (MONTHS.split(), lambda one: one.month - 1),
    "weekday": (WEEKDAYS.split(), datetime.weekday),
    "hour": ([*map(str, range(24))], lambda one: one.hour),
}
"""Names of all months, weekdays and hours, and which of them is that of a moment."""


def moment(cell: str, day: str = "") -> datetime | None:
    """Read a date with or without a time, a zone's as UTC; `None` for anything else.

    A whole number stays one, though ISO has 20240304 for a date.

    Parameters
    ----------
    day
        `ON_NO_DAY` if it is to be a time of day.

    >>> moment("2024-03-04 01:30+02:00"), moment("03/04/2024"), moment("13:30", ON_NO_DAY)
    (datetime.datetime(2024, 3, 3, 23, 30), None, datetime.datetime(1970, 1, 1, 13, 30))
    """
    text = cell.strip()
    # 10-12 would be a time of day at a zone's offset.
    if text.isdecimal() or (day and text[2:3] != ":"):
        return None
    try:
        read = datetime.fromisoformat(day + text)
        return read.astimezone(UTC).replace(tzinfo=None) if read.tzinfo else read
    except (ValueError, OverflowError):
        return None


def moments(cells: Iterable[str], day: str = "") -> list[datetime]:
    """Read cells up to the first that is no such moment."""
    read = (moment(cell, day) for cell in cells)
    return [*takewhile(bool, read)]  # type: ignore[list-item]  # no `None`


def calendar(counts: Mapping[str, int]) -> Counter[tuple[str, int]] | None:
    """Count months, weekdays and hours of cells that are all dates; of times of day, hours alone.

    `None` if they are neither. The keys are those of `DERIVED`, with the place of a name.
    """
    for day, kinds in (("", [*DERIVED]), (ON_NO_DAY, ["hour"])):
        read = moments(counts, day)
        if len(read) == len(counts):
            seen: Counter[tuple[str, int]] = Counter()
            for one, rows in zip(read, counts.values(), strict=True):
                seen.update({(kind, DERIVED[kind][1](one)): rows for kind in kinds})
            return seen
    return None


def names_in_turn(kind: str, seen: Counter[tuple[str, int]]) -> tuple[str, ...]:
    """Name the months there were as they follow each other, from the most frequent one on.

    >>> names_in_turn("month", Counter({("month", 0): 3, ("month", 5): 5, ("month", 6): 5}))
    ('June', 'July', 'January')
    """
    names = DERIVED[kind][0]
    places = [place for place in range(len(names)) if seen[kind, place]]
    first = max(places, key=lambda place: seen[kind, place], default=0)
    return tuple(names[place] for place in sorted(places, key=lambda place: (place < first, place)))
