"""`minnet predict`: classes and probabilities for new rows."""

from __future__ import annotations

import io
import json
import shutil
import sys
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TextIO

import click

from minnet.cli import options
from minnet.cli.parameters import COLUMN, FILE, offered
from minnet.errors import SettingsError, printable, unknown_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from click.shell_completion import CompletionItem

    from minnet.data.csv_reader import CsvReader
    from minnet.model.model import Model

BYTES_IN_MEMORY = 32 * 2**20
ROWS_AT_ONCE = 1024
PREFIX = "minnet_"
OWN_COLUMNS = ("predicted", "spread", "caution")


def _complete_columns(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer those of minnet's columns that need no model, also after a comma."""
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
@options.quiet_option
def command(
    data: str | None,
    model: str,
    output: str | None,
    columns: tuple[str, ...],
    ids: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Classes and probabilities for new rows.

    Writes the rows of DATA as they are, then the predicted class, a probability for each class,
    the spread of the predicted class's probability over the networks, and a caution where there
    is reason for one. Where DATA has columns of these names, minnet's get the prefix minnet_; the
    columns of an earlier predict are replaced. The label column may be there or not; columns are
    found by name. Cells are written verbatim, a spreadsheet's formula too, but with control
    characters escaped on a terminal. Without DATA, asks for one row at the terminal, or reads
    standard input from a pipe. A file that ends in .tsv gets tabs, any other table the delimiter of
    DATA.

    \b
    Examples:
      minnet predict new.csv
      minnet predict new.csv --id name --columns predicted,spread
      minnet predict - --json < new.csv
    """
    from minnet.model.model_file import load

    if as_json and (columns or ids):
        raise click.UsageError("--columns and --id are for a table, not for --json")
    loaded = load(model)
    if output is not None:
        options.if_interrupted(f"{output} was not written")
        options.check_output(output, data or "-", model)
    if data is None and sys.stdin is not None and sys.stdin.isatty():
        if output is not None or as_json or columns or ids:
            raise click.UsageError("name a CSV file, or - for standard input")
        from minnet.cli.ask import ask, draw

        options.say(draw(loaded, ask(loaded, quiet=quiet)))
        return
    with options.open_csv(data or "-", loaded.encoder) as reader, _output(output) as file:
        if as_json:
            _write_json(file, loaded, reader)
            return
        on_terminal = output is None and sys.stdout.isatty()
        delimiter = "\t" if output is not None and output.lower().endswith(".tsv") else None
        layout = _Layout(ids, columns, delimiter, on_terminal)
        notes = _write_csv(file, loaded, reader, layout)
    for note in notes:
        options.talk(f"note: {note}", quiet=quiet)


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


class _Layout(NamedTuple):
    """What a table of predictions looks like."""

    ids: tuple[str, ...]
    columns: tuple[str, ...]
    delimiter: str | None
    on_terminal: bool

    @property
    def is_chosen(self) -> bool:
        """Whether only some columns are asked for."""
        return bool(self.ids or self.columns)

    def own_names(self, model: Model) -> list[str]:
        """Which of minnet's columns to write: a word may hold several names, with commas."""
        names = _added(model, ())
        chosen = [
            name for word in self.columns for name in ([word] if word in names else word.split(","))
        ]
        for name in chosen:
            if name not in names:
                raise SettingsError(unknown_name("predict", "column", name, names))
        return [*dict.fromkeys(chosen)] or names


class _Prediction(NamedTuple):
    """What a model predicts for one row."""

    line: int
    cells: Sequence[str]
    predicted: str
    probabilities: list[float]
    spread: float
    cautions: list[str]

    @property
    def own_cells(self) -> list[str]:
        """Cells of the columns that `_added` names."""
        return [
            self.predicted,
            *map("{:.6f}".format, self.probabilities),
            f"{self.spread:.6f}",
            "; ".join(self.cautions),
        ]


def _predictions(model: Model, reader: CsvReader) -> Iterator[_Prediction]:
    """Predict chunk by chunk, so that memory does not grow with the rows."""
    from minnet.data.table import Table
    from minnet.errors import DataError
    from minnet.model.prediction import predict

    text, numbers = model.encoder.category_columns, model.encoder.number_columns
    names = model.encoder.class_names
    cell_format = model.encoder.reading_format.for_file(reader.delimiter)
    chunk = None
    for chunk in reader.chunks(ROWS_AT_ONCE):
        table = Table.from_chunks(reader.source, reader.names, [chunk], text, numbers, cell_format)
        predictions = predict(model, table)
        yield from map(
            _Prediction,
            chunk.lines,
            chunk.rows,
            [names[label] for label in predictions.labels],
            predictions.probabilities.tolist(),
            predictions.spread.tolist(),
            predictions.cautions,
        )
    if chunk is None:
        raise DataError(f"{reader.source}: a header but no rows")


def _write_csv(file: TextIO, model: Model, reader: CsvReader, layout: _Layout) -> list[str]:
    """Write each row and what is predicted for it; returns what is to be told about the columns."""
    from minnet.data.csv_reader import INDEX
    from minnet.data.csv_writer import csv_line

    kept = _kept(model, reader, layout)
    added = _added(model, kept)
    own = [*map(_added(model, ()).index, layout.own_names(model))]
    places = [*map(reader.names.index, kept)]
    rows = (
        [*map(prediction.cells.__getitem__, places), *map(prediction.own_cells.__getitem__, own)]
        for prediction in _predictions(model, reader)
    )
    for row in chain([[*kept, *map(added.__getitem__, own)]], rows):
        cells = [*map(printable, row)] if layout.on_terminal else row
        file.write(csv_line(cells, layout.delimiter or reader.delimiter))
    names = f"{added[0]} to {added[-1]}"
    source, notes = reader.source, []
    if INDEX in kept:
        notes.append(f"{source}: the first column has no name: not used, written as {INDEX!r}")
    taken = [name for name in _added(model, ()) if name in kept]
    if not layout.is_chosen and len(kept) < len(reader.names):
        notes.append(f"{source}: the columns {names} of an earlier predict are replaced")
    elif taken:
        notes.append(f"{source} has a column {taken[0]!r}: those that predict adds are {names}")
    return notes


def _kept(model: Model, reader: CsvReader, layout: _Layout) -> list[str]:
    """Which columns of a file to write again: those asked for, or all.

    Of all, what an earlier predict added is left out: all columns that it adds to the columns
    before them, in this order and at the end, unless the model was trained on one of them.
    """
    names = reader.names
    if layout.is_chosen:
        for name in layout.ids:
            if name not in names:
                raise SettingsError(unknown_name(reader.source, "column", name, names))
        return [*dict.fromkeys(layout.ids)]
    number = len(_added(model, ()))
    kept, last = names[:-number], names[-number:]
    used = {column.name for column in model.encoder.columns} | {model.encoder.target}
    return kept if last == _added(model, kept) and used.isdisjoint(last) else names


def _added(model: Model, taken: Collection[str]) -> list[str]:
    """Name the columns that minnet adds to those `taken`: with a prefix, if one of them is."""
    probabilities = [f"p({name})" for name in model.encoder.class_names]
    first, *last = OWN_COLUMNS
    added = [first, *probabilities, *last]
    while not set(added).isdisjoint(taken):
        added = [PREFIX + name for name in added]
    return added


def _write_json(file: TextIO, model: Model, reader: CsvReader) -> None:
    separator = '{"predictions": ['
    for prediction in _predictions(model, reader):
        document = {
            "line": prediction.line,
            "predicted": prediction.predicted,
            "probabilities": dict(
                zip(model.encoder.class_names, prediction.probabilities, strict=True)
            ),
            "spread": prediction.spread,
            "caution": prediction.cautions,
        }
        file.write(separator + json.dumps(document))
        separator = ",\n"
    file.write("]}\n")
