"""`minnet compare`: two models on the same rows."""

from __future__ import annotations

import json
import math
import os
from typing import Any

import click

from minnet.analysis.comparison import Comparison, compare
from minnet.cli import options, text
from minnet.cli.options import Request
from minnet.data.cells import short_names
from minnet.errors import plural
from minnet.model.document import load


@options.command(
    "compare",
    click.argument("first", metavar="A"),
    click.argument("second", metavar="B"),
    "data",
    "json",
    "quiet",
)
def command(request: Request, first: str, second: str) -> None:
    """Two models on the same rows of DATA.

    Each row that a model knows from its training table is judged by networks that held it out.
    Differences are paired by row, with a 95 % interval, and McNemar's test for the accuracy.

    \b
    Examples:
      minnet compare model.json wide.json iris.csv
      minnet compare old.json new.json fresh.csv --json
    """
    if request.data == "-":
        raise click.UsageError("each model reads DATA in its own way: name a file, not -")
    models = load(first), load(second)
    comparison = compare(*models, *(request.read_data(model.encoder) for model in models))
    if request.as_json:
        options.print_lines(json.dumps(_document(comparison, first, second)))
    else:
        options.print_lines(_report(comparison, *short_names([first, second])))


def _report(comparison: Comparison, first: str, second: str) -> str:
    accuracies = [text.percent(accuracy) for accuracy in comparison.accuracies]
    low, high = comparison.accuracy_gain_interval
    losses = [f"{loss:.3f}" for loss in comparison.log_losses]
    rows = [
        ["", first, second, "difference", "95 % interval"],
        [
            "accuracy",
            *accuracies,
            f"{100 * (comparison.accuracies[1] - comparison.accuracies[0]):+.1f} points",
            f"{100 * low:+.1f} to {100 * high:+.1f}",
        ],
        [
            "log loss, nats per row",
            *losses,
            f"{comparison.log_losses[1] - comparison.log_losses[0]:+.3f}",
            "{:+.3f} to {:+.3f}".format(*_loss_interval(comparison)),
        ],
    ]
    return "\n".join(
        (
            f"{plural(comparison.rows, 'row')} judged by both models",
            *(
                f"  {name}: {line}"
                for name, evaluation in zip((first, second), comparison.evaluations, strict=True)
                for line in (evaluation.judged_by, evaluation.selection)
                if line
            ),
            "",
            text.table(rows),
            "",
            f"correct with {first} alone {comparison.only_first:,}, with {second} alone "
            f"{comparison.only_second:,}: McNemar's test p = {comparison.p_value:.3g}",
            _verdict(comparison, first, second),
        )
    )


def _verdict(comparison: Comparison, first: str, second: str) -> str:
    if comparison.better is None:
        return (
            "no difference in log loss was shown: chance alone could have made it "
            "(the interval includes 0)"
        )
    difference = abs(comparison.log_losses[0] - comparison.log_losses[1])
    return f"{(first, second)[comparison.better]} is better: its log loss is {difference:.3f} lower"


def _loss_interval(comparison: Comparison) -> tuple[float, float]:
    low, high = comparison.log_loss_gain_interval
    return 0.0 - high, 0.0 - low


def _document(comparison: Comparison, first: str, second: str) -> dict[str, Any]:
    from minnet.cli.evaluate import scores_document

    names = [os.fspath(first), os.fspath(second)]
    return {
        "models": names,
        "rows": comparison.rows,
        "accuracy": list(comparison.accuracies),
        "log_loss": list(comparison.log_losses),
        "accuracy_difference_95_interval": _finite(comparison.accuracy_gain_interval),
        "log_loss_difference_95_interval": _finite(_loss_interval(comparison)),
        "correct_with_one_alone": [comparison.only_first, comparison.only_second],
        "mcnemar_p_value": comparison.p_value,
        "better": None if comparison.better is None else names[comparison.better],
        "scores": [scores_document(evaluation) for evaluation in comparison.evaluations],
    }


def _finite(bounds: tuple[float, float]) -> list[float | None]:
    return [bound if math.isfinite(bound) else None for bound in bounds]
