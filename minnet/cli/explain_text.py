"""How an explanation reads on a terminal: the way from the inputs to the probabilities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from minnet.cli import text
from minnet.cli.explain_back import backward_sections
from minnet.cli.explain_page import Page, blocks, decimals_of, fixed
from minnet.errors import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minnet.analysis.explanation import Explanation
    from minnet.network.bins import Bins

MOST_INPUTS = 24
MOST_NETWORKS = 16


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
    for line, remark in zip(text.table(rows).splitlines(), remarks, strict=True):
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
    yield text.table(rows)


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
    yield text.table(rows)


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
