"""`minnet page`: one HTML file to explore a model in a browser."""

from __future__ import annotations

import os

import click

from minnet.cli import options
from minnet.errors import plural
from minnet.pages import ROWS
from minnet.pages import page as write_page

MOST_ROWS = 1_000_000


@options.command(
    "page",
    click.argument("data", required=False),
    "model",
    options.option("-o --output", options.FILE, "The page, an HTML file.", default="page.html"),
    options.option(
        "--rows",
        click.IntRange(1, MOST_ROWS),
        "How many rows of DATA the page holds at most.",
        default=ROWS,
        metavar="N",
    ),
    "quiet",
)
def command(request: options.Request, output: str, rows: int) -> None:
    """One HTML file to explore a model in a browser.

    It needs no server and loads nothing: open it, or send it to somebody. With the training table
    as DATA it shows scores by networks that never saw the row.

    \b
    Examples:
      minnet page iris.csv
      minnet page penguins.csv --model penguins.json -o penguins.html
    """
    request.check_output(output, "", ".html", ".htm")
    model = request.load_model()
    table = request.read_data(model.encoder) if request.data else None
    document = write_page(model, output, table, rows=rows)
    request.say(f"wrote {output} ({os.path.getsize(output) / 1e6:.1f} MB)")
    if table:
        held = plural(len(document["table"]["numbers"]), "row")
        request.say(f"it holds {held} of the table: who passes it on passes them on")
