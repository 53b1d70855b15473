"""Files are replaced whole or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from minnet.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replaced_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new file beside `path` for writing and put it in its place when all went well.

    The new file is synced before the rename. After an error or an interrupt, what was at `path`
    is still there, unchanged, and the new file is gone. A symbolic link is followed and stays a
    link; the permissions of a file that is replaced are kept, and its owner where that is allowed.

    Raises
    ------
    FileError
        If the file cannot be written, or `path` is there but is no regular file.
    """
    shown = os.fspath(path)
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    # Drawn at random: in containers, processes that share a folder may share their number.
    new = os.path.join(folder, f".minnet-{os.urandom(8).hex()}.new")
    try:
        old = _regular_file(target, shown)
        try:
            with open(new, "xb") as file:
                if old is not None:
                    with suppress(OSError, AttributeError):  # only root may; Windows has no owners
                        os.chown(new, old.st_uid, old.st_gid)
                    os.chmod(new, stat.S_IMODE(old.st_mode))
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, target)  # closed by now: Windows moves no open file
        except BaseException:
            with suppress(OSError):
                os.unlink(new)
            raise
        _sync_folder(folder)
    except OSError as error:
        raise FileError(f"{shown}: cannot be written: {error.strerror or error}") from None


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Find out early what would keep `replaced_file` from working.

    Raises
    ------
    FileError
        If the folder is missing or read-only, or `path` is there but is no regular file.
    """
    shown = os.fspath(path)
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    _regular_file(target, shown)
    if not os.path.isdir(folder):
        raise FileError(f"{shown}: cannot be written: the folder does not exist")
    if not os.access(folder, os.W_OK):
        raise FileError(f"{shown}: cannot be written: the folder is read-only")


def can_overwrite(path: str | os.PathLike[str], beginning: bytes) -> bool:
    """Whether there is nothing at `path`, or a file that is empty or begins like this.

    Raises
    ------
    FileError
        If the file cannot be read, or `replaced_file` could not write it.
    """
    check_replaceable(path)
    try:
        with open(path, "rb") as file:
            return file.read(len(beginning)) in (b"", beginning)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise FileError(f"{os.fspath(path)}: cannot be read: {error.strerror or error}") from None


def _regular_file(target: str, shown: str) -> os.stat_result | None:
    """Status of the file at `target`; `None` where there is nothing yet."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(f"{shown}: cannot be written: {error.strerror or error}") from None
    if stat.S_ISDIR(status.st_mode):
        raise FileError(f"{shown}: cannot be written: it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise FileError(f"{shown}: cannot be written: it is not a regular file")
    return status


def _sync_folder(folder: str) -> None:
    """Make the rename survive a power cut, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
