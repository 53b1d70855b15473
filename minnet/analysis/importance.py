"""Which columns matter: how much worse a model gets when a column's cells are shuffled."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minnet.arguments import as_integer
from minnet.arrays import Array, BoolArray, IntArray
from minnet.data.columns import slices_of
from minnet.data.table import Data
from minnet.errors import DataError, plural
from minnet.model.document import check_layers
from minnet.model.judges import STUDENT_QUANTILE, judged_by, judges_of
from minnet.model.model import ROWS_OF_A_TASK, Model, finite_probabilities, row_blocks
from minnet.model.scores import nats
from minnet.network.layers import Dense, Layer
from minnet.network.network import Network
from minnet.network.preparation import preparation_of
from minnet.report import attributes, records
from minnet.training.workers import as_workers, in_order

MOST_SHUFFLES = 1000
MOST_COLUMNS_SHOWN = 30
"""In a report or a picture."""
MOST_ROWS, FEWEST_DRAWN, MOST_CELLS = 10_000, 1_000, 1_000_000
FEWEST_CELLS_SPREAD = 300_000
"""Shuffled cells; fewer take less time in one process than workers take to start."""
RESOLUTION = 1e-6
"""Nats per row: smaller differences may be the rounding of float32."""


@np.errstate(over="ignore", invalid="ignore")
def losses_of_group(
    network: Network,
    features: Array,
    labels: IntArray,
    weights: Array,
    columns: Sequence[slice],
    group: tuple[IntArray, IntArray, IntArray],
) -> tuple[Array, Array]:
    """Log losses, summed up by weight: of each network, then of the mean of their probabilities.

    A column's cells change a row's weighted sums in the first layer by the difference of the cells
    times the column's own weights, which is all that is computed anew for it.

    Parameters
    ----------
    features, labels, weights
        Of all rows, `(rows, features)` and twice `(rows,)`.
    columns
        The features of each column.
    group
        Some of the networks, their rows, and the row among these whose cells each gets,
        `(shuffles, rows)`.

    Returns
    -------
    tuple
        Before shuffling, `(networks + 1,)`, and after, `(columns, networks + 1, shuffles)`.
    """
    chosen, chosen_rows, sources = group
    network, features, labels = network.select(chosen), features[chosen_rows], labels[chosen_rows]
    weights = weights[chosen_rows]
    learning = network.without_preparation()
    first, *rest = learning.layers
    check_layers(network.layers[: -len(rest) or None], "judged without a column")
    assert isinstance(first, Dense)
    networks, shuffles = len(network), len(sources)
    preparations = [preparation_of(network.layers, own) for own in columns]
    before = np.zeros(networks + 1)
    after = np.zeros((len(columns), networks + 1, shuffles))
    for rows in row_blocks(len(labels), max(1, ROWS_OF_A_TASK // shuffles)):
        inputs = network.prepare(features[None, rows])
        sums = first.forward(inputs)
        before += (_row_losses(rest, sums, labels[rows]) * weights[rows]).sum(axis=-1)
        shape = (networks, shuffles, sums.shape[1], -1)
        repeated = np.tile(labels[rows], shuffles)
        for column, (layers, places) in enumerate(preparations):
            changes = features[None, sources[:, rows].ravel(), columns[column]]
            for layer in layers:
                changes = layer.forward(changes)
            changes = changes.reshape(shape)
            changes -= inputs[:, None, :, places]
            changes = changes.reshape(networks, len(repeated), -1)
            moved = changes @ first.weights.values[:, places]
            moved.reshape(shape)[...] += sums[:, None]
            losses = _row_losses(rest, moved, repeated).reshape(networks + 1, shuffles, -1)
            after[column] += (losses * weights[rows]).sum(axis=-1)
    return before, after


def _row_losses(layers: Sequence[Layer], outputs: Array, labels: IntArray) -> Array:
    """Log loss of each row for each network, and for their mean, `(networks + 1, rows)`."""
    for layer in layers:
        outputs = layer.forward(outputs)
    observed = finite_probabilities(outputs)[:, np.arange(len(labels)), labels]
    return nats(np.concatenate([observed, observed.mean(axis=0, keepdims=True)]))


@dataclass(frozen=True, eq=False)
class Importance:
    """What the cells of each column are worth to a model, the most important column first.

    Attributes
    ----------
    columns
        Names of the columns.
    increases
        Log loss of all judged rows with the cells of one column shuffled, minus `log_loss`,
        `(columns, shuffles)`, nats per row.
    network_increases
        The same for each network alone on the rows that it judged, mean of the shuffles,
        `(columns, networks)`; NaN where it judged none.
    chance
        `(columns,)`: in 95 of 100 tables, the mean increase of a column that has nothing to do
        with the classes and the other columns is between minus this and this.
    log_loss
        Of the judged rows as they are, nats per row.
    rows
        How many rows were judged.
    available
        How many could have been: of a large table, some are drawn. A row that is the only one of
        its judges could not.
    judged_by
        Which rows these are and which networks judged them, in a sentence.
    out_of_fold
        Whether there are rows that only networks judged that never saw them or their like.
    known, is_exact
        How many of these were in the training table; see `minnet.model.judges.Judges`.
    source
        Name of the table's file.
    """

    columns: tuple[str, ...]
    increases: Array
    network_increases: Array
    chance: Array
    log_loss: float
    rows: int
    available: int
    judged_by: str
    out_of_fold: bool
    known: int | None
    is_exact: bool
    source: str = ""

    def __len__(self) -> int:
        """How many columns."""
        return len(self.columns)

    def __repr__(self) -> str:
        return (
            f"<Importance: {plural(len(self), 'column')}, {self.matters.sum():,} matter more than "
            f"chance, first {self.columns[0]!r}>"
        )

    @property
    def means(self) -> Array:
        """Increase of each column, mean of the shuffles, `(columns,)`."""
        return self.increases.mean(axis=1)

    @property
    def network_ranges(self) -> Array:
        """Smallest and largest increase over the networks that judged rows, `(2, columns)`."""
        judged = self.network_increases[:, ~np.isnan(self.network_increases[0])]
        return np.stack([judged.min(axis=1), judged.max(axis=1)])

    @property
    def matters(self) -> BoolArray:
        """Which columns matter more than chance, `(columns,)`."""
        return np.greater(self.means, self.chance)

    def document(self) -> dict[str, Any]:
        """Tell everything as JSON."""
        return {
            **attributes(self, "rows", "judged_by", "out_of_fold", "log_loss"),
            "available_rows": self.available,
            "rows_in_training_table": self.known,
            "rows_in_training_table_is_exact": self.is_exact,
            "shuffles": self.increases.shape[1],
            "columns": records(
                column=self.columns,
                increase=self.means,
                chance=self.chance,
                more_than_chance=self.matters,
                shuffles=self.increases,
                networks=self.network_increases,
            ),
        }


def importance(
    model: Model, data: Data, *, shuffles: int = 10, seed: int = 0, workers: Any = 1
) -> Importance:
    """Measure how much the log loss of a labelled table grows without what a column tells.

    Each column's cells are shuffled among the rows: all its features together, be they categories,
    what is derived of a date, or a number and whether it is missing. Rows are judged as `evaluate`
    does, and shuffled among those that the same networks judge, so that every cell is new to its
    judges. Every cell goes to another row, by a random cyclic shuffle: then the mean does not
    depend on how many rows there are. All columns are shuffled alike, whatever their order.

    How far the increase of an uninformative column is from 0 by chance is told by the shuffles
    themselves: to such a column, its own order is one more shuffle. So the variance of
    mean(shuffled) - own is that of the shuffles times 1 / shuffles + inflation, where the
    `inflation` (see `minnet.model.judges`) is 1 for rows no network was trained on, and up to 2
    for cross-validated ones. All this holds for rows that do not come in groups.

    Parameters
    ----------
    data
        A table, a mapping of columns, or the name of a CSV file. Of many rows, 10,000 are drawn; if
        these have over a million cells, as many as have a million, but at least 1,000.
    shuffles
        How often each column is shuffled, 2 to 1,000.
    seed
        Decides the shuffles, and which rows are drawn.
    workers
        How many processes; or an executor of `concurrent.futures`, or a Dask client. Decides
        nothing but the time it takes.

    Returns
    -------
    Importance
        The columns, the most important first.

    Raises
    ------
    DataError
        If the table has no label column, an unknown class, too few rows, or does not fit the model.

    References
    ----------
    Breiman (2001), "Random forests", section 10.
    Fisher, Rudin, Dominici (2019), "All models are wrong, but many are useful: learning a
    variable's importance by studying an entire class of prediction models simultaneously".

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> measured = minnet.importance(model, "data/iris.csv")
    >>> len(measured), measured.increases.shape
    (4, (4, 10))
    """
    shuffles = as_integer("shuffles", shuffles, 2, MOST_SHUFFLES)
    seed = as_integer("seed", seed, 0)
    table = model.encoder.table(data)
    examples = model.encoder.examples(table)
    judges = judges_of(model, examples)
    bits = np.random.PCG64(seed)
    available = np.flatnonzero(judges.mask.any(axis=0))
    most = min(MOST_ROWS, max(FEWEST_DRAWN, MOST_CELLS // len(model.encoder.columns)))
    drawn = np.argsort(bits.random_raw(len(available)), kind="stable")[:most]
    names, columns = zip(*slices_of(model.encoder.columns).items(), strict=True)
    increases = np.zeros((len(columns), shuffles))
    of_networks = np.zeros((len(columns), len(model.network)))
    counts = np.zeros(len(model.network))
    log_loss, rows, weight, variances = 0.0, 0, 0.0, []
    groups = [*_groups(judges.mask, np.sort(available[drawn]))]
    tasks = ((*group, cyclic_shuffles(bits, shuffles, len(group[1]))) for group in groups)
    weights = np.ones(len(examples)) if examples.weights is None else examples.weights
    common = model.network, examples.features, examples.labels, weights, columns
    is_small = len(drawn) * shuffles * len(columns) < FEWEST_CELLS_SPREAD
    workers = as_workers(workers, 1 if is_small else len(groups))
    losses = [*in_order(workers, losses_of_group, tasks, *common)]
    for (networks, group), (before, after) in zip(groups, losses, strict=True):
        increases += after[:, -1] - before[-1]
        variances.append(after[:, -1].var(axis=-1, ddof=1))
        of_networks[:, networks] += after[:, :-1].mean(axis=-1) - before[:-1]
        own = weights[group].sum()
        counts[networks] += own
        weight += own
        log_loss += before[-1]
        rows += len(group)
    if not rows:
        there = plural(len(examples), "labelled row")
        raise DataError(f"{table.source}: {there}: too few to shuffle among those of one network")
    increases /= weight
    with np.errstate(invalid="ignore"):
        of_networks /= counts
    judged, new = len(available) - len(drawn) + rows, int(judges.is_new[available].sum())
    inflation = 1 + (judges.inflation - 1) * rows / judged
    chance = np.fmax(_chance(np.array(variances), shuffles, inflation) / weight, RESOLUTION)
    order = np.argsort(-increases.mean(axis=1), kind="stable")
    return Importance(
        columns=tuple(names[column] for column in order),
        increases=increases[order],
        network_increases=of_networks[order],
        chance=chance[order],
        log_loss=log_loss / weight,
        rows=rows,
        available=judged,
        judged_by=judged_by(
            judges.known, judged, new, len(model.network), is_exact=judges.is_exact
        ),
        out_of_fold=new < judged,
        known=judges.known,
        is_exact=judges.is_exact,
        source=os.path.basename(table.source),
    )


def cyclic_shuffles(bits: np.random.PCG64, shuffles: int, rows: int) -> IntArray:
    """Draw the row whose cell each row gets, any other one equally likely: `(shuffles, rows)`."""
    order = np.argsort(bits.random_raw(shuffles * rows).reshape(shuffles, rows), axis=1)
    sources = np.empty_like(order)
    np.put_along_axis(sources, order, np.roll(order, 1, axis=1), axis=1)
    return sources


def _chance(variances: Array, shuffles: int, inflation: float) -> Array:
    """How far from 0 a sum of losses comes by chance, `(columns,)`; NaN for a sum of zeros.

    Given are the variances over the shuffles, `(groups, columns)`, of groups of rows shuffled
    independently: so their sum has as many degrees of freedom as Welch found.

    References
    ----------
    Welch (1947), "The generalization of 'Student's' problem when several different population
    variances are involved".
    """
    total = variances.sum(axis=0)
    with np.errstate(invalid="ignore"):
        parts = np.square(variances / total).sum(axis=0) / (shuffles - 1)
    return np.polyval(STUDENT_QUANTILE, parts) * np.sqrt(total * (1 / shuffles + inflation))


def _groups(mask: BoolArray, rows: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Networks, and two or more rows that all of them judge, and no others."""
    sets, of_rows = np.unique(mask[:, rows], axis=1, return_inverse=True)
    for number, judges in enumerate(sets.T):
        group = rows[of_rows.ravel() == number]
        if len(group) > 1:
            yield np.flatnonzero(judges), group
