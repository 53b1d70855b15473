from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest

import minnet
from minnet.analysis import seeds
from minnet.analysis.explanation import explain
from minnet.analysis.importance import importance
from minnet.analysis.seeds import study_seeds
from minnet.data.encoding import Encoder
from minnet.errors import ModelError, SettingsError
from minnet.model.document import from_bytes, to_bytes
from minnet.network.preparation import Bins
from minnet.onnx import export
from minnet.plots.network import plot_network, plot_row
from minnet.training import batches
from minnet.training.settings import TrainingSettings
from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from pathlib import Path

    from minnet.model.model import Model
    from tests.helpers import Run

QUICK: dict[str, Any] = {"bins": 5, "networks": 3, "epochs": 4}


@pytest.fixture(scope="module")
def penguins_model() -> Model:
    return minnet.train(PENGUINS, "species", **QUICK)


def test_a_step_is_learned_better_with_bins() -> None:
    numbers = np.random.default_rng(0).uniform(size=(600, 2))
    labels = ["ab"[int(x * 8) % 2] for x in numbers[:, 0]]
    data = {"x": numbers[:, 0], "y": numbers[:, 1], "label": labels}
    losses = [
        minnet.train(data, "label", networks=2, bins=bins).history.kept_losses.mean()
        for bins in (0, 16)
    ]
    assert losses[1] < 0.6 * losses[0]


@pytest.mark.parametrize(
    "settings", [{}, {"hidden": 3}, {"bins": 0}, {"balanced": True, "batch_size": 7}], ids=str
)
def test_rows_prepared_once_or_in_each_epoch_give_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    once = minnet.train(PENGUINS, "species", **QUICK | settings)
    monkeypatch.setattr(batches, "MOST_NUMBERS_PREPARED", 0)
    assert to_bytes(minnet.train(PENGUINS, "species", **QUICK | settings)) == to_bytes(once)


def test_order_of_the_rows_changes_no_byte(penguins_model: Model) -> None:
    lines = PENGUINS.read_text(encoding="utf-8").splitlines()
    table = [line.split(",") for line in (lines[0], *reversed(lines[1:]))]
    data = {
        name: [float(cell) if cell[:1].isdigit() else cell for cell in cells]
        for name, *cells in zip(*table, strict=True)
    }
    missing = {
        name: [np.nan if cell == "" else cell for cell in cells]
        if any(isinstance(cell, float) for cell in cells)
        else cells
        for name, cells in data.items()
    }
    other = minnet.train(missing, "species", **QUICK)
    np.testing.assert_array_equal(other.network.values, penguins_model.network.values)


def test_seeds_of_a_group_are_those_alone_with_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    table = minnet.read_csv(IRIS)
    encoder = Encoder.fit(table, "species")
    settings = TrainingSettings(networks=3, epochs=3, bins=4)
    together = study_seeds(encoder, table, settings)
    monkeypatch.setattr(seeds, "NETWORKS_AT_ONCE", 1)
    alone = study_seeds(encoder, table, settings)
    np.testing.assert_array_equal(together.probabilities, alone.probabilities)


def test_model_is_read_back_as_it_was(penguins_model: Model) -> None:
    data = to_bytes(penguins_model)
    read = from_bytes(data, "model.json")
    assert to_bytes(read) == data
    np.testing.assert_array_equal(
        read.member_probabilities(PENGUINS), penguins_model.member_probabilities(PENGUINS)
    )


def test_no_bins_without_a_number() -> None:
    data = {"x": ["u", "v"] * 20, "label": ["a", "b"] * 20}
    model = minnet.train(data, "label", **QUICK)
    assert not any(isinstance(layer, Bins) for layer in model.network.layers)
    assert to_bytes(from_bytes(to_bytes(model), "")) == to_bytes(model)


@pytest.fixture(scope="module")
def saved() -> str:
    return to_bytes(minnet.train(IRIS, "species", bins=2, networks=2, epochs=1)).decode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": [0, 0, 1, 1, 2, 2, 3, 4]}, "its bins are not those its settings ask for"),
        ({"columns": [-1, 0, 1, 1, 2, 2, 3, 3]}, "its bins are not those its settings ask for"),
        (
            {"columns": [0] * 8, "lower": [[*range(8)]] * 2, "upper": [[*range(1, 9)]] * 2},
            "its bins are not those its settings ask for",
        ),
        (
            {"columns": [0, 1, 0, 1, 2, 2, 3, 3]},
            "edges of its bins do not ascend",
        ),
        ({"columns": [0, 0]}, "columns and edges of its bins do not fit together"),
        ({"columns": [], "lower": [[], []], "upper": [[], []]}, "bins"),
        ({"lower": [[0] * 8] * 2}, "edges of its bins do not ascend"),
        ({"lower": [[1, 2] * 4] * 2, "upper": [[2, 1] * 4] * 2}, "edges of its bins do not ascend"),
        ({"lower": [[0, 1] * 4] * 2, "upper": [[1, 10.5] * 4] * 2}, "beyond all scaled values"),
        ({"lower": [[0, 1] * 4] * 3, "upper": [[1, 2] * 4] * 3}, "its bins are not those"),
        ({"upper": [[0, 1e999] * 4] * 2}, "not a finite number"),
        ({"upper": "0"}, "upper"),
    ],
)
def test_impossible_bins_are_refused(saved: str, change: dict[str, Any], message: str) -> None:
    document = json.loads(saved)
    del document["checksum"]
    document["network"]["bins"] |= change
    with pytest.raises(ModelError) as error:
        from_bytes(json.dumps(document).encode(), "model.json")
    assert message in str(error.value)


@pytest.mark.parametrize("change", ["no layer", "no setting", "other setting"])
def test_layer_and_setting_have_to_agree(saved: str, change: str) -> None:
    document = json.loads(saved)
    del document["checksum"]
    if change == "no layer":
        document["network"]["bins"] = None
    else:
        document["settings"]["bins"] = 0 if change == "no setting" else 1
    says = "weights is not of shape" if change == "no layer" else "its bins are not those"
    with pytest.raises(ModelError, match=says):
        from_bytes(json.dumps(document).encode(), "model.json")


def test_sharp_bins_are_remembered_by_the_model() -> None:
    models = [
        minnet.train(PENGUINS, "species", **QUICK, sharp_bins=sharp) for sharp in (True, False)
    ]
    for model in models:
        read = from_bytes(to_bytes(model), "")
        expected = model.member_probabilities(PENGUINS)
        np.testing.assert_array_equal(read.member_probabilities(PENGUINS), expected)
    heights = [model.network.layers[1].heights.max() for model in models]  # type: ignore[attr-defined]
    assert heights[0] == 1 > heights[1]


@pytest.mark.parametrize("bins", [-1, 1001, 1.5, True, None])
def test_bins_out_of_bounds_are_refused(bins: Any) -> None:
    with pytest.raises(SettingsError, match="`bins` is"):
        TrainingSettings(bins=bins)


def test_too_many_bins_for_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnet.training.settings.total_memory", lambda: 2e6)
    minnet.train(IRIS, "species", bins=0, networks=2, epochs=1)
    with pytest.raises(SettingsError, match="of memory"):
        minnet.train(IRIS, "species", bins=1000, networks=2, epochs=1)


def test_graph_of_onnx_agrees(penguins_model: Model) -> None:
    session = onnxruntime.InferenceSession(export(penguins_model).SerializeToString())
    table = minnet.read_csv(PENGUINS)
    feed = {}
    for one in session.get_inputs():
        column = table[one.name]
        cells = column.numbers
        if "string" in one.type:
            spellings = np.array([*column.spellings, ""], np.object_)
            cells = spellings[column.codes]
        feed[one.name] = np.asarray(cells)[:, None]
    probabilities = session.run(None, feed)[1]
    expected = penguins_model.probabilities(PENGUINS)
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-5)


def test_importance_shuffles_a_number_with_its_bins() -> None:
    generator = np.random.default_rng(1)
    numbers = generator.uniform(size=(300, 2))
    data = {
        "x": numbers[:, 0],
        "y": numbers[:, 1],
        "label": ["ab"[int(x > 0.5)] for x in numbers[:, 0]],
    }
    model = minnet.train(data, "label", bins=4, networks=2, epochs=20)
    fresh = generator.uniform(size=(2, 2))
    # Two rows can only be swapped: so every number is known.
    two = {"x": fresh[:, 0], "y": fresh[:, 1], "label": ["a", "b"]}
    swapped = two | {"x": fresh[::-1, 0]}
    losses = [-np.log(np.diag(model.probabilities(rows))).mean() for rows in (two, swapped)]
    measured = importance(model, two)
    place = measured.columns.index("x")
    assert measured.means[place] == pytest.approx(losses[1] - losses[0], rel=1e-4)


def test_pictures_name_bins(penguins_model: Model) -> None:
    axes = plot_network(penguins_model)
    names = {text.get_text() for text in axes.texts}
    assert any(" to " in name for name in names)
    axes = plot_row(explain(penguins_model, PENGUINS, 10))
    assert any(" to " in text.get_text() for text in axes.texts)


def test_show_and_check_count_bins(run: Run, tmp_path: Path) -> None:
    assert run("train", IRIS, "-q", "--bins", 3, "--epochs", 1, "--networks", 2).code == 0
    assert "features 4 and 12 bins -> 32 -> 3 classes" in run("show").out
    assert json.loads(run("show", "--json").out)["settings"]["bins"] == 3
    ending = run("check", IRIS, "--bins", 3, "--hidden", 4)
    assert ending.code == 0
    assert "one network, 16 -> 4 -> 3" in ending.out
