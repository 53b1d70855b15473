"""Values that a worker keeps on its disk, so that its memory does not grow with them."""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import uuid4

import distributed

from minnet.errors import WorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distributed import Client, Future

Value = TypeVar("Value")
ALIGNMENT = 64


class Stored(Generic[Value]):
    """A value in a file of the worker that made it.

    Sent to another worker, it is stored there as well. A file goes with the last reference to
    it, or with the worker's folder.

    Parameters
    ----------
    value
        To store; unless there is a reason why it cannot be loaded.
    """

    def __init__(self, value: Value | None, reason: str = "") -> None:
        # Told when it is loaded: what raises an error on its way, Dask would send for ever.
        self._reason = reason
        if not reason:
            self._write(value)

    def _write(self, value: Value | None) -> None:
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        blocks: list[bytes | memoryview] = [pickled, *(buffer.raw() for buffer in buffers)]
        folder = _folder()
        self._places: list[slice] = []
        try:
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                self._path = Path(file.name)
                remove = weakref.finalize(self, self._path.unlink, missing_ok=True)
                try:
                    for block in blocks:
                        start = file.seek(-file.tell() % ALIGNMENT, os.SEEK_CUR)
                        self._places.append(slice(start, start + file.write(block)))
                    file.flush()
                except OSError:
                    remove()
                    raise
        except OSError as error:
            self._reason = f"a worker cannot keep its parts in {folder}: {error.strerror}"

    def load(self) -> Value:
        """Map its arrays into memory; they cannot be written to.

        Raises
        ------
        WorkerError
            If it could not be stored, or its file is gone.
        """
        if self._reason:
            raise WorkerError(self._reason)
        try:
            with self._path.open("rb") as file:
                mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError as error:
            raise WorkerError(f"a worker lost its part {self._path}: {error.strerror}") from None
        pickled, *buffers = (mapped[place] for place in self._places)
        value: Value = pickle.loads(pickled, buffers=buffers)
        return value

    def __reduce__(self) -> tuple[type[Stored[Value]], tuple[Any, ...]]:
        try:
            return Stored, (self.load(),)
        except WorkerError as error:
            return Stored, (None, str(error))


def submit(
    client: Client, function: Callable[..., Any], *arguments: Any, workers: Any = None
) -> Future[Any]:
    """Submit a task of its own, whatever equal ones there are.

    Parameters
    ----------
    arguments
        The function gets the values of what is stored among them.
    workers
        Which ones should do it, if they can.
    """
    return _submit(client, _call, function, arguments, workers)


def submit_stored(client: Client, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Submit a task whose result is stored; see `submit`."""
    return _submit(client, _store, function, arguments, None)


def _submit(
    client: Client,
    run: Callable[..., Any],
    function: Callable[..., Any],
    arguments: Sequence[Any],
    workers: Any,
) -> Future[Any]:
    key = f"{function.__name__}-{uuid4()}"  # by which the dashboard calls it
    more = {"workers": workers, "allow_other_workers": True} if workers else {}
    return client.submit(run, function, *arguments, key=key, **more)


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*(one.load() if isinstance(one, Stored) else one for one in arguments))


def _store(function: Callable[..., Any], *arguments: Any) -> Stored[Any]:
    return Stored(_call(function, *arguments))


def _folder() -> str:
    try:
        return distributed.get_worker().local_directory
    except ValueError:  # outside a task: while a value arrives, or on no worker
        workers = [one for one in distributed.Worker._instances if one.status.name == "running"]
        return workers[0].local_directory if workers else tempfile.gettempdir()
