from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given

import minnet.training.batches
from minnet.errors import TrainingError
from minnet.network.layers import Dense
from minnet.network.losses import LOSSES, CrossEntropy, one_hot
from minnet.network.network import Network
from minnet.network.optimizers import SGD, Adam
from minnet.training import folds as folds_module
from minnet.training.batches import LabelledRows, TrainingRows, class_weights
from minnet.training.folds import KeySketch
from minnet.training.loop import (
    Callback,
    EachEpoch,
    Epoch,
    Learner,
    State,
    Training,
    losses_of_others,
    make_generators,
    train_networks,
)
from minnet.training.settings import TrainingSettings
from tests.differences import mean_and_gradients
from tests.helpers import examples_of_keys, standardized_by_rows
from tests.strategies import labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import DTypeLike

    from minnet.arrays import Array, BoolArray, IntArray
    from minnet.training.settings import History, LossName


def holdout_masks(observed: IntArray, networks: int, folds: int) -> BoolArray:
    """Hold out stratified folds of rows with keys of their own, `(networks, rows)`."""
    keys = np.random.default_rng(0).integers(0, 2**64, len(observed), dtype=np.uint64)
    examples = examples_of_keys(keys, observed)
    fold_of_row = KeySketch.of(examples).deal(folds).place(examples).folds
    return folds_module.holdout_masks(fold_of_row, networks, folds)


CROSS_ENTROPY, SQUARED_RESIDUALS = LOSSES.values()


class Data(NamedTuple):
    features: Array
    labels: IntArray


@pytest.fixture
def data() -> Data:
    """61 rows of three overlapping classes: 31, 20 and 10."""
    generator = np.random.default_rng(42)
    observed = generator.permutation(np.repeat([0, 1, 2], [31, 20, 10]))
    centres = np.array([[0.0, 0, 0, 0], [2, 0, 1, 0], [0, 2, -1, 0]])
    return Data(centres[observed] + generator.normal(size=(61, 4)), observed)


def started(
    data: Data,
    holdout: BoolArray,
    seeds: Sequence[int] | None = None,
    dtype: DTypeLike = np.float32,
    hidden: Sequence[int] = (6,),
) -> tuple[Network, list[Generator]]:
    """Networks of the given seeds, each scaling by the rows it does not hold out."""
    generators = [np.random.default_rng(seed) for seed in seeds or range(len(holdout))]
    rows = [np.flatnonzero(~held_out) for held_out in holdout]
    scaled = np.ones(data.features.shape[1], bool)
    standardize = standardized_by_rows(data.features, rows, scaled, dtype)
    sizes = [data.features.shape[1], *hidden, data.labels.max() + 1]
    return Network.random(sizes, generators, dtype, first=[standardize]), generators


def no_holdout(data: Data, networks: int = 1) -> BoolArray:
    return np.zeros((networks, len(data.labels)), dtype=bool)


def trained(
    network: Network,
    features: Array,
    observed: IntArray,
    holdout: BoolArray,
    generators: Sequence[Generator],
    settings: TrainingSettings,
    callbacks: Sequence[Callback] = (),
) -> History:
    """Train by one configuration; leaves the networks at their best epoch."""
    rows = LabelledRows(features, observed, holdout)
    return train_networks(network, rows, generators, [settings], callbacks).history()


def values_after_one_step(data: Data, settings: TrainingSettings) -> Array:
    """Weights and biases after one step on all rows, `(parameter_count,)`, float64."""
    holdout = no_holdout(data)
    network, generators = started(data, holdout, dtype=np.float64)
    network.values[:, ~network.decays] = 0.5
    trained(network, *data, holdout, generators, settings)
    return network.values[0]


ONE_STEP: dict[str, Any] = {"networks": 1, "epochs": 1, "batch_size": 1000}


# Sums are taken in another order for another layout in memory, so many shapes are tried: rows that
# leave the last batch short or with a single row, layers of one unit, none, several.
@pytest.mark.parametrize("loss", ["cross-entropy", "squared-residuals"])
@pytest.mark.parametrize("batch_size", [5, 6, 7, 8, 32])
@pytest.mark.parametrize("hidden", [(), (1,), (6,), (7, 16)])
def test_seed_7_alone_equals_seed_7_in_a_group_of_ten_bit_for_bit(
    data: Data, hidden: tuple[int, ...], batch_size: int, loss: LossName
) -> None:
    settings = TrainingSettings(epochs=3, batch_size=batch_size, loss=loss, balanced=True)
    group, generators = started(data, no_holdout(data, 10), range(10), hidden=hidden)
    of_group = trained(group, *data, no_holdout(data, 10), generators, settings)
    alone, generators = started(data, no_holdout(data), [7], hidden=hidden)
    of_alone = trained(alone, *data, no_holdout(data), generators, settings)
    np.testing.assert_array_equal(alone.values[0], group.values[7])
    np.testing.assert_array_equal(of_alone.training_loss[:, 0], of_group.training_loss[:, 7])
    assert (group.values[6] != group.values[7]).any()


def test_seed_7_has_the_same_history_alone_and_in_a_group_on_one_split(data: Data) -> None:
    settings = TrainingSettings(epochs=12, patience=12, batch_size=8, loss="squared-residuals")
    split = holdout_masks(data.labels, 1, 5)
    group, generators = started(data, split.repeat(10, axis=0), range(10))
    of_group = trained(group, *data, split.repeat(10, axis=0), generators, settings)
    alone, generators = started(data, split, [7])
    of_alone = trained(alone, *data, split, generators, settings)
    for name in Epoch._fields:
        np.testing.assert_array_equal(getattr(of_alone, name)[:, 0], getattr(of_group, name)[:, 7])


def test_networks_that_all_hold_out_the_same_rows_keep_the_epochs_they_would_alone(
    data: Data,
) -> None:
    settings = TrainingSettings(batch_size=8, patience=1, learning_rate=0.1)
    split = holdout_masks(data.labels, 1, 5)
    group, generators = started(data, split.repeat(4, axis=0), range(4))
    of_group = trained(group, *data, split.repeat(4, axis=0), generators, settings)
    assert len(set(of_group.best_epochs)) > 1
    for seed in range(4):
        alone, generators = started(data, split, [seed])
        of_alone = trained(alone, *data, split, generators, settings)
        assert of_alone.best_epochs.tolist() == [of_group.best_epochs[seed]]
        np.testing.assert_array_equal(alone.values[0], group.values[seed])


def test_same_seeds_give_the_same_bits_again(data: Data) -> None:
    holdout = holdout_masks(data.labels, 3, 5)
    values = []
    for _ in range(2):
        network, generators = started(data, holdout)
        trained(network, *data, holdout, generators, TrainingSettings(networks=3, epochs=4))
        values.append(network.values)
    np.testing.assert_array_equal(values[0], values[1])


def test_history_has_a_row_for_each_epoch_and_a_column_for_each_network(data: Data) -> None:
    holdout = holdout_masks(data.labels, 3, 5)
    network, generators = started(data, holdout)
    seen: list[Epoch] = []
    history = trained(
        network,
        *data,
        holdout,
        generators,
        TrainingSettings(networks=3, epochs=4),
        [EachEpoch(seen.append)],
    )
    assert len(seen) == 4
    for name in Epoch._fields:
        array = getattr(history, name)
        assert array.shape == (4, 3)
        assert array.dtype == np.float32
        np.testing.assert_array_equal(
            array, np.stack([getattr(epoch, name) for epoch in seen]).astype(np.float32)
        )


def test_training_lowers_the_loss_and_beats_the_class_shares(data: Data) -> None:
    holdout = holdout_masks(data.labels, 5, 5)
    network, generators = started(data, holdout)
    history = trained(network, *data, holdout, generators, TrainingSettings(networks=5))
    class_shares = CROSS_ENTROPY.of_class_shares(np.bincount(data.labels))
    assert history.kept_losses.mean() < 0.8 * class_shares
    assert history.kept_accuracies.mean() > 0.6


@pytest.mark.parametrize("balanced", [False, True])
def test_each_network_keeps_the_values_of_the_epoch_that_the_others_holdouts_liked_best(
    data: Data, balanced: bool
) -> None:
    holdout = holdout_masks(data.labels, 5, 5)
    network, generators = started(data, holdout, hidden=(30,))
    settings = TrainingSettings(networks=5, learning_rate=0.05, balanced=balanced)
    history = trained(network, *data, holdout, generators, settings)
    # Past these epochs, training went on and only made the holdout losses worse.
    assert history.best_epochs.max() < len(history)
    assert len(set(history.best_epochs)) > 1
    for k, kept in enumerate(history.best_epochs):
        of_others = np.delete(history.holdout_loss, k, axis=1).mean(axis=1)
        assert of_others[kept - 1] <= of_others.min() + 1.1e-5
    logits = network.forward(data.features[None])
    counts = np.bincount(data.labels)
    for k, held_out in enumerate(holdout):
        observed = data.labels[held_out]
        weights = 1 / counts[observed] if balanced else np.ones(len(observed))
        loss, _ = mean_and_gradients(
            CROSS_ENTROPY, logits[k : k + 1, held_out], observed[None], weights[None]
        )
        assert history.kept_losses[k] == pytest.approx(loss.item(), rel=1e-5)
        accuracy = (logits[k, held_out].argmax(axis=-1) == observed).mean()
        assert history.kept_accuracies[k] == pytest.approx(accuracy)


def test_training_stops_after_patience_epochs_without_a_better_one(data: Data) -> None:
    holdout = holdout_masks(data.labels, 5, 5)
    for patience in (1, 7):
        network, generators = started(data, holdout, hidden=(30,))
        settings = TrainingSettings(networks=5, learning_rate=0.05, patience=patience)
        history = trained(network, *data, holdout, generators, settings)
        assert len(history) == history.best_epochs.max() + patience < settings.epochs
        for k, kept in enumerate(history.best_epochs):
            of_others = np.delete(history.holdout_loss, k, axis=1).mean(axis=1)
            assert (of_others[kept : kept + patience] > of_others[kept - 1] - 2e-5).all()


def test_epoch_is_better_only_if_its_loss_is_smaller_by_more_than_a_hundred_thousandth() -> None:
    settings = TrainingSettings(networks=4, patience=1)
    generators = make_generators(settings)
    state = State.start(Network.random([1, 2], generators).values, 1)
    training = Training(state, generators, np.zeros(4, np.int64), [settings])
    start = training.best_values.copy()
    training.best_losses[...] = 1
    training.best_epochs[3] = -1  # so long ago that nothing is better any more
    losses = 1 - np.array([1.5e-5, 0.5e-5, -0.5e-5, 1.5e-5])
    training.averages[...] = start + 1
    training.finish_epoch(Epoch(losses, losses, losses, losses))
    assert training.best_epochs.tolist() == [1, 0, 0, -1]
    assert training.best_losses.tolist() == [losses[0], 1, 1, 1]
    assert (training.best_values != start).all(axis=1).tolist() == [True, False, False, False]


class Values(Callback):
    """Keeps the running values and their average after each epoch."""

    def __init__(self) -> None:
        self.running: list[Array] = []
        self.averages: list[Array] = []

    def on_epoch(self, training: Training) -> None:
        self.running.append(training.state.values.astype(np.float64))
        self.averages.append(training.averages.copy())


def test_the_average_counts_epoch_i_i_times(data: Data) -> None:
    holdout = holdout_masks(data.labels, 2, 5)
    network, generators = started(data, holdout)
    values = Values()
    settings = TrainingSettings(networks=2, epochs=9)
    trained(network, *data, holdout, generators, settings, [values])
    np.testing.assert_array_equal(values.averages[0], values.running[0])
    for epochs in range(1, 10):
        expected = np.average(values.running[:epochs], axis=0, weights=np.arange(epochs) + 1)
        np.testing.assert_allclose(values.averages[epochs - 1], expected, atol=1e-6)


def test_the_average_is_judged_and_kept(data: Data) -> None:
    holdout = holdout_masks(data.labels, 2, 5)
    network, generators = started(data, holdout)
    values = Values()
    settings = TrainingSettings(networks=2, epochs=40, patience=3)
    history = trained(network, *data, holdout, generators, settings, [values])
    for place, (mask, kept) in enumerate(zip(holdout, history.best_epochs, strict=True)):
        np.testing.assert_array_equal(network.values[place], values.averages[kept - 1][place])
        logits = network.forward(data.features[None, mask])[place]
        targets = one_hot(data.labels[mask], logits.shape[-1], np.float64)
        loss = CrossEntropy().of_rows(logits, targets).mean()
        assert loss == pytest.approx(history.holdout_loss[kept - 1, place], rel=1e-5)


def test_without_holdout_training_runs_to_the_last_epoch_and_keeps_it(data: Data) -> None:
    holdout = no_holdout(data, 2)
    network, generators = started(data, holdout)
    values = Values()
    settings = TrainingSettings(networks=2, epochs=30, patience=1)
    history = trained(
        network,
        *data,
        holdout,
        generators,
        settings,
        [values],
    )
    assert history.best_epochs.tolist() == [len(values.averages)] * 2 == [30, 30]
    np.testing.assert_array_equal(network.values, values.averages[-1])
    assert np.isnan(history.holdout_loss).all()
    assert np.isnan(history.holdout_accuracy).all()


def test_network_without_holdout_beside_one_with_holdout_has_no_holdout_figures(
    data: Data,
) -> None:
    holdout = no_holdout(data, 2)
    holdout[1, :9] = True
    network, generators = started(data, holdout)
    history = trained(network, *data, holdout, generators, TrainingSettings(networks=2, epochs=3))
    assert np.isnan(history.holdout_loss[:, 0]).all()
    assert np.isnan(history.holdout_accuracy[:, 0]).all()
    assert np.isfinite(history.holdout_loss[:, 1]).all()
    assert (history.best_epochs == history.holdout_loss[:, 1].argmin() + 1).all()


def folds_of(holdout: Any) -> IntArray:
    return LabelledRows(np.empty(0), np.empty(0), holdout).folds


def test_own_holdout_decides_nothing_about_the_epoch_of_a_network() -> None:
    folds = np.arange(3)
    losses = np.array([5.0, 1.0, 3.0])
    assert losses_of_others(losses, folds).tolist() == [2, 4, 3]
    assert losses_of_others(np.array([99.0, 1.0, 3.0]), folds)[0] == 2


def test_networks_on_the_same_fold_do_not_choose_each_others_epoch() -> None:
    same = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [1, 1, 0, 0, 0]], dtype=bool)
    assert losses_of_others(np.array([5.0, 1.0, 3.0]), folds_of(same)).tolist() == [1, 4, 1]


def test_networks_without_holdout_do_not_choose_epochs() -> None:
    some = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=bool)
    losses = np.array([np.nan, 1.0, 3.0])
    assert losses_of_others(losses, folds_of(some)).tolist() == [2, 3, 1]
    alone = np.array([[1, 0, 0]], dtype=bool)
    assert losses_of_others(np.array([7.0]), folds_of(alone)).tolist() == [7]
    with np.errstate(invalid="ignore"):
        assert np.isnan(losses_of_others(losses[:1], folds_of(np.zeros((1, 3), dtype=bool)))).all()


def test_loss_of_a_network_that_diverged_is_no_better_epoch_for_the_others() -> None:
    folds = np.arange(3)
    chosen = losses_of_others(np.array([np.nan, 1.0, 3.0]), folds)
    assert chosen.tolist() == [2, np.inf, np.inf]


def test_rows_that_a_network_holds_out_never_influence_it(data: Data) -> None:
    holdout = holdout_masks(data.labels, 5, 5)

    def values_of_each_epoch(features: Array) -> Array:
        own = Data(features, data.labels)
        network, generators = started(own, holdout)
        values: list[Array] = []
        settings = TrainingSettings(networks=5, epochs=6, batch_size=8)
        trained(
            network,
            *own,
            holdout,
            generators,
            settings,
            [EachEpoch(lambda _: values.append(network.values + 0))],
        )
        return np.stack(values)

    corrupt = data.features.copy()
    corrupt[holdout[2]] = 1e3
    clean_values, corrupt_values = map(values_of_each_epoch, (data.features, corrupt))
    np.testing.assert_array_equal(clean_values[:, 2], corrupt_values[:, 2])
    for other in (0, 1, 3, 4):
        assert (clean_values[:, other] != corrupt_values[:, other]).any()


class Recorder(Dense):
    """Keeps the rows of every batch that it learns from."""

    def __init__(self, networks: int) -> None:
        super().__init__(np.zeros((networks, 1, 2)), np.zeros((networks, 1, 2)))
        self.batches: list[Array] = []

    def forward(self, inputs: Array) -> Array:
        self.latest = inputs.copy()
        return super().forward(inputs)

    def fill_gradients(self, output_gradients: Array) -> None:
        self.batches.append(self.latest[..., 0])
        super().fill_gradients(output_gradients)


def rows_learnt_from(holdout: BoolArray, settings: TrainingSettings) -> list[Array]:
    """Row numbers of each batch, `(networks, rows)`."""
    networks, rows = holdout.shape
    recorder = Recorder(networks)
    numbers = np.arange(rows, dtype=np.float64)[:, None]
    labels = np.zeros(rows, dtype=np.int64)
    generators = make_generators(settings)
    trained(Network([recorder]), numbers, labels, holdout, generators, settings)
    return recorder.batches


def test_every_epoch_shows_every_row_once_in_a_fresh_order() -> None:
    settings = TrainingSettings(networks=2, epochs=2, batch_size=8)
    batches = rows_learnt_from(np.zeros((2, 21), dtype=bool), settings)
    assert [batch.shape for batch in batches] == [(2, 8), (2, 8), (2, 5)] * 2
    first, second = np.concatenate(batches[:3], axis=1), np.concatenate(batches[3:], axis=1)
    for order in (*first, *second):
        assert sorted(order) == list(range(21))
        assert (order != np.arange(21)).any()
    assert (first != second).any(axis=1).all()
    assert (first[0] != first[1]).any()


def test_network_with_a_row_less_sees_one_of_its_own_rows_twice() -> None:
    holdout = holdout_masks(np.zeros(11, dtype=np.int64), 3, 5)
    assert holdout.sum(axis=1).tolist() == [3, 2, 2]
    batches = rows_learnt_from(holdout, TrainingSettings(networks=3, epochs=1, batch_size=4))
    orders = np.concatenate(batches, axis=1)
    assert orders.shape == (3, 9)
    for order, held_out in zip(orders, holdout, strict=True):
        assert set(order) == set(np.flatnonzero(~held_out))


@pytest.mark.parametrize("balanced", [False, True])
def test_how_many_rows_are_made_ready_at_once_changes_nothing(
    data: Data, balanced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    holdout = no_holdout(data, 3)
    holdout[0, :11] = holdout[1, 20:23] = holdout[2, 30:37] = True  # parts run out of real rows
    settings = TrainingSettings(networks=3, epochs=2, batch_size=4, balanced=balanced)
    ends = []
    for rows_at_once in (1000, 9, 1):
        monkeypatch.setattr(minnet.training.batches, "MOST_ROWS_OF_A_BLOCK", rows_at_once)
        network, generators = started(data, holdout)
        ends.append((network, trained(network, *data, holdout, generators, settings)))
    whole, of_whole = ends[0]
    for parts, of_parts in ends[1:]:
        np.testing.assert_array_equal(parts.values, whole.values)
        for name in Epoch._fields:
            np.testing.assert_allclose(getattr(of_parts, name), getattr(of_whole, name), rtol=1e-6)


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-residuals"])
def test_figures_of_a_one_step_epoch_are_those_of_the_start(data: Data, loss: str) -> None:
    holdout = no_holdout(data, 2)
    network, generators = started(data, holdout)
    logits = network.forward(data.features[None])
    expected, _ = mean_and_gradients(LOSSES[loss], logits, np.stack([data.labels, data.labels]))
    settings = TrainingSettings(**ONE_STEP | {"networks": 2, "loss": loss})
    history = trained(network, *data, holdout, generators, settings)
    np.testing.assert_allclose(history.training_loss[0], expected, rtol=1e-5)
    accuracies = (logits.argmax(axis=-1) == data.labels).mean(axis=-1)
    np.testing.assert_allclose(history.training_accuracy[0], accuracies, rtol=1e-6)


def test_training_figures_are_means_over_rows_not_over_batches() -> None:
    # 3 rows in batches of 2 and 1: had each batch counted alike, the last row would weigh double.
    data = Data(np.array([[1.0], [2.0], [3.0]]), np.array([0, 1, 1]))
    network, generators = started(data, no_holdout(data), hidden=())
    settings = TrainingSettings(networks=1, epochs=1, batch_size=2, learning_rate=1e-9)
    logits = network.forward(data.features[None])
    history = trained(network, *data, no_holdout(data), generators, settings)
    expected, _ = mean_and_gradients(CROSS_ENTROPY, logits, data.labels[None])
    assert history.training_loss.item() == pytest.approx(expected.item(), rel=1e-5)
    accuracy = (logits.argmax(axis=-1) == data.labels).mean()
    assert history.training_accuracy.item() == pytest.approx(accuracy)


def test_balanced_equals_repeating_the_rows_of_the_rare_classes(data: Data) -> None:
    rows = np.concatenate([np.flatnonzero(data.labels == k)[:10] for k in (0, 1, 2)])
    few, even = rows[:25], rows[[*range(20), *[20, 21, 22, 23, 24] * 2]]  # 10, 10, 5; 10, 10, 10
    values = []
    for chosen, balanced in ((few, True), (even, False), (few, False)):
        own = Data(data.features[chosen], data.labels[chosen])
        holdout = no_holdout(own)
        network = Network.random([4, 6, 3], [np.random.default_rng(0)], np.float64)
        settings = TrainingSettings(
            networks=1, epochs=20, batch_size=1000, optimizer="sgd", balanced=balanced
        )
        trained(network, *own, holdout, [np.random.default_rng(1)], settings)
        values.append(network.values)
    np.testing.assert_allclose(values[0], values[1], rtol=0, atol=1e-12)
    assert np.abs(values[2] - values[1]).max() > 1e-2


def test_loss_and_optimizer_make_the_step_they_are_named_for(data: Data) -> None:
    start, _ = started(data, no_holdout(data), dtype=np.float64)
    start.values[:, ~start.decays] = 0.5
    for name, loss in (
        ("cross-entropy", CROSS_ENTROPY),
        ("squared-residuals", SQUARED_RESIDUALS),
    ):
        logits = start.forward(data.features[None])
        start.backward(mean_and_gradients(loss, logits, data.labels[None])[1])
        for optimizer, made in (("adam", Adam(0.02)), ("sgd", SGD(0.02))):
            expected = start.values.copy()
            made.step(expected, start.gradients)
            settings = TrainingSettings(
                **ONE_STEP, optimizer=optimizer, loss=name, learning_rate=0.02, weight_decay=0
            )
            values = values_after_one_step(data, settings)
            # The order of the rows differs, and with it the last digits of the sums.
            np.testing.assert_allclose(values, expected[0], rtol=0, atol=1e-6)
            assert np.abs(values - start.values[0]).max() > 1e-4


def test_weight_decay_shrinks_weights_and_leaves_biases(data: Data) -> None:
    start, _ = started(data, no_holdout(data), dtype=np.float64)
    plain, decayed = (
        values_after_one_step(data, TrainingSettings(**ONE_STEP, weight_decay=decay))
        for decay in (0, 0.5)
    )
    expected = np.where(start.decays, 0.01 * 0.5 * start.values[0], 0)
    np.testing.assert_allclose(plain - decayed, expected, rtol=0, atol=1e-12)


def test_optimizer_follows_the_settings() -> None:
    network = Network([Dense(np.ones((1, 1, 1)), np.ones((1, 1, 1)))])
    labelled = LabelledRows(np.ones((1, 1)), np.zeros(1, np.int64), np.zeros((1, 1), np.bool_))
    rows = TrainingRows.of(network, labelled, None, 1)
    for optimizer, kind, rate in (("adam", Adam, 0.01), ("sgd", SGD, 0.03)):
        made = Learner.of(network, [TrainingSettings(optimizer=optimizer)], rows).optimizer
        assert isinstance(made, kind)
        assert made.learning_rate == rate
        values = np.ones((1, 2))
        made.step(values, np.zeros((1, 2)))
        np.testing.assert_allclose(values, [[1 - rate * 0.05, 1]], rtol=1e-15)


def test_network_k_of_a_seed_starts_alike_however_many_networks_there_are() -> None:
    few, many, other = (
        [generator.random(3).tolist() for generator in make_generators(settings)]
        for settings in (
            TrainingSettings(networks=2, seed=5),
            TrainingSettings(networks=9, seed=5),
            TrainingSettings(networks=9, seed=6),
        )
    )
    assert few == many[:2]
    assert len({tuple(draws) for draws in many + other}) == 18


def test_diverging_loss_names_the_learning_rate_and_a_better_one(data: Data) -> None:
    holdout = no_holdout(data)
    network, generators = started(data, holdout)
    settings = TrainingSettings(networks=1, optimizer="sgd", learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"epoch 1: the learning rate 1e\+30 .*: try 0\.03"):
        trained(network, *data, holdout, generators, settings)


@pytest.mark.parametrize("learning_rate", [0.001, 0.01])
def test_diverging_loss_at_a_small_learning_rate_asks_for_a_smaller_one(
    data: Data, learning_rate: float
) -> None:
    network = Network.random([4, 3], [np.random.default_rng(0)])
    settings = TrainingSettings(networks=1, learning_rate=learning_rate)
    huge = np.clip(data.features, -1, 1).astype(np.float32) * np.float32(3e38)
    with pytest.raises(TrainingError, match=rf"is too large: try {learning_rate / 10:g}$"):
        trained(network, huge, data.labels, no_holdout(data), [np.random.default_rng(0)], settings)


def test_weights_that_become_infinite_in_the_last_step_of_all_are_refused(data: Data) -> None:
    # The training loss was taken before this step, and there is no holdout.
    network, generators = started(data, no_holdout(data))
    settings = TrainingSettings(**ONE_STEP, optimizer="sgd", learning_rate=1e39)
    with pytest.raises(TrainingError, match=r"epoch 1: the learning rate 1e\+39"):
        trained(network, *data, no_holdout(data), generators, settings)


def test_network_that_goes_astray_past_its_patience_does_not_stop_the_others(data: Data) -> None:
    class Wrecker(Callback):
        """Ruins each network that is no longer waiting for a better epoch."""

        wrecked = 0

        def on_epoch(self, training: Training) -> None:
            done = ~training.waiting()
            training.state.values[done] = np.nan
            if not done.all():
                self.wrecked = max(self.wrecked, int(done.sum()))

    settings = TrainingSettings(batch_size=8, patience=1, learning_rate=0.1)
    holdout = holdout_masks(data.labels, 1, 5).repeat(4, axis=0)
    ends, wrecker = [], Wrecker()
    for callbacks in ((), (wrecker,)):
        network, generators = started(data, holdout)
        history = trained(
            network,
            *data,
            holdout,
            generators,
            settings,
            callbacks,
        )
        ends.append((network.values, history.best_epochs))
    assert wrecker.wrecked > 0
    for unharmed, beside_wrecks in zip(*ends, strict=True):
        np.testing.assert_array_equal(unharmed, beside_wrecks)


def test_loss_that_diverges_in_the_last_step_of_all_is_refused(data: Data) -> None:
    # The training loss was taken before this step, so that only the holdout can tell.
    holdout = holdout_masks(data.labels, 1, 5)
    network, generators = started(data, holdout)
    settings = TrainingSettings(**ONE_STEP, optimizer="sgd", learning_rate=1e38)
    with pytest.raises(TrainingError, match=r"epoch 1: the learning rate 1e\+38"):
        trained(network, *data, holdout, generators, settings)


@given(labels())
def test_class_weights_are_1_over_the_frequency_with_mean_1_over_the_rows(
    observed: IntArray,
) -> None:
    weights = class_weights(TrainingSettings(balanced=True), np.bincount(observed, minlength=6))
    assert weights.shape == (6,)
    assert weights[observed].mean() == pytest.approx(1)
    totals = np.bincount(observed, weights[observed])
    present = totals[totals > 0]
    np.testing.assert_allclose(present, present[0])  # all classes together count alike
