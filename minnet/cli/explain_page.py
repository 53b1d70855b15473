"""What of an explanation is shown, to how many digits, and in what kinds of table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from minnet.cli import text
from minnet.data.names import short_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from minnet.analysis.explanation import Explanation
    from minnet.arrays import Array, BoolArray, IntArray

WIDTH = 100
MOST_FEATURES, MOST_UNITS, MOST_CLASSES = 10, 6, 10
FEWEST_DECIMALS, MOST_DECIMALS = 4, 7
EXACT_DIGITS = 17
"""So many tell every number of float64 from all others."""
DIGITS = 4
TINY = 1e-9


class Page:
    """An explanation to be laid out.

    The levels are the features, the units of each hidden layer and the classes: layer k leads
    from level k to level k + 1.

    Attributes
    ----------
    everything
        Whether to show also what matters little.
    decimals
        Of most numbers: at least 4, and more the surer the prediction is, so that four digits of
        its distance from 1 can be followed from the inputs on.
    names
        Of the features, units or classes of each level.
    shown, others
        Which of them are shown and which are not, for each level.
    """

    def __init__(self, explanation: Explanation, *, everything: bool) -> None:
        self.explanation = explanation
        self.everything = everything
        self.trace = trace = explanation.trace
        doubt = 1 - float(trace.probabilities.max())
        self.decimals = min(decimals_of(doubt), MOST_DECIMALS)
        gradients = np.zeros(1) if trace.backward is None else trace.backward.gradients
        self._largest_gradient = float(np.abs(gradients).max())
        hidden = [_counted(len(layer.sums)) for layer in trace.layers[:-1]]
        features = short_names(explanation.feature_names)
        self.names = [
            [*features, *_names_of_bins(explanation, features)],
            *hidden,
            short_names(explanation.class_names),
        ]
        likely = trace.probabilities.copy()
        likely[trace.label] = 2
        strengths = [*(layer.strengths for layer in trace.layers), likely]
        most = [MOST_FEATURES, *[MOST_UNITS] * len(hidden), MOST_CLASSES]
        self.shown = [
            np.arange(len(level)) if everything else _largest(level, limit)
            for level, limit in zip(strengths, most, strict=True)
        ]
        if explanation.bins is not None and not everything:
            touched = np.flatnonzero(_touched(explanation))
            self.shown[0] = touched[_largest(strengths[0][touched], MOST_FEATURES)]
        self.others = [
            np.setdiff1d(np.arange(len(level)), shown)
            for level, shown in zip(self.names, self.shown, strict=True)
        ]

    def count(self, level: int) -> str:
        """`, 6 of 32` where not all of a level is shown."""
        if not len(self.others[level]):
            return ""
        return f", {len(self.shown[level])} of {len(self.names[level]):,}"

    def source(self, place: int) -> int:
        """Which feature an input of the first layer is, or is a bin of."""
        features, bins = len(self.explanation.feature_names), self.explanation.bins
        if place < features or bins is None:
            return place
        return int(bins.columns[(place - features) // bins.widths.shape[-1]])

    def title(self, level: int) -> str:
        """What goes into a layer."""
        inputs = "scaled" if self.explanation.bins is None else "input"
        return "ReLU" if level else inputs

    def fixed(self, number: float) -> str:
        """Write a number with the page's decimals."""
        return fixed(number, self.decimals)

    def as_exact_as(self, scale: float, number: float) -> str:
        """Write a number with as many decimals as show four digits of `scale`, or more."""
        if abs(scale) <= TINY:
            return significant(number, DIGITS)
        return fixed(number, max(self.decimals, decimals_of(scale)))

    def precise(self, number: float) -> str:
        """Write a number with as many decimals as show four of its digits, or more."""
        return self.as_exact_as(number, number)

    def probability(self, number: float) -> str:
        """Write a probability so that both it and its distance from 1 are precise."""
        if number <= TINY:
            return significant(number, DIGITS)
        return fixed(number, max(self.decimals, decimals_of(number), decimals_of(1 - number)))

    def for_logarithm(self, probability: float, logarithm: float) -> str:
        """Write a probability so exactly that its (negative) logarithm is precise."""
        decimals = max(self.decimals, decimals_of(logarithm))
        if probability <= TINY:
            return significant(probability, decimals + 1) if probability else f"e^-{logarithm:g}"
        return fixed(probability, decimals - math.floor(math.log10(probability)))

    def power(self, number: float) -> str:
        """Write e^raw, whatever its size, with a digit more than the raw output has decimals."""
        return significant(number, self.decimals + 1)

    def back(self, gradient: float) -> str:
        """Write a gradient below the raw outputs as exactly as the largest of theirs."""
        return self.as_exact_as(self._largest_gradient, gradient)

    def in_unit_of(self, std: float, number: float) -> str:
        """Write a number so that number / std is good to more than the page's decimals."""
        digits = self.decimals + 2
        if number and std:
            digits += max(0, math.floor(math.log10(abs(number)) - math.log10(std)))
        return f"{number:.{min(digits, EXACT_DIGITS)}g}"

    def weights(
        self,
        source: int,
        title: str,
        values: Array,
        target: int,
        weights: Array,
        write: Callable[[float], str],
    ) -> list[list[str]]:
        """Make rows of a table: weights from one level to another, beside what they multiply.

        Parameters
        ----------
        title, values
            What there is at the level `source`.
        weights
            `(source, target)`.
        write
            For the values, and for what those that are not shown add.
        """
        columns, others = self.shown[target], self.others[source]
        rows = [["", title, *(self.names[target][j] for j in columns)]]
        for i in self.shown[source]:
            row = map(self.fixed, weights[i, columns])
            rows.append([self.names[source][i], write(values[i]), *row])
        if len(others):
            added = values[others] @ weights[np.ix_(others, columns)]
            sum_of = "1 other adds" if len(others) == 1 else f"{len(others):,} others add"
            rows.append([sum_of, "", *map(write, added)])
        return rows

    def products(
        self,
        level: int,
        sources: IntArray,
        targets: IntArray,
        gradients: Array,
        write: Callable[[float, float], str],
    ) -> list[list[str]]:
        """Make rows of a table: each input of a layer times the gradient of each of its sums.

        Parameters
        ----------
        sources, targets
            Which of the level, and which of the level above, to show.
        gradients
            Of all the sums.
        write
            Given a gradient and a number: for the gradient itself and for the products with it.
        """
        values = self.trace.layers[level].inputs[sources]
        factors = _aligned(map(self.fixed, values))
        columns = [["", *(self.names[level][i] for i in sources), "bias"]]
        for j in targets:
            gradient, *results = (write(gradients[j], x * gradients[j]) for x in (1, *values))
            products = zip(factors, _aligned(results), strict=True)
            cells = [f"{factor} x {gradient} = {result}" for factor, result in products]
            columns.append([self.names[level + 1][j], *cells, gradient])
        return [list(row) for row in zip(*columns, strict=True)]


def blocks(rows: Sequence[Sequence[str]], repeated: int) -> Iterator[str]:
    """Set a table that may be too wide as several, one below the other.

    The first `repeated` columns stand in each of them.
    """
    widths = [max(len(row[i]) for row in rows) + 2 for i in range(len(rows[0]))]
    margin = sum(widths[:repeated])
    start = repeated
    while start < len(widths):
        stop = start + 1
        while stop < len(widths) and margin + sum(widths[start : stop + 1]) <= WIDTH + 2:
            stop += 1
        yield text.table([[*row[:repeated], *row[start:stop]] for row in rows])
        start = stop


def fixed(number: float, decimals: int) -> str:
    """Write a number with so many decimals; what rounds to 0 has no sign."""
    return f"{number:z.{decimals}f}"


def significant(number: float, digits: int) -> str:
    """Write a number, whatever its size, with so many digits."""
    return f"{number:#.{digits}g}".rstrip(".") if number else "0"


def decimals_of(number: float, digits: int = DIGITS) -> int:
    """How many decimals, at least four, show so many digits of a number."""
    size = math.floor(math.log10(max(abs(number), 1e-12)))
    return max(FEWEST_DECIMALS, digits - 1 - size)


def _aligned(numbers: Iterable[str]) -> list[str]:
    cells = list(numbers)
    width = max(map(len, cells), default=0)
    return [cell.rjust(width) for cell in cells]


def _names_of_bins(explanation: Explanation, features: Sequence[str]) -> list[str]:
    if explanation.bins is None:
        return []
    bins = explanation.bins.widths.shape[-1]
    columns = explanation.bins.columns
    return [f"{features[i]} bin {number}" for i in columns for number in range(1, bins + 1)]


def _touched(explanation: Explanation) -> BoolArray:
    """Which inputs to show: every feature, and of its bins those that its value lies in."""
    assert explanation.bins is not None
    scaled = explanation.trace.layers[0].inputs[explanation.bins.columns, None]
    edges = explanation.bins.edges[0]
    touched = (edges[:, :-1] <= scaled) & (scaled <= edges[:, 1:]) & (edges[:, :-1] < edges[:, 1:])
    return np.concatenate([np.ones(len(explanation.feature_names), np.bool_), touched.ravel()])


def _largest(strengths: Array, most: int) -> IntArray:
    """Places of the largest values, in order of place."""
    return np.sort(np.argsort(-strengths, kind="stable")[:most])


def _counted(units: int) -> list[str]:
    return [f"hidden {unit}" for unit in range(1, units + 1)]
