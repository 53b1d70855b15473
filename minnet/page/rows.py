"""What the page shows of a table: its rows, how well they are predicted, and the film."""

from __future__ import annotations

import math
import os
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.analysis.importance import importance
from minnet.data.columns import NumericColumn, codes_of
from minnet.errors import DataError
from minnet.model.evaluation import judge
from minnet.model.judges import judges_of
from minnet.page.film import NoFilmError, record

if TYPE_CHECKING:
    from minnet.arrays import Array, IntArray
    from minnet.data.columns import CategoricalColumn
    from minnet.data.examples import Examples
    from minnet.data.table import Table
    from minnet.model.evaluation import Evaluation
    from minnet.model.judges import Judges
    from minnet.model.model import Model

Document = dict[str, Any]

MOST_WRONG = 10
MOST_CLASSES_CROSSED = 16
MOST_CALIBRATION_CURVES = 4


def table_document(model: Model, table: Table, rows: int, workers: int = 1) -> Document:
    """Gather what a table adds: rows to choose from and, with labels, scores and a film.

    Parameters and errors are those of `page_document`.
    """
    encoder = model.encoder
    encoder.transform(table)  # it raises where the table does not fit
    labels = np.full(len(table), -1)
    if encoder.target in table.columns:
        labels = encoder.labels(table)
    if not (labels >= 0).any():
        worst: IntArray = np.empty(0, np.int64)
        scores: Document = {"film": {"reason": "the table has no labels"}}
        held_out_by, correct = np.full((2, len(table)), -1)
    else:
        examples = encoder.examples(table)
        judges = judges_of(model, examples)
        evaluation = judge(model, examples, judges)
        wrongest = np.argsort(evaluation.observed_probability, kind="stable")[:MOST_WRONG]
        worst = evaluation.rows[wrongest]
        held_out_by, correct = _judged(len(table), examples, judges, evaluation)
        scores = {
            "evaluation": evaluation_document(evaluation, wrongest),
            "importance": importance_document(model, table),
            "film": film_document(model, examples, workers),
        }
    shown = np.unique(np.rint(np.linspace(0, len(table) - 1, min(rows, len(table)))).astype(int))
    shown = np.union1d(shown, worst)
    return {
        "table": {
            "name": os.path.basename(table.source),
            "rows": len(table),
            "numbers": (shown + 1).tolist(),
            "cells": [_cells(table, column, shown) for column in encoder.columns],
            "labels": labels[shown].tolist(),
            "held_out_by": held_out_by[shown].tolist(),
            "correct": correct[shown].tolist(),
        },
        **scores,
    }


def _judged(
    rows: int, examples: Examples, judges: Judges, evaluation: Evaluation
) -> tuple[IntArray, IntArray]:
    """Tell the first network that never saw each row, and whether its judges got it right.

    Both are -1 where that cannot be told.
    """
    held_out_by, correct = np.full((2, rows), -1)
    if judges.out_of_fold:
        held_out = judges.mask.any(axis=0)
        held_out_by[examples.rows] = np.where(held_out, judges.mask.argmax(axis=0), -1)
    correct[evaluation.rows] = evaluation.predicted == evaluation.labels
    return held_out_by, correct


def _cells(table: Table, column: NumericColumn | CategoricalColumn, rows: IntArray) -> list[Any]:
    """Cells of some rows: numbers or text, `None` where missing."""
    cells = table[column.name]
    if isinstance(column, NumericColumn):
        numbers: Array = cells.numbers  # type: ignore[assignment]  # it fits the model
        return [None if number != number else number for number in numbers[rows].tolist()]
    names = [*column.categories, None]
    codes: IntArray = cells.codes  # type: ignore[assignment]
    known = codes_of(cells, column.categories)[rows].tolist()
    return [
        names[place] if place >= 0 or code < 0 else cells.spellings[code]
        for place, code in zip(known, codes[rows].tolist(), strict=True)
    ]


def film_document(model: Model, examples: Examples, workers: int) -> Document:
    """Record a film, or tell why there is none."""
    try:
        film = record(model, examples, workers)
    except NoFilmError as error:
        return {"reason": str(error)}
    return {"epochs": film.epochs.tolist(), "values": float32_text(film.values)}


def importance_document(model: Model, table: Table) -> list[Document]:
    """Tell how much each column matters, the most important one first; nothing of too few rows."""
    try:
        measured = importance(model, table)
    except DataError:
        return []
    of_networks = measured.network_ranges.T.tolist()
    figures = zip(measured.columns, measured.means, of_networks, measured.matters, strict=True)
    return [
        {"column": column, "increase": float(mean), "networks": networks, "matters": bool(matters)}
        for column, mean, networks, matters in figures
    ]


def evaluation_document(evaluation: Evaluation, worst: IntArray) -> Document:
    """Write the scores of a table."""
    majority, majority_accuracy = evaluation.majority
    ranking = evaluation.area_under_roc_curve, evaluation.average_precision
    confusion = evaluation.confusion
    errors = confusion - np.diag(confusion.diagonal())
    largest = np.argsort(-errors, axis=None, kind="stable")[:MOST_WRONG]
    observed, predicted = np.unravel_index(largest, errors.shape)
    return {
        "out_of_fold": evaluation.out_of_fold,
        "judged_by": evaluation.judged_by,
        "warnings": evaluation.warnings,
        "selection": str(evaluation.selection) if evaluation.selection else None,
        "rows": len(evaluation),
        "correct": evaluation.correct,
        "accuracy": evaluation.accuracy,
        "accuracy_interval": list(evaluation.accuracy_interval),
        "majority": majority,
        "majority_accuracy": majority_accuracy,
        "log_loss": evaluation.log_loss,
        "baseline_log_loss": evaluation.baseline_log_loss,
        "calibration": [
            {"class": k, "bins": [part._asdict() for part in evaluation.calibration_curve(k)]}
            for k in evaluation.main_classes[:MOST_CALIBRATION_CURVES]
        ],
        "calibration_error": evaluation.calibration_error,
        "chance_calibration_errors": list(evaluation.chance_calibration_errors),
        "balanced_accuracy": evaluation.balanced_accuracy,
        "ranking": None if math.isnan(ranking[0]) else ranking,
        "confusion": confusion.tolist() if len(confusion) <= MOST_CLASSES_CROSSED else None,
        "confused": [
            [int(i), int(j), int(errors[i, j])]
            for i, j in zip(observed, predicted, strict=True)
            if errors[i, j]
        ],
        "most_wrong": [
            {
                "row": int(evaluation.rows[row]) + 1,
                "observed": int(evaluation.labels[row]),
                "predicted": int(evaluation.predicted[row]),
                "probability": float(evaluation.observed_probability[row]),
            }
            for row in worst
        ],
    }


def float32_text(values: Array) -> str:
    """Write an array as base64 of float32, little-endian."""
    return b64encode(values.astype("<f4").tobytes()).decode()
