"""A trained model: several networks, and what they know of the table they were trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.errors import ModelError, in_list, plural
from minnet.model.html import few, summary
from minnet.network.losses import softmax

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minnet.arrays import Array
    from minnet.data.encoding import Encoder
    from minnet.data.table import Data
    from minnet.model.selection import Selection
    from minnet.network.network import Network
    from minnet.training.folds import Folds
    from minnet.training.history import History
    from minnet.training.settings import TrainingSettings

PREDICTED_AT_ONCE = 4096
"""Rows that the networks take at a time, so that memory does not grow with the table."""


@dataclass(eq=False, kw_only=True)
class Model:
    """Several networks, trained together, that predict with the mean of their probabilities.

    Attributes
    ----------
    encoder
        Knows the columns and the classes.
    network
        The trained networks.
    settings, history
        How they were trained, and how that went.
    class_counts
        Labelled training rows of each class.
    trained_on
        Name of the training file.
    folds
        Which rows each network held out, told from the rows themselves.
    selection
        How it was chosen from several by its scores on the training rows; `None` if it was not.
    """

    encoder: Encoder
    network: Network
    settings: TrainingSettings
    history: History
    class_counts: tuple[int, ...]
    trained_on: str
    folds: Folds
    selection: Selection | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of all classes, in the order of the probabilities."""
        return self.encoder.class_names

    def probabilities(self, data: Data) -> Array:
        """Predict each row, the mean over the networks: `(rows, classes)`, float64.

        Parameters
        ----------
        data
            As `train` takes it.

        Raises
        ------
        DataError
            If a column is missing, or holds text where training had numbers.
        """
        features = self.encoder.transform(self.encoder.table(data))
        means = [member.mean(axis=0) for _, member in self.member_blocks(features)]
        return np.concatenate([np.empty((0, len(self.class_names))), *means])

    def member_probabilities(self, data: Data) -> Array:
        """Let each network predict each row: `(networks, rows, classes)`, float64.

        Parameters and errors are those of `probabilities`.
        """
        return self.member_probabilities_of(self.encoder.transform(self.encoder.table(data)))

    def member_probabilities_of(self, features: Array) -> Array:
        """Let each network predict each row of encoded features, `(rows, features)`."""
        none = np.empty((len(self.network), 0, len(self.class_names)))
        blocks = [member for _, member in self.member_blocks(features)]
        return np.concatenate([none, *blocks], axis=1)

    def member_blocks(self, features: Array) -> Iterator[tuple[slice, Array]]:
        """Which rows, and each network's probabilities of these, some thousand rows at a time."""
        # Layers keep what they were last given: no two threads may share them.
        network = self.network.select(slice(None))
        for rows in row_blocks(len(features)):
            with np.errstate(over="ignore", invalid="ignore"):
                logits = network.forward(features[None, rows])
            yield rows, finite_probabilities(logits)

    def __repr__(self) -> str:
        """One line."""
        networks, parameters = self.network.values.shape
        return (
            f"<Model: {len(self.class_names):,} classes of {self.encoder.target!r} from "
            f"{plural(len(self.encoder.columns), 'column')}, {plural(networks, 'network')} of "
            f"{parameters:,} parameters>"
        )

    def _repr_html_(self) -> str:
        """Show a small summary in a notebook."""
        classes = zip(self.class_names, self.class_counts, strict=True)
        sizes = [len(self.encoder.features), *self.settings.hidden, len(self.class_counts)]
        lines = {
            "trained on": f"{self.trained_on}, {sum(self.class_counts):,} rows",
            f"classes of {self.encoder.target}": few(
                f"{in_list(name)} ({count:,})" for name, count in classes
            ),
            "columns": few(in_list(column.name) for column in self.encoder.columns),
            "networks": f"{len(self.network):,} of shape {' → '.join(map(str, sizes))}",
            "kept": f"{self.history.kept} of {len(self.history)}",
            "holdout loss": f"{self.history.kept_losses.mean():.3f}",
            "holdout accuracy": f"{100 * self.history.kept_accuracies.mean():.1f} %",
        }
        if self.selection:
            lines["selection"] = str(self.selection)
        return summary("minnet model", lines)


def row_blocks(rows: int) -> Iterator[slice]:
    """Which rows are predicted at once, some thousand at a time."""
    for start in range(0, rows, PREDICTED_AT_ONCE):
        yield slice(start, start + PREDICTED_AT_ONCE)


def finite_probabilities(logits: Array) -> Array:
    """Softmax in float64 of a model's raw outputs, `(..., classes)`.

    Raises
    ------
    ModelError
        If one is not finite.
    """
    if not np.isfinite(logits).all():
        raise ModelError("its weights are so large that no prediction is finite")
    return softmax(logits.astype(np.float64))
