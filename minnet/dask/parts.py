"""The parts of a table that is nowhere whole: files, or the partitions of a Dask frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minnet.data.files import FilePart, find_files
from minnet.data.table import Table
from minnet.errors import SettingsError

if TYPE_CHECKING:
    from distributed import Client, Future


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
        files = [FilePart(file, (target,)) for file in find_files(data)]
        return data, client.map(FilePart.read, files, pure=False)
    if hasattr(data, "to_delayed"):
        partitions = client.compute(data.to_delayed())
        return "frame", [
            client.submit(_table, partition, number, target, pure=False)
            for number, partition in enumerate(partitions, 1)
        ]
    if isinstance(data, list) and data and all(isinstance(part, FilePart) for part in data):
        return data[0].path, client.map(FilePart.read, data, pure=False)
    raise SettingsError(
        f"no parts can be made of {type(data).__name__!r}: give a Dask frame, or the pattern of "
        "files' names"
    )


def _table(frame: Any, number: int, target: str) -> Table:
    return Table.from_columns(frame, f"partition {number}", text=[target])
