"""How numbers look on a terminal: bars and sparklines.

Options of the commands that learn from DATA: how its cells are read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import pairwise
from typing import Any, NamedTuple

import click

from minnet.data.cells import CellFormat

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


_READING_OPTIONS = [
    click.option(
        "--no-header",
        is_flag=True,
        help="The first line is data: name the columns column1, column2 ...",
    ),
    click.option(
        "--missing",
        multiple=True,
        metavar="WORD",
        help="Read WORD as a missing value, as NA and null are (repeatable). With an empty WORD, "
        "NA and null are classes in the label column.",
    ),
    click.option(
        "--decimal",
        type=click.Choice([".", ","]),
        help="The decimal mark.  [default: . and, unless commas separate the cells, a comma where "
        "a whole column has it]",
    ),
    click.option(
        "--strip",
        default="",
        metavar="CHARACTERS",
        help="Leave these out of numbers, such as '$,' of $1,234.",
    ),
]


class Reading(NamedTuple):
    """How DATA is read to learn from it."""

    no_header: bool
    cell_format: CellFormat


def reading_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how DATA is read; the command gets them as one, `reading`."""

    @wraps(function)
    def command(
        *arguments: Any,
        no_header: bool,
        missing: tuple[str, ...],
        decimal: str | None,
        strip: str,
        **others: Any,
    ) -> None:
        cell_format = CellFormat(missing, decimal or "", strip)
        function(*arguments, reading=Reading(no_header, cell_format), **others)

    for option in reversed(_READING_OPTIONS):
        command = option(command)
    return command
