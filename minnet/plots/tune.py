"""A picture of the configurations tried; draws on `ax` or on a new figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.analysis.grid import shown_value
from minnet.errors import plural
from minnet.plots.figure import BLUE, GREY, ORANGE, labels, new_axes, set_title

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from minnet.analysis.tuning import Trial

GAP = 1.0


def plot_trials(trials: Sequence[Trial], chosen: int, ax: Axes | None = None) -> Axes:
    """Draw the held-out log loss of every configuration, once for each setting, at its value of it.

    A bar joins the losses of one value; the filled square is the winner, with its standard error as
    a band, the ring is the first configuration. Those that failed are left out.

    Parameters
    ----------
    trials
        As `Tuning.trials`.
    chosen
        Which of them won, counted from 0.
    """
    names = list(trials[0].configuration)
    values = {name: _distinct(trial.configuration[name] for trial in trials) for name in names}
    starts = np.cumsum([0.0, *(len(values[name]) + GAP for name in names)])
    axes = ax or new_axes(max(4.8, 1.6 + 0.75 * starts[-1]), 4.2)
    losses = np.array([trial.log_loss for trial in trials])
    is_known = np.isfinite(losses)
    winner = trials[chosen]
    if np.isfinite(winner.standard_error):
        low, high = winner.log_loss - winner.standard_error, winner.log_loss + winner.standard_error
        axes.axhspan(low, high, color="#DDDDDD", label="winner, one standard error")
    ticks: list[float] = []
    texts: list[str] = []
    for name, start in zip(names, starts, strict=False):
        texts += labels(values[name])
        places = start + np.array(
            [values[name].index(shown_value(t.configuration[name])) for t in trials]
        )
        for place in range(len(values[name])):
            here = losses[(places == start + place) & is_known]
            ticks.append(start + place)
            if len(here):
                axes.plot([start + place] * 2, [here.min(), here.max()], color=GREY, linewidth=0.8)
        is_first_setting = name == names[0]
        for which, marker, size, face, edge, meaning in (
            (np.flatnonzero(is_known), "o", 5, BLUE, "white", "a configuration"),
            (np.flatnonzero(is_known)[:1], "o", 11, "none", "black", "the first configuration"),
            (np.array([chosen]), "s", 8, ORANGE, "black", "winner"),
        ):
            if meaning == "the first configuration" and not is_known[0]:
                continue
            axes.plot(
                places[which],
                losses[which],
                marker,
                markersize=size,
                markerfacecolor=face,
                markeredgecolor=edge,
                markeredgewidth=0.8,
                label=meaning if is_first_setting else None,
            )
        axes.annotate(
            name.replace("_", " "),
            (start + (len(values[name]) - 1) / 2, 0),
            (0, -26),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            va="top",
        )
    axes.set_xticks(ticks, texts)
    axes.set_xlim(-0.7, starts[-1] - GAP - 0.3)
    axes.set_ylabel("log loss on held-out rows (nats per row)")
    failed = int((~is_known).sum())
    set_title(
        axes,
        f"{plural(len(trials), 'configuration')} tried, by setting"
        + (f"; {failed:,} failed" if failed else ""),
    )
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return axes


def _distinct(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(map(shown_value, values)))
