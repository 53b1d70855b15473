"""Signals that end a command, kept back where it must not end in the middle."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDING: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
if sys.platform != "win32":
    ENDING = (*ENDING, signal.SIGHUP)


@contextmanager
def signals_kept_back(*numbers: int) -> Iterator[None]:
    """Keep signals from this thread, and what it starts, until the block ends."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_signals_in() -> None:
    """Let this thread have all signals, as a process that was started without them must."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
