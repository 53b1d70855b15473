"""Configurations that differ in learning rate and weight decay alone, trained together.

Their networks have one shape, the same starting weights, folds and orders of rows, so they are more
networks on the networks axis. Each gets, to the last bit, what its configuration alone would make
of it.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.errors import TrainingError
from minnet.network.losses import LOSSES
from minnet.network.optimizers import OPTIMIZERS
from minnet.training.batches import padded, prepare_rows, shuffled
from minnet.training.folds import training_rows
from minnet.training.history import Epoch, History
from minnet.training.loop import TrainingState, run_epoch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.network.network import Network
    from minnet.training.settings import TrainingSettings


class Outcome(NamedTuple):
    """What became of one configuration.

    Attributes
    ----------
    values
        `(networks, parameters)`: each network's own best epoch.
    history
        As of a training of this configuration alone.
    seconds
        CPU time, an equal share of each epoch that it took part in.
    error
        Why it came to nothing; empty if it did not.
    """

    values: Array
    history: History
    seconds: float
    error: str


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def train_configurations(
    network: Network,
    features: Array,
    labels: IntArray,
    holdout: BoolArray,
    generators: Sequence[Generator],
    configurations: Sequence[TrainingSettings],
) -> list[Outcome]:
    """Train the same networks by each configuration, all in lockstep.

    A configuration leaves the group when it stops early or diverges. Parameters are those of
    `train_networks`; `network` is left as it was.
    """
    common, each = configurations[0], len(network)
    rates, decays = (
        np.repeat([getattr(configuration, name) for configuration in configurations], each)[:, None]
        for name in ("effective_learning_rate", "weight_decay")
    )
    own_rows, held_out = training_rows(holdout), padded(holdout)
    rows, learning, starts = prepare_rows(network, features, labels, common)
    run = partial(run_epoch, loss=LOSSES[common.loss], rows=rows)
    placed = held_out._replace(rows=held_out.rows + starts)
    together = learning.select(np.tile(np.arange(each), len(configurations)))
    optimizer = OPTIMIZERS[common.optimizer](rates, weight_decay=decays, decays=network.decays)
    states = [TrainingState(network, optimizer, generators) for _ in configurations]
    seconds, errors = [0.0] * len(configurations), [""] * len(configurations)
    running = list(range(len(configurations)))
    while running:
        start = time.process_time()
        epoch = run(together, optimizer, placed, shuffled(own_rows, generators) + starts)
        share = (time.process_time() - start) / len(running)
        going_on = []
        for place, configuration in enumerate(running):
            own = slice(place * each, (place + 1) * each)
            seconds[configuration] += share
            state = states[configuration]
            state.network = together.select(own)
            try:
                own_epoch = Epoch(*(part[own] for part in epoch))
                state.finish_epoch(own_epoch, held_out.folds, configurations[configuration])
            except TrainingError as error:
                errors[configuration] = str(error)
            else:
                if state.goes_on(configurations[configuration]):
                    going_on.append(place)
        if 0 < len(going_on) < len(running):
            kept = (np.array(going_on, np.int64)[:, None] * each + np.arange(each)).ravel()
            together, optimizer = together.select(kept), optimizer.select(kept)
        running = [running[place] for place in going_on]
    return [
        Outcome(state.best_values, History.of(state.epochs, state.best_epochs), used, error)
        for state, used, error in zip(states, seconds, errors, strict=True)
    ]
