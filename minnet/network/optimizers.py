"""Optimizers: from gradients to a step. They know one matrix of numbers and nothing of layers."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray


@dataclass(eq=False, repr=False)
class Optimizer:
    """Base: decoupled weight decay, which every optimizer here shares.

    Parameters
    ----------
    learning_rate
        What the gradients are multiplied by in a step; one for all networks, or `(networks, 1)`.
    weight_decay
        Each step first multiplies the decayed values by `1 - learning_rate * weight_decay`; one for
        all networks, or `(networks, 1)`.
    decays
        `(parameter_count,)`; which values decay. `None` means all.

    Attributes
    ----------
    steps
        How many steps were taken.
    moments
        What is remembered from step to step, each shaped as the values; empty before the first.

    References
    ----------
    Loshchilov, Hutter (2019), "Decoupled weight decay regularization".
    """

    learning_rate: float | Array
    weight_decay: float | Array = 0.0
    decays: BoolArray | None = None
    moment_count: ClassVar = 0

    def __post_init__(self) -> None:
        """Take one rate and one factor of decay for all networks, or for each."""
        self.steps = 0
        self.moments: tuple[Array, ...] = ()
        self._rates: Array = np.atleast_2d(self.learning_rate)
        decays = True if self.decays is None else self.decays
        factors = np.where(decays, 1 - self.learning_rate * self.weight_decay, 1)
        self._factors: Array = np.atleast_2d(factors)
        self._is_decaying = bool(np.any(self.weight_decay))

    def select(self, networks: slice | IntArray) -> Self:
        """Go on from here with some of the networks: the moments of a slice are views of these."""
        selected = copy(self)
        selected.moments = tuple(moments[networks] for moments in self.moments)
        if len(self._rates) > 1:
            selected._rates = self._rates[networks]
            selected._factors = self._factors[networks]
        return selected

    def step(self, values: Array, gradients: Array) -> None:
        """Change `values` in place, against their `gradients`; both `(networks, parameters)`."""
        if not self.moments:
            self.moments = tuple(np.zeros_like(values) for _ in range(self.moment_count))
        if self._is_decaying:
            self._factors = self._factors.astype(values.dtype, copy=False)
            values *= self._factors
        self.steps += 1
        self._descend(values, gradients)

    def _descend(self, values: Array, gradients: Array) -> None:
        raise NotImplementedError


@dataclass(eq=False, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    velocity = momentum * velocity + gradients, then values -= learning_rate * velocity: a ball
    that rolls on in the direction the last steps agreed on.
    """

    momentum: float = 0.9
    moment_count: ClassVar = 1

    def _descend(self, values: Array, gradients: Array) -> None:
        (velocities,) = self.moments
        velocities *= self.momentum
        velocities += gradients
        values -= self._rates.astype(values.dtype) * velocities


@dataclass(eq=False, repr=False)
class Adam(Optimizer):
    """Steps of about equal size for every value, whatever the scale of its gradients.

    Keeps running means of the gradients (first moments) and of their squares (second moments).
    Both start at 0 and are too small at first; dividing by 1 - beta^step makes up for it. A step
    is learning_rate * first / (sqrt(second) + epsilon), after that correction.

    References
    ----------
    Kingma, Ba (2015), "Adam: a method for stochastic optimization", algorithm 1.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    moment_count: ClassVar = 2
    _change = np.empty(0)

    def _descend(self, values: Array, gradients: Array) -> None:
        if self._change.shape != values.shape:
            self._change = np.empty_like(values)
        change = self._change
        first, second = self.moments
        # Without their factors 1 - beta and the corrections, which are moved into the two numbers
        # below, and with one buffer, a step takes half of the passes over memory.
        first_factor = (1 - self.beta1) / (1 - self.beta1**self.steps)
        second_factor = math.sqrt((1 - self.beta2) / (1 - self.beta2**self.steps))
        first *= self.beta1
        first += gradients
        second *= self.beta2
        second += np.square(gradients, out=change)
        np.sqrt(second, out=change)
        change += self.epsilon / second_factor
        np.divide(first, change, out=change)
        change *= (self._rates * first_factor / second_factor).astype(values.dtype)
        values -= change


OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "sgd": SGD}
