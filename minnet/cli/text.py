"""How numbers look on a terminal: tables, bars, sparklines and shares."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from minnet.errors import printable

WIDTH = 80
"""Columns that a paragraph takes at most."""
_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = "_.-:=+*#"


def blocks() -> str:
    """Eight rising marks that the terminal's encoding can show."""
    try:
        _BLOCKS.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return _ASCII_BLOCKS
    return _BLOCKS


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """Draw values as a row of marks, at most `width`, each the mean of its share of them."""
    width = min(width, len(values))
    bounds = [round(i * len(values) / width) for i in range(width + 1)]
    means = [sum(values[start:stop]) / (stop - start) for start, stop in pairwise(bounds)]
    low, high = min(means), max(means)
    marks = blocks()
    step = (high - low) / (len(marks) - 1) or 1.0
    return "".join(marks[round((mean - low) / step)] for mean in means)


def bar(share: float, width: int) -> str:
    """Draw a share of 0..1 as a bar of at most `width` marks."""
    return blocks()[-1] * round(share * width)


def table(rows: Iterable[Sequence[str]], left: int = 1, indent: str = "") -> str:
    """Line cells up in columns: the first `left` columns to the left, the others to the right."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = (
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )
    return "\n".join(indent + line.rstrip() for line in lines)


def span(low: float, high: float, shown: Callable[[float], str]) -> str:
    """Two numbers as `0.03 to 0.2`; only one if they look alike."""
    return " to ".join(dict.fromkeys(map(shown, (low, high))))


def percent(share: float) -> str:
    """0.953 as `95.3 %`."""
    return f"{100 * share:.1f} %"
