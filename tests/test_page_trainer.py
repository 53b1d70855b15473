"""The page trains as Python does: its gradients and steps are those of `minnet.network`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from minnet.model.judges import judges_of
from minnet.network.layers import Dense
from minnet.network.losses import LOSSES, one_hot
from minnet.network.network import Network
from minnet.network.optimizers import SGD, Adam, Optimizer
from minnet.network.preparation import Standardize
from tests.helpers import IRIS, PENGUINS
from tests.page_helpers import Opened, Shown, made_page, wide_table

if TYPE_CHECKING:
    from pathlib import Path

    from minnet import Model
    from minnet.arrays import Array, IntArray

pytestmark = pytest.mark.xdist_group("trainer")

SETTINGS: dict[str, Any] = {
    "hidden": [4],
    "seed": 1,
    "loss": "cross-entropy",
    "optimizer": "adam",
    "learningRate": 0.01,
    "weightDecay": 0,
    "batchSize": 16,
}
MADE = "(settings) => { window.trainer = new Trainer(makeExamples(data.table), settings); }"
FINISHED = "(work) => { for (const _ of trainer[work]()); return [...trainer.values]; }"
TOLERANCE = {"rtol": 0, "atol": 1e-9}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trainers")


@pytest.fixture(scope="module")
def penguins_page(folder: Path) -> tuple[Model, Path]:
    """With missing cells and categories; the page's model has bins, its trainer has none."""
    return made_page(folder, PENGUINS, "species", name="penguins", epochs=3, bins=4)


def examples_of(model: Model, data: Path) -> tuple[Array, IntArray, IntArray]:
    """Inputs of the first network, float64, labels, and the rows that are not held out."""
    examples = model.encoder.examples(model.encoder.table(data))
    standardize = model.network.layers[0]
    assert isinstance(standardize, Standardize)
    means, scales = standardize.means[:1], standardize.scales[:1]
    order = examples.rows.argsort()  # as in the table
    inputs = Standardize(means, scales).forward(examples.features[None, order])[0]
    held_out = judges_of(model, examples).mask[0, order]
    return inputs.astype(np.float64), examples.labels[order], np.flatnonzero(~held_out)


def network_of(view: Shown, hidden: list[int], features: int, classes: int) -> Network:
    """The trainer's own parameters in the layers of `minnet.network`."""
    generators = [np.random.default_rng()]
    network = Network.random([features, *hidden, classes], generators, np.float64)
    network.values[0] = view.run("[...trainer.values]")
    return network


@pytest.mark.parametrize("page", ["iris_page", "penguins_page"])
@pytest.mark.parametrize("hidden", [[4], [8, 5]])
def test_gradients_are_those_of_python(
    opened: Opened, page: str, hidden: list[int], request: pytest.FixtureRequest
) -> None:
    model, path = request.getfixturevalue(page)
    inputs, labels, training = examples_of(model, IRIS if page == "iris_page" else PENGUINS)
    targets = one_hot(labels, 3)
    batch = [*range(0, len(labels), 7), 3]
    script = """(batch) => {
        for (const _ of trainer.backward(batch));
        for (const _ of trainer.judge());
        return [[...trainer.gradients], trainer.history.at(-1)];
    }"""
    with opened(path) as view:
        for name, loss in LOSSES.items():
            view.run(MADE, SETTINGS | {"hidden": hidden, "loss": name})
            told = view.run("trainer.examples")
            assert told["rows"] == [*range(len(labels))]
            assert told["training"] == training.tolist()
            assert len(told["holdout"]) == pytest.approx(len(labels) / 8, abs=1)
            network = network_of(view, hidden, inputs.shape[1], 3)
            logits = network.forward(inputs[None, batch])
            network.backward(loss.gradients(logits, targets[None, batch]))
            gradients, scores = view.run(script, batch)
            np.testing.assert_allclose(gradients, network.gradients[0], **TOLERANCE)
            assert np.abs(gradients).max() > 0.01
            logits = network.forward(inputs[None])[0]
            for rows in ("training", "holdout"):
                own = logits[told[rows]], targets[told[rows]]
                expected = loss.mean(own[0][None], own[1][None]).item()
                assert scores[rows]["loss"] == pytest.approx(expected, abs=1e-9)
                right = own[0].argmax(axis=1) == labels[told[rows]]
                assert scores[rows]["accuracy"] == pytest.approx(right.mean(), abs=1e-12)


def trained_by_python(
    network: Network,
    optimizer: Optimizer,
    loss: str,
    batches: list[tuple[Array, Array]],
) -> Array:
    for inputs, targets in batches:
        logits = network.forward(inputs[None])
        network.backward(LOSSES[loss].gradients(logits, targets[None]))
        optimizer.step(network.values, network.gradients)
    return network.values[0]


@pytest.mark.parametrize("page", ["iris_page", "penguins_page"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("loss", [*LOSSES])
def test_parameters_after_an_epoch_are_those_of_python(
    opened: Opened, page: str, optimizer: str, loss: str, request: pytest.FixtureRequest
) -> None:
    model, path = request.getfixturevalue(page)
    inputs, labels, training = examples_of(model, IRIS if page == "iris_page" else PENGUINS)
    targets = one_hot(labels, 3)
    order = np.random.default_rng(5).permutation(training)
    settings = {"hidden": [6], "loss": loss, "optimizer": optimizer, "weightDecay": 0.5}
    with opened(path) as view:
        view.run(MADE, SETTINGS | settings | {"learningRate": 0.02})
        network = network_of(view, [6], inputs.shape[1], 3)
        start = network.values[0].copy()
        view.run("(order) => { trainer.order = order; }", order.tolist())
        values = view.run(FINISHED, "epoch")
        assert view.run("[trainer.epochs, trainer.position]") == [1, 0]
    python = (
        Adam(0.02, weight_decay=0.5, decays=network.decays)
        if optimizer == "adam"
        else SGD(0.02, momentum=0.0, weight_decay=0.5, decays=network.decays)
    )
    batches = [
        (inputs[order[at : at + 16]], targets[order[at : at + 16]])
        for at in range(0, len(order), 16)
    ]
    expected = trained_by_python(network, python, loss, batches)
    np.testing.assert_allclose(values, expected, **TOLERANCE)
    assert np.abs(values - start).max() > 0.01


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_through_argmax_not_one_bit_moves(
    opened: Opened, iris_page: tuple[Model, Path], optimizer: str
) -> None:
    settings = {"optimizer": optimizer, "learningRate": 1, "weightDecay": 1}
    bits = "[...new BigUint64Array(trainer.values.buffer)].map(String)"
    with opened(iris_page[1]) as view:
        view.run(MADE, SETTINGS | settings)
        # What Adam remembers of another loss must not move them either.
        view.run(FINISHED, "step")
        view.run("trainer.change({ loss: 'argmax' })")
        before = view.run(bits)
        for _ in range(3):
            view.run(FINISHED, "epoch")
        assert view.run(bits) == before
        assert view.run("trainer.gradients.every((gradient) => gradient === 0)")
        view.run(FINISHED, "judge")
        scores = view.run("trainer.history.at(-1).training")
        assert scores["loss"] == pytest.approx(2 * (1 - scores["accuracy"]))
        view.run("trainer.change({ loss: 'squared-residuals' })")
        view.run(FINISHED, "step")
        assert view.run(bits) != before


def test_a_start_is_told_by_its_seed_and_drawn_as_he_did(
    opened: Opened, iris_page: tuple[Model, Path]
) -> None:
    with opened(iris_page[1]) as view:
        starts = []
        for seed in (1, 1, 2):
            view.run(MADE, SETTINGS | {"seed": seed, "hidden": [32, 32]})
            starts.append(np.array(view.run("[...trainer.values]")))
        orders = [
            view.run("(seed) => shuffled([...Array(99).keys()], randomNumbers(seed))", seed)
            for seed in (1, 1, 2)
        ]
    np.testing.assert_array_equal(starts[0], starts[1])
    assert not np.array_equal(starts[0], starts[2])
    dense = Network.random([4, 32, 32, 3], [np.random.default_rng()], np.float64)
    dense.values[0] = starts[0]
    for layer in dense.layers:
        if isinstance(layer, Dense):
            assert not layer.biases.values.any()
            weights = layer.weights.values[0]
            spread = np.sqrt(2 / len(weights))
            assert weights.std() == pytest.approx(spread, rel=4 / np.sqrt(2 * weights.size))
            assert abs(weights.mean()) < 4 * spread / np.sqrt(weights.size)
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == [*range(99)]


COUNTED = """(turns) => {
    const passed = [];
    const own = forward;
    forward = (...given) => { passed[passed.length - 1] += 1; return own(...given); };
    const work = trainer.play();
    for (let k = 0; k < turns; k++) {
        passed.push(0);
        turn(work, trainer.rowsOfATurn);
    }
    forward = own;
    return [passed, trainer.rowsOfATurn];
}"""


def test_the_browser_gets_a_turn_after_a_bounded_number_of_rows(
    opened: Opened, folder: Path
) -> None:
    _, path = made_page(folder, wide_table(folder / "wide.csv"), "digit", name="wide", epochs=2)
    with opened(path) as view:
        for batch_size in (1, 32, 100_000):
            view.run(MADE, SETTINGS | {"hidden": [32, 32], "batchSize": batch_size})
            passed, most = view.run(COUNTED, 12)
            assert most * view.run("trainer.values.length") <= 400_000
            assert max(passed) <= most < 175
            # An epoch ends a turn, so that each is shown.
            assert sum(passed) > 6 * most
            assert view.run("trainer.epochs") > 1


def test_what_is_stopped_within_a_batch_leaves_the_parameters(
    opened: Opened, iris_page: tuple[Model, Path]
) -> None:
    script = """() => {
        const values = [...trainer.values];
        turn(trainer.play(), 9);
        return [values.every((value, i) => value === trainer.values[i]), trainer.position];
    }"""
    with opened(iris_page[1]) as view:
        view.run(MADE, SETTINGS)
        assert view.run(script) == [True, 0]
        once = view.run(FINISHED, "epoch")
        view.run(MADE, SETTINGS)
        assert view.run(FINISHED, "epoch") == once
