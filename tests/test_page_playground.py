"""Training in the page by hand: what the section "Train it yourself" shows and lets one do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import minnet
from minnet.network.losses import LOSSES, one_hot
from minnet.pages import page as write_page
from tests.page_helpers import Shown, made_page, shown, wide_table, write_table

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from minnet import Model

pytestmark = pytest.mark.xdist_group("playground")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("playgrounds")


STILL: dict[str, Any] = {"reduced_motion": "reduce"}


def scroll(view: Shown) -> None:
    """Bring the section in sight."""
    view.run("document.getElementById('train').scrollIntoView()")
    view.settle()


def wait_until_idle(view: Shown) -> None:
    view.until("playground.work === null")


def values_of(view: Shown) -> list[float]:
    values: list[float] = view.run("[...playground.trainer.values]")
    return values


def press(view: Shown, name: str) -> None:
    view.page.locator("#train-view").get_by_role("button", name=name, exact=True).click()


def told(view: Shown) -> str:
    view.settle()
    return view.page.locator("#train-view output").inner_text()


def test_steps_and_epochs_are_taken_one_by_one(
    browser: Browser, iris_page: tuple[Model, Path]
) -> None:
    with shown(browser, iris_page[1], **STILL) as view:
        scroll(view)
        wait_until_idle(view)
        assert told(view) == "epoch 0, 0 steps"
        start = values_of(view)
        section = view.page.locator("#train-view")
        assert "It learns from 131 rows; 19 rows more are held out" in section.inner_text()
        press(view, "Step")
        wait_until_idle(view)
        assert told(view) == f"epoch {16 / 131:.2f}, 1 step"
        assert values_of(view) != start
        press(view, "Epoch")
        wait_until_idle(view)
        assert told(view) == "epoch 1, 9 steps"
        once = values_of(view)
        last = view.run("playground.trainer.history.at(-1)")
        cells = section.locator(".training tbody tr").all_inner_texts()
        for row, name in zip(cells, ("training", "holdout"), strict=True):
            *_, loss, accuracy = row.split("\t")
            assert loss == f"{last[name]['loss']:.4f}"
            assert accuracy == f"{100 * last[name]['accuracy']:.1f}\u00a0%"
        press(view, "Start again")
        wait_until_idle(view)
        assert values_of(view) == start
        press(view, "Epoch")
        wait_until_idle(view)
        assert values_of(view) == once
        press(view, "Another start")
        wait_until_idle(view)
        assert told(view) == "epoch 0, 0 steps"
        assert values_of(view) != start


def test_it_plays_in_sight_and_stops_when_told(
    browser: Browser, penguins_page: tuple[Model, Path]
) -> None:
    with shown(browser, penguins_page[1]) as view:
        assert view.run("playground.trainer.epochs") == 0  # out of sight
        scroll(view)
        view.until("playground.trainer.epochs >= 5")
        press(view, "Pause")
        wait_until_idle(view)
        stopped, epochs = values_of(view), view.run("playground.trainer.epochs")
        view.settle()
        assert values_of(view) == stopped
        losses = view.run("playground.trainer.history.map(({ training }) => training.loss)")
        assert losses[-1] < 0.8 * losses[0]
        press(view, "Play")
        view.until(f"playground.trainer.epochs > {epochs}")
        view.run("scrollTo(0, 0)")
        view.until("!playground.view.inSight")
        view.settle()
        epochs = view.run("playground.trainer.epochs")
        view.settle()
        assert view.run("playground.trainer.epochs") == epochs


def test_with_reduced_motion_it_starts_paused(
    browser: Browser, iris_page: tuple[Model, Path]
) -> None:
    with shown(browser, iris_page[1], **STILL) as view:
        scroll(view)
        wait_until_idle(view)
        assert view.run("playground.trainer.optimizer.steps") == 0
        assert view.run("playground.trainer.history.length") == 1
        press(view, "Play")
        view.until("playground.trainer.epochs >= 2")
        press(view, "Pause")


def test_all_of_it_works_by_keyboard_alone(browser: Browser, iris_page: tuple[Model, Path]) -> None:
    with shown(browser, iris_page[1], **STILL) as view:
        scroll(view)
        wait_until_idle(view)
        key = view.page.keyboard.press
        view.run("document.querySelector('#train-view select').focus()")
        reached = []
        for _ in range(24):
            name = view.run(
                "(document.activeElement.labels?.[0] ?? document.activeElement).innerText"
            )
            assert view.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
            reached.append(name.split("\n")[0])
            if name == "Epoch":
                key("Enter")
                wait_until_idle(view)
            if view.run("document.activeElement.classList.contains('unit')"):
                break
            key("Tab")
        assert view.run("playground.trainer.epochs") == 1
        for name in ("Units", "Loss", "Optimizer", "Learning rate", "Batch size", "Weight decay"):
            assert name in reached
        for name in ("Play", "Step", "Start again", "Another start"):
            assert name in reached
        for arrow in ("ArrowRight", "ArrowDown"):
            key(arrow)
            view.settle()
        assert view.run("playground.pointed.layer") == 1
        title = view.page.locator("#train-view .training h3").first.inner_text()
        assert title == f"What hidden unit {view.run('playground.pointed.index') + 1} passes on"
        key("ArrowRight")
        view.settle()
        assert view.run("playground.pointed.layer") == 2
        assert "predicts" in view.page.locator("#train-view .training h3").first.inner_text()


def test_settings_shape_the_network_and_its_training(
    browser: Browser, penguins_page: tuple[Model, Path]
) -> None:
    with shown(browser, penguins_page[1], **STILL) as view:
        scroll(view)
        section = view.page.locator("#train-view")
        fields = section.get_by_role("spinbutton")
        assert fields.locator("visible=true").count() == 1
        section.get_by_label("Hidden layers").select_option("2")
        fields.first.fill("99")
        fields.first.press("Enter")
        fields.last.fill("3")
        fields.last.press("Enter")
        wait_until_idle(view)
        layers = "playground.trainer.network.layers.map(({ fanIn, fanOut }) => [fanIn, fanOut])"
        assert view.run(layers) == [[15, 32], [32, 3], [3, 3]]
        assert section.locator(".unit.has-map").count() == 35
        press(view, "Epoch")
        wait_until_idle(view)
        before = values_of(view)
        section.get_by_label("Optimizer").select_option("sgd")
        assert view.run("playground.trainer.settings.learningRate") == 0.1
        section.get_by_label("Learning rate").select_option("0.03")
        section.get_by_label("Weight decay").select_option("0.1")
        section.get_by_label("Batch size").select_option("all rows")
        wait_until_idle(view)
        assert values_of(view) == before
        press(view, "Epoch")
        wait_until_idle(view)
        assert told(view) == "epoch 2, 1 step"
        assert view.run("playground.trainer.settings.weightDecay") == 0.1
        section.get_by_label("Hidden layers").select_option("1")
        wait_until_idle(view)
        assert view.run(layers) == [[15, 32], [32, 3]]
        assert section.locator(".unit.has-map").count() == 32


def test_maps_are_what_the_units_pass_on(
    browser: Browser, penguins_page: tuple[Model, Path]
) -> None:
    script = """([x, y]) => {
        const [xs, ys] = [makeAxis(columns[x], 7).values, makeAxis(columns[y], 5).values];
        const { network } = playground.trainer;
        const { hidden } = predictPlane([network], state.values, x, y, xs, ys);
        let furthest = 0;
        ys.forEach((below, j) => xs.forEach((beside, i) => {
            const values = state.values.map((v, c) => (c === x ? beside : c === y ? below : v));
            const { layers } = trace(network, transform(columns, values));
            hidden.forEach((outputs, place) => layers[place].outputs.forEach((output, unit) => {
                const at = (j * xs.length + i) * layers[place].fanOut + unit;
                furthest = Math.max(furthest, Math.abs(outputs[at] - output));
            }));
        }));
        return [xs.length * ys.length, hidden.map((outputs) => outputs.length), furthest];
    }"""
    with shown(browser, penguins_page[1], **STILL) as view:
        scroll(view)
        view.run("restart({ hidden: [6, 5] })")
        wait_until_idle(view)
        for axes in ([1, 2], [0, 3]):
            points, counts, furthest = view.run(script, axes)
            assert counts[0] / 6 == counts[1] / 5 == points
            assert furthest < 1e-12
        unit = view.page.locator("#train-view .has-map").nth(7)
        canvas = view.page.locator("#train-view .plane canvas")
        image = "(canvas) => canvas.toDataURL()"
        regions = canvas.evaluate(image)
        unit.hover()
        view.settle()
        title = view.page.locator("#train-view .training h3").first
        assert title.inner_text() == "What hidden unit 2 of layer 2 passes on"
        assert canvas.evaluate(image) != regions
        view.page.mouse.move(0, 0)
        view.settle()
        assert title.inner_text() == "What it predicts at each point"


def test_the_row_above_pushes_as_each_loss_says(
    browser: Browser, iris_page: tuple[Model, Path]
) -> None:
    with shown(browser, iris_page[1], **STILL) as view:
        scroll(view)
        for _ in range(3):
            press(view, "Epoch")
            wait_until_idle(view)
        press(view, "The row it gets most wrong")
        label = view.state("label")
        logits = view.run("[...trace(playground.trainer.network, current.features).logits]")
        every = view.run("""() => {
            const { network, examples } = playground.trainer;
            const outputs = examples.inputs.map((inputs) => forward(network, inputs).logits);
            return outputs.map((logits, i) => crossEntropy(logits, examples.labels[i]));
        }""")
        assert view.state("row") == int(np.argmax(every))
        table = view.page.locator("#train-view .scrolling table")
        rows = [text.split("\t") for text in table.locator("tbody tr").all_inner_texts()]
        targets = one_hot(np.array(label), 3)
        names = [of_class["name"] for of_class in view.run("data.classes")]
        for column, loss in enumerate(LOSSES.values(), 3):
            expected = loss.row_gradients(np.array(logits), targets)
            for name, *cells in rows[:3]:
                shown_gradient = float(cells[column - 1].replace("\u2212", "-"))
                assert shown_gradient == pytest.approx(
                    expected[names.index(name.strip())], rel=1e-3, abs=1e-4
                )
        assert [row[-1] for row in rows] == ["0"] * 4
        cross_entropy, squared = (float(cell) for cell in rows[3][-3:-1])
        assert cross_entropy > squared > 0


def test_through_argmax_the_page_says_why_nothing_moves(
    browser: Browser, iris_page: tuple[Model, Path]
) -> None:
    with shown(browser, iris_page[1]) as view:
        scroll(view)
        view.until("playground.trainer.epochs >= 3")
        section = view.page.locator("#train-view")
        assert not section.locator("p.warning").is_visible()
        section.get_by_label("Weight decay").select_option("0.1")
        section.get_by_role("combobox", name="Loss").select_option("argmax")
        before, epochs = values_of(view), view.run("playground.trainer.epochs")
        view.until(f"playground.trainer.epochs > {epochs} + 3")
        assert values_of(view) == before
        text = section.locator("p.warning").inner_text()
        assert "its gradient is 0 wherever it has one. 0 of 35 gradients differ from 0" in text
        section.get_by_role("combobox", name="Loss").select_option("squared-residuals")
        view.until(f"playground.trainer.epochs > {epochs} + 6")
        assert values_of(view) != before
        assert not section.locator("p.warning").is_visible()


def test_a_large_table_is_sampled_and_the_page_says_so(browser: Browser, folder: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=2600)
    rows = [["x", "y"], *([f"{value:.4f}", "ab"[int(value > 0)]] for value in x)]
    table = write_table(folder / "large.csv", rows)  # type: ignore[arg-type]
    _, path = made_page(folder, table, "y", name="large", epochs=2)
    with shown(browser, path, **STILL) as view:
        scroll(view)
        wait_until_idle(view)
        text = view.page.locator("#train-view").inner_text()
        assert "A sample: the table has 2,600 rows." in text
        assert view.run("playground.trainer.examples.rows.length") == 2000
        assert view.run("new Set(playground.trainer.examples.rows).size") == 2000
        held_out = view.run("playground.trainer.examples.holdout.length")
        assert held_out == pytest.approx(250, abs=50)


def test_a_page_without_labels_tells_what_is_missing(
    browser: Browser, iris_page: tuple[Model, Path], folder: Path
) -> None:
    write_page(iris_page[0], folder / "alone.html")
    with shown(browser, folder / "alone.html") as view:
        assert "With a labelled table as DATA" in view.page.locator("#train-view").inner_text()


@pytest.mark.parametrize("page", ["iris_page", "penguins_page"])
def test_a_page_of_a_small_table_is_small(page: str, request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue(page)[1].stat().st_size <= 350_000


def test_ten_classes_and_sixty_columns_fit_a_phone(browser: Browser, folder: Path) -> None:
    _, path = made_page(folder, wide_table(folder / "wide.csv"), "digit", name="wide", epochs=2)
    with shown(browser, path, width=360, **STILL) as view:
        scroll(view)
        view.run("restart({ hidden: [32, 32] })")
        wait_until_idle(view)
        press(view, "Epoch")
        wait_until_idle(view)
        assert view.run("document.documentElement.scrollWidth") == 360
        outside = """() => [...document.querySelectorAll("#train *")].filter((one) => {
            const { right, width } = one.getBoundingClientRect();
            return width && right > innerWidth + 1 && !one.closest(".scrolling, .stage");
        }).map((one) => one.outerHTML.slice(0, 80))"""
        assert view.run(outside) == []


def test_any_table_can_be_trained_on(browser: Browser, folder: Path) -> None:
    """One column; a few rows of the page alone, none of which is held out, perhaps."""
    rows: list[list[object]] = [["a", "y"], *([row % 7, row % 2] for row in range(60))]
    table = write_table(folder / "narrow.csv", rows)
    model = minnet.train(table, "y", epochs=3)
    path = folder / "narrow.html"
    for shown_rows in (60, 1):
        write_page(model, path, table, rows=shown_rows)
        with shown(browser, path) as view:
            scroll(view)
            view.until("playground.trainer.epochs >= 2")
            assert np.isfinite(values_of(view)).all()
            press(view, "Pause")
            wait_until_idle(view)
            text = view.page.locator("#train-view").inner_text()
            assert "NaN" not in text
