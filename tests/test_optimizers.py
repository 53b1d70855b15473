from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from minnet.network.optimizers import OPTIMIZERS, SGD, Adam, Optimizer

if TYPE_CHECKING:
    from minnet.arrays import Array

BOTH = pytest.mark.parametrize("make", [SGD, Adam])
DECAYS = np.array([True, True, True, False, False])  # three weights, two biases


def gradients_over(steps: int, networks: int = 1) -> Array:
    """Gradients of very different sizes, `(steps, networks, 5)`."""
    generator = np.random.default_rng(0)
    return generator.normal(size=(steps, networks, 5)) * np.array([1e-4, 1e-2, 1, 10, 1e3])


def test_sgd_by_hand() -> None:
    values = np.array([[1.0, -1.0]])
    optimizer = SGD(0.1, momentum=0.5)
    optimizer.step(values, np.array([[2.0, 4.0]]))
    np.testing.assert_allclose(values, [[1 - 0.1 * 2, -1 - 0.1 * 4]], rtol=1e-15)
    # The velocities are now 0.5 * 2 + 6 = 7 and 0.5 * 4 + 0 = 2.
    optimizer.step(values, np.array([[6.0, 0.0]]))
    np.testing.assert_allclose(values, [[0.8 - 0.1 * 7, -1.4 - 0.1 * 2]], rtol=1e-15)


def test_sgd_without_momentum_steps_against_the_gradients() -> None:
    values = np.array([[1.0]])
    optimizer = SGD(0.5, momentum=0)
    for _ in range(3):
        optimizer.step(values, np.array([[1.0]]))
    assert values.item() == -0.5


def test_adam_follows_the_formulas_of_the_paper() -> None:
    values = np.ones((1, 5))
    expected = np.ones((1, 5))
    first, second = np.zeros((2, 1, 5))
    optimizer = Adam(0.01, beta1=0.8, beta2=0.95, epsilon=1e-3)
    for step, gradients in enumerate(gradients_over(10), start=1):
        optimizer.step(values, gradients)
        first = 0.8 * first + (1 - 0.8) * gradients
        second = 0.95 * second + (1 - 0.95) * gradients**2
        corrected_first, corrected_second = first / (1 - 0.8**step), second / (1 - 0.95**step)
        expected = expected - 0.01 * corrected_first / (np.sqrt(corrected_second) + 1e-3)
        np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_first_step_of_adam_moves_every_value_by_the_learning_rate() -> None:
    values = np.zeros((1, 5))
    Adam(0.01).step(values, np.array([[1e-4, -1e-2, 1, 10, -1e3]]))
    np.testing.assert_allclose(values, [[-0.01, 0.01, -0.01, -0.01, 0.01]], rtol=1e-3)


def test_adam_does_not_move_a_value_without_gradient() -> None:
    values = np.ones((1, 2))
    Adam(0.01).step(values, np.array([[0.0, 1.0]]))
    assert values[0, 0] == 1


@BOTH
def test_decay_shrinks_weights_by_learning_rate_times_weight_decay_and_leaves_biases(
    make: type[Optimizer],
) -> None:
    values = np.full((2, 5), 8.0)
    optimizer = make(0.5, weight_decay=0.25, decays=DECAYS)
    for shrunk in (7.0, 7 * 0.875):
        optimizer.step(values, np.zeros((2, 5)))
        assert values.tolist() == [[shrunk, shrunk, shrunk, 8, 8]] * 2


@BOTH
@pytest.mark.parametrize(("weight_decay", "shrunk"), [(0, 8), (0.25, 7), (1, 4)])
def test_everything_decays_where_nothing_else_is_said(
    make: type[Optimizer], weight_decay: float, shrunk: float
) -> None:
    values = np.full((1, 2), 8.0)
    make(0.5, weight_decay=weight_decay).step(values, np.zeros((1, 2)))
    assert values.tolist() == [[shrunk, shrunk]]


@BOTH
def test_decay_is_decoupled_from_the_gradients(make: type[Optimizer]) -> None:
    plain, decayed = np.full((2, 1, 5), 4.0)
    gradients = gradients_over(1)[0]
    make(0.5).step(plain, gradients)
    make(0.5, weight_decay=0.25, decays=DECAYS).step(decayed, gradients)
    np.testing.assert_allclose(plain - decayed, [[0.5, 0.5, 0.5, 0, 0]], rtol=0, atol=1e-12)


@BOTH
def test_networks_side_by_side_step_as_each_alone(make: type[Optimizer]) -> None:
    together = np.ones((3, 5), np.float32)
    alone = np.ones((1, 5), np.float32)
    optimizers = [make(0.01, weight_decay=0.05, decays=DECAYS) for _ in range(2)]
    for gradients in gradients_over(20, networks=3).astype(np.float32):
        optimizers[0].step(together, gradients)
        optimizers[1].step(alone, gradients[1:2])
    np.testing.assert_array_equal(together[1], alone[0])


@BOTH
def test_steps_change_float32_values_in_place_and_leave_gradients_alone(
    make: type[Optimizer],
) -> None:
    values, gradients = np.ones((2, 1, 5), np.float32)
    view = values[:, :2]
    make(0.01, weight_decay=0.05, decays=DECAYS).step(values, gradients)
    assert (view < 1).all()
    assert (gradients == 1).all()


def test_sgd_agrees_with_torch_over_50_steps() -> None:
    torch = pytest.importorskip("torch", reason="torch is the second opinion on optimizers")
    rate, decay = 0.03, 0.05
    weights = torch.ones(3, dtype=torch.float64, requires_grad=True)
    biases = torch.ones(2, dtype=torch.float64, requires_grad=True)
    peer = torch.optim.SGD([weights, biases], lr=rate, momentum=0.9)
    values = np.ones((1, 5))
    optimizer = SGD(rate, weight_decay=decay, decays=DECAYS)
    for gradients in gradients_over(50):
        optimizer.step(values, gradients)
        weights.data *= 1 - rate * decay  # torch's own decay for SGD is not decoupled
        weights.grad = torch.from_numpy(gradients[0, :3].copy())
        biases.grad = torch.from_numpy(gradients[0, 3:].copy())
        peer.step()
        expected = torch.cat([weights, biases]).detach().numpy()
        np.testing.assert_allclose(values[0], expected, rtol=1e-12)


def test_adam_agrees_with_torch_over_50_steps() -> None:
    torch = pytest.importorskip("torch", reason="torch is the second opinion on optimizers")
    weights = torch.ones(3, dtype=torch.float64, requires_grad=True)
    biases = torch.ones(2, dtype=torch.float64, requires_grad=True)
    groups = [{"params": [weights], "weight_decay": 0.05}, {"params": [biases], "weight_decay": 0}]
    peer = torch.optim.AdamW(groups, lr=0.01)
    values = np.ones((1, 5))
    optimizer = Adam(0.01, weight_decay=0.05, decays=DECAYS)
    for gradients in gradients_over(50):
        optimizer.step(values, gradients)
        weights.grad = torch.from_numpy(gradients[0, :3].copy())
        biases.grad = torch.from_numpy(gradients[0, 3:].copy())
        peer.step()
        expected = torch.cat([weights, biases]).detach().numpy()
        np.testing.assert_allclose(values[0], expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["adam", "sgd"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_network_can_have_its_own_learning_rate_and_weight_decay(
    name: str, dtype: Any
) -> None:
    generator = np.random.default_rng(0)
    start = generator.standard_normal((3, 4)).astype(dtype)
    gradients = generator.standard_normal((5, 3, 4)).astype(dtype)
    rates, decays = [0.01, 0.003, 0.1], [0.0, 0.3, 0.05]
    is_weight = np.array([True, True, True, False])
    make = OPTIMIZERS[name]
    together = start.copy()
    optimizer = make(
        np.array(rates)[:, None], weight_decay=np.array(decays)[:, None], decays=is_weight
    )
    for step in gradients[:3]:
        optimizer.step(together, step)
    kept = np.array([2, 0])
    rest, chosen = optimizer.select(kept), together[kept]
    for step in gradients[3:]:
        optimizer.step(together, step)
        rest.step(chosen, step[kept])
    for k, (rate, decay) in enumerate(zip(rates, decays, strict=True)):
        alone = start[k : k + 1].copy()
        own = make(rate, weight_decay=decay, decays=is_weight)
        for step in gradients:
            own.step(alone, step[k : k + 1])
        np.testing.assert_array_equal(together[k], alone[0])
    np.testing.assert_array_equal(chosen, together[kept])
