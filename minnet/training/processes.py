"""Two processes for a long training: one epoch of half of the networks in each."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from functools import partial
from mmap import mmap
from typing import TYPE_CHECKING

import numpy as np

from minnet.training.history import Epoch

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from typing import Self

    from minnet.arrays import Array, IntArray
    from minnet.network.network import Network
    from minnet.network.optimizers import Optimizer
    from minnet.training.batches import Holdout

SECONDS_ALONE = 1.0
"""A training that ends sooner needs no help: a second process takes 0.02 s to start."""
SHORTEST_EPOCH = 0.005
"""Seconds; the messages between the processes take 0.3 ms of each epoch, for small tables."""
_SIGNALS = {signal.SIGINT, signal.SIGTERM}


class Processes:
    """Runs epochs, at first in this process alone, then in two if the training lasts.

    Threads would not do: around small matrices Python takes most of the time, and two threads
    cannot both run Python. On two cores, 8 networks took, of the time that one process takes:

    ======================  ===========  =============
    table, network, batch   two threads  two processes
    ======================  ===========  =============
    1,797 x 64, 32, 32      1.14         0.53
    100,000 x 27, 32, 256   0.93         0.44 to 0.81
    2,000 x 784, 128, 32    0.62         0.51
    ======================  ===========  =============

    Parameters
    ----------
    run
        Runs an epoch of some networks, given network, optimizer, holdout and order.
    network, optimizer
        Up to date after each epoch.
    holdout
        Rows that each network holds out.
    most
        How many processes may run.
    """

    def __init__(
        self,
        run: Callable[..., Epoch],
        network: Network,
        optimizer: Optimizer,
        holdout: Holdout,
        most: int,
    ) -> None:
        self._run = run
        self._state = network, optimizer, holdout
        self._halves: _Halves | None = None
        self._may_split = most > 1 and len(network) > 1 and sys.platform == "linux"
        self._seconds = 0.0
        self._epochs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._halves is not None:
            self._halves.close()

    def run(self, order: IntArray) -> Epoch:
        """Run an epoch on the rows in that order, `(networks, rows)`.

        Raises
        ------
        MemoryError
            If the second process was ended: by the system, for lack of memory.
        """
        if self._may_split and self._is_long:
            self._may_split = False
            # There may be no room for another process, or none allowed.
            with suppress(OSError, MemoryError):
                self._halves = _Halves(self._run, *self._state)
        if self._halves is not None:
            return self._halves.run(order)
        start = time.perf_counter()
        epoch = self._run(*self._state, order)
        self._seconds += time.perf_counter() - start
        self._epochs += 1
        return epoch

    @property
    def _is_long(self) -> bool:
        return self._seconds > max(SECONDS_ALONE, SHORTEST_EPOCH * self._epochs)


class _Halves:
    """Runs epochs of the first networks here and of the others in a second process, in parallel.

    No network knows of another, so every number is, to the last bit, what it would be without.
    Values and moments lie in memory that both processes share.
    """

    def __init__(
        self,
        run: Callable[..., Epoch],
        network: Network,
        optimizer: Optimizer,
        holdout: Holdout,
    ) -> None:
        from multiprocessing import get_context

        network.move_to(_shared(network.values))
        optimizer.moments = tuple(map(_shared, optimizer.moments))
        middle = (len(network) + 1) // 2
        self._parts = slice(0, middle), slice(middle, None)
        self._optimizer = optimizer
        halves = [
            (network.select(part), optimizer.select(part), holdout.select(part))
            for part in self._parts
        ]
        own, other = (partial(run, *half) for half in halves)
        self._own, self._own_optimizer = own, halves[0][1]
        context = get_context("fork")
        self._connection, child_end = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(other, child_end, self._connection), daemon=True
        )
        # A signal between the fork and the child's own handlers would be lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._process.start()
        finally:
            child_end.close()
            del child_end  # its finalizer would lose a signal, too
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def close(self) -> None:
        """End the second process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def run(self, order: IntArray) -> Epoch:
        own_part, other_part = self._parts
        try:
            self._connection.send(order[other_part])
            own = self._own(order[own_part])
            other = self._connection.recv()
        except (EOFError, ConnectionError):
            raise MemoryError from None
        if isinstance(other, Exception):
            raise other
        self._optimizer.steps = self._own_optimizer.steps
        return Epoch(*map(np.concatenate, zip(own, other, strict=True)))


def _shared(array: Array) -> Array:
    """Copy an array into memory that a forked process shares."""
    memory = np.frombuffer(mmap(-1, array.nbytes), dtype=array.dtype).reshape(array.shape)
    memory[...] = array
    return memory


def _serve(
    run: Callable[[IntArray], Epoch], connection: Connection, parents_end: Connection
) -> None:
    """Be the second process: run epochs on demand, until the first one ends.

    If that one is killed, the epoch it had asked for is still run to its end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the first one decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    parents_end.close()
    with suppress(EOFError, OSError):
        while True:
            order = connection.recv()
            try:
                result: Epoch | Exception = run(order)
            except Exception as error:
                result = error
            connection.send(result)
