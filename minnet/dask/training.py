"""Values that a worker keeps on its disk, so that its memory does not grow with them.

The parts of a table that is nowhere whole: files, or the partitions of a Dask frame.

What the workers run: pure functions, so that a task that is lost can be run again.

Training on parts of a table that Dask's workers read, encode and keep.

Only values, moments and summaries travel. What is merged is merged in the order of the parts, so
that the bytes of the model do not depend on the workers.
"""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from uuid import uuid4

import distributed
import numpy as np
from dask.delayed import delayed

from minnet.arrays import Array, IntArray
from minnet.data.cells import TableFormat
from minnet.data.columns import TableSummary, summarize
from minnet.data.columns import merge as merge_summaries
from minnet.data.csv import find_files
from minnet.data.encoding import Encoder, Examples, Roles
from minnet.data.keys import mixed, with_labels
from minnet.data.table import MOST_BYTES, MOST_ROWS, FilePart, Table
from minnet.errors import SettingsError, WorkerError
from minnet.model.fit import make_model
from minnet.model.judges import Judges, place, sketch, variance_inflation
from minnet.model.model import Model
from minnet.model.scores import Scores, judge
from minnet.network.losses import LOSSES
from minnet.network.network import Network
from minnet.training.batches import balanced_weights
from minnet.training.checkpoint import Checkpointer
from minnet.training.folds import Folds, KeySketch, holdout_masks
from minnet.training.history import Epoch, History
from minnet.training.loop import TrainingState, make_generators, make_optimizer
from minnet.training.rounds import (
    MOST_SHARES,
    OUTER_MOMENTUM,
    SMALL_TABLE_MOMENTUM,
    SMALLEST_BATCH,
    STEPS_OF_A_ROUND,
    Meeting,
    Moments,
    Moved,
    Part,
    Rounds,
    RowSample,
    fit_merged_preparation,
    outer_step,
)
from minnet.training.settings import SMALL_TABLE, TrainingSettings

if TYPE_CHECKING:
    from distributed import Client, Future

Value = TypeVar("Value")
ALIGNMENT = 64


class Stored(Generic[Value]):
    """A value in a file of the worker that made it.

    Sent to another worker, it is stored there as well. A file goes with the last reference to
    it, or with the worker's folder.

    Parameters
    ----------
    value
        To store; unless there is a reason why it cannot be loaded.
    """

    def __init__(self, value: Value | None, reason: str = "") -> None:
        # Told when it is loaded: what raises an error on its way, Dask would send for ever.
        self._reason = reason
        if not reason:
            self._write(value)

    def _write(self, value: Value | None) -> None:
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        blocks: list[bytes | memoryview] = [pickled, *(buffer.raw() for buffer in buffers)]
        folder = _folder()
        self._places: list[slice] = []
        try:
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                self._path = Path(file.name)
                remove = weakref.finalize(self, self._path.unlink, missing_ok=True)
                try:
                    for block in blocks:
                        start = file.seek(-file.tell() % ALIGNMENT, os.SEEK_CUR)
                        self._places.append(slice(start, start + file.write(block)))
                    file.flush()
                except OSError:
                    remove()
                    raise
        except OSError as error:
            self._reason = f"a worker cannot keep its parts in {folder}: {error.strerror}"

    def load(self) -> Value:
        """Map its arrays into memory; they cannot be written to.

        Raises
        ------
        WorkerError
            If it could not be stored, or its file is gone.
        """
        if self._reason:
            raise WorkerError(self._reason)
        try:
            with self._path.open("rb") as file:
                mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError as error:
            raise WorkerError(f"a worker lost its part {self._path}: {error.strerror}") from None
        pickled, *buffers = (mapped[place] for place in self._places)
        value: Value = pickle.loads(pickled, buffers=buffers)
        return value

    def __reduce__(self) -> tuple[type[Stored[Value]], tuple[Any, ...]]:
        try:
            return Stored, (self.load(),)
        except WorkerError as error:
            return Stored, (None, str(error))


def submit(
    client: Client, function: Callable[..., Any], *arguments: Any, workers: Any = None
) -> Future[Any]:
    """Submit a task of its own, whatever equal ones there are.

    Parameters
    ----------
    arguments
        The function gets the values of what is stored among them.
    workers
        Which ones should do it, if they can.
    """
    return _submit(client, _call, function, arguments, workers)


def submit_stored(client: Client, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Submit a task whose result is stored; see `submit`."""
    return _submit(client, _store, function, arguments, None)


def _submit(
    client: Client,
    run: Callable[..., Any],
    function: Callable[..., Any],
    arguments: Sequence[Any],
    workers: Any,
) -> Future[Any]:
    key = f"{function.__name__}-{uuid4()}"  # by which the dashboard calls it
    more = {"workers": workers, "allow_other_workers": True} if workers else {}
    return client.submit(run, function, *arguments, key=key, **more)


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*(one.load() if isinstance(one, Stored) else one for one in arguments))


def _store(function: Callable[..., Any], *arguments: Any) -> Stored[Any]:
    return Stored(_call(function, *arguments))


def _folder() -> str:
    try:
        return distributed.get_worker().local_directory
    except ValueError:  # outside a task: while a value arrives, or on no worker
        workers = [one for one in distributed.Worker._instances if one.status.name == "running"]
        return workers[0].local_directory if workers else tempfile.gettempdir()


def tables_of(client: Client, data: Any, target: str) -> tuple[str, list[Future[Any]]]:
    """Have the workers read the parts of a table, each a `Table` of its own.

    Parameters
    ----------
    data
        A Dask frame, the pattern of files' names, or a list of `FilePart`.
    target
        A column to keep as text.

    Returns
    -------
    tuple
        A name for the whole, and a future for each part.
    """
    if isinstance(data, str):
        form = TableFormat((target,))
        return tables_of(client, [FilePart(file, form) for file in find_files(data)], target)
    if isinstance(data, list) and data and all(isinstance(part, FilePart) for part in data):
        cut = client.gather(
            [submit(client, FilePart.cut, part, MOST_BYTES, MOST_ROWS) for part in data]
        )
        pieces = chain.from_iterable(cut)
        return data[0].path, [submit_stored(client, FilePart.read, piece) for piece in pieces]
    if hasattr(data, "to_delayed"):
        table = delayed(_table, pure=False)
        partitions = enumerate(data.to_delayed(), 1)
        return "frame", client.compute([table(one, number, target) for number, one in partitions])
    raise SettingsError(
        f"no parts can be made of {type(data).__name__!r}: give a Dask frame, or the pattern of "
        "files' names"
    )


def _table(frame: Any, number: int, target: str) -> Stored[Table]:
    return Stored(Table.from_columns(frame, f"partition {number}", TableFormat((target,))))


def keep(value: Any) -> Any:
    """Have a value on the cluster that can be sent again if a worker is lost."""
    return value


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def merge_parts(parts: Sequence[Any]) -> Any:
    """Merge what some parts came to, in their order; `None` says nothing."""
    first, *others = [part for part in parts if part is not None] or [None]
    if isinstance(first, np.ndarray):
        return sum(others, first)
    return reduce(lambda merged, other: merged.merge(other), others, first)


def take_steps(
    rounds: Rounds, parts: Sequence[Stored[Part]], start: Meeting, epoch: int, number: int
) -> Moved:
    """Take the local steps of some parts in a round."""
    moved: Moved = merge_parts([rounds.take(part.load(), start, epoch, number) for part in parts])
    return moved


def judge_parts(rounds: Rounds, parts: Sequence[Stored[Part]], reached: Meeting) -> Array:
    """Sum up the metrics of the rows of some parts that each network holds out."""
    judged: Array = merge_parts([rounds.judge(part.load(), reached) for part in parts])
    return judged


def meet(start: Meeting, moves: Sequence[Moved], momentum: float) -> Meeting:
    """End a round, all of whose moves are the last few to be merged."""
    return outer_step(start, merge_parts(moves), momentum)


def outline_of(examples: Examples) -> tuple[int, int, int]:
    """Count the rows of a part that repeat others of it, and all; sum up their keys and labels."""
    keys = with_labels(examples.contents, examples.labels)
    return examples.repeats, len(examples), int(keys.view(np.int64).sum())


def deal_part(examples: Examples, folds: Folds, number: int) -> Part:
    """Deal the rows of a part."""
    fold_of_row = place(folds, examples).folds
    order = np.argsort(fold_of_row, kind="stable")
    dealt = examples.select(order)
    return Part(number, dealt.features, dealt.labels, fold_of_row[order], dealt.groups)


def moments_of(part: Part, folds: int) -> Moments:
    """Take the moments of the features of a part."""
    return Moments.of(part.features, part.fold_of_row, folds)


def sample_of(examples: Examples, folds: Folds) -> RowSample:
    """Draw rows of a part, by numbers that have nothing to do with its folds."""
    draws = mixed(examples.contents + examples.occurrences.astype(np.uint64))
    return RowSample(draws, examples.features, place(folds, examples).folds).smallest()


def rows_of_folds(parts: Sequence[Stored[Part]], folds: int) -> Array:
    """Count the rows of some parts that lie in each fold, `(folds,)`."""
    counts: Array = merge_parts(
        [np.bincount(part.load().fold_of_row, minlength=folds) for part in parts]
    )
    return counts


def score_parts(model: Model, parts: Sequence[Stored[Part]]) -> Scores | None:
    """Judge the rows of some parts that some network holds out; `None` if there is none.

    How far the rows of all parts judge each other, no part can tell.
    """
    return merge_parts([_score_part(model, part.load()) for part in parts])


def _score_part(model: Model, part: Part) -> Scores | None:
    """Judge the rows of a part that some network holds out; `None` if there is none."""
    mask = holdout_masks(part.fold_of_row, len(model.network), len(model.folds))
    judged = int(mask.any(axis=0).sum())
    if not judged:
        return None
    rows = np.arange(len(part.labels))
    keys = np.zeros(len(rows), np.uint64)
    examples = Examples(part.features, part.labels, rows, keys, keys, rows, part.groups)
    is_new = np.zeros(len(rows), np.bool_)
    judges = Judges(mask, judged, True, is_new, clusters=part.groups)
    return judge(model, examples, judges).scores


MERGED_AT_ONCE = 8
MOST_BUNDLES = 512
ROUNDS_AHEAD = 4
"""So that the scheduler need not know all tasks of a long epoch at once."""


class Start(NamedTuple):
    """What is known before the first epoch.

    Attributes
    ----------
    encoder, summary
        Of all parts.
    class_counts
        Rows of each class, `(classes,)`.
    content
        Tells the rows and how they are parted from all others.
    """

    encoder: Encoder
    summary: TableSummary
    class_counts: IntArray
    content: str


class Trained(NamedTuple):
    """What a training on parts came to.

    Attributes
    ----------
    model
        An ordinary model.
    scores
        Of all rows, each judged by networks that never saw it.
    summary, parts, class_counts
        The summary of all parts, that of each, and its rows of each class, `(classes,)`.
    repeats
        How many rows repeat others of their part. Those that repeat rows of other parts are in one
        fold with them.
    """

    model: Model
    scores: Scores
    summary: TableSummary
    parts: list[TableSummary]
    class_counts: list[IntArray]
    repeats: int


def train_on_parts(
    client: Client,
    data: Any,
    roles: Roles,
    settings: TrainingSettings | None = None,
    on_start: Callable[[Start], Checkpointer | None] | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    name: str = "",
) -> Trained:
    """Train on a table in parts; see `minnet.dask.train`.

    Parameters
    ----------
    on_start
        Called before the first epoch; may return what saves the state after each.
    name
        Of the table, if it has one that says more than its first file's.
    """
    settings = settings or TrainingSettings()
    source, tables = tables_of(client, data, roles.target or "")
    name = name or source
    summarized = [submit(client, summarize, table, roles.ignore) for table in tables]
    parts: list[TableSummary] = client.gather(summarized)
    summary = replace(merge_summaries(parts), source=name)
    encoder = Encoder.from_summary(summary, roles)
    counts = [_class_counts(encoder, part) for part in parts]
    encoded = [
        submit_stored(client, Encoder.examples, encoder, table)
        for table, of_classes in zip(tables, counts, strict=True)
        if of_classes.any()
    ]
    del tables, summarized
    sketches = [submit(client, sketch, one, len(encoder.class_names)) for one in encoded]
    outlines = [submit(client, outline_of, one) for one in encoded]
    whole: KeySketch = _merged(client, sketches).result()
    folds = whole.deal(min(settings.folds, int(whole.counts.sum())))
    outline: IntArray = np.array(client.gather(outlines))
    start = Start(encoder, summary, whole.counts, repr(outline[:, 1:].tolist()))
    checkpointer = None if on_start is None else on_start(start)
    dealt = [
        submit_stored(client, deal_part, examples, folds, number)
        for number, examples in enumerate(encoded)
    ]
    rows = [int(of_classes.sum()) for of_classes in counts if of_classes.any()]
    network = _start(client, encoder, encoded, dealt, settings, folds, max(rows))
    del encoded
    rounds = _rounds(network, settings, whole.counts, len(folds), rows)
    bundles = _bundled(client, dealt)
    del dealt
    history = _train(client, bundles, rounds, settings, on_epoch, checkpointer)
    model = make_model(encoder, name, whole.counts, folds, settings, network, history)
    judged = [submit(client, score_parts, model, bundle) for bundle in bundles]
    dealt_to = [submit(client, rows_of_folds, bundle, len(folds)) for bundle in bundles]
    scores: Scores = _merged(client, judged).result()
    of_folds: IntArray = _merged(client, dealt_to).result()
    judged_of_fold = np.where(np.arange(len(folds)) < settings.networks, of_folds, 0)
    inflation = variance_inflation(judged_of_fold, len(scores), int(of_folds.sum()))
    scores = replace(scores, inflation=inflation)
    return Trained(model, scores, summary, parts, counts, int(outline[:, 0].sum()))


def _class_counts(encoder: Encoder, part: TableSummary) -> IntArray:
    """Rows of each class, `(classes,)`."""
    column = part[encoder.target]
    counted = {**(column.counts or {}), **column.missing_counts}
    return np.array([counted.get(name, 0) for name in encoder.class_names])


def _start(
    client: Client,
    encoder: Encoder,
    encoded: Sequence[Future[Any]],
    dealt: Sequence[Future[Any]],
    settings: TrainingSettings,
    folds: Folds,
    rows: int,
) -> Network:
    """Make networks with random weights, fitted to all parts."""
    inputs, classes = settings.inputs(encoder.scaled), len(encoder.class_names)
    sizes = settings.layer_sizes(rows, inputs, classes)
    moments = [submit(client, moments_of, part, len(folds)) for part in dealt]
    sample = RowSample(
        np.empty(0, np.uint64), np.empty((0, len(encoder.scaled))), np.empty(0, np.int64)
    )
    if settings.bins:
        sampled = [submit(client, sample_of, examples, folds) for examples in encoded]
        sample = _merged(client, sampled).result()
    held_out = (np.arange(settings.networks) % len(folds)).tolist()
    preparation = fit_merged_preparation(
        _merged(client, moments).result(),
        sample,
        held_out,
        encoder.scaled,
        settings.bins,
        encoder.fewest_rows,
    )
    return Network.random(sizes, make_generators(settings), first=preparation)


def _rounds(
    network: Network,
    settings: TrainingSettings,
    class_counts: IntArray,
    folds: int,
    rows: Sequence[int],
) -> Rounds:
    """Lay out the rounds of an epoch: all parts together take a batch of one machine's size."""
    whole = settings.batch_size_for(sum(rows))
    batch_size = max(min(whole, SMALLEST_BATCH), whole // min(len(rows), MOST_SHARES))
    steps = -(-max(rows) // batch_size)
    weights = None if settings.class_weights is None else np.array(settings.class_weights)
    if settings.balanced:
        weights = balanced_weights(class_counts)
    return Rounds(
        network=network,
        optimizer=make_optimizer(settings, network.decays),
        loss=LOSSES[settings.loss],
        weights=weights,
        seed=settings.seed,
        folds=folds,
        batch_size=batch_size,
        rounds=-(-steps // STEPS_OF_A_ROUND),
        momentum=SMALL_TABLE_MOMENTUM if sum(rows) <= SMALL_TABLE else OUTER_MOMENTUM,
    )


def _train(
    client: Client,
    bundles: Sequence[Future[Any]],
    rounds: Rounds,
    settings: TrainingSettings,
    on_epoch: Callable[[Epoch], object] | None,
    checkpointer: Checkpointer | None,
) -> History:
    """Train round by round, and leave the network of the rounds at its best epoch."""
    network, meeting = rounds.network, rounds.start()
    state = TrainingState(network, rounds.optimizer, make_generators(settings))
    meeting.leave(state)
    if checkpointer is not None:
        checkpointer.resume(state)
        meeting = meeting.at(state)
    common = submit(client, keep, rounds)
    while state.goes_on(settings):
        epoch, start = len(state.epochs), submit(client, keep, meeting.begun())
        holders = client.who_has(bundles)
        placed = [(bundle, holders[bundle.key]) for bundle in bundles]
        under_way: deque[Future[Any]] = deque()
        for number in range(rounds.rounds):
            moves = [
                submit(client, take_steps, common, bundle, start, epoch, number, workers=where)
                for bundle, where in placed
            ]
            start = submit(client, meet, start, _few(client, moves), rounds.momentum)
            under_way.append(start)
            if len(under_way) > ROUNDS_AHEAD:
                under_way.popleft().exception()  # waits until it is done
        losses = [
            submit(client, judge_parts, common, bundle, start, workers=where)
            for bundle, where in placed
        ]
        meeting, judged = client.gather((start, _merged(client, losses)))
        meeting.leave(state)
        held_out = np.where(judged[1] > 0, np.arange(len(network)) % rounds.folds, -1)
        finished = Epoch.of(meeting.metrics, judged)
        state.finish_epoch(finished, held_out, settings)
        if checkpointer is not None:
            checkpointer.save(state)
        if on_epoch is not None and on_epoch(finished) is True:
            break
    network.values[...] = state.best_values
    return History.of(state.epochs, state.best_epochs)


def _bundled(client: Client, parts: Sequence[Future[Any]]) -> list[Future[Any]]:
    """Put parts together that one task takes: a scheduler can do a thousand tasks a second."""
    size = -(-len(parts) // MOST_BUNDLES)
    bundles = [submit(client, keep, some) for some in _runs(parts, size)]
    for bundle in bundles:
        bundle.exception()  # waits until it is done: only then is it told where it is
    return bundles


def _merged(client: Client, futures: Sequence[Future[Any]]) -> Future[Any]:
    return submit(client, merge_parts, _few(client, futures))


def _few(client: Client, futures: Sequence[Future[Any]]) -> Sequence[Future[Any]]:
    """Merge what parts came to, on the workers, until there are few left to merge."""
    while len(futures) > MERGED_AT_ONCE:
        futures = [submit(client, merge_parts, some) for some in _runs(futures, MERGED_AT_ONCE)]
    return futures


def _runs(futures: Sequence[Future[Any]], size: int) -> list[Sequence[Future[Any]]]:
    return [futures[start : start + size] for start in range(0, len(futures), size)]
