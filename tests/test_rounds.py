from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from minnet.network.network import Network
from minnet.network.preparation import Standardize
from minnet.training.batches import class_weights
from minnet.training.loop import State
from minnet.training.rounds import (
    OUTER_MOMENTUM,
    OUTER_RATE,
    Moved,
    Part,
    Rounds,
    outer_step,
    some_of_order,
)
from minnet.training.settings import TrainingSettings

FOLDS = 5


def part_of(rows: int, number: int = 0) -> Part:
    generator = np.random.default_rng(number)
    features = generator.normal(size=(rows, 3))
    labels = (features[:, 0] > 0).astype(np.int64) + (features[:, 1] > 1)
    return Part(number, features, labels, np.sort(generator.integers(FOLDS, size=rows)))


def rounds_of(
    networks: int = 2,
    batch_size: int = 4,
    rounds: int = 3,
    weights: np.ndarray | None = None,
) -> Rounds:
    shape = networks, 1, 3
    first = [Standardize(np.zeros(shape), np.ones(shape))]
    generators = [np.random.default_rng([7, k]) for k in range(networks)]
    network = Network.random([3, 6, 3], generators, first=first)
    settings = TrainingSettings(networks=networks, seed=3)
    return Rounds(network, settings, weights, FOLDS, batch_size, rounds)


def begun(rounds: Rounds) -> Moved:
    """Where an epoch starts."""
    state = rounds.start()
    networks = len(state.values)
    return Moved(np.zeros((networks, 1)), state, np.zeros((4, networks)))


def test_round_is_a_pure_function() -> None:
    rounds, part = rounds_of(), part_of(40)
    start = begun(rounds)
    before = [part.copy() for part in (start.state.values, *start.state.moments)]
    one, other = (rounds.take([part], start, 2, 1) for _ in range(2))
    np.testing.assert_array_equal(one.state.values, other.state.values)
    np.testing.assert_array_equal(one.state.moments, other.state.moments)
    for kept, now in zip(before, [start.state.values, *start.state.moments], strict=True):
        np.testing.assert_array_equal(kept, now)
    assert not np.array_equal(one.state.values, start.state.values)
    assert not np.array_equal(one.state.values, rounds.take([part], start, 2, 2).state.values)
    assert not np.array_equal(one.state.values, rounds.take([part], start, 3, 1).state.values)
    renumbered = part._replace(number=part.number + 1)
    assert not np.array_equal(one.state.values, rounds.take([renumbered], start, 2, 1).state.values)


def test_rounds_of_an_epoch_take_every_row_that_a_network_does_not_hold_out_once() -> None:
    rounds, part = rounds_of(networks=1), part_of(43)
    start, seen, steps = begun(rounds), 0.0, 0
    for number in range(rounds.rounds):
        moved = rounds.take([part], start, 0, number)
        seen += moved.metrics[3, 0]
        steps += moved.state.steps
    learned = (part.fold_of_row != 0).sum()
    assert seen == learned == moved.weights[0, 0]
    assert steps == -(-learned // rounds.batch_size)


def test_rows_that_a_network_holds_out_move_nothing() -> None:
    rounds, part = rounds_of(networks=1, rounds=1), part_of(43)
    other = part._replace(features=part.features.copy())
    other.features[part.fold_of_row == 0] = 1e6
    one, another = (rounds.take([which], begun(rounds), 0, 0) for which in (part, other))
    np.testing.assert_array_equal(one.state.values, another.state.values)
    other.features[-1] = 1e6
    assert not np.array_equal(
        one.state.values, rounds.take([other], begun(rounds), 0, 0).state.values
    )


@pytest.mark.parametrize("count", [1, 2, 30, 97, 2310])
def test_some_places_of_an_order_are_those_of_one_permutation(count: int) -> None:
    places = np.arange(2 * count)
    whole = some_of_order(places, count, [3, 1])
    assert sorted(whole[:count]) == [*range(count)]
    np.testing.assert_array_equal(whole[count:], whole[:count])
    np.testing.assert_array_equal(some_of_order(places[5:9], count, [3, 1]), whole[5:9])
    if count > 2:
        assert not np.array_equal(some_of_order(places, count, [3, 2]), whole)


def test_judging_counts_the_rows_that_each_network_holds_out() -> None:
    rounds, part = rounds_of(networks=FOLDS), part_of(50)
    judged = rounds.judge([part], rounds.start().values)
    np.testing.assert_array_equal(judged[3], np.bincount(part.fold_of_row, minlength=FOLDS))


def test_weights_of_classes_count() -> None:
    part = part_of(50)
    weights = class_weights(TrainingSettings(balanced=True), np.bincount(part.labels, minlength=3))
    rounds = rounds_of(networks=FOLDS, weights=weights)
    held_out = part.fold_of_row == np.arange(FOLDS)[:, None]
    expected = (held_out * weights[part.labels]).sum(axis=1)
    np.testing.assert_allclose(rounds.judge([part], rounds.start().values)[1], expected)


def test_network_that_holds_out_a_whole_part_does_not_move_the_mean() -> None:
    rounds = rounds_of()
    part = part_of(12)._replace(fold_of_row=np.zeros(12, np.int64))
    other = part_of(30, 1)
    start = begun(rounds)
    moved = rounds.take([part], start, 0, 0)
    assert moved.weights[0, 0] == 0
    assert moved.metrics[3, 0] == 0
    merged, alone = (
        moved.merge(rounds.take([other], start, 0, 0)),
        rounds.take([other], start, 0, 0),
    )
    np.testing.assert_allclose(merged.state.values[0], alone.state.values[0], atol=1e-7)
    assert not np.allclose(merged.state.values[1], alone.state.values[1], atol=1e-7)


def test_moves_merge_to_the_weighted_mean() -> None:
    generator = np.random.default_rng(0)
    moves = [
        Moved(
            np.full((1, 1), weight),
            State(generator.normal(size=(1, 4)), (generator.normal(size=(1, 4)),), steps),
            np.ones((4, 1)),
        )
        for weight, steps in ((2.0, 3), (0.0, 9), (6.0, 5))
    ]
    merged = reduce(Moved.merge, moves)
    weights = [move.weights[0, 0] for move in moves]
    expected = np.average([move.state.values for move in moves], axis=0, weights=weights)
    np.testing.assert_allclose(merged.state.values, expected)
    expected = np.average([move.state.moments[0] for move in moves], axis=0, weights=weights)
    np.testing.assert_allclose(merged.state.moments[0], expected)
    assert merged.state.steps == 9
    assert merged.metrics.tolist() == [[3], [3], [3], [3]]


def test_outer_step_is_that_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is the second opinion on the outer step")
    values = np.array([[1.0, -2.0, 3.0]])
    start = State.start(values, 1)
    parameter = torch.nn.Parameter(torch.tensor(values))
    optimizer = torch.optim.SGD([parameter], lr=OUTER_RATE, momentum=OUTER_MOMENTUM, nesterov=True)
    for move in ([0.1, 0.2, -0.3], [0.0, 0.5, 0.5], [-1.0, 0.0, 0.1]):
        parameter.grad = -torch.tensor([move], dtype=torch.float64)
        optimizer.step()
        moved = State(start.values + np.array([move]), (), 1)
        start = outer_step(start, moved)
        np.testing.assert_allclose(start.values, parameter.detach().numpy())


def test_one_part_and_one_step_move_as_adam_and_the_outer_step_say() -> None:
    rounds = rounds_of(networks=1, batch_size=100, rounds=1)
    part, start = part_of(30), begun(rounds)
    moved = rounds.take([part], start, 0, 0)
    assert moved.state.steps == 1
    change = moved.state.values - start.state.values
    assert 0 < np.abs(change).max() <= 0.0111  # one step of Adam at that rate, and the decay
    after = rounds.meet(start, [moved]).state
    np.testing.assert_allclose(
        after.values - start.state.values,
        OUTER_RATE * (1 + OUTER_MOMENTUM) * change,
        rtol=1e-3,
        atol=1e-7,
    )
