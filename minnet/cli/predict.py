"""`minnet predict`: classes and probabilities for new rows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from minnet.cli import options
from minnet.cli.clusters import refuse_workers
from minnet.cli.parameters import COLUMN, FILE, offered

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _complete_columns(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer those of minnet's columns that need no model, also after a comma."""
    from minnet.model.prediction import OWN_COLUMNS

    before, comma, _ = incomplete.rpartition(",")
    return offered((before + comma + name for name in OWN_COLUMNS), incomplete)


@click.command("predict")
@click.argument("data", type=FILE, required=False)
@options.model_option
@click.option("-o", "--output", type=FILE, help="Write here.  [default: standard output]")
@click.option(
    "--columns",
    multiple=True,
    metavar="NAMES",
    shell_complete=_complete_columns,
    help="Write only these of minnet's columns, such as predicted,spread, and of DATA only what "
    "--id names (repeatable).",
)
@click.option(
    "--id",
    "ids",
    multiple=True,
    type=COLUMN,
    help="Write only this column of DATA (repeatable).",
)
@options.json_option
@options.workers_option
@options.scheduler_option
@options.quiet_option
def command(
    data: str | None,
    model: str,
    output: str | None,
    columns: tuple[str, ...],
    ids: tuple[str, ...],
    as_json: bool,
    workers: int,
    scheduler: str | None,
    quiet: bool,
) -> None:
    """Classes and probabilities for new rows.

    DATA is a CSV or a Parquet file. Writes its rows as they are, then the predicted class, a
    probability for each class, the spread of the predicted class's probability over the networks,
    and a caution where there is reason for one. Where DATA has columns of these names, minnet's
    get the prefix minnet_; the columns of an earlier predict are replaced. The label column may be
    there or not; columns are found by name. Cells are written verbatim, a spreadsheet's formula
    too, but with control characters escaped on a terminal. Without DATA, asks for one row at the
    terminal, or reads standard input from a pipe. Of Parquet, a file that ends in .parquet is
    Parquet again; a file that ends in .tsv gets tabs, any other table the delimiter of DATA. For a
    quoted pattern of files, -o names a folder, which gets a file for each of them, or none.

    \b
    Examples:
      minnet predict new.csv
      minnet predict new.csv --id name --columns predicted,spread
      minnet predict - --json < new.csv
      minnet predict new.parquet -o predictions.parquet
      minnet predict 'parts/*.csv' -o predictions
    """
    from minnet.cli.predictions import Request, predict_file, predict_files
    from minnet.data.files import files_of, is_pattern
    from minnet.model.model_file import load

    if as_json and (columns or ids):
        raise click.UsageError("--columns and --id are for a table, not for --json")
    loaded = load(model)
    in_parts = data is not None and (is_pattern(data) or scheduler is not None)
    if output is not None:
        options.if_interrupted(f"{output} was not written")
        if not in_parts:
            options.check_output(output, data or "-", model)
    if data is None and sys.stdin is not None and sys.stdin.isatty():
        if output is not None or as_json or columns or ids:
            raise click.UsageError("name a CSV file, or - for standard input")
        from minnet.cli.ask import ask, draw

        options.print_lines(draw(loaded, ask(loaded, quiet=quiet)))
        return
    request = Request(ids, columns, as_json)
    if data is not None and in_parts:
        refuse_workers(scheduler)
        files = files_of(data)
        if output is None or as_json:
            raise click.UsageError(f"{data}: name a folder for the files of predictions with -o")
        notes = predict_files(
            loaded, request, files, output, (data, model), scheduler, workers, quiet=quiet
        )
    else:
        notes = predict_file(loaded, request, data or "-", output, workers)
    for note in notes:
        options.print_message(f"note: {note}", quiet=quiet)
