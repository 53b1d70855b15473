"""Evidence for the default batch size: test loss and time by batch size, on large tables.

Takes about half an hour, so it runs only when it is named: `python -m tests.benchmarks batch_size`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.datasets import (
    load_digits,
    make_classification,
    make_gaussian_quantiles,
    make_hastie_10_2,
    make_moons,
)

from minnet.training.settings import TrainingSettings
from tests.benchmarks.measure import Row, compare
from tests.benchmarks.networks import test_loss, trained

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (10_000, 30_000, 100_000)
TEST_ROWS = 20_000
EPOCHS = TrainingSettings.epochs
BATCH_SIZES = (32, 64, 128, 256, 512, 1024)
SMOKE = {"SIZES": (200,), "TEST_ROWS": 100, "BATCH_SIZES": (32, 64), "EPOCHS": 1}


def rows() -> Iterator[Row]:
    """Each batch size against 32."""
    for name, table in TABLES.items():
        for size in SIZES:
            features, labels = table(size + TEST_ROWS)
            results = {
                batch_size: _test_loss(features, labels, size, batch_size)
                for batch_size in BATCH_SIZES
            }
            for batch_size, (loss, seconds) in results.items():
                against = f"32 ({results[32][1]:.0f} s)"
                benchmark = f"{name}, {size:,} rows, batch size {batch_size} ({seconds:.0f} s)"
                yield compare(benchmark, "nats", [loss], against, [results[32][0]])


def _test_loss(features: Any, labels: Any, size: int, batch_size: int) -> tuple[float, float]:
    """Log loss on the rows after the first `size`, and CPU seconds of training on those."""
    start = time.process_time()
    settings = TrainingSettings(batch_size=batch_size, epochs=EPOCHS)
    network = trained(features[:size], labels[:size], settings)
    seconds = time.process_time() - start
    return test_loss(network, features[size:], labels[size:]), seconds


def _ten_classes(size: int) -> Any:
    return make_classification(size, 20, n_informative=10, n_classes=10, flip_y=0.1, random_state=0)


def _two_classes(size: int) -> Any:
    return make_classification(
        size, 30, n_informative=8, n_clusters_per_class=8, flip_y=0.05, random_state=1
    )


def _rare_class(size: int) -> Any:
    return make_classification(
        size, 10, n_informative=5, weights=[0.97], flip_y=0.01, random_state=2
    )


def _moons(size: int) -> Any:
    features, labels = make_moons(size, noise=0.4, random_state=0)
    noise = np.random.default_rng(0).normal(size=(size, 8))
    return np.hstack([features, noise]), labels


def _quantiles(size: int) -> Any:
    return make_gaussian_quantiles(n_samples=size, n_features=8, n_classes=4, random_state=0)


def _hastie(size: int) -> Any:
    features, labels = make_hastie_10_2(size, random_state=0)
    return features, (labels > 0).astype(np.int64)


def _digits(size: int) -> Any:
    """Rows drawn from the 1,797 digits, those of the test from others, each cell with noise."""
    features, labels = load_digits(return_X_y=True)
    generator = np.random.default_rng(0)
    order = generator.permutation(len(labels))
    drawn = np.concatenate(
        [
            generator.choice(order[:1200], size - TEST_ROWS),
            generator.choice(order[1200:], TEST_ROWS),
        ]
    )
    return features[drawn] + generator.normal(0, 6, (size, 64)), labels[drawn]


TABLES = {
    "ten classes": _ten_classes,
    "two classes": _two_classes,
    "a rare class": _rare_class,
    "moons": _moons,
    "quantiles": _quantiles,
    "hastie": _hastie,
    "noisy digits": _digits,
}
