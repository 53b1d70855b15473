"""The same task for many items: here, in worker processes, or on somebody's cluster."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from minnet.errors import MinnetError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from minnet.training.processes import Pool


def as_workers(workers: Any, most: int = sys.maxsize) -> Any:
    """Take so many processes, at most; an executor, or a Dask client, stays what it is."""
    return min(int(workers), most) if hasattr(workers, "__index__") else workers


def open_pool(workers: Any, *common: Any) -> Pool:
    """Make an executor of so many processes, or take one to run tasks.

    To be used as `with open_pool(workers) as pool`. The processes leave Ctrl-C to this one, and end
    with the block: at once if it ends by an error, or if this process is killed.

    Parameters
    ----------
    workers
        How many processes: with one, or no room for more, this process does it all. Or any executor
        of `concurrent.futures`, or a client of a Dask cluster; it is not shut down.
    common
        First arguments of every task: each worker gets them once.

    Raises
    ------
    WorkerError
        On leaving the block, if a worker was killed.
    """
    from minnet.training import processes

    workers = as_workers(workers)
    if not isinstance(workers, int):
        return processes.Borrowed(workers, common)
    if workers > 1:
        # There may be no room for another process, none allowed, or no semaphores.
        with suppress(OSError, MemoryError, ImportError, NotImplementedError):
            return processes.Workers(workers, common)
    return processes.ThisProcess(common)


AHEAD = 4
"""Tasks under way for each worker: a slow one must not leave the others without work."""


def in_order(
    workers: Any, function: Callable[..., Any], items: Iterable[Any], *common: Any, alone: int = 0
) -> Generator[Any]:
    """Yield `function(*common, item)` for each item, in order.

    An error is that of the first item that has one, with any number of workers.

    Parameters
    ----------
    workers
        How many processes; or an executor, or a Dask client: see `minnet.training.workers`.
    common
        First arguments of every task: each worker gets them once.
    alone
        How many items, fewer than pay for workers, this process does itself.

    Raises
    ------
    WorkerError
        If a worker was killed.
    """
    items, workers = iter(items), as_workers(workers)
    for item in islice(items, alone if isinstance(workers, int) else 0):
        yield function(*common, item)
    for item in items:
        with open_pool(workers, *common) as pool:
            yield from results(pool, function, chain([item], items))


def results(pool: Pool, function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
    """Yield what `function` makes of each item, in order, in a pool that is open."""
    at_once = AHEAD * pool.size if pool.size > 1 else 1
    waiting: deque[Future[Any]] = deque()
    for future in _submitted(pool, function, items):
        waiting.append(future)
        if len(waiting) == at_once:
            yield waiting.popleft().result()
    for future in waiting:
        yield future.result()


def _submitted(
    pool: Pool, function: Callable[..., Any], items: Iterable[Any]
) -> Iterator[Future[Any]]:
    """Submit a task for each item; where there is no next one for an error, that is a result."""
    try:
        for item in items:
            yield pool.submit(function, item)
    except MinnetError as error:
        from concurrent.futures import Future

        failed: Future[Any] = Future()
        failed.set_exception(error)
        yield failed
