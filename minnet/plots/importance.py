"""A picture of which columns matter; draws on `ax` or on a new figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minnet.errors import plural
from minnet.plots.figure import BLUE, GREY, ORANGE, labels, new_axes, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minnet.analysis.importance import Importance

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
