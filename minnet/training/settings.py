"""How to train, and what that comes to: every setting, and the metrics of every epoch."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np

from minnet.arguments import as_choice, as_integer, as_list, as_number, as_truth
from minnet.arrays import Array, IntArray
from minnet.errors import ModelError, SettingsError, plural, unknown_name

OptimizerName = Literal["adam", "sgd"]
LossName = Literal["cross-entropy", "squared-residuals"]

LEARNING_RATES: dict[OptimizerName, float] = {"adam": 0.01, "sgd": 0.03}
WIDE_TABLE_RATE = 0.3
"""Of the learning rate, where there are more features than rows."""
FEWEST_FOLDS = 5
BATCH_SIZE, LARGE_BATCH_SIZE, SMALL_TABLE = 32, 512, 20_000
LARGEST_SIZE = 10_000
MOST_BINS = 1_000
ROWS_AT_ONCE = 4096
# Measured while training and saving.
BYTES_OF_A_WEIGHT, BYTES_OF_A_UNIT, BYTES_OF_A_ROW = 124, 16, 16

_count = partial(as_integer, smallest=1)
_size = partial(as_integer, smallest=1, largest=LARGEST_SIZE)
CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "networks": _size,
    "hidden": lambda name, widths: tuple(_size(name, width) for width in as_list(widths)),
    "bins": partial(as_integer, smallest=0, largest=MOST_BINS),
    "sharp_bins": as_truth,
    "epochs": _count,
    "patience": _count,
    "learning_rate": as_number,
    "batch_size": _count,
    "weight_decay": partial(as_number, may_be_0=True),
    "optimizer": partial(as_choice, choices=get_args(OptimizerName)),
    "loss": partial(as_choice, choices=get_args(LossName)),
    "balanced": as_truth,
    "class_weights": lambda name, values: tuple(as_number(name, one) for one in as_list(values)),
    "seed": partial(as_integer, smallest=0),
}
OPTIONAL = {"learning_rate", "batch_size", "class_weights"}


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How to train. The defaults were measured on 25 public tables that are not in this project.

    Attributes
    ----------
    networks
        How many networks to train together, each holding out another fold of the rows.
    hidden
        Width of each hidden layer; `()` for none.
    bins
        Piecewise-linear features beside each number, at most (see
        `minnet.network.preparation.Bins`); 0 for none.
    sharp_bins
        Whether bins are not scaled by 1 / the root of their number: for sharp steps.
    epochs
        Maximum number of passes over the rows.
    patience
        Stop after this many epochs without a better holdout loss.
    learning_rate
        What gradients are multiplied by in a step; `None` is the optimizer's own default
        (`LEARNING_RATES`), or less (`for_table`).
    batch_size
        Rows of a batch; `None` chooses by the size of the table (`batch_size_for`).
    weight_decay
        Each step multiplies the weights (not the biases) by 1 - learning rate * this.
    optimizer, loss
        Names of the optimizer and the loss.
    balanced
        Weight each row by 1 / the frequency of its class.
    class_weights
        Weight of a row of each class, in the order of the model's classes; `None` weights all
        alike, or as `balanced` says. `minnet.train` takes them by the names of the classes.
    seed
        Decides the starting weights and the order of rows.

    Numbers may be numpy's, and `hidden` a single width.

    Raises
    ------
    SettingsError
        If a value is out of bounds.
    """

    networks: int = 8
    hidden: tuple[int, ...] = (32,)
    bins: int = 8
    sharp_bins: bool = False
    epochs: int = 300
    patience: int = 12
    learning_rate: float | None = None
    batch_size: int | None = None
    weight_decay: float = 0.05
    optimizer: OptimizerName = "adam"
    loss: LossName = "cross-entropy"
    balanced: bool = False
    class_weights: tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check and convert every setting, so that whatever is made can be saved and loaded."""
        for name, check in CHECKS.items():
            value = getattr(self, name)
            if value is not None or name not in OPTIONAL:
                object.__setattr__(self, name, check(name, value))
        if self.balanced and self.class_weights is not None:
            raise SettingsError("is given, so `balanced` must be False", "class_weights")

    @property
    def effective_learning_rate(self) -> float:
        """The learning rate in force."""
        return self.learning_rate or LEARNING_RATES[self.optimizer]

    def for_table(self, rows: int, features: int) -> TrainingSettings:
        """Settle the learning rate, if it was not given, for a table with more features than rows.

        There, a step of usual size moves a raw output by as many weights as there are features, and
        networks are sure of what they have not learned. Chosen on five tables and judged on six
        others, of 25 to 300 rows with 30 to 600 features (drawn ones, noise among them, and few
        rows of digits and breast cancer), a rate of 0.003 in place of 0.01 made the mean log loss
        on held-out rows 0.79 nats in place of 0.96, and that of all networks together on test rows
        0.719 in place of 0.743, of none larger by more than 0.002, in the same time. Weight decay 1
        gave 0.87 and 0.730.
        """
        if self.learning_rate is not None or features <= rows:
            return self
        return replace(self, learning_rate=WIDE_TABLE_RATE * LEARNING_RATES[self.optimizer])

    def batch_size_for(self, rows: int) -> int:
        """Tell the batch size in force for a table of that many rows.

        Large tables take larger batches, by what these did on seven of them: six of scikit-learn's
        generators, and its digits with noise. Test loss (geometric mean) and CPU seconds (sum),
        both as ratios to batches of 32, all other settings left alone (of each pair, the first is
        for 30,000 rows and the second for 100,000):

        ===========  ============  ============
        batch size   test loss     seconds
        ===========  ============  ============
        64           0.986, 0.946  0.87, 1.11
        128          0.951, 0.919  0.69, 1.13
        256          0.916, 0.911  0.88, 1.18
        512          0.900, 0.887  0.79, 1.22
        1024         0.884, 0.873  1.08, 1.31
        ===========  ============  ============

        An epoch of 512 takes half the time, but there are more of them. Measure again with
        `python -m tests.benchmarks batch_size`.
        """
        return self.batch_size or (BATCH_SIZE if rows <= SMALL_TABLE else LARGE_BATCH_SIZE)

    @property
    def folds(self) -> int:
        """How many parts the rows are split into: one for each network, but at least five."""
        return max(self.networks, FEWEST_FOLDS)

    def layer_sizes(self, rows: int, inputs: int, classes: int) -> list[int]:
        """Width of each layer, from the inputs over the hidden layers to the classes.

        Raises
        ------
        SettingsError
            If training networks of that shape on so many rows would take more memory than there is.
        """
        sizes = [inputs, *self.hidden, classes]
        weights = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))
        units = min(rows, ROWS_AT_ONCE) * sum(sizes)
        needed = self.networks * (
            BYTES_OF_A_WEIGHT * weights + BYTES_OF_A_UNIT * units + BYTES_OF_A_ROW * rows
        )
        there = total_memory()
        if needed > there:
            raise SettingsError(
                f"{plural(self.networks, 'network')} of {weights:,} parameters would take about "
                f"{needed / 2**30:,.1f} GB of memory, and there are {there / 2**30:,.1f} GB: use "
                "fewer or smaller networks, or leave columns out"
            )
        return sizes

    def described(self, rows: int) -> dict[str, str]:
        """Name each setting and its value in force for a table of that many rows."""
        in_force = asdict(self) | {
            "learning_rate": self.effective_learning_rate,
            "batch_size": self.batch_size_for(rows),
        }
        values = {name: value for name, value in in_force.items() if value is not None}
        return {name.replace("_", " "): shown_value(value) for name, value in values.items()}

    def weighted(
        self, weights: Mapping[str, float] | None, source: str, class_names: Sequence[str]
    ) -> TrainingSettings:
        """Take in how much a row of a class counts, by the names of some classes of a table.

        Raises
        ------
        SettingsError
            If there is no such class.
        """
        if weights is None:
            return self
        if not isinstance(weights, Mapping):
            given = f"is {weights!r}: it must map names of classes to weights"
            raise SettingsError(given, "class_weights")
        named = {str(name): weight for name, weight in weights.items()}
        for name in named:
            if name not in class_names:
                raise SettingsError(unknown_name(source, "class", name, class_names))
        return replace(self, class_weights=tuple(named.get(name, 1.0) for name in class_names))

    @classmethod
    def of(cls, **settings: Any) -> TrainingSettings:
        """Make settings from keywords.

        Raises
        ------
        SettingsError
            If there is no such setting; says which there are.
        """
        names = [name for name in CHECKS if name != "class_weights"]
        for name in settings:
            if name not in names:
                raise SettingsError(unknown_name("training", "setting", name, names))
        return cls(**settings)


def shown_value(value: Any) -> str:
    """Write a value of a setting as its option takes it.

    >>> shown_value((16, 8)), shown_value(0.003)
    ('16,8', '0.003')
    """
    if isinstance(value, (tuple, list)):
        return ",".join(map(shown_value, value)) or "0"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def total_memory() -> float:
    """Tell how many bytes this process may have; infinite where the system does not say."""
    sizes = [math.inf]
    with suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        sizes += [limit] * (limit != resource.RLIM_INFINITY)
        sizes.append(os.sysconf("SC_PHYS_PAGES") * resource.getpagesize())
    return min(size for size in sizes if size > 0)


class Epoch(NamedTuple):
    """What one pass over the rows came to, for each network; every array is `(networks,)`.

    The training figures are means over the epoch's batches, taken while the weights moved; the
    holdout figures are those of the average weights after it (NaN for a network without a holdout).
    Losses of cross-entropy are in nats per row.
    """

    training_loss: Array
    training_accuracy: Array
    holdout_loss: Array
    holdout_accuracy: Array

    @classmethod
    def of(cls, training: Array, holdout: Array) -> Epoch:
        """Take means of summed `metrics`, each `(4, networks)`."""
        with np.errstate(invalid="ignore"):  # no holdout rows: 0 / 0 is NaN
            return cls(*training[::2] / training[1::2], *holdout[::2] / holdout[1::2])


@dataclass(frozen=True, eq=False)
class History:
    """Loss and accuracy of every epoch and network, all `(epochs, networks)`, float32.

    Attributes
    ----------
    best_epochs
        For each network the epoch whose parameters were kept, counted from 1, `(networks,)`.
    """

    training_loss: Annotated[Array, "float32", 2]
    training_accuracy: Annotated[Array, "float32", 2]
    holdout_loss: Annotated[Array, "float32", 2]
    holdout_accuracy: Annotated[Array, "float32", 2]
    best_epochs: Annotated[IntArray, "int64", 1]

    def __post_init__(self) -> None:
        """Check that the arrays fit together."""
        shape = len(self), len(self.best_epochs)
        for name in Epoch._fields:
            if getattr(self, name).shape != shape:
                raise ModelError(f"{name} is not of shape {shape}")

    def __repr__(self) -> str:
        epochs, networks = self.training_loss.shape
        of = f"{plural(epochs, 'epoch')} of {plural(networks, 'network')}"
        return f"<History: {of}, kept {self.kept}>"

    def __len__(self) -> int:
        """How many epochs."""
        return len(self.training_loss)

    @property
    def kept_losses(self) -> Array:
        """Holdout loss of each network at the epoch it kept, `(networks,)`, float64."""
        return self._kept(self.holdout_loss)

    @property
    def kept_accuracies(self) -> Array:
        """Holdout accuracy of each network at the epoch it kept, `(networks,)`, float64."""
        return self._kept(self.holdout_accuracy)

    def _kept(self, figures: Array) -> Array:
        # As float64, in which no mean of them overflows.
        kept = figures[self.best_epochs - 1, np.arange(len(self.best_epochs))]
        return kept.astype(np.float64)

    @property
    def kept(self) -> str:
        """`epoch 57`, or `epochs 38 to 57` where the networks kept several."""
        first, last = int(self.best_epochs.min()), int(self.best_epochs.max())
        return f"epoch {first}" if first == last else f"epochs {first} to {last}"
