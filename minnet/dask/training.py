"""Training on the parts of a table, files or partitions, that the workers of a cluster keep.

A worker keeps its parts on its disk, so that its memory does not grow with them. What it runs are
pure functions, so that a task that is lost can be run again.

Only values, moments and summaries travel. What is merged is merged in the order of the parts, so
that the bytes of the model do not depend on the workers.
"""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial, reduce
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from minnet.arrays import Array, IntArray
from minnet.data.cells import TableFormat
from minnet.data.columns import TableSummary, summarize
from minnet.data.columns import merge as merge_summaries
from minnet.data.csv import files_of
from minnet.data.encoding import Encoder, Examples, Roles
from minnet.data.keys import with_labels
from minnet.data.table import MOST_BYTES, MOST_ROWS, FilePart, Table
from minnet.errors import DataError, PackageError, SettingsError, WorkerError
from minnet.model.diagnostics import split_diagnostics, table_diagnostics
from minnet.model.fit import decided, start_networks, summarize_features
from minnet.model.judges import Judges, variance_inflation
from minnet.model.model import Model
from minnet.model.scores import Evaluation, Scores, judge
from minnet.model.threshold import Decision
from minnet.training.folds import Folds, KeySketch, holdout_masks
from minnet.training.loop import Callback, Training, drive
from minnet.training.rounds import Moved, Part, Rounds
from minnet.training.settings import TrainingSettings

try:
    import distributed
    from dask.delayed import delayed
    from distributed import Client, Future
except ImportError:
    raise PackageError("dask", "dask") from None

ALIGNMENT = 64


class Stored:
    """A value in a file of the worker that made it.

    Sent to another worker, it is stored there as well. A file goes with the last reference to
    it, or with the worker's folder.

    Parameters
    ----------
    value
        To store; unless there is a reason why it cannot be loaded.
    """

    def __init__(self, value: Any, reason: str = "") -> None:
        # Told when it is loaded: what raises an error on its way, Dask would send for ever.
        self._reason = reason
        if reason:
            return
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        blocks: list[bytes | memoryview] = [pickled, *(buffer.raw() for buffer in buffers)]
        folder = _folder()
        self._places: list[slice] = []
        try:
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                self._path = Path(file.name)
                weakref.finalize(self, self._path.unlink, missing_ok=True)
                for block in blocks:
                    start = file.seek(-file.tell() % ALIGNMENT, os.SEEK_CUR)
                    self._places.append(slice(start, start + file.write(block)))
        except OSError as error:
            self._reason = f"a worker cannot keep its parts in {folder}: {error.strerror}"

    def load(self) -> Any:
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
        return pickle.loads(pickled, buffers=buffers)

    def __reduce__(self) -> tuple[type[Stored], tuple[Any, ...]]:
        try:
            return Stored, (self.load(),)
        except WorkerError as error:
            return Stored, (None, str(error))


def submit(
    client: Client,
    function: Callable[..., Any],
    *arguments: Any,
    workers: Any = None,
    is_stored: bool = False,
) -> Future[Any]:
    """Submit a task of its own, whatever equal ones there are.

    Parameters
    ----------
    arguments
        The function gets the values of what is stored among them.
    workers
        Which ones should do it, if they can.
    is_stored
        Whether the result is to be a `Stored`.
    """
    key = f"{function.__name__}-{uuid4()}"  # by which the dashboard calls it
    more = {"workers": workers, "allow_other_workers": True} if workers else {}
    return client.submit(_store if is_stored else _call, function, *arguments, key=key, **more)


def gathered(client: Client, futures: Sequence[Future[Any]]) -> list[Any]:
    """Gather the results of tasks; of several that fail on their data, the first tells why."""
    try:
        return client.gather(futures)
    except DataError:
        for future in futures:
            future.result()
        raise


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*map(_loaded, arguments))


def _loaded(one: Any) -> Any:
    if isinstance(one, list):
        return [*map(_loaded, one)]
    return one.load() if isinstance(one, Stored) else one


def _store(function: Callable[..., Any], *arguments: Any) -> Stored:
    return Stored(_call(function, *arguments))


def _folder() -> str:
    try:
        return distributed.get_worker().local_directory
    except ValueError:  # outside a task: while a value arrives, or on no worker
        workers = [one for one in distributed.Worker._instances if one.status.name == "running"]
        return workers[0].local_directory if workers else tempfile.gettempdir()


def tables_of(client: Client, data: Any, form: TableFormat) -> list[Future[Any]]:
    """Have the workers read the parts of a table, each a `Table` of its own.

    Parameters
    ----------
    data
        A Dask frame, or the pattern of files' names.
    form
        How it is read.
    """
    if isinstance(data, str):
        files = [FilePart(file, form) for file in files_of(data)]
        cut = [submit(client, FilePart.cut, file, MOST_BYTES, MOST_ROWS) for file in files]
        pieces = chain.from_iterable(gathered(client, cut))
        return [submit(client, FilePart.read, piece, is_stored=True) for piece in pieces]
    if hasattr(data, "to_delayed"):
        table, partitions = delayed(_store, pure=False), enumerate(data.to_delayed(), 1)
        names = ((f"partition {number}", one) for number, one in partitions)
        tables = [table(Table.from_columns, one, name, form) for name, one in names]
        futures: list[Future[Any]] = client.compute(tables)
        return futures
    raise SettingsError(
        f"no parts can be made of {type(data).__name__!r}: give a Dask frame, or the pattern of "
        "files' names"
    )


def keep(value: Any) -> Any:
    """Have a value on the cluster that can be sent again if a worker is lost."""
    return value


def merge_parts(parts: Sequence[Any]) -> Any:
    """Merge what some parts came to, in their order; `None` says nothing."""
    first, *others = [part for part in parts if part is not None] or [None]
    if isinstance(first, np.ndarray):
        return sum(others, first)
    return reduce(lambda merged, other: merged.merge(other), others, first)


def outline_of(examples: Examples) -> tuple[int, int, int]:
    """Count the rows of a part that repeat others of it, and all; sum up what tells them apart."""
    keys = with_labels(examples.contents, examples.labels)
    if examples.weights is not None:
        keys ^= examples.weights.view(np.uint64)
    return examples.repeats, len(examples), int(keys.view(np.int64).sum())


def deal_part(examples: Examples, folds: Folds, number: int) -> Part:
    """Deal the rows of a part."""
    fold_of_row = folds.place(examples).folds
    order = np.argsort(fold_of_row, kind="stable")
    dealt = examples.select(order)
    rows = dealt.features, dealt.labels, fold_of_row[order], dealt.groups, dealt.weights
    return Part(number, *rows)


def rows_of_folds(parts: Sequence[Part], folds: int) -> IntArray:
    """Count the rows of some parts that lie in each fold, `(folds,)`."""
    return np.bincount(np.concatenate([part.fold_of_row for part in parts]), minlength=folds)


def judge_parts(model: Model, parts: Sequence[Part], class_shares: Array, figure: str) -> Any:
    """Judge the rows of some parts that some network holds out; `None` if there is none.

    How far the rows of all parts judge each other, no part can tell.

    Parameters
    ----------
    class_shares
        Of all parts, `(classes,)`.
    figure
        What of each `Evaluation` is merged.
    """
    judged = (_judge_part(model, part, class_shares) for part in parts)
    return merge_parts([one and getattr(one, figure) for one in judged])


def _judge_part(model: Model, part: Part, class_shares: Array) -> Evaluation | None:
    mask = holdout_masks(part.fold_of_row, len(model.network), len(model.folds))
    judged = int(mask.any(axis=0).sum())
    if not judged:
        return None
    rows = np.arange(len(part.labels))
    keys = np.zeros(len(rows), np.uint64)
    of_rows = part.features, part.labels, rows, keys, keys, rows, part.groups, part.weights
    examples = Examples(*of_rows)
    is_new = np.zeros(len(rows), np.bool_)
    judges = Judges(model.folds, mask, judged, True, is_new, clusters=part.groups)
    return replace(judge(model, examples, judges), class_shares=class_shares)


MERGED_AT_ONCE = 8
MOST_BUNDLES = 512
ROUNDS_AHEAD = 4
"""So that the scheduler need not know all tasks of a long epoch at once."""


class PartedTable:
    """A table in parts, which the workers of a cluster read and keep, to be trained on once.

    Parameters
    ----------
    client
        Of the cluster.
    data
        See `minnet.dask.train`.
    roles
        Of its columns.
    form
        How it is read, if not as the roles say.

    Attributes
    ----------
    encoder, summary
        Of all parts.
    parts
        The summary of each part.
    class_counts
        Of each part, its rows of each class, `(classes,)`.
    repeats
        How many rows repeat others of their part. Those that repeat rows of other parts are in one
        fold with them.
    content
        Tells the rows and how they are parted from all others.
    """

    def __init__(
        self, client: Client, data: Any, roles: Roles, form: TableFormat | None = None
    ) -> None:
        self._client = client
        tables = tables_of(client, data, form or roles.form)
        if roles.weights:
            weighted = partial(submit, client, Table.weighted_rows, is_stored=True)
            tables = [weighted(table, roles.weights) for table in tables]
        summarized = [submit(client, summarize, table, roles.ignore) for table in tables]
        self.parts: list[TableSummary] = gathered(client, summarized)
        source = data if isinstance(data, str) else "frame"
        self.summary = replace(merge_summaries(self.parts), source=source)
        self.encoder = Encoder.from_summary(self.summary, roles)
        names, targets = self.encoder.class_names, [one[self.encoder.target] for one in self.parts]
        counted = [(one.counts or Counter()) + one.missing_counts for one in targets]
        self.class_counts = [np.array([counts[name] for name in names]) for counts in counted]
        self._encoded = [
            submit(client, Encoder.examples, self.encoder, table, is_stored=True)
            for table, of_classes in zip(tables, self.class_counts, strict=True)
            if of_classes.any()
        ]
        outlines = [submit(client, outline_of, examples) for examples in self._encoded]
        outline: IntArray = np.array(gathered(client, outlines))
        self.repeats, self.content = int(outline[:, 0].sum()), repr(outline[:, 1:].tolist())

    def notes(self, model: Model) -> Iterator[str]:
        """Tell what is noteworthy about the table and its folds."""
        parts = [*zip(self.parts, self.class_counts, strict=True)]
        yield from table_diagnostics(model, self.summary, parts=parts)
        by_chance = model.folds.is_coarse
        yield from split_diagnostics(model, self.repeats, "--group", by_chance=by_chance)

    def train(
        self,
        settings: TrainingSettings,
        callbacks: Sequence[Callback] = (),
        decision: Decision = None,
    ) -> tuple[Model, Scores]:
        """Train networks, and score them on all rows, each judged by those that never saw it."""
        client, encoder = self._client, self.encoder
        class_counts = np.sum(self.class_counts, axis=0)
        encoded, self._encoded = self._encoded, []
        sketches = [submit(client, KeySketch.of, one) for one in encoded]
        folds = merged(client, sketches).deal(min(settings.folds, int(class_counts.sum())))
        dealt = [
            submit(client, deal_part, examples, folds, number, is_stored=True)
            for number, examples in enumerate(encoded)
        ]

        some = [submit(client, summarize_features, one, folds, encoder.scaled) for one in encoded]
        summed = [submit(client, Examples.class_weights, one, len(class_counts)) for one in encoded]
        of_classes: Array = merged(client, summed)
        rows_of_parts = [int(of_part.sum()) for of_part in self.class_counts if of_part.any()]
        settings = settings.for_table(sum(rows_of_parts), len(encoder.features))
        network, generators = start_networks(
            encoder, settings, max(rows_of_parts), merged(client, some)
        )
        encoded.clear()
        bundles = _bundled(client, dealt)
        del dealt
        of_bundles = [submit(client, rows_of_folds, bundle, len(folds)) for bundle in bundles]
        rows: IntArray = merged(client, of_bundles)
        fold_of_network = np.arange(settings.networks) % len(folds)
        rounds = Rounds.of(network, settings, of_classes, len(folds), rows_of_parts)
        held_out = np.where(rows[fold_of_network] > 0, fold_of_network, -1)
        training = Training(rounds.start(), generators, held_out, [settings])
        drive(training, PartsRunner(client, rounds, bundles), callbacks)
        network.values[...] = training.best_values
        model = Model(
            encoder=encoder,
            network=network,
            settings=settings,
            history=training.history(),
            class_counts=tuple(class_counts.tolist()),
            trained_on=os.path.basename(self.summary.source),
            folds=folds,
        )

        def judged(figure: str) -> Any:
            told = of_classes / of_classes.sum(), figure
            some = [submit(client, judge_parts, model, bundle, *told) for bundle in bundles]
            return merged(client, some)

        model = decided(model, decision, lambda: judged("threshold_counts"))
        scores = judged("scores")
        known = np.where(np.arange(len(folds)) < settings.networks, rows, 0)
        inflation = variance_inflation(known, len(scores), int(rows.sum()))
        return model, replace(scores, inflation=inflation)


class PartsRunner:
    """Epochs in rounds, on bundles of parts that the workers keep."""

    def __init__(self, client: Client, rounds: Rounds, bundles: Sequence[Future[Any]]) -> None:
        self._client, self._rounds, self._bundles = client, rounds, bundles
        self._common = submit(client, keep, rounds)

    def _submit(self, where: Any, function: Callable[..., Any], *arguments: Any) -> Any:
        """Submit a task for each bundle, to the workers that hold it, told by `who_has`."""
        task = partial(submit, self._client, function, self._common)
        return [task(one, *arguments, workers=where[one.key]) for one in self._bundles]

    def learn(self, training: Training) -> Array:
        """Train on every row once, round by round."""
        client, networks = self._client, len(training.state.values)
        begun = Moved(np.zeros((networks, 1)), training.state, np.zeros((4, networks)))
        epoch, start = len(training.epochs), submit(client, keep, begun)
        where = client.who_has(self._bundles)
        under_way: deque[Future[Any]] = deque()
        for number in range(self._rounds.rounds):
            moves = self._submit(where, Rounds.take, start, epoch, number)
            start = submit(client, Rounds.meet, self._common, start, _few(client, moves))
            under_way.append(start)
            if len(under_way) > ROUNDS_AHEAD:
                under_way.popleft().exception()  # waits until it is done
        reached: Moved = start.result()
        training.state = reached.state
        return reached.metrics

    def judge(self, training: Training, values: Array) -> Array:
        """Judge parameters by the rows that each network holds out."""
        client, kept = self._client, submit(self._client, keep, values)
        judged = self._submit(client.who_has(self._bundles), Rounds.judge, kept)
        total: Array = merged(client, judged)
        return total


def _bundled(client: Client, parts: Sequence[Future[Any]]) -> list[Future[Any]]:
    """Put parts together that one task takes: a scheduler can do a thousand tasks a second."""
    size = -(-len(parts) // MOST_BUNDLES)
    bundles = [client.submit(keep, some, key=f"bundle-{uuid4()}") for some in _runs(parts, size)]
    for bundle in bundles:
        bundle.exception()  # waits until it is done: only then is it told where it is
    return bundles


def _few(client: Client, futures: Sequence[Future[Any]]) -> Sequence[Future[Any]]:
    """Merge what parts came to, on the workers, until there are few left to merge."""
    while len(futures) > MERGED_AT_ONCE:
        futures = [submit(client, merge_parts, some) for some in _runs(futures, MERGED_AT_ONCE)]
    return futures


def merged(client: Client, futures: Sequence[Future[Any]]) -> Any:
    """Merge what all parts came to."""
    return submit(client, merge_parts, _few(client, futures)).result()


def _runs(futures: Sequence[Future[Any]], size: int) -> list[Sequence[Future[Any]]]:
    return [futures[start : start + size] for start in range(0, len(futures), size)]
