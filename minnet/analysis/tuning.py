"""Try configurations on a table, and keep the one that the held-out rows like best."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from minnet.arguments import as_integer, as_list, as_number
from minnet.arrays import Array, IntArray
from minnet.data.columns import summarize
from minnet.data.encoding import Encoder, Examples, Roles
from minnet.data.table import Data, as_table
from minnet.errors import SettingsError, TrainingError
from minnet.model.fit import TrainingData
from minnet.model.judges import design_effect, split
from minnet.model.model import Model, Selection
from minnet.model.scores import Evaluation, judge
from minnet.training.loop import train_networks
from minnet.training.settings import TrainingSettings
from minnet.training.workers import in_order

Point = tuple[int, ...]
DEFAULT_VALUES: dict[str, tuple[Any, ...]] = {
    "bins": (0, 8, 16),
    "hidden": ((32,), (64,)),
    "learning_rate": (None, 0.003),
    "weight_decay": (0.05, 0.3),
}
"""The values of each setting that is neither fixed nor given other values; first the default."""
MOST_TOGETHER = 4
"""Configurations of a task: more save little time, and take memory."""
TOGETHER: dict[str, Any] = {"learning_rate": None, "weight_decay": 0.0}
"""Configurations that are equal but for these can train together: see `train_networks`."""
PARTS, CHOOSING = 8, 3
"""Rows in 8 parts, of which 3 choose a configuration: see `optimism`."""


@dataclass(frozen=True)
class Grid:
    """All configurations that can be made of some values for each setting.

    A point is a configuration: which value each of `names` has, counted from 0. The origin, all
    zeros, is tried first.

    Attributes
    ----------
    names
        Settings with several values.
    values
        For each of these, its values.
    fixed
        All other settings that are not left alone.
    """

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    fixed: Mapping[str, Any]

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Grid:
        """Make the grid of settings that are one value, or a list of values to try.

        For `hidden`, a list of lists is several values.

        Raises
        ------
        SettingsError
            If there is no such setting or value, or a setting has none or may have only one.
        """
        known = {field.name for field in fields(TrainingSettings)}
        values = {name: of_default for name, of_default in DEFAULT_VALUES.items() if name in known}
        values |= {name: _listed(name, value) for name, value in settings.items()}
        for name, listed in values.items():
            if not listed:
                raise SettingsError("has no value", name)
            if name == "networks" and len(listed) > 1:
                raise SettingsError("can have only one value: all share their folds", name)
        if all(len(listed) == 1 for listed in values.values()):
            raise SettingsError("there is only one configuration: give a setting several values")
        varied = {name: listed for name, listed in values.items() if len(listed) > 1}
        fixed = {name: listed[0] for name, listed in values.items() if len(listed) == 1}
        return cls(tuple(varied), tuple(varied.values()), fixed)

    @property
    def origin(self) -> Point:
        """The first configuration: the first value of each setting."""
        return (0,) * len(self.names)

    @property
    def size(self) -> int:
        """How many configurations there are."""
        return math.prod(map(len, self.values))

    def around(self, point: Point, known: Container[Point]) -> list[Point]:
        """List this configuration and those that differ in a single setting, but known ones."""
        neighbours = (
            (*point[:i], value, *point[i + 1 :])
            for i, values in enumerate(self.values)
            for value in range(len(values))
        )
        return [one for one in dict.fromkeys((point, *neighbours)) if one not in known]

    def tasks(self, points: Sequence[Point], workers: int) -> list[list[Point]]:
        """Put configurations that can train together into tasks; the long ones come first.

        How the work is cut decides nothing but the time it takes.
        """
        most = min(MOST_TOGETHER, -(-len(points) // workers))
        alike = defaultdict(list)
        for point in points:
            settings = self.settings(point)
            alike[replace(settings, **TOGETHER)].append(point)
        tasks = [
            group[i : i + most] for group in alike.values() for i in range(0, len(group), most)
        ]

        def work(task: Sequence[Point]) -> int:
            settings = self.settings(task[0])
            return len(task) * (1 + settings.bins) * (1 + sum(settings.hidden))

        return sorted(tasks, key=work, reverse=True)

    def settings(self, point: Point) -> TrainingSettings:
        """Make the settings of a configuration."""
        chosen = (values[i] for values, i in zip(self.values, point, strict=True))
        return TrainingSettings.of(**self.fixed, **dict(zip(self.names, chosen, strict=True)))

    def configuration(self, point: Point) -> dict[str, Any]:
        """Tell what sets a configuration apart, the learning rate as it is in force."""
        settings = self.settings(point)
        in_force = asdict(settings) | {"learning_rate": settings.effective_learning_rate}
        return {name: in_force[name] for name in self.names}


def shown_value(value: Any) -> str:
    """Write a value of a setting as its option takes it.

    >>> shown_value((16, 8)), shown_value(0.003)
    ('16,8', '0.003')
    """
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "0"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(name: str, value: Any) -> tuple[Any, ...]:
    """Take a list as several values, without repeats; `hidden=[16, 8]` is a single one."""
    values = as_list(value)
    if name == "hidden" and not any(isinstance(widths, Iterable) for widths in values):
        values = [values]
    settings = [TrainingSettings.of(**{name: one}) for one in values]
    return tuple(dict.fromkeys(getattr(one, name) for one in settings))


@dataclass(frozen=True)
class Trial:
    """A configuration that was tried, and how it fared.

    Attributes
    ----------
    configuration
        The settings that vary, with their values in force.
    log_loss, standard_error, accuracy
        On held-out rows; log loss and its standard error in nats per row. Infinite and NaN if it
        came to nothing.
    seconds
        CPU time of the training.
    error
        Why it came to nothing; empty if it did not.
    model, evaluation
        What it came to; `None` where it came to nothing, or if only the figures are known.
    """

    configuration: dict[str, Any]
    log_loss: float = math.inf
    standard_error: float = math.nan
    accuracy: float = math.nan
    seconds: float = 0.0
    error: str = ""
    model: Model | None = field(default=None, compare=False, repr=False)
    evaluation: Evaluation | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class Tuning:
    """Configurations, how each fared on held-out rows, and which one is chosen.

    Attributes
    ----------
    trials
        In the order of trying.
    parts
        Part of each judged row, `(rows,)`, as for `optimism`; rows of a group share one.
    """

    trials: tuple[Trial, ...]
    parts: IntArray

    def __repr__(self) -> str:
        """One line."""
        chosen = self.trials[self.chosen].configuration
        return f"<Tuning: {len(self):,} configurations, chosen: {chosen}>"

    def __len__(self) -> int:
        """How many configurations were tried."""
        return len(self.trials)

    @cached_property
    def chosen(self) -> int:
        """Which trial has the smallest log loss; of equal ones the first.

        A gain that may be noise is taken, too. On 1,000 drawn tables of 13 kinds, mostly of 150
        rows, the models so chosen have a log loss 0.029 smaller on fresh rows than those of the
        first configuration, on average over the kinds, and of no kind a larger one. If a gain had
        to be one of its standard errors, that would be 0.026, and 0.021 for one and a half.

        Raises
        ------
        TrainingError
            If all failed.
        """
        best = int(np.argmin([trial.log_loss for trial in self.trials]))
        if self.trials[best].error:
            raise TrainingError(self.trials[best].error)
        return best

    @cached_property
    def gain(self) -> tuple[float, float]:
        """How much smaller the log loss of the chosen one is than the first's; standard error.

        Paired by row; NaN if the first one failed.
        """
        first, chosen = self.trials[0].evaluation, self.trials[self.chosen].evaluation
        if first is None or chosen is None:
            return math.nan, math.nan
        gains = first.row_losses - chosen.row_losses
        return float(gains.mean()), _standard_error(gains, chosen)

    @cached_property
    def selection(self) -> Selection | None:
        """How far being chosen flatters: see `optimism`; `None` if there was nothing to choose."""
        judged = [trial.evaluation for trial in self.trials if trial.evaluation is not None]
        if len(judged) < 2:
            return None
        losses = np.array([one.row_losses for one in judged])
        hits = np.array([one.predicted == one.labels for one in judged], dtype=np.float64)
        return Selection(len(judged), *optimism(losses, hits, self.parts))

    @cached_property
    def evaluation(self) -> Evaluation:
        """The scores of the chosen one on the rows by which it was chosen."""
        evaluation = self.trials[self.chosen].evaluation
        assert evaluation is not None  # it could not have been chosen
        return replace(evaluation, selection=self.selection)

    @cached_property
    def model(self) -> Model:
        """What `minnet.train` makes with the settings of the chosen one, and its selection."""
        model = self.trials[self.chosen].model
        assert model is not None  # it could not have been chosen
        return replace(model, selection=self.selection)


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
    """Try configurations on a table, each trained as by `minnet.train`.

    The first configuration takes the first value of each setting. The first round tries it and all
    that differ from it in one setting; each further round those that differ in one setting from the
    best so far, until none of these is better.

    Parameters
    ----------
    data, target, ignore, group, group_feature, drop_repeats
        See `minnet.train`.
    trials
        The most configurations to try.
    seconds
        After so much time no further one is begun, but for the first. Nothing else makes results
        depend on time.
    workers
        How many processes to use. Decides nothing but the time it takes.
    executor
        What is to run the work instead: an executor of `concurrent.futures`, or a Dask client.
    on_trials
        Called with all configurations tried so far, whenever there are more.
    settings
        Fields of `TrainingSettings`, each a value or a list of values to try. Others are left alone
        but for those in `minnet.analysis.tuning.DEFAULT_VALUES`.

    Raises
    ------
    DataError, SettingsError, TrainingError
        If the table, the settings or all configurations cannot be trained on.
    """
    grid = Grid.from_settings(settings)
    workers = as_integer("workers", workers, 1)
    roles = Roles(target, ignore, group or "", group_feature, drop_repeats)
    table = as_table(data, roles.form)
    encoder = Encoder.from_summary(summarize(table, roles.ignore), roles)
    examples = encoder.learned_from(encoder.examples(table))
    search = Search(encoder, examples, table.source, grid, trials, seconds)
    return search.run(workers if executor is None else executor, on_trials)


@dataclass(frozen=True, eq=False)
class Search:
    """A table and the configurations to try on it.

    Attributes
    ----------
    encoder, examples
        The examples that the encoder made of the table.
    source
        Names the table.
    grid
        The configurations that there are.
    trials, seconds
        See `tune`.
    """

    encoder: Encoder
    examples: Examples
    source: str
    grid: Grid
    trials: int | None = None
    seconds: float = math.inf

    def __post_init__(self) -> None:
        if self.trials is not None:
            as_integer("trials", self.trials, 1)
        if self.seconds != math.inf:
            as_number("seconds", self.seconds)

    @cached_property
    def data(self) -> TrainingData:
        """The examples, and which of them each network holds out, of any configuration."""
        dealt = split(self.examples, self.grid.settings(self.grid.origin))
        return TrainingData(self.encoder, self.source, self.examples, dealt)

    @property
    def parts(self) -> IntArray:
        """See `Tuning`: parts of the judged rows by their keys, or their groups'."""
        judged = np.flatnonzero(self.data.judges.mask.any(axis=0))
        judged = judged[np.argsort(self.examples.rows[judged])]
        groups = self.examples.groups
        keys = self.examples.contents if groups is None else groups
        ranks: IntArray = np.unique(keys[judged], return_inverse=True)[1]
        return ranks % PARTS

    def run(self, workers: Any = 1, on_trials: Callable[[Tuning], None] | None = None) -> Tuning:
        """Try the first configuration and its neighbours, then those of the best, in rounds.

        Parameters
        ----------
        workers
            How many processes, or an executor: see `in_order`.
        on_trials
            See `tune`; called once the first configuration is among them.
        """
        parts, origin = self.parts, self.grid.origin
        deadline = time.time() + self.seconds
        tried: dict[Point, Trial] = {}
        best, left = origin, self.trials or self.grid.size
        while points := self.grid.around(best, tried)[:left]:
            left -= len(points)
            # Of an executor, nothing is known: it may have a worker for each.
            at_once = workers if isinstance(workers, int) else len(points)
            tasks = self.grid.tasks(points, at_once)
            found: dict[Point, Trial] = {}
            with closing(in_order(workers, Search.try_together, tasks, self, deadline)) as results:
                for result in results:
                    found |= result
                    so_far = tried | {point: found[point] for point in points if point in found}
                    if result and on_trials is not None and origin in so_far:
                        on_trials(Tuning(tuple(so_far.values()), parts))
            tried = so_far
            if len(found) < len(points):
                break
            best = min(tried, key=lambda point: tried[point].log_loss)
        return Tuning(tuple(tried.values()), parts)

    def try_together(self, deadline: float, points: Sequence[Point]) -> dict[Point, Trial]:
        """Train configurations that can train together, and judge each on the rows it held out.

        After the deadline only the first of all is still tried.
        """
        points = [p for p in points if p == self.grid.origin or time.time() < deadline]
        if not points:
            return {}
        examples, judges = self.examples, self.data.judges
        alike = [self.grid.settings(point) for point in points]
        one, generators = self.data.start(alike[0])
        network = one.select(np.tile(np.arange(len(one)), len(alike)))
        training = train_networks(network, self.data.rows, generators, alike)
        tried = {}
        for number, (point, settings) in enumerate(zip(points, alike, strict=True)):
            configuration, seconds = self.grid.configuration(point), float(training.seconds[number])
            if training.errors[number]:
                tried[point] = Trial(configuration, seconds=seconds, error=training.errors[number])
                continue
            own = network.select(training.networks_of(number))
            model = self.data.model(settings, own, training.history(number))
            scores = judge(model, examples, judges)
            error = _standard_error(scores.row_losses, scores)
            figures = scores.log_loss, error, scores.accuracy, seconds
            tried[point] = Trial(configuration, *figures, model=model, evaluation=scores)
        return tried


def optimism(losses: Array, hits: Array, parts: IntArray) -> tuple[float, float]:
    """Tell how far the scores of the configuration with the smallest loss flatter it.

    It was chosen by the very rows that it is scored on, so it is the best of several partly by
    luck. Luck on some rows says nothing of others: so let 3 of 8 parts of the rows choose, and the
    other 5 judge what they chose, in each of the 56 ways. By how much the mean of these scores is
    worse than that of the chosen one is the optimism. It is never negative for the loss: if a
    configuration beats the best on the rows that choose, it must lose as much on the others.

    Of independent rows, all parts but one should choose, as then they choose nearly as well as all.
    But rows of one cross-validation share some of their luck (see `minnet.model.judges`), which
    the parts that judge do not reveal: of 200 tables of noise, with a gain of 0.058 that is 0.021
    on fresh rows, folds that choose by all other folds leave 0.032. Fewer rows choose worse, which
    makes up for about as much.

    The truth to compare with is the gain over the first configuration on fresh rows, of the mean
    loss of the single networks: one network judges a held-out row, while all together predict a
    fresh one, so the loss itself is told too large for either configuration. Told minus true gain,
    `python -m tests.benchmarks optimism`, tables of 150 rows: -0.001 +- 0.003 nats of 200 of noise,
    +0.006 +- 0.004 of 240 of 8 kinds with something to learn; of the accuracy +0.5 +- 0.3 and 0.0
    +- 0.2 points. Bootstrap bias-corrected cross-validation, where a bootstrap sample of the rows
    chooses and the others judge, comes as close (+0.006 +- 0.003 of 200 of noise), at random and
    with more to calculate.

    Parameters
    ----------
    losses, hits
        Of each configuration on each row, and 1 for a correct prediction, `(configurations, rows)`.
    parts
        Part of each row, `(rows,)`. If there is only one part, all gain over the first
        configuration counts as luck.

    Returns
    -------
    tuple
        Of the log loss, nats per row, and of the accuracy.

    References
    ----------
    Tibshirani, Tibshirani (2009), "A bias correction for the minimum error rate in
    cross-validation".
    Tsamardinos, Greasidou, Borboudakis (2018), "Bootstrapping the out-of-sample predictions for
    efficient and accurate cross-validation".
    """
    places, part_of_row = np.unique(parts, return_inverse=True)
    inside = (part_of_row[:, None] == np.arange(len(places))).astype(np.float64)
    loss_sums, hit_sums = losses @ inside, hits @ inside
    ways = combinations(range(len(places)), min(CHOOSING, len(places) // 2))
    choosing = np.array([[place in way for place in range(len(places))] for way in ways])
    choices = (loss_sums @ choosing.T).argmin(axis=0)
    best = loss_sums.sum(axis=1).argmin()
    rows = (~choosing @ inside.sum(axis=0)).sum()
    worse, missed = (
        float(((sums[choices] - sums[best]) * ~choosing).sum() / rows)
        for sums in (loss_sums, -hit_sums)
    )
    return max(0.0, worse), missed


def _standard_error(values: Array, evaluation: Evaluation) -> float:
    """Of the mean of a figure of each judged row; infinite for a single one."""
    if len(values) < 2:
        return math.inf
    inflation = evaluation.inflation * design_effect(values, evaluation.groups)
    return math.sqrt(inflation * float(values.var(ddof=1)) / len(values))
