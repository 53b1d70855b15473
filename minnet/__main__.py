"""`minnet`, and `python -m minnet`: Ctrl-C leaves no traceback, however early it comes."""

from __future__ import annotations

import gc
import signal
import sys


def main() -> None:
    """Run the command line."""
    # Looking for rubbish after every 700 new objects, and once more among all objects at the end,
    # takes a tenth of the time of a small training.
    gc.set_threshold(50_000)
    # A job in the background of a shell ignores Ctrl-C, and goes on doing so.
    heeds_interrupts = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    # While the program is being loaded, and once it has cleared up, Ctrl-C just ends the process.
    if heeds_interrupts:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from minnet.cli import main as run
    from minnet.cli import stop

    if heeds_interrupts:
        signal.signal(signal.SIGINT, stop)
    try:
        run()
    finally:
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_REAL, 0)
        if heeds_interrupts:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        gc.freeze()


if __name__ == "__main__":
    main()
