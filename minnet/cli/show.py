"""`minnet show`: what is in a model."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from minnet.arrays import Array
from minnet.cli import options, text
from minnet.cli.options import Request
from minnet.data.cells import short_names
from minnet.data.encoding import Encoder
from minnet.errors import in_list, plural, printable
from minnet.model.model import Model


@options.command("show", "model", "json", "quiet")
def command(request: Request) -> None:
    """What is in a model.

    Its columns and classes, how they were read, its layers, settings and scores.

    \b
    Examples:
      minnet show
      minnet show --model penguins.json --json
    """
    model = request.load_model()
    options.print_lines(json.dumps(_document(model)) if request.as_json else _report(model))


def _document(model: Model) -> dict[str, Any]:
    from dataclasses import asdict

    history = model.history
    return {
        "trained_on": model.trained_on,
        "group": model.encoder.group or None,
        "target": model.encoder.target,
        "classes": dict(zip(model.encoder.class_names, model.class_counts, strict=True)),
        "columns": [asdict(column) for column in model.encoder.columns],
        "features": model.encoder.features,
        "networks": len(model.network),
        "parameters_per_network": model.network.values.shape[1],
        "settings": asdict(model.settings),
        "reading": {
            "has_header": not model.encoder.unnamed_columns,
            **asdict(model.encoder.cell_format),
        },
        "drop_repeats": model.encoder.drop_repeats,
        "selection": asdict(model.selection) if model.selection else None,
        "epochs": len(history),
        "best_epochs": history.best_epochs.tolist(),
        "holdout_loss": history.kept_losses.tolist(),
        "holdout_accuracy": history.kept_accuracies.tolist(),
    }


def _report(model: Model) -> str:
    from minnet.data.columns import NumericColumn

    history = model.history
    losses, accuracies = history.kept_losses, history.kept_accuracies
    encoder = model.encoder
    settings = model.settings.described(sum(model.class_counts))
    bins = model.settings.inputs(encoder.scaled) - len(encoder.features)
    features = f"{len(encoder.features)}{f' and {bins:,} bins' if bins else ''}"
    sizes = [features, *model.settings.hidden, len(encoder.class_names)]
    columns = [
        [
            name,
            f"numeric, {column.shown(column.minimum)} to {column.shown(column.maximum)}, "
            f"median {column.shown(column.median)}"
            if isinstance(column, NumericColumn)
            else "categorical: "
            + ", ".join(short_names(map(in_list, column.categories[:8])))
            + (f", ... ({len(column.categories)})" if len(column.categories) > 8 else ""),
            "cells may be missing" if column.has_missing else "",
        ]
        for name, column in zip(
            short_names(column.name for column in encoder.columns), encoder.columns, strict=True
        )
    ]
    classes = [
        [name, plural(count, "row")]
        for name, count in zip(short_names(encoder.class_names), model.class_counts, strict=True)
    ]
    return "\n".join(
        (
            f"trained on {printable(model.trained_on)} to predict {model.encoder.target!r}"
            + (f", groups of {model.encoder.group!r} kept together" if model.encoder.group else ""),
            *_reading(encoder),
            "",
            "columns",
            text.table(columns, left=3, indent="  "),
            "classes",
            text.table(classes, left=1, indent="  "),
            f"{plural(len(model.network), 'network')} of "
            f"{model.network.values.shape[1]:,} parameters",
            f"  features {' -> '.join(map(str, sizes))} classes, ReLU between, softmax at the end",
            "settings",
            text.table(settings.items(), left=2, indent="  "),
            "scores of the networks, each on the rows it held out",
            f"  kept {history.kept} of {len(history)}",
            f"  loss {_mean_and_span(losses, '{:.3f}'.format)}",
            f"  accuracy {_mean_and_span(accuracies, text.percent)}",
            *([f"  {model.selection}"] if model.selection else ()),
        )
    )


def _mean_and_span(values: Array, shown: Callable[[float], str]) -> str:
    mean, low, high = float(values.mean()), float(values.min()), float(values.max())
    if len(values) == 1:
        return shown(mean)
    return f"{shown(mean)} on average ({text.span(low, high, shown)})"


def _reading(encoder: Encoder) -> Iterator[str]:
    """Tell how the training table was read, as options, if it was not read as usual."""
    cells = encoder.cell_format
    options = [
        *["--no-header"] * bool(encoder.unnamed_columns),
        *(f"--missing {shlex.quote(word)}" for word in cells.missing_words),
        *(f"--decimal {mark}" for mark in [cells.decimal] if mark),
        *(f"--strip {shlex.quote(characters)}" for characters in [cells.strip] if characters),
        *["--drop-repeats"] * encoder.drop_repeats,
    ]
    if options:
        yield printable(f"read with {' '.join(options)}")
