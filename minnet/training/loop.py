"""Training: the loop, and the history it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minnet.errors import TrainingError
from minnet.network.optimizers import SGD, Adam, Optimizer
from minnet.training.batches import shuffled
from minnet.training.epochs import LOSSES, Runner
from minnet.training.folds import training_rows
from minnet.training.history import Epoch, History
from minnet.training.processes import Processes
from minnet.training.settings import LEARNING_RATES, LossName, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator

    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.network.network import Network
    from minnet.training.checkpoint import Checkpointer

SMALLEST_GAIN = 1e-5


@dataclass(eq=False)
class TrainingState:
    """Where a training stands after an epoch: all it takes to go on as if nothing had happened.

    Attributes
    ----------
    network, optimizer, generators
        Change with each step.
    epochs
        What each epoch so far came to.
    best_losses, best_epochs
        `(networks,)`: the smallest holdout loss of each network, and its epoch, counted from 1.
    best_values
        `(networks, parameter_count)`: the weights of that epoch.
    """

    network: Network
    optimizer: Optimizer
    generators: Sequence[Generator]
    epochs: list[Epoch]
    best_losses: Array
    best_epochs: IntArray
    best_values: Array

    @classmethod
    def start(
        cls, network: Network, generators: Sequence[Generator], settings: TrainingSettings
    ) -> TrainingState:
        """Stand before the first epoch."""
        return cls(
            network,
            make_optimizer(settings, network.decays),
            generators,
            [],
            np.full(len(network), np.inf),
            np.zeros(len(network), dtype=np.int64),
            network.values.copy(),
        )

    def waiting(self, patience: int) -> BoolArray:
        """Which networks may still find a better epoch, `(networks,)`."""
        return np.asarray(len(self.epochs) - self.best_epochs < patience)

    def keep_the_better(self, losses: Array, among: BoolArray) -> None:
        """Remember the weights of those networks whose holdout loss was never smaller."""
        better = (losses < self.best_losses - SMALLEST_GAIN) | np.isnan(losses)
        better &= among
        self.best_losses[better] = losses[better]
        self.best_epochs[better] = len(self.epochs)
        self.best_values[better] = self.network.values[better]


def make_generators(settings: TrainingSettings) -> list[Generator]:
    """Make a source of randomness for each network; network k of seed s is always the same."""
    return [np.random.default_rng([settings.seed, k]) for k in range(settings.networks)]


def make_optimizer(settings: TrainingSettings, decays: BoolArray) -> Optimizer:
    """Make a fresh optimizer; `decays` says which values are weights, `(parameter_count,)`."""
    optimizer = SGD if settings.optimizer == "sgd" else Adam
    return optimizer(settings.step_size, weight_decay=settings.weight_decay, decays=decays)


def guessing_loss(loss: LossName, classes: int) -> float:
    """Loss of a row when every class gets the same probability: ln(classes) for cross-entropy."""
    losses, _ = LOSSES[loss].fused(
        np.zeros((1, 1, classes)), np.zeros((1, 1), dtype=np.int64), None
    )
    return float(losses[0])


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def train(
    network: Network,
    features: Array,
    labels: IntArray,
    holdout: BoolArray,
    generators: Sequence[Generator],
    settings: TrainingSettings,
    on_epoch: Callable[[Epoch], None] | None = None,
    *,
    shared_epoch: bool = True,
    checkpointer: Checkpointer | None = None,
    processes: int = 1,
) -> History:
    """Train all networks in lockstep, in place, and leave them at their best epoch.

    After each epoch the holdout losses are averaged over the networks. The weights of the best
    epoch (one and the same for all networks, so that the choice barely flatters any of them) are
    kept. Without any holdout row, training runs to the last epoch and keeps that.

    Parameters
    ----------
    network
        Freshly started networks; changed in place.
    features
        `(rows, features)`.
    labels
        Integer labels, `(rows,)`.
    holdout
        `(networks, rows)`; rows that a network must not train on.
    generators
        One for each network: the order of its rows.
    settings
        Epochs, patience, batch size, optimizer, loss and balance are used here.
    on_epoch
        Called after each epoch.
    shared_epoch
        Whether all networks keep the same epoch. If not, each keeps the one it would have kept
        alone, whatever other networks run beside it.
    checkpointer
        Where a long training is saved, and resumed from.
    processes
        With 2, a second process trains half of the networks once that pays (on Linux). Decides
        nothing but the time it takes.

    Raises
    ------
    TrainingError
        If a loss becomes NaN or infinite.
    MemoryError
        If the system ended the second process.
    """
    state = TrainingState.start(network, generators, settings)
    if checkpointer is not None:
        checkpointer.resume(state)
    runner = Runner.of(network, state.optimizer, features, labels, holdout, settings)
    own_rows = training_rows(holdout)
    watched: BoolArray = np.asarray(holdout.any(axis=1))
    with Processes(runner, processes) as running:
        while len(state.epochs) < settings.epochs:
            waiting = state.waiting(settings.patience)
            if not waiting.any():
                break
            epoch = running.run(shuffled(own_rows, generators))
            state.epochs.append(epoch)
            _refuse_infinite(state, waiting, watched, settings)
            losses = epoch.holdout_loss
            if shared_epoch and watched.any():
                losses = np.full(len(network), losses[watched].mean())
            state.keep_the_better(losses, waiting)
            if checkpointer is not None:
                checkpointer.save(state)
            if on_epoch is not None:
                on_epoch(epoch)
    network.values[...] = state.best_values
    return History.of(state.epochs, state.best_epochs)


def _refuse_infinite(
    state: TrainingState, waiting: BoolArray, watched: BoolArray, settings: TrainingSettings
) -> None:
    """Raise if a network that is still waiting for a better epoch has gone astray."""
    loss, _, holdout_loss, _ = state.epochs[-1]
    is_sound = np.isfinite(loss) & np.isfinite(state.network.values).all(axis=1)
    is_sound &= np.isfinite(holdout_loss) | ~watched
    if is_sound[waiting].all():
        return
    advice = LEARNING_RATES[settings.optimizer]
    if settings.step_size > advice:
        reason = f"the learning rate {settings.step_size:g} is too large: try {advice:g}"
    else:
        reason = f"try a learning rate below {settings.step_size:g}"
    raise TrainingError(f"the loss became infinite in epoch {len(state.epochs)}: {reason}")
