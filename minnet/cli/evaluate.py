"""`minnet evaluate`: how good is a model, on rows it never trained on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from minnet.cli import options
from minnet.data.table import Table
from minnet.errors import plural
from minnet.model.diagnostics import is_changed_table
from minnet.model.model import Model
from minnet.model.scores import Evaluation, evaluate
from minnet.report import attributes

FAILED_UNDER = 3
OF_SUBSETS = "judged_by", "accuracy", "accuracy_interval", "log_loss"


@options.command(
    "evaluate",
    "data",
    "model",
    options.option(
        "--fail-under",
        float,
        "Exit with 3 if the accuracy (0 to 1) is below.",
        metavar="ACCURACY",
    ),
    "threshold",
    options.option("--new", bool, "All rows are new, whatever they look like: all networks judge."),
    *options.RUNNING,
)
def command(request: options.Request, fail_under: float | None, new: bool) -> None:
    """How good a model is, on held-out rows.

    A row that is in the training table, in whatever order or format, is judged by the network that
    held it out; a new one by the mean of all.

    \b
    Examples:
      minnet evaluate iris.csv
      minnet evaluate fresh.csv --fail-under 0.9
    """
    if fail_under is not None and not 0 <= fail_under <= 1:
        raise click.UsageError(f"--fail-under: {fail_under} is not between 0 and 1")
    model = request.load_model()
    table = request.read_data(model.encoder)
    with request.cluster() as workers:
        evaluation = evaluate(model, table, new=new, workers=workers)
    request.note(_notes(model, table, evaluation, new=new))
    request.print_result(lambda: _document(evaluation), evaluation.report)
    if fail_under is not None and evaluation.accuracy < fail_under:
        request.say(f"accuracy {evaluation.accuracy:.4f} is below {fail_under:g}")
        click.get_current_context().exit(FAILED_UNDER)
    if request.data != "-":
        wrong = evaluation.observed_probability.argmin()
        label = model.class_names[evaluation.labels[wrong]]
        request.suggest(
            f"minnet explain {options.quoted(request.data)} --row {evaluation.rows[wrong] + 1}",
            f"its class {label!r} got {evaluation.observed_probability[wrong]:.3f}, the least",
        )


def _notes(model: Model, table: Table, evaluation: Evaluation, *, new: bool) -> Iterator[str]:
    if evaluation.repeats:
        yield f"{plural(evaluation.repeats, 'row')} that repeated others left out, as in training"
    yield from model.encoder.unseen(table)
    if model.encoder.weights and evaluation.weights is None:
        yield f"there is no column {model.encoder.weights!r} of weights: all rows count alike"
    if evaluation.copies:
        copies = plural(evaluation.copies, "row")
        yield (
            f"{copies} repeat training rows that are judged already: they count once in intervals"
        )
    if not (evaluation.out_of_fold or new) and is_changed_table(model, table):
        yield (
            "this table looks like the training table with other numbers in its cells: if its "
            "rows are those, all networks have seen them, and these scores flatter"
        )


def _document(evaluation: Evaluation) -> dict[str, Any]:
    subsets = {
        name: {"rows": len(subset), **attributes(subset, *OF_SUBSETS)}
        for name, subset in evaluation.subsets.items()
    }
    return evaluation.document() | {"subsets": subsets}
