from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import minnet
from minnet.analysis.explanation import explain
from minnet.analysis.trace import trace
from minnet.data.table import Table
from minnet.errors import DataError, ModelError, SettingsError
from minnet.network.layers import Dense, ReLU
from minnet.network.network import Network
from tests.helpers import IRIS, PENGUINS, fit

if TYPE_CHECKING:
    from minnet.arrays import Array
    from minnet.model.model import Model
    from minnet.training.settings import LossName

VIRGINICA_ROW = 106


def trained(hidden: tuple[int, ...] = (3,), networks: int = 3, **settings: Any) -> Model:
    made = minnet.TrainingSettings(hidden=hidden, networks=networks, epochs=5, **settings)
    return fit(minnet.read_csv(PENGUINS), "species", made)


def example() -> Network:
    """The worked example: two features, two hidden units, three species."""
    return Network(
        [
            Dense(np.array([[[-2.5, -1.5], [0.6, 0.4]]]), np.array([[[1.6, 0.7]]])),
            ReLU(),
            Dense(np.array([[[-0.1, 2.4, -2.2], [1.5, -5.2, 3.7]]]), np.array([[[-2.0, 0, 1]]])),
        ]
    )


@pytest.fixture(scope="module")
def penguins() -> Table:
    return minnet.read_csv(PENGUINS)


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-residuals"])
@pytest.mark.parametrize(("hidden", "bins"), [((), 3), ((5,), 0), ((4, 3), 2)])
def test_every_number_agrees_with_pytorch(
    penguins: Table, hidden: tuple[int, ...], bins: int, loss: LossName
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference for these gradients")
    model = trained(hidden, bins=bins, loss=loss, learning_rate=0.02)
    for row in (0, 3, 200, 300):
        explanation = explain(model, penguins, row, network=1)
        lesson = explanation.trace.backward
        assert lesson is not None
        scaled = (explanation.values - explanation.means) / explanation.stds
        units = torch.tensor(np.nan_to_num(scaled))
        if made := explanation.bins:
            lower, upper = torch.tensor(made.lower[0]), torch.tensor(made.upper[0])
            through = ((units[made.columns] - lower) / (upper - lower)).clamp(0, 1) - 0.5
            through *= torch.tensor(made.heights) * (upper > lower)
            units = torch.cat([units, torch.nan_to_num(through)])
        leaves: list[tuple[Any, Any]] = []
        sums, outputs = [], []
        dense = [layer for layer in model.network.layers if isinstance(layer, Dense)]
        for layer in dense:
            weights = torch.tensor(layer.weights.values[1].astype(float), requires_grad=True)
            biases = torch.tensor(layer.biases.values[1, 0].astype(float), requires_grad=True)
            leaves.append((weights, biases))
            sums.append(units @ weights + biases)
            sums[-1].retain_grad()
            units = torch.relu(sums[-1]) if layer is not dense[-1] else sums[-1]
            outputs.append(units)
            units.retain_grad()
        probabilities = torch.softmax(units, 0)
        observed = torch.nn.functional.one_hot(torch.tensor(lesson.label), 3).double()
        cross_entropy = -torch.log(probabilities[lesson.label])
        value = cross_entropy
        if loss == "squared-residuals":
            value = ((probabilities - observed) ** 2).sum()
        logits = units.detach().requires_grad_()
        jacobian = torch.autograd.functional.jacobian(lambda z: torch.softmax(z, 0), logits)
        value.backward()

        def agrees(ours: Array | float, theirs: Any) -> None:
            np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=0, atol=1e-9)

        agrees(explanation.trace.probabilities, probabilities)
        agrees(explanation.all_probabilities[1], probabilities)
        agrees(lesson.cross_entropy, cross_entropy)
        agrees(lesson.loss, value)
        agrees(lesson.residuals, probabilities - observed)
        agrees(lesson.softmax_gradient, jacobian[lesson.label])
        agrees(lesson.gradients, units.grad)
        for ours, (weights, biases), their_sums, their_outputs in zip(
            explanation.trace.layers, leaves, sums, outputs, strict=True
        ):
            agrees(ours.weights, weights)
            agrees(ours.biases, biases)
            agrees(ours.sums, their_sums)
            agrees(ours.outputs, their_outputs)
            agrees(ours.gradients["outputs"], their_outputs.grad)
            agrees(ours.gradients["sums"], their_sums.grad)
            agrees(ours.gradients["weights"], weights.grad)
            agrees(ours.gradients["biases"], biases.grad)
        units = torch.tensor(np.nan_to_num(scaled))
        if made := explanation.bins:
            lower, upper = torch.tensor(made.lower[0]), torch.tensor(made.upper[0])
            through = ((units[made.columns] - lower) / (upper - lower)).clamp(0, 1) - 0.5
            through *= torch.tensor(made.heights) * (upper > lower)
            units = torch.cat([units, torch.nan_to_num(through)])
        for place, (weights, biases) in enumerate(leaves):
            units = units @ (weights - 0.02 * weights.grad) + (biases - 0.02 * biases.grad)
            units = torch.relu(units) if place < len(leaves) - 1 else units
        agrees(lesson.raw_outputs_after, units)
        agrees(lesson.probabilities_after, torch.softmax(units, 0))


def test_worked_example_is_traced_to_its_known_gradients() -> None:
    # The three rows add up to the known gradients of the summed cross-entropy.
    rows = [(0.04, 0.42, 0), (1.0, 0.54, 2), (0.5, 0.37, 1)]
    traces = [trace(example(), np.array(row[:2]), int(row[2])) for row in rows]
    gradients = [[layer.gradients for layer in one.layers] for one in traces]
    first = sum(one[0]["weights"] for one in gradients)
    last = sum(one[1]["weights"] for one in gradients)
    np.testing.assert_allclose(first, [[-0.7528, 1.4313], [-0.5410, 0.4105]], atol=1e-4)
    np.testing.assert_allclose(
        last, [[-1.4643, 0.4965, 0.9678], [-0.6821, 0.2865, 0.3956]], atol=1e-4
    )
    observed = [one.probabilities[one.label] for one in traces]
    np.testing.assert_allclose(observed, [0.1509, 0.7054, 0.6533], atol=1e-4)


def test_relu_blocks_all_behind_two_units_that_are_off() -> None:
    hidden, last = trace(example(), np.array([1.0, 0.54]), label=2).layers
    assert (hidden.sums < 0).all()
    assert hidden.gradients["outputs"].all()
    assert not hidden.gradients["sums"].any()
    assert not hidden.gradients["weights"].any()
    assert not last.gradients["weights"].any()
    assert last.gradients["biases"].all()


def test_row_is_explained_by_the_network_that_held_it_out(penguins: Table) -> None:
    model = trained(networks=5)
    evaluation = minnet.evaluate(model, penguins)
    for row in range(0, 344, 7):
        explanation = explain(model, penguins, row)
        assert explanation.trained_on_row is not None
        assert explanation.trained_on_row.tolist().count(False) == 1
        assert not explanation.trained_on_row[explanation.network]
        np.testing.assert_allclose(
            explanation.trace.probabilities, evaluation.probabilities[row], rtol=0, atol=1e-5
        )


def test_rows_without_a_label_do_not_shift_who_held_out_what() -> None:
    generator = np.random.default_rng(0)
    labels = [("ab"[i % 2] if i % 5 else "") for i in range(60)]
    table = Table.from_columns({"x": generator.normal(size=60), "y": labels})
    model = fit(table, "y", minnet.TrainingSettings(networks=5, epochs=3))
    evaluation = minnet.evaluate(model, table)
    for row, probabilities in zip(evaluation.rows, evaluation.probabilities, strict=True):
        explanation = explain(model, table, int(row))
        np.testing.assert_allclose(explanation.trace.probabilities, probabilities, atol=1e-5)
    unlabelled = explain(model, table, 5)
    assert unlabelled.trained_on_row is not None
    assert not unlabelled.trained_on_row.any()
    assert unlabelled.trace.backward is None
    assert unlabelled.unlabelled == "column 'y' is empty in this row"


def test_of_a_single_network_rows_it_was_trained_on_are_explained_too(penguins: Table) -> None:
    model = trained(networks=1)
    seen = [explain(model, penguins, row).trained_on_row for row in range(20)]
    assert all(explain(model, penguins, row).network == 0 for row in range(20))
    assert {bool(trained_on[0]) for trained_on in seen if trained_on is not None} == {True, False}


def test_nothing_is_said_about_training_for_a_file_that_shares_no_row(penguins: Table) -> None:
    model = trained()
    columns = {
        name: column.numbers + 0.01
        if column.numbers is not None
        else [column.spellings[code] if code >= 0 else "" for code in column.codes]
        for name, column in penguins.columns.items()
    }
    explanation = explain(model, Table.from_columns(columns), 250)
    assert explanation.trained_on_row is None
    assert explanation.network == 0
    assert explanation.trace.backward is not None


def test_network_of_choice_is_the_one_explained(penguins: Table) -> None:
    model = trained()
    each = model.member_probabilities(penguins)
    for network in range(3):
        explanation = explain(model, penguins, 4, network)
        assert explanation.network == network
        np.testing.assert_allclose(
            explanation.trace.probabilities, each[network, 4], rtol=0, atol=1e-5
        )
        np.testing.assert_allclose(explanation.all_probabilities, each[:, 4], rtol=0, atol=1e-5)


@pytest.mark.parametrize("row", [-1, 344, 10**12])
def test_row_that_is_not_there_is_refused(penguins: Table, row: int) -> None:
    with pytest.raises(SettingsError, match=rf"no row {row + 1}: .*penguins.csv has 344"):
        explain(trained(), penguins, row)


@pytest.mark.parametrize("network", [-1, 3])
def test_network_that_is_not_there_is_refused(penguins: Table, network: int) -> None:
    with pytest.raises(SettingsError, match=f"no network {network + 1}: the model has 3"):
        explain(trained(), penguins, 0, network)


def test_table_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="has no column"):
        explain(trained(), minnet.read_csv(IRIS), 0)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (None, "table has no column 'y'"),
        (["", "a"], "column 'y' is empty in this row"),
        (["c", "a"], "column 'y' says 'c', a class that was not there in training"),
        (["a", "c"], ""),
    ],
)
def test_row_without_a_known_label_ends_with_argmax_and_says_why(
    labels: list[str] | None, reason: str
) -> None:
    training = Table.from_columns({"x": range(20), "y": ["a", "b"] * 10})
    model = fit(training, "y", minnet.TrainingSettings(networks=2, epochs=2))
    new: dict[str, Any] = {"x": [1.0, 2.0]}
    explanation = explain(model, Table.from_columns(new | ({"y": labels} if labels else {})), 0)
    assert explanation.unlabelled == reason
    assert (explanation.trace.backward is None) == bool(reason)
    assert all((not layer.gradients) == bool(reason) for layer in explanation.trace.layers)
    assert explanation.trace.probabilities.sum() == pytest.approx(1)


def test_model_and_network_stay_as_they_are(penguins: Table) -> None:
    model = trained()
    values, gradients = model.network.values.copy(), model.network.gradients.copy()
    explain(model, penguins, 0)
    np.testing.assert_array_equal(model.network.values, values)
    np.testing.assert_array_equal(model.network.gradients, gradients)
    network = example()
    trace(network, np.array([0.5, 0.37]), label=1, learning_rate=1.0)
    np.testing.assert_array_equal(network.values, example().values)
    assert not network.gradients.any()


def test_a_small_step_lowers_the_loss_as_much_as_the_gradients_say(penguins: Table) -> None:
    rate = 1e-6
    lesson = explain(trained(learning_rate=rate), penguins, 0).trace.backward
    layers = explain(trained(learning_rate=rate), penguins, 0).trace.layers
    assert lesson is not None
    squares = sum(
        float((part**2).sum())
        for layer in layers
        for part in (layer.gradients["weights"], layer.gradients["biases"])
    )
    assert lesson.loss - lesson.loss_after == pytest.approx(rate * squares, rel=1e-3)
    assert lesson.probabilities_after[lesson.label] > np.exp(-lesson.cross_entropy)


def test_strength_is_how_far_the_raw_outputs_move_apart_without_the_input() -> None:
    traced = trace(example(), np.array([0.04, 0.42]))
    hidden, last = traced.layers
    # Without a unit, each raw output loses unit x weight; what all lose alike does not count.
    lost = last.inputs[:, None] * last.weights
    np.testing.assert_allclose(last.strengths, lost.max(axis=1) - lost.min(axis=1))
    for i in range(2):
        features = np.array([0.04, 0.42])
        features[i] = 0
        moved = trace(example(), features).raw_outputs - traced.raw_outputs
        assert hidden.strengths[i] == pytest.approx(np.ptp(moved))
    assert len(set(hidden.strengths)) == 2


@pytest.mark.parametrize("size", [1e3, -1e3])
def test_raw_outputs_of_any_size_have_finite_exponentials(size: float) -> None:
    network = Network([Dense(np.array([[[1.0, 1]]]), np.array([[[0.0, 2]]]))])
    traced = trace(network, np.array([size]), label=0)
    assert np.isfinite(traced.exponentials).all()
    softmax = traced.exponentials / traced.exponentials.sum()
    np.testing.assert_allclose(softmax, traced.probabilities)
    assert traced.shift == size + 2


def test_exponentials_of_usual_raw_outputs_are_plain() -> None:
    traced = trace(example(), np.array([0.0, 1.0]))
    assert traced.shift == 0
    np.testing.assert_allclose(traced.exponentials, np.exp(traced.raw_outputs))


@pytest.mark.parametrize("place", ["rate", "weights"])
def test_numbers_that_become_infinite_are_refused(penguins: Table, place: str) -> None:
    model = trained(hidden=(3,) * (1 if place == "rate" else 9))
    if place == "rate":
        model.settings = minnet.TrainingSettings(learning_rate=1e308)
    else:
        model.network.values[...] = 3e38
    with pytest.raises(ModelError, match=r"its weights .* so large that"):
        explain(model, penguins, 0)
