"""What the page shows, as one JSON document: the model and, if there is one, a table."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

import minnet
from minnet.data.columns import NumericColumn
from minnet.model.network_document import check_layers
from minnet.network.bins import Bins, preparation_of
from minnet.network.layers import Dense
from minnet.network.losses import LOSSES
from minnet.network.preparation import Standardize
from minnet.page import ROWS
from minnet.page.rows import float32_text, table_document
from minnet.plots.figure import CLASS_MARKERS, class_colour

if TYPE_CHECKING:
    from minnet.arrays import Array
    from minnet.data.columns import CategoricalColumn
    from minnet.data.table import Table
    from minnet.model.model import Model
    from minnet.page.rows import Document

HISTOGRAM_BINS = 20
MOST_CURVES = 40


def page_document(
    model: Model, table: Table | None = None, rows: int = ROWS, workers: int = 1
) -> Document:
    """Gather all that the page shows.

    Parameters
    ----------
    table
        Rows to choose from, perhaps labelled; `None` for a page of the model alone.
    rows
        How many of its rows the page holds at most, evenly chosen.
    workers
        For the film; see `train_networks`.

    Raises
    ------
    DataError
        If the table does not fit the model.
    ModelError
        If the page does not know a layer; see `check_layers`.
    """
    check_layers(model.network.layers, "shown in a page")
    of_table = table_document(model, table, rows, workers) if table else {}
    return {
        "version": minnet.__version__,
        "trained_on": model.trained_on,
        "target": model.encoder.target,
        "classes": _classes(model),
        "columns": [
            column_document(column, table) | {"strength": strength}
            for column, strength in zip(model.encoder.columns, _strengths(model), strict=True)
        ],
        "features": model.encoder.features,
        "settings": model.settings.described(sum(model.class_counts)),
        "loss": model.settings.loss,
        "network": network_document(model),
        "history": _history(model),
        "selection": str(model.selection) if model.selection else None,
        **of_table,
    }


def _classes(model: Model) -> list[Document]:
    return [
        {
            "name": name,
            "rows": count,
            "colour": [round(255 * part) for part in class_colour(k)],
            "marker": CLASS_MARKERS[k % len(CLASS_MARKERS)],
        }
        for k, (name, count) in enumerate(zip(model.class_names, model.class_counts, strict=True))
    ]


def column_document(column: NumericColumn | CategoricalColumn, table: Table | None) -> Document:
    """Tell what the model knows of a column, and how the cells of a table are spread."""
    if not isinstance(column, NumericColumn):
        return {"kind": "category", **asdict(column)}
    document = {"kind": "number", **asdict(column), "whole": False, "histogram": None}
    if table is None:
        return document
    numbers: Array = table[column.name].numbers  # type: ignore[assignment]  # it fits the model
    numbers = numbers[~np.isnan(numbers)]
    low = float(numbers.min(initial=column.minimum))
    high = float(numbers.max(initial=column.maximum))
    document["whole"] = bool(np.equal(np.mod(numbers, 1), 0).all()) and low < high
    # Halves, so that the difference of two huge numbers stays finite.
    if high / 2 > low / 2:
        places = (numbers / 2 - low / 2) / (high / 2 - low / 2) * HISTOGRAM_BINS
        bins = np.minimum(places.astype(np.int64), HISTOGRAM_BINS - 1)
        counts = np.bincount(bins, minlength=HISTOGRAM_BINS)
        document["histogram"] = {"low": low, "high": high, "counts": counts.tolist()}
    return document


def _strengths(model: Model) -> list[float]:
    """How strongly the networks weigh each column in the first layer, where all have one scale.

    Of a column's features and their bins, it is the strongest.
    """
    first = next(layer for layer in model.network.layers if isinstance(layer, Dense))
    squares = np.square(first.weights.values.astype(np.float64)).mean(axis=(0, 2))
    stops = np.cumsum([len(column.features) for column in model.encoder.columns]).tolist()
    strengths = []
    for features in map(slice, [0, *stops], stops):
        _, places = preparation_of(model.network.layers, features)
        strengths.append(round(float(np.sqrt(squares[places].max())), 6))
    return strengths


def network_document(model: Model) -> Document:
    """Write all networks: layer sizes, packed parameters, and what prepares the inputs.

    Those are each feature's mean, scale and edges of its bins (none if it has no bins).
    """
    standardize = model.network.layers[0]
    assert isinstance(standardize, Standardize)  # every model begins with it
    weights = [layer.weights for layer in model.network.layers if isinstance(layer, Dense)]
    return {
        "sizes": [weights[0].values.shape[1], *(part.values.shape[2] for part in weights)],
        "networks": len(model.network),
        "values": float32_text(model.network.values),
        "means": standardize.means[:, 0].tolist(),
        "scales": standardize.scales[:, 0].tolist(),
        "edges": _edges(model),
    }


def _edges(model: Model) -> list[list[list[float]]]:
    """List the edges of the bins of each feature, for each network."""
    edges: list[list[list[float]]] = [
        [[] for _ in model.encoder.features] for _ in range(len(model.network))
    ]
    for layer in model.network.layers:
        if isinstance(layer, Bins):
            for own, of_network in zip(edges, layer.edges.tolist(), strict=True):
                for column, of_column in zip(layer.columns, of_network, strict=True):
                    own[column] = of_column
    return edges


def _history(model: Model) -> Document:
    history = model.history
    loss = LOSSES[model.settings.loss]
    return {
        "training_loss": _curves(history.training_loss),
        "holdout_loss": _curves(history.holdout_loss),
        "best_epochs": history.best_epochs.tolist()[:MOST_CURVES],
        "baseline": loss.of_class_shares(np.array(model.class_counts)),
        "holdout_accuracy": _mean(history.kept_accuracies),
    }


def _curves(losses: Array) -> Document:
    """Losses `(epochs, networks)` as curves: those of some networks, and the mean of all."""
    present = ~np.isnan(losses)
    sums = np.where(present, losses, 0).sum(axis=1, dtype=np.float64)
    means = np.full(len(losses), np.nan)
    np.divide(sums, present.sum(axis=1), out=means, where=present.any(axis=1))
    return {"networks": _plain(losses.T[:MOST_CURVES]), "mean": _plain(means)}


def _mean(figures: Array) -> float | None:
    present = figures[~np.isnan(figures)]
    return float(present.mean()) if len(present) else None


def _plain(values: Array) -> Any:
    """Six digits, which is what can be drawn, and `null` for NaN."""
    if values.ndim > 1:
        return [_plain(row) for row in values]
    return [None if value != value else float(f"{value:.6g}") for value in values.tolist()]
