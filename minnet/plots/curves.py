"""ROC and precision-recall curves of one class against the rest, out of fold.

A picture of the configurations tried; draws on `ax` or on a new figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.analysis.tuning import Trial, shown_value
from minnet.arrays import Array, BoolArray
from minnet.errors import SettingsError, plural, unknown_name
from minnet.model.scores import (
    Evaluation,
    average_precision,
    precision_recall_curve,
    roc_area,
    roc_curve,
)
from minnet.plots.figure import BLUE, GREY, ORANGE, class_colour, labels, new_axes, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CURVES = 8
RESAMPLES = 200
GRID = np.linspace(0, 1, 101)


def plot_roc(evaluation: Evaluation, of: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw how many rows of a class are found for how many false alarms, over all thresholds.

    A line for each class against the rest; of two classes, for the second alone. Bands are 95 %
    intervals by resampling rows, or whole groups of them (bootstrap), as much wider as the
    dependence of cross-validated rows asks for.

    Parameters
    ----------
    of
        Name of the class to draw.

    Raises
    ------
    SettingsError
        If there is no such class, or no row of it or of the rest.
    """
    axes = ax or new_axes(5.8, 5.4)
    axes.plot([0, 1], [0, 1], ":", color=GREY, label="chance: 0.500")
    _draw(axes, evaluation, of, roc_curve, roc_area, "ROC: area under the curve")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate (recall)")
    return axes


def plot_precision_recall(
    evaluation: Evaluation, of: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how many of the rows called a class are of it, for each share found; see `plot_roc`."""
    axes = ax or new_axes(5.8, 5.4)
    _draw(
        axes,
        evaluation,
        of,
        precision_recall_curve,
        average_precision,
        "precision and recall: average precision",
    )
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    return axes


def _draw(
    axes: Axes,
    evaluation: Evaluation,
    of: str | None,
    curve: Callable[[Array, BoolArray], tuple[Array, Array]],
    area: Callable[[tuple[Array, Array]], float],
    title: str,
) -> None:
    names = labels(evaluation.class_names)
    for k in _chosen(evaluation, of):
        probabilities, is_class = evaluation.probabilities[:, k], evaluation.labels == k
        rates = curve(probabilities, is_class)
        low, high, area_low, area_high = _bands(evaluation, k, curve, area)
        axes.fill_between(GRID, low, high, color=class_colour(k), alpha=0.18, linewidth=0)
        axes.plot(
            *rates,
            color=class_colour(k),
            linewidth=2,
            linestyle=("-", "--", "-.", ":")[k // 2 % 4],
            label=f"{names[k]}: {area(rates):.3f} ({area_low:.3f}-{area_high:.3f})",
        )
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    axes.set_aspect("equal")
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 0.02), fontsize="small")
    source = labels([evaluation.source], 40)[0]
    set_title(axes, f"{source}: {title} (95 % interval)", evaluation.judged_by)


def _chosen(evaluation: Evaluation, of: str | None) -> list[int]:
    """Integer labels of the classes to draw: those with rows, and with rows of the rest."""
    names = evaluation.class_names
    if of is not None:
        if of not in names:
            raise SettingsError(unknown_name("the model", "class", of, names))
        wanted = [names.index(of)]
    else:
        wanted = evaluation.main_classes
    drawable = [k for k in wanted if 0 < evaluation.class_counts[k] < len(evaluation)]
    if not drawable:
        raise SettingsError("the table needs rows of the class and rows of the rest to draw")
    return drawable[:MOST_CURVES]


def _bands(
    evaluation: Evaluation,
    k: int,
    curve: Callable[[Array, BoolArray], tuple[Array, Array]],
    area: Callable[[tuple[Array, Array]], float],
) -> tuple[Array, Array, float, float]:
    """95 % band over `GRID` and 95 % interval of the area, by resampling rows, or their groups.

    A sample without a row of the class, or of the rest, is drawn anew.

    References
    ----------
    Efron (1979), "Bootstrap methods: another look at the jackknife".
    Davison, Hinkley (1997), "Bootstrap methods and their application", 3.8, on groups.
    """
    probabilities, is_class = evaluation.probabilities[:, k], evaluation.labels == k
    members = np.arange(len(is_class))
    if evaluation.groups is not None:
        _, members = np.unique(evaluation.groups, return_inverse=True)
    groups = int(members.max()) + 1
    generator = np.random.default_rng(0)
    heights: list[Array] = []
    areas: list[float] = []
    while len(areas) < RESAMPLES:
        drawn = np.bincount(generator.integers(groups, size=groups), minlength=groups)
        rows = np.repeat(np.arange(len(members)), drawn[members])
        if not 0 < is_class[rows].sum() < len(rows):
            continue
        rates = curve(probabilities[rows], is_class[rows])
        heights.append(np.interp(GRID, *rates))
        areas.append(area(rates))
    whole = curve(probabilities, is_class)
    stretch = np.sqrt(evaluation.inflation)

    def interval(values: Array, centre: Array | float) -> Array:
        ends = np.quantile(values, [0.025, 0.975], axis=0)
        return np.clip(centre + stretch * (ends - centre), 0, 1)

    low, high = interval(np.array(heights), np.interp(GRID, *whole))
    area_low, area_high = interval(np.array(areas), area(whole))
    return low, high, float(area_low), float(area_high)


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
