"""The same task for many items, in several processes where there are many."""

from __future__ import annotations

from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from minnet.errors import MinnetError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future

    from minnet.training.workers import Pool

AHEAD = 4
"""Tasks under way for each worker: a slow one must not leave the others without work."""


def in_order(
    workers: Any,
    function: Callable[..., Any],
    items: Iterable[Any],
    *common: Any,
    alone: int = 0,
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
    items = iter(items)
    for item in islice(items, alone if isinstance(workers, int) else 0):
        yield function(*common, item)
    for item in items:
        # Importing it takes as long as a small command.
        from minnet.training.workers import open_pool

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
