"""The JSON form of a model: one file that you can read and that nobody can hide code in."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.data.cells import CellFormat
from minnet.data.columns import CategoricalColumn, NumericColumn
from minnet.data.encoding import Encoder
from minnet.errors import ModelError, SettingsError
from minnet.model.model import Model
from minnet.model.network_document import network_document, read_network
from minnet.model.version_1 import upgraded
from minnet.storage.checked_json import (
    Document,
    check_array,
    check_checksum,
    check_items,
    check_object,
    from_text,
    plain,
    to_text,
)
from minnet.training.folds import SKETCH_SIZE, FileFolds, Folds
from minnet.training.history import History
from minnet.training.settings import TrainingSettings

if TYPE_CHECKING:
    from minnet.arrays import IntArray

FORMAT = "minnet-model"
VERSION = 2
MOST_ROWS = 2**53
"""Up to it, every number is one of float64."""
BEGINNING = f'{{\n "format": "{FORMAT}"'.encode()


def to_bytes(model: Model) -> bytes:
    """Write a model as JSON: the same model gives the same bytes.

    Raises
    ------
    ModelError
        If a layer is not one of minnet's own.
    """
    history = model.history
    document: Document = {
        "format": FORMAT,
        "version": VERSION,
        "trained_on": {
            "file": model.trained_on,
            "class_counts": list(model.class_counts),
        },
        "encoder": {
            "columns": [_column_document(column) for column in model.encoder.columns],
            "target": model.encoder.target,
            "class_names": list(model.encoder.class_names),
            "unnamed_columns": model.encoder.unnamed_columns,
            "group": model.encoder.group,
            "drop_repeats": model.encoder.drop_repeats,
            **_cell_format_document(model.encoder.cell_format),
        },
        "folds": _folds_document(model.folds),
        "settings": _settings_document(model.settings),
        "history": {
            "best_epochs": history.best_epochs.tolist(),
            "training_loss": plain(history.training_loss),
            "training_accuracy": plain(history.training_accuracy),
            "holdout_loss": plain(history.holdout_loss),
            "holdout_accuracy": plain(history.holdout_accuracy),
        },
        "network": network_document(model.network),
    }
    return to_text(document).encode()


def from_bytes(data: bytes, source: str) -> Model:
    """Read what `to_bytes` wrote.

    Raises
    ------
    ModelError
        If anything about it is not as it should be; names `source`.
    """
    try:
        document = from_text(data)
        _check_format(document)
        check_checksum(document)
        return _model(upgraded(document) if document["version"] == 1 else document)
    except (ModelError, SettingsError) as error:
        raise ModelError(f"{source}: not a usable minnet model: {error.naming(str)}") from None


def _check_format(document: Document) -> None:
    if document.get("format") != FORMAT:
        raise ModelError(f'it does not say "format": "{FORMAT}"')
    version = document.get("version")
    if type(version) is not int or version < 1:
        raise ModelError("its format version is not a whole number")
    if version > VERSION:
        raise ModelError(
            f"it has format version {version}, written by a newer minnet; this one reads up to "
            f"version {VERSION}: upgrade minnet"
        )


def _folds_document(folds: Folds | FileFolds) -> Document:
    if isinstance(folds, FileFolds):
        return {"kind": "file", **asdict(folds)}
    return {
        "kind": "rows",
        "rows": folds.rows,
        "first": folds.first.tolist(),
        "limits": [[f"{key:016x}" for key in limits] for limits in folds.limits.tolist()],
        "sketch": [f"{key:016x}" for key in folds.sketch.tolist()],
    }


def _settings_document(settings: TrainingSettings) -> Document:
    document = asdict(settings) | {"hidden": list(settings.hidden)}
    weights = document.pop("class_weights")
    return document if weights is None else document | {"class_weights": list(weights)}


def _cell_format_document(cell_format: CellFormat) -> Document:
    """Only what is not as usual, so that files of a model that needs none of it stay the same."""
    document = asdict(cell_format) | {"missing_words": list(cell_format.missing_words)}
    return {name: value for name, value in document.items() if value}


def _column_document(column: NumericColumn | CategoricalColumn) -> Document:
    if isinstance(column, NumericColumn):
        return {"kind": "numeric", **asdict(column)}
    return {"kind": "categorical", **asdict(column), "categories": list(column.categories)}


def _model(document: Document) -> Model:
    top = check_object(
        document,
        "the file",
        format=str,
        version=int,
        trained_on=dict,
        encoder=dict,
        folds=dict,
        settings=dict,
        history=dict,
        network=dict,
    )
    trained_on = check_object(top["trained_on"], "trained_on", file=str, class_counts=list)
    encoder = _encoder(top["encoder"])
    settings = _settings(top["settings"])
    classes = len(encoder.class_names)
    counts = check_items(int, trained_on["class_counts"], "class_counts")
    if len(counts) != classes or min(counts) < 0 or not 0 < sum(counts) <= MOST_ROWS:
        raise ModelError("class_counts does not fit class_names")
    if settings.class_weights is not None and len(settings.class_weights) != classes:
        raise ModelError("class_weights does not fit class_names")
    network = read_network(top["network"], settings, encoder.scaled, classes)
    history = _history(top["history"], settings.networks)
    return Model(
        encoder=encoder,
        network=network,
        settings=settings,
        history=history,
        class_counts=counts,
        trained_on=trained_on["file"],
        folds=_folds(top["folds"], encoder, settings),
    )


def _encoder(value: Any) -> Encoder:
    kinds = {"missing_words": list, "decimal": str, "strip": str}
    given = {name: kind for name, kind in kinds.items() if name in value}
    fields = check_object(
        value,
        "encoder",
        columns=list,
        target=str,
        class_names=list,
        unnamed_columns=int,
        group=str,
        drop_repeats=bool,
        **given,
    )
    words = check_items(str, fields.get("missing_words", []), "missing_words")
    cell_format = CellFormat(words, fields.get("decimal", ""), fields.get("strip", ""))
    columns = tuple(_column(column) for column in fields["columns"])
    class_names = check_items(str, fields["class_names"], "class_names")
    names = [fields["target"], *(column.name for column in columns)]
    if len(set(names)) != len(names) or not columns or fields["target"] == fields["group"] != "":
        raise ModelError("its column names are not all different")
    if len(set(class_names)) != len(class_names) or len(class_names) < 2:
        raise ModelError("its class names are not two or more different ones")
    try:
        "".join(class_names).encode()
    except UnicodeEncodeError:
        raise ModelError("a class name is not Unicode text") from None
    unnamed = fields["unnamed_columns"]
    if unnamed and not all(
        _is_position(name, unnamed) for name in (*names, fields["group"]) if name
    ):
        raise ModelError("its columns are not those of a file without a header")
    return Encoder(
        columns=columns,
        target=fields["target"],
        class_names=class_names,
        unnamed_columns=unnamed,
        group=fields["group"],
        drop_repeats=fields["drop_repeats"],
        cell_format=cell_format,
    )


def _folds(value: Document, encoder: Encoder, settings: TrainingSettings) -> Folds | FileFolds:
    if value.get("kind") == "file":
        fields = check_object(value, "folds", kind=str, sha256=str, seed=int, count=int)
        if fields["count"] < 1 or fields["seed"] < 0:
            raise ModelError("its folds are impossible")
        return FileFolds(fields["sha256"], fields["seed"], fields["count"])
    fields = check_object(value, "folds", kind=str, rows=int, first=list, limits=list, sketch=list)
    strata = 1 if encoder.group else len(encoder.class_names)
    check_items(list, fields["limits"], "limits")
    first = check_items(int, fields["first"], "first")
    keys = [_keys(limits, "limits") for limits in fields["limits"]]
    sketch = _keys(fields["sketch"], "sketch")
    counts = {len(limits) for limits in keys}
    count = 1 + max(counts, default=0)
    if (
        fields["kind"] != "rows"
        or len(first) != strata
        or len(keys) != strata
        or len(counts) != 1
        or not 1 <= count <= settings.folds
        or not all(0 <= fold < count for fold in first)
        or len(sketch) != min(fields["rows"], SKETCH_SIZE)
        or not all((limits[1:] >= limits[:-1]).all() for limits in [*keys, sketch])
    ):
        raise ModelError("its folds do not fit together")
    return Folds(np.stack(keys), np.array(first), sketch, fields["rows"])


def _keys(values: list[Any], where: str) -> IntArray:
    digits = check_items(str, values, where)
    if not all(re.fullmatch("[0-9a-f]{16}", key) for key in digits):
        raise ModelError(f"an item of {where} is not a key of 16 hexadecimal digits")
    return np.array([int(key, 16) for key in digits], dtype=np.uint64)


def _is_position(name: str, columns: int) -> bool:
    """Whether a name is one of column1, column2, ... up to so many."""
    return bool(re.fullmatch("column[1-9][0-9]{0,8}", name)) and int(name[6:]) <= columns


def _column(value: Any) -> NumericColumn | CategoricalColumn:
    common: dict[str, type] = {"kind": str, "name": str, "has_missing": bool}
    if isinstance(value, dict) and value.get("kind") == "categorical":
        fields = check_object(value, "a column", **common, categories=list, left_out=int)
        categories = check_items(str, fields["categories"], "categories")
        if len(set(categories)) != len(categories):
            raise ModelError(f"column {fields['name']!r} has a category twice")
        if fields["left_out"] < 0:
            raise ModelError(f"column {fields['name']!r} has a negative count")
        return CategoricalColumn(
            fields["name"], categories, fields["left_out"], fields["has_missing"]
        )
    fields = check_object(value, "a column", **common, minimum=float, median=float, maximum=float)
    if fields.pop("kind") != "numeric":
        raise ModelError("a column is neither numeric nor categorical")
    return NumericColumn(**fields)


def _settings(value: dict[str, Any]) -> TrainingSettings:
    types = {name: type(default) for name, default in asdict(TrainingSettings()).items()}
    types |= {"hidden": list, "class_weights": list}
    if "class_weights" not in value:
        del types["class_weights"]
    for name, kind in (("learning_rate", float), ("batch_size", int)):
        if value.get(name) is not None:
            types |= {name: kind}
    given = check_object(value, "settings", **types)
    if "class_weights" in given:
        given["class_weights"] = check_items(float, given["class_weights"], "class_weights")
    return TrainingSettings(**given | {"hidden": tuple(given["hidden"])})


def _history(value: Any, networks: int) -> History:
    figures = ("training_loss", "training_accuracy", "holdout_loss", "holdout_accuracy")
    fields = check_object(value, "history", best_epochs=list, **dict.fromkeys(figures, list))
    epochs = len(fields["training_loss"])
    best_epochs = check_items(int, fields["best_epochs"], "best_epochs")
    if len(best_epochs) != networks or not all(1 <= epoch <= epochs for epoch in best_epochs):
        raise ModelError("best_epochs are not epochs of its networks")
    arrays = {
        name: check_array(fields[name], (epochs, networks), name, np.float32) for name in figures
    }
    return History(**arrays, best_epochs=np.array(best_epochs))
