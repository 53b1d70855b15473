from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from minnet import Model, Table, TrainingSettings, read_csv
from minnet.errors import DataError, SettingsError
from minnet.model.document import load
from minnet.model.scores import evaluate
from minnet.network.layers import Dense
from minnet.plots.figure import CLASS_MARKERS, class_colour, save
from minnet.plots.regions import _jittered, plot_regions
from tests.helpers import PENGUINS, fit, predicted

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from minnet.arrays import Array

QUICK = TrainingSettings(networks=2, hidden=(8,), epochs=8)


@pytest.fixture(scope="module")
def model(iris_model: Path) -> Model:
    return load(iris_model)


@pytest.fixture(scope="module")
def penguins() -> Table:
    return read_csv(PENGUINS)


@pytest.fixture(scope="module")
def penguin_model(penguins: Table) -> Model:
    return fit(penguins, "species", QUICK)


def colour_at(axes: Axes, x: float, y: float) -> Array:
    """Look up the colour of the background at a point."""
    [image] = axes.images
    assert image.origin == "lower"
    left, right, bottom, top = image.get_extent()
    cells = np.asarray(image.get_array())
    rows, columns, _ = cells.shape
    return np.asarray(
        cells[int((y - bottom) / (top - bottom) * rows), int((x - left) / (right - left) * columns)]
    )


def strength(colour: Array, k: int) -> float:
    """How strong a colour is that must be the one of class k, mixed with white."""
    direction = 1 - np.array(class_colour(k))
    mixed = (1 - colour) @ direction / (direction @ direction)
    np.testing.assert_allclose(1 - colour, mixed * direction, atol=1e-6)
    return float(mixed)


def test_background_is_the_answer_with_all_else_at_its_median(model: Model, iris: Table) -> None:
    axes = plot_regions(model, iris, x="petal_length", y="sepal_width")
    points = [(1.5, 3.5), (4.0, 2.3), (6.5, 3.0), (2.6, 4.2), (5.2, 2.1)]
    medians = {"sepal_length": np.median(iris["sepal_length"].numbers), "petal_width": 1.3}  # type: ignore[arg-type]
    table = Table.from_columns(
        {
            "petal_length": [x for x, _ in points],
            "sepal_width": [y for _, y in points],
            **{name: [value] * len(points) for name, value in medians.items()},
        }
    )
    probabilities = model.member_probabilities(table).mean(axis=0)
    assert len(set(probabilities.argmax(axis=1).tolist())) == 3
    strengths = [
        strength(colour_at(axes, *point), k)
        for point, k in zip(points, probabilities.argmax(axis=1), strict=True)
    ]
    assert np.argsort(strengths).tolist() == np.argsort(probabilities.max(axis=1)).tolist()
    own = [iris[name].numbers for name in ("sepal_length", "petal_width")]
    near = np.all([np.abs(x - np.median(x)) <= x.std() / 2 for x in own], axis=0)  # type: ignore[operator,arg-type,union-attr]
    assert title(axes).splitlines() == [
        "iris.csv: the prediction at each point",
        "sepal_length = 5.8, petal_width = 1.3",
        f"{near.sum()} of 150 rows within half a standard deviation of that",
    ]


def title(axes: Axes) -> str:
    return axes.get_title(loc="left")


def test_categories_stay_at_the_most_frequent_one(penguin_model: Model, penguins: Table) -> None:
    axes = plot_regions(penguin_model, penguins, x="bill_length_mm", y="bill_depth_mm")
    spots = {"bill_length_mm": [37.0, 52.0, 47.0, 55.0], "bill_depth_mm": [18.0, 20.0, 14.0, 16.5]}
    rest = {"island": "Biscoe", "sex": "male", "flipper_length_mm": 197, "body_mass_g": 4050}
    table = Table.from_columns(
        {**spots, **{name: [value] * 4 for name, value in {**rest, "year": 2008}.items()}}
    )
    for point, name in zip(
        zip(*spots.values(), strict=True), predicted(penguin_model, table), strict=True
    ):
        strength(colour_at(axes, *point), penguin_model.encoder.class_names.index(name))
    assert "the 5 other columns at their median or most frequent category" in title(axes)


def test_border_runs_where_two_classes_are_equally_probable(model: Model, iris: Table) -> None:
    axes = plot_regions(model, iris, x="petal_length", y="petal_width")
    borders = [artist for artist in axes.collections if isinstance(artist, ContourSet)]
    vertices = np.concatenate([path.vertices for border in borders for path in border.get_paths()])
    count = len(vertices)
    assert count > 100
    table = Table.from_columns(
        {
            "petal_length": vertices[:, 0],
            "petal_width": vertices[:, 1],
            "sepal_length": [5.8] * count,
            "sepal_width": [3.0] * count,
        }
    )
    best = np.sort(model.member_probabilities(table).mean(axis=0), axis=1)
    np.testing.assert_allclose(best[:, -1], best[:, -2], atol=0.02)


def test_rows_are_drawn_with_a_marker_for_each_class(model: Model, iris: Table) -> None:
    axes = plot_regions(model, iris, x="petal_length", y="sepal_width")
    labels = model.encoder.labels(iris)
    ends = np.array([axes.get_xlim(), axes.get_ylim()])
    for k, name in enumerate(model.encoder.class_names):
        own = [line for line in markers(axes) if line.get_marker() == CLASS_MARKERS[k]]
        assert {to_rgb(line.get_color()) for line in own} == {class_colour(k)}
        drawn = np.concatenate([line.get_xydata() for line in own])
        values = [iris[name].numbers[labels == k] for name in ("petal_length", "sepal_width")]  # type: ignore[index]
        expected = np.clip(np.transpose(values), *ends.T)  # rows beyond the axes are at their edge
        np.testing.assert_allclose(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)])
        assert axes.get_legend().get_texts()[k].get_text() == name  # type: ignore[union-attr]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("petal_length", "sepal_width")


def markers(axes: Axes) -> list[Line2D]:
    """What marks rows, but for the rings around wrong ones."""
    lines = [line for line in axes.lines if line.get_color() != "none"]
    return [line for line in lines if line.get_label().startswith("_")]  # else of the legend


def test_rows_that_networks_which_never_saw_them_get_wrong_have_a_ring(
    model: Model, iris: Table
) -> None:
    axes = plot_regions(model, iris, x="petal_length", y="sepal_width")
    (rings,) = [line for line in axes.lines if line.get_color() == "none"]
    evaluation = evaluate(model, iris)
    wrong = evaluation.rows[evaluation.predicted != evaluation.labels]
    assert len(wrong) > 0
    values = [iris[name].numbers[wrong] for name in ("petal_length", "sepal_width")]  # type: ignore[index]
    expected = np.clip(np.transpose(values), *np.array([axes.get_xlim(), axes.get_ylim()]).T)
    drawn = rings.get_xydata()
    np.testing.assert_allclose(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)])


def test_axes_leave_out_outliers_and_say_how_many() -> None:
    x = np.append(np.arange(398.0), [1e5, -1e5])
    axes = plot_regions(fit(numbers_table(x, x % 7), "label", QUICK), numbers_table(x, x % 7))
    assert -100 < axes.get_xlim()[0] < axes.get_xlim()[1] < 500
    assert "(2 beyond the edge)" in axes_legend_title(axes)


def test_rows_of_whole_numbers_are_shifted_a_little_to_tell_them_apart() -> None:
    rows = np.stack([np.arange(40) % 4 * 2.0, np.linspace(0.1, 0.9, 40)], axis=1)
    shifted = _jittered(rows)
    assert 0 < np.abs(shifted[:, 0] - rows[:, 0]).max() <= 0.5
    np.testing.assert_array_equal(shifted[:, 1], rows[:, 1])


def test_region_carries_its_name_inside(model: Model, iris: Table) -> None:
    axes = plot_regions(model, iris, x="sepal_width", y="petal_length")
    names = {text.get_text(): text.xy for text in axes.texts if isinstance(text, Annotation)}
    assert set(names) == set(model.encoder.class_names)
    for name, point in names.items():
        strength(colour_at(axes, *point), model.encoder.class_names.index(name))


def test_of_many_rows_some_are_drawn_and_that_is_said(model: Model, iris: Table) -> None:
    assert axes_legend_title(plot_regions(model, iris)) == "observed class"
    many = {
        name: [cell for cell in cells for _ in range(50)]
        for name, cells in {
            **{name: iris[name].numbers for name in iris.columns if name != "species"},
            "species": [model.encoder.class_names[k] for k in model.encoder.labels(iris)],
        }.items()
    }
    axes = plot_regions(model, Table.from_columns(many))
    assert axes_legend_title(axes) == "observed class\n(1 row in 4 drawn)"
    assert sum(len(line.get_xydata()) for line in markers(axes)) == 7500 // 4


def axes_legend_title(axes: Axes) -> str:
    legend = axes.get_legend()
    assert legend is not None
    return legend.get_title().get_text()


def test_columns_with_the_largest_weights_are_chosen(model: Model, iris: Table) -> None:
    first = next(layer for layer in model.network.layers if isinstance(layer, Dense))
    kept = first.weights.values.copy()
    first.weights.values[:, [0, 1]] *= 100
    try:
        both = plot_regions(model, iris)
        x_given = plot_regions(model, iris, x="sepal_width")
        y_given = plot_regions(model, iris, y="petal_width")
    finally:
        first.weights.values[...] = kept
    assert {both.get_xlabel(), both.get_ylabel()} == {"sepal_length", "sepal_width"}
    assert (x_given.get_xlabel(), x_given.get_ylabel()) == ("sepal_width", "sepal_length")
    assert y_given.get_ylabel() == "petal_width"
    assert y_given.get_xlabel() == both.get_xlabel()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ("island", None, "no numeric column 'island'. It has: bill_length_mm, bill_depth_mm"),
        ("bill_length", None, "'bill_length'; did you mean 'bill_length_mm'?"),
        (None, "species", "no numeric column 'species'"),
        ("year", "year", "x and y are both 'year'"),
    ],
)
def test_columns_that_cannot_be_axes_are_refused(
    penguin_model: Model, penguins: Table, x: str | None, y: str | None, message: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        plot_regions(penguin_model, penguins, x, y)


@pytest.mark.parametrize(
    ("columns", "message"),
    [({"a": ["x", "y"] * 4}, "the model has none"), ({"a": range(8)}, "the model has only 'a'")],
)
def test_model_without_two_columns_of_numbers_is_refused(
    columns: dict[str, object], message: str
) -> None:
    table = Table.from_columns({**columns, "label": [*"aabbaabb"]})
    with pytest.raises(SettingsError, match=message):
        plot_regions(fit(table, "label", QUICK), table)


def numbers_table(x: Array, y: Array) -> Table:
    return Table.from_columns({"x": x, "y": y, "label": ["ab"[i % 2] for i in range(len(x))]})


@pytest.mark.parametrize("x", [[5.0] * 20, [0.0] * 20, [1e16 + 2 * i for i in range(20)]])
def test_column_that_hardly_varies_can_be_drawn(tmp_path: Path, x: list[float]) -> None:
    table = numbers_table(np.array(x), np.arange(20.0))
    axes = plot_regions(fit(table, "label", QUICK), table)
    save(axes, tmp_path / "a.png")
    for low, high in (axes.get_xlim(), axes.get_ylim()):
        assert low < high


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_numbers_beyond_what_can_be_drawn_are_refused(scale: float) -> None:
    table = numbers_table(scale * np.arange(20.0), np.arange(20.0))
    with pytest.raises(DataError, match=r"column 'x': from \S+ to 1\.8\S+ cannot be drawn"):
        plot_regions(fit(table, "label", QUICK), table)


def test_rows_without_a_value_are_no_trouble(penguin_model: Model, penguins: Table) -> None:
    axes = plot_regions(penguin_model, penguins, x="bill_length_mm", y="body_mass_g")
    drawn = np.concatenate([line.get_xydata() for line in axes.lines])
    assert np.isnan(drawn).any(axis=1).sum() == 2
    assert np.isfinite([axes.get_xlim(), axes.get_ylim()]).all()


def test_many_classes_are_named_as_far_as_there_is_room() -> None:
    angles = np.arange(300) % 30
    table = Table.from_columns(
        {"x": np.cos(angles), "y": np.sin(angles), "label": [f"class {k}" for k in angles]}
    )
    axes = plot_regions(fit(table, "label", replace(QUICK, epochs=40)), table)
    legend = axes.get_legend()
    assert legend is not None
    *_, last = legend.get_texts()
    assert (len(legend.get_texts()), last.get_text()) == (21, "predicted wrong")
    assert axes_legend_title(axes) == "observed class\n(20 of 30 listed)"
    assert 5 < len(axes.texts) <= 30


def test_regions_compose_on_given_axes(model: Model, iris: Table) -> None:
    figure = Figure()
    first, second = figure.subplots(1, 2)
    assert plot_regions(model, iris, ax=second) is second
    assert not first.has_data()
    assert figure.axes == [first, second]


def test_odd_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    names = ["$x_1$ and $y$", "大小\n\U0001f642", "$c$"]
    values = np.arange(30.0)
    table = Table.from_columns(
        {
            names[0]: values,
            names[1]: values % 7,
            names[2]: ["$u$" if i % 2 else "大 $5" for i in range(30)],
            "label": ["$a$ $b$" if i < 15 else "\x1b\U0001f642" for i in range(30)],
        },
        source="$f$.csv",
    )
    axes = plot_regions(fit(table, "label", QUICK), table, names[0], names[1])
    save(axes, tmp_path / "a.png")
    assert axes.get_xlabel() == r"\$x_1\$ and \$y\$"
    assert title(axes).splitlines()[0].startswith(r"\$f\$.csv")
    assert r"\$c\$ = " in title(axes)


def test_class_whose_name_begins_with_an_underscore_is_in_the_legend() -> None:
    classes = ["_hidden", "seen", "_"]
    table = Table.from_columns(
        {
            "x": np.arange(30.0),
            "y": np.arange(30.0) % 7,
            "label": [classes[i % 3] for i in range(30)],
        }
    )
    model = fit(table, "label", QUICK)
    legend = plot_regions(model, table).get_legend()
    assert legend is not None
    names = [text.get_text().strip() for text in legend.get_texts()]
    assert names[:3] == list(model.encoder.class_names)
    assert len(legend.legend_handles) == len(names)
