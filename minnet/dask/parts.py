"""The parts of a table that is nowhere whole: files, or the partitions of a Dask frame."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from dask.delayed import delayed

from minnet.dask.stored import Stored, submit, submit_stored
from minnet.data.file_parts import MOST_BYTES, MOST_ROWS, FilePart
from minnet.data.files import find_files
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
        return tables_of(client, [FilePart(file, (target,)) for file in find_files(data)], target)
    if isinstance(data, list) and data and all(isinstance(part, FilePart) for part in data):
        cut = client.gather(
            [submit(client, FilePart.cut, part, MOST_BYTES, MOST_ROWS) for part in data]
        )
        pieces = chain.from_iterable(cut)
        return data[0].path, [submit_stored(client, FilePart.read, piece) for piece in pieces]
    if hasattr(data, "to_delayed"):
        table = delayed(_table, pure=False)
        partitions = enumerate(data.to_delayed(), 1)
        return "frame", client.compute([table(one, number, target) for number, one in partitions])
    raise SettingsError(
        f"no parts can be made of {type(data).__name__!r}: give a Dask frame, or the pattern of "
        "files' names"
    )


def _table(frame: Any, number: int, target: str) -> Stored[Table]:
    return Stored(Table.from_columns(frame, f"partition {number}", text=[target]))
