"""From a table to a trained model."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from minnet.arrays import IntArray
from minnet.data.columns import summarize
from minnet.data.encoding import Encoder, Examples, Roles
from minnet.data.table import Data, Table, as_table
from minnet.errors import SettingsError, unknown_name
from minnet.model.judges import Split, split
from minnet.model.model import Model
from minnet.network.network import Network
from minnet.network.preparation import fit_preparation
from minnet.training.checkpoint import Checkpointer
from minnet.training.folds import Folds, training_rows
from minnet.training.history import Epoch, History
from minnet.training.loop import make_generators, train_networks
from minnet.training.settings import TrainingSettings

if TYPE_CHECKING:
    from numpy.random import Generator


def train(
    data: Data,
    target: str,
    *,
    ignore: Collection[str] = (),
    group: str | None = "",
    group_feature: bool = False,
    drop_repeats: bool = False,
    class_weights: Mapping[str, float] | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    **settings: Any,
) -> Model:
    """Train on a table.

    Parameters
    ----------
    data
        The training rows: a table, a mapping of columns (of single values, it is one row), a pandas
        or polars frame, a pyarrow table, or the name of a CSV or Parquet file. Rows without a label
        are left out.
    target
        Name of the label column.
    ignore
        Name of a column to leave out, or several.
    group
        Name of a column whose equal cells keep rows in one fold (a patient, a shop); empty or
        `None` for none.
    group_feature
        Whether that column is a feature as well.
    drop_repeats
        Whether to train on one of each set of rows that repeat each other.
    class_weights
        How much a row of a class counts, by the class's name; 1 where it is not named.
    on_epoch
        Called after each epoch; if it returns True, the training stops there.
    settings
        Fields of `TrainingSettings`: `networks=8, hidden=(32,), epochs=300, seed=0, ...`

    Raises
    ------
    DataError, SettingsError, TrainingError
        If the table, the settings or both together cannot be trained on.
    """
    made_settings = TrainingSettings.of(**settings)
    roles = Roles(target, ignore, group or "", group_feature, drop_repeats)
    table = as_table(data, roles.form)
    encoder = Encoder.from_summary(summarize(table, roles.ignore), roles)
    examples = encoder.learned_from(encoder.examples(table))
    dealt = split(examples, made_settings)
    if class_weights is not None:
        weights = _weights(encoder, table, class_weights)
        made_settings = replace(made_settings, class_weights=weights)
    return fit_model(encoder, table, examples, dealt, made_settings, on_epoch)


def _weights(
    encoder: Encoder, table: Table, class_weights: Mapping[str, float]
) -> tuple[float, ...]:
    """Weight of a row of each class; the settings check what they are."""
    if not isinstance(class_weights, Mapping):
        given = f"is {class_weights!r}: it must map names of classes to weights"
        raise SettingsError(given, "class_weights")
    weights = {str(name): weight for name, weight in class_weights.items()}
    for name in weights:
        if name not in encoder.class_names:
            raise SettingsError(unknown_name(table.source, "class", name, encoder.class_names))
    return tuple(weights.get(name, 1.0) for name in encoder.class_names)


def fit_model(
    encoder: Encoder,
    table: Table,
    examples: Examples,
    dealt: Split,
    settings: TrainingSettings,
    on_epoch: Callable[[Epoch], object] | None = None,
    checkpointer: Checkpointer | None = None,
    workers: int = 1,
) -> Model:
    """Train on the examples that an encoder made of a table.

    Parameters
    ----------
    dealt
        Which examples each network holds out: see `split`.
    on_epoch, checkpointer, workers
        See `train_networks`.
    """
    network, generators = start_networks(encoder, examples, dealt, settings)
    history = train_networks(
        network,
        examples.features,
        examples.labels,
        dealt.holdout,
        generators,
        settings,
        on_epoch,
        checkpointer=checkpointer,
        workers=workers,
    )
    counts = examples.class_counts(len(encoder.class_names))
    return make_model(encoder, table.source, counts, dealt.folds, settings, network, history)


def start_networks(
    encoder: Encoder, examples: Examples, dealt: Split, settings: TrainingSettings
) -> tuple[Network, list[Generator]]:
    """Make networks with random weights, and the generators that go on to order their rows."""
    features = examples.features
    inputs, classes = settings.inputs(encoder.scaled), len(encoder.class_names)
    sizes = settings.layer_sizes(len(features), inputs, classes)
    generators = make_generators(settings)
    own_rows = training_rows(dealt.holdout)
    preparation = fit_preparation(
        features, own_rows, encoder.scaled, settings.bins, fewest=encoder.fewest_rows
    )
    return Network.random(sizes, generators, first=preparation), generators


def make_model(
    encoder: Encoder,
    source: str,
    class_counts: IntArray,
    folds: Folds,
    settings: TrainingSettings,
    network: Network,
    history: History,
) -> Model:
    """Put a model together from what its training left; `source` names the training file."""
    return Model(
        encoder=encoder,
        network=network,
        settings=settings,
        history=history,
        class_counts=tuple(class_counts.tolist()),
        trained_on=os.path.basename(source),
        folds=folds,
    )
