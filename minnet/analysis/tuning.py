"""Which model the same held-out rows like better: of two, or of the configurations of a table."""

from __future__ import annotations

import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from minnet.arguments import as_integer, as_list, as_number
from minnet.arrays import Array, IntArray
from minnet.data.table import Data
from minnet.errors import SettingsError, TrainingError
from minnet.model.diagnostics import notes_on, reading_notes
from minnet.model.fit import TrainingData, roles_and_settings, training_table
from minnet.model.judges import Mean, design_effect
from minnet.model.model import Model, Selection
from minnet.model.scores import Evaluation, evaluate, judge
from minnet.network.losses import CrossEntropy
from minnet.training.loop import train_networks
from minnet.training.settings import TrainingSettings, shown_value
from minnet.training.workers import in_order

DEFAULT_VALUES: dict[str, tuple[Any, ...]] = {
    "bins": (8, 16, 32, 0),
    "sharp_bins": (False, True),
    "weight_decay": (0.05, 0.3),
    "hidden": ((32,), (64,), (8,), ()),
}
"""The values of each setting that is neither fixed nor given other values; first the default."""
MORE_DECAYS = (0.05, 0.3, 1.0, 3.0)
"""Of weight decay, where there is little to learn from: see `search`."""
MOST_TOGETHER = 4
"""Configurations of a task: more save little time, and take memory."""
TOGETHER: dict[str, Any] = {"learning_rate": None, "weight_decay": 0.0}
"""Configurations that are equal but for these can train together: see `train_networks`."""
PARTS, CHOOSING = 8, 3
"""Rows in 8 parts, of which 3 choose a configuration: see `optimism`."""
MOST_COUNTED = 1000


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """Two models on the same rows, each row judged by networks that never saw it.

    Attributes
    ----------
    evaluations
        Of the two models, each on all rows it can judge.
    rows
        How many rows both models were judged on.
    accuracies, log_losses
        Of the first and the second model on these rows; log loss in nats per row.
    accuracy_difference_interval, log_loss_difference_interval
        95 % interval of the second model's accuracy minus the first's, and of its log loss minus
        the first's; paired by row.
    only_first, only_second
        How many rows only the first, only the second model predicts correctly.
    """

    evaluations: tuple[Evaluation, Evaluation]
    rows: int
    accuracies: tuple[float, float]
    log_losses: tuple[float, float]
    accuracy_difference_interval: tuple[float, float]
    log_loss_difference_interval: tuple[float, float]
    only_first: int
    only_second: int

    def __repr__(self) -> str:
        first, second = self.log_losses
        return f"<Comparison: {self.rows:,} rows, log loss {first:.3f} and {second:.3f}>"

    @property
    def p_value(self) -> float:
        """McNemar's test: how likely so unequal counts are, if both models err equally often.

        Of the rows that one model alone predicts correctly, either model has half on average:
        binomial, two-sided; by the normal distribution with continuity correction for over 1,000.

        References
        ----------
        McNemar (1947), "Note on the sampling error of the difference between correlated proportions
        or percentages".
        """
        few = min(self.only_first, self.only_second)
        all_unequal = self.only_first + self.only_second
        if all_unequal > MOST_COUNTED:
            distance = max(0.0, abs(self.only_first - self.only_second) - 1)
            return math.erfc(distance / math.sqrt(2 * all_unequal))
        ways = sum(math.comb(all_unequal, count) for count in range(few + 1))
        return min(1.0, 2 * ways / 2**all_unequal)

    @property
    def better(self) -> int | None:
        """Which model has the smaller log loss, 0 or 1; `None` if chance may have made it so."""
        low, high = self.log_loss_difference_interval
        return 1 if high < 0 else 0 if low > 0 else None


def compare(first: Model, second: Model, data: Data, again: Data | None = None) -> Comparison:
    """Compare two models on the rows of a labelled table.

    Parameters
    ----------
    first, second
        Models that predict the same target.
    data
        A table, a mapping of columns, or the name of a CSV file.
    again
        The same table as the second model reads it, if it reads files in another way.

    Returns
    -------
    Comparison
        Scores of both, and intervals of their differences.

    Raises
    ------
    SettingsError
        If the models predict different targets, or there is no row that both can be judged on.
    DataError
        If the table does not fit the models.

    Examples
    --------
    >>> import minnet
    >>> wide = minnet.train("data/iris.csv", "species", hidden=64, epochs=5)
    >>> narrow = minnet.train("data/iris.csv", "species", hidden=4, epochs=5)
    >>> minnet.compare(narrow, wide, "data/iris.csv").rows
    150
    """
    targets = first.encoder.target, second.encoder.target
    if targets[0] != targets[1]:
        raise SettingsError(f"the models predict different targets: {targets[0]!r}, {targets[1]!r}")
    both = evaluate(first, data), evaluate(second, data if again is None else again)
    shared = np.intersect1d(both[0].rows, both[1].rows)
    if not len(shared):
        raise SettingsError("there is no row on which both models can be judged")
    judged = [one.select(np.isin(one.rows, shared)) for one in both]
    weights = next((one.weights for one in judged if one.weights is not None), None)
    judged = [replace(one, weights=weights) for one in judged]
    correct = [(one.predicted == one.labels).astype(np.float64) for one in judged]
    groups = next((one.groups for one in judged if one.groups is not None), None)
    inflation = max(one.inflation for one in both)

    def interval(gains: Array) -> tuple[float, float]:
        return Mean.of(gains, weights).interval(inflation * design_effect(gains, groups))

    return Comparison(
        evaluations=both,
        rows=len(shared),
        accuracies=(judged[0].accuracy, judged[1].accuracy),
        log_losses=(judged[0].log_loss, judged[1].log_loss),
        accuracy_difference_interval=interval(correct[1] - correct[0]),
        log_loss_difference_interval=interval(judged[1].row_losses - judged[0].row_losses),
        only_first=int((correct[0] > correct[1]).sum()),
        only_second=int((correct[1] > correct[0]).sum()),
    )


@dataclass(frozen=True)
class Grid:
    """All configurations that can be made of some values for each setting.

    Attributes
    ----------
    values
        Of each setting that has several, its values.
    first
        The configuration that is tried first: the first value of each setting.
    decays
        The values of weight decay where there is little to learn from; none if they were given.
    """

    values: Mapping[str, tuple[Any, ...]]
    first: TrainingSettings
    decays: tuple[float, ...] = ()

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Grid:
        """Make the grid of settings that are one value, or a list of values to try.

        For `hidden`, a list of lists is several values.

        Raises
        ------
        SettingsError
            If there is no such setting or value, or a setting has none or may have only one.
        """
        values = dict(DEFAULT_VALUES)
        for name, value in settings.items():
            listed = as_list(value)
            if name == "hidden" and not any(isinstance(widths, Iterable) for widths in listed):
                listed = [listed]  # `hidden=[16, 8]` is a single value
            checked = [getattr(TrainingSettings.of(**{name: one}), name) for one in listed]
            values[name] = tuple(dict.fromkeys(checked))
            if not listed:
                raise SettingsError("has no value", name)
            if name == "networks" and len(values[name]) > 1:
                raise SettingsError("can have only one value: all share their folds", name)
        if not any(values["bins"]):
            values["sharp_bins"] = values["sharp_bins"][:1]
        varied = {name: listed for name, listed in values.items() if len(listed) > 1}
        if not varied:
            raise SettingsError("there is only one configuration: give a setting several values")
        first = TrainingSettings(**{name: listed[0] for name, listed in values.items()})
        return cls(varied, first, () if "weight_decay" in settings else MORE_DECAYS)

    @property
    def most(self) -> int:
        """How many configurations are tried at most."""
        values = self.for_little_to_learn().values.values()
        return 1 + sum(len(listed) - 1 for listed in values)

    def for_little_to_learn(self) -> Grid:
        """Vary weight decay more, and before the other settings, unless its values were given."""
        if not self.decays:
            return self
        first: dict[str, tuple[Any, ...]] = {"weight_decay": self.decays}
        return replace(self, values=first | dict(self.values) | first)

    def around(
        self, settings: TrainingSettings, known: Container[TrainingSettings], name: str
    ) -> list[TrainingSettings]:
        """List this configuration and those that differ from it in one setting, but known ones.

        The quick ones come first. Where there are no bins, none of them can be sharp.
        """
        neighbours = (replace(settings, **{name: value}) for value in self.values[name])
        new = (one for one in dict.fromkeys((settings, *neighbours)) if one not in known)
        return sorted((one for one in new if one.bins or not one.sharp_bins), key=work)

    def configuration(self, settings: TrainingSettings) -> dict[str, Any]:
        """Tell what sets a configuration apart, the learning rate as it is in force."""
        in_force = asdict(settings) | {"learning_rate": settings.effective_learning_rate}
        return {name: in_force[name] for name in self.values}


def work(settings: TrainingSettings) -> int:
    """Estimate how long a configuration takes, beside others."""
    return (1 + settings.bins) * (1 + sum(settings.hidden))


def tasks(
    configurations: Sequence[TrainingSettings], workers: int, *, are_quick_first: bool = False
) -> list[list[TrainingSettings]]:
    """Put configurations that can train together into tasks.

    How the work is cut decides nothing but the time it takes: the least, if the long tasks come
    first.
    """
    most = min(MOST_TOGETHER, -(-len(configurations) // workers))
    alike = defaultdict(list)
    for settings in configurations:
        alike[replace(settings, **TOGETHER)].append(settings)
    cut = [group[i : i + most] for group in alike.values() for i in range(0, len(group), most)]
    return sorted(cut, key=lambda task: len(task) * work(task[0]), reverse=not are_quick_first)


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


def varied_values(trials: Sequence[Trial]) -> dict[str, list[str]]:
    """Values of each trial, as shown, of the settings that differ; of all if there is one trial."""
    values = {
        name: [shown_value(trial.configuration[name]) for trial in trials]
        for name in trials[0].configuration
    }
    return {name: own for name, own in values.items() if len({*own}) > 1} or values


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
        rows, and with other values to try, the models so chosen had a log loss 0.029 smaller on
        fresh rows than those of the first configuration, on average over the kinds, and of no kind
        a larger one. If a gain had to be one of its standard errors, that would be 0.026, and 0.021
        for one and a half.

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
        evaluation: Any = self.trials[self.chosen].evaluation  # else it would not be chosen
        return replace(evaluation, selection=self.selection)

    @cached_property
    def model(self) -> Model:
        """What `minnet.train` makes with the settings of the chosen one, and its selection."""
        model: Any = self.trials[self.chosen].model  # else it would not be chosen
        return replace(model, selection=self.selection)


def tune(
    data: Data,
    target: str,
    *,
    trials: int | None = None,
    seconds: float = math.inf,
    workers: Any = 1,
    on_trials: Callable[[Tuning], None] | None = None,
    **options: Any,
) -> Tuning:
    """Try configurations on a table, each trained as by `minnet.train`.

    The first configuration takes the first value of each setting. Then each setting has its turn:
    tried are its other values, in the best configuration so far.

    Parameters
    ----------
    data, target
        See `minnet.train`.
    trials
        The most configurations to try.
    seconds
        After so much time no further one is begun, but for the first. Nothing else makes results
        depend on time.
    workers
        How many processes to use; or an executor of `concurrent.futures`, or a Dask client. Decides
        nothing but the time it takes.
    on_trials
        Called with all configurations tried so far, whenever there are more.
    options
        `ignore`, `group`, `group_feature`, `drop_repeats` and `categorical` as `minnet.train` takes
        them; and fields of `TrainingSettings`, each a value or a list of values to try. Others are
        left alone but for those in `minnet.analysis.tuning.DEFAULT_VALUES`.

    Returns
    -------
    Tuning
        How each configuration fared; its `model` is that of the best.

    Raises
    ------
    DataError, SettingsError, TrainingError
        If the table, the settings or all configurations cannot be trained on.

    Examples
    --------
    >>> import minnet
    >>> tuning = minnet.tune("data/iris.csv", "species", bins=[0, 8], epochs=5, trials=2)
    >>> len(tuning), tuning.model.settings.bins in (0, 8)
    (2, True)
    """
    roles, settings = roles_and_settings(target, options)
    grid = Grid.from_settings(settings)
    if trials is not None:
        as_integer("trials", trials, 1)
    if seconds != math.inf:
        as_number("seconds", seconds)
    table, encoder, summary = training_table(data, roles)
    whole = encoder.examples(table)
    rows = TrainingData.of(encoder, table.source, whole, grid.first)
    tuning = search(rows, grid, trials, seconds, workers, on_trials)
    others = notes_on(tuning.model, table, summary, whole)
    tuning.model.notes = (*reading_notes(encoder, summary), *others)
    return tuning


def search(
    data: TrainingData,
    grid: Grid,
    trials: int | None = None,
    seconds: float = math.inf,
    workers: Any = 1,
    on_trials: Callable[[Tuning], None] | None = None,
) -> Tuning:
    """Try the first configuration, then those that differ from the best in a single setting.

    Each setting has one turn. Weight decay has the first, and more values, where there is little to
    learn from: if there are more features than rows, or the first configuration does no better than
    the shares of the classes.

    Parameters
    ----------
    data
        The examples, and which of them each network holds out, of any configuration.
    grid
        The configurations that there are.
    trials, seconds, workers, on_trials
        See `tune`; `on_trials` is called once the first configuration is among them.
    """
    # Of an executor, nothing is known: it may have a worker for each.
    is_executor = hasattr(workers, "submit")
    at_once = grid.most if is_executor else as_integer("workers", workers, 1)
    judged = np.flatnonzero(data.judges.mask.any(axis=0))
    judged = judged[np.argsort(data.examples.rows[judged])]
    groups = data.examples.groups
    keys = data.examples.contents if groups is None else groups
    parts = np.unique(keys[judged], return_inverse=True)[1] % PARTS
    deadline = time.time() + seconds
    tried: dict[TrainingSettings, Trial] = {}
    left, round_of = trials or sys.maxsize, [grid.first]
    turns: Iterator[str] | None = None
    while round_of:
        left -= len(round_of)
        found: dict[TrainingSettings, Trial] = {}
        common = data, grid, deadline
        work_of = tasks(round_of, at_once, are_quick_first=seconds < math.inf)
        with closing(in_order(workers, try_together, work_of, *common)) as results:
            for result in results:
                found |= result
                so_far = tried | {one: found[one] for one in round_of if one in found}
                if result and on_trials is not None and grid.first in so_far:
                    on_trials(Tuning(tuple(so_far.values()), parts))
        tried = so_far
        if len(found) < len(round_of):
            break
        if turns is None:
            is_hard = is_hard_to_learn(data, found[grid.first])
            varied = grid.for_little_to_learn() if is_hard else grid
            turns = iter(varied.values)
        best = min(tried, key=lambda settings: tried[settings].log_loss)
        rounds = (varied.around(best, tried, name)[:left] for name in turns)
        round_of = next(filter(None, rounds), [])
    return Tuning(tuple(tried.values()), parts)


def is_hard_to_learn(data: TrainingData, first: Trial) -> bool:
    """Whether there are more features than rows, or a trial does no better than class shares."""
    rows, features = data.examples.features.shape
    counts = data.examples.class_counts(len(data.encoder.class_names))
    shares = CrossEntropy().of_class_shares(counts)
    return features > rows or shares <= first.log_loss < math.inf


def try_together(
    data: TrainingData, grid: Grid, deadline: float, alike: Sequence[TrainingSettings]
) -> dict[TrainingSettings, Trial]:
    """Train configurations that can train together, and judge each on the rows it held out.

    After the deadline only the first of all is still tried.
    """
    alike = [one for one in alike if one == grid.first or time.time() < deadline]
    if not alike:
        return {}
    examples, judges = data.examples, data.judges
    settled = [one.for_table(*examples.features.shape) for one in alike]
    one, generators = data.start(alike[0])
    network = one.select(np.tile(np.arange(len(one)), len(alike)))
    try:
        training = train_networks(network, data.rows, generators, settled)
    except TrainingError as failure:  # of a single one
        return {alike[0]: Trial(grid.configuration(alike[0]), error=str(failure))}
    tried = {}
    for number, settings in enumerate(alike):
        configuration, seconds = grid.configuration(settings), float(training.seconds[number])
        if training.errors[number]:
            tried[settings] = Trial(configuration, seconds=seconds, error=training.errors[number])
            continue
        own = network.select(training.networks_of(number))
        model = data.model(settled[number], own, training.history(number))
        scores = judge(model, examples, judges)
        error = _standard_error(scores.row_losses, scores)
        figures = scores.log_loss, error, scores.accuracy, seconds
        tried[settings] = Trial(configuration, *figures, model=model, evaluation=scores)
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
    `python -m tests.benchmarks optimism`, tables of 150 rows: -0.007 +- 0.003 nats of 60 of noise,
    +0.003 +- 0.002 of 240 of 8 kinds with something to learn; of the accuracy 0.0 +- 0.5 and -0.1
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
    """Of the mean of a figure of each judged row."""
    inflation = evaluation.inflation * design_effect(values, evaluation.groups)
    return Mean.of(values).standard_error(inflation)
