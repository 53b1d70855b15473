"""A network: layers in a row, their parameters packed into one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike

from minnet.arrays import Array, BoolArray, IntArray
from minnet.network.layers import Dense, Layer, ReLU


class Network:
    """One or many networks of the same shape, from features to raw outputs (logits).

    The parameters of all layers are copied into one matrix, `values`, and become views into it:
    optimizers, snapshots and gradient checks then need to know a single matrix.

    Parameters
    ----------
    layers
        From first to last; at least one has parameters.

    Attributes
    ----------
    values
        `(networks, parameter_count)`: every parameter of every layer.
    gradients
        Same shape: of each network's loss with respect to its values, filled by `backward`.
    decays
        `(parameter_count,)`: which values weight decay applies to.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self._lowest = next(i for i, layer in enumerate(self.layers) if layer.parameters)
        parameters = [parameter for layer in self.layers for parameter in layer.parameters]
        networks = len(parameters[0].values)
        flat = [parameter.values.reshape(networks, -1) for parameter in parameters]
        self.values: Array = np.concatenate(flat, axis=1)
        self.gradients: Array = np.zeros_like(self.values)
        sizes = [part.shape[1] for part in flat]
        self.decays: BoolArray = np.repeat([parameter.decays for parameter in parameters], sizes)
        self.move_to(self.values)

    def move_to(self, values: Array) -> None:
        """Move the parameters to another matrix, shaped like `values`: they become views of it."""
        values[...] = self.values
        self.values = values
        start = 0
        for parameter in (one for layer in self.layers for one in layer.parameters):
            shape = parameter.values.shape
            stop = start + parameter.values[0].size
            parameter.values = values[:, start:stop].reshape(shape, copy=False)
            parameter.gradients = self.gradients[:, start:stop].reshape(shape, copy=False)
            start = stop

    @classmethod
    def random(
        cls,
        sizes: Sequence[int],
        generators: Sequence[np.random.Generator],
        dtype: DTypeLike = np.float32,
        first: Sequence[Layer] = (),
    ) -> Network:
        """Dense layers with ReLU between them, randomly started.

        Parameters
        ----------
        sizes
            Width of each layer, from the features over the hidden layers to the classes.
        generators
            One for each network. A network's start depends on its own generator alone.
        first
            Layers to put in front, such as `Standardize`.
        """
        layers: list[Layer] = [*first]
        for fan_in, fan_out in pairwise(sizes):
            layers += [Dense.random(fan_in, fan_out, generators, dtype), ReLU()]
        return cls(layers[:-1])

    def select(self, networks: slice | IntArray) -> Network:
        """Take some of the networks: the values of a slice are a view of these."""
        selected = Network([layer.select(networks) for layer in self.layers])
        selected.move_to(self.values[networks])
        return selected

    def __repr__(self) -> str:
        kinds = ", ".join(type(layer).__name__ for layer in self.layers)
        return f"<Network: {len(self):,} of {self.values.shape[1]:,} parameters: {kinds}>"

    def __len__(self) -> int:
        """How many networks run together."""
        return len(self.values)

    def forward(self, inputs: Array) -> Array:
        """Raw outputs `(networks, rows, classes)` for inputs `(networks or 1, rows, features)`."""
        for layer in self.layers:
            inputs = layer.forward(inputs)
        return inputs

    def prepare(self, inputs: Array) -> Array:
        """Run the first layers, those that do not learn (as `Standardize`): once for many steps."""
        for layer in self.layers[: self._lowest]:
            inputs = layer.forward(inputs)
        return inputs

    def without_preparation(self) -> Network:
        """Make the same network, sharing all parameters, that takes what `prepare` returns."""
        rest = copy(self)
        rest.layers, rest._lowest = self.layers[self._lowest :], 0
        return rest

    def outputs_of_layers(self, inputs: Array) -> list[Array]:
        """Run forward and keep what comes out of each layer, the raw outputs last."""
        outputs = []
        for layer in self.layers:
            inputs = layer.forward(inputs)
            outputs.append(inputs)
        return outputs

    def live_units(self, inputs: Array) -> BoolArray:
        """Tell which hidden units are above 0 for at least one row: `(networks, hidden units)`."""
        outputs = zip(self.layers, self.outputs_of_layers(inputs), strict=True)
        live = [units.max(axis=1) > 0 for layer, units in outputs if isinstance(layer, ReLU)]
        return np.concatenate([np.empty((len(self), 0), np.bool_), *live], axis=1)

    def backward(self, logit_gradients: Array) -> None:
        """Fill `gradients` from the gradients with respect to the last `forward`'s raw outputs.

        Stops at the lowest layer with parameters: nothing below it learns, so the gradients of its
        inputs (a third of the work for 784 features) are not computed.
        """
        for layer in reversed(self.layers[self._lowest + 1 :]):
            logit_gradients = layer.backward(logit_gradients)
        self.layers[self._lowest].fill_gradients(logit_gradients)
