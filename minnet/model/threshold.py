"""Which class is predicted: the most probable one or, of two classes, one from a threshold on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from minnet.arrays import Array, IntArray
from minnet.errors import SettingsError, unknown_name

TRIED = 1 / (1 + np.exp(-np.arange(-720, 721) / 80))
"""Thresholds in steps of 1/80 of the log odds, 0.0001 to 0.9999, so that counts can be added up."""
ROUNDING = 1e-12


@dataclass(frozen=True)
class Threshold:
    """From which probability on one of two classes is predicted; below it, the other is.

    Attributes
    ----------
    class_name
        Of the class.
    probability
        In 0..1.
    of_folds
        For the rows of each fold, the threshold that the rows of all other folds choose; empty if
        no rows chose it.
    """

    class_name: str
    probability: float
    of_folds: tuple[float, ...] = ()

    def check(self, source: str, class_names: Sequence[str]) -> None:
        """Refuse what is impossible, or not of the classes of `source`."""
        if len(class_names) != 2:
            raise SettingsError(f"needs two classes: there are {len(class_names)}", "threshold")
        if self.class_name not in class_names:
            raise SettingsError(unknown_name(source, "class", self.class_name, class_names))
        for one in (self.probability, *self.of_folds):
            if not 0 <= one <= 1:
                raise SettingsError(f"is {one}: it must be between 0 and 1", "threshold")

    @classmethod
    def balanced(cls, class_name: str, counts: Array) -> Threshold:
        """Take that with the best balanced accuracy, of an evaluation's `threshold_counts`.

        The best one flatters the rows that chose it. So the rows of each fold are judged by what
        the other folds choose.
        """
        total = counts.sum(axis=0)
        best, *of_folds = map(_best, [total, *(total - counts)])
        return cls(class_name, best, tuple(of_folds))

    def __str__(self) -> str:
        """`predicted 'yes' from p = 0.3 on`."""
        chosen = " (best balanced accuracy)" if self.of_folds else ""
        return f"predicted {self.class_name!r} from p = {self.probability:.3g} on{chosen}"


Decision = Threshold | Literal["balanced"] | None
"""A threshold, or how to choose it; `None` predicts the most probable class."""


def as_decision(given: Any, source: str, class_names: Sequence[str]) -> Any:
    """Read `("yes", 0.3)`, the name of a class and its threshold, or "balanced", or `None`."""
    if given is None:
        return None
    try:
        class_name, probability = (class_names[-1], 0.5) if given == "balanced" else given
        threshold = Threshold(str(class_name), float(probability))
    except (TypeError, ValueError):
        expected = 'a class and a probability, ("yes", 0.3), or "balanced"'
        raise SettingsError(f"is {given!r}: it must be {expected}", "threshold") from None
    threshold.check(source, class_names)
    return "balanced" if given == "balanced" else threshold


def predicted_labels(
    probabilities: Array, class_names: Sequence[str], threshold: Threshold | None, folds: Any = -1
) -> IntArray:
    """Decide for a class by probabilities `(..., classes)`: integer labels, `(...)`.

    Parameters
    ----------
    folds
        Those of rows that are judged by networks which held them out; -1 of others.
    """
    if threshold is None:
        return probabilities.argmax(axis=-1)
    least = np.array([threshold.probability, *threshold.of_folds])
    label = class_names.index(threshold.class_name)
    is_class = probabilities[..., label] >= least.take(folds + 1, mode="clip")
    return np.where(is_class, label, 1 - label)


def _best(counts: Array) -> float:
    """Find the best balanced accuracy; of equally good thresholds take that in the middle."""
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(rows > 0, rows, 1)
    missed, refused = shares.cumsum(axis=1)[:, :-1][::-1]
    best = np.flatnonzero(refused - missed >= (refused - missed).max() - ROUNDING)
    return float(TRIED[best[len(best) // 2]])
