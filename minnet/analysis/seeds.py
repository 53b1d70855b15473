"""How much the random start matters: many networks on one split, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from minnet.model.model import holdout_of, labelled_rows
from minnet.network.layers import Standardize
from minnet.network.losses import softmax
from minnet.network.network import Network
from minnet.training.folds import training_rows
from minnet.training.loop import guessing_loss, make_generators, train
from minnet.training.settings import ROWS_AT_ONCE, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.data.encoding import Encoder
    from minnet.data.table import Table

# Measured on 150 rows: fewer at once waste time in calls, more in waiting for the slowest.
NETWORKS_AT_ONCE = 20


@dataclass(frozen=True, eq=False)
class SeedStudy:
    """Networks that differ in nothing but their seed, and what each answers for every row.

    Attributes
    ----------
    class_names
        As the encoder has them.
    rows
        Which rows of the table have a label, counted from 0; those below are these.
    lines
        The physical line each row starts on, `(rows,)`.
    labels
        Observed integer labels, `(rows,)`.
    held_out
        `(rows,)`: which rows no network trained on.
    seeds
        One for each network.
    answers
        Integer label of the most probable class, `(networks, rows)`.
    probabilities
        Probability of the observed class, `(networks, rows)`.
    losses
        Holdout loss of each network at the epoch it kept, `(networks,)`.
    guessing
        Holdout loss of giving every class the same probability.
    live_units
        Hidden units of each network that fire for at least one row, `(networks,)`.
    hidden_units
        Hidden units of a network, over all its hidden layers.
    """

    class_names: tuple[str, ...]
    rows: IntArray
    lines: IntArray
    labels: IntArray
    held_out: BoolArray
    seeds: tuple[int, ...]
    answers: IntArray
    probabilities: Array
    losses: Array
    guessing: float
    live_units: IntArray
    hidden_units: int

    def __len__(self) -> int:
        """How many networks were trained."""
        return len(self.seeds)

    @property
    def right(self) -> BoolArray:
        """Which answers are right, `(networks, rows)`."""
        return np.equal(self.answers, self.labels)

    @property
    def accuracies(self) -> Array:
        """Share of right answers of each network on the held-out rows, `(networks,)`."""
        return np.asarray(self.right[:, self.held_out].mean(axis=1))

    @property
    def failed(self) -> BoolArray:
        """`(networks,)`: which networks never beat guessing."""
        return ~np.less(self.losses, self.guessing)

    @property
    def ranges(self) -> Array:
        """Smallest, median and largest probability of the observed class, `(3, rows)`."""
        return np.quantile(self.probabilities, [0, 0.5, 1], axis=0)

    @property
    def answer_counts(self) -> IntArray:
        """How many networks give each row each class, `(rows, classes)`."""
        classes = np.arange(len(self.class_names))
        return np.stack([(self.answers == label).sum(axis=0) for label in classes], axis=1)

    @property
    def torn(self) -> IntArray:
        """Positions in `rows` of those whose class depends on the seed, the most torn first.

        A row is the more torn, the fewer networks give its most frequent answer, and among equals
        the further the probability of its observed class moves.
        """
        agreeing = self.answer_counts.max(axis=1)
        smallest, _, largest = self.ranges
        order = np.lexsort((smallest - largest, agreeing))
        return np.asarray(order[agreeing[order] < len(self)])


def study_seeds(
    encoder: Encoder,
    table: Table,
    settings: TrainingSettings | None = None,
    on_networks: Callable[[int], None] | None = None,
    networks_at_once: int = NETWORKS_AT_ONCE,
    processes: int = 1,
) -> SeedStudy:
    """Train `settings.networks` networks on the same rows, each from another random start.

    Only the starting weights and the order of the rows differ. The first network has the seed
    `settings.seed`, the next the next one; each becomes what a model of one network with that
    seed would be. All hold out the same of five stratified folds, and each keeps its own best
    epoch.

    Parameters
    ----------
    encoder
        Fitted to the table, or to the one that a model was trained on.
    table
        Rows without a label are left out.
    settings
        How to train; `None` takes the defaults and 100 networks.
    on_networks
        Called with the number of networks that have just been trained.
    networks_at_once
        How many are trained side by side; decides nothing but the time it takes.
    processes
        See `training.train`.

    Raises
    ------
    DataError, TrainingError
        If the table cannot be trained on.
    """
    settings = settings or TrainingSettings(networks=100)
    features, labels, rows = labelled_rows(encoder, table)
    alone = replace(settings, networks=1)
    group_settings = replace(settings, networks=min(settings.networks, networks_at_once))
    sizes = group_settings.layer_sizes(len(features), features.shape[1], len(encoder.class_names))
    held_out = holdout_of(labels, alone)[0]
    # One split: one scaling serves all networks, so it is done once, before them.
    standardize = Standardize.fit(features, training_rows(held_out[None]), encoder.scaled)
    scaled = standardize.forward(features[None])[0]
    seeds = tuple(range(settings.seed, settings.seed + settings.networks))
    generators = [make_generators(replace(alone, seed=seed))[0] for seed in seeds]
    parts = []
    for start in range(0, len(seeds), networks_at_once):
        group = generators[start : start + networks_at_once]
        network = Network.random(sizes, group)
        holdout = np.broadcast_to(held_out, (len(group), len(labels)))
        history = train(
            network,
            scaled,
            labels,
            holdout,
            group,
            alone,
            shared_epoch=False,
            processes=processes,
        )
        kept = history.holdout_loss[history.best_epochs - 1, np.arange(len(group))]
        parts.append((kept, *_judge(network, scaled, labels)))
        if on_networks is not None:
            on_networks(len(group))
    losses, live_units, answers, probabilities = map(np.concatenate, zip(*parts, strict=True))
    return SeedStudy(
        encoder.class_names,
        rows,
        table.lines[rows],
        labels,
        held_out,
        seeds,
        answers,
        probabilities,
        losses,
        guessing_loss(settings.loss, len(encoder.class_names)),
        live_units,
        sum(settings.hidden),
    )


def _judge(network: Network, features: Array, labels: IntArray) -> tuple[IntArray, IntArray, Array]:
    """Live units `(networks,)`; answers and probabilities of the observed class for each row."""
    fires, answers, probabilities = [], [], []
    for start in range(0, len(labels), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        inputs = features[None, part]
        of_classes = softmax(network.forward(inputs).astype(np.float64))
        of_observed = np.take_along_axis(of_classes, labels[None, part, None], axis=-1)
        fires.append(network.fires(inputs))
        answers.append(of_classes.argmax(axis=-1))
        probabilities.append(of_observed[..., 0])
    live_units = np.any(fires, axis=0).sum(axis=1)
    return live_units, np.concatenate(answers, axis=1), np.concatenate(probabilities, axis=1)
