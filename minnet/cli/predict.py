"""`minnet predict`: classes and probabilities for new rows."""

from __future__ import annotations

import io
import os
import shutil
import sys
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import click

from minnet.cli import options
from minnet.cli.clusters import cluster
from minnet.cli.parameters import COLUMN, FILE, offered
from minnet.cli.predict_layout import lay_out
from minnet.cli.prediction_texts import SEPARATOR, csv_text, json_text, texts_of
from minnet.errors import FileError, plural, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from click.shell_completion import CompletionItem

    from minnet.cli.predict_layout import Layout
    from minnet.data.csv_reader import CsvReader
    from minnet.data.parquet import ParquetReader
    from minnet.data.table import Table
    from minnet.model.model import Model
    from minnet.model.prediction import Predictions

BYTES_IN_MEMORY = 32 * 2**20


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
    quoted pattern of files, -o names a folder, which gets a file for each of them.

    \b
    Examples:
      minnet predict new.csv
      minnet predict new.csv --id name --columns predicted,spread
      minnet predict - --json < new.csv
      minnet predict new.parquet -o predictions.parquet
      minnet predict 'parts/*.csv' -o predictions
    """
    from minnet.data.files import find_files, is_pattern
    from minnet.model.model_file import load

    if as_json and (columns or ids):
        raise click.UsageError("--columns and --id are for a table, not for --json")
    loaded = load(model)
    if output is not None:
        options.if_interrupted(f"{output} was not written")
        if not (data and is_pattern(data)):
            options.check_output(output, data or "-", model)
    if data is None and sys.stdin is not None and sys.stdin.isatty():
        if output is not None or as_json or columns or ids:
            raise click.UsageError("name a CSV file, or - for standard input")
        from minnet.cli.ask import ask, draw

        options.print_lines(draw(loaded, ask(loaded, quiet=quiet)))
        return
    chosen = ids, columns
    if data is not None and (is_pattern(data) or scheduler is not None):
        find_files(data)
        if output is None or as_json:
            raise click.UsageError(f"{data}: name a folder for the files of predictions with -o")
        notes = _predict_parts(loaded, data, output, chosen, scheduler, workers, quiet=quiet)
    elif as_json:
        if output is not None and output.lower().endswith(".parquet"):
            raise click.UsageError(f"-o {output}: --json is not written as Parquet")
        with options.open_data(data or "-", loaded.encoder) as reader, _output(output) as file:
            _write_json(file, loaded, reader, workers)
        return
    else:
        notes = _predict(loaded, *chosen, data or "-", output, workers)
    for note in notes:
        options.print_message(f"note: {note}", quiet=quiet)


def _predict(
    model: Model,
    ids: Sequence[str],
    columns: Sequence[str],
    data: str,
    output: str | None,
    workers: int = 1,
) -> list[str]:
    """Write a table's rows and what is predicted for them; return what is to be told of it."""
    from minnet.data.parquet import ParquetReader

    ending = "" if output is None else os.path.splitext(output)[1].lower()
    with options.open_data(data, model.encoder) as reader:
        layout = lay_out(model, reader, ids, columns)
        if output is not None and ending == ".parquet":
            if not isinstance(reader, ParquetReader):
                raise click.UsageError(f"-o {output}: only Parquet is written as Parquet")
            _write_parquet(output, model, reader, layout)
            return layout.notes
        delimiter = "\t" if ending == ".tsv" else reader.delimiter
        on_terminal = output is None and sys.stdout.isatty()
        with _output(output) as file:
            _write_csv(file, model, reader, layout, delimiter, workers, on_terminal=on_terminal)
    return layout.notes


def _predict_parts(
    model: Model,
    data: str,
    folder: str,
    chosen: tuple[Sequence[str], Sequence[str]],
    scheduler: str | None,
    workers: int,
    *,
    quiet: bool,
) -> list[str]:
    """Write a file of predictions for each file of a pattern, each whole or not at all."""
    from minnet.cli.progress import Progress
    from minnet.data.files import find_files
    from minnet.training.spread import in_order

    files = find_files(data)
    outputs = {os.path.join(folder, _plain_name(file)): file for file in files}
    if len(outputs) < len(files):
        raise FileError(f"{data}: two of the files have one name, and would be written to one file")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: no folder to write to: {error.strerror or error}") from None
    for output, file in outputs.items():
        options.check_output(output, file)
    progress = Progress("{}/{} files", len(files), quiet=quiet)
    notes: dict[str, None] = {}
    with cluster(scheduler, quiet=quiet) as client, progress:
        spread = workers if client is None else client
        for of_file in in_order(spread, _predict_pair, outputs.items(), model, *chosen):
            notes |= dict.fromkeys(of_file)
            progress.advance()
    options.print_message(f"wrote {plural(len(files), 'file')} to {folder}", quiet=quiet)
    return [*notes]


def _predict_pair(
    model: Model, ids: Sequence[str], columns: Sequence[str], pair: tuple[str, str]
) -> list[str]:
    output, file = pair
    return _predict(model, ids, columns, file, output)


def _plain_name(file: str) -> str:
    """Name what is written for a file: as that, but not packed."""
    name = os.path.basename(file)
    root, ending = os.path.splitext(name)
    return root if ending.lower() in (".gz", ".bz2", ".xz") else name


@contextmanager
def _output(path: str | None) -> Iterator[TextIO]:
    """Text that reaches the file or standard output only when all rows went well."""
    from minnet.storage.files import replaced_file

    if path is not None:
        with replaced_file(path) as file, _as_text(file) as lines:
            yield lines
        return
    import tempfile

    with tempfile.SpooledTemporaryFile(BYTES_IN_MEMORY) as spool:
        with _as_text(spool) as lines:  # type: ignore[arg-type]  # it is a binary file
            yield lines
        spool.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(spool, sys.stdout.buffer)
        sys.stdout.buffer.flush()


@contextmanager
def _as_text(file: BinaryIO) -> Iterator[TextIO]:
    lines = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    try:
        yield lines
    finally:
        lines.detach()


def _parts(
    model: Model, reader: CsvReader | ParquetReader, rows_at_once: int
) -> Iterator[tuple[Table, Any, Predictions]]:
    """Predict chunk by chunk, so that memory does not grow with the rows."""
    from minnet.data.parts import read_parts
    from minnet.errors import DataError
    from minnet.model.prediction import predict

    text, numbers = model.encoder.category_columns, model.encoder.number_columns
    cell_format = model.encoder.reading_format
    table = None
    for table, rows in read_parts(reader, text, numbers, cell_format, rows_at_once):
        yield table, rows, predict(model, table)
    if table is None:
        raise DataError(f"{reader.source}: a header but no rows")


def _write_csv(
    file: TextIO,
    model: Model,
    reader: CsvReader | ParquetReader,
    layout: Layout,
    delimiter: str,
    workers: int,
    *,
    on_terminal: bool,
) -> None:
    """Write each row and what is predicted for it."""
    from minnet.data.csv_writer import csv_lines

    places = [*map(reader.names.index, layout.kept)]
    names = [*layout.kept, *layout.own.values()]
    header = [[printable(name) if on_terminal else name] for name in names]
    file.write(csv_lines(header, delimiter))
    text_of = partial(
        csv_text, places=places, own=[*layout.own], delimiter=delimiter, on_terminal=on_terminal
    )
    with closing(texts_of(model, reader, text_of, workers)) as texts:
        file.writelines(texts)


def _write_parquet(output: str, model: Model, reader: ParquetReader, layout: Layout) -> None:
    """Write each row, its columns as they were, and what is predicted for it."""
    from minnet.data.parquet import ROW_GROUP, ParquetWriter
    from minnet.storage.files import replaced_file

    with replaced_file(output) as file, ParquetWriter(file, layout.kept) as writer:
        for _, batch, predictions in _parts(model, reader, ROW_GROUP):
            columns = predictions.columns
            writer.write(batch, {name: columns[place] for place, name in layout.own.items()})


def _write_json(
    file: TextIO, model: Model, reader: CsvReader | ParquetReader, workers: int
) -> None:
    text_of = partial(json_text, names=model.encoder.class_names)
    with closing(texts_of(model, reader, text_of, workers)) as texts:
        file.write('{"predictions": [' + next(texts).removeprefix(SEPARATOR))
        file.writelines(texts)
    file.write("]}\n")
