"""Rows of a table as markers over two of its columns.

Pictures of how a model learned and how good it is; each draws on `ax` or on a new figure.

A picture of which columns matter; draws on `ax` or on a new figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.analysis.importance import Importance
from minnet.analysis.seeds import SeedStudy
from minnet.arrays import Array, BoolArray, IntArray
from minnet.errors import plural
from minnet.model.model import Model
from minnet.model.scores import TENTHS, Evaluation, tenth_of
from minnet.network.losses import LOSSES
from minnet.plots.figure import (
    BLUE,
    CLASS_MARKERS,
    GREY,
    ORANGE,
    SMALL_PRINT,
    VERMILLION,
    add_legend,
    class_colour,
    halo,
    label,
    labels,
    new_axes,
    rgb,
    set_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 2000
MOST_NAMES = 20
MOST_JITTERED = 30
DRAWN_IN_TURNS = 10
MOST_BOLD_RINGS = 50


def jittered(rows: Array) -> Array:
    """Shift values of columns of few whole numbers a little, to tell equal rows apart."""
    generator = np.random.default_rng(0)
    shifted = rows.copy()
    for column in shifted.T:
        distinct = np.unique(column[~np.isnan(column)])
        if 1 < len(distinct) <= MOST_JITTERED and np.equal(np.mod(distinct, 1), 0).all():
            column += generator.uniform(-0.25, 0.25, len(column)) * np.diff(distinct).min()
    return shifted


def draw_rows(
    axes: Axes,
    rows: Array,
    observed: IntArray,
    wrong: BoolArray,
    names: Sequence[str],
    outside: BoolArray,
) -> None:
    """Draw the rows of a table, another marker for each class, in random order."""
    from matplotlib.lines import Line2D

    every = math.ceil(len(rows) / MOST_POINTS)
    order = np.random.default_rng(0).permutation(len(rows))[::every]
    present = np.unique(observed)
    style: dict[str, Any] = {
        "markersize": 6 if len(rows) < 500 else 4,
        "markeredgecolor": "black",
        "markeredgewidth": 0.6,
        "linestyle": "none",
    }
    opacity = max(0.35, min(1.0, (500 / len(order)) ** 0.5))
    for batch in np.array_split(order, DRAWN_IN_TURNS):
        for k in present:
            own = batch[observed[batch] == k]
            marker = CLASS_MARKERS[k % len(CLASS_MARKERS)]
            axes.plot(*rows[own].T, marker, color=class_colour(k), alpha=opacity, **style)
    shown = order[wrong[order]]
    ring: dict[str, Any] = {
        "marker": "o",
        "color": "none",
        "linestyle": "none",
        "markersize": 1.8 * style["markersize"],
        "markeredgecolor": VERMILLION,
        "markeredgewidth": 2 if len(shown) < MOST_BOLD_RINGS else 0.7,
    }
    axes.plot(*rows[shown].T, **ring)
    lines = [
        Line2D([], [], marker=CLASS_MARKERS[k % len(CLASS_MARKERS)], color=class_colour(k), **style)
        for k in present[:MOST_NAMES]
    ]
    listed = [names[k] for k in present[:MOST_NAMES]]
    if len(shown):
        lines.append(Line2D([], [], **ring))
        listed.append("predicted wrong")
    title = ["observed class"]
    if every > 1:
        title.append(f"(1 row in {every} drawn)")
    if len(present) > MOST_NAMES:
        title.append(f"({MOST_NAMES} of {len(present)} listed)")
    if outside.any():
        title.append(f"({outside.sum():,} beyond the edge)")
    add_legend(axes, lines, listed, "\n".join(title))


MOST_CLASSES_COUNTED = 50
MOST_CALIBRATION_CURVES = 4
MOST_ROWS_SHOWN = 30
TALLEST_BAR = 0.2
LEAST_SHOWN = 1e-6
"""Of the loss, as a share of that of the class shares: it may be 0."""


def plot_loss(model: Model, ax: Axes | None = None) -> Axes:
    """Draw the loss of every epoch: thin lines for the networks, thick ones for their means.

    The dotted line is the loss of always giving the class shares; dots mark the epoch whose
    parameters each network kept.
    """
    axes = ax or new_axes()
    history = model.history
    epochs = np.arange(1, len(history.training_loss) + 1)
    # As float64, in which no mean of them overflows.
    both = np.stack([history.training_loss, history.holdout_loss]).astype(np.float64)
    means = both.mean(axis=2)
    looks = (("training", ORANGE, "--"), ("holdout", BLUE, "-"))
    for losses, mean, (name, colour, style) in zip(both, means, looks, strict=True):
        axes.plot(epochs, losses, style, color=colour, linewidth=0.6, alpha=0.35)
        axes.plot(epochs, mean, style, color=colour, linewidth=2.4, label=name)
    baseline = LOSSES[model.settings.loss].of_class_shares(np.array(model.class_counts))
    axes.axhline(baseline, color=GREY, linestyle=":")
    axes.annotate(
        f"class shares: {baseline:.3f}",
        (1, baseline),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-2, 3),
        textcoords="offset points",
        horizontalalignment="right",
        color=GREY,
        path_effects=halo(),
    )
    kept = history.best_epochs
    axes.plot(kept, history.kept_losses, "o", color=BLUE, markeredgecolor="white", markersize=5)
    # The first epochs may leave the picture, so that the curves get the room.
    top = max(1.25 * baseline, float(np.percentile(means, 98)))
    if means.min() < 0.1 * baseline:
        axes.set_yscale("log")
        axes.set_ylim(max(0.7 * float(means.min()), LEAST_SHOWN * baseline), top)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
    else:
        axes.set_ylim(0, top)
    axes.set_xlim(0, len(epochs) + 1)
    axes.locator_params(axis="x", integer=True)
    loss, unit = "squared residuals", "per row"
    if model.settings.loss == "cross-entropy":
        loss, unit = "cross-entropy", "nats per row"
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{loss} ({unit})")
    networks = len(model.network)
    what = "1 network" if networks == 1 else f"{networks} networks (thin lines) and their mean"
    set_title(
        axes,
        f"{label(model.trained_on, 40)}: loss of {what}",
        f"kept (dots): {history.kept}, holdout loss {history.kept_losses.mean():.3f}",
    )
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    return axes


def plot_confusion(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """Draw how many rows of each class got each prediction: correct ones blue, wrong ones orange.

    A row of cells is an observed class, a column a predicted one; the colour is the stronger, the
    larger the share of the observed class. Over 50 classes only the colours are shown.
    """
    counts = evaluation.confusion
    classes = len(counts)
    few = classes <= 12
    side = min(max(4.2, classes * (0.55 if few else 0.3)), 16.0)
    axes = ax or new_axes(side + 1.8, side + 1.4)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # So that a single error among many rows can be seen at all.
    strengths = np.where(counts > 0, 0.15 + 0.85 * shares, 0)[..., None]
    is_correct = np.eye(classes, dtype=np.bool_)[..., None]
    colours = np.where(is_correct, rgb(BLUE), rgb(VERMILLION))
    axes.imshow(1 - strengths * (1 - colours), interpolation="nearest")
    if classes <= MOST_CLASSES_COUNTED:
        for row, column in np.argwhere(counts):
            axes.text(
                column,
                row,
                f"{counts[row, column]:,}",
                color="white" if shares[row, column] > 0.6 else "black",
                fontsize=10 if few else SMALL_PRINT,
                horizontalalignment="center",
                verticalalignment="center",
            )
    every = math.ceil(classes / MOST_CLASSES_COUNTED)
    ticks = np.arange(0, classes, every)
    size = "medium" if few else SMALL_PRINT
    names = labels(evaluation.class_names)[::every]
    rows = [f"{name} ({counts[k].sum():,})" for k, name in zip(ticks, names, strict=True)]
    is_wide = max(map(len, names)) * len(names) > 9 * side
    axes.set_xticks(ticks, names, rotation=90 if is_wide else 0)
    axes.set_yticks(ticks, rows)
    axes.tick_params(length=0, labelsize=size)
    axes.spines[:].set_visible(False)
    for edge in np.arange(classes + 1) - 0.5:
        axes.axhline(edge, color="#E8E8E8", linewidth=1)
        axes.axvline(edge, color="#E8E8E8", linewidth=1)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("observed class (rows)")
    correct = f"{evaluation.correct:,} of {len(evaluation):,} rows correct"
    set_title(
        axes,
        f"{label(evaluation.source, 40)}: {correct} ({100 * evaluation.accuracy:.1f} %)",
        evaluation.judged_by,
    )
    return axes


def plot_calibration(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """Draw how often a class occurs for each probability of it (a reliability diagram).

    A curve for each of the most frequent classes; of two classes, for the second alone. A point
    stands for the rows whose probability of the class lies in one tenth of 0..1, with the 95 %
    interval of their share; grey bars say how many rows that are, where there is one curve. On the
    dashed line probabilities are perfectly calibrated; below it, they are too high.
    """
    axes = ax or new_axes()
    axes.plot([0, 1], [0, 1], "--", color=GREY, label="perfectly calibrated")
    names = labels(evaluation.class_names)
    shown = evaluation.main_classes[:MOST_CALIBRATION_CURVES]
    for k in shown:
        rows, probabilities, shares, intervals = map(
            np.array, zip(*evaluation.calibration_curve(k), strict=True)
        )
        if len(shown) == 1:
            bars = axes.bar(
                (tenth_of(probabilities) + 0.5) / TENTHS,
                TALLEST_BAR * rows / rows.max(),
                0.94 / TENTHS,
                color="#DDDDDD",
                label="how many rows",
            )
            axes.bar_label(bars, [f"{count:,}" for count in rows], color=GREY, fontsize="small")
        axes.errorbar(
            probabilities,
            shares,
            np.abs(intervals.T - shares),
            fmt=f"{CLASS_MARKERS[k % len(CLASS_MARKERS)]}-",
            color=class_colour(k),
            linewidth=1,
            capsize=3,
            label=f"{names[k]}, 95 % intervals",
        )
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.03)
    axes.set_xlabel("probability of the class")
    axes.set_ylabel("share of rows that are of the class")
    error = f"calibration error {evaluation.calibration_in_words}"
    set_title(axes, f"{label(evaluation.source, 40)}: {error}", evaluation.judged_by)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)
    return axes


def plot_seeds(study: SeedStudy, ax: Axes | None = None) -> Axes:
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
    axes = ax or new_axes(7.4, 1.6 + 0.24 * len(shown))
    # The golden ratio spreads the seeds over a strip without a pattern and without chance.
    offsets = (np.arange(len(study)) * 0.618034 % 1 - 0.5) * 0.6
    heights = np.arange(len(shown)) + offsets[:, None]
    values, correct = study.probabilities[:, shown], study.correct[:, shown]
    axes.plot(
        values[correct],
        heights[correct],
        "o",
        color=BLUE,
        markersize=4,
        markeredgewidth=0,
        alpha=0.5,
        label="correct prediction",
    )
    axes.plot(
        values[~correct],
        heights[~correct],
        "x",
        color=VERMILLION,
        markersize=4,
        label="wrong prediction",
    )
    axes.plot(
        median[shown],
        np.arange(len(shown)),
        "|",
        color="black",
        markersize=14,
        markeredgewidth=2,
        label="median",
    )
    classes = labels(study.class_names)
    names = [
        f"{study.table.line(study.rows[row])}, {classes[study.labels[row]]}"
        + (" *" if study.held_out[row] else "")
        for row in shown
    ]
    axes.set_yticks(np.arange(len(shown)), names, fontsize="small")
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.set_xlim(-0.02, 1.02)
    axes.grid(axis="y", color="#EEEEEE")
    axes.set_axisbelow(True)
    axes.set_xlabel("probability of the observed class (* held out, others trained on)")
    set_title(
        axes,
        f"{len(study):,} networks that differ only in their seed",
        f"{len(study.unstable):,} of {len(study.labels):,} rows change class with it; shown: "
        f"the {len(shown)} that move most",
    )
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return axes


MOST_COLUMNS_SHOWN = 30


def plot_importance(importance: Importance, ax: Axes | None = None) -> Axes:
    """Draw how much the log loss grows when the cells of a column are shuffled, a bar a column.

    Blue bars are more than chance, grey ones are not; the pale band around 0 is how far from it the
    increase of an uninformative column may be. The dots are single networks on the rows that
    each judged. At most 30 columns are shown, the most important ones.
    """
    shown = slice(MOST_COLUMNS_SHOWN)
    names = labels(importance.columns[shown])
    means, chance = importance.means[shown], importance.chance[shown]
    heights = np.arange(len(names))
    axes = ax or new_axes(7.4, 1.6 + 0.26 * len(names))
    axes.use_sticky_edges = False  # else a bar may reach the edge of the picture
    axes.barh(heights, 2 * chance, 0.8, left=-chance, color="#DDDDDD", label="by chance (95 %)")
    matters = importance.matters[shown]
    for which, colour, meaning in (
        (matters, BLUE, "increase"),
        (~matters, GREY, "no more than chance"),
    ):
        if which.any():
            axes.barh(heights[which], means[which], 0.4, color=colour, label=meaning)
    dots = axes.plot(
        importance.network_increases[shown],
        heights,
        "o",
        color=ORANGE,
        markersize=4,
        markeredgecolor="white",
        markeredgewidth=0.5,
    )
    dots[0].set_label("single networks")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(heights, names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("increase of the log loss when the column is shuffled (nats per row)")
    others = len(importance) - len(names)
    more = f"; shown: the first {len(names)}" if others else ""
    set_title(
        axes,
        f"{importance.matters.sum():,} of {plural(len(importance), 'column')} matter more than "
        f"chance{more}",
        importance.judged_by,
    )
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return axes
