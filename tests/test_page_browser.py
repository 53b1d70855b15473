"""The page in a real browser, Debian's Chromium, offline."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import minnet
from minnet.network.preparation import Bins, Standardize
from minnet.pages import page as write_page
from minnet.plots.figure import class_colour
from tests.helpers import IRIS, PENGUINS
from tests.page_helpers import (
    HOSTILE_CELLS,
    HOSTILE_CLASSES,
    HOSTILE_NAMES,
    HOSTILE_TARGET,
    Opened,
    Shown,
    extreme_table,
    hostile_table,
    made_page,
    narrow_table,
    shown,
    strange_penguins,
    wide_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser

    from minnet import Model

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def binned_iris_page(folder: Path) -> tuple[Model, Path]:
    return made_page(folder, IRIS, "species", name="binned_iris", bins=8)


@pytest.fixture(scope="module")
def binned_penguins_page(folder: Path) -> tuple[Model, Path]:
    return made_page(folder, PENGUINS, "species", name="binned_penguins", bins=8)


@pytest.fixture(scope="module")
def wide_page(folder: Path) -> tuple[Model, Path]:
    return made_page(folder, wide_table(folder / "wide.csv"), "digit", name="wide", epochs=8)


@pytest.fixture(scope="module")
def hostile_page(folder: Path) -> tuple[Model, Path]:
    table = hostile_table(folder / "hostile.csv")
    return made_page(folder, table, HOSTILE_TARGET, name="hostile", epochs=20)


PREDICT_ALL_ROWS = """() => data.table.numbers.map((_, row) => {
    const values = data.table.cells.map((column) => column[row]);
    const prediction = predict(networks, transform(columns, values));
    const members = prediction.members.map((member) => [...member]);
    return [[...prediction.mean], members, cautions(columns, values, prediction)];
})"""


def assert_agrees(view: Shown, model: Model, table: Any) -> None:
    means, members, cautions = zip(*view.run(PREDICT_ALL_ROWS), strict=True)
    predictions = minnet.predict(model, table)
    assert len(means) == len(predictions)
    np.testing.assert_allclose(np.array(means), predictions.probabilities, rtol=0, atol=1e-6)
    own = model.member_probabilities(table)
    np.testing.assert_allclose(np.array(members).swapaxes(0, 1), own, rtol=0, atol=2e-6)
    assert list(cautions) == predictions.cautions


def test_numbers_and_warnings_are_those_of_predict(
    opened: Opened,
    iris_page: tuple[Model, Path],
    penguins_page: tuple[Model, Path],
    binned_iris_page: tuple[Model, Path],
    binned_penguins_page: tuple[Model, Path],
) -> None:
    for model, path in (iris_page, binned_iris_page):
        with opened(path) as view:
            assert_agrees(view, model, IRIS)
    for model, path in (penguins_page, binned_penguins_page):
        with opened(path) as view:
            assert_agrees(view, model, PENGUINS)


@pytest.mark.parametrize("page", ["penguins_page", "binned_penguins_page"])
def test_strange_rows_get_the_warnings_of_predict(
    browser: Browser, page: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    model, _ = request.getfixturevalue(page)
    table, path = strange_penguins(folder / "strange.csv"), folder / "strange.html"
    write_page(model, path, table)
    given = {
        text.partition(":")[0] for row in minnet.predict(model, table).cautions for text in row
    }
    assert given >= {
        "outside training range",
        "unseen category",
        "missing, but never missing in training",
        "networks disagree",
    }
    with shown(browser, path) as view:
        assert_agrees(view, model, table)


def test_words_of_truth_are_shown_as_words_and_calculated_as_numbers(
    browser: Browser, folder: Path
) -> None:
    flags = ["true", "FALSE", "", "1", "0", "false"] * 6
    lines = [f"{flag},{row % 7},{'ab'[row % 4 > 1]}\n" for row, flag in enumerate(flags)]
    table = folder / "flags.csv"
    table.write_text(f"flag,x,y\n{''.join(lines)}")
    model, path = made_page(folder, table, "y", name="flags", networks=2, epochs=5, bins=3)
    strange = folder / "strange_flags.csv"
    strange.write_text("flag,x\n0.5,1\n7,1\nTrue,3\n")
    write_page(model, folder / "strange_flags.html", strange)
    with shown(browser, folder / "strange_flags.html") as view:
        assert_agrees(view, model, strange)
    with shown(browser, path) as view:
        assert_agrees(view, model, table)
        box = view.page.get_by_label("flag", exact=True).and_(view.page.locator("select"))
        assert box.locator("option:not([hidden])").all_inner_texts() == [
            "false",
            "true",
            "(missing)",
        ]
        for word, value in (("true", 1), ("(missing)", None), ("false", 0)):
            box.select_option(word)
            view.settle()
            assert view.state("values")[0] == value
        view.run("() => update({ unit: { layer: 0, index: 0 } })")
        view.settle()
        assert "false" in view.page.locator("#inside-view").inner_text()
        view.run("() => { update({ x: 0, y: 1 }); drawViews(true); }")
        label = view.page.locator("#regions-view canvas").first.get_attribute("aria-label") or ""
        assert "flag false" in label


def test_numbers_agree_for_any_shape_and_loss(browser: Browser, folder: Path) -> None:
    for hidden in ((), (5, 4)):
        model, path = made_page(
            folder,
            IRIS,
            "species",
            name=f"hidden{len(hidden)}",
            hidden=hidden,
            networks=2,
            epochs=10,
            loss="squared-residuals",
        )
        with shown(browser, path) as view:
            assert_agrees(view, model, IRIS)
            view.page.get_by_label("gradients flowing back").check()
            assert "squared residuals" in view.page.locator("#inside-view").inner_text()


@pytest.mark.parametrize("bins", [0, 3])
@pytest.mark.parametrize("loss", ["cross-entropy", "squared-residuals"])
def test_sums_and_gradients_are_those_of_explain(
    browser: Browser, folder: Path, loss: str, bins: int
) -> None:
    model, path = made_page(
        folder,
        PENGUINS,
        "species",
        name=loss,
        loss=loss,
        hidden=(6, 5),
        networks=2,
        epochs=12,
        bins=bins,
    )
    script = """(position) => {
        update(ofRow(position));
        drawViews();
        const traced = trace(networks[state.network], current.features);
        const gradients = backward(traced, state.label, data.loss);
        const plain = (layers, name) => layers.map((layer) => [...layer[name]]);
        return {
            network: state.network,
            sums: plain(traced.layers, "sums"),
            outputs: plain(traced.layers, "outputs"),
            gradients: plain(gradients, "sums"),
            scaled: scaledGradients(networks[state.network], traced, gradients),
            crossEntropy: crossEntropy(traced.logits, state.label),
        };
    }"""
    with shown(browser, path) as view:
        for row in (0, 3, 200):
            told = view.run(script, row)
            explained = minnet.explain(model, PENGUINS, row)
            assert told["network"] == explained.network
            for place, layer in enumerate(explained.trace.layers):
                np.testing.assert_allclose(told["sums"][place], layer.sums, atol=1e-5)
                np.testing.assert_allclose(told["outputs"][place], layer.outputs, atol=1e-5)
                assert layer.gradients is not None
                np.testing.assert_allclose(
                    told["gradients"][place], layer.gradients["sums"], atol=1e-5
                )
            first = explained.trace.layers[0]
            assert first.gradients is not None
            scaled = first.weights @ first.gradients["sums"]
            if explained.bins is not None:
                explained.bins.forward(first.inputs[None, None, : len(explained.feature_names)])
                scaled = explained.bins.input_gradients(scaled[None, None])[0, 0]
            np.testing.assert_allclose(told["scaled"], scaled, atol=1e-4)
            assert explained.trace.backward is not None
            assert told["crossEntropy"] == pytest.approx(
                explained.trace.backward.cross_entropy, abs=1e-5
            )


def test_inputs_move_the_prediction(opened: Opened, penguins_page: tuple[Model, Path]) -> None:
    with opened(penguins_page[1]) as view:
        page = view.page
        page.get_by_role("button", name="Median row").click()
        before = view.bars()
        assert view.state("row") is None
        slider = page.get_by_role("slider", name="bill_length_mm")
        slider.fill("57")
        assert view.state("values[1]") == 57
        assert page.locator("#column-1").input_value() == "57"
        assert view.bars() != before
        page.locator("#column-1").fill("99.5")
        view.settle()
        assert page.locator("#ask-view .warnings li").all_inner_texts()[0] == (
            "outside training range: bill_length_mm"
        )
        page.locator("#ask-view .column", has_text="bill_depth_mm").get_by_label("missing").check()
        assert view.state("values[2]") is None
        page.locator("#ask-view .column", has_text="bill_depth_mm").get_by_label(
            "missing"
        ).uncheck()
        assert view.state("values[2]") == 17.3
        page.locator("#column-1").fill("45")
        before = view.bars()
        page.get_by_role("combobox", name="island").select_option("Dream")
        assert view.state("values[0]") == "Dream"
        assert view.bars() != before
        page.get_by_role("combobox", name="island").select_option("(another category)")
        view.settle()
        assert "unseen category: island" in page.locator("#ask-view .warnings").inner_text()
        page.get_by_role("combobox", name="sex").select_option("(missing)")
        assert view.state("values[5]") is None


def test_rows_are_chosen_by_number_and_step_by_step(
    opened: Opened, penguins_page: tuple[Model, Path]
) -> None:
    model, path = penguins_page
    with opened(path) as view:
        page = view.page
        number = page.get_by_role("spinbutton", name="Row", exact=True)
        number.fill("4")
        number.press("Enter")
        assert view.state("values") == ["Torgersen", None, None, None, None, None, 2007]
        expected = minnet.predict(model, PENGUINS).probabilities[3]
        assert view.bars() == [f"{p:.3f}" for p in expected]
        assert "Row 4 is Adelie" in page.locator("#ask-view .observed").inner_text()
        assert view.state("network") == minnet.explain(model, PENGUINS, 3).network
        page.get_by_role("button", name="Next row").click()
        assert view.state("row") == 4
        page.get_by_role("button", name="Previous row").click()
        page.get_by_role("button", name="Previous row").click()
        assert view.state("row") == 2
        page.get_by_role("button", name="Any row").click()
        assert view.state("row") is not None


def test_a_network_is_looked_into(opened: Opened, iris_page: tuple[Model, Path]) -> None:
    model, path = iris_page
    row = most_wrong_row(model)
    with opened(path) as view:
        page, inside = view.page, view.page.locator("#inside-view")
        assert f"row {row} is held out from it." in inside.inner_text()
        own = view.state("network")
        other = 0 if own else 1
        page.get_by_role("combobox", name="Network").select_option(str(other + 1))
        assert view.state("network") == other
        assert f"row {row} is held out from network {own + 1}." in inside.inner_text()
        unit = inside.locator(".unit").nth(10)
        unit.hover()
        view.settle()
        name = unit.get_attribute("aria-label") or ""
        assert inside.locator(".detail h3").inner_text() == name.partition(":")[0].replace(
            "ReLU, ", "ReLU: "
        )
        rows = inside.locator(".detail tbody tr").all_inner_texts()
        terms = numbers_in(rows)
        assert sum(terms[:5]) == pytest.approx(terms[5], abs=0.003)
        assert terms[6] == pytest.approx(max(terms[5], 0), abs=0.001)
        values = inside.locator(".unit-value").all_inner_texts()
        page.get_by_label("weights and biases").check()
        view.settle()
        assert inside.locator(".unit-value").all_inner_texts() != values
        page.get_by_label("gradients flowing back").check()
        view.settle()
        assert "weight \u00d7 gradient" in inside.locator(".detail").inner_text()
        page.get_by_role("combobox", name="Observed class").select_option("setosa")
        view.settle()
        assert view.state("label") == 0
        assert "Observed: setosa. Cross-entropy" in inside.inner_text()
        page.get_by_role("combobox", name="Observed class").select_option("(none)")
        assert view.state("lines") == "flow"
        assert "softmax \u2212 observed" not in inside.inner_text()


def numbers_in(texts: list[str]) -> list[float]:
    """The last number of each row of a table."""
    return [float(text.split("\t")[-1].replace("\u2212", "-")) for text in texts]


def test_a_unit_sums_its_largest_products_and_all_others(
    opened: Opened, binned_iris_page: tuple[Model, Path]
) -> None:
    model, path = binned_iris_page
    explained = minnet.explain(model, IRIS, most_wrong_row(model) - 1)
    first = explained.trace.layers[0]
    unit = int(first.outputs.argmax())
    names = [
        *explained.feature_names,
        *(f"{name} bin {t + 1}" for name in explained.feature_names for t in range(8)),
    ]
    products = first.inputs * first.weights[:, unit]
    largest = np.abs(products).argsort()[::-1][:12]
    with opened(path) as view:
        detail = view.page.locator("#inside-view .detail")
        view.run("(index) => update({ unit: { layer: 1, index } })", unit)
        view.settle()
        rows = detail.locator("tbody tr").all_inner_texts()
        told = [text.split("\t")[0] for text in rows]
        assert sorted(told[:12]) == sorted(names[i] for i in largest)
        assert told[12:] == ["24 others", "bias", "sum", "passes on"]
        terms = numbers_in(rows)
        assert terms[0] == pytest.approx(products[largest[0]], abs=0.001)
        assert sum(terms[:-2]) == pytest.approx(terms[-2], abs=0.01)
        assert terms[-2] == pytest.approx(first.sums[unit], abs=0.001)
        view.page.get_by_label("gradients flowing back").check()
        view.settle()
        told = [
            text.split("\t")[0] for text in detail.locator("tbody").nth(1).inner_text().split("\n")
        ]
        assert told[12:] == ["24 others", "bias"]


def test_an_input_tells_its_bins(opened: Opened, binned_iris_page: tuple[Model, Path]) -> None:
    model, path = binned_iris_page
    standardize, bins, *_ = model.network.layers
    assert isinstance(standardize, Standardize)
    assert isinstance(bins, Bins)
    own = bins.columns == 2
    edges = np.append(bins.lower[0, own], bins.upper[0, own][-1])
    edges = edges * standardize.scales[0, 0, 2] + standardize.means[0, 0, 2]
    value = edges[3:5].mean()
    with opened(path) as view:
        detail = view.page.locator("#inside-view .detail")
        view.run("update({ network: 0, unit: { layer: 0, index: 2 } })")
        for told, expected in (
            (value, [["4", f"{edges[3]:g}", f"{edges[4]:g}", "0.0000"]]),
            (edges[-1] + 1, []),
        ):
            view.run("(value) => update(ofValue(2, value))", told)
            view.settle()
            rows = [text.split("\t") for text in detail.locator("tr").all_inner_texts()[1:]]
            assert [row for row in rows if len(row) == 4 and row[0] != "bin"] == expected
            assert ("lies in none of its bins" in detail.inner_text()) == (not expected)


def test_a_feature_is_drawn_with_its_bins_as_one_input(
    browser: Browser, binned_penguins_page: tuple[Model, Path]
) -> None:
    model, path = binned_penguins_page
    script = """(lines) => {
        const network = networks[state.network];
        const traced = trace(network, current.features);
        const gradients = backward(traced, state.label, data.loss);
        const { values, line } = picture(network, traced, gradients, lines);
        const units = [...Array(32).keys()];
        const ofFeatures = data.features.map((_, i) => units.map((j) => line(0, i, j)));
        return [values[0] && [...values[0]], ofFeatures];
    }"""
    with shown(browser, path) as view:
        explained = minnet.explain(model, PENGUINS, view.state("row"))
        first = explained.trace.layers[0]
        features = len(explained.feature_names)
        assert explained.bins is not None
        assert first.gradients is not None
        view.page.locator("#inside-view").get_by_role("button", name="All units").click()
        view.settle()
        units = view.page.locator("#inside-view .unit")
        assert units.filter(has=view.page.locator(".before")).count() == features
        values, passed = view.run(script, "flow")
        np.testing.assert_allclose(values, first.inputs[:features], atol=1e-6)
        np.testing.assert_allclose(np.sum(passed, axis=0) + first.biases, first.sums, atol=1e-5)
        own = features + np.flatnonzero(explained.bins.columns == features - 1)
        year = [features - 1, *own]
        for lines, all_of in (
            ("weights", first.weights),
            ("gradients", first.gradients["weights"]),
        ):
            _, told = view.run(script, lines)
            largest = np.take_along_axis(
                all_of[year], np.abs(all_of[year]).argmax(axis=0)[None], axis=0
            )[0]
            np.testing.assert_allclose(np.abs(told[-1]), np.abs(largest), atol=1e-6)
            if lines == "weights":
                np.testing.assert_allclose(told[-1], largest, atol=1e-6)


def test_regions_follow_axes_and_pointer(opened: Opened, penguins_page: tuple[Model, Path]) -> None:
    with opened(penguins_page[1]) as view:
        page = view.page
        canvas = page.locator("#regions-view canvas")
        canvas.scroll_into_view_if_needed()
        page.get_by_role("combobox", name="To the right").select_option("bill_length_mm")
        page.get_by_role("combobox", name="Upwards").select_option("flipper_length_mm")
        assert (view.state("x"), view.state("y")) == (1, 3)
        page.get_by_role("combobox", name="Upwards").select_option("bill_length_mm")
        assert (view.state("x"), view.state("y")) == (3, 1)
        box = canvas.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 60, y - 60, steps=4)
        page.mouse.up()
        flipper, bill = view.state("values[3]"), view.state("values[1]")
        assert view.state("row") is None
        assert 200 < flipper < 236
        assert 45 < bill < 61
        place = view.run(
            """() => {
                const { x, y } = state;
                const row = data.table.numbers.indexOf(100);
                const canvas = document.querySelector("#regions-view canvas");
                const axes = [makeAxis(columns[x], 9), makeAxis(columns[y], 9)];
                const box = canvas.getBoundingClientRect();
                const at = (axis, column) => axis.at(data.table.cells[column][row]);
                const [right, up] = [at(axes[0], x), at(axes[1], y)];
                return [box.left + 58 + right * (box.width - 68),
                        box.top + 10 + (1 - up) * (box.height - 56)];
            }"""
        )
        page.mouse.click(*place)
        assert view.state("row") == 99
        page.get_by_role("combobox", name="Upwards").select_option("island")
        view.settle()
        canvas.press("ArrowUp")
        assert view.state("values[0]") in ("Biscoe", "Dream", "Torgersen")
        assert view.state("row") is None


@pytest.mark.parametrize("page", ["penguins_page", "binned_penguins_page"])
def test_regions_are_the_predictions_at_their_points(
    opened: Opened, page: str, request: pytest.FixtureRequest
) -> None:
    script = """([x, y]) => {
        const [xs, ys] = [makeAxis(columns[x], 7).values, makeAxis(columns[y], 5).values];
        const plane = predictPlane(networks, state.values, x, y, xs, ys).means;
        const values = (j, i) =>
            state.values.map((v, c) => (c === x ? xs[i] : c === y ? ys[j] : v));
        let [at, furthest] = [0, 0];
        for (let j = 0; j < ys.length; j++) for (let i = 0; i < xs.length; i++) {
            const { mean } = predict(networks, transform(columns, values(j, i)));
            for (const p of mean) furthest = Math.max(furthest, Math.abs(p - plane[at++]));
        }
        return [at === plane.length, furthest];
    }"""
    with opened(request.getfixturevalue(page)[1]) as view:
        for axes in ([1, 2], [0, 3], [5, 0]):
            complete, furthest = view.run(script, axes)
            assert complete
            assert furthest < 1e-12


def most_wrong_row(model: Model, data: Path = IRIS) -> int:
    """Number of the row that the model gets most wrong: the page starts with it."""
    evaluation = minnet.evaluate(model, data)
    return int(evaluation.rows[evaluation.observed_probability.argmin()]) + 1


def test_most_wrong_rows_lead_back_to_the_top(
    opened: Opened, iris_page: tuple[Model, Path]
) -> None:
    model, path = iris_page
    evaluation = minnet.evaluate(model, IRIS)
    order = np.argsort(evaluation.observed_probability, kind="stable")
    with opened(path) as view:
        text = view.page.locator("#trust-view").inner_text()
        assert "judged by networks that never saw them" in text
        assert f"{evaluation.accuracy * 100:.1f}\u00a0%" in text
        assert f"{evaluation.log_loss:.3f}" in text
        expected, limit = evaluation.chance_calibration_errors
        assert f"{evaluation.calibration_error:.3f}" in text
        assert f"by chance alone {expected:.3f}, up to {limit:.3f}" in text
        assert f"{evaluation.area_under_roc_curve:.3f}" in text
        assert f"average precision {evaluation.average_precision:.3f}" in text
        assert f"balanced accuracy {evaluation.balanced_accuracy * 100:.1f}\u00a0%" in text
        curves = [evaluation.calibration_curve(k) for k in evaluation.main_classes]
        points = view.page.locator("#trust-view svg.chart circle title").all_text_contents()
        assert len(points) == sum(map(len, curves))
        low, high = curves[0][0].interval
        assert points[0] == (
            f"setosa: {curves[0][0].rows} rows with probability "
            f"{curves[0][0].mean_probability:.2f}, of which {curves[0][0].share:.2f} are "
            f"(95 % interval {low:.2f} to {high:.2f})"
        )
        assert "Which columns matter" in text
        cells = view.page.locator(".confusion td").all_inner_texts()
        assert [int(cell) for cell in cells] == evaluation.confusion.ravel().tolist()
        second = evaluation.rows[order[1]] + 1
        view.page.get_by_role("button", name=f"Row {second}", exact=True).click()
        assert view.state("row") == second - 1
        assert view.run("document.activeElement.id") == "row"


def test_page_of_a_model_trained_balanced_warns_of_its_probabilities(
    browser: Browser, folder: Path
) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=1500)
    labels = [
        "Yes" if y else "No" for y in generator.random(1500) < 1 / (1 + np.exp(4.5 - 1.5 * x))
    ]
    table = minnet.Table.from_columns({"x": x.tolist(), "y": labels})
    model = minnet.train(table, "y", balanced=True, epochs=15)
    write_page(model, folder / "balanced.html", table)
    evaluation = minnet.evaluate(model, table)
    assert len(evaluation.warnings) == 2
    with shown(browser, folder / "balanced.html") as view:
        texts = view.page.locator("#trust-view .warning").all_inner_texts()
    assert [text.lower() for text in texts] == [f"{text}." for text in evaluation.warnings]


def test_scores_of_a_chosen_model_are_said_to_flatter(browser: Browser, folder: Path) -> None:
    fixed: dict[str, Any] = {"networks": 2, "epochs": 5, "bins": 0, "learning_rate": 0.01}
    tuning = minnet.tune(IRIS, "species", hidden=[(2,), (3,)], weight_decay=0.1, **fixed)
    said = f"C{str(tuning.selection)[1:]}."
    for data in (IRIS, None):
        write_page(tuning.model, folder / "chosen.html", data)
        with shown(browser, folder / "chosen.html") as view:
            assert said in view.page.locator("#trust-view").inner_text()


def test_everything_is_reached_and_moved_by_keyboard_alone(
    browser: Browser, iris_page: tuple[Model, Path]
) -> None:
    with shown(browser, iris_page[1]) as view:
        press = view.page.keyboard.press

        def tab_to(condition: str) -> None:
            for _ in range(120):
                press("Tab")
                if view.run(f"() => {{ const at = document.activeElement; return {condition}; }}"):
                    outline = view.run("getComputedStyle(document.activeElement).outlineStyle")
                    assert outline != "none", condition
                    return
            pytest.fail(f"Tab does not lead to {condition}")

        tab_to('at.classList.contains("skip")')
        tab_to('at.textContent === "Next row"' + ' || at.ariaLabel === "Next row"')
        press("Enter")
        assert view.state("row") == most_wrong_row(iris_page[0])
        tab_to('at.type === "range" && at.ariaLabel === "petal_length"')
        before = view.state("values[2]")
        press("ArrowRight")
        assert view.state("values[2]") > before
        tab_to('at.type === "checkbox"')
        press("Space")
        assert view.state("values[2]") is None
        tab_to('at.name === "lines"')
        press("ArrowRight")
        assert view.state("lines") == "weights"
        tab_to('at.classList.contains("unit")')
        places = [view.run("document.activeElement.ariaLabel")]
        for key in ("ArrowLeft", "ArrowDown", "ArrowLeft"):
            press(key)
            places.append(view.run("document.activeElement.ariaLabel"))
        assert [name.split(",")[0] for name in places] == [
            "raw output",
            "hidden 1",
            "hidden 1",
            "input",
        ]
        assert view.state("unit.layer") == 0
        tab_to('at.closest("#regions-view") && at.localName === "canvas"')
        x = view.state("x")
        press("ArrowLeft")
        once = view.state(f"values[{x}]")
        press("ArrowLeft")
        assert view.state(f"values[{x}]") < once
        tab_to('at.closest(".wrong") && at.localName === "button"')
        press("Enter")
        assert view.state("row") == most_wrong_row(iris_page[0]) - 1


def test_nothing_is_wider_than_the_screen(
    browser: Browser,
    iris_page: tuple[Model, Path],
    penguins_page: tuple[Model, Path],
    binned_penguins_page: tuple[Model, Path],
    wide_page: tuple[Model, Path],
    hostile_page: tuple[Model, Path],
) -> None:
    pages = [iris_page, penguins_page, binned_penguins_page, wide_page, hostile_page]
    outside = """() => [...document.querySelectorAll("main *")].filter((one) => {
        const { right, width } = one.getBoundingClientRect();
        return width && right > innerWidth + 1
            && !one.closest(".scrolling, .stage, .bar-name, .unit-name, .name");
    }).map((one) => one.outerHTML.slice(0, 80))"""
    for _, path in pages:
        with shown(browser, path, width=360) as view:
            for width in (360, 768, 1280) if path == hostile_page[1] else (360,):
                view.page.set_viewport_size({"width": width, "height": 800})
                view.settle()
                view.run("drawViews(true)")
                assert view.run("document.documentElement.scrollWidth") == width
                assert view.run(outside) == []


def test_hostile_names_are_shown_verbatim_and_do_nothing(
    opened: Opened, hostile_page: tuple[Model, Path]
) -> None:
    model, path = hostile_page
    with opened(path) as view:
        page = view.page
        text = page.locator("body").evaluate("(body) => body.textContent")
        for name in (*HOSTILE_NAMES, *HOSTILE_CLASSES, HOSTILE_TARGET):
            assert name in text
        assert page.locator("#ask-view .column .name").all_inner_texts() == [
            column.name for column in model.encoder.columns
        ]
        options = page.locator("#column-0 option").evaluate_all(
            "(all) => all.map((o) => o.textContent)"
        )
        assert set(HOSTILE_CELLS) <= set(options)
        assert page.title().startswith(HOSTILE_TARGET)
        assert page.locator("img, iframe, object, b").count() == 0
        assert page.locator("script").count() == 2
        view.run("drawViews(true)")
        page.locator("#inside-view .unit").first.hover()
        page.locator("#regions-view canvas").press("ArrowLeft")
        assert_agrees(view, model, path.with_suffix(".csv"))


def test_the_page_may_not_load_or_run_anything_else(
    browser: Browser, iris_page: tuple[Model, Path]
) -> None:
    script = """async () => {
        const refused = [];
        const refuse = (event) => refused.push(event.effectiveDirective);
        addEventListener("securitypolicyviolation", refuse);
        const image = new Image();
        image.src = "https://example.invalid/a.png";
        const run = document.createElement("script");
        run.textContent = "window.ran = true";
        document.head.append(run);
        await fetch("https://example.invalid/").catch(() => {});
        await new Promise((done) => setTimeout(done, 50));
        return [window.ran ?? false, refused.sort()];
    }"""
    with shown(browser, iris_page[1]) as view:
        ran, refused = view.run(script)
        assert not ran
        assert refused == ["connect-src", "img-src", "script-src-elem"]
        view.faults.clear()  # the browser tells of each attempt


@pytest.mark.parametrize("bins", [0, 4])
@pytest.mark.parametrize("make", [extreme_table, narrow_table])
def test_any_column_can_be_shown(
    browser: Browser, folder: Path, make: Callable[[Path], Path], bins: int
) -> None:
    table = make(folder / f"{make.__name__}.csv")
    options = {"networks": 2, "epochs": 20, "bins": bins, "sharp_bins": bins > 0}
    model, path = made_page(folder, table, "y", name=make.__name__, **options)
    with shown(browser, path, width=360) as view:
        assert_agrees(view, model, table)
        view.run("drawViews(true)")
        assert view.run("document.documentElement.scrollWidth") == 360
        for x in range(len(model.encoder.columns)):
            view.run("(x) => update(swapped('x', 'y', x))", x)
            view.run("drawViews(true)")
            ticks = view.run("makeAxis(columns[state.x], 9).ticks")
            assert [tick for tick in ticks if not 0 <= tick[0] <= 1] == []
            assert len(ticks) > 0
        for index in range(len(model.encoder.features)):
            view.run("(index) => update({ unit: { layer: 0, index } })", index)
            view.settle()
            text = view.page.locator("#inside-view .detail").inner_text()
            assert not re.search("NaN|Infinity|undefined", text)


def test_numbers_are_written_with_enough_digits(
    opened: Opened, iris_page: tuple[Model, Path]
) -> None:
    numbers = [0, 0.1234567, -12.3456, 1234.56, 100059, 1e9, -2.5e-7]
    with opened(iris_page[1]) as view:
        told = view.run("(numbers) => numbers.map(short)", numbers)
    assert [text.replace("\u2212", "-") for text in told] == [
        "0",
        "0.1235",
        "-12.35",
        "1235",
        "100059",
        "1.00e+9",
        "-2.50e-7",
    ]


def test_sixty_columns_and_ten_classes(opened: Opened, wide_page: tuple[Model, Path]) -> None:
    model, path = wide_page
    with opened(path) as view:
        page = view.page
        assert page.locator("#ask-view .column").count() == 60
        assert page.locator("#ask-view .column:visible").count() == 12
        page.locator("summary", has_text="48 more columns").click()
        assert page.locator("#ask-view .column:visible").count() == 60
        assert len(view.bars()) == 10
        assert page.locator(".confusion td").count() == 100
        assert "input, scaled (12\u00a0of\u00a063)" in page.locator("#inside-view").inner_text()
        assert_agrees(view, model, path.with_suffix(".csv"))


def test_sixty_columns_with_bins_are_drawn_as_columns(browser: Browser, folder: Path) -> None:
    table = wide_table(folder / "binned_wide.csv")
    model, path = made_page(folder, table, "digit", name="binned_wide", epochs=4, bins=8)
    assert path.stat().st_size < 1.5e6
    with shown(browser, path) as view:
        text = view.page.locator("body").inner_text()
        assert "63 features and 464 bins \u2192 32 \u2192 10" in text
        assert f"of {model.network.values.shape[1]:,} parameters" in text
        assert "input, scaled (12\u00a0of\u00a063)" in text
        assert_agrees(view, model, table)


def test_colours_of_classes_are_those_of_the_plots(
    browser: Browser, wide_page: tuple[Model, Path]
) -> None:
    colours = "(all) => all.map((one) => getComputedStyle(one).backgroundColor)"
    with shown(browser, wide_page[1], color_scheme="dark") as view:
        told = view.page.locator("#ask-view .bar-mean").evaluate_all(colours)
    for k, colour in enumerate(told):
        parts = [int(part) for part in re.findall(r"\d+", colour)]
        assert parts == [round(255 * part) for part in class_colour(k)]


def test_light_and_dark_follow_the_reader(browser: Browser, iris_page: tuple[Model, Path]) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with shown(browser, iris_page[1], color_scheme="light") as view:
        light = view.run(ground)
        picture = view.page.locator("#regions-view canvas").screenshot()
        view.page.emulate_media(color_scheme="dark")
        view.settle()
        assert view.run(ground) != light
        assert view.page.locator("#regions-view canvas").screenshot() != picture


def test_everything_that_can_be_moved_has_a_name(
    opened: Opened, penguins_page: tuple[Model, Path]
) -> None:
    nameless = """() => [...document.querySelectorAll("input, select, button, canvas[tabindex]")]
        .filter((one) => !(one.labels?.length || one.ariaLabel || one.textContent.trim()))
        .map((one) => one.outerHTML)"""
    twice = """() => {
        const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
        return ids.filter((id, i) => ids.indexOf(id) !== i);
    }"""
    with opened(penguins_page[1]) as view:
        assert view.run(nameless) == []
        assert view.run(twice) == []


def test_a_printed_page_is_white_and_shows_all_sections(
    browser: Browser, iris_page: tuple[Model, Path]
) -> None:
    drawn = """(event) => {
        dispatchEvent(new Event(event));
        return [css("--paper"), views.length, views.filter((view) => view.stale).length];
    }"""
    with shown(browser, iris_page[1], color_scheme="dark") as view:
        dark = view.run('css("--paper")')
        assert view.run(drawn, "beforeprint") == ["#ffffff", 4, 0]
        view.page.emulate_media(media="print")
        assert not view.page.locator("nav").is_visible()
        view.page.emulate_media(media="screen")
        assert view.run(drawn, "afterprint")[0] == dark != "#ffffff"
        assert view.page.pdf().startswith(b"%PDF")


def test_a_page_of_the_model_alone(
    browser: Browser, iris_page: tuple[Model, Path], folder: Path
) -> None:
    model, _ = iris_page
    path = folder / "alone.html"
    write_page(model, path)
    with shown(browser, path) as view:
        text = view.page.locator("main").inner_text()
        assert "With a labelled table as DATA" in text
        medians = {column.name: [column.median] for column in model.encoder.columns}  # type: ignore[union-attr]
        expected = minnet.predict(model, medians).probabilities[0]
        assert view.bars() == [f"{p:.3f}" for p in expected]
        assert view.page.locator("#row").count() == 0
        assert view.page.locator("#learned-view svg.chart").count() == 1


def test_rows_of_a_sampled_table_keep_their_numbers(
    browser: Browser, iris_page: tuple[Model, Path], folder: Path
) -> None:
    model, _ = iris_page
    path = folder / "sampled.html"
    document = write_page(model, path, IRIS, rows=20)
    numbers = document["table"]["numbers"]
    assert 20 <= len(numbers) <= 30
    with shown(browser, path) as view:
        assert f"holds {len(numbers)} rows of 150" in view.page.locator("#ask-view").inner_text()
        assert view.run("data.table.numbers[state.row]") == most_wrong_row(model)
        view.page.locator("#row").fill("75")
        view.page.locator("#row").press("Enter")
        nearest = min(numbers, key=lambda number: abs(number - 75))
        view.settle()
        assert view.run("data.table.numbers[state.row]") == nearest
        assert view.page.locator("#row").input_value() == str(nearest)


def test_a_training_row_is_predicted_by_the_network_that_held_it_out(
    opened: Opened, penguins_page: tuple[Model, Path]
) -> None:
    model, path = penguins_page
    own, mean = model.member_probabilities(PENGUINS), minnet.predict(model, PENGUINS).probabilities
    with opened(path) as view:
        for row in (3, most_wrong_row(model, PENGUINS) - 1):
            view.run("(row) => update(ofRow(row))", row)
            view.settle()
            keeper = view.state("network")
            lines = view.page.locator("#ask-view .result p").all_inner_texts()
            assert lines[0] == told(model, own[keeper, row])
            assert lines[1] == (
                f"by network {keeper + 1}, from which row {row + 1} was held out; by the mean of "
                f"all 8 networks, as the bars show: {told(model, mean[row])}"
            )
        view.run("() => update(ofValue(1, 44))")
        view.settle()
        lines = view.page.locator("#ask-view .result p").all_inner_texts()
        assert lines[1] == "by the mean of all 8 networks"


def test_page_follows_the_threshold_and_of_a_training_row_that_of_its_fold(
    browser: Browser, folder: Path
) -> None:
    options = {"threshold": "balanced", "epochs": 4}
    model, path = made_page(folder, PENGUINS, "sex", name="threshold", **options)
    assert model.threshold is not None
    of_folds = tuple(one**2 for one in model.threshold.of_folds)  # so that it makes a difference
    model = replace(model, threshold=replace(model.threshold, probability=0.2, of_folds=of_folds))
    write_page(model, path, PENGUINS)
    evaluation = minnet.evaluate(model, PENGUINS)
    at_half = evaluation.probabilities.argmax(axis=1) != evaluation.predicted
    predictions = minnet.predict(model, PENGUINS)
    with shown(browser, path) as view:
        assert_agrees(view, model, PENGUINS)
        for place in np.flatnonzero(at_half)[:3]:
            view.run("(row) => update(ofRow(row))", int(evaluation.rows[place]))
            view.settle()
            lines = view.page.locator("#ask-view .result p").all_inner_texts()
            assert lines[0].split()[0] == model.class_names[evaluation.predicted[place]]
            predicted = predictions.predicted[evaluation.rows[place]]
            assert lines[1].split(": ")[1].split()[0] == predicted
            bar = view.page.locator("#ask-view .is-predicted").inner_text()
            assert bar.startswith(predicted)


def told(model: Model, probabilities: Any) -> str:
    """The most probable class, as the page writes it."""
    return f"{model.class_names[probabilities.argmax()]} {probabilities.max():.3f}"


def test_units_that_matter_for_the_row_come_first_and_the_rest_on_demand(
    opened: Opened, penguins_page: tuple[Model, Path]
) -> None:
    model, path = penguins_page
    with opened(path) as view:
        inside = view.page.locator("#inside-view")
        first = minnet.explain(model, PENGUINS, view.state("row")).trace.layers
        passed = first[0].outputs * np.abs(first[1].weights).sum(axis=1)
        matter = sorted(passed.argsort()[::-1][:12] + 1)
        labels = inside.locator(".unit").evaluate_all("(all) => all.map((one) => one.ariaLabel)")
        shown_units = [
            int(re.findall(r"ReLU, (\d+)", name)[0]) for name in labels if "hidden" in name
        ]
        assert shown_units == matter
        inside.get_by_role("button", name="All units").click()
        view.settle()
        assert inside.locator(".unit").count() == 15 + 32 + 3
        inside.get_by_role("button", name="Only the units that matter").click()
        view.settle()
        assert inside.locator(".unit").count() == 12 + 12 + 3


def test_rows_near_the_inputs_are_counted_and_far_ones_are_faint(
    opened: Opened, penguins_page: tuple[Model, Path]
) -> None:
    model, path = penguins_page
    table = model.encoder.table(PENGUINS)
    with opened(path) as view:
        view.run("update({ row: null, values: columns.map(median), x: 1, y: 2 })")
        view.settle()
        far = view.run("data.table.numbers.map((_, row) => distanceToOthers(row))")
        standardize = model.network.layers[0]
        assert isinstance(standardize, Standardize)
        expected = np.zeros(len(table))
        starts = dict(zip(model.encoder.features, standardize.scales[0, 0], strict=True))
        for column in model.encoder.columns:
            if column.name in ("bill_length_mm", "bill_depth_mm"):
                continue
            cells = view.run("(i) => data.table.cells[i]", model.encoder.columns.index(column))
            middle = view.state(f"values[{model.encoder.columns.index(column)}]")
            away = [
                0.0
                if cell == middle
                else 2.0
                if cell is None or isinstance(cell, str)
                else abs(cell - middle) / (0.5 * starts[column.name])
                for cell in cells
            ]
            expected = np.maximum(expected, away)
        np.testing.assert_allclose(far, expected, rtol=1e-9)
        near = int((expected <= 1).sum())
        view.run("drawViews(true)")
        text = view.page.locator("#regions-view").inner_text()
        assert f"{near} of 344 rows lie near the inputs above in all other columns" in text


def test_rows_of_two_categories_are_spread_over_both_bands(
    opened: Opened, penguins_page: tuple[Model, Path]
) -> None:
    with opened(penguins_page[1]) as view:
        across = view.run("data.table.numbers.map((number) => spreadOf(number))")
        upwards = view.run("data.table.numbers.map((number) => spreadOf(number + 0.5))")
    assert abs(np.corrcoef(across, upwards)[0, 1]) < 0.15
    steps = np.diff(across), np.diff(upwards)
    assert abs(np.corrcoef(*steps)[0, 1]) < 0.15
    # Multiples of one number would leave stripes: few different steps.
    assert len(np.unique(np.round(steps[0] % 1, 3))) > 200


def test_words_of_the_field_are_explained_where_they_stand(
    opened: Opened, iris_page: tuple[Model, Path]
) -> None:
    with opened(iris_page[1]) as view:
        terms = view.page.locator("main abbr").evaluate_all(
            "(all) => all.map((one) => [one.textContent, one.title.length > 30])"
        )
    assert {term for term, is_told in terms if is_told} == {
        "gradients",
        "held out",
        "nats",
        "class shares",
    }
