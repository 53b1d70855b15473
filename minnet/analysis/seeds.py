"""How much the random start matters: many networks on one split, as data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.data.encoding import Encoder
from minnet.data.table import Data, Table
from minnet.errors import DataError
from minnet.model.diagnostics import are_repeats_by_chance, repeats_diagnostics
from minnet.model.fit import TrainingData, roles_and_settings, training_table
from minnet.model.judges import split
from minnet.model.model import row_blocks
from minnet.network.losses import LOSSES, one_hot, softmax
from minnet.network.network import Network
from minnet.network.preparation import count_inputs
from minnet.training.batches import LabelledRows
from minnet.training.loop import make_generators, train_networks
from minnet.training.settings import TrainingSettings
from minnet.training.workers import as_workers, in_order

# Measured on 150 rows: fewer at once waste time in calls, more in waiting for the slowest.
NETWORKS_AT_ONCE = 20
NETWORKS = 100
FEWEST_GROUPS = 3


@dataclass(frozen=True, eq=False)
class SeedStudy:
    """Networks that differ in nothing but their seed, and what each predicts for every row.

    Attributes
    ----------
    class_names
        As the encoder has them.
    rows
        Which rows of the table have a label, counted from 0; those below are these.
    table
        The table, which tells where each row stands, and what its file is called.
    labels
        Observed integer labels, `(rows,)`.
    held_out
        `(rows,)`: which rows no network trained on, nor chose its epoch by.
    seeds
        One for each network.
    predicted
        Integer label of the most probable class, `(networks, rows)`.
    probabilities
        Probability of the observed class, `(networks, rows)`.
    losses
        Loss of each network on the held-out rows, `(networks,)`.
    baseline
        Holdout loss of always giving the class shares of the training rows.
    live_units
        Hidden units of each network that are above 0 for at least one row, `(networks,)`.
    hidden_units
        Hidden units of a network, over all its hidden layers.
    notes
        What to know about rows that repeat others.
    """

    class_names: tuple[str, ...]
    rows: IntArray
    table: Table
    labels: IntArray
    held_out: BoolArray
    seeds: tuple[int, ...]
    predicted: IntArray
    probabilities: Array
    losses: Array
    baseline: float
    live_units: IntArray
    hidden_units: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<SeedStudy: {len(self):,} networks, {len(self.labels):,} rows>"

    def __len__(self) -> int:
        """How many networks were trained."""
        return len(self.seeds)

    @property
    def correct(self) -> BoolArray:
        """Which predictions are correct, `(networks, rows)`."""
        return np.equal(self.predicted, self.labels)

    @property
    def accuracies(self) -> Array:
        """Accuracy of each network on the held-out rows, `(networks,)`."""
        return self.correct[:, self.held_out].mean(axis=1)

    @property
    def failed(self) -> BoolArray:
        """`(networks,)`: which networks never beat the baseline."""
        return ~np.less(self.losses, self.baseline)

    @property
    def ranges(self) -> Array:
        """Smallest, median and largest probability of the observed class, `(3, rows)`."""
        return np.quantile(self.probabilities, [0, 0.5, 1], axis=0)

    @property
    def prediction_counts(self) -> IntArray:
        """How many networks predict each class for each row, `(rows, classes)`."""
        classes = np.arange(len(self.class_names))
        return np.stack([(self.predicted == label).sum(axis=0) for label in classes], axis=1)

    @property
    def unstable(self) -> IntArray:
        """Positions in `rows` of those whose class depends on the seed, the most unstable first.

        A row is the more unstable, the fewer networks give its most frequent prediction, and among
        equals the further the probability of its observed class moves.
        """
        agreeing = self.prediction_counts.max(axis=1)
        smallest, _, largest = self.ranges
        order = np.lexsort((smallest - largest, agreeing))
        return order[agreeing[order] < len(self)]


def seeds(
    data: Data,
    target: str,
    *,
    workers: Any = 1,
    on_networks: Callable[[int], None] | None = None,
    **options: Any,
) -> SeedStudy:
    """Train networks on the same rows of a table that differ only in their random start.

    Parameters
    ----------
    data, target
        See `minnet.train`.
    workers, on_networks
        See `study_seeds`, which tells how they are trained.
    options
        `ignore`, `group`, `group_feature` and `drop_repeats` as `minnet.train` takes them, and
        fields of `TrainingSettings`; `networks` is 100 by default, `seed` the first seed.

    Returns
    -------
    SeedStudy
        What each network predicts for each row.

    Raises
    ------
    DataError, SettingsError, TrainingError
        If the table, the settings or both together cannot be trained on.

    Examples
    --------
    >>> import minnet
    >>> study = minnet.seeds("data/iris.csv", "species", networks=3, epochs=5)
    >>> study.seeds, study.probabilities.shape
    ((0, 1, 2), (3, 150))
    """
    roles, settings = roles_and_settings(target, {"networks": NETWORKS} | options)
    table, encoder, _ = training_table(data, roles)
    return study_seeds(encoder, table, TrainingSettings.of(**settings), on_networks, workers)


def study_seeds(
    encoder: Encoder,
    table: Table,
    settings: TrainingSettings,
    on_networks: Callable[[int], None] | None = None,
    workers: Any = 1,
) -> SeedStudy:
    """Train `settings.networks` networks on the same rows, each from another random start.

    A fifth of the rows is held out to be scored on. On the others, each network becomes what a
    model of one network with its seed would be, which holds out a fifth of them to choose its
    epoch. Only the starting weights and the order of the rows differ. The first network has the
    seed `settings.seed`, the next the next one.

    Parameters
    ----------
    encoder
        Fitted to the table, or to the one that a model was trained on.
    table
        Rows without a label are left out, and those that repeat others if the encoder says so.
    settings
        How to train, and how many networks.
    on_networks
        Called with the number of networks that have just been trained.
    workers
        How many processes; or an executor of `concurrent.futures`, or a Dask client. Decides
        nothing but the time it takes.

    Raises
    ------
    DataError, TrainingError
        If the table cannot be trained on.
    """
    whole = encoder.examples(table)
    examples = encoder.learned_from(whole)
    if examples.groups is not None and len(np.unique(examples.groups)) < FEWEST_GROUPS:
        raise DataError(
            f"{table.source}: column {encoder.group!r} has fewer than {FEWEST_GROUPS} groups: some "
            "to train on, some to choose the epoch by and some to be scored on"
        )
    features, labels = examples.features, examples.labels
    alone = replace(settings.for_table(*features.shape), networks=1)
    at_once, workers = min(NETWORKS_AT_ONCE, settings.networks), as_workers(workers)
    if isinstance(workers, int):
        at_once = min(at_once, -(-settings.networks // workers))
    held_out = split(examples, alone).mask[0]
    seen = np.flatnonzero(~held_out)
    rest = examples.select(seen)
    choosing = split(rest, alone)
    # One split: one preparation serves all networks, so it is done once, before them.
    network, _ = TrainingData(encoder, table.source, rest, choosing).start(alone)
    classes, inputs = len(encoder.class_names), count_inputs(network.layers)
    sizes = replace(settings, networks=at_once).layer_sizes(len(features), inputs, classes)
    prepared = network.prepare(features[None])
    seeds = tuple(range(settings.seed, settings.seed + settings.networks))
    groups = [seeds[start : start + at_once] for start in range(0, len(seeds), at_once)]
    start = _Start(prepared[0], labels, held_out, choosing.mask, sizes, alone)
    parts = []
    for part in in_order(as_workers(workers, len(groups)), _Start.study, groups, start):
        parts.append(part)
        if on_networks is not None:
            on_networks(len(part[0]))
    losses, live_units, predicted, probabilities = map(np.concatenate, zip(*parts, strict=True))
    by_chance = are_repeats_by_chance(encoder, table, whole)
    notes = repeats_diagnostics(encoder, whole.repeats, by_chance=by_chance)
    order = np.argsort(examples.rows)
    rows = examples.rows[order]
    return SeedStudy(
        class_names=encoder.class_names,
        rows=rows,
        table=table,
        labels=labels[order],
        held_out=held_out[order],
        seeds=seeds,
        predicted=predicted[:, order],
        probabilities=probabilities[:, order],
        losses=losses,
        baseline=LOSSES[settings.loss].of_class_shares(np.bincount(labels[seen])),
        live_units=live_units,
        hidden_units=sum(settings.hidden),
        notes=tuple(notes),
    )


class _Start(NamedTuple):
    """What all networks have in common."""

    features: Array
    labels: IntArray
    held_out: BoolArray
    choosing: BoolArray
    sizes: list[int]
    settings: TrainingSettings

    def study(self, seeds: Sequence[int]) -> tuple[Array, IntArray, IntArray, Array]:
        """Train a network for each seed, together, and judge them.

        Returns
        -------
        tuple
            Loss on the held-out rows and live units of each; prediction and probability of the
            observed class for each row.
        """
        generators = [make_generators(replace(self.settings, seed=seed))[0] for seed in seeds]
        network, seen = Network.random(self.sizes, generators), ~self.held_out
        holdout = self.choosing.repeat(len(seeds), axis=0)
        data = LabelledRows(self.features[seen], self.labels[seen], holdout)
        train_networks(network, data, generators, [self.settings])
        live, predicted, probabilities = [], [], []
        for rows in row_blocks(len(self.labels)):
            inputs = self.features[None, rows]
            of_classes = softmax(network.forward(inputs).astype(np.float64))
            of_observed = np.take_along_axis(of_classes, self.labels[None, rows, None], axis=-1)
            live.append(network.live_units(inputs))
            predicted.append(of_classes.argmax(axis=-1))
            probabilities.append(of_observed[..., 0])
        logits = network.forward(self.features[None, self.held_out])
        targets = one_hot(self.labels[None, self.held_out], logits.shape[-1])
        return (
            LOSSES[self.settings.loss].mean(logits, targets),
            np.any(live, axis=0).sum(axis=1),
            np.concatenate(predicted, axis=1),
            np.concatenate(probabilities, axis=1),
        )
