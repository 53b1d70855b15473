"""`minnet explain`: one row, every number from input to gradient."""

from __future__ import annotations

from typing import Any

from minnet.analysis.explanation import Explanation, explain
from minnet.cli import options
from minnet.model.diagnostics import model_diagnostics
from minnet.network.preparation import Bins
from minnet.report import attributes, encode


@options.command(
    "explain",
    "data",
    options.option("--row", int, "Which row; the first is 1.", required=True, metavar="N"),
    options.option(
        "--network",
        int,
        "Which of the model's networks; the first is 1.  [default: one that never saw the "
        "row, if it is in the training table]",
        metavar="K",
    ),
    options.option(
        "--all everything", bool, "Show all inputs, units, bins and networks, not only the largest."
    ),
    "model",
    "json",
    "quiet",
)
def command(request: options.Request, row: int, network: int | None, everything: bool) -> None:
    """One row, every number from input to gradient.

    Follows one row of DATA forward through one network, to the probabilities and the loss, and
    back again to the gradient of every weight; then takes one step against them, and asks all the
    other networks about the same row.

    \b
    Examples:
      minnet explain iris.csv --row 107
      minnet explain iris.csv --row 107 --network 3 --all
    """
    model = request.load_model()
    table = request.read_data(model.encoder)
    explanation = explain(model, table, row - 1, None if network is None else network - 1)
    if 2 * len(table) > sum(model.class_counts):  # in fewer rows, other units may be 0
        features = model.encoder.transform(table)
        request.note(model_diagnostics(model, features, explanation.network))
    request.print_result(
        lambda: _document(explanation), lambda: explanation.report(everything=everything)
    )


def _bins(bins: Bins) -> dict[str, Any]:
    """Of each bin: its feature, its edges (scaled), and its height."""
    edges = {"lower": encode(bins.lower[0]), "upper": encode(bins.upper[0])}
    return {"features": (bins.columns + 1).tolist(), **edges, "heights": encode(bins.heights)}


def _document(explanation: Explanation) -> dict[str, Any]:
    """Every number, unrounded; rows and networks counted from 1, and `null` where missing."""
    trace, classes = explanation.trace, explanation.class_names
    of_label = explanation.all_probabilities[:, trace.label]
    return {
        "row": explanation.row + 1,
        "network": explanation.network + 1,
        **attributes(explanation, "place", "trained_on_row", "values", "means", "stds"),
        "features": explanation.feature_names,
        "inputs": explanation.input_names,
        "bins": None if explanation.bins is None else _bins(explanation.bins),
        "classes": classes,
        **attributes(trace, "layers", "raw_outputs", "exponentials", "shift", "probabilities"),
        "predicted": classes[trace.predicted],
        "argmax_gradient": [0.0] * len(classes),
        "unlabelled": explanation.unlabelled or None,
        "observed": trace.backward and classes[trace.backward.label],
        "backward": encode(trace.backward),
        "all_networks": {
            "class": classes[trace.label],
            "probabilities": encode(explanation.all_probabilities),
            "smallest": of_label.min(),
            "mean": of_label.mean(),
            "largest": of_label.max(),
        },
    }
