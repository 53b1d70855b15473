"""The same task for many items: here, in worker processes, or on somebody's cluster.

Worker processes end when the work does, however that ends.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    InvalidStateError,
    ProcessPoolExecutor,
)
from contextlib import suppress
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import wait
from threading import Event, Lock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from minnet.errors import MinnetError, SettingsError, WorkerError
from minnet.storage import ENDING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SECONDS_BETWEEN_LOOKS = 1
_common: tuple[Any, ...] = ()


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
    if workers > 1:
        try:
            return _Workers(workers, common)
        # There may be no room for another process, none allowed, or no semaphores.
        except (OSError, MemoryError, ImportError, NotImplementedError):
            pass
    return _ThisProcess(common)


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
    return (
        process_pool(workers, *common) if isinstance(workers, int) else _Borrowed(workers, common)
    )


class _ThisProcess(Executor):
    """Runs each task when it is submitted."""

    size = 1

    def __init__(self, common: tuple[Any, ...]) -> None:
        self._common = common

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*self._common, *args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _Workers(ProcessPoolExecutor):
    """Processes that end when the other end of their pipe is closed.

    The system closes it when this process ends, for whatever reason.
    """

    def __init__(self, workers: int, common: tuple[Any, ...]) -> None:
        self.size = workers
        self._closing = Lock()
        context = get_context("fork" if sys.platform == "linux" else "spawn")
        workers_end, self._end = context.Pipe(duplex=False)
        # Forked workers all start with the first task. A signal between the fork and their own
        # handlers would print a traceback.
        before = block_signals(*ENDING)
        try:
            super().__init__(workers, context, _begin, (workers_end, self._end, common))
            super().submit(int)
            if sys.platform == "linux":
                self._end_together()
        except BaseException:
            self._end.close()
            raise
        finally:
            unblock_signals(before)

    def _end_together(self) -> None:
        """Have all workers end when one does, and this process notice.

        A worker that is killed in the middle of a result leaves a message half written, and a lock
        taken: the executor would wait for the rest, and the other workers for the lock. This
        process holds no worker's end of the pipes, so that they end with the workers.
        """
        self._call_queue._reader.close()  # type: ignore[attr-defined]
        self._result_queue._writer.close()  # type: ignore[attr-defined]
        sentinels = [process.sentinel for process in self._processes.values()]
        Thread(target=self._end_after, args=(sentinels,), daemon=True).start()

    def _end_after(self, sentinels: list[int]) -> None:
        wait(sentinels)
        self._close_end()

    def _close_end(self) -> None:
        with self._closing:
            self._end.close()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(_run, fn, *args, **kwargs)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._close_end()
        self.shutdown(wait=True, cancel_futures=True)
        self._close_end()
        if isinstance(error, BrokenExecutor):
            raise WorkerError(
                "a worker process was killed, perhaps for lack of memory: try `workers` 1"
            ) from None


class _Borrowed(Executor):
    """Hands tasks to somebody's executor, or to the cluster of somebody's Dask client."""

    def __init__(self, executor: Any, common: tuple[Any, ...]) -> None:
        self.size = os.cpu_count() or 1
        self._common: Any = common
        self._futures: WeakSet[Future[Any]] = WeakSet()
        self._ended = Event()
        if hasattr(executor, "get_executor"):
            self.size = max(1, sum(executor.nthreads().values()))
            (self._common,) = executor.scatter([common], broadcast=True, hash=False)
            Thread(target=self._watch, args=(executor,), daemon=True).start()
            executor = executor.get_executor(pure=False)
        if not hasattr(executor, "submit"):
            raise SettingsError(
                f"is {executor!r}: it must be one of concurrent.futures, or a Dask client",
                "executor",
            )
        self._executor: Executor = executor

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = self._executor.submit(_call, self._common, fn, *args, **kwargs)
        self._futures.add(future)
        return future

    def _watch(self, client: Any) -> None:
        # Dask leaves a result undecided that was on its way when the scheduler went away.
        while not self._ended.wait(SECONDS_BETWEEN_LOOKS):
            for future in [*self._futures] if client.status != "running" else ():
                with suppress(InvalidStateError):
                    future.set_exception(WorkerError("the connection to the scheduler was lost"))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._ended.set()
        for future in [*self._futures]:
            future.cancel()


Pool = _Workers | _ThisProcess | _Borrowed


def _call(common: tuple[Any, ...], fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return fn(*common, *args, **kwargs)


def _run(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return fn(*_common, *args, **kwargs)


def _begin(end: Connection, others_end: Connection, common: tuple[Any, ...]) -> None:
    """Prepare a worker."""
    global _common
    # What a terminal sends to all its processes is for the first; the others end with it.
    for number in ENDING:
        is_own = number == signal.SIGTERM
        signal.signal(number, signal.SIG_DFL if is_own else signal.SIG_IGN)
    unblock_signals(())
    others_end.close()
    Thread(target=_end_with, args=(end,), daemon=True).start()
    _common = common


def _end_with(end: Connection) -> None:
    try:
        end.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def block_signals(*numbers: int) -> Any:
    """Keep signals from this thread, and what it starts; returns what `unblock_signals` takes."""
    if sys.platform != "win32":
        return signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    return ()


def unblock_signals(before: Any) -> None:
    """Let this thread have the signals it had before."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
        failed: Future[Any] = Future()
        failed.set_exception(error)
        yield failed
