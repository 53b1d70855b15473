"""`minnet`, and `python -m minnet`: Ctrl-C leaves no traceback, however early it comes."""

from __future__ import annotations

import gc
import sys
from types import TracebackType


def main() -> None:
    """Run the command line."""
    # Garbage collection after every 700 new objects, and once more among all objects at the end,
    # takes a tenth of the time of a small training.
    gc.set_threshold(50_000)
    sys.excepthook = _print_unless_signal
    sys.unraisablehook = lambda lost: _print_unless_signal(
        lost.exc_type, lost.exc_value, lost.exc_traceback
    )
    try:
        from minnet.cli import main as run

        run()
    finally:
        gc.freeze()


def _print_unless_signal(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    """Print what nothing catches: errors in finalizers, and before and after the command.

    A Ctrl-C there is lost or ends the process all the same.
    """
    if not issubclass(kind, (KeyboardInterrupt, SystemExit)):
        sys.__excepthook__(kind, error or kind(), traceback)


if __name__ == "__main__":
    main()
