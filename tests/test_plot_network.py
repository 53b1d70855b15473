from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from minnet import Model, Table, TrainingSettings
from minnet.analysis.explanation import explain
from minnet.errors import SettingsError
from minnet.model.document import load
from minnet.network.layers import Dense
from minnet.plots.figure import BLUE, VERMILLION, save
from minnet.plots.network import plot_network, plot_row
from tests.helpers import fit

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from minnet.arrays import Array

QUICK = TrainingSettings(networks=3, hidden=(4,), bins=0, epochs=6)


@pytest.fixture(scope="module")
def small(iris: Table) -> Model:
    return fit(iris, "species", QUICK)


@pytest.fixture(scope="module")
def wide(iris_model: Path) -> Model:
    return load(iris_model)


def circles(axes: Axes) -> list[Array]:
    """Tell where the units of each column stand."""
    return [
        np.asarray(artist.get_offsets())
        for artist in axes.collections
        if isinstance(artist, PathCollection)
    ]


def annotations(axes: Axes) -> list[Annotation]:
    return [text for text in axes.texts if isinstance(text, Annotation)]


def in_circles(axes: Axes) -> list[list[float]]:
    """Read what is written in the circles of each column, from top to bottom."""
    written = {text.xy: text.get_text() for text in annotations(axes) if not any(text.xyann)}
    return [
        [float(written[tuple(place)]) for place in places.tolist() if tuple(place) in written]
        for places in circles(axes)
    ]


def drawn_weights(axes: Axes, place: int) -> Array:
    """Signed line widths between two columns, `(below, above)`; 0 where there is no line."""
    below, above = circles(axes)[place : place + 2]
    widths = np.zeros((len(below), len(above)))
    sign = {BLUE: 1, VERMILLION: -1}
    for line in drawn_lines(axes):
        start, end = line.get_xydata()
        if start[0] == place:
            row = int(np.flatnonzero((below == start).all(axis=1))[0])
            column = int(np.flatnonzero((above == end).all(axis=1))[0])
            widths[row, column] = sign[to_hex(line.get_color()).upper()] * line.get_linewidth()
    return widths


def drawn_lines(axes: Axes) -> list[Line2D]:
    """Those of weights, without what only the legend shows."""
    return [line for line in axes.lines if len(line.get_xydata())]


def named(axes: Axes, place: int) -> list[str]:
    """Names beside the units of a column, from top to bottom."""
    tall = {tuple(spot) for spot in circles(axes)[place].tolist()}
    return [text.get_text() for text in annotations(axes) if text.xy in tall and any(text.xyann)]


def test_every_unit_and_every_weight_of_a_small_network_is_drawn(small: Model) -> None:
    axes = plot_network(small, 1)
    assert [len(column) for column in circles(axes)] == [4, 4, 3]
    first, second = [layer for layer in small.network.layers if isinstance(layer, Dense)]
    largest = max(np.abs(layer.weights.values[1]).max() for layer in (first, second))
    for place, layer in enumerate((first, second)):
        weights = layer.weights.values[1]
        widths = drawn_weights(axes, place)
        np.testing.assert_array_equal(np.sign(widths), np.sign(weights))
        np.testing.assert_allclose(np.abs(widths), 0.3 + 4.5 * np.abs(weights) / largest, rtol=1e-5)
        np.testing.assert_allclose(
            in_circles(axes)[place + 1], layer.biases.values[1, 0], atol=0.00501
        )
    assert in_circles(axes)[0] == []
    assert named(axes, 0) == ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    assert named(axes, 1) == ["1", "2", "3", "4"]
    assert named(axes, 2) == ["setosa", "versicolor", "virginica"]
    assert axes.get_title(loc="left").startswith("iris.csv: network 2 of 3\n")
    assert f"weight of size {largest:.2f}" in legend_texts(axes)


def legend_texts(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_negative_weights_are_dashed(small: Model) -> None:
    is_negative = {line.get_color() == VERMILLION for line in drawn_lines(plot_network(small))}
    assert is_negative == {True, False}
    for line in drawn_lines(plot_network(small)):
        assert line.is_dashed() == (line.get_color() == VERMILLION)


def test_wide_layer_shows_its_strongest_units_and_counts_the_others(wide: Model) -> None:
    axes = plot_network(wide, 2)
    assert [len(column) for column in circles(axes)] == [12, 12, 3]
    first, second = [layer for layer in wide.network.layers if isinstance(layer, Dense)]
    arriving = np.abs(first.weights.values[2]).sum(axis=0)
    leaving = np.abs(second.weights.values[2]).sum(axis=1)
    strongest = np.argsort(-arriving * leaving)[:12]
    assert named(axes, 1) == [str(unit + 1) for unit in sorted(strongest)]
    headers = [text.get_text() for text in axes.texts if "hidden" in text.get_text()]
    assert headers == ["hidden 1, ReLU\n(20 weaker left out)"]


@pytest.mark.parametrize(("hidden", "columns"), [((), 2), ((3, 2), 4), ((3, 4, 5), 5)])
def test_each_layer_is_a_column(iris: Table, hidden: tuple[int, ...], columns: int) -> None:
    model = fit(iris, "species", TrainingSettings(networks=1, hidden=hidden, bins=0, epochs=1))
    axes = plot_network(model)
    assert [len(column) for column in circles(axes)] == [4, *hidden, 3]
    assert {float(column[0, 0]) for column in circles(axes)} == set(map(float, range(columns)))
    headers = [text.get_text() for text in axes.texts if "hidden" in text.get_text()]
    assert headers == [f"hidden {k + 1}, ReLU" for k in range(len(hidden))]


@pytest.mark.parametrize("network", [-1, 3])
def test_network_that_is_not_there_is_refused(small: Model, network: int) -> None:
    message = f"there is no network {network + 1}: the model has 3, counted from 1"
    with pytest.raises(SettingsError, match=re.escape(message)):
        plot_network(small, network)


def test_row_shows_what_each_unit_passes_on(small: Model, iris: Table) -> None:
    explanation = explain(small, iris, 106, 2)
    axes = plot_row(explanation)
    way = explanation.trace
    inputs, hidden, outputs = in_circles(axes)
    np.testing.assert_allclose(inputs, way.layers[0].inputs, atol=0.00501)
    np.testing.assert_allclose(hidden, way.layers[0].outputs, atol=0.00501)
    np.testing.assert_allclose(outputs, way.raw_outputs, atol=0.00501)
    assert "pale: a small weight, or times 0" in axes.get_title(loc="left")
    assert named(axes, 0)[2] == "petal_length: 4.5"
    for k, text in enumerate(named(axes, 2)):
        name = small.encoder.class_names[k]
        assert text.startswith(f"{way.probabilities[k]:.3f} {name}")
        assert (", predicted" in text) == (k == way.predicted)
        assert (", observed" in text) == (name == "virginica")
    assert axes.get_title(loc="left").startswith("iris.csv: row 107 in network 3 of 3\n")


def test_units_that_are_off_have_a_dashed_rim_and_pale_lines(small: Model, iris: Table) -> None:
    rows = [explain(small, iris, row, 0) for row in (0, 60, 140)]
    explanation = next(row for row in rows if 0 < np.count_nonzero(row.trace.layers[0].outputs) < 4)
    off = explanation.trace.layers[0].outputs == 0
    axes = plot_row(explanation)
    hidden = [artist for artist in axes.collections if isinstance(artist, PathCollection)][1]
    dashed = np.array([dashes is not None for _, dashes in hidden.get_linestyle()])
    np.testing.assert_array_equal(dashed, off)
    heights = circles(axes)[1][:, 1]
    opacity: dict[bool, list[float]] = {True: [], False: []}
    for line in drawn_lines(axes):
        start, _ = line.get_xydata()
        if start[0] == 1:
            usual = 0.1 + 0.8 * (line.get_linewidth() - 0.3) / 4.5
            opacity[bool(off[heights == start[1]][0])].append(line.get_alpha() / usual)
    np.testing.assert_allclose(opacity[True], 0.3)
    np.testing.assert_allclose(opacity[False], 1)


def test_row_of_a_wide_network_shows_the_units_that_matter_for_it(wide: Model, iris: Table) -> None:
    explanation = explain(wide, iris, 106)
    strengths = explanation.trace.layers[1].strengths
    axes = plot_row(explanation)
    strongest = sorted(np.argsort(-strengths, kind="stable")[:12] + 1)
    assert named(axes, 1) == [str(unit) for unit in strongest]


def test_row_without_a_class_or_with_a_missing_cell_is_drawn() -> None:
    table = Table.from_columns({"x": [1, 2, None, 4, 5, 6] * 5, "y": ["a", "b"] * 15})
    model = fit(table, "y", QUICK)
    unlabelled = Table.from_columns({"x": [None, 2.5]})
    axes = plot_row(explain(model, unlabelled, 0))
    assert named(axes, 0) == ["x: missing", "x is missing: 1"]
    assert not any("observed" in name for name in named(axes, 2))


def test_of_many_classes_the_probable_and_the_observed_ones_are_shown() -> None:
    angles = np.arange(200) % 40
    table = Table.from_columns(
        {"x": np.cos(angles), "y": np.sin(angles), "label": [f"class {k}" for k in angles]}
    )
    model = fit(table, "label", TrainingSettings(networks=2, epochs=3))
    for row in range(40):
        explanation = explain(model, table, row)
        lesson = explanation.trace.backward
        assert lesson is not None
        if lesson.label not in np.argsort(-explanation.trace.probabilities)[:12]:
            break
    names = named(plot_row(explanation), 2)
    assert len(names) == 12
    assert sum(", observed" in name for name in names) == 1
    assert sum(", predicted" in name for name in names) == 1


def test_networks_compose_on_given_axes(small: Model, iris: Table) -> None:
    figure = Figure()
    first, second, third = figure.subplots(1, 3)
    assert plot_network(small, ax=second) is second
    assert plot_row(explain(small, iris, 0), ax=third) is third
    assert not first.has_data()
    assert figure.axes == [first, second, third]


def test_odd_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    table = Table.from_columns(
        {
            "$x$ $y$": range(20),
            "大\n\U0001f642": ["$u$", "v" * 99] * 10,
            "label": ["$a$ $b$", "c"] * 10,
        }
    )
    model = fit(table, "label", QUICK)
    for axes in (plot_network(model), plot_row(explain(model, table, 3))):
        save(axes, tmp_path / "a.png")
        assert named(axes, 0)[0].startswith(r"\$x\$ \$y\$")
        assert max(len(name) for name in named(axes, 0)) < 40
