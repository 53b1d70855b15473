"""Where tasks run: in worker processes, in this process, or on somebody's executor or cluster.

Worker processes end when the work does, however that ends.

Importing this takes as long as a tenth of a small training, so `minnet.training.workers` does so
only when it needs it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, InvalidStateError
from concurrent.futures.process import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Event, Thread
from typing import Any
from weakref import WeakSet

from minnet.errors import SettingsError, WorkerError
from minnet.storage import ENDING

SECONDS_BETWEEN_LOOKS = 1
_common: tuple[Any, ...] = ()


class ThisProcess(Executor):
    """Runs each task when it is submitted."""

    size = 1

    def __init__(self, common: tuple[Any, ...]) -> None:
        self._common = common

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a task now."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*self._common, *args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Workers(ProcessPoolExecutor):
    """Processes that end when the other end of their pipe is closed.

    The system closes it when this process ends, for whatever reason.
    """

    def __init__(self, workers: int, common: tuple[Any, ...]) -> None:
        self.size = workers
        context = get_context("fork" if sys.platform == "linux" else "spawn")
        workers_end, self._end = context.Pipe(duplex=False)
        try:
            # Forked workers all start with the first task. A signal between the fork and their own
            # handlers would print a traceback.
            with signals_blocked(*ENDING):
                super().__init__(workers, context, _begin, (workers_end, self._end, common))
                super().submit(int)
                if sys.platform == "linux":
                    self._end_together()
        except BaseException:
            self._end.close()
            raise

    def _end_together(self) -> None:
        """Have all workers end when one does, and this process notice.

        A worker that is killed in the middle of a result leaves a message half written, and a lock
        taken: the executor would wait for the rest, and the other workers for the lock. This
        process holds no worker's end of the pipes, so that they end with the workers.
        """
        self._call_queue._reader.close()  # type: ignore[attr-defined]
        self._result_queue._writer.close()  # type: ignore[attr-defined]
        processes = [*self._processes.values()]
        Thread(target=_kill_after_one, args=(processes,), daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a worker run a task."""
        return super().submit(_run, fn, *args, **kwargs)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is not None:
            for process in self._processes.values():
                process.kill()
        self.shutdown(wait=True, cancel_futures=True)
        self._end.close()
        if isinstance(error, BrokenExecutor):
            raise WorkerError(
                "a worker process was killed, perhaps for lack of memory: try `workers` 1"
            ) from None


class Borrowed(Executor):
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
        """Hand a task over."""
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
        """Cancel what is not done; the executor goes on."""
        self._ended.set()
        for future in [*self._futures]:
            future.cancel()


Pool = Workers | ThisProcess | Borrowed


def _kill_after_one(processes: Sequence[BaseProcess]) -> None:
    wait([process.sentinel for process in processes])
    for process in processes:
        process.kill()


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
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
    others_end.close()
    Thread(target=_end_with, args=(end,), daemon=True).start()
    _common = common


def _end_with(end: Connection) -> None:
    try:
        end.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


@contextmanager
def signals_blocked(*numbers: int) -> Iterator[None]:
    """Keep signals from this thread, and from what it starts meanwhile."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
