"""Training on parts of a table that Dask's workers read, encode and keep.

Only values, moments and summaries travel. What is merged is merged in the order of the parts, so
that the bytes of the model do not depend on the workers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minnet.dask.parts import tables_of
from minnet.dask.stored import submit, submit_stored
from minnet.dask.tasks import (
    deal_part,
    judge_parts,
    keep,
    meet,
    merge_parts,
    moments_of,
    outline_of,
    rows_of_folds,
    sample_of,
    score_parts,
    take_steps,
)
from minnet.data.encoding import Encoder
from minnet.data.summaries import merge as merge_summaries
from minnet.data.summaries import summarize
from minnet.model.fit import make_model
from minnet.model.intervals import variance_inflation
from minnet.model.judges import sketch
from minnet.network.losses import LOSSES
from minnet.network.network import Network
from minnet.training.batches import balanced_weights
from minnet.training.folds import Folds, KeySketch
from minnet.training.history import Epoch, History
from minnet.training.loop import TrainingState, make_generators, make_optimizer
from minnet.training.moments import RowSample, fit_merged_preparation
from minnet.training.rounds import (
    MOST_SHARES,
    OUTER_MOMENTUM,
    SMALL_TABLE_MOMENTUM,
    SMALLEST_BATCH,
    STEPS_OF_A_ROUND,
    Rounds,
)
from minnet.training.settings import SMALL_TABLE, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from distributed import Client, Future

    from minnet.arrays import IntArray
    from minnet.data.summaries import TableSummary
    from minnet.model.model import Model
    from minnet.model.scores import Scores
    from minnet.training.checkpoint import Checkpointer

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
    target: str,
    ignore: Collection[str] = (),
    settings: TrainingSettings | None = None,
    on_start: Callable[[Start], Checkpointer | None] | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    *,
    group: str = "",
    group_feature: bool = False,
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
    source, tables = tables_of(client, data, target)
    name = name or source
    summarized = [submit(client, summarize, table, ignore) for table in tables]
    parts: list[TableSummary] = client.gather(summarized)
    summary = replace(merge_summaries(parts), source=name)
    encoder = Encoder.of(summary, target, ignore, group=group, group_feature=group_feature)
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
