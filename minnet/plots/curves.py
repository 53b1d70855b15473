"""ROC and precision-recall curves out of fold, and the configurations that were tried.

Each function draws on `ax`, or on a new figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minnet.analysis.tuning import Trial, varied_values
from minnet.arrays import Array, IntArray
from minnet.errors import SettingsError, plural, unknown_name
from minnet.model.curves import PRECISION_RECALL, ROC, Curve
from minnet.model.scores import Evaluation
from minnet.plots import figure

MOST_CURVES = 8
RESAMPLES = 200
GRID = np.linspace(0, 1, 101)
GAP = 1.0


def plot_roc(
    evaluation: Evaluation, of: str | None = None, ax: figure.Axes | None = None
) -> figure.Axes:
    """Draw how many rows of a class are found for how many false alarms, over all thresholds.

    A line for each class against the rest; of two classes, for the second alone. Bands are 95 %
    intervals by resampling rows, or whole groups of them (bootstrap), as much wider as the
    dependence of cross-validated rows asks for.

    Parameters
    ----------
    of
        Name of the class to draw.

    Returns
    -------
    Axes
        What was drawn on; `axes.figure.savefig` writes it.

    Raises
    ------
    SettingsError
        If there is no such class, or no row of it or of the rest.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> evaluation = minnet.evaluate(model, "data/iris.csv")
    >>> minnet.plot_roc(evaluation).get_ylabel()
    'true positive rate (recall)'
    """
    axes = ax or figure.new_axes(5.8, 5.4)
    axes.plot([0, 1], [0, 1], ":", color=figure.GREY, label="0.500 by chance")
    axes.set(xlabel="false positive rate", ylabel="true positive rate (recall)")
    return _draw(axes, evaluation, of, ROC, "ROC: area under the curve")


def plot_precision_recall(
    evaluation: Evaluation, of: str | None = None, ax: figure.Axes | None = None
) -> figure.Axes:
    """Draw how many of the rows called a class are of it, for each share found; see `plot_roc`.

    Returns
    -------
    Axes
        What was drawn on.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> evaluation = minnet.evaluate(model, "data/iris.csv")
    >>> minnet.plot_precision_recall(evaluation, of="virginica").get_xlabel()
    'recall'
    """
    axes = ax or figure.new_axes(5.8, 5.4)
    axes.set(xlabel="recall", ylabel="precision")
    what = "precision and recall: average precision"
    return _draw(axes, evaluation, of, PRECISION_RECALL, what)


def _draw(
    axes: figure.Axes, evaluation: Evaluation, of: str | None, curve: Curve, what: str
) -> figure.Axes:
    """Draw the curves of the classes that have rows, and have rows of the rest."""
    names, wanted = evaluation.class_names, evaluation.main_classes
    if of is not None:
        if of not in names:
            raise SettingsError(unknown_name("the model", "class", of, names))
        wanted = [names.index(of)]
    drawable = [k for k in wanted if 0 < evaluation.class_counts[k] < evaluation.weight]
    if not drawable:
        raise SettingsError("the table needs rows of the class and rows of the rest to draw")
    rates_of, area_of = curve
    shown = figure.labels(names)
    for k in drawable[:MOST_CURVES]:
        rates = rates_of(evaluation.probabilities[:, k], evaluation.labels == k, evaluation.weights)
        (*low, area_low), (*high, area_high) = _bands(evaluation, k, curve)
        colour = figure.class_colour(k)
        axes.fill_between(GRID, low, high, color=colour, alpha=0.18, linewidth=0)
        style = ("-", "--", "-.", ":")[k // 2 % 4]
        area = f"{area_of(rates):.3f} ({area_low:.3f}-{area_high:.3f})"
        axes.plot(*rates, style, color=colour, linewidth=2, label=f"{area} {shown[k]}")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal")
    title = [f"{what} (95 % interval)", figure.most_frequent(MOST_CURVES, len(drawable))]
    return figure.finish(axes, evaluation.source, *title, evaluation.judged_by, legend="inside")


def _bands(evaluation: Evaluation, k: int, curve: Curve) -> Array:
    """95 % band over `GRID`, then of the area, `(2, points + 1)`, by resampling rows or groups.

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
    rates_of, area_of = curve

    def heights_and_area(rows: IntArray) -> Array:
        weights = None if evaluation.weights is None else evaluation.weights[rows]
        rates = rates_of(probabilities[rows], is_class[rows], weights)
        return np.append(np.interp(GRID, *rates), area_of(rates))

    generator = np.random.default_rng(0)
    samples: list[Array] = []
    while len(samples) < RESAMPLES:
        drawn = np.bincount(generator.integers(groups, size=groups), minlength=groups)
        rows = np.repeat(np.arange(len(members)), drawn[members])
        if 0 < is_class[rows].sum() < len(rows):
            samples.append(heights_and_area(rows))
    whole = heights_and_area(np.arange(len(members)))
    ends = np.quantile(samples, [0.025, 0.975], axis=0)
    band: Array = np.clip(whole + np.sqrt(evaluation.inflation) * (ends - whole), 0, 1)
    return band


def plot_trials(
    trials: Sequence[Trial], chosen: int, ax: figure.Axes | None = None, *, source: str = ""
) -> figure.Axes:
    """Draw the held-out log loss of every configuration, once for each setting, at its value of it.

    A bar joins the losses of one value; the filled square is the winner, with its standard error as
    a band, the ring is the first configuration. Those that failed are left out.

    Parameters
    ----------
    trials
        As `Tuning.trials`.
    chosen
        Which of them won, counted from 0.
    source
        Name of the file of the table that they were tried on.

    Returns
    -------
    Axes
        What was drawn on.

    Examples
    --------
    >>> import minnet
    >>> tuning = minnet.tune("data/iris.csv", "species", bins=[0, 8], epochs=5, trials=2)
    >>> minnet.plot_trials(tuning.trials, tuning.chosen).get_title(loc="left")
    '2 configurations tried, by setting'
    """
    values = varied_values(trials)
    width = sum(len({*own}) + GAP for own in values.values())
    axes = ax or figure.new_axes(max(4.8, 1.6 + 0.75 * width), 4.2)
    losses = np.array([trial.log_loss for trial in trials])
    known = np.flatnonzero(np.isfinite(losses))
    low, high = losses[chosen] + trials[chosen].standard_error * np.array([-1, 1])
    if np.isfinite(high):
        axes.axhspan(low, high, color="#DDDDDD", label="winner, one standard error")
    looks = (
        (known, "o", 5, figure.BLUE, "white", "a configuration"),
        (known[known == 0], "o", 11, "none", "black", "the first configuration"),
        (np.array([chosen]), "s", 8, figure.ORANGE, "black", "winner"),
    )
    ticks: list[float] = []
    texts: list[str] = []
    for name, own in values.items():
        distinct = list(dict.fromkeys(own))
        start = ticks[-1] + 1 + GAP if ticks else 0.0
        places = start + np.array([distinct.index(value) for value in own])
        ticks += [start + place for place in range(len(distinct))]
        texts += figure.labels(distinct)
        for place in np.unique(places[known]):
            here = losses[known][places[known] == place]
            axes.plot([place, place], [here.min(), here.max()], color=figure.GREY, linewidth=0.8)
        for which, marker, size, face, edge, meaning in looks:
            (dots,) = axes.plot(places[which], losses[which], marker, markersize=size)
            dots.set(markerfacecolor=face, markeredgecolor=edge, markeredgewidth=0.8)
            if len(which) and not start:
                dots.set_label(meaning)
        middle = start + (len(distinct) - 1) / 2
        below: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "xytext": (0, -26)}
        figure.write(axes, name.replace("_", " "), (middle, 0), va="top", **below)
    axes.set_xticks(ticks, texts)
    axes.set(xlim=(-0.7, ticks[-1] + 0.7), ylabel="log loss on held-out rows (nats per row)")
    failed = len(trials) - len(known)
    title = f"{plural(len(trials), 'configuration')} tried, by setting"
    title += f"; {failed:,} failed" if failed else ""
    return figure.finish(axes, source, title, legend="right")
