"""`minnet show`: what is in a model."""

from __future__ import annotations

from typing import Any

from minnet.cli import options
from minnet.model.model import Model
from minnet.report import attributes, encode


@options.command("show", "model", "json", "quiet")
def command(request: options.Request) -> None:
    """What is in a model.

    Its columns and classes, how they were read, its layers, settings and scores.

    \b
    Examples:
      minnet show
      minnet show --model penguins.json --json
    """
    model = request.load_model()
    request.print_result(lambda: _document(model), model.report)


def _document(model: Model) -> dict[str, Any]:
    encoder, history = model.encoder, model.history
    return {
        "trained_on": model.trained_on,
        "group": encoder.group or None,
        "weights": encoder.weights or None,
        "classes": dict(zip(encoder.class_names, model.class_counts, strict=True)),
        **attributes(encoder, "target", "columns", "features", "drop_repeats"),
        "networks": len(model.network),
        "parameters_per_network": model.network.values.shape[1],
        "reading": {"has_header": not encoder.unnamed_columns, **encode(encoder.cell_format)},
        **attributes(model, "settings", "selection", "threshold"),
        "epochs": len(history),
        "best_epochs": history.best_epochs.tolist(),
        "holdout_loss": encode(history.kept_losses),
        "holdout_accuracy": encode(history.kept_accuracies),
    }
