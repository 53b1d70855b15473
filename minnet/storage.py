"""Files are replaced whole or not at all; signals that end a command are put off meanwhile."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from minnet.errors import FileError

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


@contextmanager
def replaced_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new file beside `path` for writing and put it in its place when all went well.

    See `replaced_files`.
    """
    with replaced_files([path]) as [new], written_file(new, path) as file:
        yield file


@contextmanager
def replaced_files(paths: Iterable[str | os.PathLike[str]]) -> Iterator[list[str]]:
    """Make a new, empty file beside each path and put all in their places when all went well.

    The new files are synced before any is renamed. After an error or an interrupt, what was at the
    paths is still there, unchanged, and the new files are gone. A symbolic link is followed and
    stays a link; the permissions of a file that is replaced are kept, and its owner where that is
    allowed.

    Yields
    ------
    list[str]
        The new files, in the order of the paths, for `written_file` in any process.

    Raises
    ------
    FileError
        If a file cannot be written, or a path is there but is no regular file.
    """
    files = []
    for path in paths:
        target = os.path.realpath(path)
        # Drawn at random: in containers, processes that share a folder may share their number.
        new = os.path.join(os.path.dirname(target), f".minnet-{os.urandom(8).hex()}.new")
        files.append((os.fspath(path), target, new))
    try:
        modes = [_create(new, _regular_file(target, shown), shown) for shown, target, new in files]
        yield [new for *_, new in files]
        for (shown, _, new), mode in zip(files, modes, strict=True):
            with written_file(new, shown) as file:
                if mode is not None:
                    os.chmod(new, mode)
                os.fsync(file.fileno())
        with signals_put_off():
            for shown, target, new in files:
                with _errors(shown):
                    os.replace(new, target)  # closed by now: Windows moves no open file
    except BaseException:
        for *_, new in files:
            with suppress(OSError):
                os.unlink(new)
        raise
    for folder in dict.fromkeys(os.path.dirname(target) for _, target, _ in files):
        with suppress(OSError):  # so that a rename survives a power cut, where the system can
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextmanager
def written_file(new: str, path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open one of the new files of `replaced_files` for writing, if it is still wanted.

    Raises
    ------
    FileError
        If it cannot be written; tells so of `path`.
    """
    with _errors(os.fspath(path)), open(new, "r+b") as file:
        yield file


@contextmanager
def made_folder(path: str) -> Iterator[None]:
    """Make a folder, and those that it is in; remove what is empty of them after an error.

    Raises
    ------
    FileError
        If there can be none.
    """
    made = [os.path.abspath(path)]
    while not os.path.lexists(made[-1]):
        made.append(os.path.dirname(made[-1]))
    try:
        with _errors(path, "no folder to write to"):
            os.makedirs(path, exist_ok=True)
        yield
    except BaseException:
        with suppress(OSError):
            for folder in made[:-1]:
                os.rmdir(folder)
        raise


@contextmanager
def _errors(shown: str, trouble: str = "cannot be written") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileError(f"{shown}: {trouble}: {error.strerror or error}") from None


def _create(new: str, old: os.stat_result | None, shown: str) -> int | None:
    """Make an empty file with owner and permissions of the one that it replaces, if there is one.

    It can be written to in any case; returns the permissions that it is to have in the end.
    """
    with _errors(shown), open(new, "xb"):
        if old is None:
            return None
        with suppress(OSError, AttributeError):  # only root may; Windows has no owners
            os.chown(new, old.st_uid, old.st_gid)
        mode = stat.S_IMODE(old.st_mode)
        os.chmod(new, mode | stat.S_IWUSR)
        return mode


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Find out early what would keep `replaced_file` from working.

    Raises
    ------
    FileError
        If the folder is missing or read-only, or `path` is there but is no regular file.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    _regular_file(target, os.fspath(path))
    with _errors(os.fspath(path)):
        if not os.path.isdir(folder):
            raise OSError("the folder does not exist")
        if not os.access(folder, os.W_OK):
            raise OSError("the folder is read-only")


def check_overwritable(
    path: str | os.PathLike[str], beginning: bytes, what: str, option: str
) -> None:
    """Find out whether there is nothing at `path`, or a file that is empty or begins like this.

    Parameters
    ----------
    what
        The kind of file that begins so.
    option
        Chooses another name.

    Raises
    ------
    FileError
        If it is another file, cannot be read, or `replaced_file` could not write it.
    """
    check_replaceable(path)
    shown = os.fspath(path)
    with _errors(shown, "cannot be read"), suppress(FileNotFoundError), open(path, "rb") as file:
        if file.read(len(beginning)) not in (b"", beginning):
            reason = f"not {what}, so it is not overwritten"
            raise FileError(f"{shown}: {reason}: choose another name with {option}")


def _regular_file(target: str, shown: str) -> os.stat_result | None:
    """Status of the file at `target`; `None` where there is nothing yet."""
    with _errors(shown), suppress(FileNotFoundError):
        status = os.stat(target)
        if stat.S_ISDIR(status.st_mode):
            raise OSError("it is a folder")
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a regular file")
        return status
    return None
