"""`minnet predict`: classes and probabilities for new rows."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TextIO

import click

from minnet.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from minnet.data.csv_reader import CsvReader
    from minnet.model.model import Model

BYTES_IN_MEMORY = 32 * 2**20
ROWS_AT_ONCE = 1024


@click.command("predict")
@click.argument("data", required=False)
@options.model_option
@click.option("-o", "--output", metavar="FILE", help="Write here.  [default: standard output]")
@options.json_option
def command(data: str | None, model: str, output: str | None, as_json: bool) -> None:
    """Classes and probabilities for new rows.

    Writes the rows of DATA as they are, then the predicted class, a probability for each class,
    the spread of the predicted class's probability over the networks, and a caution where there
    is reason for one. The label column may be there or not; columns are found by name. Cells are
    written verbatim, a spreadsheet's formula too. Without DATA, asks for one row at the terminal,
    or reads standard input from a pipe.

    \b
    Examples:
      minnet predict new.csv
      minnet predict - --json < new.csv
    """
    from minnet.model.model import Model

    loaded = Model.load(model)
    if output is not None:
        options.if_interrupted(f"{output} was not written")
        options.check_output(output, data or "-", model)
    if data is None and sys.stdin is not None and sys.stdin.isatty():
        if output is not None or as_json:
            raise click.UsageError("name a CSV file, or - for standard input")
        from minnet.cli.ask import answer, ask

        options.say(answer(loaded, ask(loaded)))
        return
    write = _write_json if as_json else _write_csv
    with options.open_csv(data or "-", loaded.encoder) as reader, _output(output) as file:
        write(file, loaded, reader)


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


class _Answer(NamedTuple):
    """What a model says of one row."""

    line: int
    cells: Sequence[str]
    predicted: str
    probabilities: list[float]
    spread: float
    cautions: list[str]


def _answers(model: Model, reader: CsvReader) -> Iterator[_Answer]:
    """Answer chunk by chunk, so that memory does not grow with the rows."""
    from minnet.data.table import Table
    from minnet.errors import DataError
    from minnet.model.prediction import predict

    text, numbers = model.encoder.category_columns, model.encoder.number_columns
    names = model.encoder.class_names
    chunk = None
    for chunk in reader.chunks(ROWS_AT_ONCE):
        table = Table.from_chunks(reader.source, reader.names, [chunk], text, numbers)
        answers = predict(model, table)
        yield from map(
            _Answer,
            chunk.lines,
            chunk.rows,
            [names[label] for label in answers.labels],
            answers.probabilities.tolist(),
            answers.spread.tolist(),
            answers.cautions,
        )
    if chunk is None:
        raise DataError(f"{reader.source}: a header but no rows")


def _write_csv(file: TextIO, model: Model, reader: CsvReader) -> None:
    from minnet.errors import DataError

    added = [
        "predicted",
        *(f"p({name})" for name in model.encoder.class_names),
        "spread",
        "caution",
    ]
    for name in added:
        if name in reader.names:
            raise DataError(f"{reader.source}: there is already a column {name!r}: rename it")
    writer = csv.writer(file, delimiter=reader.delimiter, lineterminator="\n")
    writer.writerow([*reader.names, *added])
    writer.writerows(
        [
            *answer.cells,
            answer.predicted,
            *map("{:.6f}".format, answer.probabilities),
            f"{answer.spread:.6f}",
            "; ".join(answer.cautions),
        ]
        for answer in _answers(model, reader)
    )


def _write_json(file: TextIO, model: Model, reader: CsvReader) -> None:
    separator = '{"predictions": ['
    for answer in _answers(model, reader):
        document = {
            "line": answer.line,
            "predicted": answer.predicted,
            "probabilities": dict(
                zip(model.encoder.class_names, answer.probabilities, strict=True)
            ),
            "spread": answer.spread,
            "caution": answer.cautions,
        }
        file.write(separator + json.dumps(document))
        separator = ",\n"
    file.write("]}\n")
