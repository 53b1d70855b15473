"""A model in a file: JSON that you can read and that nobody can hide code in.

Written whole or not at all, and read with suspicion.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.codec import check_checksum, decoded, encoded, from_text, to_text
from minnet.data.encoding import Encoder
from minnet.errors import FileError, ModelError, SettingsError
from minnet.model.model import Model, Selection
from minnet.model.threshold import Threshold
from minnet.network.layers import Dense, Layer, ReLU
from minnet.network.network import Network
from minnet.network.preparation import Bins, Standardize, preparing
from minnet.storage import check_overwritable, replaced_file
from minnet.training.folds import MOST_KEPT, Folds
from minnet.training.settings import History, TrainingSettings


def check_layers(layers: Iterable[Layer], done: str) -> None:
    """Refuse layers that are not those of a model, of which whoever asks knows what they calculate.

    Parameters
    ----------
    layers
        All of a network's, in their order.
    done
        What cannot be done with others: "saved".

    Raises
    ------
    ModelError
        If one is not minnet's own (a subclass may calculate something else), or stands elsewhere.
    """
    kinds = [type(layer) for layer in layers]
    names = [kind.__name__ for kind in kinds]
    for kind, name in zip(kinds, names, strict=True):
        if kind not in (Standardize, Bins, Dense, ReLU):
            raise ModelError(f"a layer of kind {name} cannot be {done}")
    if not re.fullmatch("Standardize (Bins )?(Dense ReLU )*Dense", " ".join(names)):
        raise ModelError(f"a network of the layers {' '.join(names)} cannot be {done}")


@dataclass(frozen=True, eq=False)
class DenseFile:
    """One dense layer of all networks; see `Dense`."""

    weights: Annotated[Array, "float64", 3]
    biases: Annotated[Array, "float64", 2]


@dataclass(frozen=True, eq=False)
class BinsFile:
    """The bins of all networks; see `Bins`."""

    columns: Annotated[IntArray, "int64", 1]
    lower: Annotated[Array, "float64", 2]
    upper: Annotated[Array, "float64", 2]

    def __post_init__(self) -> None:
        """Check what can be checked without the settings."""
        shape = len(self.lower), len(self.columns)
        if not len(self.columns) or self.lower.shape != shape or self.upper.shape != shape:
            raise ModelError("columns and edges of its bins do not fit together")
        steps, touch = np.diff(self.columns), self.upper[:, :-1] == self.lower[:, 1:]
        if (steps < 0).any() or (self.upper < self.lower).any() or (~touch & (steps == 0)).any():
            raise ModelError("the columns and the edges of its bins do not ascend")
        if max(np.abs(self.lower).max(), np.abs(self.upper).max()) > Standardize.limit:
            raise ModelError("the edges of its bins are beyond all scaled values")


@dataclass(frozen=True, eq=False)
class NetworkFile:
    """The numbers of a model's network; which layers they are of, its settings tell.

    Attributes
    ----------
    dtype
        Of weights and biases.
    means, scales
        Of `Standardize`, `(networks, features)`.
    bins
        `None` without any.
    dense
        From first to last, with a ReLU between any two.
    """

    dtype: Literal["float32", "float64"]
    means: Annotated[Array, "float64", 2]
    scales: Annotated[Array, "float64", 2]
    bins: BinsFile | None
    dense: tuple[DenseFile, ...]

    def __post_init__(self) -> None:
        """Check what can be checked without the settings."""
        if (self.scales < 0).any():
            raise ModelError("a scale is negative")
        largest = np.finfo(self.dtype).max
        if any((np.abs(a) > largest).any() for one in self.dense for a in vars(one).values()):
            raise ModelError(f"weights or biases hold a number that is not finite in {self.dtype}")

    @classmethod
    def of(cls, network: Network) -> NetworkFile:
        """Take the numbers of a network, of whose layers it is known what they calculate."""
        check_layers(network.layers, "saved")
        standardize, bins = preparing(network.layers)
        return cls(
            dtype="float64" if network.values.dtype == np.float64 else "float32",
            means=standardize.means[:, 0],
            scales=standardize.scales[:, 0],
            bins=None if bins is None else BinsFile(bins.columns, bins.lower, bins.upper),
            dense=tuple(
                DenseFile(layer.weights.values, layer.biases.values[:, 0])
                for layer in network.layers
                if isinstance(layer, Dense)
            ),
        )

    def check(self, settings: TrainingSettings, scaled: BoolArray, classes: int) -> None:
        """Check that these are the numbers of the layers that the settings ask for."""
        inputs = len(scaled)
        if self.bins is not None:
            columns = self.bins.columns
            inputs += len(columns)
            are_of_numbers = np.isin(columns, np.flatnonzero(scaled)).all()
            are_asked_for = are_of_numbers and np.bincount(columns).max() <= settings.bins
            if len(self.bins.lower) != settings.networks or not are_asked_for:
                raise ModelError("its bins are not those its settings ask for")
        sizes = [inputs, *settings.hidden, classes]
        if len(self.dense) != len(sizes) - 1:
            raise ModelError("its layers are not those its settings ask for")
        arrays: list[tuple[str, Array, tuple[int, ...]]]
        arrays = [("means", self.means, (len(scaled),)), ("scales", self.scales, (len(scaled),))]
        for one, shape in zip(self.dense, pairwise(sizes), strict=True):
            arrays += [("weights", one.weights, shape), ("biases", one.biases, shape[1:])]
        for name, array, of_network in arrays:
            expected = (settings.networks, *of_network)
            if array.shape != expected:
                raise ModelError(f"{name} is not of shape {expected}")

    def network(self, settings: TrainingSettings) -> Network:
        """Make the network."""
        dtype = np.dtype(self.dtype)
        means, scales, bins = self.means[:, None], self.scales[:, None], self.bins
        layers: list[Layer] = [Standardize(means, scales, np.float64 if bins else dtype)]
        if bins is not None:
            edges = bins.lower, bins.upper
            layers.append(Bins(bins.columns, *edges, settings.sharp_bins, dtype))
        for one in self.dense:
            weights, biases = one.weights.astype(dtype), one.biases.astype(dtype)
            layers += [Dense(weights, biases[:, None]), ReLU()]
        return Network(layers[:-1])


FORMAT = "minnet-model"
VERSION = 1
MOST_ROWS = 2**53
"""Up to it, every number is one of float64."""
BEGINNING = f'{{\n "format": "{FORMAT}"'.encode()


@dataclass(frozen=True, eq=False)
class ModelFile:
    """What a file says of a model; see `Model`."""

    trained_on: str
    class_counts: tuple[int, ...]
    encoder: Encoder
    folds: Folds
    settings: TrainingSettings
    history: History
    network: NetworkFile
    selection: Selection | None
    threshold: Threshold | None

    def __post_init__(self) -> None:
        """Check that its parts fit together; each has checked itself."""
        encoder, folds, settings = self.encoder, self.folds, self.settings
        counts, classes = self.class_counts, len(encoder.class_names)
        if len(counts) != classes or min(counts) < 0 or not 0 < sum(counts) <= MOST_ROWS:
            raise ModelError("class_counts does not fit class_names")
        if settings.class_weights is not None and len(settings.class_weights) != classes:
            raise ModelError("class_weights does not fit class_names")
        if self.threshold:
            self.threshold.check("it", encoder.class_names)
        self.network.check(settings, encoder.scaled, classes)
        best_epochs, epochs = self.history.best_epochs, len(self.history)
        is_epoch = (best_epochs >= 1) & (best_epochs <= epochs)
        if len(is_epoch) != settings.networks or not is_epoch.all():
            raise ModelError("best_epochs are not epochs of its networks")
        if (
            (folds.groups is not None and not encoder.group)
            or (folds.groups is None and encoder.group and folds.rows <= MOST_KEPT)
            or folds.count > min(settings.folds, folds.rows)
            or folds.entries.labels.max() >= classes
            or (self.threshold and len(self.threshold.of_folds) not in (0, settings.folds))
        ):
            raise ModelError("its folds do not fit together")


def to_bytes(model: Model) -> bytes:
    """Write a model as JSON: the same model gives the same bytes.

    Raises
    ------
    ModelError
        If a layer is not one of minnet's own, or anything else could not be read back.
    """
    kept = {one.name: getattr(model, one.name) for one in fields(ModelFile)}
    file = ModelFile(**kept | {"network": NetworkFile.of(model.network)})
    return to_text({"format": FORMAT, "version": VERSION, **encoded(file, ModelFile)}).encode()


def from_bytes(data: bytes, source: str) -> Model:
    """Read what `to_bytes` wrote.

    Raises
    ------
    ModelError
        If anything about it is not as it should be; names `source`.
    """
    try:
        document = from_text(data)
        if document.get("format") != FORMAT:
            raise ModelError(f'it does not say "format": "{FORMAT}"')
        version = document.get("version")
        if type(version) is not int or version < 1:
            raise ModelError("its format version is not a whole number")
        if version > VERSION:
            raise ModelError(
                f"it has format version {version}, written by a newer minnet; this one reads up to "
                f"version {VERSION}: upgrade minnet"
            )
        check_checksum(document)
        del document["format"], document["version"]
        file: ModelFile = decoded(document, ModelFile, "")
        return Model(**vars(file) | {"network": file.network.network(file.settings)})
    except RecursionError:
        raise ModelError(f"{source}: not a usable minnet model: it is nested too deeply") from None
    except (ModelError, SettingsError) as error:
        raise ModelError(f"{source}: not a usable minnet model: {error.naming(str)}") from None


LARGEST_FILE = 2**29


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model as one JSON file, whole or not at all.

    Returns
    -------
    None
        The file is there, or an error is raised.

    Raises
    ------
    ModelError
        If a layer is not one of minnet's own.
    FileError
        If the file cannot be written, or there is one at `path` that is not a model.

    Examples
    --------
    >>> import minnet
    >>> import os, tempfile
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.json")
    ...     minnet.save(model, path)
    ...     minnet.load(path).class_names
    ('setosa', 'versicolor', 'virginica')
    """
    refuse_to_overwrite(path)
    data = to_bytes(model)
    with replaced_file(path) as file:
        file.write(data)


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model that `save` wrote.

    Returns
    -------
    Model
        As it was, but for its notes.

    Raises
    ------
    FileError
        If the file cannot be read.
    ModelError
        If it is not a model, is damaged, or is of a newer format.

    Examples
    --------
    >>> import minnet
    >>> minnet.load("data/iris.csv")
    Traceback (most recent call last):
    ...
    minnet.errors.ModelError: data/iris.csv: not a usable minnet model: it is not JSON
    """
    shown = os.fspath(path)
    try:
        status = os.stat(path)
        # A pipe or a device could keep us waiting, or go on for ever.
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise OSError("a model is a regular file")
        if status.st_size > LARGEST_FILE:
            reason = f"it is {status.st_size:,} bytes long"
            raise ModelError(f"{shown}: not a usable minnet model: {reason}")
        with open(path, "rb") as file:
            data = file.read(status.st_size)
    except FileNotFoundError:
        raise FileError(f"{shown}: there is no such model: `minnet train` writes one") from None
    except OSError as error:
        raise FileError(f"{shown}: cannot be read: {error.strerror or error}") from None
    return from_bytes(data, shown)


def is_model(path: str) -> bool:
    """Whether a file begins as a model does."""
    with suppress(OSError), open(path, "rb") as file:
        return file.read(len(BEGINNING)) == BEGINNING
    return False


def refuse_to_overwrite(path: str | os.PathLike[str]) -> None:
    """Raise an error if there is something at `path` that is not a model."""
    check_overwritable(path, BEGINNING, "a minnet model", "--model")
