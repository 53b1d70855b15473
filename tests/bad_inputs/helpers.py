"""What these tests share: commands that read files, and what holds for every failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from minnet.cli import LONGEST_ERROR
from tests.helpers import Ending

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


SECONDS = 30

# Every command that reads a CSV, with the place for its name.
READERS = {
    "train": ("train", "DATA"),
    "predict": ("predict", "DATA"),
    "evaluate": ("evaluate", "DATA"),
    "explain": ("explain", "DATA", "--row", "1"),
    "seeds": ("seeds", "DATA"),
    "check": ("check", "DATA"),
    "compare": ("compare", "model.json", "model.json", "DATA"),
    "plot confusion": ("plot", "confusion", "DATA"),
    "plot calibration": ("plot", "calibration", "DATA"),
    "plot regions": ("plot", "regions", "DATA"),
    "plot network": ("plot", "network", "DATA", "--row", "1"),
    "plot seeds": ("plot", "seeds", "DATA"),
    "plot importance": ("plot", "importance", "DATA"),
    "importance": ("importance", "DATA"),
    "page": ("page", "DATA"),
    "tune": ("tune", "DATA", "--budget", "1"),
}
# Every command that reads a model (but `train`, which replaces one).
MODEL_READERS = {
    name: arguments
    for name, arguments in READERS.items()
    if name not in ("train", "tune", "seeds", "check", "compare")
} | {"show": ("show",), "plot loss": ("plot",), "export": ("export",)}


def with_data(arguments: tuple[str, ...], data: object) -> list[str]:
    """Put the name of a file into a command of `READERS`."""
    return [str(data) if argument == "DATA" else argument for argument in arguments]


def contents(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Everything in a folder: kind and permissions, and what is in each file."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            os.readlink(path) if path.is_symlink() else None,
            path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(folder.rglob("*"))
    }


@contextmanager
def time_limit(seconds: float = SECONDS) -> Iterator[None]:
    """Fail the test if it takes longer."""

    def stop(*_: object) -> None:
        pytest.fail(f"still running after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def error_of(ending: Ending) -> str:
    """The one error line of a failed command, after all that holds for every failure."""
    error = ending.only_error
    assert len(error) <= LONGEST_ERROR, error
    assert "internal error" not in error, error
    assert ending.err.endswith("\n"), ending.err
    assert ending.err[:-1].replace("\n", "").isprintable(), ending.err
    assert "Warning" not in ending.err, ending.err
    return error


class Refused(Protocol):
    def __call__(
        self, *arguments: object, says: str, code: int = 1, stdin: str | bytes = ""
    ) -> None: ...


def minnet(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """Start a minnet process in a new session, its output caught unless told otherwise."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, "-m", "minnet", *map(str, arguments)], **{**pipes, **options}
    )


def finish(process: subprocess.Popen[bytes], encoding: str = "utf-8") -> Ending:
    """Wait for a process and tell how it ended."""
    try:
        out, err = process.communicate(timeout=2 * SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ending(process.returncode, (out or b"").decode(encoding), (err or b"").decode(encoding))


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def is_running(pid: int) -> bool:
    """Whether there is such a process, and more than a trace of it."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
