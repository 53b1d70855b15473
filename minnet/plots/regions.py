"""A picture of what a model predicts over two of its columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.data.columns import NumericColumn
from minnet.data.table import Table
from minnet.errors import DataError, SettingsError, plural, unknown_name
from minnet.model.model import Model
from minnet.model.scores import evaluate
from minnet.network.layers import Dense
from minnet.network.preparation import Bins, preparation_of
from minnet.plots import figure

POINTS_PER_SIDE = 200
MOST_OTHERS_LISTED = 3
LONGEST_AXIS_LABEL = 60
NARROWEST, WIDEST = 1e-200, 1e200
REACH = (1, 99)
MOST_POINTS = 2000
MOST_NAMES = 20
MOST_JITTERED = 30
DRAWN_IN_TURNS = 10


def plot_regions(
    model: Model,
    table: Table,
    x: str | None = None,
    y: str | None = None,
    ax: figure.Axes | None = None,
) -> figure.Axes:
    """Draw the predictions over two numeric columns, with the rows of a table on top.

    All other columns stay at the median or the most frequent category of the training table. The
    colour is that of the most probable class (mean of the networks), the stronger the closer its
    probability is to 1; the dark lines are where the prediction changes. A ring marks a row that is
    predicted wrong from all its columns, by networks that never saw it.

    Parameters
    ----------
    model
        Predicts every point of a grid.
    table
        Its labelled rows are drawn as markers, at most 2,000 of them, evenly chosen. The axes reach
        from the 1st to the 99th percentile of the rows; those beyond are drawn at the edge.
    x, y
        Names of the columns. By default those to which the networks react most: with the largest
        weights (root of the mean square) in the first layer, where all columns have one scale.

    Returns
    -------
    Axes
        What was drawn on.

    Raises
    ------
    SettingsError
        If a column is not numeric, or there are not two such columns.
    DataError
        If the table does not fit the model.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> axes = minnet.plot_regions(model, minnet.read_csv("data/iris.csv"), "petal_length")
    >>> axes.get_xlabel()
    'petal_length'
    """
    columns = _chosen_columns(model, x, y)
    examples = model.encoder.examples(table)
    evaluation = evaluate(model, table)
    wrong = np.isin(examples.rows, evaluation.rows[evaluation.predicted != evaluation.labels])
    features = [model.encoder.slices[column.name].start for column in columns]
    rows = examples.features[:, features]
    xs, ys = (_side(column, values) for column, values in zip(columns, rows.T, strict=True))
    probabilities = _probabilities_over(model, features, xs, ys)
    axes = ax or figure.new_axes(8.4, 5.2)
    names = figure.labels(model.encoder.class_names)
    _draw_predictions(axes, model, xs, ys, probabilities)
    x, y = figure.labels((column.name for column in columns), LONGEST_AXIS_LABEL)
    axes.set(xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]), xlabel=x, ylabel=y)
    told = _draw_rows(axes, rows, examples.labels, wrong, names)
    title = ["the prediction at each point", *_others(model, examples.features, columns)]
    return figure.finish(axes, model.trained_on, *title, legend="right", title="\n".join(told))


def _chosen_columns(model: Model, x: str | None, y: str | None) -> list[NumericColumn]:
    """Find the columns of these names, or else those with the largest weights."""
    numeric = {own.name: own for own in model.encoder.columns if isinstance(own, NumericColumn)}
    names = list(numeric)
    if len(names) < 2:
        there = f"only {names[0]!r}" if names else "none"
        raise SettingsError(f"regions are drawn over two numeric columns: the model has {there}")
    for name in (x, y):
        if name is not None and name not in names:
            raise SettingsError(unknown_name("the model", "numeric column", name, names))
    if x is not None and x == y:
        raise SettingsError(f"x and y are both {x!r}: choose two columns")
    strengths = column_strengths(model)
    by_strength = sorted(names, key=lambda name: -strengths[name])
    others = (name for name in by_strength if name not in (x, y))
    return [numeric[next(others) if name is None else name] for name in (x, y)]


def column_strengths(model: Model) -> dict[str, float]:
    """How strongly the networks weigh each column in the first layer, where all have one scale.

    The root of the mean square of the weights, times the height of a bin; of a column's features
    and their bins, the largest.
    """
    first = next(layer for layer in model.network.layers if isinstance(layer, Dense))
    squares = np.square(first.weights.values.astype(np.float64)).mean(axis=(0, 2))
    for layer in model.network.layers:
        if isinstance(layer, Bins):
            squares[-len(layer.heights) :] *= layer.heights**2
    return {
        name: float(np.sqrt(squares[preparation_of(model.network.layers, own)[1]].max()))
        for name, own in model.encoder.slices.items()
    }


def _side(column: NumericColumn, values: Array) -> Array:
    """Points along one axis, from the 1st to the 99th percentile of the rows, and a little more."""
    present = values[~np.isnan(values)]
    ends = np.array([column.minimum, column.maximum])
    low, high = np.percentile(present if len(present) else ends, REACH).tolist()
    margin = 0.05 * (high - low)
    if margin <= 1e-9 * abs(high):
        margin = 0.05 * abs(high) or 0.5
    if not NARROWEST < margin < WIDEST:
        raise DataError(f"column {column.name!r}: from {low:g} to {high:g} cannot be drawn")
    return np.linspace(low - margin, high + margin, POINTS_PER_SIDE)


def _probabilities_over(model: Model, features: Sequence[int], xs: Array, ys: Array) -> Array:
    """Mean probabilities where these two features have these values, `(ys, xs, classes)`."""
    line = np.zeros((len(xs), len(model.encoder.features)))
    encoder = model.encoder
    for column, own in zip(encoder.plain_columns, encoder.slices.values(), strict=True):
        # The first feature of a categorical column is its most frequent one.
        line[:, own.start] = column.median if isinstance(column, NumericColumn) else 1.0
    x, y = features
    line[:, x] = xs
    lines = []
    for value in ys:
        line[:, y] = value
        lines.append(model.member_probabilities_of(line).mean(axis=0))
    return np.stack(lines)


def _draw_predictions(
    axes: figure.Axes, model: Model, xs: Array, ys: Array, probabilities: Array
) -> None:
    """Colour each point by its prediction, name the regions, and draw lines between them."""
    from matplotlib.patheffects import withStroke

    names, predicted = figure.labels(model.class_names), model.labels_of(probabilities)
    classes, largest = len(names), probabilities.max(axis=-1)
    strengths = 0.05 + 0.65 * (largest - 1 / classes) / (1 - 1 / classes)
    colours = np.array([figure.class_colour(k) for k in range(classes)])[predicted]
    half_x, half_y = (xs[1] - xs[0]) / 2, (ys[1] - ys[0]) / 2
    axes.imshow(
        1 - strengths[..., None] * (1 - colours),
        origin="lower",
        extent=(xs[0] - half_x, xs[-1] + half_x, ys[0] - half_y, ys[-1] + half_y),
        aspect="auto",
        interpolation="nearest",
    )
    size = "medium" if classes <= MOST_NAMES else figure.SMALL_PRINT
    look: dict[str, Any] = {"fontsize": size, "fontweight": "bold"}
    look["path_effects"] = [withStroke(linewidth=3, foreground="white")]
    for k in np.unique(predicted):
        inside = np.equal(predicted, k)
        row, column = _middle(inside)
        figure.write(axes, names[k], (xs[column], ys[row]), **look)
        ahead = probabilities[..., k] - np.delete(probabilities, k, axis=-1).max(axis=-1)
        if not inside.all():
            axes.contour(
                xs, ys, ahead, levels=[ahead[inside].min()], colors="black", linewidths=1.2
            )


def _jittered(rows: Array) -> Array:
    """Shift values of columns of few whole numbers a little, to tell equal rows apart."""
    generator = np.random.default_rng(0)
    shifted = rows.copy()
    for column in shifted.T:
        distinct = np.unique(column[~np.isnan(column)])
        if 1 < len(distinct) <= MOST_JITTERED and np.equal(np.mod(distinct, 1), 0).all():
            column += generator.uniform(-0.25, 0.25, len(column)) * np.diff(distinct).min()
    return shifted


def _draw_rows(
    axes: figure.Axes, rows: Array, observed: IntArray, wrong: BoolArray, names: Sequence[str]
) -> list[str]:
    """Draw the rows of a table, another marker for each class, in random order.

    Those beyond the edge of the axes are drawn at the edge. Returns what to say of them above a
    legend.
    """
    inside = np.clip(rows, *np.transpose([axes.get_xlim(), axes.get_ylim()]))
    beyond = int((rows != inside).any(axis=1).sum())
    rows = _jittered(inside)
    every = math.ceil(len(rows) / MOST_POINTS)
    order = np.random.default_rng(0).permutation(len(rows))[::every]
    present = np.unique(observed)
    size = 6 if len(rows) < 500 else 4
    opacity = max(0.35, min(1.0, (500 / len(order)) ** 0.5))
    look: dict[str, Any] = {"linestyle": "none", "markersize": size, "markeredgewidth": 0.6}
    look["markeredgecolor"] = "black"
    looks = {
        k: look | {"marker": figure.class_marker(k), "color": figure.class_colour(k)}
        for k in present
    }
    for batch in np.array_split(order, DRAWN_IN_TURNS):
        for k in present:
            axes.plot(*rows[batch[observed[batch] == k]].T, alpha=opacity, **looks[k])
    shown = order[wrong[order]]
    ring = look | {"marker": "o", "color": "none", "markeredgecolor": figure.VERMILLION}
    ring |= {"markersize": 1.8 * size, "markeredgewidth": 1.2}
    for k in present[:MOST_NAMES]:
        axes.plot([], [], label=names[k], **looks[k])
    if len(shown):
        axes.plot(*rows[shown].T, label="predicted wrong", **ring)
    told = {
        "observed class": True,
        f"(1 row in {every} drawn)": every > 1,
        f"({MOST_NAMES} of {len(present)} listed)": len(present) > MOST_NAMES,
        f"({beyond:,} beyond the edge)": beyond,
    }
    return [line for line, is_so in told.items() if is_so]


def _middle(inside: BoolArray) -> IntArray:
    """Find a point far from the border of a region: peel off its rim until nothing is left."""
    while True:
        padded = np.pad(inside, 1)
        beside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        if not (inside & beside).any():
            left: IntArray = np.argwhere(inside)
            return np.asarray(left[len(left) // 2])
        inside = inside & beside


def _others(model: Model, features: Array, drawn: Sequence[NumericColumn]) -> list[str]:
    """Say where the other columns stand, and how many rows lie near that."""
    others = [column for column in model.encoder.plain_columns if column not in drawn]
    near = np.ones(len(features), dtype=np.bool_)
    told = []
    names = figure.labels(column.name for column in others)
    for name, column in zip(names, others, strict=True):
        values = features[:, model.encoder.slices[column.name].start]
        if isinstance(column, NumericColumn):
            near &= np.abs(values - column.median) <= 0.5 * np.nanstd(values)
            told.append(f"{name} = {column.median:g}")
        else:
            near &= values == 1
            told.append(f"{name} = {figure.label(''.join(column.categories[:1]))}")
    if len(told) > MOST_OTHERS_LISTED:
        told = [f"the {len(told)} other columns at their median or most frequent category"]
    rows = f"{near.sum():,} of {plural(len(near), 'row')} within half a standard deviation of that"
    return [", ".join(told), rows] if told else []
