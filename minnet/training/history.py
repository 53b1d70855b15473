"""What training leaves behind: loss and accuracy of every epoch and network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from minnet.arrays import Array, IntArray
from minnet.errors import ModelError, plural


class Epoch(NamedTuple):
    """What one pass over the rows came to, for each network; every array is `(networks,)`.

    The training figures are means over the epoch's batches, taken while the weights moved; the
    holdout figures are taken after it (NaN for a network without a holdout). Losses of
    cross-entropy are in nats per row.
    """

    training_loss: Array
    training_accuracy: Array
    holdout_loss: Array
    holdout_accuracy: Array

    @classmethod
    def of(cls, training: Array, holdout: Array) -> Epoch:
        """Take means of summed `metrics`, each `(4, networks)`."""
        with np.errstate(invalid="ignore"):  # no holdout rows: 0 / 0 is NaN
            return cls(*training[::2] / training[1::2], *holdout[::2] / holdout[1::2])


@dataclass(frozen=True, eq=False)
class History:
    """Loss and accuracy of every epoch and network, all `(epochs, networks)`, float32.

    Attributes
    ----------
    best_epochs
        For each network the epoch whose parameters were kept, counted from 1, `(networks,)`.
    """

    training_loss: Annotated[Array, "float32", 2]
    training_accuracy: Annotated[Array, "float32", 2]
    holdout_loss: Annotated[Array, "float32", 2]
    holdout_accuracy: Annotated[Array, "float32", 2]
    best_epochs: Annotated[IntArray, "int64", 1]

    def __post_init__(self) -> None:
        """Check that the arrays fit together."""
        shape = len(self), len(self.best_epochs)
        for name in Epoch._fields:
            if getattr(self, name).shape != shape:
                raise ModelError(f"{name} is not of shape {shape}")

    def __repr__(self) -> str:
        epochs, networks = self.training_loss.shape
        of = f"{plural(epochs, 'epoch')} of {plural(networks, 'network')}"
        return f"<History: {of}, kept {self.kept}>"

    def __len__(self) -> int:
        """How many epochs."""
        return len(self.training_loss)

    @property
    def kept_losses(self) -> Array:
        """Holdout loss of each network at the epoch it kept, `(networks,)`, float64."""
        return self._kept(self.holdout_loss)

    @property
    def kept_accuracies(self) -> Array:
        """Holdout accuracy of each network at the epoch it kept, `(networks,)`, float64."""
        return self._kept(self.holdout_accuracy)

    def _kept(self, figures: Array) -> Array:
        # As float64, in which no mean of them overflows.
        kept = figures[self.best_epochs - 1, np.arange(len(self.best_epochs))]
        return kept.astype(np.float64)

    @property
    def kept(self) -> str:
        """`epoch 57`, or `epochs 38 to 57` where the networks kept several."""
        first, last = int(self.best_epochs.min()), int(self.best_epochs.max())
        return f"epoch {first}" if first == last else f"epochs {first} to {last}"
