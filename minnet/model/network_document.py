"""The JSON form of the networks of a model: their layers, with every number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.errors import ModelError
from minnet.network.bins import Bins
from minnet.network.layers import Dense, Layer, ReLU
from minnet.network.network import Network
from minnet.network.preparation import Standardize
from minnet.storage.checked_json import Document, check_array, check_object, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from minnet.arrays import BoolArray
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
