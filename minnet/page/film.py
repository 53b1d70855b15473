"""A film of a training: the training once more, its parameters caught at some of its epochs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.errors import MinnetError, TrainingError
from minnet.model.fit import start_networks
from minnet.model.judges import split
from minnet.training.loop import train_networks

if TYPE_CHECKING:
    from minnet.arrays import Array, IntArray
    from minnet.data.examples import Examples
    from minnet.model.judges import Split
    from minnet.model.model import Model
    from minnet.training.history import Epoch

MOST_FRAMES, FEWEST_FRAMES = 60, 12
MOST_BYTES = 3 * 2**19
MOST_SECONDS = 10.0
TRIED_SECONDS = 0.5
"""After so long it is told from the epochs so far how long the training will take."""


class NoFilmError(MinnetError):
    """There can be no film; says why."""


@dataclass(frozen=True, eq=False)
class Film:
    """Parameters of all networks at some epochs of their training.

    Attributes
    ----------
    epochs
        `(frames,)`, ascending; 0 is the random start.
    values
        `(frames, networks, parameter_count)`.
    """

    epochs: IntArray
    values: Array

    def __repr__(self) -> str:
        return f"<Film: {len(self.epochs)} frames of {self.values.shape[1]} networks>"


def record(model: Model, examples: Examples, workers: int = 1) -> Film:
    """Train again from the model's own seed, and keep the parameters of at most 60 epochs.

    Parameters
    ----------
    examples
        Of the training table.
    workers
        See `train_networks`.

    Raises
    ------
    NoFilmError
        If this is not the training table, the film would be too large or take too long, or the
        training does not end with the model's own parameters.
    """
    examples, dealt = _training_split(model, examples)
    epochs = frame_epochs(model)
    network, generators = start_networks(model.encoder, examples, dealt, model.settings)
    frames = {0: network.values.copy()}
    start, done, last = time.monotonic(), 0, len(model.history)

    def on_epoch(epoch: Epoch) -> None:
        nonlocal done
        done += 1
        if done in epochs:
            frames[done] = network.values.copy()
        elapsed = time.monotonic() - start
        if elapsed > TRIED_SECONDS and elapsed / done * last > MOST_SECONDS:
            raise NoFilmError(
                f"training again would take about {elapsed / done * last:.0f} seconds"
            )

    try:
        train_networks(
            network,
            examples.features,
            examples.labels,
            dealt.holdout,
            generators,
            model.settings,
            on_epoch,
            workers=workers,
        )
    except TrainingError:
        done = -1
    if done != last or not np.array_equal(network.values, model.network.values):
        raise NoFilmError("training again, on this computer, did not lead to the same weights")
    return Film(epochs, np.stack([frames[epoch] for epoch in epochs.tolist()]))


def _training_split(model: Model, examples: Examples) -> tuple[Examples, Split]:
    """Deal the rows as they were dealt for training, perhaps without those that repeat others."""
    if len(examples) != model.folds.rows:
        examples = examples.without_repeats()
    if len(examples) == model.folds.rows:
        dealt = split(examples, model.settings)
        if np.array_equal(dealt.folds.entries.contents, model.folds.entries.contents):
            return examples, dealt
    raise NoFilmError("this is not the table that the model was trained on")


def frame_epochs(model: Model) -> IntArray:
    """Choose the epochs of a film, more of them at the beginning, where the networks move most.

    Among them are the first, the last and those that networks kept.

    Raises
    ------
    NoFilmError
        If the networks are so large that only a few would fit.
    """
    frames = min(MOST_FRAMES, MOST_BYTES // model.network.values.nbytes)
    if frames < FEWEST_FRAMES:
        raise NoFilmError("the networks are too large for one")
    last = len(model.history)
    kept = np.unique(model.history.best_epochs)[: frames // 2]
    spaced = last * np.linspace(0, 1, frames - len(kept)) ** 1.5
    return np.union1d(np.rint(spaced).astype(np.int64), kept)
