"""The JSON form of a model: one file that a person can read and that nobody can hide code in."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import numpy as np

from minnet.data.columns import CategoryColumn, NumberColumn
from minnet.data.encoding import Encoder
from minnet.errors import ModelError, SettingsError
from minnet.model.model import Model
from minnet.network.layers import Dense, Layer, ReLU, Standardize
from minnet.network.network import Network
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
from minnet.training.history import History
from minnet.training.settings import TrainingSettings

FORMAT = "minnet-model"
VERSION = 1
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
            "sha256": model.sha256,
            "class_counts": list(model.class_counts),
        },
        "encoder": {
            "columns": [_column_document(column) for column in model.encoder.columns],
            "target": model.encoder.target,
            "class_names": list(model.encoder.class_names),
            "unnamed_columns": model.encoder.unnamed_columns,
        },
        "settings": asdict(model.settings) | {"hidden": list(model.settings.hidden)},
        "history": {
            "best_epoch": history.best_epoch,
            "training_loss": plain(history.training_loss),
            "training_accuracy": plain(history.training_accuracy),
            "holdout_loss": plain(history.holdout_loss),
            "holdout_accuracy": plain(history.holdout_accuracy),
        },
        "network": {
            "dtype": str(model.network.values.dtype),
            "layers": [_layer_document(layer) for layer in model.network.layers],
        },
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
        return _model(document)
    except (ModelError, SettingsError) as error:
        raise ModelError(f"{source}: not a usable minnet model: {error}") from None


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


def _column_document(column: NumberColumn | CategoryColumn) -> Document:
    if isinstance(column, NumberColumn):
        return {"kind": "number", **asdict(column)}
    return {"kind": "category", **asdict(column), "categories": list(column.categories)}


def _layer_document(layer: Layer) -> Document:
    if isinstance(layer, Dense):
        return {
            "kind": "dense",
            "weights": plain(layer.weights.values),
            "biases": plain(layer.biases.values[:, 0]),
        }
    if isinstance(layer, Standardize):
        return {
            "kind": "standardize",
            "means": plain(layer.means[:, 0]),
            "scales": plain(layer.scales[:, 0]),
        }
    if isinstance(layer, ReLU):
        return {"kind": "relu"}
    raise ModelError(f"a layer of kind {type(layer).__name__} cannot be saved")


def _model(document: Document) -> Model:
    top = check_object(
        document,
        "the file",
        format=str,
        version=int,
        trained_on=dict,
        encoder=dict,
        settings=dict,
        history=dict,
        network=dict,
    )
    trained_on = check_object(
        top["trained_on"], "trained_on", file=str, sha256=str, class_counts=list
    )
    encoder = _encoder(top["encoder"])
    settings = _settings(top["settings"])
    classes = len(encoder.class_names)
    counts = check_items(int, trained_on["class_counts"], "class_counts")
    if len(counts) != classes or min(counts) < 0:
        raise ModelError("class_counts does not fit class_names")
    sizes = [len(encoder.features), *settings.hidden, classes]
    network = _network(top["network"], settings.networks, sizes)
    history = _history(top["history"], settings.networks)
    return Model(
        encoder=encoder,
        network=network,
        settings=settings,
        history=history,
        class_counts=counts,
        trained_on=trained_on["file"],
        sha256=trained_on["sha256"],
    )


def _encoder(value: Any) -> Encoder:
    fields = check_object(
        value, "encoder", columns=list, target=str, class_names=list, unnamed_columns=int
    )
    columns = tuple(_column(column) for column in fields["columns"])
    class_names = check_items(str, fields["class_names"], "class_names")
    names = [fields["target"], *(column.name for column in columns)]
    if len(set(names)) != len(names) or not columns:
        raise ModelError("its column names are not all different")
    if len(set(class_names)) != len(class_names) or len(class_names) < 2:
        raise ModelError("its class names are not two or more different ones")
    try:
        "".join(class_names).encode()
    except UnicodeEncodeError:
        raise ModelError("a class name is not Unicode text") from None
    unnamed = fields["unnamed_columns"]
    if unnamed and not all(_is_position(name, unnamed) for name in names):
        raise ModelError("its columns are not those of a file without a header")
    return Encoder(columns, fields["target"], class_names, unnamed)


def _is_position(name: str, columns: int) -> bool:
    """Whether a name is one of column1, column2, ... up to so many."""
    return bool(re.fullmatch("column[1-9][0-9]{0,8}", name)) and int(name[6:]) <= columns


def _column(value: Any) -> NumberColumn | CategoryColumn:
    common: dict[str, type] = {"kind": str, "name": str, "has_missing": bool}
    if isinstance(value, dict) and value.get("kind") == "category":
        fields = check_object(value, "a column", **common, categories=list, left_out=int)
        categories = check_items(str, fields["categories"], "categories")
        if len(set(categories)) != len(categories):
            raise ModelError(f"column {fields['name']!r} has a category twice")
        if fields["left_out"] < 0:
            raise ModelError(f"column {fields['name']!r} has a negative count")
        return CategoryColumn(fields["name"], categories, fields["left_out"], fields["has_missing"])
    fields = check_object(value, "a column", **common, minimum=float, median=float, maximum=float)
    if fields.pop("kind") != "number":
        raise ModelError("a column is neither number nor category")
    return NumberColumn(**fields)


def _settings(value: dict[str, Any]) -> TrainingSettings:
    types = {name: type(default) for name, default in asdict(TrainingSettings()).items()}
    types |= {"hidden": list}
    for name, kind in (("learning_rate", float), ("batch_size", int)):
        if value.get(name) is not None:
            types |= {name: kind}
    check_object(value, "settings", **types)
    return TrainingSettings(**value | {"hidden": tuple(value["hidden"])})


def _network(value: Any, networks: int, sizes: list[int]) -> Network:
    fields = check_object(value, "network", dtype=str, layers=list)
    if fields["dtype"] not in ("float32", "float64"):
        raise ModelError("the dtype is neither float32 nor float64")
    dtype = np.dtype(fields["dtype"])
    kinds = ["standardize", *["dense", "relu"] * (len(sizes) - 1)][:-1]
    if [_kind(layer) for layer in fields["layers"]] != kinds:
        raise ModelError("its layers are not those its settings ask for")
    standardize, *rest = fields["layers"]
    check_object(standardize, "a layer", kind=str, means=list, scales=list)
    for relu in rest[1::2]:
        check_object(relu, "a layer", kind=str)
    shape = (networks, sizes[0])
    layers: list[Layer] = [
        Standardize(
            check_array(standardize["means"], shape, "means")[:, None],
            check_array(standardize["scales"], shape, "scales")[:, None],
            dtype,
        )
    ]
    for fan_in, fan_out, dense in zip(sizes, sizes[1:], rest[::2], strict=False):
        check_object(dense, "a layer", kind=str, weights=list, biases=list)
        weights = check_array(dense["weights"], (networks, fan_in, fan_out), "weights", dtype)
        biases = check_array(dense["biases"], (networks, fan_out), "biases", dtype)
        layers += [Dense(weights, biases[:, None]), ReLU()]
    return Network(layers[:-1])


def _kind(layer: Any) -> Any:
    return layer.get("kind") if isinstance(layer, dict) else None


def _history(value: Any, networks: int) -> History:
    figures = ("training_loss", "training_accuracy", "holdout_loss", "holdout_accuracy")
    fields = check_object(value, "history", best_epoch=int, **dict.fromkeys(figures, list))
    epochs = len(fields["training_loss"])
    if not 1 <= fields["best_epoch"] <= epochs:
        raise ModelError("best_epoch is not one of the epochs")
    arrays = {
        name: check_array(fields[name], (epochs, networks), name, np.float32) for name in figures
    }
    return History(**arrays, best_epochs=np.full(networks, fields["best_epoch"]))
