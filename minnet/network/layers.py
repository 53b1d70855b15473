"""The layers of a network, each with its forward step and its hand-written backward step.

Every array has a leading `networks` axis: `inputs` is `(networks, rows, fan_in)`. `numpy.matmul`
and `.mT` (swap the last two axes) broadcast over it, so one line trains 1 or 500 networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from minnet.arrays import Array, IntArray


@dataclass(slots=True)
class Parameter:
    """An array that training changes, with room for its gradients.

    Attributes
    ----------
    values
        `(networks, ...)`.
    gradients
        Same shape: of each network's loss with respect to its values, filled by `backward`.
    decays
        Whether weight decay pulls it towards 0 (weights: yes, biases: no).
    """

    values: Array
    gradients: Array
    decays: bool = True


class Layer:
    """One step from inputs to outputs. `forward` remembers what `backward` needs."""

    parameters: tuple[Parameter, ...] = ()

    def forward(self, inputs: Array) -> Array:
        """Map `(networks, rows, fan_in)` to a new array `(networks, rows, fan_out)`."""
        raise NotImplementedError

    def input_gradients(self, output_gradients: Array) -> Array:
        """Gradients with respect to the inputs of the last `forward`, from those of its outputs."""
        raise NotImplementedError

    def fill_gradients(self, output_gradients: Array) -> None:
        """Fill the gradients of this layer's parameters (here: it has none)."""

    def backward(self, output_gradients: Array) -> Array:
        """Fill the gradients of the parameters and return those of the inputs.

        Parameters
        ----------
        output_gradients
            Of the loss with respect to the outputs of the last `forward`, shaped like them.

        Returns
        -------
        Array
            Of the loss with respect to the inputs of the last `forward`, shaped like them.
        """
        self.fill_gradients(output_gradients)
        return self.input_gradients(output_gradients)

    def select(self, networks: slice | IntArray) -> Layer:
        """Make the same layer for some of the networks; a layer that knows any overrides this."""
        if self.parameters:
            raise NotImplementedError
        return copy(self)


class Dense(Layer):
    """Weighted sums: `outputs = inputs @ weights + biases`.

    For one row and one output, s = x_1 w_1 + x_2 w_2 + ... + b. So ds/dw_i = x_i, ds/db = 1 and
    ds/dx_i = w_i; the chain rule multiplies each by the derivative of the loss with respect to s
    (the output gradient). Summed over all rows these products are matrix products:

        weight gradients = inputs.mT @ output_gradients
        bias gradients   = output_gradients summed over the rows
        input gradients  = output_gradients @ weights.mT

    Parameters
    ----------
    weights
        `(networks, fan_in, fan_out)`.
    biases
        `(networks, 1, fan_out)`.
    """

    def __init__(self, weights: Array, biases: Array) -> None:
        self.weights = Parameter(weights, np.zeros_like(weights))
        self.biases = Parameter(biases, np.zeros_like(biases), decays=False)
        self.parameters = (self.weights, self.biases)

    @classmethod
    def random(
        cls,
        fan_in: int,
        fan_out: int,
        generators: Sequence[np.random.Generator],
        dtype: DTypeLike = np.float32,
    ) -> Dense:
        """Draw He-initialised weights, one generator for each network; biases start at 0.

        Normal with variance 2 / fan_in: half of a ReLU's inputs are cut to 0, and the 2 makes up
        for it, so that signals neither fade nor explode from layer to layer.

        References
        ----------
        He, Zhang, Ren, Sun (2015), "Delving deep into rectifiers", section 2.2.
        """
        std = np.sqrt(2 / fan_in)
        draws = [generator.normal(0, std, (fan_in, fan_out)) for generator in generators]
        return cls(np.stack(draws).astype(dtype), np.zeros((len(generators), 1, fan_out), dtype))

    def select(self, networks: slice | IntArray) -> Self:
        """Make the same layer for some of the networks."""
        return type(self)(self.weights.values[networks], self.biases.values[networks])

    def forward(self, inputs: Array) -> Array:
        """Weighted sums of the inputs; keeps a reference to `inputs` for `backward`."""
        self._inputs = inputs
        outputs: Array = inputs @ self.weights.values
        outputs += self.biases.values
        return outputs

    def fill_gradients(self, output_gradients: Array) -> None:
        """Overwrite the gradients of weights and biases, in place."""
        np.matmul(self._inputs.mT, output_gradients, out=self.weights.gradients)
        output_gradients.sum(axis=-2, keepdims=True, out=self.biases.gradients)

    def input_gradients(self, output_gradients: Array) -> Array:
        """Send each output's gradient back along its weights."""
        return output_gradients @ self.weights.values.mT


class ReLU(Layer):
    """Rectified linear unit: the input where it is above 0, else 0.

    Its slope is 1 above 0 and 0 below (and 0 is taken at the kink), so a gradient passes unchanged
    where the unit was above 0 and is blocked where it was not.
    """

    def forward(self, inputs: Array) -> Array:
        """Cut what is below 0."""
        self._outputs: Array = np.maximum(inputs, 0)
        return self._outputs

    def input_gradients(self, output_gradients: Array) -> Array:
        """Pass the gradients of the units that were above 0."""
        return output_gradients * (self._outputs > 0)
