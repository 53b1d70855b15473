"""Parquet files, read and written by pyarrow, which is imported only for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise, starmap
from typing import Any, BinaryIO, Self

from minnet.arrays import Array
from minnet.data.cells import CellFormat
from minnet.data.column import Column, make_columns
from minnet.data.frames import Values, columns_of, distinct_names, unpack
from minnet.errors import DataError

ROW_GROUP = 2**16
"""Rows that are written together."""
_MARK = b"PAR1"


def is_parquet(file: BinaryIO) -> bool:
    """Whether a file that can be read again holds Parquet: by its content, not by its name."""
    if not file.seekable():
        return False
    beginning = file.read(5)
    if beginning[:4] != _MARK:
        file.seek(0)
        return False
    size = file.seek(0, 2)
    file.seek(max(0, size - len(_MARK)))
    ending = file.read(len(_MARK))
    file.seek(0)
    # A CSV may begin with the mark, too, but hardly end with it.
    return beginning == _MARK + b"\x15" or (ending == _MARK and size > 8)


class ParquetReader:
    """Reads a Parquet file, whole or some rows at a time.

    Parameters
    ----------
    file
        Open for reading bytes, with a `seek`.
    source
        The file's name, as the user knows it.
    row_groups
        Which row groups to read; `None` for all.

    Raises
    ------
    DataError
        If pyarrow is not installed, or cannot read the file.

    Attributes
    ----------
    names
        Of the columns.
    delimiter
        What separates the cells where the rows are written as a CSV.
    """

    delimiter = ","

    def __init__(self, file: BinaryIO, source: str, row_groups: range | None = None) -> None:
        try:
            from pyarrow import parquet
        except ImportError:
            raise DataError(
                f"{source}: Parquet is read by pyarrow: pip install 'minnet-trainer[parquet]'"
            ) from None
        self.source = source
        with self._errors():
            self._parquet = parquet.ParquetFile(file)
            self.names = distinct_names(self._parquet.schema_arrow.names, source)
        self._row_groups = range(self._parquet.num_row_groups) if row_groups is None else row_groups

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import pyarrow

        try:
            yield
        except (pyarrow.ArrowException, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise DataError(f"{self.source}: cannot be read as Parquet: {reason}") from None

    @property
    def _rows_of_groups(self) -> list[int]:
        metadata = self._parquet.metadata
        return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]

    @property
    def rows(self) -> range:
        """Which rows of the file it reads, from 1."""
        groups, rows = self._row_groups, self._rows_of_groups
        return range(1 + sum(rows[: groups.start]), 1 + sum(rows[: groups.stop]))

    def runs(self, most_rows: int) -> list[range]:
        """Put row groups that follow each other together, to so many rows if they are smaller."""
        starts, rows = [0], 0
        for group, of_group in enumerate(self._rows_of_groups):
            if rows and rows + of_group > most_rows:
                starts.append(group)
                rows = 0
            rows += of_group
        return [*starmap(range, pairwise([*starts, self._parquet.num_row_groups]))]

    def values(self, name: str) -> Values:
        """Read all rows of a column."""
        with self._errors():
            columns = self._parquet.read_row_groups(
                self._row_groups, columns=[name], use_threads=False
            )
            return unpack(columns[name])

    def blocks(
        self,
        text: Iterable[str],
        numbers: Iterable[str],
        cell_format: CellFormat,
        rows_at_once: int,
    ) -> Iterator[tuple[int, dict[str, Column], Any]]:
        """Read some rows at a time: which is the first, columns, and the rows as pyarrow has them.

        See `Table.from_chunks` for `text`, `numbers` and `cell_format`.
        """
        row, groups = self.rows.start, self._row_groups
        with self._errors():
            for batch in self._parquet.iter_batches(rows_at_once, groups, use_threads=False):
                yield row, make_columns(columns_of(batch), text, numbers, cell_format), batch
                row += len(batch)


class ParquetWriter:
    """Writes rows of a Parquet file again, with columns beside them.

    Parameters
    ----------
    file
        Open for writing bytes.
    kept
        Names of the columns to write again.
    """

    def __init__(self, file: BinaryIO, kept: Sequence[str]) -> None:
        self._file = file
        self._kept = list(kept)
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, batch: Any, added: Mapping[str, Sequence[str] | Array]) -> None:
        """Write a batch that a `ParquetReader` read, and the columns to add to it."""
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.Table.from_batches([batch]).select(self._kept)
        for name, values in added.items():
            table = table.append_column(name, pyarrow.array(values))
        if self._writer is None:
            self._writer = parquet.ParquetWriter(self._file, table.schema)
        self._writer.write_table(table)
