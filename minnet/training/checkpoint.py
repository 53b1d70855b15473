"""A checkpoint beside the model: an interrupted training resumes as if nothing had happened."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from glob import escape, glob
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.arrays import Array
from minnet.errors import FileError, MinnetError, ModelError
from minnet.storage import check_replaceable, replaced_file
from minnet.training.history import Epoch

if TYPE_CHECKING:
    from numpy.random import Generator

    from minnet.training.loop import TrainingState

VERSION = 2
FINITE = {"values", "best_values", "velocity"}
SECONDS = 30.0
"""A training that lasts no longer than this leaves no checkpoint; nor is one saved more often."""


class Checkpointer:
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
    on_resume
        Called with the epochs so far, once the training resumes.
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
        on_resume: Callable[[Sequence[Epoch]], None] = lambda _: None,
        on_save: Callable[[int], None] = lambda _: None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        start = os.path.realpath(model)
        self.path = f"{start}.{key[:8]}.checkpoint"
        found = glob(f"{escape(start)}.{'[0-9a-f]' * 8}.checkpoint")
        self.others = sorted(set(found) - {self.path})
        self._title = f"minnet checkpoint {VERSION} {key}"
        self._resuming = resuming
        self._on_resume = on_resume
        self._on_save = on_save
        self._warn = warn
        self._has_failed = False
        self._last = time.monotonic()

    def resume(self, state: TrainingState) -> None:
        """Change a state at the start into the one in the file, if resuming.

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
                _restore(state, self._load())
            except MemoryError:
                raise
            except Exception:  # numpy and zipfile have a dozen kinds
                raise ModelError(f"{self.path}: cannot be resumed: it is damaged") from None
            self._on_save(len(state.epochs))
            self._on_resume(state.epochs)

    def save(self, state: TrainingState) -> None:
        """Save the state if the last time, or the start, was 30 seconds ago.

        A file that cannot be written is tried again later: the training is sound.
        """
        if time.monotonic() - self._last < SECONDS:
            return
        try:
            self._is_there()
            with replaced_file(self.path) as file:
                np.savez(file, title=np.array(self._title), **_arrays(state))
        except (MinnetError, MemoryError) as error:
            if not self._has_failed:
                self._warn(f"no checkpoint was saved: {error or 'not enough memory'}")
            self._has_failed = True
        else:
            self._on_save(len(state.epochs))
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


def _arrays(state: TrainingState) -> dict[str, Any]:
    velocity = {} if state.velocity is None else {"velocity": state.velocity}
    return velocity | {
        "epochs": np.array(state.epochs, np.float32),  # as in the history
        "values": state.network.values,
        "moments": np.array(state.optimizer.moments),
        "steps": np.array(state.optimizer.steps),
        "best_losses": state.best_losses,
        "best_epochs": state.best_epochs,
        "best_values": state.best_values,
        "generators": np.array([_numbers(one) for one in state.generators], np.uint64),
    }


def _numbers(generator: Generator) -> tuple[int, ...]:
    """All that changes in a generator: 128 bits in two halves, and half a number left over."""
    state = generator.bit_generator.state
    return *divmod(state["state"]["state"], 2**64), state["has_uint32"], state["uinteger"]


def _restore(state: TrainingState, saved: dict[str, Array]) -> None:
    """Put arrays into a state at the start; a `ValueError` if one is not as it must be."""
    values = state.network.values
    epochs, generators = saved["epochs"], saved["generators"]
    expected = _arrays(state) | {
        "epochs": np.empty((len(epochs), len(Epoch._fields), len(values)), np.float32),
        "moments": np.empty((state.optimizer.moment_count, *values.shape), values.dtype),
    }
    if not (
        all((saved[k].shape, saved[k].dtype) == (v.shape, v.dtype) for k, v in expected.items())
        and np.isfinite(epochs[:, :2]).all()
        and not np.isinf(epochs).any()
        and all(np.isfinite(saved[k]).all() for k in expected.keys() & FINITE)
        and (saved["best_epochs"] > 0).all()
        and (saved["best_epochs"] <= len(epochs)).all()
        and saved["steps"] > 0
        and (generators[:, 2:] < [2, 2**32]).all()
    ):
        raise ValueError
    state.epochs.extend(Epoch(*figures) for figures in epochs)
    state.optimizer.moments = tuple(saved["moments"])
    state.optimizer.steps = int(saved["steps"])
    values[...] = saved["values"]
    for name in ("best_losses", "best_epochs", "best_values", "velocity"):
        if name in expected:
            getattr(state, name)[...] = saved[name]
    for generator, (high, low, has_uint32, uinteger) in zip(
        state.generators, generators.tolist(), strict=True
    ):
        full = dict(generator.bit_generator.state)
        full["state"]["state"] = high * 2**64 + low
        full |= {"has_uint32": has_uint32, "uinteger": uinteger}
        generator.bit_generator.state = full
