"""One row of a table, explained in steps: what one of the model's networks makes of it, and why."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from minnet.analysis.trace import BackwardTrace, Trace, in_float64, trace
from minnet.arrays import Array, BoolArray, IntArray
from minnet.data.cells import short_names
from minnet.data.columns import codes_of
from minnet.data.table import Data, Table
from minnet.errors import DataError, SettingsError, plural
from minnet.model.document import check_layers
from minnet.model.judges import judges_of
from minnet.model.model import Model, finite_probabilities
from minnet.network.preparation import Bins, Standardize, input_names
from minnet.report import Cells, Section, Shown

MOST_INPUTS, MOST_NETWORKS = 24, 16
MOST_FEATURES, MOST_UNITS, MOST_CLASSES = 10, 6, 10


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
    feature_names, class_names
        As the encoder has them.
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
    input_names
        Of what goes into the first layer: the features, and their bins if there are any.
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
        return (
            f"<Explanation: row {self.row + 1}, network {self.network + 1}, predicted "
            f"{self.class_names[self.trace.predicted]!r}>"
        )

    def report(self, *, everything: bool = False) -> list[Section]:
        """Say in steps what the network makes of the row, and what it would learn from it.

        Parameters
        ----------
        everything
            Whether to show also what matters little.
        """
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

    Raises
    ------
    SettingsError
        If there is no such row or network.
    DataError
        If the table does not fit the model.
    ModelError
        If the network's layers are not those of a model; see `check_layers`.
    """
    check_layers(model.network.layers, "explained")
    table = model.encoder.table(data)
    _check_number("row", row, len(table), table.source)
    features = model.encoder.transform(table)[row]
    label, unlabelled = _label(model, table, row)
    trained_on_row = _trained_on_row(model, table, row)
    if network is None:
        network = 0 if trained_on_row is None else int(trained_on_row.argmin())
    _check_number("network", network, len(model.network), "the model")
    one = in_float64(model.network, [network])
    everyone = in_float64(model.network, range(len(model.network)))
    standardize = one.layers[0]
    assert isinstance(standardize, Standardize)  # every model begins with it
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
        bins=next((layer for layer in one.layers if isinstance(layer, Bins)), None),
        values=features,
        means=standardize.means[0, 0],
        stds=standardize.scales[0, 0],
        is_boolean=model.encoder.is_boolean,
        trace=trace(one, features, label, model.settings.loss, learning_rate),
        unlabelled=unlabelled,
        all_probabilities=finite_probabilities(everyone.forward(features[None, None]))[:, 0],
    )


def _check_number(kind: str, number: int, count: int, owner: str) -> None:
    if not 0 <= number < count:
        raise SettingsError(
            f"there is no {kind} {number + 1}: {owner} has {count:,}, counted from 1"
        )


def _label(model: Model, table: Table, row: int) -> tuple[int | None, str]:
    """Observed class of a row; or `None` and the reason why there is none."""
    target = model.encoder.target
    if target not in table.columns:
        return None, f"{table.source} has no column {target!r}"
    column = table[target]
    label = int(codes_of(column, model.encoder.class_names)[row])
    if label >= 0:
        return label, ""
    if column.missing[row]:
        return None, f"column {target!r} is empty in this row"
    cell = column.spellings[column.codes[row]]  # type: ignore[index]  # `codes_of` saw to it
    return None, f"column {target!r} says {cell!r}, a class that was not there in training"


def _trained_on_row(model: Model, table: Table, row: int) -> BoolArray | None:
    try:
        examples = model.encoder.examples(table, refuse_unknown=False)
    except DataError:  # without a label or a group, a row cannot be told to be a training row
        return None
    judges = judges_of(model, examples)
    if not judges.out_of_fold:
        return None
    own = np.flatnonzero(examples.rows == row)
    if not len(own):
        return np.zeros(len(model.network), np.bool_)
    return ~judges.mask[:, own[0]]


def four(number: float, digits: int = 4) -> str:
    """Write a number with four significant digits; 0 is exact."""
    return f"{number:#.{digits}g}".rstrip(".") if number else "0"


def six(number: float) -> str:
    """Write a number of which a difference or a logarithm is taken."""
    return four(number, 6)


class Steps:
    """The steps of an explanation, and what is shown of each.

    The levels are the features, the units of each hidden layer and the classes: layer k leads
    from level k to level k + 1.

    Attributes
    ----------
    names
        Of the features, units or classes of each level.
    shown, others
        Which of them are shown and which are not, for each level.
    """

    def __init__(self, explanation: Explanation, *, everything: bool) -> None:
        self.explanation = explanation
        self.everything = everything
        self.trace = trace = explanation.trace
        hidden = [
            [f"hidden {unit}" for unit in range(1, len(layer.sums) + 1)]
            for layer in trace.layers[:-1]
        ]
        inputs = short_names(explanation.feature_names)
        strengths = [layer.strengths for layer in trace.layers]
        if explanation.bins is not None:
            numbers = range(1, explanation.bins.widths.shape[-1] + 1)
            columns = explanation.bins.columns
            inputs += [f"{inputs[i]} bin {number}" for i in columns for number in numbers]
            strengths[0] = np.where(_touched(explanation, explanation.bins), strengths[0], -1)
        self.names = [inputs, *hidden, short_names(explanation.class_names)]
        likely = trace.probabilities.copy()
        likely[trace.label] = 2
        most = [MOST_FEATURES, *[MOST_UNITS] * len(hidden), MOST_CLASSES]
        self.shown = [
            np.arange(len(level)) if everything else _largest(level, limit)
            for level, limit in zip([*strengths, likely], most, strict=True)
        ]
        self.others = [
            np.setdiff1d(np.arange(len(level)), shown)
            for level, shown in zip(self.names, self.shown, strict=True)
        ]

    def sections(self) -> Iterator[Section]:
        """From the inputs to the probabilities, from the loss to the gradients, and one step."""
        backward, levels = self.trace.backward, range(len(self.trace.layers))
        yield self._heading()
        yield self._inputs()
        if self.explanation.bins is not None:
            yield self._bins(self.explanation.bins)
        yield from map(self._sums, levels)
        yield self._softmax()
        if backward is None:
            yield Section(f"no loss and no gradients: {self.explanation.unlabelled}")
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
            is_seen = trained[explanation.network]
            seen = "trained on this row" if is_seen else "not trained on this row"
        notes = [
            "numbers have four digits, or six if a difference or a logarithm follows: recomputed, "
            "the last may differ"
        ]
        if any(map(len, self.others)):
            notes.append(
                "shown are the strongest: without them the raw outputs would move apart the most "
                "(--all shows all)"
            )
            if explanation.bins is not None:
                notes.append("of a number's bins, only those that its value lies in are among them")
        return Section(
            f"row {explanation.row + 1:,}, {explanation.place}, through network "
            f"{explanation.network + 1} of {len(explanation.all_probabilities)}: {seen}",
            notes,
        )

    def _inputs(self) -> Section:
        explanation, scaled = self.explanation, self.trace.layers[0].inputs
        features = len(explanation.feature_names)
        listed, count = np.arange(features), ""
        if features > MOST_INPUTS and not self.everything:
            listed = np.unique([self._source(int(i)) for i in self.shown[0]])
            count = f", {len(listed)} of {features:,}"
        rows = []
        for i in listed:
            value, mean, std = (
                float(numbers[i])
                for numbers in (explanation.values, explanation.means, explanation.stds)
            )
            shown, remark = f"{value:.15g}", ""
            if explanation.is_boolean[i] and value in (0, 1):
                shown += f" ({bool(value)})".lower()
            if math.isnan(value):
                shown, remark = "missing", "missing: taken as the mean"
            elif std == 0:
                remark = "constant or too rare in those rows: 0"
            elif abs(value - mean) / std > abs(scaled[i]) * 1.000001:
                remark = f"clipped to {scaled[i]:g}"
            rows.append([self.names[0][i], shown, six(mean), six(std), four(scaled[i]), remark])
        return Section(
            f"inputs{count}: scaled = (value - mean) / std, of the rows this network was trained "
            "on",
            [Cells(rows, ["", "value", "mean", "std", "scaled", ""], left=(0, 5))],
        )

    def _bins(self, bins: Bins) -> Section:
        """Features of bins, from scaled features and the edges of the bins."""
        explanation, inputs = self.explanation, self.trace.layers[0].inputs
        features = len(explanation.feature_names)
        shown = self.shown[0][self.shown[0] >= features]
        rows = []
        for i in shown:
            source = self._source(int(i))
            column, number = divmod(i - features, bins.widths.shape[-1])
            edges = bins.edges[0, column, number : number + 2]
            limits = edges * explanation.stds[source] + explanation.means[source]
            numbers = [*limits, inputs[source], *edges]
            rows.append([self.names[0][i], *map(six, numbers), four(inputs[i])])
        return Section(
            f"bins, {len(shown)} of {len(inputs) - features:,}: (scaled - lower) / "
            "(upper - lower), clipped to 0..1, - 0.5; 0 if upper = lower",
            [Cells(rows, ["", "from", "to", "scaled", "lower", "upper", "bin"])],
        )

    def _sums(self, level: int) -> Section:
        """Forward through one layer."""
        layer, shown, inputs = self.trace.layers[level], self.shown[level + 1], self._title(level)
        formula = f"{inputs} x weight, summed, + bias"
        results = [("bias", layer.biases)]
        if level + 1 == len(self.trace.layers):
            title = f"raw outputs{self._count(-1)}: {formula}"
            results.append(("raw output", layer.sums))
        else:
            title = (
                f"hidden layer {level + 1}{self._count(level + 1)}: sum = {formula}; ReLU = sum if "
                "above 0, else 0"
            )
            results += [("sum", layer.sums), ("ReLU", layer.outputs)]
        rows = self._weights(level, layer.inputs, level + 1, layer.weights)
        rows += [[name, "", *map(four, numbers[shown])] for name, numbers in results]
        return Section(title, [Cells(rows, self._heads(inputs, level + 1), repeated=2)])

    def _softmax(self) -> Section:
        trace, others = self.trace, self.others[-1]
        power = f"e^(raw{-trace.shift:+})" if trace.shift else "e^raw"
        cells = self._of_classes(
            ("raw output", trace.raw_outputs, four),
            (power, trace.exponentials, four),
            ("softmax", trace.probabilities, six),
            ("argmax", np.eye(len(trace.probabilities))[trace.predicted], "{:g}".format),
        )
        everyone: IntArray = np.arange(len(trace.probabilities))
        sums = [("sum", everyone, "1")]
        if len(others):
            sums.insert(0, (plural(len(others), "other"), others, "0"))
        for name, classes, predicted in sums:
            added = four(trace.exponentials[classes].sum())
            cells.append([name, "", added, six(trace.probabilities[classes].sum()), predicted])
        return Section(
            f"softmax{self._count(-1)}: {power} / the sum of all; argmax: 1 for the largest, else "
            "0",
            [Cells(cells[1:], cells[0])],
        )

    def _loss(self, backward: BackwardTrace) -> Section:
        """From the observed class to the loss, and its gradient with respect to the raw outputs."""
        probabilities = self.trace.probabilities
        observed, p = self.names[-1][backward.label], probabilities[backward.label]
        entropy = four(backward.cross_entropy)
        shown_p = six(p) if p else f"e^-{backward.cross_entropy:g}"
        one_hot = np.eye(len(probabilities))[backward.label]
        lines, of_loss = [], []
        if backward.is_squared:
            centre = four((backward.residuals * probabilities).sum())
            of_loss.append(("gradient of loss", backward.gradients, four))
            lines += [
                "loss: squared residuals, the sum of (softmax - observed)^2 = "
                f"{four(backward.loss)}",
                f"  its gradient = 2 x softmax x (softmax - observed - {centre}), where {centre} "
                "is the sum of softmax x (softmax - observed)",
            ]
        heads, *rows = self._of_classes(
            ("softmax", probabilities, six),
            ("observed", one_hot, "{:g}".format),
            ("softmax - observed", backward.residuals, four),
            *of_loss,
            ("gradient of p", backward.softmax_gradient, four),
            ("of argmax", np.zeros(len(probabilities)), four),
        )
        return Section(
            f"observed: {observed}, cross-entropy = -ln({shown_p}) = {entropy}",
            [
                *lines,
                Cells(rows, heads),
                f"p is p({observed}); its gradient with respect to the raw outputs: "
                "p x (observed - softmax)",
                "  times -1 / p, the slope of -ln p: softmax - observed, the gradient of "
                "cross-entropy",
                "gradient of argmax: 0 wherever it has one, so nothing would flow back through "
                "argmax",
            ],
        )

    def _back(self, level: int, gradient: str) -> Section:
        """Back to the units of a hidden layer, and through their ReLU."""
        layer, above = self.trace.layers[level : level + 2]
        assert layer.gradients is not None
        assert above.gradients is not None
        shown = self.shown[level + 1]
        rows = self._weights(level + 2, above.gradients.sums, level + 1, above.weights.T)
        gradients = [*map(four, layer.gradients.outputs[shown])]
        is_live = layer.outputs[shown] > 0
        after = [one if live else "blocked" for one, live in zip(gradients, is_live, strict=True)]
        rows += [["gradient", "", *gradients], ["after ReLU", "", *after]]
        return Section(
            f"back to hidden layer {level + 1}{self._count(level + 1)}: gradient = weight x "
            f"{gradient}, summed",
            [Cells(rows, self._heads("gradient", level + 1), repeated=2)],
        )

    def _gradients(self, level: int, place: str, gradient: str) -> Section:
        """Every gradient of a layer, as the product it is; an input of 0 makes gradients of 0."""
        layer, inputs, targets = self.trace.layers[level], self.shown[level], self.shown[level + 1]
        assert layer.gradients is not None
        sources = inputs if self.everything else inputs[layer.inputs[inputs] != 0]
        is_blocked = np.zeros(len(layer.sums), np.bool_)
        if level + 1 < len(self.trace.layers):
            is_blocked = layer.outputs <= 0
        columns = [[*(self.names[level][i] for i in sources), "bias"]]
        heads = [""]
        for j in targets[~is_blocked[targets]]:
            own = layer.gradients.sums[j]
            products = (f"{four(x)} x {four(own)} = {four(x * own)}" for x in layer.inputs[sources])
            columns.append([*products, four(own)])
            heads.append(self.names[level + 1][j])
        parts: list[str | Cells] = []
        if len(heads) > 1:
            parts.append(Cells([*zip(*columns, strict=True)], heads, repeated=1))
            if zeros := len(inputs) - len(sources):
                parts.append(f"{plural(zeros, 'input')} shown above as 0: gradients of 0")
        blocked = [self.names[level + 1][j] for j in targets[is_blocked[targets]]]
        if unshown := np.count_nonzero(is_blocked[self.others[level + 1]]):
            blocked.append(f"{unshown:,} of the units not shown")
        if blocked:
            parts.append(f"blocked by ReLU, so that all gradients are 0: {', '.join(blocked)}")
        return Section(
            f"gradients of {place}: of a weight {self._title(level)} x {gradient}, of a bias "
            f"{gradient}",
            parts,
        )

    def _step(self, backward: BackwardTrace) -> Section:
        before, after = self.trace.probabilities, backward.probabilities_after
        heads, *rows = self._of_classes(
            ("raw output", self.trace.raw_outputs, four),
            ("after the step", backward.raw_outputs_after, four),
            ("softmax", before, six),
            ("after the step", after, six),
        )
        label = backward.label
        loss = "squared residuals" if backward.is_squared else "cross-entropy"
        return Section(
            f"one step, on a copy: every parameter - learning rate {backward.learning_rate:g} x "
            "its gradient, for this row alone",
            [
                Cells(rows, heads),
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
        parts: list[str | Cells] = []
        if self.everything or networks <= MOST_NETWORKS:
            names = [str(network) for network in range(1, networks + 1)]
            names[explanation.network] += " (this)"
            parts.append(Cells([["p", *shown]], ["network", *names], repeated=1))
        smallest, largest = int(probabilities.argmin()), int(probabilities.argmax())
        parts.append(
            f"smallest {shown[smallest]} (network {smallest + 1}), largest {shown[largest]} "
            f"(network {largest + 1}), mean {four(probabilities.mean())}: the model's prediction"
        )
        trained = explanation.trained_on_row
        if trained is not None and not trained.all():
            unseen = [str(network + 1) for network in np.flatnonzero(~trained)]
            parts.append(f"not trained on this row: network {', '.join(unseen)}")
        kind = "predicted" if self.trace.backward is None else "observed"
        return Section(
            f"the same row through all {networks} networks: p({self.names[-1][label]}), the {kind} "
            "class",
            parts,
        )

    def _count(self, level: int) -> str:
        """`, 6 of 32` where not all of a level is shown."""
        if not len(self.others[level]):
            return ""
        return f", {len(self.shown[level])} of {len(self.names[level]):,}"

    def _source(self, place: int) -> int:
        """Which feature an input of the first layer is, or is a bin of."""
        features, bins = len(self.explanation.feature_names), self.explanation.bins
        if place < features or bins is None:
            return place
        return int(bins.columns[(place - features) // bins.widths.shape[-1]])

    def _title(self, level: int) -> str:
        """Name what goes into a layer."""
        inputs = "scaled" if self.explanation.bins is None else "input"
        return "ReLU" if level else inputs

    def _heads(self, title: str, level: int) -> list[str]:
        """Heads of a table of weights: what they multiply, and what they lead to."""
        return ["", title, *(self.names[level][j] for j in self.shown[level])]

    def _weights(self, source: int, values: Array, target: int, weights: Array) -> list[list[str]]:
        """Make rows of weights from one level to another, beside the values that they multiply."""
        columns, others = self.shown[target], self.others[source]
        rows = [
            [self.names[source][i], four(values[i]), *map(four, weights[i, columns])]
            for i in self.shown[source]
        ]
        if len(others):
            added = values[others] @ weights[np.ix_(others, columns)]
            sum_of = "1 other adds" if len(others) == 1 else f"{len(others):,} others add"
            rows.append([sum_of, "", *map(four, added)])
        return rows

    def _of_classes(self, *columns: tuple[str, Array, Callable[[float], str]]) -> list[list[str]]:
        """Make rows of a table, its heads first: numbers of the classes, and how to write them."""
        return [
            ["", *(head for head, _, _ in columns)],
            *(
                [self.names[-1][label], *(write(numbers[label]) for _, numbers, write in columns)]
                for label in self.shown[-1]
            ),
        ]


def _touched(explanation: Explanation, bins: Bins) -> BoolArray:
    """Which inputs to show: every feature, and of its bins those that its value lies in."""
    scaled = explanation.trace.layers[0].inputs[bins.columns, None]
    low, high = bins.edges[0, :, :-1], bins.edges[0, :, 1:]
    touched = (low <= scaled) & (scaled <= high) & (low < high)
    return np.concatenate([np.ones(len(explanation.feature_names), np.bool_), touched.ravel()])


def _largest(strengths: Array, most: int) -> IntArray:
    """Places of the largest values that are not negative, in order of place."""
    places = np.argsort(-strengths, kind="stable")[:most]
    return np.sort(places[strengths[places] >= 0])
