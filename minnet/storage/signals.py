"""Signals that end a command, put off where it must not end in the middle."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDING: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
if sys.platform != "win32":
    ENDING = (*ENDING, signal.SIGHUP)


@contextmanager
def signals_put_off() -> Iterator[None]:
    """Have the signals that end a command wait until the block ends."""
    if threading.current_thread() is not threading.main_thread():  # no signal interrupts others
        yield
        return
    arrived: list[int] = []
    # Not blocked: other threads of this process would take them.
    before = {
        number: signal.signal(number, lambda number, _: arrived.append(number)) for number in ENDING
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for one in arrived:
            signal.raise_signal(one)
