"""Rows of a table as markers over two of its columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.plots.figure import CLASS_MARKERS, VERMILLION, add_legend, class_colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from minnet.arrays import Array, BoolArray, IntArray

MOST_ROWS_SHOWN = 2000
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

    every = math.ceil(len(rows) / MOST_ROWS_SHOWN)
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
