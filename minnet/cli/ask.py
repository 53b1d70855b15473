"""`minnet predict` without DATA on a terminal: ask for one row, draw its prediction as bars."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from minnet.cli import options, text
from minnet.data.names import short_names
from minnet.errors import in_list, plural, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet.data.cells import CellFormat
    from minnet.data.columns import CategoricalColumn, NumericColumn
    from minnet.data.table import Table
    from minnet.model.model import Model

BAR_WIDTH = 30
MOST_SHOWN = 8


def ask(model: Model, *, quiet: bool = False) -> Table:
    """Ask for each feature in turn, showing what training saw; nothing entered is missing."""
    from minnet.data.table import Table

    cell_format = model.encoder.reading_format.for_file("")
    options.print_message("One row to predict; press Enter where a value is missing.", quiet=quiet)
    try:
        cells = {column.name: [_ask(column, cell_format)] for column in model.encoder.columns}
    except click.Abort:
        click.echo(err=True)
        raise
    return Table.from_columns(cells, "what you entered", cell_format=cell_format)


def _ask(column: NumericColumn | CategoricalColumn, cell_format: CellFormat) -> str:
    from minnet.data.cells import truth
    from minnet.data.columns import NumericColumn

    if isinstance(column, NumericColumn):
        seen = f"{column.shown(column.minimum)} to {column.shown(column.maximum)}"
    else:
        more = ", ..." if len(column.categories) > MOST_SHOWN else ""
        seen = ", ".join(map(in_list, column.categories[:MOST_SHOWN])) + more
    question = printable(f"{column.name} ({seen})")
    while True:
        cell: str = click.prompt(question, "", show_default=False, err=True)
        if cell_format.is_missing(cell):
            return cell
        if isinstance(column, NumericColumn):
            number = cell_format.number(cell)
            if number is None and column.takes_words:
                number = truth(cell)
            if number is not None and math.isfinite(number):
                return cell
            reason = f"{cell!r} is not a number, such as {column.shown(column.median)}"
        elif cell in column.categories:
            return cell
        else:
            reason = f"{cell!r} is not a known category: {_known(cell, column.categories)}"
        options.print_message(reason)


def _known(cell: str, categories: Sequence[str]) -> str:
    """Offer the categories there are: all if they are few, else those that look alike."""
    import difflib  # only needed after a mistake

    if len(categories) <= MOST_SHOWN:
        return f"enter {', '.join(map(repr, categories))} or nothing"
    by_form = {category.casefold(): category for category in categories}
    close = difflib.get_close_matches(cell.casefold(), by_form, n=MOST_SHOWN)
    if close:
        guess = " or ".join(repr(by_form[form]) for form in close)
        return f"did you mean {guess}? ({len(categories)} are known)"
    return f"{len(categories)} are known, such as {', '.join(map(repr, categories[:MOST_SHOWN]))}"


def draw(model: Model, table: Table) -> str:
    """Draw a bar for each class, the most probable first, with the range over the networks."""
    from minnet.model.prediction import predict

    each = model.member_probabilities(table)[:, 0]
    prediction = predict(model, table)
    probabilities = prediction.probabilities[0]
    networks = len(model.network)
    names = short_names(model.encoder.class_names)
    rows = [
        [
            names[label],
            text.bar(probabilities[label], BAR_WIDTH),
            text.percent(probabilities[label]),
            f"{100 * each[:, label].min():.1f} to {100 * each[:, label].max():.1f} %",
        ]
        for label in (-probabilities).argsort(kind="stable")
    ]
    header = ["class", "", "probability", f"over {plural(networks, 'network')}"]
    lines = [
        text.table([header, *rows], left=2),
        "",
        f"predicted: {rows[0][0]}, spread over the networks {prediction.spread[0]:.3f}",
        *(printable(f"caution: {caution}") for caution in prediction.cautions[0]),
    ]
    return "\n".join(lines)
