"""`minnet predict`: classes and probabilities for new rows."""

from __future__ import annotations

import io
import json
import shutil
import sys
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TextIO

import click

from minnet.cli import options
from minnet.errors import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from minnet.data.csv_reader import CsvReader
    from minnet.data.parquet import ParquetReader
    from minnet.data.table import Table
    from minnet.model.model import Model
    from minnet.model.prediction import Predictions

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

    DATA is a CSV or a Parquet file. Writes its rows as they are, then the predicted class, a
    probability for each class, the spread of the predicted class's probability over the networks,
    and a caution where there is reason for one. Where DATA has columns of these names, minnet's
    get the prefix minnet_; the columns of an earlier predict are replaced. The label column may be
    there or not; columns are found by name. Cells are written verbatim, a spreadsheet's formula
    too, but with control characters escaped on a terminal. Without DATA, asks for one row at the
    terminal, or reads standard input from a pipe.

    \b
    Examples:
      minnet predict new.csv
      minnet predict - --json < new.csv
      minnet predict new.parquet -o predictions.parquet
    """
    from minnet.data.parquet import ParquetReader
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
    with options.open_data(data or "-", loaded.encoder) as reader:
        if output is not None and output.lower().endswith(".parquet"):
            if as_json or not isinstance(reader, ParquetReader):
                raise click.UsageError(f"-o {output}: only Parquet is written as Parquet")
            note = _write_parquet(output, loaded, reader)
        else:
            with _output(output) as file:
                if as_json:
                    _write_json(file, loaded, reader)
                    return
                on_terminal = output is None and sys.stdout.isatty()
                note = _write_csv(file, loaded, reader, on_terminal=on_terminal)
    if note:
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


def _parts(
    model: Model, reader: CsvReader | ParquetReader, rows_at_once: int
) -> Iterator[tuple[Table, Any, Predictions]]:
    """Predict chunk by chunk, so that memory does not grow with the rows."""
    from minnet.data.table import read_parts
    from minnet.errors import DataError
    from minnet.model.prediction import predict

    text, numbers = model.encoder.category_columns, model.encoder.number_columns
    table = None
    for table, rows in read_parts(reader, text, numbers, rows_at_once):
        yield table, rows, predict(model, table)
    if table is None:
        raise DataError(f"{reader.source}: a header but no rows")


def _predictions(model: Model, reader: CsvReader | ParquetReader) -> Iterator[_Prediction]:
    from minnet.data.frames import rows_of_cells

    for table, rows, predictions in _parts(model, reader, ROWS_AT_ONCE):
        yield from map(
            _Prediction,
            table.lines.tolist(),
            rows if isinstance(rows, list) else rows_of_cells(rows),
            predictions.predicted,
            predictions.probabilities.tolist(),
            predictions.spread.tolist(),
            predictions.cautions,
        )


def _write_csv(
    file: TextIO, model: Model, reader: CsvReader | ParquetReader, *, on_terminal: bool
) -> str | None:
    """Write each row and what is predicted for it; returns what is to be told about the columns."""
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
    return _note(model, reader, kept, added)


def _write_parquet(output: str, model: Model, reader: ParquetReader) -> str | None:
    """Write each row, its columns as they were, and what is predicted for it."""
    from minnet.data.parquet import ROW_GROUP, ParquetWriter
    from minnet.storage.files import replaced_file

    kept, added = _columns(model, reader.names)
    with replaced_file(output) as file, ParquetWriter(file, kept) as writer:
        for _, batch, predictions in _parts(model, reader, ROW_GROUP):
            cautions = ["; ".join(reasons) for reasons in predictions.cautions]
            columns = (predictions.predicted, *predictions.probabilities.T, predictions.spread)
            writer.write(batch, dict(zip(added, (*columns, cautions), strict=True)))
    return _note(model, reader, kept, added)


def _note(
    model: Model, reader: CsvReader | ParquetReader, kept: list[str], added: list[str]
) -> str | None:
    names = f"{added[0]} to {added[-1]}"
    if len(kept) < len(reader.names):
        return f"{reader.source}: the columns {names} of an earlier predict are replaced"
    taken = [name for name in _added(model, ()) if name in kept]
    if taken:
        return f"{reader.source} has a column {taken[0]!r}: those that predict adds are {names}"
    return None


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


def _write_json(file: TextIO, model: Model, reader: CsvReader | ParquetReader) -> None:
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
