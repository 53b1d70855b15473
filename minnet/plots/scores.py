"""Pictures of how a model learned, how good it is and why; each draws on `ax` or a new figure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minnet.analysis.importance import MOST_COLUMNS_SHOWN, Importance
from minnet.analysis.seeds import SeedStudy
from minnet.errors import counted, plural
from minnet.model.curves import TENTHS, tenth_of
from minnet.model.model import Model
from minnet.model.scores import MOST_CLASSES_CROSSED, Evaluation
from minnet.network.losses import LOSSES
from minnet.plots import figure

MOST_CLASSES_COUNTED = 50
MOST_CALIBRATION_CURVES = 4
MOST_ROWS_SHOWN = 30
TALLEST_BAR = 0.2
LEAST_SHOWN = 1e-6
"""Of the loss, as a share of that of the class shares: it may be 0."""


def plot_loss(model: Model, ax: figure.Axes | None = None) -> figure.Axes:
    """Draw the loss of every epoch: thin lines for the networks, thick ones for their means.

    The dotted line is the loss of always giving the class shares; dots mark the epoch whose
    parameters each network kept.

    Returns
    -------
    Axes
        What was drawn on.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> minnet.plot_loss(model).get_xlabel()
    'epoch'
    """
    axes = ax or figure.new_axes()
    history = model.history
    epochs = np.arange(1, len(history.training_loss) + 1)
    # As float64, in which no mean of them overflows.
    both = np.stack([history.training_loss, history.holdout_loss]).astype(np.float64)
    means = both.mean(axis=2)
    looks = (
        ("training, while the weights move", figure.ORANGE, "--"),
        ("holdout, of their average over the epochs", figure.BLUE, "-"),
    )
    for losses, mean, (name, colour, style) in zip(both, means, looks, strict=True):
        axes.plot(epochs, losses, style, color=colour, linewidth=0.6, alpha=0.35)
        axes.plot(epochs, mean, style, color=colour, linewidth=2.4, label=name)
    baseline = LOSSES[model.settings.loss].of_class_shares(np.array(model.class_counts))
    shares = f"class shares: {baseline:.3f}"
    axes.axhline(baseline, color=figure.GREY, linestyle=":", label=shares)
    kept = history.best_epochs, history.kept_losses
    axes.plot(*kept, "o", color=figure.BLUE, markeredgecolor="white", markersize=5)
    # The first epochs may leave the picture, so that the curves get the room.
    top = max(1.25 * baseline, float(np.percentile(means, 98)))
    axes.set_ylim(0, top)
    if means.min() < 0.1 * baseline:
        axes.set_yscale("log")
        axes.set_ylim(max(0.7 * float(means.min()), LEAST_SHOWN * baseline), top)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
    axes.locator_params(axis="x", integer=True)
    loss = "squared residuals (per row)"
    if model.settings.loss == "cross-entropy":
        loss = "cross-entropy (nats per row)"
    axes.set(xlim=(0, len(epochs) + 1), xlabel="epoch", ylabel=loss)
    networks = len(model.network)
    what = "1 network" if networks == 1 else f"{networks} networks (thin lines) and their mean"
    return figure.finish(
        axes,
        model.trained_on,
        f"loss of {what}",
        f"kept (dots): {history.kept}, holdout loss {history.kept_losses.mean():.3f}",
        legend="below",
    )


def plot_confusion(evaluation: Evaluation, ax: figure.Axes | None = None) -> figure.Axes:
    """Draw how many rows of each class got each prediction: correct ones blue, wrong ones orange.

    A row of cells is an observed class, a column a predicted one; the colour is the stronger, the
    larger the share of the observed class. Over 50 classes only the colours are shown.

    Returns
    -------
    Axes
        What was drawn on.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> evaluation = minnet.evaluate(model, "data/iris.csv")
    >>> minnet.plot_confusion(evaluation).get_xlabel()
    'predicted class'
    """
    counts = evaluation.confusion
    classes = len(counts)
    few = classes <= MOST_CLASSES_CROSSED
    side = min(max(4.2, classes * (0.55 if few else 0.3)), 16.0)
    axes = ax or figure.new_axes(side + 1.8, side + 1.4)
    of_classes = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(of_classes > 0, of_classes, 1)
    # So that a single error among many rows can be seen at all.
    strengths = np.where(counts > 0, 0.15 + 0.85 * shares, 0)[..., None]
    is_correct = np.eye(classes, dtype=np.bool_)[..., None]
    colours = np.where(is_correct, figure.rgb(figure.BLUE), figure.rgb(figure.VERMILLION))
    axes.imshow(1 - strengths * (1 - colours), interpolation="nearest")
    if classes <= MOST_CLASSES_COUNTED:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.6 else "black"
            size = 10 if few else figure.SMALL_PRINT
            text = counted(counts[row, column])
            figure.write(axes, text, (column, row), color=colour, fontsize=size)
    every = math.ceil(classes / MOST_CLASSES_COUNTED)
    ticks = np.arange(0, classes, every)
    names = figure.labels(evaluation.class_names)[::every]
    rows = [f"{name} ({counted(counts[k].sum())})" for k, name in zip(ticks, names, strict=True)]
    is_wide = max(map(len, names)) * len(names) > 9 * side
    axes.set_xticks(ticks, names, rotation=90 if is_wide else 0)
    axes.set_yticks(ticks, rows)
    axes.tick_params(length=0, labelsize="medium" if few else figure.SMALL_PRINT)
    axes.spines[:].set_visible(False)
    for edge in np.arange(classes + 1) - 0.5:
        axes.axhline(edge, color="#E8E8E8", linewidth=1)
        axes.axvline(edge, color="#E8E8E8", linewidth=1)
    unit = "rows" if evaluation.weight == len(evaluation) else "weight"
    axes.set(xlabel="predicted class", ylabel=f"observed class ({unit})")
    title = f"{evaluation.hits} correct ({100 * evaluation.accuracy:.1f} %)"
    return figure.finish(axes, evaluation.source, title, evaluation.judged_by)


def plot_calibration(evaluation: Evaluation, ax: figure.Axes | None = None) -> figure.Axes:
    """Draw how often a class occurs for each probability of it (a reliability diagram).

    A curve for each of the most frequent classes; of two classes, for the second alone. A point
    stands for the rows whose probability of the class lies in one tenth of 0..1, with the 95 %
    interval of their share; grey bars say how many rows that are, where there is one curve. On the
    dashed line probabilities are perfectly calibrated; below it, they are too high.

    Returns
    -------
    Axes
        What was drawn on.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> evaluation = minnet.evaluate(model, "data/iris.csv")
    >>> minnet.plot_calibration(evaluation).get_xlabel()
    'probability of the class'
    """
    axes = ax or figure.new_axes()
    axes.plot([0, 1], [0, 1], "--", color=figure.GREY, label="perfectly calibrated")
    names = figure.labels(evaluation.class_names)
    shown = evaluation.main_classes[:MOST_CALIBRATION_CURVES]
    for k in shown:
        rows, probabilities, shares, intervals = map(
            np.array, zip(*evaluation.calibration_curve(k), strict=True)
        )
        if len(shown) == 1:
            middles, heights = tenth_of(probabilities) + 0.5, TALLEST_BAR * rows / rows.max()
            bars = axes.bar(middles / TENTHS, heights, 0.94 / TENTHS, color="#DDDDDD")
            bars.set_label("how many rows")
            counts = [f"{count:,}" for count in rows]
            axes.bar_label(bars, counts, color=figure.GREY, fontsize="small")
        look: dict[str, Any] = {"color": figure.class_colour(k), "linewidth": 1, "capsize": 3}
        look |= {"fmt": f"{figure.class_marker(k)}-", "label": names[k]}
        axes.errorbar(probabilities, shares, np.abs(intervals.T - shares), **look)
    axes.set(xlim=(-0.01, 1.01), xlabel="probability of the class")
    axes.set(ylim=(-0.01, 1.03), ylabel="share of rows of the class (95 % intervals)")
    some = figure.most_frequent(len(shown), len(evaluation.main_classes))
    title = [f"calibration error {evaluation.calibration_in_words}", some, evaluation.judged_by]
    return figure.finish(axes, evaluation.source, *title, legend="below")


def plot_seeds(study: SeedStudy, ax: figure.Axes | None = None) -> figure.Axes:
    """Draw the probability of the observed class, a dot for each seed, for the most unstable rows.

    Blue dots are correct predictions, orange crosses wrong ones, the bar is the median. At most 30
    rows are shown, those whose class depends most on the seed, then those whose probability does,
    sorted by the median.
    """
    smallest, median, largest = study.ranges
    by_range = np.argsort(smallest - largest, kind="stable")
    others = by_range[~np.isin(by_range, study.unstable)]
    shown = np.concatenate([study.unstable, others])[:MOST_ROWS_SHOWN]
    shown = shown[np.argsort(median[shown], kind="stable")]
    places = np.arange(len(shown))
    axes = ax or figure.new_axes(7.4, 1.6 + 0.24 * len(shown))
    # The golden ratio spreads the seeds over a strip without a pattern and without chance.
    offsets = (np.arange(len(study)) * 0.618034 % 1 - 0.5) * 0.6
    heights = places + offsets[:, None]
    values, correct = study.probabilities[:, shown], study.correct[:, shown]
    for which, marker, colour, opacity, meaning in (
        (correct, "o", figure.BLUE, 0.5, "correct prediction"),
        (~correct, "x", figure.VERMILLION, 1.0, "wrong prediction"),
    ):
        x, y = values[which], heights[which]
        axes.plot(x, y, marker, color=colour, markersize=3.5, alpha=opacity, label=meaning)
    (bars,) = axes.plot(median[shown], places, "|", color="black", label="median")
    bars.set(markersize=14, markeredgewidth=2)
    classes = figure.labels(study.class_names)
    names = [
        f"row {study.rows[row] + 1}, {classes[study.labels[row]]}"
        + (" *" if study.held_out[row] else "")
        for row in shown
    ]
    axes.set_yticks(places, names, fontsize="small")
    axes.grid(axis="y", color="#EEEEEE")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.7, len(shown) - 0.3), axisbelow=True)
    axes.set_xlabel("probability of the observed class (* held out, others trained on)")
    return figure.finish(
        axes,
        study.table.source,
        f"{len(study):,} networks that differ only in their seed",
        f"{len(study.unstable):,} of {len(study.labels):,} rows change class with it; shown: "
        f"the {len(shown)} that move most",
        legend="right",
    )


def plot_importance(importance: Importance, ax: figure.Axes | None = None) -> figure.Axes:
    """Draw how much the log loss grows when the cells of a column are shuffled, a bar a column.

    Blue bars are more than chance, grey ones are not; the pale band around 0 is how far from it the
    increase of an uninformative column may be. The dots are single networks on the rows that
    each judged. At most 30 columns are shown, the most important ones.

    Returns
    -------
    Axes
        What was drawn on.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> axes = minnet.plot_importance(minnet.importance(model, "data/iris.csv"))
    >>> axes.get_title(loc="left").startswith("iris.csv: ")
    True
    """
    shown = slice(MOST_COLUMNS_SHOWN)
    names = figure.labels(importance.columns[shown])
    means, chance = importance.means[shown], importance.chance[shown]
    heights = np.arange(len(names))
    axes = ax or figure.new_axes(7.4, 1.6 + 0.26 * len(names))
    axes.use_sticky_edges = False  # else a bar may reach the edge of the picture
    axes.barh(heights, 2 * chance, 0.8, left=-chance, color="#DDDDDD", label="by chance (95 %)")
    matters = importance.matters[shown]
    for which, colour, meaning in (
        (matters, figure.BLUE, "increase"),
        (~matters, figure.GREY, "no more than chance"),
    ):
        if which.any():
            axes.barh(heights[which], means[which], 0.4, color=colour, label=meaning)
    own = importance.network_increases[shown]
    dots = axes.plot(own, heights, "o", color=figure.ORANGE, markersize=4, markeredgecolor="white")
    dots[0].set_label("single networks")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(heights, names)
    axes.set(ylim=(len(names) - 0.4, -0.6))
    axes.set_xlabel("increase of the log loss when the column is shuffled (nats per row)")
    columns = f"{importance.matters.sum():,} of {plural(len(importance), 'column')}"
    more = f"; shown: the first {len(names)}" if len(importance) > len(names) else ""
    title = [f"{columns} matter more than chance{more}", importance.judged_by]
    return figure.finish(axes, importance.source, *title, legend="right")
