"""The training loop: forward, gradients, backward and a step, batch by batch, epoch by epoch.

Read from the top: the driver, what a training knows between two epochs, then what an epoch is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.errors import TrainingError
from minnet.network.losses import LOSSES, Loss
from minnet.network.network import Network
from minnet.network.optimizers import OPTIMIZERS, Optimizer
from minnet.training.batches import LabelledRows, Order, RowBlock, TrainingRows, class_weights
from minnet.training.settings import LEARNING_RATES, Epoch, History, TrainingSettings
from minnet.training.workers import open_pool, results

if TYPE_CHECKING:
    from numpy.random import Generator

    from minnet.training.processes import Pool

SMALLEST_GAIN = 1e-5


class Callback:
    """Is told how a training goes: a checkpoint, progress, Ctrl-C."""

    def on_start(self, training: Training) -> None:
        """Before the first epoch; may put the training where an earlier one stopped."""

    def on_epoch(self, training: Training) -> None:
        """After each epoch; may stop the training (`is_stopped`)."""


class EachEpoch(Callback):
    """Calls a function with the metrics of each epoch; if it returns True, the training stops."""

    def __init__(self, function: Callable[[Epoch], object] | None) -> None:
        self.function = function

    def on_epoch(self, training: Training) -> None:
        """Call it."""
        if self.function is not None and self.function(training.epochs[-1]) is True:
            training.is_stopped = True


class EpochRunner(Protocol):
    """What an epoch is: on a whole table (`TableRunner`), or on parts of one.

    Both return the `metrics` of all networks, `(4, networks)`.
    """

    def learn(self, training: Training) -> Array:
        """Train on every row once, and move the state of the training."""

    def judge(self, training: Training, values: Array) -> Array:
        """Judge parameters by the rows that each network holds out."""


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def drive(training: Training, runner: EpochRunner, callbacks: Iterable[Callback]) -> None:
    """Train until nothing improves any more, or something stops the training.

    Raises
    ------
    TrainingError
        If a loss became NaN or infinite, unless there are other configurations.
    """
    for callback in callbacks:
        callback.on_start(training)
    while training.goes_on():
        learned = runner.learn(training)
        training.average_values()
        training.finish_epoch(Epoch.of(learned, runner.judge(training, training.averages)))
        for callback in callbacks:
            callback.on_epoch(training)


class State(NamedTuple):
    """Where networks and their optimizer stand: a value, to be sent, saved and gone on from.

    Attributes
    ----------
    values
        Parameters, `(networks, parameters)`.
    moments
        What is remembered from step to step, each shaped as the values: by the optimizer and,
        where parts meet in rounds, last by the outer step.
    steps
        How many steps the optimizer took.
    """

    values: Array
    moments: tuple[Array, ...]
    steps: int = 0

    @classmethod
    def start(cls, values: Array, moments: int) -> State:
        """Start from a copy of these parameters, with so many moments."""
        return cls(values.copy(), tuple(np.zeros_like(values) for _ in range(moments)))

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The values, then the moments."""
        return self.values, *self.moments

    def select(self, networks: slice | IntArray) -> State:
        """Take that of some networks: of a slice, views of these arrays."""
        values, *moments = (array[networks] for array in self.arrays)
        return State(values, tuple(moments), self.steps)

    def put(self, networks: slice | IntArray, other: State) -> State:
        """Change these arrays where those networks have moved."""
        for mine, moved in zip(self.arrays, other.arrays, strict=True):
            mine[networks] = moved
        return self._replace(steps=other.steps)


@dataclass(eq=False)
class Training:
    """A training between two epochs: all it takes to go on.

    Its networks are those of one configuration or, side by side, of several: then each of these
    starts alike, stops for itself, and gets, to the last bit, what it alone would get.

    Attributes
    ----------
    state
        Of all networks.
    generators
        Which order the rows of each network of a configuration.
    folds
        What each network of a configuration holds out, `(networks,)`: see `losses_of_others`.
    configurations
        How to train; they differ in learning rate and weight decay alone.
    epochs
        The metrics of each epoch so far.
    is_stopped
        Whether a callback stopped it.
    averages
        `(networks, parameters)`: of the parameters after each epoch. They are judged and kept.
    best_losses, best_epochs
        `(networks,)`: the smallest loss that chose each network's epoch, and that epoch, from 1.
    best_values
        `(networks, parameters)`: the averages of that epoch.
    errors
        Why each configuration came to nothing; empty if it did not.
    seconds
        CPU time of each, `(configurations,)`: an equal share of each epoch that it took part in.
    """

    state: State
    generators: Sequence[Generator]
    folds: IntArray
    configurations: Sequence[TrainingSettings]
    epochs: list[Epoch] = field(default_factory=list)
    is_stopped: bool = False

    def __post_init__(self) -> None:
        networks = len(self.state.values)
        self.best_losses: Array = np.full(networks, np.inf)
        self.best_epochs: IntArray = np.zeros(networks, dtype=np.int64)
        self.averages: Array = np.zeros_like(self.state.values)
        self.best_values: Array = self.averages.copy()
        self.errors = [""] * len(self.configurations)
        self.seconds = np.zeros(len(self.configurations))
        self._since = time.process_time()

    def networks_of(self, configuration: int) -> slice:
        """Which networks are those of a configuration."""
        return slice(configuration * len(self.folds), (configuration + 1) * len(self.folds))

    def waiting(self) -> BoolArray:
        """Which networks may still find a better epoch, `(networks,)`."""
        is_sound = np.repeat([not error for error in self.errors], len(self.folds))
        return is_sound & (len(self.epochs) - self.best_epochs < self.configurations[0].patience)

    def running(self) -> BoolArray:
        """Which configurations take part in the next epoch, `(configurations,)`."""
        return np.any(self.waiting().reshape(len(self.configurations), -1), axis=1)

    def goes_on(self) -> bool:
        """Whether there is another epoch."""
        is_over = self.is_stopped or len(self.epochs) >= self.configurations[0].epochs
        return not is_over and bool(self.running().any())

    def average_values(self) -> None:
        """Take the parameters after an epoch n into the average: epoch i counts i times.

            average += 2 / (n + 1) * (values - average)

        So n = 1 gives the values themselves, and epochs 1, 2, 3 count 1/6, 2/6, 3/6. What the last
        batches did to the parameters by chance averages out, as if the learning rate had fallen.

        References
        ----------
        Shamir, Zhang (2013), "Stochastic gradient descent for non-smooth optimization: convergence
        results and optimal averaging schemes": polynomial-decay averaging with eta = 1, here over
        epochs in place of steps.
        """
        self.averages += 2 / (len(self.epochs) + 2) * (self.state.values - self.averages)

    def finish_epoch(self, epoch: Epoch) -> None:
        """Take the metrics of an epoch in, and remember its averages where they are the best."""
        waiting, running, now = self.waiting(), self.running(), time.process_time()
        self.seconds[running] += (now - self._since) / np.count_nonzero(running)
        self._since = now
        self.epochs.append(epoch)
        self._refuse_infinite(waiting)
        losses = epoch.holdout_loss.reshape(len(self.configurations), -1)
        of_others = np.concatenate([losses_of_others(of_one, self.folds) for of_one in losses])
        better = (of_others < self.best_losses - SMALLEST_GAIN) | np.isnan(of_others)
        better &= waiting
        self.best_losses[better] = of_others[better]
        self.best_epochs[better] = len(self.epochs)
        self.best_values[better] = self.averages[better]

    def _refuse_infinite(self, waiting: BoolArray) -> None:
        """Give up a configuration with a waiting network that has diverged; raise for the only."""
        loss, _, holdout_loss, _ = self.epochs[-1]
        is_sound = np.isfinite(loss) & np.isfinite(self.state.values).all(axis=1)
        has_no_holdout = np.tile(self.folds < 0, len(self.configurations))
        is_sound &= np.isfinite(holdout_loss) | has_no_holdout
        for number, settings in enumerate(self.configurations):
            own = self.networks_of(number)
            if is_sound[own][waiting[own]].all():
                continue
            rate, usual = settings.effective_learning_rate, LEARNING_RATES[settings.optimizer]
            self.errors[number] = (
                f"the loss became infinite in epoch {len(self.epochs)}: the learning rate {rate:g} "
                f"is too large: try {usual if rate > usual else rate / 10:g}"
            )
            if len(self.configurations) == 1:
                raise TrainingError(self.errors[number])

    def history(self, configuration: int = 0) -> History:
        """Tell what the epochs of a configuration came to."""
        own, patience = self.networks_of(configuration), self.configurations[0].patience
        best_epochs = self.best_epochs[own]
        figures = np.array(self.epochs[: best_epochs.max() + patience], np.float32)[..., own]
        return History(*[*figures.swapaxes(0, 1), best_epochs])


def make_generators(settings: TrainingSettings) -> list[Generator]:
    """Make a source of randomness for each network; network k of seed s is always the same."""
    return [np.random.default_rng([settings.seed, k]) for k in range(settings.networks)]


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
    np.fill_diagonal(others, has_holdout & ~others.any(axis=1))
    # One that diverged past its patience must not pass for one without a holdout.
    finite = np.where(np.isnan(losses), np.inf, losses)
    return np.where(others, finite, 0).sum(axis=1) / others.sum(axis=1)


def train_networks(
    network: Network,
    data: LabelledRows,
    generators: Sequence[Generator],
    configurations: Sequence[TrainingSettings],
    callbacks: Sequence[Callback] = (),
    workers: int = 1,
) -> Training:
    """Train all networks in lockstep, in place, and leave them at their best epoch.

    Each network keeps the parameters of the epoch after which the holdout losses of the others were
    best: see `losses_of_others`. Without any holdout row, training runs to the last epoch and keeps
    that.

    Configurations that differ in learning rate and weight decay alone have networks of one shape,
    the same starting weights, folds and orders of rows, so they are more networks on the networks
    axis. A configuration leaves the group when it stops early or diverges.

    Parameters
    ----------
    network
        Freshly started networks; of several configurations those of the first, then the same again
        for the second, ... Changed in place.
    data
        To learn from.
    generators
        One for each network of a configuration: the order of its rows.
    configurations
        How to train: one, or several.
    callbacks
        Told how it goes, in this order.
    workers
        So many processes train the networks of a single configuration in groups, once that pays.
        Decides nothing but the time it takes.

    Raises
    ------
    TrainingError
        If a loss becomes NaN or infinite, unless there are several configurations.
    WorkerError
        If a worker process was killed.
    """
    first = network if len(configurations) == 1 else network.select(slice(len(generators)))
    weights = class_weights(configurations[0], np.bincount(data.labels, data.weights))
    batch_size = configurations[0].batch_size_for(len(data.labels))
    rows = TrainingRows.of(first, data, weights, batch_size).prepared(first)
    learning = network.without_preparation() if rows.is_prepared else network
    learner = Learner.of(learning, configurations, rows)
    state = State.start(network.values, learner.optimizer.moment_count)
    training = Training(state, generators, data.folds, configurations)
    with TableRunner(learner, data.holdout, workers) as runner:
        drive(training, runner, callbacks)
    network.values[...] = training.best_values
    return training


class Task(NamedTuple):
    """Some networks, where they stand, and the rows that they learn or are judged by."""

    networks: slice | IntArray
    state: State
    order: Order


@dataclass(frozen=True, eq=False)
class Learner:
    """Networks, what moves them, and the rows of a table or of a part of one.

    Attributes
    ----------
    network, optimizer
        Of all networks; a task puts in where its own stand.
    loss
        To make small.
    rows
        To learn.
    """

    network: Network
    optimizer: Optimizer
    loss: Loss
    rows: TrainingRows

    @classmethod
    def of(
        cls, network: Network, configurations: Sequence[TrainingSettings], rows: TrainingRows
    ) -> Learner:
        """Take a fresh optimizer; there are as many networks of each configuration."""
        common, count = configurations[0], len(configurations)
        repeats = len(network) // count if count > 1 else 1
        rates, decays = (
            np.repeat([getattr(one, name) for one in configurations], repeats)[:, None]
            for name in ("effective_learning_rate", "weight_decay")
        )
        optimizer = OPTIMIZERS[common.optimizer](rates, decays, network.decays)
        return cls(network, optimizer, LOSSES[common.loss], rows)

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def learn(self, task: Task) -> tuple[State, Array]:
        """Train some networks on their rows: where they stand then, and the `metrics`.

        No network depends on another: a network alone gets, to the last bit, the numbers that it
        gets among others.
        """
        network, optimizer = self._at(task), self.optimizer
        if len(network) < len(self.network):
            optimizer = optimizer.select(task.networks)
        optimizer.moments, optimizer.steps = task.state.moments, task.state.steps
        learning, learned = network.without_preparation(), np.zeros((4, len(network)))
        for block in self._blocks(network, task.order):
            logits = take_steps(learning, optimizer, self.loss, block, self.rows.batch_size)
            learned += metrics(self.loss, logits, block)
        return State(network.values, optimizer.moments, optimizer.steps), learned

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def judge(self, task: Task) -> tuple[None, Array]:
        """Judge some networks, which stay where they are; return the `metrics` of their rows."""
        network = self._at(task)
        learning, judged = network.without_preparation(), np.zeros((4, len(network)))
        for block in self._blocks(network, task.order):
            judged += metrics(self.loss, learning.forward(block.features), block)
        return None, judged

    def _at(self, task: Task) -> Network:
        are_all = len(task.state.values) == len(self.network)
        network = self.network if are_all else self.network.select(task.networks)
        network.values[...] = task.state.values
        return network

    def _blocks(self, network: Network, order: Order) -> Iterator[RowBlock]:
        """Make blocks of rows with prepared features.

        If there are several times as many networks as in the order, all sets of them take the same
        rows, which are prepared once.
        """
        times = len(network) // len(order.rows)
        preparing = network if times == 1 else network.select(slice(len(order.rows)))
        for block in self.rows.blocks(order):
            # As rows that are prepared once lie: products of another layout differ in the last bit.
            prepared = np.ascontiguousarray(preparing.prepare(block.features))
            yield block.repeated(prepared, times)


SECONDS_ALONE = 1.0
"""A training that ends sooner needs no help: workers take 0.05 s to start."""
ROWS_ALONE = 2**22
"""Of all networks: an epoch of more, even of the smallest networks, takes over a second."""
SHORTEST_EPOCH = 0.005
"""Seconds; the messages between the processes take 1 ms of each epoch, for small tables."""


class TableRunner(ExitStack):
    """Epochs on a whole table, at first in this process alone, then in several if it lasts.

    No network knows of another, so every number is, to the last bit, what it would be in one
    process. Threads would not do: around small matrices Python takes most of the time, and two
    threads cannot both run Python.

    Parameters
    ----------
    learner
        Of all networks.
    holdout
        See `LabelledRows`.
    workers
        How many processes may run.
    """

    def __init__(self, learner: Learner, holdout: BoolArray, workers: int) -> None:
        super().__init__()
        self._learner = learner
        self._own_rows = learner.rows.learned(holdout)
        self._holdout = learner.rows.held_out(holdout)
        bounds = np.linspace(0, len(holdout), min(workers, len(holdout)) + 1).astype(int)
        self._groups = [slice(*bound) for bound in pairwise(bounds.tolist())]
        self._pool: Pool | None = None
        self._seconds = 0.0

    def learn(self, training: Training) -> Array:
        """Train on every row once, in a fresh order."""
        order = Order.shuffled(self._own_rows, training.generators)
        is_long = self._seconds > max(SECONDS_ALONE, SHORTEST_EPOCH * len(training.epochs))
        is_long = is_long or order.rows.size > ROWS_ALONE
        if self._pool is None and is_long and len(self._groups) > 1:
            self._pool = open_pool(len(self._groups), self._learner)
            self.enter_context(self._pool)
        return self._run(Learner.learn, training, training.state, order)

    def judge(self, training: Training, values: Array) -> Array:
        """Judge parameters by the rows that each network holds out."""
        return self._run(Learner.judge, training, State(values, ()), self._holdout)

    def _run(
        self, function: Callable[..., Any], training: Training, state: State, order: Order
    ) -> Array:
        """Have all networks that take part do it; return the `metrics` of all."""
        start = time.perf_counter()
        if self._pool is None:  # several configurations share their rows
            running = training.running().repeat(len(order.rows))
            some = slice(None) if running.all() else np.flatnonzero(running)
            tasks = [Task(some, state.select(some), order)]
            done = [function(self._learner, tasks[0])]
        else:
            tasks = [Task(own, state.select(own), order.select(own)) for own in self._groups]
            done = [*results(self._pool, function, tasks)]
        self._seconds += time.perf_counter() - start
        sums = np.zeros((4, len(state.values)))
        for task, (moved, some_sums) in zip(tasks, done, strict=True):
            sums[:, task.networks] = some_sums
            if moved is not None:
                training.state = training.state.put(task.networks, moved)
        return sums


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
    return np.array([array.sum(axis=1) for array in (losses, weights, correct, counts)])
