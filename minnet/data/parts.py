"""A file some rows at a time, so that memory does not grow with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minnet.data.parquet import ParquetReader
from minnet.data.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minnet.data.cells import CellFormat
    from minnet.data.csv_reader import CsvReader


def read_parts(
    reader: CsvReader | ParquetReader,
    text: Iterable[str],
    numbers: Iterable[str],
    cell_format: CellFormat,
    rows_at_once: int,
) -> Iterator[tuple[Table, Any]]:
    """Read an open file some rows at a time; see `Table.from_chunks` for how.

    Yields
    ------
    tuple[Table, Any]
        The rows as a table, and as they were read: lists of cells, or pyarrow's record batch.
    """
    settled = cell_format.for_file(reader.delimiter)
    if isinstance(reader, ParquetReader):
        row = 1
        for columns, batch in reader.parts(text, numbers, settled, rows_at_once):
            yield Table.of(columns, reader.source, row), batch
            row += len(batch)
    else:
        for chunk in reader.chunks(rows_at_once):
            chunks = [chunk]
            yield (
                Table.from_chunks(reader.source, reader.names, chunks, text, numbers, settled),
                chunk.rows,
            )
