"""The page `examples/from_scratch.py` is minnet: from the same start, the same values."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minnet.arrays import Array, IntArray
from minnet.network.layers import Dense, ReLU
from minnet.network.losses import LOSSES, one_hot, softmax
from minnet.network.network import Network
from minnet.network.optimizers import SGD, Adam, Optimizer
from tests.helpers import IRIS

PAGE = Path(__file__).parents[1] / "examples" / "from_scratch.py"
STEPS, UNITS, CLASSES = 100, 8, 3


@pytest.fixture(scope="module")
def page() -> Any:
    spec = importlib.util.spec_from_file_location("from_scratch", PAGE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def batches(page: Any) -> Iterator[tuple[Array, IntArray]]:
    """Batches of standardised flowers, the same ones every time."""
    features, labels, _ = page.read_table(IRIS)
    inputs = (features - features.mean(axis=0)) / features.std(axis=0)
    random = np.random.default_rng(1)
    for _ in range(STEPS):
        rows = random.permutation(len(labels))[: page.ROWS_OF_A_BATCH]
        yield inputs[rows], labels[rows]


def trained_by_minnet(page: Any, start: list[Array], optimizer: Optimizer) -> Array:
    layers = [Dense(start[0][None], start[1][None, None]), ReLU()]
    network = Network([*layers, Dense(start[2][None], start[3][None, None])])
    for inputs, labels in batches(page):
        logits = network.forward(inputs[None])
        targets = one_hot(labels, CLASSES)[None]
        network.backward(LOSSES["cross-entropy"].gradients(logits, targets))
        optimizer.step(network.values, network.gradients)
    return network.values[0]


@pytest.mark.parametrize("name", ["gradient descent", "Adam"])
def test_same_start_and_batches_end_in_the_values_of_minnet(page: Any, name: str) -> None:
    start = page.start(4, UNITS, CLASSES, np.random.default_rng(0))
    parameters = [values.copy() for values in start]
    adam = page.Adam()
    for inputs, labels in batches(page):
        gradients = page.backward(parameters, inputs, labels)
        if name == "Adam":
            adam.step(parameters, gradients)
        else:
            page.descend(parameters, gradients)
    optimizer = Adam(adam.learning_rate) if name == "Adam" else SGD(0.1, momentum=0.0)
    values = trained_by_minnet(page, start, optimizer)
    by_hand = np.concatenate([values.ravel() for values in parameters])
    np.testing.assert_allclose(by_hand, values, rtol=0, atol=1e-12)
    assert np.abs(by_hand - np.concatenate([values.ravel() for values in start])).max() > 0.1


def test_probabilities_and_losses_are_those_of_minnet(page: Any) -> None:
    outputs = np.random.default_rng(2).normal(0, 5, (20, CLASSES))
    labels = np.arange(20) % CLASSES
    np.testing.assert_allclose(page.softmax(outputs), softmax(outputs), rtol=1e-14)
    loss = LOSSES["cross-entropy"].mean(outputs[None], one_hot(labels, CLASSES)[None]).item()
    assert page.cross_entropy(outputs, labels) == pytest.approx(loss, rel=1e-14)


def test_page_is_short_and_needs_nothing_of_minnet() -> None:
    source = PAGE.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 120
    nodes = list(ast.walk(ast.parse(source)))
    imported = {
        alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) if node.module}
    assert {name.split(".")[0] for name in imported} - sys.stdlib_module_names == {"numpy"}


def test_loss_falls_and_most_flowers_held_out_are_named(tmp_path: Path) -> None:
    ending = subprocess.run(
        [sys.executable, PAGE], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    *epochs, judged = ending.stdout.splitlines()
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in epochs]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.1
    right, of = (int(word) for word in judged.split() if word.isdigit())
    assert right / of > 0.8
