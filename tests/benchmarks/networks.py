"""Networks trained and judged on plain arrays, as `Model` does it on a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import log_loss

from minnet.data.encoding import Examples
from minnet.network.losses import softmax
from minnet.network.network import Network
from minnet.network.preparation import FeatureSummary, fit_preparation
from minnet.training.batches import LabelledRows
from minnet.training.folds import KeySketch, holdout_masks
from minnet.training.loop import EachEpoch, make_generators, train_networks

if TYPE_CHECKING:
    from minnet.training.settings import TrainingSettings


def trained(
    features: Any, labels: Any, settings: TrainingSettings, on_epoch: Any = None
) -> Network:
    """Train on all rows; `on_epoch` is called with the networks after each epoch."""
    keys = np.random.default_rng(0).integers(0, 2**64, len(labels), dtype=np.uint64)
    rows = np.arange(len(labels))
    examples = Examples(features, labels, rows, keys, 0 * keys, rows)
    folds = KeySketch.of(examples).deal(settings.folds)
    fold_of_row = folds.place(examples).folds
    holdout = holdout_masks(fold_of_row, settings.networks, len(folds))
    fewest = np.zeros(features.shape[1], np.int64)
    summary = FeatureSummary.of(features, fold_of_row, len(folds))
    held_out = (np.arange(settings.networks) % len(folds)).tolist()
    (standardize,) = fit_preparation(summary, fewest, held_out)
    generators = make_generators(settings)
    sizes = [features.shape[1], *settings.hidden, labels.max() + 1]
    network = Network.random(sizes, generators, first=[standardize])
    after_epoch = EachEpoch(None if on_epoch is None else lambda _: on_epoch(network))
    data = LabelledRows(features, labels, holdout)
    train_networks(network, data, generators, [settings], [after_epoch])
    return network


def test_loss(network: Network, features: Any, labels: Any) -> float:
    """Log loss of the mean over the networks, in nats per row."""
    parts = np.array_split(features, -(-len(features) // 1000))
    answers = [
        softmax(network.forward(part[None]).astype(np.float64)).mean(axis=0) for part in parts
    ]
    return float(log_loss(labels, np.concatenate(answers)))
