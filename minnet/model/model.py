"""A trained model: several networks, and what they know of the table they were trained on.

What it predicts for new rows, and how far to trust each prediction.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from typing import Any

import numpy as np

from minnet.arrays import Array, IntArray
from minnet.data.cells import short_names
from minnet.data.columns import DateColumn, FeatureColumn, NumericColumn
from minnet.data.encoding import Encoder
from minnet.data.table import Data
from minnet.errors import ModelError, PackageError, in_list, listed, plural
from minnet.model.threshold import Threshold, predicted_labels
from minnet.network.losses import softmax
from minnet.network.network import Network
from minnet.network.preparation import count_inputs
from minnet.report import MOST_SHOWN, Cells, Section, Shown, percent, span
from minnet.training.folds import Folds
from minnet.training.settings import History, TrainingSettings

LARGEST_LOSS = 1000
"""Above that of the smallest probability that there is."""


@dataclass(frozen=True)
class Selection:
    """What choosing from several configurations by their scores on the same rows does to these.

    Attributes
    ----------
    configurations
        How many there were to choose from.
    log_loss_optimism
        About how much too small the log loss on these rows is, nats per row.
    accuracy_optimism
        About how much too large the accuracy on these rows is, in -1..1: the log loss decided.
    """

    configurations: int
    log_loss_optimism: float
    accuracy_optimism: float

    def __post_init__(self) -> None:
        """Check what is possible."""
        if (
            self.configurations < 2
            or not 0 <= self.log_loss_optimism <= LARGEST_LOSS
            or not -1 <= self.accuracy_optimism <= 1
        ):
            raise ModelError("its selection is impossible")

    def __str__(self) -> str:
        """Make a line for reports of scores on these rows."""
        points = max(0.0, 100 * self.accuracy_optimism)
        return (
            f"chosen from {plural(self.configurations, 'configuration')} on these rows, which "
            f"flatters: log loss by about {self.log_loss_optimism:.3f}, accuracy by about "
            f"{points:.1f} points"
        )


MOST_CLASSES = 8
"""Shown beside a prediction."""
PREDICTED_AT_ONCE, ROWS_OF_A_TASK = 1024, 4096
"""Rows that fit into a processor's cache with all that is made of them; and those that pay for the
way to another process."""


@dataclass(eq=False, kw_only=True)
class Model(Shown):
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
    threshold
        Decides for one of two classes; `None` decides for the most probable class.
    notes
        What `minnet train` prints as notes, a sentence each: what is odd about the training table
        and how it was read, and what makes the scores uncertain. Of a model that was just trained:
        a file does not keep them.
    """

    encoder: Encoder
    network: Network
    settings: TrainingSettings
    history: History
    class_counts: tuple[int, ...]
    trained_on: str
    folds: Folds
    selection: Selection | None = None
    threshold: Threshold | None = None
    notes: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of all classes, in the order of the probabilities."""
        return self.encoder.class_names

    @property
    def size(self) -> str:
        """`8 networks of 259 parameters`."""
        networks, parameters = self.network.values.shape
        return f"{plural(networks, 'network')} of {parameters:,} parameters"

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
        return np.concatenate([members.mean(axis=0) for members in self._blocks(features)])

    def member_probabilities(self, data: Data) -> Array:
        """Let each network predict each row: `(networks, rows, classes)`, float64.

        Parameters and errors are those of `probabilities`.
        """
        return self.member_probabilities_of(self.encoder.transform(self.encoder.table(data)))

    def member_probabilities_of(self, features: Array, networks: slice = slice(None)) -> Array:
        """Let each of some networks predict each row of encoded features, `(rows, features)`."""
        return np.concatenate([*self._blocks(features, networks)], axis=1)

    def labels_of(self, probabilities: Array) -> IntArray:
        """Integer labels of the predicted classes, `(...)`, by probabilities `(..., classes)`."""
        return predicted_labels(probabilities, self.class_names, self.threshold)

    def _blocks(self, features: Array, networks: slice = slice(None)) -> Iterator[Array]:
        """Each network's probabilities of some thousand rows at a time."""
        # Layers keep what they were last given: no two threads may share them.
        network = self.network.select(networks)
        for rows in row_blocks(len(features), PREDICTED_AT_ONCE):
            with np.errstate(over="ignore", invalid="ignore"):
                logits = network.forward(features[None, rows])
            yield finite_probabilities(logits)

    def __repr__(self) -> str:
        """One line."""
        return (
            f"<Model: {len(self.class_names):,} classes of {self.encoder.target!r} from "
            f"{plural(len(self.encoder.columns), 'column')}, {self.size}>"
        )

    def report(self) -> list[Section]:
        """Say what is in it: columns, classes, networks, settings and scores."""
        encoder, history = self.encoder, self.history
        grouped = f", groups of {encoder.group!r} kept together" if encoder.group else ""
        grouped += f", weighted by {encoder.weights!r}" if encoder.weights else ""
        options = _reading_options(encoder)
        names = short_names(column.name for column in encoder.columns)
        columns = [
            (name, _described(one) + "; cells may be missing" * one.has_missing)
            for name, one in zip(names, encoder.columns, strict=True)
        ]
        rows = (plural(count, "row") for count in self.class_counts)
        classes = zip(short_names(self.class_names), rows, strict=True)
        bins = count_inputs(self.network.layers) - len(encoder.features)
        features = f"{len(encoder.features)}{f' and {bins:,} bins' if bins else ''}"
        sizes = " -> ".join(map(str, [features, *self.settings.hidden, len(self.class_names)]))
        settings = self.settings.described(sum(self.class_counts))
        losses = _mean_and_span(history.kept_losses, "{:.3f}".format)
        accuracies = _mean_and_span(history.kept_accuracies, percent)
        return [
            Section(
                f"trained on {self.trained_on} to predict {encoder.target!r}{grouped}",
                [f"read with {options}"] if options else [],
            ),
            Section(
                "columns",
                [
                    Cells(columns, left=(0, 1), indent="  "),
                    "classes",
                    Cells([*classes], indent="  "),
                    self.size,
                    f"  features {sizes} classes, ReLU between, softmax at the end",
                    "settings",
                    Cells([*settings.items()], left=(0, 1), indent="  "),
                    "scores of the networks, each on the rows it held out",
                    f"  kept {history.kept} of {len(history)}",
                    f"  loss {losses}",
                    f"  accuracy {accuracies}",
                    *(f"  {one}" for one in (self.selection, self.threshold) if one),
                ],
            ),
        ]


def _described(column: FeatureColumn) -> str:
    """Range of a numeric column, how many months there are of dates, or the first categories."""
    if isinstance(column, NumericColumn):
        low, high, median = map(column.shown, (column.minimum, column.maximum, column.median))
        return f"numeric, {low} to {high}, median {median}"
    if isinstance(column, DateColumn):
        kinds = {one.name.rpartition(".")[-1]: len(one.categories) for one in column.derived}
        counts = ", ".join(plural(count, kind) for kind, count in kinds.items())
        return f"{'times' if column.day else 'dates'}: {counts}"
    return f"categorical: {listed(short_names(map(in_list, column.categories)))}"


def _mean_and_span(values: Array, shown: Callable[[float], str]) -> str:
    mean = shown(float(values.mean()))
    if len(values) == 1:
        return mean
    return f"{mean} on average ({span(float(values.min()), float(values.max()), shown)})"


def _reading_options(encoder: Encoder) -> str:
    """How the training table was read, as options; empty if it was read as usual."""
    cells = encoder.cell_format
    options = [
        "--no-header" if encoder.unnamed_columns else "",
        *(f"--missing {shlex.quote(word)}" for word in cells.missing_words),
        f"--decimal {cells.decimal}" if cells.decimal else "",
        f"--strip {shlex.quote(cells.strip)}" if cells.strip else "",
        "--drop-repeats" if encoder.drop_repeats else "",
    ]
    return " ".join(filter(None, options))


def row_blocks(rows: int, size: int = ROWS_OF_A_TASK) -> Iterator[slice]:
    """Which rows are taken at once; one block if there are none."""
    for start in range(0, max(1, rows), size):
        yield slice(start, start + size)


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


PREFIX = "minnet_"
OWN_COLUMNS = ("predicted", "spread", "caution")


@dataclass(frozen=True, eq=False)
class Predictions(Shown):
    """Predictions for the rows of a table.

    Attributes
    ----------
    class_names
        In the order of the probabilities.
    probabilities
        Mean over the networks, `(rows, classes)`.
    labels
        Integer label of the predicted class, `(rows,)`: the most probable one, unless the model has
        a threshold.
    spread
        Largest minus smallest probability that the networks give the predicted class, `(rows,)`.
    cautions
        For each row, why to distrust its prediction; empty if there is no reason.
    """

    class_names: tuple[str, ...]
    probabilities: Array
    labels: IntArray
    spread: Array
    cautions: list[list[str]]

    @property
    def predicted(self) -> list[str]:
        """Name of the predicted class of each row."""
        return [self.class_names[label] for label in self.labels.tolist()]

    @property
    def columns(self) -> list[Any]:
        """What is predicted, column by column: see `added_names`."""
        cautions = [*map("; ".join, self.cautions)]
        return [self.predicted, *self.probabilities.T, self.spread, cautions]

    def to_pandas(self) -> Any:
        """Make a pandas frame, with a column for each of `added_names`.

        Returns
        -------
        pandas.DataFrame
            One row for each row of the table, numbered from 0.

        Raises
        ------
        PackageError
            If pandas is not installed.

        Examples
        --------
        >>> import minnet
        >>> model = minnet.train("data/iris.csv", "species", epochs=5)
        >>> frame = minnet.predict(model, "data/iris.csv").to_pandas()
        >>> [*frame.columns[:2]], len(frame)
        (['predicted', 'p(setosa)'], 150)
        """
        return self._frame("pandas")

    def to_polars(self) -> Any:
        """Make a polars frame, with a column for each of `added_names`.

        Returns
        -------
        polars.DataFrame
            One row for each row of the table.

        Raises
        ------
        PackageError
            If polars is not installed.

        Examples
        --------
        >>> import minnet
        >>> model = minnet.train("data/iris.csv", "species", epochs=5)
        >>> minnet.predict(model, "data/iris.csv").to_polars().shape
        (150, 6)
        """
        return self._frame("polars")

    def _frame(self, package: str) -> Any:
        try:
            frames = import_module(package)
        except ImportError:
            raise PackageError(package) from None
        return frames.DataFrame(dict(zip(added_names(self.class_names), self.columns, strict=True)))

    def __len__(self) -> int:
        """How many rows."""
        return len(self.probabilities)

    def __repr__(self) -> str:
        return f"<Predictions: {plural(len(self), 'row')}, classes {', '.join(self.class_names)}>"

    def report(self) -> list[Section]:
        """Show the first rows."""
        predicted, *probabilities, spread, caution = self.columns
        columns = [predicted, *probabilities[:MOST_CLASSES], spread, caution]
        rows = [
            [str(row), *(cell if isinstance(cell, str) else f"{cell:.3f}" for cell in cells)]
            for row, cells in enumerate(islice(zip(*columns, strict=True), MOST_SHOWN), 1)
        ]
        classes = [f"p({name})" for name in self.class_names[:MOST_CLASSES]]
        heads = ["row", "predicted", *classes, "spread", "caution"]
        title = f"minnet predictions, {plural(len(self), 'row')}"
        return [Section(title, [Cells(rows, heads, count=len(self))])]


def predict(model: Model, data: Data) -> Predictions:
    """Predict the class of every row of a table.

    Parameters
    ----------
    data
        As `train` takes it.

    Returns
    -------
    Predictions
        The classes and probabilities, and why to distrust them.

    Raises
    ------
    DataError
        If the table lacks a column or has text where training had numbers.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> row = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    >>> minnet.predict(model, row).predicted
    ['setosa']
    """
    table = model.encoder.table(data)
    members = model.member_probabilities(table)
    probabilities = members.mean(axis=0)
    labels = model.labels_of(probabilities)
    of_predicted = np.take_along_axis(members, labels[None, :, None], axis=-1)[..., 0]
    cautions = model.encoder.cautions(table)
    for row in np.flatnonzero((model.labels_of(members) != labels).any(axis=0)):
        cautions[row].append("networks disagree")
    spread = np.ptp(of_predicted, axis=0)
    return Predictions(model.class_names, probabilities, labels, spread, cautions)


def added_names(class_names: Iterable[str], taken: Collection[str] = ()) -> list[str]:
    """Name the columns that are added to a table with predictions.

    The predicted class, a probability for each class, spread and caution; with a prefix, if one of
    these names is `taken`.
    """
    probabilities = [f"p({name})" for name in class_names]
    first, *last = OWN_COLUMNS
    added = [first, *probabilities, *last]
    while not set(added).isdisjoint(taken):
        added = [PREFIX + name for name in added]
    return added
