"""From a table to a trained model."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from minnet.arrays import Array, BoolArray
from minnet.data.columns import TableSummary, summarize
from minnet.data.encoding import Encoder, Examples, Roles
from minnet.data.keys import mixed
from minnet.data.table import Data, Table, as_table
from minnet.model.diagnostics import notes_on, reading_notes
from minnet.model.judges import Judges, split
from minnet.model.model import Model
from minnet.model.scores import judge
from minnet.model.threshold import Decision, Threshold, as_decision
from minnet.network.network import Network
from minnet.network.preparation import FeatureSummary, count_inputs, fit_preparation
from minnet.training.batches import LabelledRows
from minnet.training.folds import Folds
from minnet.training.loop import Callback, EachEpoch, make_generators, train_networks
from minnet.training.settings import Epoch, History, TrainingSettings


def train(
    data: Data,
    target: str,
    *,
    ignore: Collection[str] = (),
    group: str | None = "",
    group_feature: bool = False,
    drop_repeats: bool = False,
    categorical: Collection[str] = (),
    weights: str | None = "",
    class_weights: Mapping[str, float] | None = None,
    threshold: tuple[str, float] | str | None = None,
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
    categorical
        Name of a column whose numbers or dates are categories, or several.
    weights
        Name of a column that says how much each row counts, 0 or more; empty or `None` for none.
        It is no feature. Rows of weight 0 are left out before anything is learned.
    class_weights
        How much a row of a class counts, by the class's name; 1 where it is not named.
    threshold
        From which probability on one of two classes is predicted, `("yes", 0.3)`; or "balanced" for
        the one with the best balanced accuracy on held-out rows. `None` predicts the most probable
        class.
    on_epoch
        Called after each epoch; if it returns True, the training stops there.
    settings
        Fields of `TrainingSettings`: `networks=8, hidden=(32,), epochs=300, seed=0, ...`

    Returns
    -------
    Model
        Networks that predict together, with `notes` on the table.

    Raises
    ------
    DataError, SettingsError, TrainingError
        If the table, the settings or both together cannot be trained on.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> model.class_names
    ('setosa', 'versicolor', 'virginica')
    >>> model.notes
    ('1 row repeats another, as chance alone makes rows repeat in this table: the scores hold',)
    """
    made_settings = TrainingSettings.of(**settings)
    others: Any = group, group_feature, drop_repeats, categorical, weights
    roles = Roles(target, ignore, *others)
    table, encoder, summary = training_table(data, roles)
    decision = as_decision(threshold, table.source, encoder.class_names)
    made_settings = made_settings.weighted(class_weights, table.source, encoder.class_names)
    whole = encoder.examples(table)
    rows = TrainingData.of(encoder, table.source, whole, made_settings)
    fitted = fit_model(rows, made_settings, [EachEpoch(on_epoch)])
    judged = fitted, rows.examples, rows.judges
    model = decided(fitted, decision, lambda: judge(*judged).threshold_counts)
    model.notes = (*reading_notes(encoder, summary), *notes_on(model, table, summary, whole))
    return model


def training_table(data: Data, roles: Roles) -> tuple[Table, Encoder, TableSummary]:
    """Read a table to learn from, and what its columns and cells tell."""
    table = as_table(data, roles.form).weighted_rows(roles.weights)
    summary = summarize(table, roles.ignore)
    return table, Encoder.from_summary(summary, roles), summary


def roles_and_settings(target: str, options: Mapping[str, Any]) -> tuple[Roles, dict[str, Any]]:
    """Take what columns are for out of options that `train` has, too; the rest are settings."""
    settings = dict(options)
    names = "ignore", "group", "group_feature", "drop_repeats", "categorical"
    roles = Roles(target, **{name: settings.pop(name) for name in names if name in settings})
    return roles, settings


class TrainingData(NamedTuple):
    """What a training table comes to before a training.

    Attributes
    ----------
    encoder, source
        What made examples of the table, and the table's name.
    examples
        To learn from.
    judges
        Which examples each network holds out.
    """

    encoder: Encoder
    source: str
    examples: Examples
    judges: Judges

    @classmethod
    def of(
        cls, encoder: Encoder, source: str, whole: Examples, settings: TrainingSettings
    ) -> TrainingData:
        """Take the examples of a whole table that are learned from, and deal them to networks."""
        examples = encoder.learned_from(whole)
        return cls(encoder, source, examples, split(examples, settings))

    @property
    def rows(self) -> LabelledRows:
        """The examples as networks take them."""
        examples = self.examples
        return LabelledRows(examples.features, examples.labels, self.judges.mask, examples.weights)

    def start(self, settings: TrainingSettings) -> tuple[Network, list[np.random.Generator]]:
        """Make networks with random weights; see `start_networks`."""
        summary = summarize_features(self.examples, self.judges.folds, self.encoder.scaled)
        return start_networks(self.encoder, settings, len(self.examples), summary)

    def model(self, settings: TrainingSettings, network: Network, history: History) -> Model:
        """Put a model together from what a training left."""
        encoder = self.encoder
        return Model(
            encoder=encoder,
            network=network,
            settings=settings,
            history=history,
            class_counts=tuple(self.examples.class_counts(len(encoder.class_names)).tolist()),
            trained_on=os.path.basename(self.source),
            folds=self.judges.folds,
        )


def summarize_features(examples: Examples, folds: Folds, scaled: BoolArray) -> FeatureSummary:
    """Summarize examples for `fit_preparation`; their draws have nothing to do with the folds."""
    draws = mixed(examples.contents + examples.occurrences.astype(np.uint64))
    features, fold_of_row = examples.features, folds.place(examples).folds
    return FeatureSummary.of(features, fold_of_row, len(folds), draws, examples.weights, scaled)


def start_networks(
    encoder: Encoder, settings: TrainingSettings, rows: int, summary: FeatureSummary
) -> tuple[Network, list[np.random.Generator]]:
    """Make networks with random weights, and the generators that go on to order their rows.

    Parameters
    ----------
    rows
        Of the table, or of its largest part.
    summary
        Of the features, by folds.
    """
    held_out = (np.arange(settings.networks) % len(summary.moments.counts)).tolist()
    bins = settings.bins, settings.sharp_bins
    preparation = fit_preparation(summary, encoder.fewest_rows, held_out, *bins)
    inputs = count_inputs(preparation)
    sizes = settings.layer_sizes(rows, inputs, len(encoder.class_names))
    generators = make_generators(settings)
    return Network.random(sizes, generators, first=preparation), generators


def fit_model(
    data: TrainingData,
    settings: TrainingSettings,
    callbacks: Sequence[Callback] = (),
    workers: int = 1,
) -> Model:
    """Train on the examples of a table; for `callbacks` and `workers`, see `train_networks`."""
    settings = settings.for_table(*data.examples.features.shape)
    network, generators = data.start(settings)
    training = train_networks(network, data.rows, generators, [settings], callbacks, workers)
    return data.model(settings, network, training.history())


def decided(model: Model, decision: Decision, counts: Callable[[], Array]) -> Model:
    """Give a model its threshold, chosen by the counts of its training rows if so asked."""
    if decision == "balanced":
        decision = Threshold.balanced(model.class_names[1], counts())
    return replace(model, threshold=decision)
