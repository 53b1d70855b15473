"""`minnet compare`: two models on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from minnet.analysis.tuning import Comparison, compare
from minnet.cli import options
from minnet.data.cells import short_names
from minnet.errors import plural
from minnet.model.document import load
from minnet.report import Cells, Section, encode, percent


@options.command(
    "compare",
    click.argument("first", metavar="A"),
    click.argument("second", metavar="B"),
    "data",
    "json",
    "quiet",
)
def command(request: options.Request, first: str, second: str) -> None:
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
    request.print_result(
        lambda: _document(comparison, [first, second]),
        lambda: _report(comparison, *short_names([first, second])),
    )


def _report(comparison: Comparison, first: str, second: str) -> list[Section]:
    (accuracy, other), (loss, other_loss) = comparison.accuracies, comparison.log_losses
    low, high = comparison.accuracy_difference_interval
    rows = [
        [
            "accuracy",
            percent(accuracy),
            percent(other),
            f"{100 * (other - accuracy):+.1f} points",
            f"{100 * low:+.1f} to {100 * high:+.1f}",
        ],
        [
            "log loss, nats per row",
            *(f"{loss:.3f}", f"{other_loss:.3f}", f"{other_loss - loss:+.3f}"),
            "{:+z.3f} to {:+z.3f}".format(*comparison.log_loss_difference_interval),
        ],
    ]
    verdict = (
        "no difference in log loss was shown: chance alone could have made it "
        "(the interval includes 0)"
    )
    if comparison.better is not None:
        better = (first, second)[comparison.better]
        verdict = f"{better} is better: its log loss is {abs(other_loss - loss):.3f} lower"
    judges = [
        f"  {name}: {line}"
        for name, evaluation in zip((first, second), comparison.evaluations, strict=True)
        for line in (evaluation.judged_by, evaluation.selection)
        if line
    ]
    mcnemar = (
        f"correct with {first} alone {comparison.only_first:,}, with {second} alone "
        f"{comparison.only_second:,}",
        f"chance alone makes these so unequal with p = {comparison.p_value:.3g} (McNemar's test)",
    )
    heads = ["", first, second, "difference", "95 % interval"]
    return [
        Section(f"{plural(comparison.rows, 'row')} judged by both models", judges),
        Section("", [Cells(rows, heads)]),
        Section("", [*mcnemar, verdict]),
    ]


def _document(comparison: Comparison, names: Sequence[str]) -> dict[str, Any]:
    return {
        "models": names,
        "rows": comparison.rows,
        "accuracy": comparison.accuracies,
        "log_loss": comparison.log_losses,
        "accuracy_difference_95_interval": encode(comparison.accuracy_difference_interval),
        "log_loss_difference_95_interval": encode(comparison.log_loss_difference_interval),
        "correct_with_one_alone": [comparison.only_first, comparison.only_second],
        "mcnemar_p_value": comparison.p_value,
        "better": None if comparison.better is None else names[comparison.better],
        "scores": [evaluation.document() for evaluation in comparison.evaluations],
    }
