"""One training step, from the inputs of a batch to changed weights."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from minnet.network.losses import CrossEntropy, one_hot
from minnet.network.network import Network
from minnet.network.optimizers import Adam
from minnet.training.batches import LabelledRows
from minnet.training.loop import make_generators, train_networks
from minnet.training.settings import TrainingSettings
from tests.benchmarks.measure import Row, compare, interleaved

try:
    import torch
except ImportError:
    torch = None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TINY = (4, 16, 3)
TINY_ROWS = 32
LARGE = (784, 128, 10)
LARGE_ROWS = 128
GROUPS = (1, 8, 32, 128)
ROUNDS = 21
BATCHES, EPOCHS = 50, 4
SMOKE = {
    "LARGE": (16, 8, 3),
    "LARGE_ROWS": 8,
    "GROUPS": (1, 2),
    "ROUNDS": 1,
    "BATCHES": 2,
    "EPOCHS": 1,
}


def rows() -> Iterator[Row]:
    """Tiny and large networks; without torch it is left out."""
    if torch is None:
        print("torch is not installed: no comparison with it", file=sys.stderr)
    else:
        torch.set_num_threads(1)
    yield from _tiny()
    yield from _loop()
    yield from _large()


def _tiny() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        c_loop = _compile(folder)
        per_network: dict[str, list[float]] = {}
        for group in GROUPS:
            contenders = {
                "minnet": _repeat(_minnet_step(TINY, TINY_ROWS, group), 1e6 / group),
                "scikit-learn": _sklearn_fit(TINY, TINY_ROWS, 1e6),
                "the C loop": _c_contender(c_loop, group),
            }
            if torch is not None:
                contenders |= {
                    "torch eager": _repeat(_torch_step(TINY, TINY_ROWS), 1e6),
                    "torch vmap": _repeat(_vmap_step(TINY, TINY_ROWS, group), 1e6 / group),
                }
            figures = interleaved(contenders, ROUNDS)
            goals = {
                1: {"scikit-learn": 1 / 5, "torch eager": 1 / 12},
                32: {"scikit-learn": 1 / 20, "the C loop": 2.5},
            }.get(group, {})
            per_network[str(group)] = figures["minnet"]
            for peer in list(figures)[1:]:
                yield compare(
                    f"step 4-16-3, batch 32, {group} networks",
                    "us per network",
                    figures["minnet"],
                    peer,
                    figures[peer],
                    goals.get(peer),
                )
    all_times = [np.median(per_network[str(group)]) * group for group in GROUPS]
    growth = float(np.polyfit(np.log(GROUPS), np.log(all_times), 1)[0])
    yield compare("step 4-16-3: growth over networks", "exponent", [growth], "linear", [1.0], 1.0)


def _loop() -> Iterator[Row]:
    """Whole training loops: order, batches, standardised inputs, figures of each epoch."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(1600, 4))
    labels = generator.integers(0, 3, 1600)
    epochs = 5
    steps = epochs * 1600 / 32

    def minnet_loop(group: int) -> float:
        settings = TrainingSettings(networks=group, epochs=epochs)
        generators = make_generators(settings)
        network = Network.random(TINY, generators, first=[_standardize(features, group)])
        data = LabelledRows(features, labels, np.zeros((group, len(labels)), dtype=bool))
        start = time.process_time()
        train_networks(network, data, generators, [settings])
        return (time.process_time() - start) * 1e6 / steps / group

    for group, goal in ((1, 1 / 5), (8, None), (32, 1 / 20)):
        figures = interleaved(
            {
                "minnet": lambda group=group: minnet_loop(group),
                "scikit-learn": _sklearn_fit(TINY, 32, 1e6),
            },
            ROUNDS,
        )
        yield compare(
            f"training loop 4-16-3, batch 32, {group} networks",
            "us per network-step",
            figures["minnet"],
            "scikit-learn fit",
            figures["scikit-learn"],
            goal,
        )


def _large() -> Iterator[Row]:
    fan_in, hidden, classes = LARGE
    work = 2 * LARGE_ROWS * (2 * fan_in * hidden + 3 * hidden * classes) / 1e9
    contenders = {
        "minnet": _repeat(_minnet_step(LARGE, LARGE_ROWS, 1), 1.0),
        "scikit-learn": _sklearn_fit(LARGE, LARGE_ROWS, 1.0),
        "the same products alone": _repeat(_products(), 1.0),
        "sgemm 1024 x 1024": _repeat(_sgemm(1024), work / (2 * 1024**3 / 1e9)),
    }
    if torch is not None:
        contenders |= {
            "torch": _repeat(_torch_step(LARGE, LARGE_ROWS), 1.0),
            "torch, fused Adam": _repeat(_torch_step(LARGE, LARGE_ROWS, fused=True), 1.0),
        }
    figures = interleaved(contenders, ROUNDS)
    goals = {
        "scikit-learn": 1 / 1.4,
        "torch, fused Adam": 1 / 1.4,
        "sgemm 1024 x 1024": 1 / 0.65,
    }
    rates = {name: [work / seconds for seconds in values] for name, values in figures.items()}
    for peer in list(figures)[1:]:
        row = compare("", "", figures["minnet"], peer, figures[peer], goals.get(peer))
        yield row._replace(
            benchmark="step 784-128-10, batch 128",
            unit="GFLOP/s (ratio of times)",
            minnet=float(np.median(rates["minnet"])),
            peer=float(np.median(rates[peer])),
        )


def _repeat(step: Callable[[], Any], scale: float) -> Callable[[], float]:
    """Seconds of one step, times `scale`: the mean over a few milliseconds."""
    step()
    start = time.process_time()
    step()
    repeats = max(3, int(0.005 / (time.process_time() - start)))

    def measure() -> float:
        step()
        start = time.process_time()
        for _ in range(repeats):
            step()
        return (time.process_time() - start) / repeats * scale

    return measure


def _batch(fan_in: int, classes: int, count: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(count, fan_in)).astype(np.float32)
    return inputs, generator.integers(0, classes, count)


def _standardize(features: Any, group: int) -> Any:
    from minnet.network.preparation import FeatureSummary, fit_preparation

    fewest = np.zeros(features.shape[1], np.int64)
    return fit_preparation(FeatureSummary.of(features), fewest, [-1] * group)[0]


def _minnet_step(sizes: tuple[int, ...], count: int, group: int) -> Callable[[], Any]:
    inputs, labels = _batch(sizes[0], sizes[-1], count)
    inputs = np.tile(inputs, (group, 1, 1))
    targets = one_hot(np.tile(labels, (group, 1)), sizes[-1], np.float32)
    loss = CrossEntropy()
    network = Network.random(sizes, [np.random.default_rng(k) for k in range(group)])
    optimizer = Adam(0.01, weight_decay=0.05, decays=network.decays)

    def step() -> None:
        network.backward(loss.gradients(network.forward(inputs), targets))
        optimizer.step(network.values, network.gradients)

    return step


def _sklearn_fit(sizes: tuple[int, ...], count: int, scale: float) -> Callable[[], float]:
    """Seconds of one step, times `scale`, as a part of `fit`: alone it is only `partial_fit`."""
    inputs, labels = _batch(sizes[0], sizes[-1], count * BATCHES)
    estimator = MLPClassifier(sizes[1:-1], batch_size=count, max_iter=EPOCHS)

    def measure() -> float:
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.fit(inputs, labels)
        return (time.process_time() - start) / (BATCHES * EPOCHS) * scale

    return measure


def _torch_step(sizes: tuple[int, ...], count: int, *, fused: bool = False) -> Callable[[], Any]:
    batch_inputs, batch_labels = _batch(sizes[0], sizes[-1], count)
    inputs, labels = torch.from_numpy(batch_inputs), torch.from_numpy(batch_labels)
    network = _torch_network(sizes)
    optimizer = torch.optim.AdamW(network.parameters(), 0.01, weight_decay=0.05, fused=fused)
    loss = torch.nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        loss(network(inputs), labels).backward()
        optimizer.step()

    return step


def _torch_network(sizes: tuple[int, ...]) -> torch.nn.Module:
    fan_in, hidden, classes = sizes
    return torch.nn.Sequential(
        torch.nn.Linear(fan_in, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes)
    )


def _vmap_step(sizes: tuple[int, ...], count: int, group: int) -> Callable[[], Any]:
    batch_inputs, batch_labels = _batch(sizes[0], sizes[-1], count)
    inputs, labels = torch.from_numpy(batch_inputs), torch.from_numpy(batch_labels)
    networks = [_torch_network(sizes) for _ in range(group)]
    parameters, _ = torch.func.stack_module_state(networks)
    optimizer = torch.optim.AdamW(list(parameters.values()), 0.01, weight_decay=0.05)

    def loss(own: Any) -> Any:
        logits = torch.func.functional_call(networks[0], own, inputs)
        return torch.nn.functional.cross_entropy(logits, labels)

    gradients_of = torch.func.vmap(torch.func.grad(loss))

    def step() -> None:
        gradients = gradients_of({name: value.detach() for name, value in parameters.items()})
        for name, value in parameters.items():
            value.grad = gradients[name]
        optimizer.step()

    return step


def _compile(folder: str) -> Any:
    library = str(Path(folder, "limit.so"))
    source = str(Path(__file__).with_name("limit.c"))
    command = ["gcc", "-O3", "-march=native", "-shared", "-fPIC", source, "-o", library, "-lm"]
    subprocess.run(command, check=True)
    return ctypes.CDLL(library).train


def _c_contender(c_loop: Any, group: int) -> Callable[[], float]:
    """Microseconds per network-step of the C loop, a thousand steps in one call."""
    fan_in, _, classes = TINY
    inputs, labels = _batch(fan_in, classes, TINY_ROWS)
    labels = labels.astype(np.int32)
    values = Network.random(TINY, [np.random.default_rng(k) for k in range(group)]).values
    state = np.concatenate([values, np.zeros_like(values), np.zeros_like(values)], axis=1)
    state = np.ascontiguousarray(state)
    steps = max(1, 1_000 // group)

    def measure() -> float:
        start = time.process_time()
        c_loop(
            ctypes.c_void_p(state.ctypes.data),
            group,
            ctypes.c_void_p(inputs.ctypes.data),
            ctypes.c_void_p(labels.ctypes.data),
            steps,
        )
        return (time.process_time() - start) * 1e6 / steps / group

    return measure


def _products() -> Callable[[], Any]:
    """Only the five matrix products of the large step."""
    fan_in, hidden, classes = LARGE
    inputs, outputs = _random(LARGE_ROWS, fan_in), _random(LARGE_ROWS, classes)
    weights1, weights2 = _random(fan_in, hidden), _random(hidden, classes)
    hidden_values = _random(LARGE_ROWS, hidden)

    def step() -> None:
        inputs @ weights1
        hidden_values @ weights2
        hidden_values.T @ outputs
        outputs @ weights2.T
        inputs.T @ hidden_values

    return step


def _sgemm(size: int) -> Callable[[], Any]:
    left, right = _random(size, size), _random(size, size)
    result = np.empty_like(left)
    return lambda: np.matmul(left, right, out=result)


def _random(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)
