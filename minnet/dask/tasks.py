"""What the workers run: pure functions, so that a task that is lost can be run again."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.data.examples import Examples
from minnet.data.keys import mixed, with_labels
from minnet.model.evaluation import judge
from minnet.model.judges import Judges, place
from minnet.training.folds import holdout_masks
from minnet.training.moments import Moments, RowSample
from minnet.training.rounds import Meeting, Moved, Part, Rounds, outer_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet.arrays import Array
    from minnet.dask.stored import Stored
    from minnet.model.model import Model
    from minnet.model.scores import Scores
    from minnet.training.folds import Folds


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
