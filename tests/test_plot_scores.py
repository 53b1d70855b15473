from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from minnet import Model, Table, TrainingSettings, evaluate
from minnet.analysis.seeds import study_seeds
from minnet.model.document import load
from minnet.model.scores import Evaluation
from minnet.plots.figure import BLUE, GREY, ORANGE, VERMILLION, save
from minnet.plots.scores import plot_calibration, plot_confusion, plot_loss, plot_seeds
from tests.helpers import fit

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from minnet.analysis.seeds import SeedStudy
    from minnet.arrays import Array

QUICK = TrainingSettings(networks=4, hidden=(3,), epochs=4)


@pytest.fixture(scope="module")
def model(iris_model: Path) -> Model:
    return load(iris_model)


@pytest.fixture(scope="module")
def evaluation(model: Model, iris: Table) -> Evaluation:
    return evaluate(model, iris)


@pytest.fixture(scope="module")
def study(model: Model, iris: Table) -> SeedStudy:
    return study_seeds(model.encoder, iris, replace(QUICK, networks=6))


def made_evaluation(
    labels: list[int], answers: list[int], classes: int, certainty: float = 0.9
) -> Evaluation:
    """Judge rows whose answers all have the same probability."""
    probabilities = np.full((len(labels), classes), (1 - certainty) / (classes - 1))
    probabilities[np.arange(len(labels)), answers] = certainty
    names = tuple(f"class {k}" for k in range(classes))
    return Evaluation(
        class_names=names,
        labels=np.array(labels),
        probabilities=probabilities,
        rows=np.arange(len(labels)),
        fold_of_row=np.full(len(labels), -1),
        class_shares=np.full(classes, 1 / classes),
        networks=1,
    )


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def legend_texts(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def tick_labels(axes: Axes, side: str) -> list[str]:
    return [text.get_text() for text in getattr(axes, f"get_{side}ticklabels")()]


def title(axes: Axes) -> str:
    return axes.get_title(loc="left")


def lines_by_look(axes: Axes, colour: str, marker: str = "None") -> list[Array]:
    return [
        np.asarray(line.get_xydata())
        for line in axes.lines
        if to_hex(line.get_color()) == colour.lower() and line.get_marker() == marker
    ]


def test_loss_curves_are_those_of_the_history(model: Model) -> None:
    axes = plot_loss(model)
    history = model.history
    epochs = np.arange(1, len(history.holdout_loss) + 1)
    for losses, colour in ((history.holdout_loss, BLUE), (history.training_loss, ORANGE)):
        *networks, mean = lines_by_look(axes, colour)
        np.testing.assert_array_equal([line[:, 1] for line in networks], losses.T)
        np.testing.assert_allclose(mean, np.c_[epochs, losses.mean(axis=1)], rtol=1e-6)
    [kept] = lines_by_look(axes, BLUE, "o")
    np.testing.assert_allclose(kept, np.c_[history.best_epochs, history.kept_losses], rtol=1e-6)


def test_loss_picture_shows_the_class_shares_the_unit_and_the_kept_epochs(model: Model) -> None:
    axes = plot_loss(model)
    [baseline] = lines_by_look(axes, GREY)
    np.testing.assert_allclose(baseline[:, 1], np.log(3))
    texts = legend_texts(axes)
    assert "class shares: 1.099" in texts
    assert "training, while the weights move" in texts
    assert "holdout, of their average over the epochs" in texts
    assert axes.get_ylabel() == "cross-entropy (nats per row)"
    assert title(axes).splitlines() == [
        "iris.csv: loss of 8 networks (thin lines) and their mean",
        f"kept (dots): {model.history.kept}, holdout loss {model.history.kept_losses.mean():.3f}",
    ]


def test_loss_of_0_leaves_the_picture_and_the_rest_is_seen(iris: Table) -> None:
    model = fit(iris, "species", replace(QUICK, epochs=2))
    model.history.training_loss[1] = 0
    low, high = plot_loss(model).get_ylim()
    assert 0 < low < 1e-5 < 1 < high


def test_loss_axis_is_logarithmic_where_the_loss_gets_small(iris: Table) -> None:
    assert plot_loss(fit(iris, "species")).get_yscale() == "log"
    assert plot_loss(fit(iris, "species", replace(QUICK, epochs=2))).get_yscale() == "linear"


def test_loss_picture_of_squared_residuals_has_their_guess_and_no_nats(iris: Table) -> None:
    settings = replace(QUICK, networks=1, loss="squared-residuals")
    axes = plot_loss(fit(iris, "species", settings))
    assert axes.get_ylabel() == "squared residuals (per row)"
    assert "class shares: 0.667" in legend_texts(axes)
    assert title(axes).splitlines()[0] == "iris.csv: loss of 1 network"


def test_confusion_shows_every_count_in_its_cell(evaluation: Evaluation) -> None:
    axes = plot_confusion(evaluation)
    shown = np.zeros((3, 3), dtype=np.int64)
    for text in axes.texts:
        assert isinstance(text, Annotation)
        column, row = map(int, text.xy)
        shown[row, column] = int(text.get_text())
    np.testing.assert_array_equal(shown, evaluation.confusion)
    assert tick_labels(axes, "x") == ["setosa", "versicolor", "virginica"]
    assert tick_labels(axes, "y") == ["setosa (50)", "versicolor (50)", "virginica (50)"]


def test_confusion_is_blue_where_right_orange_where_wrong_and_stronger_for_more() -> None:
    axes = plot_confusion(made_evaluation([0] * 10 + [1] * 4, [0] * 9 + [1] + [1, 1, 0, 0], 3))
    cells = np.asarray(axes.images[0].get_array())
    distance = 1 - cells
    np.testing.assert_array_equal(cells[2], np.ones((3, 3)))
    for cell, colour in (((0, 0), BLUE), ((1, 1), BLUE), ((0, 1), VERMILLION)):
        direction = 1 - np.array(to_rgb(colour))
        strength = distance[cell] @ direction / (direction @ direction)
        np.testing.assert_allclose(distance[cell], strength * direction)
        assert strength > 0.1
    assert distance[0, 0].sum() > distance[1, 1].sum()
    assert distance[1, 0].sum() > distance[0, 1].sum()


def test_title_says_who_judged_which_rows(
    evaluation: Evaluation,
) -> None:
    fresh = replace(evaluation, known=0, fold_of_row=np.full(len(evaluation), -1))
    for draw in (plot_confusion, plot_calibration):
        assert title(draw(evaluation)).endswith(
            "\nall in the training table: judged by networks that never saw them"
        )
        assert title(draw(fresh)).endswith("\njudged by the mean of 8 networks")
    correct = evaluation.correct
    assert f"{correct} of 150 rows correct ({correct / 1.5:.1f} %)" in title(
        plot_confusion(evaluation)
    )


@pytest.mark.parametrize("classes", [2, 12, 50])
def test_labels_of_up_to_fifty_classes_do_not_overlap(classes: int) -> None:
    labels = list(range(classes)) * 3
    axes = plot_confusion(made_evaluation(labels, labels[::-1], classes))
    axes.figure.draw_without_rendering()
    for side, low, high in (("x", "x0", "x1"), ("y", "y0", "y1")):
        boxes = [text.get_window_extent() for text in getattr(axes, f"get_{side}ticklabels")()]
        assert len(boxes) == classes
        boxes.sort(key=lambda box: float(getattr(box, low)))
        for one, next_one in pairwise(boxes):
            assert getattr(one, high) <= getattr(next_one, low)
    assert len(axes.texts) > 0
    cell = axes.get_window_extent().width / classes
    assert all(text.get_window_extent().width < cell for text in axes.texts)


def test_over_fifty_classes_only_colours_and_some_names_are_shown() -> None:
    axes = plot_confusion(made_evaluation(list(range(120)), list(range(120)), 120))
    assert texts(axes) == []
    assert tick_labels(axes, "x") == [f"class {k}" for k in range(0, 120, 3)]


def two_classes(evaluation: Evaluation) -> Evaluation:
    """Take the third class of iris against the rest."""
    p = evaluation.probabilities[:, 2]
    return replace(
        evaluation,
        class_names=("other", "virginica"),
        labels=(evaluation.labels == 2).astype(int),
        probabilities=np.stack([1 - p, p], axis=1),
        class_shares=np.array([2 / 3, 1 / 3]),
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_calibration_draws_a_curve_a_class_with_its_intervals(
    evaluation: Evaluation, classes: int
) -> None:
    if classes == 2:
        evaluation = two_classes(evaluation)
    evaluation = replace(evaluation, groups=np.arange(150) // 5)
    axes = plot_calibration(evaluation)
    curves = [part for part in axes.containers if isinstance(part, ErrorbarContainer)]
    shown = [1] if classes == 2 else [0, 1, 2]
    assert [curve.get_label() for curve in curves] == [evaluation.class_names[k] for k in shown]
    for k, curve in zip(shown, curves, strict=True):
        expected = evaluation.calibration_curve(k)
        np.testing.assert_allclose(
            curve.lines[0].get_xydata(), [(part.mean_probability, part.share) for part in expected]
        )
        [ranges] = curve.lines[2]
        assert isinstance(ranges, LineCollection)
        reach = np.array(ranges.get_segments())[:, :, 1]
        np.testing.assert_allclose(reach, [part.interval for part in expected])
    expected_error, limit = evaluation.chance_calibration_errors
    assert (
        f"calibration error {evaluation.calibration_error:.3f} "
        f"({expected_error:.3f} by chance, up to {limit:.3f})"
    ) in title(axes)


def test_calibration_of_many_classes_shows_the_most_frequent() -> None:
    labels = [label for label in range(6) for _ in range(label + 1)]
    axes = plot_calibration(made_evaluation(labels, labels, 6))
    assert legend_texts(axes)[1:] == [f"class {k}" for k in (5, 4, 3, 2)]
    assert "drawn: the 4 most frequent of 6 classes" in title(axes).splitlines()
    assert "drawn" not in title(plot_calibration(made_evaluation(labels[:10], labels[:10], 4)))


def test_long_names_in_the_legend_leave_the_picture_its_width(evaluation: Evaluation) -> None:
    names = tuple(f"{k} of the many classes" for k in "abc")
    axes = plot_calibration(replace(evaluation, class_names=names))
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    assert axes.get_position().width > 0.7


def test_calibration_bars_stand_in_their_tenth_and_tell_their_rows(evaluation: Evaluation) -> None:
    evaluation = two_classes(evaluation)
    axes = plot_calibration(evaluation)
    [bars] = [part for part in axes.containers if isinstance(part, BarContainer)]
    parts = evaluation.calibration_curve(1)
    assert texts(axes) == [str(part.rows) for part in parts]
    heights = np.array([bar.get_height() for bar in bars])
    rows = np.array([part.rows for part in parts])
    np.testing.assert_allclose(heights / heights.max(), rows / rows.max())
    for bar, part in zip(bars, parts, strict=True):
        tenth = bar.get_x() + bar.get_width() / 2
        assert abs(tenth - part.mean_probability) <= 0.05 + 1e-9


def test_calibration_of_sure_answers_stands_in_the_last_tenth() -> None:
    axes = plot_calibration(made_evaluation([0, 1], [0, 1], 2, certainty=1.0))
    [bars] = [part for part in axes.containers if isinstance(part, BarContainer)]
    assert 0 < bars[0].get_x() < 0.1
    assert 0.9 < bars[1].get_x() < bars[1].get_x() + bars[1].get_width() < 1


def test_seeds_strip_holds_every_probability_of_its_rows(study: SeedStudy) -> None:
    axes = plot_seeds(study)
    [right] = lines_by_look(axes, BLUE, "o")
    [wrong] = lines_by_look(axes, VERMILLION, "x")
    [medians] = lines_by_look(axes, "#000000", "|")
    for place, name in enumerate(tick_labels(axes, "y")):
        number, class_name, held_out = re.match(r"row (\d+), (\w+)( \*)?", name).groups()  # type: ignore[union-attr]
        row = int(np.flatnonzero(study.rows + 1 == int(number))[0])
        assert study.class_names[study.labels[row]] == class_name
        assert study.held_out[row] == (held_out is not None)
        assert medians[place, 0] == pytest.approx(np.median(study.probabilities[:, row]))
        for dots, is_right in ((right, True), (wrong, False)):
            own = dots[np.abs(dots[:, 1] - place) < 0.5, 0]
            expected = study.probabilities[study.correct[:, row] == is_right, row]
            np.testing.assert_allclose(np.sort(own), np.sort(expected))
    assert (np.diff(medians[:, 0]) >= 0).all()


def test_seeds_strip_shows_the_most_torn_rows(study: SeedStudy) -> None:
    torn = len(study.unstable)
    axes = plot_seeds(study)
    shown = {int(name.split(",")[0].removeprefix("row ")) for name in tick_labels(axes, "y")}
    assert len(shown) == 30
    assert shown >= set((study.rows[study.unstable[:30]] + 1).tolist())
    assert f"{torn} of 150 rows change class with it; shown: the 30 that move most" in title(axes)


@pytest.mark.parametrize("draw", ["loss", "confusion", "calibration", "seeds"])
def test_picture_composes_on_given_axes(
    model: Model, evaluation: Evaluation, study: SeedStudy, draw: str
) -> None:
    figure = Figure()
    first, second = figure.subplots(1, 2)
    returned = {
        "loss": lambda: plot_loss(model, ax=second),
        "confusion": lambda: plot_confusion(evaluation, ax=second),
        "calibration": lambda: plot_calibration(evaluation, ax=second),
        "seeds": lambda: plot_seeds(study, ax=second),
    }[draw]()
    assert returned is second
    assert second.has_data()
    assert not first.has_data()
    assert figure.axes == [first, second]


ODD_NAMES = ("$5 or $6", "a\nb\x1b[31m", "大小 \U0001f642 " + "x" * 500)


def test_odd_names_are_drawn_as_they_are(model: Model, iris: Table, tmp_path: Path) -> None:
    encoder = replace(model.encoder, class_names=ODD_NAMES)
    evaluation = replace(evaluate(model, iris), class_names=ODD_NAMES)
    study = replace(study_seeds(model.encoder, iris, QUICK), class_names=ODD_NAMES)
    odd = replace(model, encoder=encoder, trained_on="$a$ $b$\n.csv")
    for axes in (
        plot_confusion(evaluation),
        plot_calibration(evaluation),
        plot_seeds(study),
        plot_loss(odd),
    ):
        save(axes, tmp_path / "a.png")
    assert tick_labels(plot_confusion(evaluation), "x") == [
        r"\$5 or \$6",
        "a\\nb\\x1b[31m",
        "大小 \U0001f642 " + "x" * 5 + "..." + "x" * 11,
    ]


class Tags(HTMLParser):
    """Checks that tags close in order, and gathers what stands between them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def test_notebook_summary_is_html_whatever_the_names(model: Model) -> None:
    odd = ("<script>f(1)</script>", "a & b", '"c"')
    page = Tags()
    named = replace(model, encoder=replace(model.encoder, class_names=odd), trained_on="<b>.csv")
    page.feed(named._repr_html_())
    assert page.open == []
    assert page.seen == {"table", "caption", "tr", "th", "td"}
    assert '<script>f(1)</script>\n50 rows\na & b\n50 rows\n"c"\n50 rows\n' in page.text
    assert "trained on <b>.csv to predict 'species'" in page.text
    assert "features 4 and 32 bins -> 32 -> 3 classes" in page.text
    assert f"{model.history.kept} of {len(model.history)}" in page.text
    assert f"{model.history.kept_losses.mean():.3f}" in page.text


def test_notebook_summary_of_a_wide_table_stays_small() -> None:
    columns = {f"c{k}": [float(i * k % 7) for i in range(30)] for k in range(300)}
    table = Table.from_columns({**columns, "y": ["ab"[i % 2] for i in range(30)]})
    page = fit(table, "y", replace(QUICK, epochs=1))._repr_html_()
    assert "... 288 more rows" in page
    assert len(page) < 4000
