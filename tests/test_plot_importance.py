from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from minnet.analysis.importance import Importance
from minnet.plots.figure import BLUE, GREY
from minnet.plots.scores import plot_importance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer


def made(means: list[float], chance: float = 0.1) -> Importance:
    """Make a result of two shuffles and three networks, one of which judged nothing."""
    columns = np.array(means)
    return Importance(
        columns=tuple(f"column {k}" for k in range(len(means))),
        increases=columns[:, None] + [-0.01, 0.01],
        network_increases=columns[:, None] + [0, 0.02, np.nan],
        chance=np.full(len(means), chance),
        log_loss=0.5,
        rows=30,
        available=30,
        judged_by="judged by the mean of 3 networks",
        out_of_fold=False,
        known=0,
        is_exact=True,
    )


def bars(axes: Axes) -> dict[str, BarContainer]:
    return {str(container.get_label()): container for container in axes.containers}


def test_bars_are_the_increases_and_their_colour_tells_which_matter() -> None:
    drawn = bars(plot_importance(made([0.8, 0.3, 0.05, -0.2])))
    widths = {name: [bar.get_width() for bar in container] for name, container in drawn.items()}
    assert widths["increase"] == pytest.approx([0.8, 0.3])
    assert widths["no more than chance"] == pytest.approx([0.05, -0.2])
    assert widths["by chance (95 %)"] == pytest.approx([0.2] * 4)
    assert [bar.get_x() for bar in drawn["by chance (95 %)"]] == pytest.approx([-0.1] * 4)
    assert to_hex(drawn["increase"][0].get_facecolor()).upper() == BLUE
    assert to_hex(drawn["no more than chance"][0].get_facecolor()).upper() == GREY


def test_no_bar_touches_the_edge_of_the_picture() -> None:
    low, high = plot_importance(made([0.01], chance=0.5)).get_xlim()
    assert low < -0.5
    assert high > 0.5


def test_kind_of_bar_that_is_not_there_is_not_in_the_legend() -> None:
    assert "no more than chance" not in bars(plot_importance(made([0.8])))
    assert "increase" not in bars(plot_importance(made([0.05])))


def test_a_dot_stands_for_each_network_that_judged() -> None:
    axes = plot_importance(made([0.8, 0.3]))
    drawn = [
        (round(float(x), 6), float(y))
        for line in axes.lines
        if line.get_marker() == "o"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
        if not np.isnan(x)
    ]
    assert sorted(drawn) == [(0.3, 1), (0.32, 1), (0.8, 0), (0.82, 0)]


def test_most_important_column_is_on_top_and_named_safely() -> None:
    axes = plot_importance(made([0.8, 0.3]))
    bottom, top = axes.get_ylim()
    assert bottom > top
    assert [text.get_text() for text in axes.get_yticklabels()] == ["column 0", "column 1"]


def test_title_tells_how_many_matter_and_who_judged() -> None:
    title = plot_importance(made([0.8, 0.05])).get_title(loc="left")
    assert title == "1 of 2 columns matter more than chance\njudged by the mean of 3 networks"


def test_at_most_thirty_columns_are_shown() -> None:
    axes = plot_importance(made(np.linspace(1, 0.5, 40).tolist()))
    assert len(axes.get_yticklabels()) == 30
    assert "shown: the first 30" in axes.get_title(loc="left")


def test_is_drawn_on_given_axes() -> None:
    axes = Figure().subplots()
    assert plot_importance(made([0.8]), axes) is axes
