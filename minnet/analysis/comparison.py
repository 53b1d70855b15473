"""Two models on the same rows: which is better, and whether by more than chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minnet.arrays import Array
from minnet.data.table import Data
from minnet.errors import SettingsError
from minnet.model.judges import Mean, design_effect
from minnet.model.model import Model
from minnet.model.scores import Evaluation, evaluate

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

    Raises
    ------
    SettingsError
        If the models predict different targets, or there is no row that both can be judged on.
    DataError
        If the table does not fit the models.
    """
    targets = first.encoder.target, second.encoder.target
    if targets[0] != targets[1]:
        raise SettingsError(f"the models predict different targets: {targets[0]!r}, {targets[1]!r}")
    both = evaluate(first, data), evaluate(second, data if again is None else again)
    shared = np.intersect1d(both[0].rows, both[1].rows)
    if not len(shared):
        raise SettingsError("there is no row on which both models can be judged")
    judged = [one.select(np.isin(one.rows, shared)) for one in both]
    correct = [(one.predicted == one.labels).astype(np.float64) for one in judged]
    groups = next((one.groups for one in judged if one.groups is not None), None)
    inflation = max(one.inflation for one in both)

    def interval(gains: Array) -> tuple[float, float]:
        return Mean.of(gains).interval(inflation * design_effect(gains, groups))

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
