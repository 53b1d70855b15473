"""Predictions as text, block by block, in several processes where there are many rows."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from minnet.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from minnet.data.cells import CellFormat
    from minnet.data.csv_reader import CsvReader, RowParser
    from minnet.data.parquet import ParquetReader
    from minnet.model.model import Model
    from minnet.model.prediction import Predictions

LINES_AT_ONCE = 2048
BLOCKS_ALONE = 16
"""Fewer take less time in this process than workers take to start."""
SEPARATOR = ",\n"


class Predicted(NamedTuple):
    """Some rows: the lines they start on, their cells, and what a model predicts."""

    lines: list[int]
    cells: Sequence[Sequence[str]]
    predictions: Predictions

    def own_column(self, place: int) -> list[str]:
        """Cells of one of the columns that minnet adds, of all in their order."""
        predictions = self.predictions
        if place == 0:
            return predictions.predicted
        numbers = [*predictions.probabilities.T, predictions.spread]
        if place > len(numbers):
            return ["; ".join(reasons) for reasons in predictions.cautions]
        return [*map("{:.6f}".format, numbers[place - 1].tolist())]


class _Writer(NamedTuple):
    """What turns rows into text, in whichever process: parser and model, without the file."""

    model: Model
    parser: RowParser
    cell_format: CellFormat
    text_of: Callable[[Predicted], str]

    def text(self, part: Any) -> str:
        """Predict a block of lines, or a table and its record batch, and write that."""
        from minnet.data.csv_reader import Block, Chunk
        from minnet.data.frames import rows_of_cells
        from minnet.data.table import Table
        from minnet.model.prediction import predict

        if isinstance(part, (Block, Chunk)):
            encoder, (source, names, _) = self.model.encoder, self.parser
            chunk = self.parser.chunk(part)
            columns = encoder.category_columns, encoder.number_columns
            table = Table.from_chunks(source, names, [chunk], *columns, self.cell_format)
            cells = chunk.rows
        else:
            table, cells = part[0], rows_of_cells(part[1])
        if not len(table):
            return ""
        return self.text_of(Predicted(table.lines.tolist(), cells, predict(self.model, table)))


def texts_of(
    model: Model,
    reader: CsvReader | ParquetReader,
    text_of: Callable[[Predicted], str],
    workers: int,
) -> Generator[str]:
    """Predict part by part, so that memory does not grow with the rows."""
    from minnet.data.csv_reader import RowParser
    from minnet.data.parquet import ParquetReader
    from minnet.data.parts import read_parts
    from minnet.training.spread import in_order

    encoder = model.encoder
    cell_format = encoder.reading_format.for_file(reader.delimiter)
    parser = RowParser(reader.source, reader.names, reader.delimiter)
    writer = _Writer(model, parser, cell_format, text_of)
    parts: Iterator[Any]
    if isinstance(reader, ParquetReader):
        columns = encoder.category_columns, encoder.number_columns
        parts = read_parts(reader, *columns, encoder.reading_format, LINES_AT_ONCE)
        workers = 1  # the threads of pyarrow do not live on in a forked process
    else:
        parts = reader.blocks(LINES_AT_ONCE)
    with closing(in_order(workers, _Writer.text, parts, writer, alone=BLOCKS_ALONE)) as texts:
        some = filter(None, texts)
        first = next(some, None)
        if first is None:
            raise DataError(f"{reader.source}: a header but no rows")
        yield first
        yield from some


def csv_text(
    rows: Predicted, places: list[int], own: list[int], delimiter: str, on_terminal: bool
) -> str:
    """Write rows as lines of a CSV: these columns of DATA and of minnet's own."""
    from minnet.data.csv_writer import csv_lines

    columns = [*zip(*rows.cells, strict=True)]
    chosen = [*map(columns.__getitem__, places), *map(rows.own_column, own)]
    if on_terminal:
        chosen = [[*map(printable, column)] for column in chosen]
    return csv_lines(chosen, delimiter)


def json_text(rows: Predicted, names: Sequence[str]) -> str:
    """Write rows as JSON, each with the separator that comes before it."""
    predictions = rows.predictions
    figures = zip(
        rows.lines,
        predictions.predicted,
        predictions.probabilities.tolist(),
        predictions.spread.tolist(),
        predictions.cautions,
        strict=True,
    )
    documents = (
        {
            "line": line,
            "predicted": predicted,
            "probabilities": dict(zip(names, probabilities, strict=True)),
            "spread": spread,
            "caution": cautions,
        }
        for line, predicted, probabilities, spread, cautions in figures
    )
    return "".join(SEPARATOR + json.dumps(document) for document in documents)
