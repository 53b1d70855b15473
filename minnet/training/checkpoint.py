"""A checkpoint beside the model: an interrupted training goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.errors import FileError, ModelError
from minnet.storage.checked_json import (
    Document,
    check_checksum,
    check_items,
    check_object,
    from_text,
    to_text,
)
from minnet.storage.files import replaced_file
from minnet.training.history import Epoch

if TYPE_CHECKING:
    from minnet.arrays import Array
    from minnet.training.loop import TrainingState

FORMAT = "minnet-checkpoint"
VERSION = 1
SECONDS = 30.0
"""A training that lasts no longer than this leaves no checkpoint; nor is one written more often."""


class Checkpoint:
    """Keeps the state of one training in a file, at most every 30 seconds.

    Parameters
    ----------
    path
        The file.
    key
        Tells this training from others: a hash of the data and of all settings.
    resuming
        Whether to go on from the file.

    Attributes
    ----------
    kept_epoch
        The epoch that the file holds, if this run wrote or read it; else 0.
    """

    def __init__(self, path: str, key: str, *, resuming: bool = False) -> None:
        self.path = path
        self.kept_epoch = 0
        self._key = key
        self._resuming = resuming
        self._last = time.monotonic()

    def resume(self, state: TrainingState) -> None:
        """Change a state at the start into the one in the file, if resuming.

        Raises
        ------
        FileError
            If there is no such file.
        ModelError
            If it belongs to another training or is damaged.
        """
        if not self._resuming:
            return
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except OSError as error:
            raise FileError(
                f"{self.path}: no checkpoint to resume from: {error.strerror}"
            ) from None
        try:
            self._restore(from_text(data), state)
        except ModelError as error:
            raise ModelError(f"{self.path}: cannot be resumed: {error}") from None
        except (TypeError, ValueError, KeyError):
            raise ModelError(f"{self.path}: cannot be resumed: it makes no sense") from None
        self.kept_epoch = len(state.epochs)

    def save(self, state: TrainingState) -> None:
        """Write the state if the last writing, or the start, was 30 seconds ago."""
        now = time.monotonic()
        if now - self._last < SECONDS:
            return
        with replaced_file(self.path) as file:
            file.write(to_text(self._document(state)).encode())
        self.kept_epoch = len(state.epochs)
        self._last = time.monotonic()

    def remove(self) -> None:
        """Take the file away: the training has ended."""
        with suppress(OSError):
            os.unlink(self.path)

    def _document(self, state: TrainingState) -> Document:
        figures = {
            name: _packed(np.stack([getattr(epoch, name) for epoch in state.epochs]))
            for name in Epoch._fields
        }
        return {
            "format": FORMAT,
            "version": VERSION,
            "key": self._key,
            "epochs": figures,
            "values": _packed(state.network.values),
            "best_losses": _packed(state.best_losses),
            "best_epochs": state.best_epochs.tolist(),
            "best_values": _packed(state.best_values),
            "steps": state.optimizer.steps,
            "moments": [_packed(moment) for moment in state.optimizer.moments],
            # As text: its whole numbers have 39 digits, more than JSON is trusted with here.
            "generators": [json.dumps(one.bit_generator.state) for one in state.generators],
        }

    def _restore(self, document: Document, state: TrainingState) -> None:
        if document.get("format") != FORMAT or document.get("version") != VERSION:
            raise ModelError("it is not a checkpoint of this version of minnet")
        check_checksum(document)
        check_object(
            document,
            "the file",
            format=str,
            version=int,
            key=str,
            epochs=dict,
            values=dict,
            best_losses=dict,
            best_epochs=list,
            best_values=dict,
            steps=int,
            moments=list,
            generators=list,
        )
        if document["key"] != self._key:
            raise ModelError(
                "it belongs to other data or other settings: give those it began with, or train "
                "without --resume"
            )
        shape = state.network.values.shape
        figures = [_unpacked(document["epochs"].get(name)) for name in Epoch._fields]
        lengths = {figure.shape for figure in figures} | {(len(figures[0]), *shape[:1])}
        counts = len(document["best_epochs"]), len(document["moments"]), len(document["generators"])
        if (
            len(lengths) != 1
            or counts != (shape[0], state.optimizer.moment_count, shape[0])
            or document["steps"] < 0
        ):
            raise ModelError("what it holds does not fit together")
        state.epochs.extend(Epoch(*epoch) for epoch in zip(*figures, strict=True))
        state.network.values[...] = _unpacked(document["values"], shape)
        state.best_losses[...] = _unpacked(document["best_losses"], shape[:1])
        state.best_epochs[...] = check_items(int, document["best_epochs"], "best_epochs")
        state.best_values[...] = _unpacked(document["best_values"], shape)
        state.optimizer.steps = document["steps"]
        state.optimizer.moments = tuple(_unpacked(m, shape) for m in document["moments"])
        for generator, saved in zip(state.generators, document["generators"], strict=True):
            generator.bit_generator.state = json.loads(saved)


def _packed(array: Array) -> Document:
    """Write an array bit for bit, and briefly: there are four as large as the network."""
    return {"dtype": array.dtype.str, "shape": list(array.shape), "bytes": array.tobytes().hex()}


def _unpacked(document: Any, shape: tuple[int, ...] | None = None) -> Array:
    fields = check_object(document, "an array", dtype=str, shape=list, bytes=str)
    try:
        flat = np.frombuffer(bytearray.fromhex(fields["bytes"]), dtype=fields["dtype"])
        array: Array = flat.reshape(fields["shape"])
    except (TypeError, ValueError):
        raise ModelError("an array in it is damaged") from None
    if shape is not None and array.shape != shape:
        raise ModelError("an array in it has the wrong shape")
    return array
