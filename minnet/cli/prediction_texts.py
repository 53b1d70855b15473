"""Predictions as text, chunk by chunk, in several processes where there are many rows."""

from __future__ import annotations

import json
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from minnet.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from minnet.data.cells import CellFormat
    from minnet.data.csv_reader import Chunk, CsvReader
    from minnet.data.parquet import ParquetReader
    from minnet.data.table import Table
    from minnet.model.model import Model

ROWS_AT_ONCE = 1024
CHUNKS_ALONE = 32
"""Fewer take less time in this process than workers take to start."""
SEPARATOR = ",\n"


class Prediction(NamedTuple):
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


class _Writer(NamedTuple):
    """What turns rows into text, in whichever process: reader and model, without the file."""

    model: Model
    source: str
    names: list[str]
    cell_format: CellFormat
    text_of: Callable[[Prediction], str]

    def text(self, part: Chunk | tuple[Table, Any]) -> str:
        """Predict some rows and write them."""
        from minnet.data.csv_reader import Chunk
        from minnet.data.frames import rows_of_cells
        from minnet.data.table import Table
        from minnet.model.prediction import predict

        encoder = self.model.encoder
        if isinstance(part, Chunk):
            columns = encoder.category_columns, encoder.number_columns
            table = Table.from_chunks(self.source, self.names, [part], *columns, self.cell_format)
            cells = part.rows
        else:
            table, cells = part[0], rows_of_cells(part[1])
        predictions = predict(self.model, table)
        rows = map(
            Prediction,
            table.lines.tolist(),
            cells,
            predictions.predicted,
            predictions.probabilities.tolist(),
            predictions.spread.tolist(),
            predictions.cautions,
        )
        return "".join(map(self.text_of, rows))


def texts_of(
    model: Model,
    reader: CsvReader | ParquetReader,
    text_of: Callable[[Prediction], str],
    workers: int,
) -> Generator[str]:
    """Predict part by part, so that memory does not grow with the rows."""
    from minnet.data.parquet import ParquetReader
    from minnet.data.parts import read_parts

    encoder = model.encoder
    cell_format = encoder.reading_format.for_file(reader.delimiter)
    writer = _Writer(model, reader.source, reader.names, cell_format, text_of)
    parts: Iterator[Any]
    if isinstance(reader, ParquetReader):
        columns = encoder.category_columns, encoder.number_columns
        parts = read_parts(reader, *columns, encoder.reading_format, ROWS_AT_ONCE)
        workers = 1  # the threads of pyarrow do not live on in a forked process
    else:
        parts = reader.chunks(ROWS_AT_ONCE)
    part: Any = None
    for part in islice(parts, CHUNKS_ALONE):
        yield writer.text(part)
    if part is None:
        raise DataError(f"{reader.source}: a header but no rows")
    for part in parts:
        from minnet.training.workers import in_order, process_pool

        with process_pool(workers, writer) as pool:
            yield from in_order(pool, _Writer.text, chain([part], parts), 4 * workers)


def csv_text(
    prediction: Prediction, places: list[int], own: list[int], delimiter: str, on_terminal: bool
) -> str:
    """Write a prediction as a line of a CSV: these cells of DATA and of minnet's own."""
    from minnet.data.csv_writer import csv_line

    cells, own_cells = prediction.cells, prediction.own_cells
    row = [*map(cells.__getitem__, places), *map(own_cells.__getitem__, own)]
    return csv_line([*map(printable, row)] if on_terminal else row, delimiter)


def json_text(prediction: Prediction, names: Sequence[str]) -> str:
    """Write a prediction as JSON, with the separator that comes before it."""
    document = {
        "line": prediction.line,
        "predicted": prediction.predicted,
        "probabilities": dict(zip(names, prediction.probabilities, strict=True)),
        "spread": prediction.spread,
        "caution": prediction.cautions,
    }
    return SEPARATOR + json.dumps(document)
