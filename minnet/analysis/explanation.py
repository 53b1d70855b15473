"""One row of a table, explained in steps: what one of the model's networks makes of it, and why."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap

import numpy as np

from minnet.analysis.trace import BackwardTrace, Trace, trace
from minnet.arrays import Array, BoolArray, IntArray
from minnet.data.cells import short_names
from minnet.data.table import Data, Table
from minnet.errors import SettingsError, plural
from minnet.model.document import NetworkFile, check_layers
from minnet.model.judges import trained_on
from minnet.model.model import Model, finite_probabilities
from minnet.network.preparation import Bins, input_names, preparing
from minnet.report import WIDTH, Cells, Section, Shown, four, six

MOST_INPUTS, MOST_NETWORKS = 24, 16
MOST_FEATURES, MOST_UNITS, MOST_CLASSES = 10, 4, 10


@dataclass(frozen=True, eq=False)
class Explanation(Shown):
    """One row through one network.

    All numbers are of float64 copies of the networks, whose own weights are float32: in the
    seventh digit, the probabilities may differ from those of `Model.member_probabilities`.

    Attributes
    ----------
    source, place
        Name of the table's file, and where the row stands: `iris.csv:108`.
    row, network
        Which ones, counted from 0.
    trained_on_row
        Which networks were, `(networks,)`; `None` if the table shares no row with the training
        table.
    feature_names, class_names, input_names
        As the encoder has them; and of what goes into the first layer: the features, and their
        bins if there are any.
    values, means, stds
        The row in the features' own units (NaN where missing), beside the mean and the standard
        deviation of the network's training rows; all `(features,)`.
    is_boolean
        Which of the values stand for false and true, `(features,)`.
    trace
        The way through the network, and back if there is an observed class.
    unlabelled
        Why there is no observed class; else empty.
    all_probabilities
        Of every network of the model, `(networks, classes)`.
    bins
        Those of this network, in float64; `None` without any.
    """

    source: str
    place: str
    row: int
    network: int
    trained_on_row: BoolArray | None
    feature_names: Sequence[str]
    class_names: Sequence[str]
    values: Array
    means: Array
    stds: Array
    is_boolean: BoolArray
    trace: Trace
    unlabelled: str
    all_probabilities: Array
    input_names: Sequence[str]
    bins: Bins | None

    def __repr__(self) -> str:
        name = self.class_names[self.trace.predicted]
        return f"<Explanation: row {self.row + 1}, network {self.network + 1}, predicted {name!r}>"

    def report(self, *, everything: bool = False) -> list[Section]:
        """Say in steps what the network makes of the row; if asked to, what matters little, too."""
        return [*Steps(self, everything=everything).sections()]


@np.errstate(over="ignore", invalid="ignore")
def explain(model: Model, data: Data, row: int, network: int | None = None) -> Explanation:
    """Follow one row through one network, forward and back; the model stays as it is.

    Parameters
    ----------
    data
        As `train` takes it.
    row
        Counted from 0.
    network
        Counted from 0; `None` takes the first that was not trained on the row, as far as that can
        be told, else the first.

    Returns
    -------
    Explanation
        Every number from the row's cells to the gradients.

    Raises
    ------
    SettingsError
        If there is no such row or network.
    DataError
        If the table does not fit the model.
    ModelError
        If the network's layers are not those of a model; see `check_layers`.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> explanation = minnet.explain(model, "data/iris.csv", row=0)
    >>> explanation.trace.probabilities.sum().round(6)
    np.float64(1.0)
    """
    check_layers(model.network.layers, "explained")
    table = model.encoder.table(data)
    check_place("row", row, len(table), table.source)
    check_place("network", network or 0, len(model.network), "the model")
    features = model.encoder.transform(table)[row]
    label, unlabelled = _label(model, table, row)
    trained_on_row = trained_on(model, table, row)
    if network is None:
        network = 0 if trained_on_row is None else int(trained_on_row.argmin())
    numbers = replace(NetworkFile.of(model.network), dtype="float64")
    everyone = numbers.network(model.settings)
    one = everyone.select(slice(network, network + 1))
    standardize, bins = preparing(one.layers)
    learning_rate = model.settings.effective_learning_rate
    return Explanation(
        source=os.path.basename(table.source),
        place=table.at(row),
        row=row,
        network=network,
        trained_on_row=trained_on_row,
        feature_names=model.encoder.features,
        class_names=model.class_names,
        input_names=input_names(one.layers, model.encoder.features),
        bins=bins,
        values=features,
        means=standardize.means[0, 0],
        stds=standardize.scales[0, 0],
        is_boolean=model.encoder.is_boolean,
        trace=trace(one, features, label, model.settings.loss, learning_rate),
        unlabelled=unlabelled,
        all_probabilities=finite_probabilities(everyone.forward(features[None, None]))[:, 0],
    )


def check_place(kind: str, number: int, count: int, owner: str) -> None:
    """Refuse the number, counted from 0, of a row or a network that there is not."""
    if not 0 <= number < count:
        reason = f"there is no {kind} {number + 1}: {owner} has {count:,}, counted from 1"
        raise SettingsError(reason)


def _label(model: Model, table: Table, row: int) -> tuple[int | None, str]:
    """Observed class of a row; or `None` and the reason why there is none."""
    target = model.encoder.target
    if target not in table.columns:
        return None, f"{table.source} has no column {target!r}"
    column = table[target]
    label = int(model.encoder.labels(table, refused=False)[row])
    if label >= 0:
        return label, ""
    if column.missing[row]:
        return None, f"column {target!r} is empty in this row"
    cell = column.spellings[column.codes[row]]  # type: ignore[index]  # `labels` saw to it
    return None, f"column {target!r} says {cell!r}, a class that was not there in training"


class Steps:
    """The steps of an explanation, and what is shown of each.

    The levels are the features, the units of each hidden layer and the classes: layer k leads
    from level k to level k + 1. All attributes but `sources` are lists with an item for each level.

    Attributes
    ----------
    names
        Of its features, units or classes.
    shown, others
        Which of them are shown and which are not.
    counts
        `, 6 of 32` where not all are shown, else empty.
    titles
        What goes into the layer above is called.
    sources
        Which feature each input of the first layer is, or is a bin of.
    """

    def __init__(self, explanation: Explanation, *, everything: bool) -> None:
        self.explanation, self.everything = explanation, everything
        self.trace = trace = explanation.trace
        inputs, bins = short_names(explanation.feature_names), explanation.bins
        strengths = [layer.strengths for layer in trace.layers]
        self.titles = ["scaled", *["ReLU"] * len(trace.layers)]
        self.sources = np.arange(len(inputs))
        if bins is not None:
            self.titles[0] = "input" if everything else "scaled"
            pairs = zip(bins.columns, bins.numbers, strict=True)
            self.sources = np.append(self.sources, bins.columns)
            # Bins stand in one line with the others of their column, which is as strong as all.
            strengths[0] = np.bincount(self.sources, strengths[0]).astype(np.float64)
            inputs += [f"{inputs[i]} bin {number}" for i, number in pairs]
        likely = trace.probabilities.copy()
        likely[trace.label] = 2
        hidden = [[f"hidden {k + 1}" for k in range(len(one.sums))] for one in trace.layers[:-1]]
        most = [MOST_FEATURES, *[MOST_UNITS] * len(hidden), MOST_CLASSES]
        levels = [inputs, *hidden, short_names(explanation.class_names)]
        self.names = [np.array(names, object) for names in levels]
        self.shown: list[IntArray] = []
        self.others: list[IntArray] = []
        self.counts: list[str] = []
        for names, values, limit in zip(self.names, [*strengths, likely], most, strict=True):
            places = np.argsort(-values, kind="stable")[:limit]
            shown = np.sort(places[values[places] >= 0])
            if everything:
                shown = np.arange(len(names))
            self.shown.append(shown)
            self.others.append(np.setdiff1d(np.arange(len(values)), shown))
            self.counts.append(f", {len(shown)} of {len(values):,}" * (len(shown) < len(values)))

    def sections(self) -> Iterator[Section]:
        """From the inputs to the probabilities, from the loss to the gradients, and one step."""
        backward, levels = self.trace.backward, range(len(self.trace.layers))
        yield self._heading()
        yield self._inputs()
        if self.explanation.bins is not None and self.everything:
            yield self._bins(self.explanation.bins)
        yield from map(self._sums, levels)
        yield self._softmax()
        if backward is None:
            yield Section("no loss and no gradients", [self.explanation.unlabelled])
        else:
            yield self._loss(backward)
            gradient = "gradient of the loss" if backward.is_squared else "(softmax - observed)"
            yield self._gradients(levels[-1], "the last layer", gradient)
            for level in reversed(levels[:-1]):
                yield self._back(level, gradient)
                gradient = "gradient after ReLU"
                yield self._gradients(level, f"hidden layer {level + 1}", gradient)
            yield self._step(backward)
        yield self._networks()

    def _heading(self) -> Section:
        explanation, trained = self.explanation, self.explanation.trained_on_row
        seen = "not known to be a row it was trained on"
        if trained is not None:
            seen = f"{'' if trained[explanation.network] else 'not '}trained on this row"
        notes = ["rounded to four digits, to six where a difference or a logarithm follows"]
        if explanation.bins is not None and not self.everything:
            notes.append("a number's bins are summed up in one line (--all shows each of them)")
        if any(self.counts):
            notes += [
                "shown are the strongest (--all shows all):",
                "  without one of them the raw outputs would move apart the most",
            ]
        networks = len(explanation.all_probabilities)
        through = f"through network {explanation.network + 1} of {networks}: {seen}"
        return Section(f"row {explanation.row + 1:,}, {explanation.place}", [through, *notes])

    def _inputs(self) -> Section:
        explanation, scaled = self.explanation, self.trace.layers[0].inputs
        features = len(explanation.feature_names)
        listed, count = np.arange(features), ""
        if features > MOST_INPUTS and not self.everything:
            listed = np.unique(self.sources[self.shown[0]])
            count = f", {len(listed)} of {features:,}"
        rows = []
        columns = explanation.values, explanation.means, explanation.stds
        for i, value, mean, std in zip(
            listed, *(one[listed].tolist() for one in columns), strict=True
        ):
            shown, remark = f"{value:.15g}", ""
            if explanation.is_boolean[i] and value in (0, 1):
                shown += f" ({bool(value)})".lower()
            if math.isnan(value):
                shown, remark = "missing", "as the mean"
            elif std == 0:
                remark = "constant or rare"
            elif abs(value - mean) / std > abs(scaled[i]) * 1.000001:
                remark = f"clipped to {scaled[i]:g}"
            rows.append([self.names[0][i], shown, six(mean), six(std), four(scaled[i]), remark])
        rule = "scaled = (value - mean) / std, of the rows this network was trained on"
        heads = ["", "value", "mean", "std", "scaled", ""]
        return Section(f"inputs{count}", [rule, Cells(rows, heads, left=(0, 5), repeated=1)])

    def _bins(self, bins: Bins) -> Section:
        """Features of bins, from scaled features and the edges of the bins."""
        explanation, inputs = self.explanation, self.trace.layers[0].inputs
        rows = []
        names, of_bins = (one[-len(bins.columns) :] for one in (self.names[0], inputs))
        for name, source, *edges, height, result in zip(
            names, bins.columns, bins.lower[0], bins.upper[0], bins.heights, of_bins, strict=True
        ):
            mean, std = explanation.means[source], explanation.stds[source]
            limits = " to ".join(six(edge * std + mean) for edge in edges)
            numbers = map(six, [inputs[source], *edges, height])
            rows.append([name, *numbers, four(result), limits])
        heads = ["", "scaled", "lower", "upper", "height", "bin", "of values"]
        return Section(
            "bins",
            [
                "bin = ((scaled - lower) / (upper - lower), clipped to 0..1, - 0.5) x height",
                "  0 if upper = lower",
                Cells(rows, heads, repeated=1),
            ],
        )

    def _sums(self, level: int) -> Section:
        """Forward through one layer."""
        layer, inputs, count = self.trace.layers[level], self.titles[level], self.counts[level + 1]
        rule = f"{inputs} x weight, summed, + bias"
        results = {"bias": layer.biases, "raw output": layer.sums}
        title = f"raw outputs{count}"
        if level + 1 < len(self.trace.layers):
            results = {"bias": layer.biases, "sum": layer.sums, "ReLU": layer.outputs}
            title = f"hidden layer {level + 1}{count}"
            rule = f"sum = {rule}; ReLU = sum if above 0, else 0"
        table = self._weights(level, inputs, layer.inputs, level + 1, layer.weights)
        shown = self.shown[level + 1]
        rows = [[name, "", *map(four, numbers[shown])] for name, numbers in results.items()]
        return Section(title, [rule, table.with_rows(rows)])

    def _softmax(self) -> Section:
        trace, others, everyone = self.trace, self.others[-1], np.arange(len(self.names[-1]))
        power = f"e^(raw{-trace.shift:+})" if trace.shift else "e^raw"
        columns = [
            ("raw output", trace.raw_outputs, four),
            (power, trace.exponentials, four),
            ("softmax", trace.probabilities, six),
            ("argmax", (everyone == trace.predicted) * 1.0, "{:g}".format),
        ]
        table = self._of_classes(*columns)
        rows = [
            [name, "", *(write(numbers[classes].sum()) for _, numbers, write in columns[1:])]
            for name, classes in ((plural(len(others), "other"), others), ("sum", everyone))
            if len(classes)
        ]
        rule = f"softmax = {power} / the sum of all; argmax: 1 for the largest, else 0"
        return Section(f"softmax{self.counts[-1]}", [rule, table.with_rows(rows)])

    def _loss(self, backward: BackwardTrace) -> Section:
        """From the observed class to the loss, and its gradient with respect to the raw outputs."""
        probabilities = self.trace.probabilities
        observed, p = self.names[-1][backward.label], probabilities[backward.label]
        shown_p = six(p) if p else f"e^-{backward.cross_entropy:g}"
        one_hot = np.eye(len(probabilities))[backward.label]
        lines, of_loss = [], []
        if backward.is_squared:
            centre = four((backward.residuals * probabilities).sum())
            of_loss.append(("gradient of loss", backward.gradients, four))
            lines += [
                "loss: squared residuals, the sum of (softmax - observed)^2 = "
                f"{four(backward.loss)}",
                f"  its gradient = 2 x softmax x (softmax - observed - {centre}),",
                f"  where {centre} is the sum of softmax x (softmax - observed)",
            ]
        table = self._of_classes(
            ("softmax", probabilities, six),
            ("observed", one_hot, "{:g}".format),
            ("softmax - observed", backward.residuals, four),
            *of_loss,
            ("gradient of p", backward.softmax_gradient, four),
            ("of argmax", np.zeros(len(probabilities)), four),
        )
        return Section(
            f"observed: {observed}, cross-entropy = -ln({shown_p}) = "
            f"{four(backward.cross_entropy)}",
            [
                *lines,
                table,
                f"gradients with respect to the raw outputs; p is p({observed}):",
                "  of p: p x (observed - softmax)",
                "  of cross-entropy: that x -1 / p, the slope of -ln p: softmax - observed",
                "  of argmax: 0 wherever it has one, so nothing would flow back through it",
            ],
        )

    def _back(self, level: int, gradient: str) -> Section:
        """Back to the units of a hidden layer, and through their ReLU."""
        layer, above = self.trace.layers[level : level + 2]
        shown = self.shown[level + 1]
        gradients = [*map(four, layer.gradients["outputs"][shown])]
        is_live = layer.outputs[shown] > 0
        after = [one if live else "blocked" for one, live in zip(gradients, is_live, strict=True)]
        arriving = above.gradients["sums"]
        table = self._weights(level + 2, "gradient", arriving, level + 1, above.weights.T)
        return Section(
            f"back to hidden layer {level + 1}{self.counts[level + 1]}",
            [
                f"gradient = weight x {gradient}, summed",
                table.with_rows([["gradient", "", *gradients], ["after ReLU", "", *after]]),
            ],
        )

    def _gradients(self, level: int, place: str, gradient: str) -> Section:
        """Every gradient of a layer, as the product it is; an input of 0 makes gradients of 0."""
        layer, inputs, targets = self.trace.layers[level], self.shown[level], self.shown[level + 1]
        names, own = self.names[level + 1], layer.gradients["sums"]
        sources = inputs if self.everything else inputs[layer.inputs[inputs] != 0]
        passes = (layer.outputs > 0) | (level + 1 == len(self.trace.layers))
        passing, blocked = targets[passes[targets]], [*names[targets[~passes[targets]]]]
        rule = f"of a weight {self.titles[level]} x {gradient}, of a bias {gradient}"
        parts: list[str | Cells] = [rule]
        if len(passing):
            rows = [
                [name, *(f"{four(x)} x {four(one)} = {four(x * one)}" for one in own[passing])]
                for name, x in zip(self.names[level][sources], layer.inputs[sources], strict=True)
            ]
            rows.append(["bias", *map(four, own[passing])])
            parts.append(Cells(rows, ["", *names[passing]], repeated=1))
            if zeros := len(inputs) - len(sources):
                parts.append(f"{plural(zeros, 'input')} shown above as 0: gradients of 0")
        if unshown := np.count_nonzero(~passes[self.others[level + 1]]):
            blocked.append(f"{unshown:,} of the units not shown")
        if blocked:
            line = f"blocked by ReLU, so that all gradients are 0: {', '.join(blocked)}"
            parts += wrap(line, WIDTH, subsequent_indent="  ")
        return Section(f"gradients of {place}", parts)

    def _step(self, backward: BackwardTrace) -> Section:
        label = backward.label
        loss = "squared residuals" if backward.is_squared else "cross-entropy"
        before, after = self.trace.probabilities, backward.probabilities_after
        table = self._of_classes(
            ("raw output", self.trace.raw_outputs, four),
            ("after the step", backward.raw_outputs_after, four),
            ("softmax", before, six),
            ("after the step", after, six),
        )
        return Section(
            "one step, on a copy",
            [
                f"every parameter - learning rate {backward.learning_rate:g} x its gradient, "
                "for this row alone",
                table,
                f"p({self.names[-1][label]}) {six(before[label])} -> {six(after[label])}, {loss} "
                f"{four(backward.loss)} -> {four(backward.loss_after)}",
            ],
        )

    def _networks(self) -> Section:
        explanation, label = self.explanation, self.trace.label
        probabilities = explanation.all_probabilities[:, label]
        networks, shown = len(probabilities), [*map(four, probabilities)]
        if networks == 1:
            return Section("the model has no other networks to compare with")
        kind = "predicted" if self.trace.backward is None else "observed"
        parts: list[str | Cells] = [f"p({self.names[-1][label]}), the {kind} class"]
        if self.everything or networks <= MOST_NETWORKS:
            names = [str(network) for network in range(1, networks + 1)]
            names[explanation.network] += " (this)"
            parts.append(Cells([["p", *shown]], ["network", *names], repeated=1))
        smallest, largest = int(probabilities.argmin()), int(probabilities.argmax())
        parts += [
            f"smallest {shown[smallest]} (network {smallest + 1}), "
            f"largest {shown[largest]} (network {largest + 1})",
            f"mean {four(probabilities.mean())}: the model's prediction",
        ]
        trained = explanation.trained_on_row
        if trained is not None and not trained.all():
            unseen = [str(network + 1) for network in np.flatnonzero(~trained)]
            parts.append(f"not trained on this row: network {', '.join(unseen)}")
        return Section(f"the same row through all {networks} networks", parts)

    def _weights(self, source: int, title: str, values: Array, target: int, by: Array) -> Cells:
        """Make a table of the weights between two levels, beside the values that they multiply."""
        columns, others = self.shown[target], self.others[source]
        rows = []
        for i in self.shown[source]:
            rows.append([self.names[source][i], four(values[i]), *map(four, by[i, columns])])
            if source == 0 and not self.everything:
                bins = np.flatnonzero(self.sources == i)[1:]
                if len(bins):
                    added = values[bins] @ by[np.ix_(bins, columns)]
                    name = f"{self.names[source][i]}, {plural(len(bins), 'bin')}"
                    rows.append([name, "", *map(four, added)])
        if len(others):
            inputs = others if source else np.flatnonzero(np.isin(self.sources, others))
            added = values[inputs] @ by[np.ix_(inputs, columns)]
            sum_of = "1 other adds" if len(others) == 1 else f"{len(others):,} others add"
            rows.append([sum_of, "", *map(four, added)])
        return Cells(rows, ["", title, *self.names[target][columns]], repeated=2)

    def _of_classes(self, *columns: tuple[str, Array, Callable[[float], str]]) -> Cells:
        """Make a table of numbers of the classes, given how to write them."""
        rows = [
            [self.names[-1][label], *(write(numbers[label]) for _, numbers, write in columns)]
            for label in self.shown[-1]
        ]
        return Cells(rows, ["", *(head for head, _, _ in columns)], repeated=1)
