"""Is backpropagation correct? Every hand-written gradient against finite differences, as data."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from minnet.arrays import Array, BoolArray, IntArray
from minnet.data.encoding import Encoder
from minnet.data.table import Data, Table
from minnet.errors import SettingsError
from minnet.model.fit import roles_and_settings, training_table
from minnet.network.layers import Dense, Layer
from minnet.network.losses import CrossEntropy, Loss, one_hot
from minnet.network.network import Network
from minnet.network.preparation import FeatureSummary, count_inputs, fit_preparation, input_names
from minnet.training.loop import make_generators
from minnet.training.settings import TrainingSettings

LARGEST_ERROR = 1e-6
# Rounding of the loss, divided by the step, grows below this; the loss's curvature above it.
STEP = 1e-5
MOST_NUMBERS_OF_COPIES = 2**19
MOST_ROWS = 64
# The work grows with the rows and with the square of the parameters.
ROWS_TIMES_PARAMETERS = 500_000
FEWEST_ROWS = 8
MOST_PARAMETERS = 30_000


@dataclass(frozen=True, eq=False)
class GradientCheck:
    """Gradients of a loss with respect to each parameter of one network, found in two ways.

    Attributes
    ----------
    names
        Of the parameters, `weights of layer 2, hidden 5 -> virginica`.
    backpropagated
        By the layers' own `backward`, `(parameters,)`.
    differences
        By central differences, `(parameters,)`.
    rows, available
        How many rows the loss is the mean of, and how many there were.
    sizes
        Width of each layer of a table's network, the inputs first.
    skipped
        Which parameters cannot be compared, `(parameters,)`: moving them takes some sum across 0,
        where ReLU has a kink, so that the difference mixes two gradients.
    """

    names: Sequence[str]
    backpropagated: Array
    differences: Array
    skipped: BoolArray
    rows: int = 0
    available: int = 0
    sizes: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<GradientCheck: {len(self.names):,} parameters, relative error "
            f"{self.relative_error:.1e}>"
        )

    @property
    def distances(self) -> Array:
        """How far the two are apart, `(parameters,)`; infinite where one is not finite."""
        with np.errstate(invalid="ignore"):
            distances = np.abs(self.backpropagated - self.differences)
        return np.where(np.isfinite(distances), distances, np.inf)

    @property
    def scales(self) -> Array:
        """What the distances are measured by, `(parameters,)`.

        The larger of the two gradients, but at least a hundredth of the largest of all that are
        compared: the closer a gradient is to 0, the larger the part of it that is rounding.
        """
        sizes = np.maximum(np.abs(self.backpropagated), np.abs(self.differences))
        sizes[~np.isfinite(sizes)] = 1
        largest = sizes.max(where=~self.skipped, initial=0)
        return np.maximum(sizes, largest / 100 or 1.0)

    @property
    def relative_errors(self) -> Array:
        """Distances by scales, `(parameters,)`; 0 where skipped."""
        return np.where(self.skipped, 0.0, self.distances / self.scales)

    @property
    def worst(self) -> int:
        """Which parameter has the largest relative error."""
        return int(self.relative_errors.argmax())

    @property
    def relative_error(self) -> float:
        """The largest relative error."""
        return float(self.relative_errors[self.worst])

    @property
    def passed(self) -> bool:
        """Whether there was something to compare, and the two ways agree to 1e-6."""
        return not self.skipped.all() and self.relative_error <= LARGEST_ERROR


def random_network(
    features: Array, fewest: IntArray, classes: int, settings: TrainingSettings
) -> Network:
    """Start one network in float64, with random biases as well.

    With biases of 0, a row of zeros (all features at their means) puts every sum exactly on the
    kink of ReLU, where no difference tells its gradient.

    Parameters
    ----------
    features
        `(rows, features)`, float64, NaN where missing; the network scales them by these rows.
    fewest
        `(features,)`; see `fit_preparation`.
    settings
        Tell the hidden layers, the bins and the seed.
    """
    generator = make_generators(settings)[0]
    summary = FeatureSummary.of(features)
    bins = settings.bins, settings.sharp_bins
    preparation = fit_preparation(summary, fewest, (-1,), *bins, np.float64)
    sizes = settings.layer_sizes(len(features), count_inputs(preparation), classes)
    network = Network.random(sizes, [generator], np.float64, first=preparation)
    biases = ~network.decays
    network.values[:, biases] = generator.normal(size=np.count_nonzero(biases))
    return network


def check_gradients(
    network: Network,
    inputs: Array,
    labels: IntArray,
    loss: Loss,
    feature_names: Sequence[str] = (),
    class_names: Sequence[str] = (),
) -> GradientCheck:
    """Compare backpropagation with central differences for every parameter of one network.

    A difference is (loss one step above - loss one step below) / (2 steps). Every parameter needs
    two forward runs, which go through many moved copies of the network at once.

    Parameters
    ----------
    network
        One network, in float64; its gradients are filled, its values stay.
    inputs
        `(1, rows, features)`.
    labels
        Integer labels, `(1, rows)`.
    loss
        What `backward` is checked for.
    feature_names, class_names
        To name the parameters by (see `input_names`); without them they are counted.

    Raises
    ------
    SettingsError
        If it is not a single network in float64: float32 is too coarse to tell.
    """
    if network.values.dtype != np.float64 or len(network) != 1:
        raise SettingsError("a gradient check takes a single network, in float64")
    logits = network.forward(inputs)
    targets = one_hot(labels, logits.shape[-1])
    network.backward(loss.gradients(logits, targets))
    differences, skipped = _differences(network, inputs, targets, loss)
    inputs_of_first = input_names(network.layers, feature_names) if feature_names else ()
    names = list(_parameter_names(network, inputs_of_first, class_names))
    rows = labels.size
    return GradientCheck(names, network.gradients[0].copy(), differences, skipped, rows, rows)


def check(data: Data, target: str, **options: Any) -> GradientCheck:
    """Compare hand-written gradients with finite differences, on rows of a table.

    Parameters
    ----------
    data, target
        See `minnet.train`.
    options
        `ignore`, and of the settings `hidden`, `bins`, `sharp_bins` and `seed`.

    Returns
    -------
    GradientCheck
        The gradients by both ways, and how far they are apart.

    Raises
    ------
    DataError, SettingsError
        If the table or the settings do not make a network, or one that is too large.

    Examples
    --------
    >>> import minnet
    >>> minnet.check("data/iris.csv", "species", hidden=4).passed
    True
    """
    roles, settings = roles_and_settings(target, {"networks": 1} | options)
    table, encoder, _ = training_table(data, roles)
    return check_table(table, encoder, TrainingSettings.of(**settings))


def check_table(table: Table, encoder: Encoder, settings: TrainingSettings) -> GradientCheck:
    """Check one network of this shape, randomly started, on some rows of a table.

    Raises
    ------
    SettingsError
        If it has too many parameters.
    """
    examples = encoder.examples(table)
    features, labels = examples.features, examples.labels
    network = random_network(features, encoder.fewest_rows, len(encoder.class_names), settings)
    parameters = network.values.shape[1]
    if parameters > MOST_PARAMETERS:
        raise SettingsError(
            f"{parameters:,} parameters are too many to move one by one (the most is "
            f"{MOST_PARAMETERS:,}): use a smaller `hidden` or `bins`, or leave columns out with "
            "`ignore`"
        )
    most_rows = min(MOST_ROWS, max(FEWEST_ROWS, ROWS_TIMES_PARAMETERS // parameters))
    rows = np.random.default_rng(settings.seed).permutation(len(features))[:most_rows]
    inputs, names = features[None, rows], (encoder.features, encoder.class_names)
    check = check_gradients(network, inputs, labels[None, rows], CrossEntropy(), *names)
    sizes = count_inputs(network.layers), *settings.hidden, len(encoder.class_names)
    return replace(check, available=len(features), sizes=sizes)


def _differences(
    network: Network, inputs: Array, targets: Array, loss: Loss
) -> tuple[Array, BoolArray]:
    """Central difference of each parameter, and which of them straddle a kink."""
    parameters = network.values.shape[1]
    numbers = parameters + sum(outputs.size for outputs in network.outputs_of_layers(inputs))
    number = min(parameters, 1 + MOST_NUMBERS_OF_COPIES // numbers)
    layers: tuple[Layer, ...] = copy.deepcopy(network.layers)
    for parameter in (parameter for layer in layers for parameter in layer.parameters):
        parameter.values = np.repeat(parameter.values, number, axis=0)
    copies = Network(layers)
    differences, straddles = np.zeros(parameters), np.zeros(parameters, np.bool_)
    for start in range(0, parameters, number):
        moved = np.arange(start, min(start + number, parameters))
        cells = (moved - start, moved)  # one parameter of each copy
        copies.values[cells] = network.values[0, moved] + STEP
        above = copies.outputs_of_layers(inputs)
        copies.values[cells] = network.values[0, moved] - STEP
        below = copies.outputs_of_layers(inputs)
        copies.values[cells] = network.values[0, moved]
        gains = loss.mean(above[-1], targets) - loss.mean(below[-1], targets)
        differences[moved] = gains[: len(moved)] / (2 * STEP)
        # What goes into another layer may lie on the two sides of ReLU's kink.
        for layer, *sums in zip(layers[:-1], above[:-1], below[:-1], strict=True):
            if layer.parameters:
                crossing = ((sums[0] > 0) != (sums[1] > 0)).any(axis=(1, 2))
                straddles[moved] |= crossing[: len(moved)]
    return differences, straddles


def _parameter_names(
    network: Network, names_of_inputs: Sequence[str], class_names: Sequence[str]
) -> Iterator[str]:
    """Name every value of every parameter, in the order of `network.values`."""
    layers = [layer for layer in network.layers if layer.parameters]
    for number, layer in enumerate(layers, 1):
        if not isinstance(layer, Dense):
            for place, parameter in enumerate(layer.parameters, 1):
                for index in np.ndindex(parameter.values.shape[1:]):
                    yield f"parameter {place} of layer {number}, {list(index)}"
            continue
        fan_in, fan_out = layer.weights.values.shape[1:]
        is_first, is_last = number == 1, number == len(layers)
        sources = _named("input", fan_in, names_of_inputs) if is_first else _named("hidden", fan_in)
        targets = _named("output", fan_out, class_names) if is_last else _named("hidden", fan_out)
        for source, target in product(sources, targets):
            yield f"weights of layer {number}, {source} -> {target}"
        for target in targets:
            yield f"bias of layer {number}, {target}"


def _named(kind: str, number: int, names: Sequence[str] = ()) -> Sequence[str]:
    return names or [f"{kind} {place}" for place in range(1, number + 1)]
