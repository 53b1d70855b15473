from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

from minnet.errors import SettingsError
from minnet.model.curves import average_precision, precision_recall_curve, roc_area, roc_curve
from minnet.model.scores import Evaluation
from minnet.plots.curves import plot_precision_recall, plot_roc

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from minnet.arrays import Array


def made(rows: int = 200, classes: int = 2, skill: float = 2.0, inflation: float = 1) -> Evaluation:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, classes, rows)
    logits = generator.normal(size=(rows, classes))
    logits[np.arange(rows), labels] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Evaluation(
        class_names=tuple("abcdefghijkl"[:classes]),
        labels=labels,
        probabilities=probabilities,
        rows=np.arange(rows),
        fold_of_row=np.full(rows, -1),
        class_shares=np.full(classes, 1 / classes),
        networks=8,
        inflation=inflation,
    )


def ends(entry: str) -> list[float]:
    """Of the interval that an entry of a legend tells."""
    return [float(end) for end in entry[entry.index("(") + 1 : entry.index(")")].split("-")]


PROBABILITIES = arrays.arrays(np.float64, 30, elements=st.sampled_from(np.linspace(0, 1, 9)))


@given(PROBABILITIES)
def test_areas_are_scikit_learns(probabilities: Array) -> None:
    is_class = np.arange(30) % 3 == 0
    assert roc_area(roc_curve(probabilities, is_class)) == pytest.approx(
        metrics.roc_auc_score(is_class, probabilities)
    )
    assert average_precision(precision_recall_curve(probabilities, is_class)) == pytest.approx(
        metrics.average_precision_score(is_class, probabilities)
    )


def test_picture_of_two_classes_shows_the_second_with_area_and_band() -> None:
    evaluation = made()
    axes = plot_roc(evaluation)
    area = metrics.roc_auc_score(evaluation.labels == 1, evaluation.probabilities[:, 1])
    chance, of_class = (text.get_text() for text in axes.get_legend().get_texts())
    assert chance == "0.500 by chance"
    assert of_class.startswith(f"{area:.3f} (")
    assert of_class.endswith(") b")
    assert len(axes.collections) == 1
    low, high = ends(of_class)
    assert low < area < high


def test_picture_of_many_classes_shows_each_against_the_rest_or_the_one_asked_for() -> None:
    evaluation = made(classes=4)
    names = [
        text.get_text()[-1] for text in plot_precision_recall(evaluation).get_legend().get_texts()
    ]
    assert sorted(names) == ["a", "b", "c", "d"]
    (one,) = plot_precision_recall(evaluation, of="c").get_legend().get_texts()
    assert one.get_text().endswith(" c")


def test_picture_says_which_of_very_many_classes_it_draws() -> None:
    said = "drawn: the 8 most frequent of 12 classes"
    assert said in plot_roc(made(classes=12)).get_title(loc="left").splitlines()
    assert "drawn" not in plot_roc(made(classes=8)).get_title(loc="left")
    assert "drawn" not in plot_roc(made(classes=12), of="c").get_title(loc="left")


def test_legend_lists_classes_that_begin_with_an_underscore() -> None:
    axes = plot_precision_recall(replace(made(), class_names=("_a", "_b")))
    (one,) = axes.get_legend().get_texts()
    assert one.get_text().endswith(" _b")


def test_dependent_rows_make_wider_bands() -> None:
    def width(inflation: float) -> float:
        low, high = ends(plot_roc(made(inflation=inflation)).get_legend().get_texts()[1].get_text())
        return high - low

    assert width(2.0) > 1.2 * width(1.0)


@pytest.mark.parametrize("draw", [plot_roc, plot_precision_recall])
def test_bands_of_rows_that_are_copied_are_those_of_the_rows(draw: Callable[..., Axes]) -> None:
    def ends_of(evaluation: Evaluation) -> list[float]:
        return ends(draw(evaluation).get_legend().get_texts()[-1].get_text())

    plain = made()
    copied = replace(
        plain,
        labels=plain.labels.repeat(9),
        probabilities=plain.probabilities.repeat(9, axis=0),
        rows=np.arange(1800),
    )
    alike = replace(copied, groups=np.arange(200).repeat(9))
    expected = ends_of(replace(plain, groups=np.arange(200)))
    assert ends_of(alike) == pytest.approx(expected, abs=0.002)
    low, high = ends_of(copied)
    assert high - low < 0.5 * (ends_of(alike)[1] - ends_of(alike)[0])


def test_unknown_class_and_a_table_of_one_class_are_refused() -> None:
    with pytest.raises(SettingsError, match="no class 'z'"):
        plot_roc(made(), of="z")
    evaluation = replace(made(), labels=np.ones(200, np.int64))
    with pytest.raises(SettingsError, match="rows of the rest"):
        plot_roc(evaluation)
