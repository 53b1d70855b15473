"""A checkpoint beside the model: an interrupted training resumes as if nothing had happened."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from glob import escape, glob
from typing import Any

import numpy as np

from minnet.arrays import Array
from minnet.errors import FileError, MinnetError, ModelError
from minnet.storage import check_replaceable, replaced_file
from minnet.training.loop import Callback, State, Training
from minnet.training.settings import Epoch

VERSION = 4
KEPT = ("averages", "best_losses", "best_epochs", "best_values")
SECONDS = 30.0
"""A training that lasts no longer than this leaves no checkpoint; nor is one saved more often."""


class Checkpointer(Callback):
    """Saves the state of one training in a file beside its model, at most every 30 seconds.

    The file's name carries the start of the training's key. What is not this training's own
    checkpoint is never written over or removed.

    Parameters
    ----------
    model
        Path of the model that is being trained.
    key
        Tells this training from others: a hash of the data and of all settings, in hex.
    resuming
        Whether to resume from the file.
    on_save
        Called with the epoch that the file holds, whenever that changes.
    warn
        Called once, with one line, if the file cannot be written.

    Attributes
    ----------
    others
        Files with checkpoints of other trainings of the same model.
    """

    def __init__(
        self,
        model: str,
        key: str,
        *,
        resuming: bool = False,
        on_save: Callable[[int], None] = lambda _: None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        start = os.path.realpath(model)
        self.path = f"{start}.{key[:8]}.checkpoint"
        found = glob(f"{escape(start)}.{'[0-9a-f]' * 8}.checkpoint")
        self.others = sorted(set(found) - {self.path})
        self._title = f"minnet checkpoint {VERSION} {key}"
        self._resuming = resuming
        self._on_save = on_save
        self._warn = warn
        self._has_failed = False
        self._last = time.monotonic()

    def on_start(self, training: Training) -> None:
        """Put a training at the start where the one in the file stopped, if resuming.

        Raises
        ------
        FileError
            If something else is in the place of the file, or nothing to resume from.
        ModelError
            If the file is damaged.
        """
        if not self._is_there():
            if self._resuming:
                names = ", ".join(map(os.path.basename, self.others))
                others = f" ({names}: of other data or other settings)" if names else ""
                raise FileError(f"{self.path}: no checkpoint to resume from{others}")
        elif self._resuming:
            try:
                _restore(training, self._load())
            except MemoryError:
                raise
            except Exception:  # numpy and zipfile have a dozen kinds
                raise ModelError(f"{self.path}: cannot be resumed: it is damaged") from None
            self._on_save(len(training.epochs))

    def on_epoch(self, training: Training) -> None:
        """Save the training if the last time, or the start, was 30 seconds ago.

        A file that cannot be written is tried again later: the training is sound.
        """
        if time.monotonic() - self._last < SECONDS:
            return
        try:
            self._is_there()
            with replaced_file(self.path) as file:
                np.savez(file, title=np.array(self._title), **_arrays(training))
        except (MinnetError, MemoryError) as error:
            if not self._has_failed:
                self._warn(f"no checkpoint was saved: {error or 'not enough memory'}")
            self._has_failed = True
        else:
            self._on_save(len(training.epochs))
        self._last = time.monotonic()

    def remove(self) -> None:
        """Remove the file: the training has ended."""
        with suppress(MinnetError, OSError):
            if self._is_there():
                os.unlink(self.path)

    def _is_there(self) -> bool:
        """Whether there is a checkpoint of this training; an error if there is anything else."""
        if not os.path.lexists(self.path):
            return False
        check_replaceable(self.path)
        is_own = False
        with suppress(Exception):
            is_own = str(self._load("title")["title"]) == self._title
        if not is_own:
            raise FileError(f"{self.path}: not a checkpoint of this training: move it away")
        return True

    def _load(self, *names: str) -> dict[str, Array]:
        from zipfile import ZIP_STORED  # importing it takes as long as a tenth of a small training

        with (
            warnings.catch_warnings(action="error"),
            open(self.path, "rb") as file,
            np.load(file, allow_pickle=False) as archive,
        ):
            # What is compressed could take any amount of memory.
            if any(member.compress_type != ZIP_STORED for member in archive.zip.infolist()):
                raise ValueError
            return {name: archive[name] for name in names or archive.files}


def _arrays(training: Training) -> dict[str, Any]:
    states = [generator.bit_generator.state for generator in training.generators]
    return {
        "epochs": np.array(training.epochs, np.float32),  # as in the history
        "values": training.state.values,
        "moments": np.array(training.state.moments),
        "steps": np.array(training.state.steps),
        **{name: getattr(training, name) for name in KEPT},
        "generators": np.array(json.dumps(states)),
    }


def _restore(training: Training, saved: dict[str, Array]) -> None:
    """Put arrays into a training at the start; a `ValueError` if one is not as it must be."""
    states = json.loads(str(saved["generators"]))
    epochs = saved["epochs"]
    shape = len(epochs), len(Epoch._fields), len(training.best_epochs)
    expected = _arrays(training) | {"epochs": np.empty(shape, np.float32)}
    del expected["generators"]  # numpy checks these
    finite = epochs[:, :2], saved["values"], saved["averages"], saved["best_values"]
    if not (
        all((saved[k].shape, saved[k].dtype) == (v.shape, v.dtype) for k, v in expected.items())
        and all(np.isfinite(numbers).all() for numbers in finite)
        and not np.isinf(epochs).any()
        and not np.isnan(saved["moments"]).any()
        and np.isin(saved["best_epochs"], np.arange(len(epochs)) + 1).all()
        and saved["steps"] > 0
    ):
        raise ValueError
    training.epochs.extend(Epoch(*figures) for figures in epochs)
    stopped = State(saved["values"], tuple(saved["moments"]), int(saved["steps"]))
    training.state = training.state.put(slice(None), stopped)
    for name in KEPT:
        getattr(training, name)[...] = saved[name]
    for generator, state in zip(training.generators, states, strict=True):
        generator.bit_generator.state = state
