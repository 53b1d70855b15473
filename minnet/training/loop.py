"""The training loop: forward, gradients, backward and a step, batch by batch, epoch by epoch.

Configurations that differ in learning rate and weight decay alone, trained together.

Their networks have one shape, the same starting weights, folds and orders of rows, so they are more
networks on the networks axis. Each gets, to the last bit, what its configuration alone would make
of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.errors import TrainingError
from minnet.network.losses import LOSSES, Loss
from minnet.network.network import Network
from minnet.network.optimizers import OPTIMIZERS, Optimizer
from minnet.training.batches import Holdout, RowBlock, TrainingRows, padded, prepare_rows, shuffled
from minnet.training.folds import training_rows
from minnet.training.history import Epoch, History
from minnet.training.settings import LEARNING_RATES, TrainingSettings
from minnet.training.workers import EpochRunner

if TYPE_CHECKING:
    from numpy.random import Generator

    from minnet.training.checkpoint import Checkpointer

SMALLEST_GAIN = 1e-5


def take_steps(
    network: Network, optimizer: Optimizer, loss: Loss, block: RowBlock, batch_size: int
) -> Array:
    """Take one step for each batch: this is where the network learns.

    Returns
    -------
    Array
        Raw outputs of all rows, `(networks, rows, classes)`, each as it was before its step.
    """
    outputs = []
    for batch in block.batches(batch_size):
        logits = network.forward(batch.features)
        network.backward(loss.gradients(logits, batch.targets, batch.weights))
        optimizer.step(network.values, network.gradients)
        outputs.append(logits)
    return np.concatenate(outputs, axis=1)


def run_epoch(
    network: Network,
    optimizer: Optimizer,
    holdout: Holdout,
    order: IntArray,
    *,
    loss: Loss,
    rows: TrainingRows,
) -> Epoch:
    """Train on every row once, in the order `(networks, rows)`, then judge by the holdout rows.

    Changes `network` and `optimizer` in place. No network depends on another: a network alone
    gets, to the last bit, the numbers that it gets among others. If there are several times as many
    networks as in the order, all sets of them take the same rows, which are prepared once.
    """
    training = learn_rows(network, optimizer, order, loss=loss, rows=rows)
    return Epoch.of(training, judge_rows(network, holdout, loss=loss, rows=rows))


def learn_rows(
    network: Network, optimizer: Optimizer, order: IntArray, *, loss: Loss, rows: TrainingRows
) -> Array:
    """Train on rows in the order `(networks, rows)`; return their `metrics`."""
    learning, training = network.without_preparation(), np.zeros((4, len(network)))
    for block in _prepared_blocks(network, rows.blocks(order), len(order)):
        logits = take_steps(learning, optimizer, loss, block, rows.batch_size)
        training += metrics(loss, logits, block)
    return training


def judge_rows(network: Network, holdout: Holdout, *, loss: Loss, rows: TrainingRows) -> Array:
    """Judge networks by the rows that they hold out; return the `metrics` of these."""
    learning, judged = network.without_preparation(), np.zeros((4, len(network)))
    for block in _prepared_blocks(network, rows.blocks(*holdout), len(holdout.rows)):
        judged += metrics(loss, learning.forward(block.features), block)
    return judged


def _prepared_blocks(
    network: Network, blocks: Iterable[RowBlock], networks: int
) -> Iterator[RowBlock]:
    """Prepare the features of blocks for so many networks, and repeat them for all."""
    times = len(network) // networks
    preparing = network if times == 1 else network.select(slice(networks))
    for block in blocks:
        yield block.repeated(preparing.prepare(block.features), times)


def metrics(loss: Loss, logits: Array, block: RowBlock) -> Array:
    """Sum up what loss and accuracy are made of, `(4, networks)`; a weight of 0 does not count.

    Returns
    -------
    Array
        Weighted losses, weights, correct predictions, rows.
    """
    weights = np.ones(block.labels.shape) if block.weights is None else block.weights
    counts = weights > 0
    correct = (logits.argmax(axis=-1) == block.labels) & counts
    losses = loss.of_rows(logits, block.targets) * weights
    return np.stack([array.sum(axis=1) for array in (losses, weights, correct, counts)])


@dataclass(eq=False)
class TrainingState:
    """Where a training stands after an epoch: all it takes to resume it.

    Attributes
    ----------
    network, optimizer, generators
        Change with each step.
    epochs
        The metrics of each epoch so far.
    best_losses, best_epochs
        `(networks,)`: the smallest loss that chose each network's epoch, and that epoch, from 1.
    best_values
        `(networks, parameter_count)`: the parameters of that epoch.
    velocity
        Of the outer step, where parts are trained on in rounds; else `None`.
    """

    network: Network
    optimizer: Optimizer
    generators: Sequence[Generator]
    epochs: list[Epoch] = field(default_factory=list)
    velocity: Array | None = None

    def __post_init__(self) -> None:
        self.best_losses: Array = np.full(len(self.network), np.inf)
        self.best_epochs: IntArray = np.zeros(len(self.network), dtype=np.int64)
        self.best_values: Array = self.network.values.copy()

    def waiting(self, patience: int) -> BoolArray:
        """Which networks may still find a better epoch, `(networks,)`."""
        return len(self.epochs) - self.best_epochs < patience

    def goes_on(self, settings: TrainingSettings) -> bool:
        """Whether there is another epoch."""
        is_waiting = self.waiting(settings.patience).any()
        return len(self.epochs) < settings.epochs and bool(is_waiting)

    def finish_epoch(self, epoch: Epoch, folds: IntArray, settings: TrainingSettings) -> None:
        """Take the metrics of an epoch in, and remember the parameters if they are the best.

        For the `folds`, see `losses_of_others`.

        Raises
        ------
        TrainingError
            If a loss became NaN or infinite.
        """
        waiting = self.waiting(settings.patience)
        self.epochs.append(epoch)
        _refuse_infinite(self, waiting, folds, settings)
        self.update_best(losses_of_others(epoch.holdout_loss, folds), waiting)

    def update_best(self, losses: Array, among: BoolArray) -> None:
        """Remember the parameters of those networks for which these losses were never smaller."""
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
    return OPTIMIZERS[settings.optimizer](
        settings.effective_learning_rate, weight_decay=settings.weight_decay, decays=decays
    )


def losses_of_others(losses: Array, folds: IntArray) -> Array:
    """Mean holdout loss of the networks that hold out other rows than each one, `(networks,)`.

    It chooses the epoch that a network keeps. So its own holdout rows decide nothing about it, and
    their scores are those of rows it never saw. Only where no network holds out others,
    as beside a network alone, its own have to choose; that flatters its scores.

    Parameters
    ----------
    losses, folds
        `(networks,)`; networks that hold out the same rows have the same fold, those that hold out
        none -1.
    """
    has_holdout = folds >= 0
    others = (folds[:, None] != folds) & has_holdout
    others |= np.diag(has_holdout & ~others.any(axis=1))
    # One that diverged past its patience must not pass for one without a holdout.
    finite = np.where(np.isnan(losses), np.inf, losses)
    return np.where(others, finite, 0).sum(axis=1) / others.sum(axis=1)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def train_networks(
    network: Network,
    features: Array,
    labels: IntArray,
    holdout: BoolArray,
    generators: Sequence[Generator],
    settings: TrainingSettings,
    on_epoch: Callable[[Epoch], object] | None = None,
    *,
    checkpointer: Checkpointer | None = None,
    workers: int = 1,
) -> History:
    """Train all networks in lockstep, in place, and leave them at their best epoch.

    Each network keeps the parameters of the epoch after which the holdout losses of the others were
    best: see `losses_of_others`. Without any holdout row, training runs to the last epoch and keeps
    that.

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
        Epochs, patience, batch size, optimizer, loss and weights of classes are used here.
    on_epoch
        Called after each epoch; if it returns True, the training stops there.
    checkpointer
        Where a long training is saved, and resumed from.
    workers
        So many processes train the networks in groups, once that pays. Decides nothing but the
        time it takes.

    Raises
    ------
    TrainingError
        If a loss becomes NaN or infinite.
    WorkerError
        If a worker process was killed.
    """
    own_rows, held_out = training_rows(holdout), padded(holdout)
    rows, learning, starts = prepare_rows(network, features, labels, settings)
    state = TrainingState(learning, make_optimizer(settings, network.decays), generators)
    if checkpointer is not None:
        checkpointer.resume(state)
    run = partial(run_epoch, loss=LOSSES[settings.loss], rows=rows)
    placed = held_out._replace(rows=held_out.rows + starts)
    with EpochRunner(run, learning, state.optimizer, placed, workers) as running:
        while state.goes_on(settings):
            epoch = running.run(shuffled(own_rows, generators) + starts)
            state.finish_epoch(epoch, held_out.folds, settings)
            if checkpointer is not None:
                checkpointer.save(state)
            if on_epoch is not None and on_epoch(epoch) is True:
                break
    network.values[...] = state.best_values
    network.move_to(network.values)
    return History.of(state.epochs, state.best_epochs)


def _refuse_infinite(
    state: TrainingState, waiting: BoolArray, folds: IntArray, settings: TrainingSettings
) -> None:
    """Raise if a network that is still waiting for a better epoch has diverged."""
    loss, _, holdout_loss, _ = state.epochs[-1]
    is_sound = np.isfinite(loss) & np.isfinite(state.network.values).all(axis=1)
    is_sound &= np.isfinite(holdout_loss) | (folds < 0)
    if is_sound[waiting].all():
        return
    rate, advice = settings.effective_learning_rate, LEARNING_RATES[settings.optimizer]
    if rate > advice:
        reason = f"the learning rate {rate:g} is too large: try {advice:g}"
    else:
        reason = f"try a learning rate below {rate:g}"
    raise TrainingError(f"the loss became infinite in epoch {len(state.epochs)}: {reason}")


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
