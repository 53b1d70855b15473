"""From a table to a trained model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.data.encoding import Encoder
from minnet.data.table import as_table
from minnet.model.model import Model, holdout_of
from minnet.network.layers import Standardize
from minnet.network.network import Network
from minnet.training.folds import training_rows
from minnet.training.loop import make_generators, train_networks
from minnet.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from minnet.arrays import BoolArray
    from minnet.data.encoding import Examples
    from minnet.data.table import Data, Table
    from minnet.training.checkpoint import Checkpointer
    from minnet.training.history import Epoch


def train(
    data: Data,
    target: str,
    *,
    ignore: Collection[str] = (),
    on_epoch: Callable[[Epoch], None] | None = None,
    **settings: Any,
) -> Model:
    """Train on a table.

    Parameters
    ----------
    data
        The training rows: a table, a mapping of columns, or the name of a CSV file. Rows without
        a label are left out.
    target
        Name of the label column.
    ignore
        Names of columns to leave out.
    on_epoch
        Called after each epoch.
    settings
        Fields of `TrainingSettings`: `networks=8, hidden=(32,), epochs=300, seed=0, ...`

    Raises
    ------
    DataError, SettingsError, TrainingError
        If the table, the settings or both together cannot be trained on.
    """
    made_settings = TrainingSettings.of(**settings)
    table = as_table(data, text=[target])
    encoder = Encoder.fit(table, target, ignore)
    examples = encoder.examples(table)
    holdout = holdout_of(examples.labels, made_settings)
    return fit_model(encoder, table, examples, holdout, made_settings, on_epoch)


def fit_model(
    encoder: Encoder,
    table: Table,
    examples: Examples,
    holdout: BoolArray,
    settings: TrainingSettings,
    on_epoch: Callable[[Epoch], None] | None = None,
    checkpointer: Checkpointer | None = None,
    processes: int = 1,
) -> Model:
    """Train on the examples that an encoder made of a table.

    Parameters
    ----------
    holdout
        `(networks, labelled)`; examples that a network must not train on.
    on_epoch, checkpointer, processes
        See `train_networks`.
    """
    features, labels = examples.features, examples.labels
    classes = len(encoder.class_names)
    sizes = settings.layer_sizes(len(features), features.shape[1], classes)
    generators = make_generators(settings)
    standardize = Standardize.fit(features, training_rows(holdout), encoder.scaled)
    network = Network.random(sizes, generators, first=[standardize])
    history = train_networks(
        network,
        features,
        labels,
        holdout,
        generators,
        settings,
        on_epoch,
        checkpointer=checkpointer,
        processes=processes,
    )
    return Model(
        encoder=encoder,
        network=network,
        settings=settings,
        history=history,
        class_counts=tuple(np.bincount(labels, minlength=classes).tolist()),
        trained_on=os.path.basename(table.source),
        sha256=table.sha256,
    )
