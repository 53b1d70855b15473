"""The same task for many items: here, in worker processes, or on somebody's executor or cluster.

Several processes for a long training: one epoch of a group of networks in each.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.arrays import Array, IntArray
from minnet.errors import MinnetError
from minnet.network.network import Network
from minnet.network.optimizers import Optimizer
from minnet.training.batches import Holdout
from minnet.training.history import Epoch

if TYPE_CHECKING:
    from concurrent.futures import Future

    from minnet.training.processes import Pool


def process_pool(workers: int, *common: Any) -> Pool:
    """Make an executor of so many processes; with one worker, or no room, of this process alone.

    To be used as `with process_pool(workers) as pool`. The workers leave Ctrl-C to this process,
    and end with the block: at once if it ends by an error, or if this process is killed.

    Parameters
    ----------
    workers
        How many processes.
    common
        First arguments of every task: each worker gets them once.

    Raises
    ------
    WorkerError
        On leaving the block, if a worker was killed.
    """
    from minnet.training.processes import ThisProcess, Workers

    if workers > 1:
        try:
            return Workers(workers, common)
        # There may be no room for another process, none allowed, or no semaphores.
        except (OSError, MemoryError, ImportError, NotImplementedError):
            pass
    return ThisProcess(common)


def open_pool(workers: Any, *common: Any) -> Pool:
    """Make an executor of so many processes, or take one to run tasks.

    Parameters
    ----------
    workers
        How many processes: see `process_pool`. Or any executor of `concurrent.futures`, or a client
        of a Dask cluster; it is not shut down.
    common
        First arguments of every task. The workers of a cluster get them once.
    """
    if isinstance(workers, int):
        return process_pool(workers, *common)
    from minnet.training.processes import Borrowed

    return Borrowed(workers, common)


SECONDS_ALONE = 1.0
"""A training that ends sooner needs no help: workers take 0.05 s to start."""
ROWS_ALONE = 2**22
"""Of all networks: an epoch of more, even of the smallest networks, takes over a second."""
SHORTEST_EPOCH = 0.005
"""Seconds; the messages between the processes take 1 ms of each epoch, for small tables."""


class EpochRunner(ExitStack):
    """Runs epochs, at first in this process alone, then in several if the training lasts.

    No network knows of another, so every number is, to the last bit, what it would be in one
    process. Threads would not do: around small matrices Python takes most of the time, and two
    threads cannot both run Python.

    Parameters
    ----------
    run
        Runs an epoch of some networks, given network, optimizer, holdout and order.
    network, optimizer
        Up to date after each epoch.
    holdout
        Rows that each network holds out.
    workers
        How many processes may run.
    """

    def __init__(
        self,
        run: Callable[..., Epoch],
        network: Network,
        optimizer: Optimizer,
        holdout: Holdout,
        workers: int,
    ) -> None:
        super().__init__()
        self._run = run
        self._state = network, optimizer, holdout
        bounds = np.linspace(0, len(network), min(workers, len(network)) + 1).astype(int)
        self._groups = [slice(*bound) for bound in pairwise(bounds.tolist())]
        self._pool: Pool | None = None
        self._seconds = 0.0
        self._epochs = 0

    def run(self, order: IntArray) -> Epoch:
        """Run an epoch on the rows in that order, `(networks, rows)`."""
        is_long = self._seconds > max(SECONDS_ALONE, SHORTEST_EPOCH * self._epochs)
        is_long = is_long or order.size > ROWS_ALONE
        if self._pool is None and is_long and len(self._groups) > 1:
            self._pool = process_pool(len(self._groups), self._run, *self._state)
            self.enter_context(self._pool)
        if self._pool is not None:
            return self._run_groups(self._pool, order)
        start = time.perf_counter()
        epoch = self._run(*self._state, order)
        self._seconds += time.perf_counter() - start
        self._epochs += 1
        return epoch

    def _run_groups(self, pool: Pool, order: IntArray) -> Epoch:
        network, optimizer, _ = self._state
        futures = [
            pool.submit(
                run_group,
                group,
                network.values[group],
                [moments[group] for moments in optimizer.moments],
                optimizer.steps,
                order[group],
            )
            for group in self._groups
        ]
        values, moments, steps, epochs = zip(*(future.result() for future in futures), strict=True)
        network.values[...] = np.concatenate(values)
        optimizer.moments = tuple(map(np.concatenate, zip(*moments, strict=True)))
        optimizer.steps = steps[0]
        return Epoch(*np.concatenate(epochs, axis=1))


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def run_group(
    run: Callable[..., Epoch],
    network: Network,
    optimizer: Optimizer,
    holdout: Holdout,
    group: slice,
    values: Array,
    moments: Sequence[Array],
    steps: int,
    order: IntArray,
) -> tuple[Array, tuple[Array, ...], int, Epoch]:
    """Run an epoch of some of the networks: a pure function.

    Parameters
    ----------
    run, network, optimizer, holdout
        Of all networks; their numbers do not matter.
    group
        Which networks.
    values, moments, steps
        Where these networks and their optimizer stand.
    order
        Of these networks' rows, `(networks, rows)`.

    Returns
    -------
    tuple
        Values, moments and steps after the epoch, and what it came to.
    """
    network, optimizer = network.select(group).at(values), optimizer.select(group)
    optimizer.moments, optimizer.steps = tuple(map(np.copy, moments)), steps
    epoch = run(network, optimizer, holdout.select(group), order)
    return network.values, optimizer.moments, optimizer.steps, epoch


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
