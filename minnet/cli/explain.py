"""How an explanation reads on a terminal: the way from the inputs to the probabilities.

How an explanation reads on a terminal: the way back, from the loss to the gradients.

What of an explanation is shown, to how many digits, and in what kinds of table.

`minnet explain`: one row, every number from input to gradient.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import click
import numpy as np

from minnet.analysis.explanation import BackwardTrace, Explanation
from minnet.arrays import Array, BoolArray, IntArray
from minnet.cli import options
from minnet.data.cells import short_names
from minnet.errors import plural
from minnet.network.preparation import Bins
from minnet.report import Cells, Section, as_text

MOST_INPUTS = 24
MOST_NETWORKS = 16


def _table(rows: Sequence[Sequence[str]]) -> str:
    return as_text([Section("", [Cells(rows)])])


def report(explanation: Explanation, place: str, *, everything: bool) -> str:
    """Lay out the explanation of a row.

    Parameters
    ----------
    place
        Where the row stands: `iris.csv:108`.
    everything
        Whether to show also what matters little.
    """
    page = Page(explanation, everything=everything)
    return "\n\n".join("\n".join(lines) for lines in _sections(page, place))


def _sections(page: Page, place: str) -> Iterator[Iterator[str]]:
    yield _heading(page, place)
    yield _inputs(page)
    if page.explanation.bins is not None:
        yield _bins(page, page.explanation.bins)
    for level in range(len(page.trace.layers)):
        yield _sums(page, level)
    yield _softmax(page)
    if page.trace.backward is None:
        yield iter([f"no loss and no gradients: {page.explanation.unlabelled}"])
    else:
        yield from backward_sections(page, page.trace.backward)
    yield _networks(page)


def _heading(page: Page, place: str) -> Iterator[str]:
    explanation = page.explanation
    trained = explanation.trained_on_row
    if trained is None:
        seen = "not known to be a row it was trained on"
    else:
        seen = "trained on this row" if trained[explanation.network] else "not trained on this row"
    yield (
        f"row {explanation.row + 1:,}, {place}, through network {explanation.network + 1} of "
        f"{len(explanation.all_probabilities)}: {seen}"
    )
    yield "numbers are rounded: what you recompute from them may differ in the last digit"
    if any(map(len, page.others)):
        yield (
            "shown are the strongest: without them the raw outputs would move apart the most "
            "(--all shows all)"
        )
        if page.explanation.bins is not None:
            yield "of a number's bins, only those that its value lies in are among them"


def _inputs(page: Page) -> Iterator[str]:
    explanation = page.explanation
    scaled = page.trace.layers[0].inputs
    features = len(explanation.feature_names)
    listed, count = np.arange(features), ""
    if features > MOST_INPUTS and not page.everything:
        listed = np.unique([page.source(int(i)) for i in page.shown[0]])
        count = f", {len(listed)} of {features:,}"
    yield (f"inputs{count}: scaled = (value - mean) / std, of the rows this network was trained on")
    rows, remarks = [["", "value", "mean", "std", "scaled"]], [""]
    for i in listed:
        value, mean, std = (
            float(numbers[i])
            for numbers in (explanation.values, explanation.means, explanation.stds)
        )
        rows.append(
            [
                page.names[0][i],
                _value(value, is_boolean=bool(explanation.is_boolean[i])),
                page.in_unit_of(std, mean),
                page.in_unit_of(std, std),
                page.fixed(scaled[i]),
            ]
        )
        remarks.append(_remark(value, mean, std, scaled[i]))
    for line, remark in zip(_table(rows).splitlines(), remarks, strict=True):
        yield f"{line}  {remark}".rstrip()


def _bins(page: Page, bins: Bins) -> Iterator[str]:
    """Features of bins, from scaled features and the edges of the bins."""
    features = len(page.explanation.feature_names)
    inputs = page.trace.layers[0].inputs
    shown = page.shown[0][page.shown[0] >= features]
    yield (
        f"bins, {len(shown)} of {len(inputs) - features:,}: (scaled - lower) / (upper - lower), "
        "clipped to 0..1, - 0.5; 0 if upper = lower"
    )
    rows = [["", "from", "to", "scaled", "lower", "upper", "bin"]]
    for i in shown:
        source = page.source(int(i))
        column, number = divmod(i - features, bins.widths.shape[-1])
        lower, upper = bins.edges[0, column, number : number + 2].tolist()
        mean, std = page.explanation.means[source], page.explanation.stds[source]
        limits = [page.in_unit_of(std, edge * std + mean) for edge in (lower, upper)]
        scaled = (
            page.in_unit_of(upper - lower, number) for number in (inputs[source], lower, upper)
        )
        rows.append([page.names[0][i], *limits, *scaled, page.fixed(inputs[i])])
    yield _table(rows)


def _value(value: float, *, is_boolean: bool) -> str:
    words = {0.0: " (false)", 1.0: " (true)"} if is_boolean else {}
    return "missing" if math.isnan(value) else f"{value:.15g}{words.get(value, '')}"


def _remark(value: float, mean: float, std: float, scaled: float) -> str:
    """Say why the scaled value is not (value - mean) / std."""
    if math.isnan(value):
        return "missing: taken as the mean"
    if std == 0:
        return "constant or too rare in those rows: 0"
    is_clipped = abs(value - mean) / std > abs(scaled) * 1.000001
    return f"clipped to {scaled:g}" if is_clipped else ""


def _sums(page: Page, level: int) -> Iterator[str]:
    """Forward through one layer."""
    layer = page.trace.layers[level]
    shown = page.shown[level + 1]
    inputs = page.title(level)
    sums = f"{inputs} x weight, summed, + bias"
    rows = page.weights(level, inputs, layer.inputs, level + 1, layer.weights, page.fixed)
    rows.append(["bias", "", *map(page.fixed, layer.biases[shown])])
    if level == len(page.trace.layers) - 1:
        yield f"raw outputs{page.count(level + 1)}: {sums}"
        rows.append(["raw output", "", *map(page.fixed, layer.sums[shown])])
    else:
        yield (
            f"hidden layer {level + 1}{page.count(level + 1)}: sum = {sums}; ReLU = sum if above "
            "0, else 0"
        )
        rows.append(["sum", "", *map(page.fixed, layer.sums[shown])])
        rows.append(["ReLU", "", *map(page.fixed, layer.outputs[shown])])
    yield from blocks(rows, 2)


def _softmax(page: Page) -> Iterator[str]:
    trace, others = page.trace, page.others[-1]
    power = f"e^(raw{-trace.shift:+})" if trace.shift else "e^raw"
    yield f"softmax{page.count(-1)}: {power} / the sum of all; argmax: 1 for the largest, else 0"
    rows = [["", "raw output", power, "softmax", "argmax"]]
    for label in page.shown[-1]:
        rows.append(
            [
                page.names[-1][label],
                page.fixed(trace.raw_outputs[label]),
                page.power(trace.exponentials[label]),
                page.probability(trace.probabilities[label]),
                str(int(label == trace.predicted)),
            ]
        )
    if len(others):
        added = page.power(trace.exponentials[others].sum())
        share = page.probability(trace.probabilities[others].sum())
        rows.append([plural(len(others), "other"), "", added, share, "0"])
    total = page.power(trace.exponentials.sum())
    rows.append(["sum", "", total, page.fixed(trace.probabilities.sum()), "1"])
    yield _table(rows)


def _networks(page: Page) -> Iterator[str]:
    explanation, label = page.explanation, page.trace.label
    probabilities = explanation.all_probabilities[:, label]
    networks = len(probabilities)
    if networks == 1:
        yield "the model has no other networks to compare with"
        return
    kind = "predicted" if page.trace.backward is None else "observed"
    yield (
        f"the same row through all {networks} networks: p({page.names[-1][label]}), the {kind} "
        "class"
    )
    mean = float(probabilities.mean())
    decimals = max(decimals_of(mean), decimals_of(1 - mean))
    shown = [fixed(number, decimals) for number in probabilities]
    if page.everything or networks <= MOST_NETWORKS:
        names = [str(network) for network in range(1, networks + 1)]
        names[explanation.network] += " (this)"
        yield from blocks([["network", *names], ["p", *shown]], 1)
    smallest, largest = int(probabilities.argmin()), int(probabilities.argmax())
    yield (
        f"smallest {shown[smallest]} (network {smallest + 1}), largest {shown[largest]} "
        f"(network {largest + 1}), mean {fixed(mean, decimals)}: the model's prediction"
    )
    trained = explanation.trained_on_row
    if trained is not None and not trained.all():
        unseen = [str(network + 1) for network in np.flatnonzero(~trained)]
        yield f"not trained on this row: network {', '.join(unseen)}"


def backward_sections(page: Page, backward: BackwardTrace) -> Iterator[Iterator[str]]:
    """Lines of each section, from the observed class to one gradient step."""
    by_raw_output = "gradient of the loss" if _is_squared(backward) else "(softmax - observed)"
    yield _loss(page, backward)
    *hidden, last = range(len(page.trace.layers))
    yield _last_gradients(page, last, by_raw_output)
    for level in reversed(hidden):
        above = by_raw_output if level + 1 == last else "gradient after ReLU"
        yield _gradients(page, level, above)
        yield _hidden_gradients(page, level)
    yield _step(page, backward)


def _is_squared(backward: BackwardTrace) -> bool:
    return backward.loss_name == "squared-residuals"


def _loss(page: Page, backward: BackwardTrace) -> Iterator[str]:
    """What is observed, the loss, and its gradient with respect to the raw outputs."""
    probabilities = page.trace.probabilities
    observed = page.names[-1][backward.label]
    shown_p = page.for_logarithm(probabilities[backward.label], backward.cross_entropy)
    entropy = page.precise(backward.cross_entropy)
    yield f"observed: {observed}, cross-entropy = -ln({shown_p}) = {entropy}"
    header = ["", "softmax", "observed", "softmax - observed"]
    if _is_squared(backward):
        header.append("gradient of loss")
        loss = page.precise(backward.loss)
        centre = page.precise((backward.residuals * probabilities).sum())
        yield f"loss: squared residuals, the sum of (softmax - observed)^2 = {loss}"
        yield (
            f"  its gradient = 2 x softmax x (softmax - observed - {centre}), where {centre} is "
            "the sum of softmax x (softmax - observed)"
        )
    rows = [[*header, "gradient of p", "of argmax"]]
    for label in page.shown[-1]:
        row = [
            page.names[-1][label],
            page.probability(probabilities[label]),
            str(int(label == backward.label)),
            page.precise(backward.residuals[label]),
        ]
        if _is_squared(backward):
            row.append(page.precise(backward.gradients[label]))
        rows.append([*row, page.precise(backward.softmax_gradient[label]), "0"])
    yield _table(rows)
    yield (
        f"p is p({observed}); its gradient with respect to the raw outputs: "
        "p x (observed - softmax)"
    )
    yield "  times -1 / p, the slope of -ln p: softmax - observed, the gradient of cross-entropy"
    yield "gradient of argmax: 0 wherever it has one, so nothing would flow back through argmax"


def _last_gradients(page: Page, level: int, gradient: str) -> Iterator[str]:
    """Every gradient of the last layer, as the product it is."""
    inputs = page.title(level)
    yield f"gradients of the last layer: of a weight {inputs} x {gradient}, of a bias {gradient}"
    layer = page.trace.layers[level]
    assert layer.gradients is not None
    sources = _sources(page, level)
    rows = page.products(
        level, sources, page.shown[level + 1], layer.gradients.sums, page.as_exact_as
    )
    yield from blocks(rows, 1)
    yield from _left_out(page, level, sources)


def _gradients(page: Page, level: int, gradient_above: str) -> Iterator[str]:
    """Back to the units of a hidden layer, and through their ReLU."""
    layer, above = page.trace.layers[level : level + 2]
    assert layer.gradients is not None
    assert above.gradients is not None
    shown = page.shown[level + 1]
    yield (
        f"back to hidden layer {level + 1}{page.count(level + 1)}: gradient = weight x "
        f"{gradient_above}, summed"
    )
    is_last = level + 2 == len(page.trace.layers)
    rows = page.weights(
        level + 2,
        "gradient",
        above.gradients.sums,
        level + 1,
        above.weights.T,
        page.precise if is_last else page.back,
    )
    rows.append(["gradient", "", *map(page.back, layer.gradients.outputs[shown])])
    after = [
        page.back(layer.gradients.sums[j]) if layer.outputs[j] > 0 else "blocked" for j in shown
    ]
    rows.append(["after ReLU", "", *after])
    yield from blocks(rows, 2)


def _hidden_gradients(page: Page, level: int) -> Iterator[str]:
    """Every gradient of a hidden layer, as the product it is."""
    inputs = page.title(level)
    yield (
        f"gradients of hidden layer {level + 1}: of a weight {inputs} x gradient after "
        "ReLU, of a bias gradient after ReLU"
    )
    layer = page.trace.layers[level]
    assert layer.gradients is not None
    is_live = layer.outputs > 0
    shown, others = page.shown[level + 1], page.others[level + 1]
    sources, targets = _sources(page, level), shown[is_live[shown]]
    if len(targets):
        rows = page.products(
            level, sources, targets, layer.gradients.sums, lambda _, number: page.back(number)
        )
        yield from blocks(rows, 1)
        yield from _left_out(page, level, sources)
    blocked = [page.names[level + 1][j] for j in shown[~is_live[shown]]]
    unshown = np.count_nonzero(~is_live[others])
    if unshown:
        blocked.append(f"{unshown:,} of the units not shown")
    if blocked:
        yield f"blocked by ReLU, so that all gradients are 0: {', '.join(blocked)}"


def _sources(page: Page, level: int) -> IntArray:
    """Which inputs of a layer to show gradients of: an input of 0 makes gradients of 0."""
    shown = page.shown[level]
    return shown if page.everything else shown[page.trace.layers[level].inputs[shown] != 0]


def _left_out(page: Page, level: int, sources: IntArray) -> Iterator[str]:
    zeros = len(page.shown[level]) - len(sources)
    if zeros:
        yield f"{plural(zeros, 'input')} shown above as 0: gradients of 0"


def _step(page: Page, backward: BackwardTrace) -> Iterator[str]:
    rate = f"learning rate {backward.learning_rate:g}"
    yield f"one step, on a copy: every parameter - {rate} x its gradient, for this row alone"
    before, after = page.trace.probabilities, backward.probabilities_after
    change = after[backward.label] - before[backward.label]
    decimals = max(page.decimals, decimals_of(change, digits=2))
    rows = [["", "raw output", "after the step", "softmax", "after the step"]]
    for label in page.shown[-1]:
        columns = (page.trace.raw_outputs, backward.raw_outputs_after, before, after)
        numbers = [fixed(column[label], decimals) for column in columns]
        rows.append([page.names[-1][label], *numbers])
    yield _table(rows)
    p = f"p({page.names[-1][backward.label]})"
    loss = "squared residuals" if _is_squared(backward) else "cross-entropy"
    yield (
        f"{p} {fixed(before[backward.label], decimals)} -> "
        f"{fixed(after[backward.label], decimals)}, {loss} "
        f"{fixed(backward.loss, decimals)} -> {fixed(backward.loss_after, decimals)}"
    )


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
        yield _table([[*row[:repeated], *row[start:stop]] for row in rows])
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


@click.command("explain")
@options.data_argument
@click.option("--row", type=int, required=True, metavar="N", help="Which row; the first is 1.")
@click.option(
    "--network",
    type=int,
    metavar="K",
    help="Which of the model's networks; the first is 1.  [default: one that never saw the row, "
    "if it is in the training table]",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Show all inputs, units, bins and networks, not only the largest.",
)
@options.model_option
@options.json_option
@options.quiet_option
def command(
    data: str,
    row: int,
    network: int | None,
    everything: bool,
    model: str,
    as_json: bool,
    quiet: bool,  # it prints no messages, and takes the option as all do
) -> None:
    """One row, every number from input to gradient.

    Follows one row of DATA forward through one network, to the probabilities and the loss, and
    back again to the gradient of every weight; then takes one step along them, and asks all the
    other networks about the same row.

    \b
    Examples:
      minnet explain iris.csv --row 107
      minnet explain iris.csv --row 107 --network 3 --all
    """
    from minnet.analysis.explanation import explain
    from minnet.model.document import load

    loaded = load(model)
    table = options.read_data(data, loaded.encoder)
    explanation = explain(loaded, table, row - 1, None if network is None else network - 1)
    if as_json:
        options.print_lines(json.dumps(_document(explanation, table.at(row - 1))))
    else:
        options.print_lines(report(explanation, table.at(row - 1), everything=everything))


def _document(explanation: Explanation, place: str) -> dict[str, Any]:
    """Every number, unrounded; rows and networks counted from 1, and `null` where missing."""
    trace = explanation.trace
    of_label = explanation.all_probabilities[:, trace.label]
    return {
        "place": place,
        "row": explanation.row + 1,
        "network": explanation.network + 1,
        "trained_on_row": _plain(explanation.trained_on_row),
        "features": list(explanation.feature_names),
        "values": _plain(explanation.values),
        "means": _plain(explanation.means),
        "stds": _plain(explanation.stds),
        "inputs": list(explanation.input_names),
        "edges": None if explanation.bins is None else _plain(explanation.bins.edges[0]),
        "classes": list(explanation.class_names),
        "layers": [_plain(layer) for layer in trace.layers],
        "raw_outputs": _plain(trace.raw_outputs),
        "exponentials": _plain(trace.exponentials),
        "exponentials_of": "raw output" + (f"{-trace.shift:+}" if trace.shift else ""),
        "probabilities": _plain(trace.probabilities),
        "predicted": explanation.class_names[trace.predicted],
        "argmax_gradient": [0.0] * len(trace.probabilities),
        "unlabelled": explanation.unlabelled or None,
        "observed": trace.backward and explanation.class_names[trace.backward.label],
        "backward": _plain(trace.backward),
        "all_networks": {
            "class": explanation.class_names[trace.label],
            "probabilities": _plain(explanation.all_probabilities),
            "smallest": of_label.min(),
            "mean": of_label.mean(),
            "largest": of_label.max(),
        },
    }


def _plain(value: Any) -> Any:
    """Arrays as lists, dataclasses as objects, NaN as `null`."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if value != value else value
