"""Files by name or pattern, here and in object stores."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from minnet.errors import DataError, PackageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

REMOTE = "://"
"""In the address of an object store, such as `s3://bucket/part.csv`."""


def open_file(path: str) -> BinaryIO:
    """Open a file for reading bytes, here or in an object store.

    Raises
    ------
    DataError
        If that fails.
    """
    with reading(path):
        if REMOTE in path:
            return _fsspec().open(path, "rb").open()
        return open(path, "rb")


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Tell an error of the system as one of a file that is read.

    Raises
    ------
    DataError
        In place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror or error}") from None


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


def files_of(data: str) -> list[str]:
    """Find the files that DATA is: those of a pattern, or one."""
    return find_files(data) if is_pattern(data) else [data]


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
