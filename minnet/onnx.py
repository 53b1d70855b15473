"""A model as one ONNX graph, the whole way from raw columns to labels; needs the extra `onnx`.

The graph mirrors what `predict` computes, in the same precision: features in float64, standardised
in float64, layers in the type of their weights, probabilities in float64.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from minnet import __version__
from minnet.arrays import Array, IntArray
from minnet.data.cells import pattern_without_zeros
from minnet.data.columns import CategoricalColumn, NumericColumn, PlainColumn, by_value
from minnet.errors import ModelError, PackageError
from minnet.model.document import check_layers
from minnet.model.model import Model
from minnet.network.layers import Dense, Layer, ReLU
from minnet.network.preparation import Bins, Standardize
from minnet.storage import check_overwritable, replaced_file

try:
    from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
except ImportError:
    raise PackageError("onnx", "onnx") from None

OPSET = 20
"""The first with `RegexFullMatch`, which tells missing cells."""
IR_VERSION = 9
BEGINNING = b"\x08\x09\x12\x06minnet"
"""Of every file that holds what `export` returns: the version above, and who wrote it."""
# The white space that `str.strip` takes away; the `\s` of the engine knows only ASCII.
_SPACES = "[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"


def export(model: Model, path: str | os.PathLike[str] | None = None) -> ModelProto:
    """Make an ONNX graph of a model, and perhaps write it into a file, whole or not at all.

    Each column is an input of its own name, `(rows, 1)`: numbers as double, NaN where missing, 1
    and 0 for true and false; categories as strings, empty where missing (or another cell that
    `read_csv` takes for missing). Of a column of dates, `day`, those derived of it are inputs:
    `day.month` (`March`), `day.weekday` (`Monday`), `day.hour` (`13`), in UTC. The outputs are
    `label`, `(rows,)`, `probabilities`, `(rows, classes)`, and `spread`, `(rows,)`, as in
    `Predictions`; if a column has one of these names, each output is named `minnet_label` and so
    on.

    ONNX has no operator that raises an error: where `predict` refuses an infinite number, the
    graph clips it. Cautions are not part of it.

    Parameters
    ----------
    path
        Of the file to write; `None` for none.

    Returns
    -------
    ModelProto
        The graph, as the package onnx has it.

    Raises
    ------
    ModelError
        If the layers are not those of a model, or a name is one that ONNX cannot hold.
    FileError
        If the file cannot be written, or is one that minnet did not write.

    Examples
    --------
    >>> import minnet
    >>> model = minnet.train("data/iris.csv", "species", epochs=5)
    >>> graph = minnet.export(model).graph
    >>> [one.name for one in graph.output]
    ['label', 'probabilities', 'spread']
    """
    check_layers(model.network.layers, "exported")
    try:
        proto = _made(model)
    except UnicodeEncodeError as error:
        raise ModelError(f"{error.object!r} cannot be exported: it is not Unicode text") from None
    if path is not None:
        refuse_to_overwrite(path)
        with replaced_file(path) as file:
            file.write(proto.SerializeToString(deterministic=True))
    return proto


def _made(model: Model) -> ModelProto:
    """Make the graph; what ONNX cannot encode raises."""
    columns = {column.name: column for column in model.encoder.plain_columns}
    if "" in columns:
        raise ModelError("a column without a name cannot be exported: to ONNX, it is no input")
    names = ["label", "probabilities", "spread"]
    while not columns.keys().isdisjoint(names):
        names = [f"minnet_{name}" for name in names]
    label, probabilities, spread = names
    graph = _Graph([*columns, *names])
    _predict(graph, model, *names)

    describe, text, number = helper.make_tensor_value_info, TensorProto.STRING, TensorProto.DOUBLE
    inputs = [
        describe(name, number if isinstance(column, NumericColumn) else text, ["rows", 1])
        for name, column in columns.items()
    ]
    outputs = [
        describe(label, text, ["rows"]),
        describe(probabilities, number, ["rows", len(model.class_names)]),
        describe(spread, number, ["rows"]),
    ]
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "minnet", inputs, outputs, graph.constants),
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="minnet",
        producer_version=__version__,
    )
    classes = json.dumps(model.class_names, ensure_ascii=False)
    told = {"classes": classes, "target": model.encoder.target, "minnet_version": __version__}
    helper.set_model_props(proto, told)
    return proto


def refuse_to_overwrite(path: str | os.PathLike[str]) -> None:
    """Raise an error if there is something at `path` that `export` did not write."""
    check_overwritable(path, BEGINNING, "an ONNX model that minnet wrote", "--output")


class _Graph:
    """Nodes and constants, under names that are not `taken`."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._taken = set(taken)

    def add(
        self,
        operator: str,
        *inputs: str | Array | IntArray,
        output: str | None = None,
        **attributes: Any,
    ) -> str:
        """Add a node and return the name of its output; arrays among its inputs are constants."""
        names = [self._constant(one) if isinstance(one, np.ndarray) else one for one in inputs]
        output = output or self._new_name(f"{operator}_{len(self.nodes)}")
        self.nodes.append(helper.make_node(operator, names, [output], **attributes))
        return output

    def cast(self, values: str, dtype: Any) -> str:
        """Add a node that converts to a numpy type."""
        return self.add("Cast", values, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _constant(self, values: Array | IntArray) -> str:
        name = self._new_name(f"constant_{len(self.constants)}")
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def _new_name(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _predict(graph: _Graph, model: Model, label: str, probabilities: str, spread: str) -> None:
    """Add the way from all inputs to the three outputs."""
    missing = model.encoder.cell_format.missing
    features = [
        part for column in model.encoder.plain_columns for part in _features(graph, column, missing)
    ]
    values = graph.add("Concat", *features, axis=1)
    for layer in model.network.layers:
        values = _outputs(graph, layer, values)
    members = graph.add("Softmax", graph.cast(values, np.float64), axis=-1)
    networks, classes = np.array([0]), np.array([1])  # axes
    graph.add("ReduceMean", members, networks, keepdims=0, output=probabilities)
    index = _label(graph, model, probabilities)
    names = np.array(model.class_names, object)
    graph.add("Gather", names, graph.add("Squeeze", index, classes), output=label)
    largest = graph.add("ReduceMax", members, networks, keepdims=0)
    smallest = graph.add("ReduceMin", members, networks, keepdims=0)
    ranges = graph.add("Sub", largest, smallest)
    of_label = graph.add("GatherElements", ranges, index, axis=1)
    graph.add("Squeeze", of_label, classes, output=spread)


def _label(graph: _Graph, model: Model, probabilities: str) -> str:
    """Add what decides for a class, `(rows, 1)`: the largest probability, or the threshold."""
    if model.threshold is None:
        return graph.add("ArgMax", probabilities, axis=1)
    label, least = model.class_names.index(model.threshold.class_name), model.threshold.probability
    of_class = graph.add("Gather", probabilities, np.array([label]), axis=1)
    is_class = graph.add("GreaterOrEqual", of_class, np.array(least))
    return graph.add("Where", is_class, np.array(label), np.array(1 - label))


def _features(graph: _Graph, column: PlainColumn, missing: Iterable[str]) -> Sequence[str]:
    """Add what makes a column's features of its input, `(rows, features)`, float64."""
    name = column.name
    if isinstance(column, NumericColumn):
        values, add_missing = [name], partial(graph.add, "IsNaN", name)
    else:
        values = [graph.cast(one, np.float64) for one in _is_category(graph, column)]
        pattern = f"{_SPACES}({'|'.join(map(re.escape, sorted(missing)))}){_SPACES}"
        add_missing = partial(graph.add, "RegexFullMatch", name, pattern=pattern)
    return [*values, graph.cast(add_missing(), np.float64)] if column.has_missing else values


def _is_category(graph: _Graph, column: CategoricalColumn) -> list[str]:
    """Add what compares a column with its categories, numbers among them by value."""
    name, own = column.name, set(by_value(column.categories).values())
    patterns = [pattern_without_zeros(one) if one in own else None for one in column.categories]
    if not any(patterns):
        return [graph.add("Equal", name, np.array([column.categories], object))]
    return [
        graph.add("RegexFullMatch", name, pattern=pattern)
        if pattern
        else graph.add("Equal", name, np.array([[category]], object))
        for category, pattern in zip(column.categories, patterns, strict=True)
    ]


def _outputs(graph: _Graph, layer: Layer, values: str) -> str:
    """Add one layer of all networks, from `(networks, rows, fan_in)` to `(..., fan_out)`."""
    if isinstance(layer, Dense):
        sums = graph.add("MatMul", values, layer.weights.values)
        return graph.add("Add", sums, layer.biases.values)
    if isinstance(layer, ReLU):
        return graph.add("Relu", values)
    if isinstance(layer, Standardize):
        divisors = np.where(layer.scales > 0, layer.scales, np.inf)
        scaled = graph.add("Div", graph.add("Sub", values, layer.means), divisors)
        scaled = graph.cast(scaled, layer.dtype)
        low, high, zero = (np.array(n, layer.dtype) for n in (-layer.limit, layer.limit, 0))
        clipped = graph.add("Clip", scaled, low, high)
        return graph.add("Where", graph.add("IsNaN", scaled), zero, clipped)
    assert isinstance(layer, Bins)  # `check_layers` has seen to it
    numbers = graph.add("Gather", values, layer.columns, axis=-1)
    parts = graph.add("Sub", numbers, layer.lower[:, None])
    parts = graph.add("Div", parts, layer.divisors[:, None])
    parts = graph.add("Min", graph.add("Max", parts, np.array(0.0)), layer.heights)
    parts = graph.add("Sub", parts, layer.middles[:, None])
    both = graph.add("Concat", values, parts, axis=-1)
    return graph.cast(both, layer.dtype)
