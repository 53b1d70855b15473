"""Recipes tried in rounds, each round closer to the best so far."""

from __future__ import annotations

import math
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from minnet.model.evaluation import judge
from minnet.model.fit import make_model, start_networks
from minnet.model.judges import judges_of_split
from minnet.training.recipes import train_recipes
from minnet.training.workers import process_pool

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from concurrent.futures import Executor, Future

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
        judges = judges_of_split(dealt)
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
    source: Source, grid: Grid, trials: int, seconds: float, workers: int
) -> Generator[dict[Point, Tried]]:
    """Try the origin and its neighbours, then those of the best so far, until none is better.

    Parameters
    ----------
    trials
        The most recipes to try.
    seconds
        After so much time no further recipe is begun, but for the origin.
    workers
        Processes; decides nothing but the time it takes.

    Yields
    ------
    dict
        All recipes tried so far, in the order of the search, whenever there are more.
    """
    deadline = time.monotonic() + seconds
    asked: list[Point] = []
    tried: dict[Point, Tried] = {}
    best = grid.origin
    with process_pool(min(workers, trials)) as pool:
        while around := grid.around(best, asked)[: trials - len(asked)]:
            asked += around
            for results in _run(pool, source, grid, grid.tasks(around, workers), workers, deadline):
                tried |= results
                yield {point: tried[point] for point in asked if point in tried}
            best = min(tried, key=lambda point: (tried[point].log_loss, asked.index(point)))


def _run(
    pool: Executor,
    source: Source,
    grid: Grid,
    tasks: Sequence[list[Point]],
    workers: int,
    deadline: float,
) -> Iterator[dict[Point, Tried]]:
    """Run tasks, as many at a time as there are workers; yield what comes of each."""
    waiting = deque(tasks)
    running: dict[Future[list[Tried]], list[Point]] = {}
    while True:
        while waiting and len(running) < workers:
            points = waiting.popleft()
            if time.monotonic() < deadline or grid.origin in points:
                recipes = [grid.settings(point) for point in points]
                running[pool.submit(source.try_together, recipes)] = points
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield dict(zip(running.pop(future), future.result(), strict=True))
