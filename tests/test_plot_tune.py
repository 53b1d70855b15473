from __future__ import annotations

import math

import numpy as np

from minnet.analysis.tuning import Trial
from minnet.plots.curves import plot_trials

TRIALS = [
    Trial({"bins": bins, "hidden": hidden}, loss, 0.01, 0.9, 1.0, error)
    for bins, hidden, loss, error in (
        (0, (32,), 0.5, ""),
        (8, (32,), 0.4, ""),
        (0, (16, 16), 0.3, ""),
        (8, (16, 16), math.nan, "the loss became infinite"),
    )
]


def test_every_configuration_is_drawn_once_for_each_setting_at_its_value() -> None:
    axes = plot_trials(TRIALS, 2)
    ticks = dict(
        zip(axes.get_xticks(), [text.get_text() for text in axes.get_xticklabels()], strict=True)
    )
    assert list(ticks.values()) == ["0", "8", "32", "16,16"]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    configurations = [line for line in points if len(line.get_xdata()) == 3]  # type: ignore[arg-type]
    assert len(configurations) == 2
    for line, name in zip(configurations, ("bins", "hidden"), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), [0.5, 0.4, 0.3])
        shown = [ticks[x] for x in np.asarray(line.get_xdata())]
        expected = {"bins": ["0", "8", "0"], "hidden": ["32", "32", "16,16"]}[name]
        assert shown == expected
    winners = [line for line in axes.lines if line.get_marker() == "s"]
    assert [list(np.asarray(line.get_ydata())) for line in winners] == [[0.3], [0.3]]
    assert "4 configurations tried, by setting; 1 failed" in axes.get_title(loc="left")
    assert [text.get_text() for text in axes.texts] == ["bins", "hidden"]


def test_equal_values_of_two_settings_are_not_numbered() -> None:
    trials = [
        Trial({"bins": bins, "hidden": (hidden,)}, 0.5, 0.01)
        for bins, hidden in ((0, 16), (16, 32))
    ]
    ticks = [text.get_text() for text in plot_trials(trials, 0).get_xticklabels()]
    assert ticks == ["0", "16", "16", "32"]


def test_first_configuration_that_failed_has_no_ring() -> None:
    trials = [TRIALS[3], TRIALS[1]]
    legend = plot_trials(trials, 1).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "winner, one standard error",
        "a configuration",
        "winner",
    ]
    legend = plot_trials(TRIALS, 2).get_legend()
    assert legend is not None
    assert "the first configuration" in [text.get_text() for text in legend.get_texts()]


def test_it_draws_on_given_axes() -> None:
    axes = plot_trials(TRIALS[:1], 0)
    assert plot_trials(TRIALS, 2, axes) is axes
