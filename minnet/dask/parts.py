"""The parts of a table that is nowhere whole: files, or the partitions of a Dask frame."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minnet.data.cells import USUAL, CellFormat
from minnet.data.csv_reader import default_names
from minnet.data.table import Table, make_reader, read_table
from minnet.errors import DataError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from distributed import Client, Future


@dataclass(frozen=True)
class FilePart:
    """One file, CSV or Parquet, on a disk that all workers see or in an object store.

    Attributes
    ----------
    path
        Of the file, or its address, such as `s3://bucket/part.parquet`.
    text
        Names of columns to keep as text.
    cell_format
        How its cells are spelled.
    no_header
        Whether its columns have no names.
    """

    path: str
    text: tuple[str, ...] = ()
    cell_format: CellFormat = USUAL
    no_header: bool = False

    def read(self) -> Table:
        """Read all of it; may have no rows."""
        with open_file(self.path) as file:
            reader = make_reader(file, self.path, default_names if self.no_header else None)
            return read_table(reader, self.text, (), self.cell_format)

    def names(self) -> list[str]:
        """Read the names of its columns."""
        with open_file(self.path) as file:
            naming = default_names if self.no_header else None
            return make_reader(file, self.path, naming).names


@contextmanager
def open_file(path: str) -> Iterator[BinaryIO]:
    """Open a file for reading bytes, here or in an object store.

    Raises
    ------
    DataError
        If that fails.
    """
    try:
        if "://" in path:
            import fsspec

            opened = fsspec.open(path, "rb")
        else:
            opened = open(path, "rb")
        with opened as file:
            yield file
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def find_files(pattern: str) -> list[str]:
    """Find the files that match a pattern such as `parts/*.csv`, by name.

    Raises
    ------
    DataError
        If there is none.
    """
    if "://" in pattern:
        import fsspec

        try:
            files = [file.full_name for file in fsspec.open_files(pattern, "rb")]
        except (OSError, ValueError, ImportError) as error:
            raise DataError(f"{pattern}: cannot be read: {error}") from None
    else:
        import glob

        files = glob.glob(pattern, recursive=True)
    if not files:
        raise DataError(f"{pattern}: no file matches")
    return sorted(files)


def tables_of(client: Client, data: Any, target: str) -> tuple[str, list[Future[Any]]]:
    """Have the workers read the parts of a table, each a `Table` of its own.

    Parameters
    ----------
    data
        A Dask frame, the pattern of files' names, or a list of `FilePart`.
    target
        A column to keep as text.

    Returns
    -------
    tuple
        A name for the whole, and a future for each part.
    """
    if isinstance(data, str):
        files = find_files(data)
        return data, _submit(client, FilePart.read, [FilePart(file, (target,)) for file in files])
    if hasattr(data, "to_delayed"):
        partitions = client.compute(data.to_delayed())
        numbered = list(enumerate(partitions, 1))
        return "frame", [
            client.submit(_table, partition, number, target, pure=False)
            for number, partition in numbered
        ]
    if isinstance(data, list) and data and all(isinstance(part, FilePart) for part in data):
        return data[0].path, _submit(client, FilePart.read, data)
    raise SettingsError(
        f"no parts can be made of {type(data).__name__!r}: give a Dask frame, or the pattern of "
        "files' names"
    )


def _submit(
    client: Client, function: Callable[[Any], Any], items: Sequence[Any]
) -> list[Future[Any]]:
    return [client.submit(function, item, pure=False) for item in items]


def _table(frame: Any, number: int, target: str) -> Table:
    return Table.from_columns(frame, f"partition {number}", text=[target])
