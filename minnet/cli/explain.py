"""`minnet explain`: one row, every number from input to gradient."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import click

from minnet.cli import options

if TYPE_CHECKING:
    from minnet.analysis.explanation import Explanation


@click.command("explain")
@options.data_argument
@click.option("--row", type=int, required=True, metavar="N", help="Which row; the first is 1.")
@click.option(
    "--network",
    type=int,
    metavar="K",
    help="Which of the model's networks; the first is 1.  [default: one that never saw the row, "
    "if it is in the training table]",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Show all inputs, units, bins and networks, not only the largest.",
)
@options.model_option
@options.json_option
@options.quiet_option
def command(
    data: str,
    row: int,
    network: int | None,
    everything: bool,
    model: str,
    as_json: bool,
    quiet: bool,  # it prints no messages, and takes the option as all do
) -> None:
    """One row, every number from input to gradient.

    Follows one row of DATA forward through one network, to the probabilities and the loss, and
    back again to the gradient of every weight; then takes one step along them, and asks all the
    other networks about the same row.

    \b
    Examples:
      minnet explain iris.csv --row 107
      minnet explain iris.csv --row 107 --network 3 --all
    """
    from minnet.analysis.explanation import explain
    from minnet.cli.explain_text import report
    from minnet.model.model_file import load

    loaded = load(model)
    table = options.read_data(data, loaded.encoder)
    explanation = explain(loaded, table, row - 1, None if network is None else network - 1)
    if as_json:
        options.print_lines(json.dumps(_document(explanation, table.at(row - 1))))
    else:
        options.print_lines(report(explanation, table.at(row - 1), everything=everything))


def _document(explanation: Explanation, place: str) -> dict[str, Any]:
    """Every number, unrounded; rows and networks counted from 1, and `null` where missing."""
    trace = explanation.trace
    of_label = explanation.all_probabilities[:, trace.label]
    return {
        "place": place,
        "row": explanation.row + 1,
        "network": explanation.network + 1,
        "trained_on_row": _plain(explanation.trained_on_row),
        "features": list(explanation.feature_names),
        "values": _plain(explanation.values),
        "means": _plain(explanation.means),
        "stds": _plain(explanation.stds),
        "inputs": list(explanation.input_names),
        "edges": None if explanation.bins is None else _plain(explanation.bins.edges[0]),
        "classes": list(explanation.class_names),
        "layers": [_plain(layer) for layer in trace.layers],
        "raw_outputs": _plain(trace.raw_outputs),
        "exponentials": _plain(trace.exponentials),
        "exponentials_of": "raw output" + (f"{-trace.shift:+}" if trace.shift else ""),
        "probabilities": _plain(trace.probabilities),
        "predicted": explanation.class_names[trace.predicted],
        "argmax_gradient": [0.0] * len(trace.probabilities),
        "unlabelled": explanation.unlabelled or None,
        "observed": trace.backward and explanation.class_names[trace.backward.label],
        "backward": _plain(trace.backward),
        "all_networks": {
            "class": explanation.class_names[trace.label],
            "probabilities": _plain(explanation.all_probabilities),
            "smallest": of_label.min(),
            "mean": of_label.mean(),
            "largest": of_label.max(),
        },
    }


def _plain(value: Any) -> Any:
    """Arrays as lists, dataclasses as objects, NaN as `null`."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if value != value else value
