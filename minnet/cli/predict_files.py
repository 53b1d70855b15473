"""What `minnet predict` writes for one table: each row, and what is predicted for it."""

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
from minnet.cli.predict_layout import lay_out
from minnet.cli.prediction_texts import SEPARATOR, csv_text, json_text, texts_of
from minnet.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from minnet.cli.predict_layout import Layout
    from minnet.data.csv_reader import CsvReader
    from minnet.data.parquet import ParquetReader
    from minnet.data.table import Table
    from minnet.model.model import Model
    from minnet.model.prediction import Predictions

BYTES_IN_MEMORY = 32 * 2**20


def predict_file(
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
        with output_text(output) as file:
            _write_csv(file, model, reader, layout, delimiter, workers, on_terminal=on_terminal)
    return layout.notes


@contextmanager
def output_text(path: str | None) -> Iterator[TextIO]:
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


def write_json(file: TextIO, model: Model, reader: CsvReader | ParquetReader, workers: int) -> None:
    """Write what is predicted for each row as one JSON object."""
    text_of = partial(json_text, names=model.encoder.class_names)
    with closing(texts_of(model, reader, text_of, workers)) as texts:
        file.write('{"predictions": [' + next(texts).removeprefix(SEPARATOR))
        file.writelines(texts)
    file.write("]}\n")
