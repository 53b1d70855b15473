"""The JSON form of the networks of a model: their layers, with every number.

The JSON form of a model: one file that you can read and that nobody can hide code in.

A model in a file: written whole or not at all, and read with suspicion.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from minnet.arrays import BoolArray, IntArray
from minnet.codec import (
    Document,
    check_array,
    check_checksum,
    check_items,
    check_object,
    from_text,
    plain,
    to_text,
)
from minnet.data.cells import CellFormat
from minnet.data.columns import CategoricalColumn, NumericColumn
from minnet.data.encoding import Encoder
from minnet.errors import FileError, ModelError, SettingsError
from minnet.model.model import Model, Selection
from minnet.network.layers import Dense, Layer, ReLU
from minnet.network.network import Network
from minnet.network.preparation import Bins, Standardize
from minnet.storage import can_overwrite, replaced_file
from minnet.training.folds import LAST_KEY, MOST_KEPT, Entries, Folds
from minnet.training.history import History
from minnet.training.settings import TrainingSettings

KINDS: dict[type[Layer], str] = {
    Standardize: "standardize",
    Bins: "bins",
    Dense: "dense",
    ReLU: "relu",
}


def network_document(network: Network) -> Document:
    """Write the layers of all networks.

    Raises
    ------
    ModelError
        If these are not the layers of a model; see `check_layers`.
    """
    check_layers(network.layers, "saved")
    return {
        "dtype": str(network.values.dtype),
        "layers": [_layer_document(layer) for layer in network.layers],
    }


def check_layers(layers: Iterable[Layer], done: str, *, are_prepared: bool = True) -> None:
    """Refuse layers that are not those of a model, of which whoever asks knows what they calculate.

    Parameters
    ----------
    layers
        All of a network's, in their order.
    done
        What cannot be done with others: "saved".
    are_prepared
        Whether there must be layers that prepare the inputs, as in every model.

    Raises
    ------
    ModelError
        If one is not minnet's own (a subclass may calculate something else), or stands elsewhere.
    """
    kinds = [type(layer) for layer in layers]
    for kind in kinds:
        if kind not in KINDS:
            raise ModelError(f"a layer of kind {kind.__name__} cannot be {done}")
    order = " ".join(map(KINDS.__getitem__, kinds))
    prepared = "(standardize (bins )?)" + ("" if are_prepared else "?")
    if not re.fullmatch(f"{prepared}(dense relu )*dense", order):
        raise ModelError(f"a network of the layers {order} cannot be {done}")


def _layer_document(layer: Layer) -> Document:
    fields: Document = {}
    if isinstance(layer, Dense):
        fields = {
            "weights": plain(layer.weights.values),
            "biases": plain(layer.biases.values[:, 0]),
        }
    elif isinstance(layer, Standardize):
        fields = {"means": plain(layer.means[:, 0]), "scales": plain(layer.scales[:, 0])}
    elif isinstance(layer, Bins):
        fields = {"edges": plain(layer.edges)}
    return {"kind": KINDS[type(layer)], **fields}


def read_network(
    value: Any, settings: TrainingSettings, scaled: BoolArray, classes: int
) -> Network:
    """Read what `network_document` wrote.

    Parameters
    ----------
    settings
        Tell how many networks there are, their bins and their hidden layers.
    scaled
        `(features,)`; which features are numbers.

    Raises
    ------
    ModelError
        If it is not a network of that shape.
    """
    fields = check_object(value, "network", dtype=str, layers=list)
    if fields["dtype"] not in ("float32", "float64"):
        raise ModelError("the dtype is neither float32 nor float64")
    dtype = np.dtype(fields["dtype"])
    networks = settings.networks
    sizes = [settings.inputs(scaled), *settings.hidden, classes]
    preparation = ["standardize", *(["bins"] if sizes[0] > len(scaled) else [])]
    kinds = [*preparation, *["dense", "relu"] * (len(sizes) - 1)][:-1]
    if [_kind(layer) for layer in fields["layers"]] != kinds:
        raise ModelError("its layers are not those its settings ask for")
    standardize, rest = fields["layers"][0], fields["layers"][len(preparation) :]
    check_object(standardize, "a layer", kind=str, means=list, scales=list)
    for relu in rest[1::2]:
        check_object(relu, "a layer", kind=str)
    shape = (networks, len(scaled))
    means = check_array(standardize["means"], shape, "means")[:, None]
    scales = check_array(standardize["scales"], shape, "scales")[:, None]
    if (scales < 0).any():
        raise ModelError("a scale is negative")
    own_dtype = dtype if len(preparation) == 1 else np.float64
    layers: list[Layer] = [Standardize(means, scales, own_dtype)]
    if len(preparation) > 1:
        layers.append(_read_bins(fields["layers"][1], settings, scaled, dtype))
    for fan_in, fan_out, dense in zip(sizes, sizes[1:], rest[::2], strict=False):
        check_object(dense, "a layer", kind=str, weights=list, biases=list)
        weights = check_array(dense["weights"], (networks, fan_in, fan_out), "weights", dtype)
        biases = check_array(dense["biases"], (networks, fan_out), "biases", dtype)
        layers += [Dense(weights, biases[:, None]), ReLU()]
    return Network(layers[:-1])


def _read_bins(
    value: Any, settings: TrainingSettings, scaled: BoolArray, dtype: np.dtype[Any]
) -> Bins:
    check_object(value, "a layer", kind=str, edges=list)
    columns = np.flatnonzero(scaled)
    shape = (settings.networks, len(columns), settings.bins + 1)
    edges = check_array(value["edges"], shape, "edges")
    if (edges[..., 1:] < edges[..., :-1]).any():
        raise ModelError("the edges of its bins do not ascend")
    if (np.abs(edges) > Standardize.limit).any():
        raise ModelError("the edges of its bins are beyond all scaled values")
    return Bins(edges, columns, dtype)


def _kind(layer: Any) -> Any:
    return layer.get("kind") if isinstance(layer, dict) else None


FORMAT = "minnet-model"
VERSION = 1
MOST_ROWS = 2**53
"""Up to it, every number is one of float64."""
LARGEST_LOSS = 1000
"""Above that of the smallest probability that there is."""
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
    if model.selection:
        document["selection"] = asdict(model.selection)
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


def _folds_document(folds: Folds) -> Document:
    entries = folds.entries
    document = {
        "count": folds.count,
        "rows": folds.rows,
        "repeated": folds.repeated,
        "is_coarse": folds.is_coarse,
        "limit": f"{folds.limit:016x}",
        "contents": _hexadecimal(entries.contents),
        "labels": entries.labels.tolist(),
        "wholes": _hexadecimal(entries.wholes) if entries.wholes.any() else [],
        "copies": entries.copies.tolist() if (entries.copies > 1).any() else [],
    }
    if folds.groups is not None and folds.fold_of_group is not None:
        document["groups"] = _hexadecimal(folds.groups)
        document["fold_of_group"] = folds.fold_of_group.tolist()
    return document


def _hexadecimal(keys: IntArray) -> list[str]:
    return [f"{key:016x}" for key in keys.tolist()]


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
        document = {"kind": "numeric", **asdict(column)}
        if not column.is_boolean:
            del document["is_boolean"]
        return document
    return {"kind": "categorical", **asdict(column), "categories": list(column.categories)}


def _model(document: Document) -> Model:
    selection = {"selection": dict} if "selection" in document else {}
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
        **selection,
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
        selection=_selection(top["selection"]) if selection else None,
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


def _folds(value: Document, encoder: Encoder, settings: TrainingSettings) -> Folds:
    grouped = {"groups": list, "fold_of_group": list} if "groups" in value else {}
    lists = dict.fromkeys(("contents", "labels", "wholes", "copies"), list)
    fields = check_object(
        value,
        "folds",
        count=int,
        rows=int,
        repeated=int,
        is_coarse=bool,
        limit=str,
        **lists,
        **grouped,
    )
    contents, wholes = (_keys(fields[name], name) for name in ("contents", "wholes"))
    labels, copies = (
        np.array(check_items(int, fields[name], name), np.int64) for name in ("labels", "copies")
    )
    wholes = wholes if len(wholes) else np.zeros_like(contents)
    copies = copies if len(copies) else np.ones_like(labels)
    limit = int(_keys([fields["limit"]], "limit")[0])
    rows, count = fields["rows"], fields["count"]
    groups = fold_of_group = None
    if grouped:
        groups = _keys(fields["groups"], "groups")
        fold_of_group = np.array(check_items(int, fields["fold_of_group"], "fold_of_group"))
        is_fitting = (
            len(groups) == len(fold_of_group) <= MOST_KEPT
            and (groups[1:] > groups[:-1]).all()
            and ((fold_of_group >= 0) & (fold_of_group < count)).all()
        )
    else:
        is_fitting = not encoder.group or rows > MOST_KEPT
    if (
        not is_fitting
        or (grouped and not encoder.group)
        or len({len(contents), len(labels), len(wholes), len(copies)}) != 1
        or not 1 <= len(contents) <= min(rows, 2 * MOST_KEPT)
        or not 1 <= count <= min(settings.folds, rows)
        or not 0 <= fields["repeated"] <= rows
        or (contents[1:] < contents[:-1]).any()
        or not ((labels >= 0) & (labels < len(encoder.class_names))).all()
        or copies.min() < 1
        or copies.sum() > rows
        or (rows <= MOST_KEPT and limit != LAST_KEY)
    ):
        raise ModelError("its folds do not fit together")
    entries = Entries(contents, labels, wholes, copies)
    return Folds(
        count,
        rows,
        fields["repeated"],
        fields["is_coarse"],
        entries,
        limit,
        groups,
        fold_of_group,
    )


def _selection(value: Document) -> Selection:
    fields = check_object(
        value, "selection", configurations=int, log_loss_optimism=float, accuracy_optimism=float
    )
    selection = Selection(**fields)
    if (
        selection.configurations < 2
        or not 0 <= selection.log_loss_optimism <= LARGEST_LOSS
        or not -1 <= selection.accuracy_optimism <= 1
    ):
        raise ModelError("its selection is impossible")
    return selection


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
        fields = check_object(
            value, "a column", **common, categories=list, left_out=int, most_left_out=int
        )
        categories = check_items(str, fields["categories"], "categories")
        if len(set(categories)) != len(categories):
            raise ModelError(f"column {fields['name']!r} has a category twice")
        if min(fields["left_out"], fields["most_left_out"]) < 0:
            raise ModelError(f"column {fields['name']!r} has a negative count")
        del fields["kind"]
        return CategoricalColumn(**fields | {"categories": categories})
    if isinstance(value, dict) and "is_boolean" in value:
        common |= {"is_boolean": bool}
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


LARGEST_FILE = 2**29


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model as one JSON file, whole or not at all.

    Raises
    ------
    ModelError
        If there is a file at `path` that is not a model, or a layer is not one of minnet's own.
    FileError
        If the file cannot be written.
    """
    refuse_to_overwrite(path)
    data = to_bytes(model)
    with replaced_file(path) as file:
        file.write(data)


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model that `save` wrote.

    Raises
    ------
    FileError
        If the file cannot be read.
    ModelError
        If it is not a model, is damaged, or is of a newer format.
    """
    shown = os.fspath(path)
    try:
        status = os.stat(path)
        # A pipe or a device could keep us waiting, or go on for ever.
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise FileError(f"{shown}: cannot be read: a model is a regular file")
        size = status.st_size
        if size > LARGEST_FILE:
            raise ModelError(f"{shown}: not a usable minnet model: it is {size:,} bytes long")
        with open(path, "rb") as file:
            data = file.read(size)
    except FileNotFoundError:
        raise FileError(f"{shown}: there is no such model: `minnet train` writes one") from None
    except OSError as error:
        raise FileError(f"{shown}: cannot be read: {error.strerror or error}") from None
    return from_bytes(data, shown)


def refuse_to_overwrite(path: str | os.PathLike[str]) -> None:
    """Raise an error if there is something at `path` that is not a model."""
    if not can_overwrite(path, BEGINNING):
        raise ModelError(
            f"{os.fspath(path)}: not a minnet model, so it is not overwritten: choose another "
            "name with --model"
        )
