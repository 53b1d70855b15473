"""The files that hold a table in parts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minnet.data.cells import USUAL, CellFormat
from minnet.data.csv_reader import default_names
from minnet.data.table import Table, make_reader, read_table
from minnet.errors import DataError, PackageError

if TYPE_CHECKING:
    from typing import BinaryIO

REMOTE = "://"
"""In the address of an object store, such as `s3://bucket/part.csv`."""


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


def open_file(path: str) -> BinaryIO:
    """Open a file for reading bytes, here or in an object store.

    Raises
    ------
    DataError
        If that fails.
    """
    try:
        if REMOTE in path:
            return _fsspec().open(path, "rb").open()
        return open(path, "rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def find_files(pattern: str) -> list[str]:
    """Find the files that match a pattern such as `parts/*.csv`, by name.

    Raises
    ------
    DataError
        If there is none.
    """
    if REMOTE in pattern:
        try:
            files = [file.full_name for file in _fsspec().open_files(pattern, "rb")]
        except (OSError, ValueError, ImportError) as error:
            raise DataError(f"{pattern}: cannot be read: {error}") from None
    else:
        import glob

        files = glob.glob(pattern, recursive=True)
    if not files:
        raise DataError(f"{pattern}: no file matches")
    return sorted(files)


def is_pattern(data: str) -> bool:
    """Whether this names several files, or files of an object store."""
    return (REMOTE in data or not {*data}.isdisjoint("*?[")) and not os.path.lexists(data)


def _fsspec() -> Any:
    """Import what opens files of object stores; it comes with Dask."""
    try:
        import fsspec
    except ImportError:
        raise PackageError("fsspec", "dask") from None
    return fsspec
