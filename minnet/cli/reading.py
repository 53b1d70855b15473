"""Options of the commands that learn from DATA: how its cells are read."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from minnet.data.cells import CellFormat

if TYPE_CHECKING:
    from collections.abc import Callable

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
