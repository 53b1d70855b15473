"""How far a long work has come, as one line on the terminal."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable
from typing import Self

from minnet.cli import options

LONG = 3.0
"""Seconds after which a work is long enough to tell how much time it takes."""
INTERVAL = 0.05
"""Seconds between two lines: an epoch may take less than a millisecond."""
BAR_WIDTHS = 10, 22
USUAL_COLUMNS = 80
CLEAR = "\x1b[J"
"""Clears the terminal behind the cursor."""


def fit(parts: Iterable[str | None], share: float, width: int) -> str:
    """Join as many of the parts as fit into the width, the most important of them first.

    `None` stands for a bar: it comes first in the line, and takes the room that is left.

    >>> fit(["epoch 3/6", None, "holdout 0.101"], share=0.5, width=25)
    '[######------]  epoch 3/6'
    """
    narrow, wide = BAR_WIDTHS
    chosen: list[str] = []
    has_bar = False
    for part in parts:
        taken = sum(len(one) + 2 for one in chosen) + has_bar * (narrow + 2)
        if taken + (narrow if part is None else len(part)) > width:
            break
        if part is None:
            has_bar = True
        else:
            chosen.append(part)
    line = "  ".join(chosen)
    if has_bar:
        inner = min(wide, width - len(line) - 2) - 2
        marks = "#" * int(share * inner)
        line = f"[{marks:-<{inner}}]  {line}"
    return line


def clock(seconds: float) -> str:
    """Write a time as `0:42`, `12:05` or `3:07:00`."""
    minutes, seconds = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Progress:
    """A line that is written anew with each step, on a terminal only, and never wider than it.

    Used in a `with` statement: unless that ends with an error, the line says at last "done".

    Parameters
    ----------
    form
        How steps are told, such as `{}/{} networks`: those done and those there are.
    steps
        How many steps there are, at most.
    left
        How the time that is left is told.
    quiet
        Whether to write nothing.

    Attributes
    ----------
    told
        What else to tell.
    """

    def __init__(
        self, form: str, steps: int, *, left: str = "about {} left", quiet: bool = False
    ) -> None:
        self._form, self._steps, self._left = form, steps, left
        self.told: list[str] = []
        self._hidden = quiet or not options.is_terminal()
        self._is_dumb = os.environ.get("TERM", "dumb") == "dumb"
        self._done = self._first = 0
        self._drawn = -math.inf
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        self._draw()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._draw(is_last=True, is_done=kind is None)

    def advance(self, steps: int = 1) -> None:
        """Tell that some more steps are done."""
        self._done += steps
        self._draw()

    def _details(self, *, is_long: bool) -> tuple[list[str], list[str]]:
        """What else to tell: what is more important than times and bar, and what is less."""
        return self.told, []

    def _draw(self, *, is_last: bool = False, is_done: bool = False) -> None:
        now = time.monotonic()
        if self._hidden or (now - self._drawn < INTERVAL and not is_last):
            return
        self._drawn = now
        steps = self._done if is_done else self._steps
        seconds = now - self._start
        is_long = seconds > LONG
        times = [clock(seconds)] if is_long else []
        if is_done:
            times.append("done")
        elif is_long and self._first < self._done:
            pace = seconds / (self._done - self._first)
            times.append(self._left.format(clock(pace * (steps - self._done))))
        done = self._form.format(self._done, steps)
        more, less = self._details(is_long=is_long)
        parts = [done, *more, *times, None, *([] if is_done else less)]
        share = self._done / max(1, steps)
        sys.stderr.write(self._over(fit(parts, share, columns() - 1), "\n" if is_last else "\r"))
        sys.stderr.flush()

    def _over(self, line: str, end: str) -> str:
        """Make of a line what writes it over the one before.

        The cursor rests at the start of the line: from there it can be cleared even where a
        terminal has wrapped it because it was made narrower.
        """
        return f"\r{line:<{columns() - 1}}{end}" if self._is_dumb else f"\r{line}{CLEAR}{end}"


def columns() -> int:
    """How wide the terminal is now."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or USUAL_COLUMNS
    except (OSError, ValueError):
        return USUAL_COLUMNS
