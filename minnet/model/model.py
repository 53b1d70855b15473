"""A trained model: from a table to class names, and to a file and back."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.data.encoding import Encoder
from minnet.errors import DataError, FileError, ModelError
from minnet.model import model_file
from minnet.network.layers import Standardize
from minnet.network.losses import softmax
from minnet.network.network import Network
from minnet.storage.files import check_replaceable, replaced_file
from minnet.training.folds import holdout_masks, training_rows
from minnet.training.loop import make_generators, train
from minnet.training.settings import ROWS_AT_ONCE, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.data.table import Table
    from minnet.training.checkpoint import Checkpointer
    from minnet.training.history import Epoch, History


@dataclass(eq=False)
class Model:
    """Several networks, trained side by side, that answer with the mean of their probabilities.

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
    sha256
        Of the training table: by it the model knows the table again.
    """

    encoder: Encoder
    network: Network
    settings: TrainingSettings
    history: History
    class_counts: tuple[int, ...]
    trained_on: str
    sha256: str

    @classmethod
    def fit(
        cls,
        table: Table,
        target: str,
        settings: TrainingSettings | None = None,
        ignore: Collection[str] = (),
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> Model:
        """Train on a table.

        Parameters
        ----------
        table
            The training rows. Rows without a label are left out.
        target
            Name of the label column.
        settings
            How to train; `None` takes the defaults.
        ignore
            Names of columns to leave out.
        on_epoch
            Called after each epoch.

        Raises
        ------
        DataError, SettingsError, TrainingError
            If the table, the settings or both together cannot be trained on.
        """
        return cls.train(Encoder.fit(table, target, ignore), table, settings, on_epoch)

    @classmethod
    def train(
        cls,
        encoder: Encoder,
        table: Table,
        settings: TrainingSettings | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
        checkpointer: Checkpointer | None = None,
        processes: int = 1,
    ) -> Model:
        """Train on a table that an encoder has been fitted to; see `fit` and `training.train`."""
        settings = settings or TrainingSettings()
        features, labels, _ = labelled_rows(encoder, table)
        classes = len(encoder.class_names)
        sizes = settings.layer_sizes(len(features), features.shape[1], classes)
        holdout = holdout_of(labels, settings)
        generators = make_generators(settings)
        standardize = Standardize.fit(features, training_rows(holdout), encoder.scaled)
        network = Network.random(sizes, generators, first=[standardize])
        history = train(
            network,
            features,
            labels,
            holdout,
            generators,
            settings,
            on_epoch,
            checkpointer=checkpointer,
            processes=processes,
        )
        return cls(
            encoder,
            network,
            settings,
            history,
            tuple(np.bincount(labels, minlength=classes).tolist()),
            os.path.basename(table.source),
            table.sha256,
        )

    def probabilities(self, table: Table) -> Array:
        """Ask each network about each row: `(networks, rows, classes)`, float64.

        Raises
        ------
        DataError
            If the table lacks a column or has text where training had numbers.
        """
        return self.probabilities_of(self.encoder.transform(table))

    def probabilities_of(self, features: Array) -> Array:
        """Ask each network about each row of encoded features, `(rows, features)`."""
        shape = (len(self.network), len(features), len(self.encoder.class_names))
        probabilities = np.empty(shape)
        for start in range(0, len(features), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            with np.errstate(over="ignore", invalid="ignore"):
                logits = self.network.forward(features[None, part])
            if not np.isfinite(logits).all():
                raise ModelError("the model's weights are so large that it gives no finite answer")
            probabilities[:, part] = softmax(logits.astype(np.float64))
        return probabilities

    def predict(self, table: Table) -> list[str]:
        """Class name of each row: the argmax of the mean over the networks."""
        best = self.probabilities(table).mean(axis=0).argmax(axis=-1)
        return [self.encoder.class_names[label] for label in best]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as one JSON file, whole or not at all.

        Raises
        ------
        ModelError
            If there is a file at `path` that is not a model.
        FileError
            If the file cannot be written.
        """
        refuse_to_overwrite(path)
        data = model_file.to_bytes(model_file.Contents(**self.__dict__))
        with replaced_file(path) as file:
            file.write(data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
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
            if size > model_file.LARGEST_FILE:
                raise ModelError(f"{shown}: not a usable minnet model: it is {size:,} bytes long")
            with open(path, "rb") as file:
                data = file.read(size)
        except FileNotFoundError:
            raise FileError(f"{shown}: there is no such model: `minnet train` writes one") from None
        except OSError as error:
            raise FileError(f"{shown}: cannot be read: {error.strerror or error}") from None
        return cls(*model_file.from_bytes(data, shown))

    def _repr_html_(self) -> str:
        """Show a small summary in a notebook."""
        from html import escape

        kept = self.history.best_epoch - 1
        classes = zip(self.encoder.class_names, self.class_counts, strict=True)
        sizes = [len(self.encoder.features), *self.settings.hidden, len(self.class_counts)]
        lines = {
            "trained on": f"{self.trained_on}, {sum(self.class_counts):,} rows",
            f"classes of {self.encoder.target}": _few(
                f"{name} ({count:,})" for name, count in classes
            ),
            "columns": _few(column.name for column in self.encoder.columns),
            "networks": f"{len(self.network):,} of shape {' → '.join(map(str, sizes))}",
            "kept epoch": f"{kept + 1} of {len(self.history.holdout_loss)}",
            "holdout loss": f"{self.history.holdout_loss[kept].mean():.3f}",
            "holdout accuracy": f"{100 * self.history.holdout_accuracy[kept].mean():.1f} %",
        }
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>"
            for name, text in lines.items()
        )
        return f"<table><caption>minnet model</caption>{rows}</table>"


def _few(texts: Iterable[str], most: int = 12) -> str:
    """List the first texts, and say how many there are if there are more."""
    listed = list(texts)
    more = f", ... ({len(listed):,} in all)" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def labelled_rows(encoder: Encoder, table: Table) -> tuple[Array, IntArray, IntArray]:
    """Features and labels of the rows that have a label, and which rows those are.

    Returns
    -------
    tuple
        `(labelled, features)`, `(labelled,)` and `(labelled,)`.
    """
    labels = encoder.labels(table)
    rows = np.flatnonzero(labels >= 0)
    features = encoder.transform(table)
    if not len(rows):
        raise DataError(f"{table.source}: no row has a label in column {encoder.target!r}")
    if len(rows) == len(table):
        return features, labels, rows
    return features[rows], labels[rows], rows


def holdout_of(labels: IntArray, settings: TrainingSettings) -> BoolArray:
    """Which training rows each network never saw, `(networks, rows)`, told from the labels."""
    folds = min(settings.folds, len(labels))
    return holdout_masks(labels, settings.networks, folds, settings.split_seed)


def refuse_to_overwrite(path: str | os.PathLike[str]) -> None:
    """Raise an error if there is something at `path` that is not a model."""
    check_replaceable(path)
    try:
        with open(path, "rb") as file:
            beginning = file.read(len(model_file.BEGINNING))
    except FileNotFoundError:
        return
    except OSError as error:
        raise FileError(f"{os.fspath(path)}: cannot be read: {error.strerror or error}") from None
    if beginning not in (b"", model_file.BEGINNING):
        raise ModelError(
            f"{os.fspath(path)}: not a minnet model, so it is not overwritten: choose another "
            "name with --model"
        )
