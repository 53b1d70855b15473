"""Pictures of one network: its units and weights, and what a row makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minnet.analysis.explanation import Explanation, check_place
from minnet.arrays import Array, BoolArray, IntArray
from minnet.model.document import check_layers
from minnet.model.model import Model
from minnet.network.layers import Dense
from minnet.network.preparation import input_names
from minnet.plots import figure

MOST_UNITS_SHOWN, LONGEST_INPUT = 12, 36
THICKEST = 4.5
CIRCLE_AREA = 620
HEADER_HEIGHT = 1.1
LINES: dict[bool, dict[str, Any]] = {
    True: {"color": figure.BLUE},
    False: {"color": figure.VERMILLION, "linestyle": (0, (4, 1.5))},
}
"""How a weight looks, by whether it is positive."""
BESIDE: dict[str, dict[str, Any]] = {
    "left": {"xytext": (-17, 0), "ha": "right"},
    "right": {"xytext": (17, 0), "ha": "left"},
    "above": {"xytext": (0, 14), "va": "baseline", "fontsize": "small"},
}
"""How a name stands beside its unit."""


class _Units(NamedTuple):
    """One column of circles.

    Attributes
    ----------
    header
        Above the column.
    values
        Written in the circles, `(units,)`; NaN for nothing.
    names
        Beside the circles; empty for nothing.
    strengths
        `(units,)`: the strongest units are shown.
    """

    header: str
    values: Array
    names: Sequence[str]
    strengths: Array

    @property
    def shown(self) -> IntArray:
        """Indices of the strongest units, in their own order."""
        # One more is shown where it would be the only one left out.
        most = MOST_UNITS_SHOWN + (len(self.strengths) == MOST_UNITS_SHOWN + 1)
        return np.sort(np.argsort(-self.strengths, kind="stable")[:most])


def plot_network(model: Model, network: int = 0, ax: figure.Axes | None = None) -> figure.Axes:
    """Draw the units of one network, with their biases, and the weights between them.

    A line is the thicker and the less pale, the larger its weight; positive ones are blue, negative
    ones orange and dashed. Of a wide layer the 12 units with the largest weights are shown.

    Parameters
    ----------
    network
        Counted from 0.

    Returns
    -------
    Axes
        What was drawn on.

    Raises
    ------
    SettingsError
        If there is no such network.
    ModelError
        If the picture does not know a layer; see `check_layers`.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> print(minnet.plot_network(model).get_title(loc="left"))
    iris.csv: network 1 of 8
    in the circles: each unit's bias; pale: a small weight
    """
    check_layers(model.network.layers, "drawn")
    networks = len(model.network)
    check_place("network", network, networks, "the model")
    layers = [layer for layer in model.network.layers if isinstance(layer, Dense)]
    weights = [layer.weights.values[network].astype(np.float64) for layer in layers]
    biases = [layer.biases.values[network, 0].astype(np.float64) for layer in layers]
    leaving = [np.abs(matrix).sum(axis=1) for matrix in weights]
    arriving = [np.abs(matrix).sum(axis=0) for matrix in weights]
    features = input_names(model.network.layers, model.encoder.features, network)
    nothing, names = np.full(len(features), np.nan), figure.labels(features, LONGEST_INPUT)
    classes = figure.labels(model.encoder.class_names)
    strengths = map(np.multiply, arriving, leaving[1:])
    columns = [
        _Units("input, scaled", nothing, names, leaving[0]),
        *_hidden(zip(biases[:-1], strengths, strict=True)),
        _Units("raw output", biases[-1], classes, arriving[-1]),
    ]
    title = f"network {network + 1} of {networks}"
    circles = "in the circles: each unit's bias; pale: a small weight"
    return _draw(ax, columns, weights, model.trained_on, title, circles)


def plot_row(explanation: Explanation, ax: figure.Axes | None = None) -> figure.Axes:
    """Draw one row on its way through one network; see `plot_network` for the lines.

    A circle holds what the unit passes on: the scaled input, the ReLU of its sum (0 in a dashed
    circle: it is off, and its lines are pale), the raw output. Beside the raw outputs stand the
    probabilities. Of a wide layer the 12 units are shown that move the raw outputs most.

    Returns
    -------
    Axes
        What was drawn on.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> explanation = minnet.explain(model, "data/iris.csv", row=0, network=2)
    >>> print(minnet.plot_row(explanation).get_title(loc="left").splitlines()[0])
    iris.csv: row 1 in network 3 of 8
    """
    layers, probabilities = explanation.trace.layers, explanation.trace.probabilities
    inputs = figure.labels(explanation.input_names, LONGEST_INPUT)
    for place, value in enumerate(explanation.values):
        inputs[place] += f": {'missing' if np.isnan(value) else f'{value:g}'}"
    names = figure.labels(explanation.class_names)
    classes = [f"{p:.3f} {name}" for p, name in zip(probabilities, names, strict=True)]
    classes[explanation.trace.predicted] += ", predicted"
    importance = probabilities.copy()
    if explanation.trace.backward is not None:
        observed = explanation.trace.backward.label
        classes[observed] += ", observed"
        importance[observed] = np.inf
    columns = [
        _Units("input, scaled", layers[0].inputs, inputs, layers[0].strengths),
        *_hidden((below.outputs, above.strengths) for below, above in pairwise(layers)),
        _Units("raw output, softmax", explanation.trace.raw_outputs, classes, importance),
    ]
    title = f"row {explanation.row + 1} in network "
    title += f"{explanation.network + 1} of {len(explanation.all_probabilities)}"
    circles = "in the circles: what each unit passes on; pale: a small weight, or times 0"
    weights = [layer.weights for layer in layers]
    return _draw(ax, columns, weights, explanation.source, title, circles)


def _hidden(layers: Iterable[tuple[Array, Array]]) -> list[_Units]:
    """Name the units of hidden layers by their numbers; given are their values and strengths."""
    return [
        _Units(f"hidden {n}, ReLU", values, [str(k + 1) for k in range(len(values))], strengths)
        for n, (values, strengths) in enumerate(layers, 1)
    ]


def _draw(
    ax: figure.Axes | None, columns: Sequence[_Units], weights: Sequence[Array], *title: str
) -> figure.Axes:
    """Draw the columns of units from left to right, and the weights between those shown.

    The title is that of `figure.finish`, with its source.
    """
    last = len(weights)
    tallest = max(len(column.shown) for column in columns)
    letters = sum(max(map(len, columns[i].names)) for i in (0, -1))
    axes = ax or figure.new_axes(1.0 + 0.08 * letters + 2.0 * last, 2.2 + 0.46 * tallest)
    drawn = [
        matrix[np.ix_(below.shown, above.shown)]
        for matrix, (below, above) in zip(weights, pairwise(columns), strict=True)
    ]
    largest = max(np.abs(matrix).max() for matrix in drawn)
    top = tallest / 2 + HEADER_HEIGHT
    heights = []
    for place, column in enumerate(columns):
        units, left_out = len(column.shown), len(column.values) - len(column.shown)
        # Spread over the height of the tallest column, but not further than two steps.
        step = min(2.0, (tallest - 1) / max(units - 1, 1))
        heights.append(step * ((units - 1) / 2 - np.arange(units)))
        side = "left" if place == 0 else "right" if place == last else "above"
        _draw_units(axes, place, heights[place], column, side)
        more = f"\n({left_out:,} weaker left out)" if left_out else ""
        figure.write(axes, column.header + more, (place, top), fontsize="small", va="top")
    for place, matrix in enumerate(drawn):
        pale = np.equal(columns[place].values[columns[place].shown], 0)
        _draw_weights(axes, place, heights[place : place + 2], matrix / (largest or 1.0), pale)
    for label, width, look in (
        ("positive weight", 3, LINES[True]),
        ("negative weight", 3, LINES[False]),
        (f"weight of size {largest:.2f}", 0.3 + THICKEST, {"color": figure.GREY}),
    ):
        axes.plot([], [], linewidth=width, label=label, **look)
    axes.set(xlim=(-0.2, last + 0.2), ylim=(-tallest / 2 - 0.1, top))
    axes.set_axis_off()
    return figure.finish(axes, *title, legend="below", bbox_to_anchor=(0.5, 0), ncols=3)


def _draw_weights(
    axes: figure.Axes, place: int, heights: Sequence[Array], weights: Array, pale: BoolArray
) -> None:
    """Draw a line for each weight, `(below, above)`, scaled to -1..1; the thickest come on top."""
    below, above = heights
    order = np.argsort(np.abs(weights), axis=None)
    for start, end in zip(*np.unravel_index(order, weights.shape), strict=True):
        size = abs(weights[start, end])
        opacity = (0.1 + 0.8 * size) * (0.3 if pale[start] else 1)
        look = {"linewidth": 0.3 + THICKEST * size, "alpha": opacity, "zorder": 1}
        look |= LINES[bool(weights[start, end] > 0)]
        if size:
            axes.plot([place, place + 1], [below[start], above[end]], **look)


def _draw_units(axes: figure.Axes, place: int, heights: Array, column: _Units, side: str) -> None:
    """Draw the circles, filled the more, the larger the value; a 0 has a dashed rim.

    Names stand to the left of the inputs, to the right of the classes, above hidden units.
    """
    values = column.values[column.shown]
    largest = np.abs(values).max(initial=0, where=~np.isnan(values)) or 1.0
    tints = np.nan_to_num(np.abs(values) / largest)[:, None] * 0.5
    colours = np.where(values[:, None] < 0, figure.rgb(figure.VERMILLION), figure.rgb(figure.BLUE))
    rims = ["dashed" if value == 0 else "solid" for value in values]
    circles = axes.scatter([place] * len(heights), heights, CIRCLE_AREA, zorder=2)
    circles.set(facecolors=1 - tints * (1 - colours), edgecolors=figure.GREY, linestyles=rims)
    for unit, height, value in zip(column.shown, heights, values, strict=True):
        if not np.isnan(value):
            # At most five characters or so.
            text = f"{value:.2f}" if abs(value) < 9.995 else f"{value:.3g}"
            figure.write(axes, text, (place, height), fontsize=figure.SMALL_PRINT)
        figure.write(axes, column.names[unit], (place, height), **BESIDE[side])
