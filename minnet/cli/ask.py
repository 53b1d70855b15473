"""`minnet predict` without DATA on a terminal: ask for one row, answer with bars."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from minnet.cli import text
from minnet.errors import plural, printable

if TYPE_CHECKING:
    from minnet.data.columns import CategoryColumn, NumberColumn
    from minnet.data.table import Table
    from minnet.model.model import Model

BAR_WIDTH = 30
MOST_SHOWN = 8


def ask(model: Model) -> Table:
    """Ask for each feature in turn, showing what training saw; an empty answer is missing."""
    from minnet.data.table import Table

    click.echo("One row to predict; press Enter where a value is missing.", err=True)
    try:
        answers = {column.name: [_ask(column)] for column in model.encoder.columns}
    except click.Abort:
        click.echo(err=True)
        raise
    return Table.from_columns(answers, source="your answers")


def _ask(column: NumberColumn | CategoryColumn) -> str:
    from minnet.data.cells import is_missing, parse_number
    from minnet.data.columns import NumberColumn

    if isinstance(column, NumberColumn):
        seen = f"{column.minimum:g} to {column.maximum:g}"
    else:
        more = ", ..." if len(column.categories) > MOST_SHOWN else ""
        seen = ", ".join(column.categories[:MOST_SHOWN]) + more
    while True:
        question = printable(f"{column.name} ({seen})")
        answer: str = click.prompt(question, "", show_default=False, err=True)
        if not isinstance(column, NumberColumn) or is_missing(answer):
            return answer
        number = parse_number(answer)
        if number is not None and math.isfinite(number):
            return answer
        click.echo(f"{answer!r} is not a number, such as {column.median:g}", err=True)


def answer(model: Model, table: Table) -> str:
    """Draw a bar for each class, the most probable first, with the range over the networks."""
    from minnet.model.prediction import predict

    each = model.member_probabilities(table)[:, 0]
    prediction = predict(model, table)
    probabilities = prediction.probabilities[0]
    networks = len(model.network)
    rows = [
        [
            model.encoder.class_names[label],
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
        f"predicted: {printable(rows[0][0])}, spread over the networks {prediction.spread[0]:.3f}",
        *(printable(f"caution: {caution}") for caution in prediction.cautions[0]),
    ]
    return "\n".join(lines)
