"""A model in a file: written whole or not at all, and read with suspicion."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from minnet.errors import FileError, ModelError
from minnet.model.document import BEGINNING, from_bytes, to_bytes
from minnet.storage.files import can_overwrite, replaced_file

if TYPE_CHECKING:
    from minnet.model.model import Model

LARGEST_FILE = 2**29


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model as one JSON file, whole or not at all.

    Raises
    ------
    ModelError
        If there is a file at `path` that is not a model, or a layer is not one of minnet's own.
    FileError
        If the file cannot be written.
    """
    refuse_to_overwrite(path)
    data = to_bytes(model)
    with replaced_file(path) as file:
        file.write(data)


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model that `save` wrote.

    Raises
    ------
    FileError
        If the file cannot be read.
    ModelError
        If it is not a model, is damaged, or is of a newer format.
    """
    shown = os.fspath(path)
    try:
        status = os.stat(path)
        # A pipe or a device could keep us waiting, or go on for ever.
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise FileError(f"{shown}: cannot be read: a model is a regular file")
        size = status.st_size
        if size > LARGEST_FILE:
            raise ModelError(f"{shown}: not a usable minnet model: it is {size:,} bytes long")
        with open(path, "rb") as file:
            data = file.read(size)
    except FileNotFoundError:
        raise FileError(f"{shown}: there is no such model: `minnet train` writes one") from None
    except OSError as error:
        raise FileError(f"{shown}: cannot be read: {error.strerror or error}") from None
    return from_bytes(data, shown)


def refuse_to_overwrite(path: str | os.PathLike[str]) -> None:
    """Raise an error if there is something at `path` that is not a model."""
    if not can_overwrite(path, BEGINNING):
        raise ModelError(
            f"{os.fspath(path)}: not a minnet model, so it is not overwritten: choose another "
            "name with --model"
        )
