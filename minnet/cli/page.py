"""`minnet page`: one HTML file to explore a model in a browser."""

from __future__ import annotations

import os

import click

from minnet.cli import options
from minnet.page import ROWS

MOST_ROWS = 1_000_000


@click.command("page")
@click.argument("data", required=False)
@options.model_option
@click.option(
    "-o",
    "--output",
    default="page.html",
    show_default=True,
    metavar="FILE",
    help="The page, an HTML file.",
)
@click.option(
    "--rows",
    type=click.IntRange(1, MOST_ROWS),
    default=ROWS,
    show_default=True,
    metavar="N",
    help="How many rows of DATA the page holds at most.",
)
@options.quiet_option
def command(data: str | None, model: str, output: str, rows: int, quiet: bool) -> None:
    """One HTML file to explore a model in a browser.

    It needs no server and loads nothing: open it, or send it to somebody. With the training table
    as DATA it shows scores by networks that never saw the row.

    \b
    Examples:
      minnet page iris.csv
      minnet page penguins.csv --model penguins.json -o penguins.html
    """
    from minnet.model.document import load
    from minnet.page import write_page

    options.if_interrupted(f"{output} was not written")
    options.check_output(output, *([data] if data else []), model)
    options.check_ending(output, ".html", ".htm")
    loaded = load(model)
    table = options.read_data(data, loaded.encoder) if data else None
    write_page(loaded, output, table, rows=rows)
    options.print_message(f"wrote {output} ({os.path.getsize(output) / 1e6:.1f} MB)", quiet=quiet)
