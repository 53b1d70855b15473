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
from minnet.errors import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from minnet.data.csv_reader import CsvReader
    from minnet.model.model import Model

BYTES_IN_MEMORY = 32 * 2**20
ROWS_AT_ONCE = 1024
PREFIX = "minnet_"


@click.command("predict")
@click.argument("data", required=False)
@options.model_option
@click.option("-o", "--output", metavar="FILE", help="Write here.  [default: standard output]")
@options.json_option
@options.quiet_option
def command(data: str | None, model: str, output: str | None, as_json: bool, quiet: bool) -> None:
    """Classes and probabilities for new rows.

    Writes the rows of DATA as they are, then the predicted class, a probability for each class,
    the spread of the predicted class's probability over the networks, and a caution where there
    is reason for one. Where DATA has columns of these names, minnet's get the prefix minnet_; the
    columns of an earlier predict are replaced. The label column may be there or not; columns are
    found by name. Cells are written verbatim, a spreadsheet's formula too, but with control
    characters escaped on a terminal. Without DATA, asks for one row at the terminal, or reads
    standard input from a pipe.

    \b
    Examples:
      minnet predict new.csv
      minnet predict - --json < new.csv
    """
    from minnet.model.model_file import load

    loaded = load(model)
    if output is not None:
        options.if_interrupted(f"{output} was not written")
        options.check_output(output, data or "-", model)
    if data is None and sys.stdin is not None and sys.stdin.isatty():
        if output is not None or as_json:
            raise click.UsageError("name a CSV file, or - for standard input")
        from minnet.cli.ask import ask, draw

        options.say(draw(loaded, ask(loaded, quiet=quiet)))
        return
    with options.open_csv(data or "-", loaded.encoder) as reader, _output(output) as file:
        if as_json:
            _write_json(file, loaded, reader)
            return
        on_terminal = output is None and sys.stdout.isatty()
        notes = _write_csv(file, loaded, reader, on_terminal=on_terminal)
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


class _Prediction(NamedTuple):
    """What a model predicts for one row."""

    line: int
    cells: Sequence[str]
    predicted: str
    probabilities: list[float]
    spread: float
    cautions: list[str]


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


def _write_csv(file: TextIO, model: Model, reader: CsvReader, *, on_terminal: bool) -> list[str]:
    """Write each row and what is predicted for it; returns what is to be told about the columns."""
    from minnet.data.csv_reader import INDEX
    from minnet.data.csv_writer import csv_line

    kept, added = _columns(model, reader.names)
    rows = (
        [
            *prediction.cells[: len(kept)],
            prediction.predicted,
            *map("{:.6f}".format, prediction.probabilities),
            f"{prediction.spread:.6f}",
            "; ".join(prediction.cautions),
        ]
        for prediction in _predictions(model, reader)
    )
    for row in chain([[*kept, *added]], rows):
        cells = [*map(printable, row)] if on_terminal else row
        file.write(csv_line(cells, reader.delimiter))
    names = f"{added[0]} to {added[-1]}"
    source, notes = reader.source, []
    if INDEX in kept:
        notes.append(f"{source}: the first column has no name: not used, written as {INDEX!r}")
    taken = [name for name in _added(model, ()) if name in kept]
    if len(kept) < len(reader.names):
        notes.append(f"{source}: the columns {names} of an earlier predict are replaced")
    elif taken:
        notes.append(f"{source} has a column {taken[0]!r}: those that predict adds are {names}")
    return notes


def _columns(model: Model, names: list[str]) -> tuple[list[str], list[str]]:
    """Which columns of a file to write again, and the names of those that minnet adds.

    What an earlier predict added is left out: all columns that it adds to the columns before them,
    in this order and at the end, unless the model was trained on one of them.
    """
    number = len(_added(model, ()))
    kept, last = names[:-number], names[-number:]
    used = {column.name for column in model.encoder.columns} | {model.encoder.target}
    if last == _added(model, kept) and used.isdisjoint(last):
        return kept, last
    return names, _added(model, names)


def _added(model: Model, taken: Collection[str]) -> list[str]:
    """Name the columns that minnet adds to those `taken`: with a prefix, if one of them is."""
    probabilities = [f"p({name})" for name in model.encoder.class_names]
    added = ["predicted", *probabilities, "spread", "caution"]
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
