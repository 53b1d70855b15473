"""How numbers look on a terminal: tables, bars, sparklines and shares."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise

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
