"""Try recipes on a table, and keep the one that the held-out rows like best."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.analysis.grid import Grid
from minnet.analysis.search import Source, search
from minnet.arguments import as_integer, as_number
from minnet.data.encoding import Encoder
from minnet.data.table import as_table
from minnet.errors import TrainingError
from minnet.model.intervals import design_effect
from minnet.model.judges import split

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from minnet.analysis.search import Tried
    from minnet.arrays import Array
    from minnet.data.examples import Examples
    from minnet.data.table import Data
    from minnet.model.evaluation import Evaluation
    from minnet.model.model import Model


@dataclass(frozen=True)
class Trial:
    """How one recipe fared; NaN where nothing can be said.

    Attributes
    ----------
    recipe
        The settings that vary among the recipes, with their values in force.
    log_loss, standard_error
        On held-out rows, nats per row.
    gain, gain_error
        How much smaller the log loss is than that of the first recipe, and its standard error,
        paired by row.
    seconds
        CPU time of the training.
    error
        Why it came to nothing; empty if it did not.
    """

    recipe: dict[str, Any]
    log_loss: float
    standard_error: float
    gain: float
    gain_error: float
    seconds: float
    error: str = ""


@dataclass(frozen=True, eq=False)
class Tuning:
    """Recipes, how each fared on held-out rows, and which one is chosen.

    Attributes
    ----------
    source
        What all were trained on.
    recipes
        The settings of each that vary, in the order of trying; the first is the one to beat.
    tried
        What came of each.
    """

    source: Source
    recipes: tuple[dict[str, Any], ...]
    tried: tuple[Tried, ...]

    def __repr__(self) -> str:
        """One line."""
        return f"<Tuning: {len(self):,} recipes, chosen: {self.recipes[self.chosen]}>"

    def __len__(self) -> int:
        """How many recipes were tried."""
        return len(self.tried)

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """How each recipe fared, in the order of trying."""
        first = self.tried[0].evaluation
        return tuple(
            _trial(recipe, tried, first)
            for recipe, tried in zip(self.recipes, self.tried, strict=True)
        )

    @cached_property
    def best(self) -> int:
        """Which trial has the smallest log loss.

        Raises
        ------
        TrainingError
            If all recipes failed.
        """
        best = min(range(len(self)), key=lambda trial: self.tried[trial].log_loss)
        if self.trials[best].error:
            raise TrainingError(self.trials[best].error)
        return best

    @cached_property
    def chosen(self) -> int:
        """Which trial won: the best one, or the first if the best may be so by chance.

        Without its luck, a gain g with the standard error s is g - flattery, and the variance of
        that is s^2 (g - flattery) / g (see `expected_flattery`). It has to be above one standard
        error of its own.
        """
        best = self.trials[self.best]
        return 0 if best.gain * (best.gain - self.flattery) <= best.gain_error**2 else self.best

    @cached_property
    def flattery(self) -> float:
        """How much of the best one's gain is the luck of being the best of several; nats.

        See `expected_flattery`; 0 if the first recipe is the best one, or failed.
        """
        best = self.trials[self.best]
        if not best.gain > 0:
            return 0.0
        others = [trial for trial in self.trials[1:] if not trial.error]
        gains, errors = (
            np.array([getattr(trial, name) for trial in others]) for name in ("gain", "gain_error")
        )
        return expected_flattery(gains, errors)

    @cached_property
    def model(self) -> Model:
        """The model of the winner: what `minnet.train` makes with its settings."""
        winner = self.tried[self.chosen]
        return self.source.model(winner.settings, winner.outcome)


def tune(
    data: Data,
    target: str,
    *,
    ignore: Collection[str] = (),
    group: str | None = "",
    group_feature: bool = False,
    drop_repeats: bool = False,
    trials: int | None = None,
    seconds: float = math.inf,
    workers: int = 1,
    executor: Any = None,
    on_trials: Callable[[Tuning], None] | None = None,
    **settings: Any,
) -> Tuning:
    """Try recipes on a table, each trained as by `minnet.train`.

    The first recipe takes the first value of each setting. The first round tries it and all that
    differ from it in one setting; each further round those that differ in one setting from the
    best so far, until none of these is better.

    Parameters
    ----------
    data, target, ignore, group, group_feature, drop_repeats
        See `minnet.train`.
    trials
        The most recipes to try.
    seconds
        After so much time no further recipe is begun. Nothing else makes results depend on time.
    workers
        How many processes to use. Decides nothing but the time it takes.
    executor
        What is to run the work instead: an executor of `concurrent.futures`, or a Dask client.
    on_trials
        Called with all recipes tried so far, whenever there are more.
    settings
        Fields of `TrainingSettings`, each a value or a list of values to try. Others are left alone
        but for those in `minnet.analysis.grid.TRIED`.

    Raises
    ------
    DataError, SettingsError, TrainingError
        If the table, the settings or all recipes cannot be trained on.
    """
    grid = Grid.of(settings)
    table = as_table(data, text=[str(target)])
    encoder = Encoder.fit(
        table,
        target,
        ignore,
        group=group,
        group_feature=group_feature,
        drop_repeats=drop_repeats,
    )
    examples = encoder.learned_from(encoder.examples(table))
    return tune_examples(
        encoder, examples, table.source, grid, trials, seconds, workers, on_trials, executor
    )


def tune_examples(
    encoder: Encoder,
    examples: Examples,
    name: str,
    grid: Grid,
    trials: int | None = None,
    seconds: float = math.inf,
    workers: int = 1,
    on_trials: Callable[[Tuning], None] | None = None,
    executor: Any = None,
) -> Tuning:
    """Try recipes on the examples that an encoder made of the file of that name; see `tune`."""
    workers = as_integer("workers", workers, 1)
    most = min(as_integer("trials", grid.size if trials is None else trials, 1), grid.size)
    if seconds != math.inf:
        seconds = as_number("seconds", seconds)
    source = Source(encoder, examples, split(examples, grid.settings(grid.origin)), name)
    with closing(search(source, grid, most, seconds, workers, executor)) as searching:
        for tried in searching:
            recipes = tuple(map(grid.recipe, tried))
            tuning = Tuning(source, recipes, tuple(tried.values()))
            if on_trials is not None and grid.origin in tried:
                on_trials(tuning)
    return tuning


def expected_flattery(gains: Array, errors: Array) -> float:
    """Tell how much of the largest gain is luck, as far as all of them show; nats.

    Let the true gains be normal around 0 with variance t^2, and the measured ones normal around
    these with the errors s. Then the square of a measured gain is t^2 + s^2 on average, which gives
    t^2; the first recipe is one of them, with gain 0 and no error. A gain g has the true gain
    g t^2 / (t^2 + s^2) on average, with variance s^2 t^2 / (t^2 + s^2), over all tables that show
    g, for whatever reason it was picked. The rest of g is luck: all of it where the gains are no
    larger than their errors, and little where they are much larger.

    No loss counts for more than the largest gain: recipes that are far worse than the first say
    nothing of how good the best one is.

    On 154 tables like those of `python -m tests.benchmarks tuning`, 66 of which had a winner, 0.044
    nats were told and 0.046 +- 0.006 lost on other rows; on those of 150 rows, 0.073 and 0.087 +-
    0.008 (29 winners).

    Parameters
    ----------
    gains, errors
        Over the first recipe and their standard errors, of each other recipe; the largest gain is
        above 0.

    References
    ----------
    James, Stein (1961), "Estimation with quadratic loss".
    Efron (2011), "Tweedie's formula and selection bias".
    """
    best = gains.argmax()
    if not np.isfinite(errors).all():
        return float(gains[best])
    noise = errors[best] ** 2
    gains = np.maximum(gains, -gains[best])
    variance = max(0.0, float((gains**2 - errors**2).sum()) / (len(gains) + 1))
    return float(gains[best] * noise / (noise + variance)) if noise else 0.0


def _trial(recipe: dict[str, Any], tried: Tried, first: Evaluation | None) -> Trial:
    seconds, error = tried.outcome.seconds, tried.outcome.error
    one = tried.evaluation
    if one is None:
        return Trial(recipe, math.nan, math.nan, math.nan, math.nan, seconds, error)
    losses = one.row_losses
    gains = np.full(len(losses), math.nan) if first is None else first.row_losses - losses
    return Trial(
        recipe,
        one.log_loss,
        _standard_error(losses, one),
        float(gains.mean()),
        _standard_error(gains, one),
        seconds,
    )


def _standard_error(values: Array, evaluation: Evaluation) -> float:
    """Of the mean of a figure of each judged row; infinite for a single one."""
    if len(values) < 2:
        return math.inf
    inflation = evaluation.inflation * design_effect(values, evaluation.groups)
    return math.sqrt(inflation * float(values.var(ddof=1)) / len(values))
