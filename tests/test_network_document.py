from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import minnet
from minnet.errors import ModelError
from minnet.model.document import to_bytes
from minnet.network.layers import Dense, Layer, ReLU
from minnet.network.network import Network
from minnet.network.preparation import Standardize
from minnet.onnx import export
from minnet.pages import page_document
from minnet.plots.network import plot_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from minnet.arrays import Array

ROWS: dict[str, list[Any]] = {"x": [*range(20)], "z": [0, 1, 3, 2] * 5, "y": ["a", "b"] * 10}


class Tanh(Layer):
    def forward(self, inputs: Array) -> Array:
        return np.asarray(np.tanh(inputs))


class LeakyReLU(ReLU):
    def forward(self, inputs: Array) -> Array:
        return np.maximum(inputs, inputs / 100)


class Halved(Dense):
    def forward(self, inputs: Array) -> Array:
        return np.asarray(super().forward(inputs) / 2)


class Squared(Standardize):
    def forward(self, inputs: Array) -> Array:
        return np.square(super().forward(inputs))


def with_layers(change: Callable[..., list[Layer]]) -> minnet.Model:
    model = minnet.train(ROWS, "y", networks=2, epochs=1, bins=2, hidden=(3,))
    return replace(model, network=Network(change(*model.network.layers)))


def halved(layer: Dense) -> Halved:
    return Halved(layer.weights.values, layer.biases.values)


def squared(layer: Standardize) -> Squared:
    return Squared(layer.means, layer.scales, layer.dtype)


# Each network answers; what knows minnet's own layers alone would tell something else of it.
CHANGES: dict[str, tuple[Callable[..., list[Layer]], str]] = {
    "another": (lambda s, b, d, r, e: [s, b, d, Tanh(), e], "a layer of kind Tanh"),
    "subclass of ReLU": (lambda s, b, d, r, e: [s, b, d, LeakyReLU(), e], "a layer of kind Leaky"),
    "subclass of Dense": (lambda s, b, d, r, e: [s, b, d, r, halved(e)], "a layer of kind Halved"),
    "preparing": (lambda s, b, d, r, e: [squared(s), b, d, r, e], "a layer of kind Squared"),
    "one too few": (
        lambda s, b, d, r, e: [s, b, d, e],
        "a network of the layers Standardize Bins Dense Dense",
    ),
    "one too many": (
        lambda s, b, d, r, e: [s, b, d, r, e, ReLU()],
        "a network of the layers Standardize Bins Dense ReLU Dense ReLU",
    ),
}
USES: dict[str, tuple[Callable[[minnet.Model], object], str]] = {
    "save": (to_bytes, "saved"),
    "explain": (lambda model: minnet.explain(model, ROWS, 0), "explained"),
    "page": (page_document, "shown in a page"),
    "picture": (plot_network, "drawn"),
    "export": (export, "exported"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("change", CHANGES)
def test_what_knows_only_its_own_layers_refuses_others(change: str, use: str) -> None:
    function, done = USES[use]
    layers, says = CHANGES[change]
    model = with_layers(layers)
    assert len(minnet.predict(model, ROWS)) == 20
    with pytest.raises(ModelError, match=f"^{says}.* cannot be {done}$"):
        function(model)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("settings", [{}, {"bins": 2}, {"hidden": ()}, {"hidden": (2, 3)}])
def test_layers_of_a_model_are_all_known(settings: dict[str, Any], use: str) -> None:
    USES[use][0](minnet.train(ROWS, "y", networks=2, epochs=1, **settings))


def test_importance_refuses_only_what_prepares_columns_in_another_way() -> None:
    table = {**ROWS, "x": ROWS["x"][::-1]}
    for change in ("another", "subclass of ReLU", "one too many"):
        minnet.importance(with_layers(CHANGES[change][0]), table)
    with pytest.raises(ModelError, match="a layer of kind Squared cannot be judged without"):
        minnet.importance(with_layers(CHANGES["preparing"][0]), table)
