"""Two processes for a long training: one epoch of half of the networks in each."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.history import Epoch

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from typing import Self

    from minnet.arrays import Array, IntArray
    from minnet.epochs import Runner

SECONDS_ALONE = 1.0
"""A training that ends sooner needs no help: a second process takes 0.02 s to start."""
SHORTEST_EPOCH = 0.005
"""Seconds; the talk between the processes takes 0.3 ms of each epoch."""


class Processes:
    """Runs epochs, at first in this process alone, then in two if the training lasts.

    Threads would not do: around small matrices Python takes most of the time, and two threads
    cannot both run Python. On two cores, 8 networks took, of the time that one process takes:

    ======================  ===========  =============
    table, network, batch   two threads  two processes
    ======================  ===========  =============
    1,797 x 64, 32, 32      1.14         0.53
    100,000 x 27, 32, 256   0.93         0.74 to 0.81
    2,000 x 784, 128, 32    0.62         0.51
    ======================  ===========  =============

    Parameters
    ----------
    runner
        Its network and optimizer are up to date after each epoch.
    most
        How many processes may run.
    """

    def __init__(self, runner: Runner, most: int) -> None:
        self._runner = runner
        self._halves: _Halves | None = None
        self._may_split = most > 1 and len(runner.network) > 1
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
            If the second process has ended.
        """
        if self._halves is not None:
            return self._halves.run(order)
        start = time.perf_counter()
        epoch = self._runner.run(order)
        self._seconds += time.perf_counter() - start
        self._epochs += 1
        is_long = self._seconds > SECONDS_ALONE and self._seconds > SHORTEST_EPOCH * self._epochs
        if is_long and self._may_split:
            self._halves = _Halves(self._runner)
        return epoch


class _Answer(NamedTuple):
    """What an epoch came to, and where it left the networks and the optimizer."""

    epoch: Epoch
    values: Array
    moments: tuple[Array, ...]


class _Halves:
    """Runs epochs of the first networks here and of the others in a second process, side by side.

    No network knows of another, so every number is, to the last bit, what it would be without.
    """

    def __init__(self, runner: Runner) -> None:
        from multiprocessing import get_context

        middle = (len(runner.network) + 1) // 2
        self._whole = runner
        self._parts = slice(0, middle), slice(middle, None)
        self._own, other = (runner.part(networks) for networks in self._parts)
        context = get_context("fork")
        self._connection, far_end = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(other, far_end, self._connection), daemon=True
        )
        self._process.start()
        far_end.close()

    def close(self) -> None:
        """End the second process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def run(self, order: IntArray) -> Epoch:
        own_part, other_part = self._parts
        try:
            self._connection.send(order[other_part])
            answers = _answer(self._own, order[own_part]), self._connection.recv()
        except (EOFError, OSError):
            raise MemoryError from None  # nothing else ends a process that only calculates
        network, optimizer = self._whole.network, self._whole.optimizer
        for part, answer in zip(self._parts, answers, strict=True):
            network.values[part] = answer.values
            for moments, own_moments in zip(optimizer.moments, answer.moments, strict=True):
                moments[part] = own_moments
        optimizer.steps = self._own.optimizer.steps
        return Epoch(*map(np.concatenate, zip(*(a.epoch for a in answers), strict=True)))


def _answer(runner: Runner, order: IntArray) -> _Answer:
    epoch = runner.run(order)
    return _Answer(epoch, runner.network.values, runner.optimizer.moments)


def _serve(runner: Runner, connection: Connection, far_end: Connection) -> None:
    """Be the second process: run epochs on demand, until the first one ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the first one decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    far_end.close()
    with suppress(EOFError, OSError, MemoryError):
        while True:
            connection.send(_answer(runner, connection.recv()))
