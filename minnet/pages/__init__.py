"""One HTML file to explore a trained model in a browser: template, style, script and data.

The data is one JSON document of the model and, if there is one, a table: its rows, and how well
they are predicted.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

import minnet
from minnet.analysis.importance import importance
from minnet.arrays import Array, IntArray
from minnet.data.columns import NumericColumn, PlainColumn, codes_of, plain_columns
from minnet.data.table import Data, Table
from minnet.errors import DataError
from minnet.model.document import NetworkFile, check_layers
from minnet.model.model import Model
from minnet.model.scores import MOST_CLASSES_CROSSED, MOST_CONFUSIONS, Evaluation, evaluate
from minnet.network.losses import LOSSES
from minnet.plots import figure, regions
from minnet.plots.scores import MOST_CALIBRATION_CURVES
from minnet.report import encode, records
from minnet.storage import replaced_file

ROWS = 3000
"""How many rows of a table a page holds unless told otherwise."""

Document = dict[str, Any]

MOST_WRONG = 10
HISTOGRAM_BINS = 20
MOST_CURVES = 40


def table_document(model: Model, table: Table, rows: int) -> Document:
    """Gather what a table adds: rows to choose from and, with labels, scores.

    Parameters and errors are those of `page_document`.
    """
    encoder = model.encoder
    encoder.transform(table)  # it raises where the table does not fit
    labels = np.full(len(table), -1)
    if encoder.target in table.columns:
        labels = encoder.labels(table)
    worst: IntArray = np.empty(0, np.int64)
    scores: Document = {}
    # The first network that held each row out, and whether its judges got it right; -1 where that
    # cannot be told.
    held_out_by, correct = np.full((2, len(table)), -1)
    if (labels >= 0).any():
        evaluation = evaluate(model, table)
        wrongest = np.argsort(evaluation.observed_probability, kind="stable")[:MOST_WRONG]
        worst = evaluation.rows[wrongest]
        correct[evaluation.rows] = evaluation.predicted == evaluation.labels
        held_out_by[evaluation.rows] = evaluation.fold_of_row
        scores["evaluation"] = evaluation_document(evaluation, wrongest)
        with suppress(DataError):  # of too few rows
            scores["importance"] = importance(model, table).document()["columns"]
    shown = np.unique(np.rint(np.linspace(0, len(table) - 1, min(rows, len(table)))).astype(int))
    shown, derived = np.union1d(shown, worst), encoder.derive(table)
    return {
        "table": {
            "name": os.path.basename(table.source),
            "rows": len(table),
            "numbers": (shown + 1).tolist(),
            "cells": [_cells(derived, column, shown) for column in encoder.plain_columns],
            "labels": labels[shown].tolist(),
            "held_out_by": held_out_by[shown].tolist(),
            "correct": correct[shown].tolist(),
        },
        **scores,
    }


def _cells(table: Table, column: PlainColumn, rows: IntArray) -> list[Any]:
    """Cells of some rows: numbers or text, `None` where missing."""
    cells = table[column.name]
    shown: Any = cells.numbers
    if not isinstance(column, NumericColumn):
        known, names = codes_of(cells, column.categories), np.array([*column.categories, None])
        shown = np.where(known >= 0, names[known], cells.look_up(cells.spellings, None, object))
    return encode(shown[rows])


def evaluation_document(evaluation: Evaluation, worst: IntArray) -> Document:
    """Write the scores of a table, and what they look like."""
    document = evaluation.document()
    if len(evaluation.class_names) > MOST_CLASSES_CROSSED:
        document["confusion"] = None
    shown = evaluation.main_classes[:MOST_CALIBRATION_CURVES]
    in_words = {"selection": evaluation.selection, "threshold": evaluation.threshold}
    return document | {
        **{name: one and str(one) for name, one in in_words.items()},
        "calibration": [
            {"class": k, "bins": encode(evaluation.calibration_curve(k))} for k in shown
        ],
        "hits": evaluation.hits,
        "confused": evaluation.confusions[:MOST_CONFUSIONS].tolist(),
        "most_wrong": records(
            row=evaluation.rows[worst] + 1,
            observed=evaluation.labels[worst],
            predicted=evaluation.predicted[worst],
            probability=evaluation.observed_probability[worst],
        ),
    }


def page_document(model: Model, table: Table | None = None, rows: int = ROWS) -> Document:
    """Gather all that the page shows.

    Parameters
    ----------
    table
        Rows to choose from, perhaps labelled; `None` for a page of the model alone.
    rows
        How many of its rows the page holds at most, evenly chosen.

    Raises
    ------
    DataError
        If the table does not fit the model.
    ModelError
        If the page does not know a layer; see `check_layers`.
    """
    check_layers(model.network.layers, "shown in a page")
    strengths, labels = regions.column_strengths(model), range(len(model.class_names))
    colours = [[round(255 * part) for part in figure.class_colour(k)] for k in labels]
    of_table = table_document(model, table, rows) if table else {}  # before all: does it fit?
    return {
        "version": minnet.__version__,
        "trained_on": model.trained_on,
        "target": model.encoder.target,
        "classes": records(
            name=model.class_names,
            rows=model.class_counts,
            colour=colours,
            marker=map(figure.class_marker, labels),
        ),
        "columns": [
            column_document(plain, table)
            | {"column": column.name, "strength": round(strengths[plain.name], 6)}
            for column in model.encoder.columns
            for plain in plain_columns(column)
        ],
        "features": model.encoder.features,
        "settings": model.settings.described(sum(model.class_counts)),
        "loss": model.settings.loss,
        "network": network_document(model),
        "history": _history(model),
        "selection": str(model.selection) if model.selection else None,
        "threshold": encode(model.threshold),
        **of_table,
    }


def column_document(column: PlainColumn, table: Table | None) -> Document:
    """Tell what the model knows of a column, and how the cells of a table are spread."""
    if not isinstance(column, NumericColumn):
        return {"kind": "category", **encode(column)}
    document = {"kind": "number", **encode(column), "whole": False, "histogram": None}
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


def network_document(model: Model) -> Document:
    """Write all networks: layer sizes, parameters as packed float32, and what prepares the inputs.

    Those are each feature's mean and scale and, as in a model's file, the bins.
    """
    file = NetworkFile.of(model.network)
    return {
        "sizes": [file.dense[0].weights.shape[1], *(one.biases.shape[1] for one in file.dense)],
        "networks": len(model.network),
        "values": b64encode(model.network.values.astype("<f4").tobytes()).decode(),
        "means": file.means.tolist(),
        "scales": file.scales.tolist(),
        "bins": encode(file.bins),
        "sharp_bins": model.settings.sharp_bins,
    }


def _history(model: Model) -> Document:
    history = model.history
    accuracies = history.kept_accuracies[~np.isnan(history.kept_accuracies)]
    return {
        "training_loss": _curves(history.training_loss),
        "holdout_loss": _curves(history.holdout_loss),
        "best_epochs": history.best_epochs.tolist()[:MOST_CURVES],
        "baseline": LOSSES[model.settings.loss].of_class_shares(np.array(model.class_counts)),
        "holdout_accuracy": float(accuracies.mean()) if len(accuracies) else None,
    }


def _curves(losses: Array) -> Document:
    """Losses `(epochs, networks)` as curves: those of some networks, and the mean of all."""
    means = np.ma.masked_invalid(losses).mean(axis=1, dtype=np.float64).filled(np.nan)
    six_digits = np.vectorize(lambda loss: float(f"{loss:.6g}"), [np.float64])  # can be drawn
    return {
        "networks": encode(six_digits(losses.T[:MOST_CURVES])),
        "mean": encode(six_digits(means)),
    }


SCRIPTS = (
    *("elements.js", "network.js", "trainer.js", "state.js", "ask.js", "drawing.js", "inside.js"),
    *("plane.js", "regions.js", "learned.js", "playground.js", "trust.js", "main.js"),
)


def page(
    model: Model, path: str | os.PathLike[str], data: Data | None = None, *, rows: int = ROWS
) -> Document:
    """Write a page about a model, whole or not at all.

    Parameters
    ----------
    data
        A table to choose rows from and to judge the model by, a mapping of columns, or the name of
        a CSV file; without it, the page tells what the model alone can tell.
    rows
        How many rows of it the page holds at most.

    Returns
    -------
    Document
        What the page shows.

    Raises
    ------
    DataError
        If the table does not fit the model.
    FileError
        If the file cannot be written.

    Examples
    --------
    >>> import minnet
    >>> import os, tempfile
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     document = minnet.page(model, os.path.join(folder, "page.html"), "data/iris.csv")
    >>> len(document["table"]["labels"])
    150
    """
    table = None if data is None else model.encoder.table(data)
    document = page_document(model, table, rows)
    html = render(document).encode()
    with replaced_file(path) as file:
        file.write(html)
    return document


def render(document: Document) -> str:
    """Put everything into the template.

    The page may run its own script and style, told by their hashes, and nothing else; it may load
    nothing at all.
    """
    style = _read("style.css")
    script = "".join(map(_read, SCRIPTS))
    return Template(_read("template.html")).substitute(
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=embedded(document),
    )


def embedded(document: Document) -> str:
    """Write JSON that no HTML parser takes for anything but text: ASCII without <, > and &."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    return text.translate({ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"})


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Name a text as a Content-Security-Policy does."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
