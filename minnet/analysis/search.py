"""Recipes tried in rounds, each round closer to the best so far."""

from __future__ import annotations

import math
import time
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from minnet.model.evaluation import judge
from minnet.model.fit import make_model, start_networks
from minnet.model.judges import judges_of_split
from minnet.training.recipes import train_recipes
from minnet.training.workers import open_pool

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Mapping, Sequence
    from concurrent.futures import Future

    from minnet.analysis.grid import Grid, Point
    from minnet.data.encoding import Encoder
    from minnet.data.examples import Examples
    from minnet.model.evaluation import Evaluation
    from minnet.model.judges import Split
    from minnet.model.model import Model
    from minnet.training.recipes import Outcome
    from minnet.training.settings import TrainingSettings


class Tried(NamedTuple):
    """What came of a recipe; no evaluation where training failed."""

    settings: TrainingSettings
    outcome: Outcome
    evaluation: Evaluation | None

    @property
    def log_loss(self) -> float:
        """On held-out rows; infinite where training failed."""
        return math.inf if self.evaluation is None else self.evaluation.log_loss


@dataclass(frozen=True, eq=False)
class Source:
    """What all recipes are trained on; `name` is that of the training file."""

    encoder: Encoder
    examples: Examples
    dealt: Split
    name: str

    def try_together(self, recipes: Sequence[TrainingSettings]) -> list[Tried]:
        """Train recipes that can train together, and judge each on the rows it held out."""
        examples, dealt = self.examples, self.dealt
        network, generators = start_networks(self.encoder, examples, dealt, recipes[0])
        outcomes = train_recipes(
            network, examples.features, examples.labels, dealt.holdout, generators, recipes
        )
        judges = judges_of_split(dealt, examples)
        return [
            Tried(
                settings,
                outcome,
                None if outcome.error else judge(self.model(settings, outcome), examples, judges),
            )
            for settings, outcome in zip(recipes, outcomes, strict=True)
        ]

    def model(self, settings: TrainingSettings, outcome: Outcome) -> Model:
        """Make the model that a training came to."""
        network, _ = start_networks(self.encoder, self.examples, self.dealt, settings)
        network.values[...] = outcome.values
        counts = self.examples.class_counts(len(self.encoder.class_names))
        folds = self.dealt.folds
        return make_model(
            self.encoder, self.name, counts, folds, settings, network, outcome.history
        )


def search(
    source: Source, grid: Grid, trials: int, seconds: float, workers: int, executor: Any = None
) -> Generator[dict[Point, Tried]]:
    """Try the origin and its neighbours, then those of the best so far, until none is better.

    A worker that finds nothing more to do in a round begins the next one around the best so far.
    What it tries there counts if the next round turns out to be that one, or a later round asks for
    it; so results do not depend on the workers.

    Parameters
    ----------
    trials
        The most recipes to try.
    seconds
        After so much time no further recipe is begun, but for the origin.
    workers, executor
        See `minnet.training.workers.open_pool`; they decide nothing but the time it takes.

    Yields
    ------
    dict
        All recipes tried so far, in the order of the search, whenever there are more.
    """
    deadline = time.monotonic() + seconds
    tried: dict[Point, Tried] = {}
    running: dict[Future[list[Tried]], list[Point]] = {}
    yielded = 0
    with open_pool(min(workers, trials) if executor is None else executor, source) as pool:
        while True:
            rounds = _rounds(grid, tried, trials)
            while len(running) < pool.size:
                known = {*tried, *chain.from_iterable(running.values())}
                is_late = time.monotonic() >= deadline
                task = _next_task(grid, [[grid.origin]] if is_late else rounds, known, pool.size)
                if not task:
                    break
                recipes = [grid.settings(point) for point in task]
                running[pool.submit(Source.try_together, recipes)] = task
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                tried |= zip(running.pop(future), future.result(), strict=True)
            settled = _settled(_rounds(grid, tried, trials), tried)
            if len(settled) > yielded:
                yielded = len(settled)
                yield settled


def _rounds(grid: Grid, tried: Mapping[Point, Tried], trials: int) -> list[list[Point]]:
    """List the rounds of the search, as if no recipe that is not tried yet were any good."""
    rounds: list[list[Point]] = []
    asked: list[Point] = []
    best = grid.origin
    while around := grid.around(best, asked)[: trials - len(asked)]:
        rounds.append(around)
        asked += around
        best = min(asked, key=lambda point: tried[point].log_loss if point in tried else math.inf)
    return rounds


def _next_task(
    grid: Grid, rounds: Sequence[list[Point]], known: Container[Point], workers: int
) -> list[Point]:
    """Take the longest task of the first round that has any left; empty if none has."""
    for points in rounds:
        if left := [point for point in points if point not in known]:
            return grid.tasks(left, workers)[0]
    return []


def _settled(rounds: Sequence[list[Point]], tried: Mapping[Point, Tried]) -> dict[Point, Tried]:
    """Take what came of the rounds up to the first that is not complete."""
    settled: dict[Point, Tried] = {}
    for points in rounds:
        settled |= {point: tried[point] for point in points if point in tried}
        if any(point not in tried for point in points):
            break
    return settled
