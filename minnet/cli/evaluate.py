"""`minnet evaluate`: how good is a model, on rows it never trained on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import click

from minnet.analysis.diagnostics import is_changed_table
from minnet.cli import options, text
from minnet.cli.options import Request
from minnet.data.cells import short_names
from minnet.data.table import Table
from minnet.errors import plural
from minnet.model.model import Model
from minnet.model.scores import Evaluation, Scores, evaluate

FAILED_UNDER = 3
OF_SUBSETS = "rows", "judged_by", "accuracy", "accuracy_95_interval", "log_loss"


def _check_share(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if value is not None and not 0 <= value <= 1:
        raise click.BadParameter(f"{value} is not between 0 and 1")
    return value


@options.command(
    "evaluate",
    "data",
    "model",
    "json",
    click.option(
        "--fail-under",
        type=float,
        callback=_check_share,
        metavar="ACCURACY",
        help="Exit with 3 if the accuracy (0 to 1) is below.",
    ),
    click.option(
        "--threshold",
        type=float,
        callback=_check_share,
        metavar="PROBABILITY",
        help="Of two classes, predict the second from this probability on.  [default: 0.5]",
    ),
    click.option(
        "--new", is_flag=True, help="All rows are new, whatever they look like: all networks judge."
    ),
    "workers",
    "scheduler",
    "quiet",
)
def command(request: Request, fail_under: float | None, threshold: float | None, new: bool) -> None:
    """How good a model is, on held-out rows.

    A row that is in the training table, in whatever order or format, is judged by the network that
    held it out; a new one by the mean of all.

    \b
    Examples:
      minnet evaluate iris.csv
      minnet evaluate fresh.csv --fail-under 0.9
    """
    model = request.load_model()
    if threshold is not None and len(model.class_names) != 2:
        raise click.UsageError(f"--threshold needs two classes: there are {len(model.class_names)}")
    table = request.read_data(model.encoder)
    with request.cluster() as client:
        evaluation = evaluate(model, table, new=new, workers=request.workers, executor=client)
    if threshold is not None:
        evaluation = replace(evaluation, threshold=threshold)
    request.note(_notes(model, table, evaluation, new=new))
    if request.as_json:
        subsets = {
            name: {
                key: value for key, value in scores_document(subset).items() if key in OF_SUBSETS
            }
            for name, subset in evaluation.subsets.items()
        }
        options.print_lines(json.dumps(scores_document(evaluation) | {"subsets": subsets}))
    else:
        options.print_lines(_report(evaluation))
    if fail_under is not None and evaluation.accuracy < fail_under:
        request.say(f"accuracy {evaluation.accuracy:.4f} is below {fail_under:g}")
        click.get_current_context().exit(FAILED_UNDER)


def _notes(model: Model, table: Table, evaluation: Evaluation, *, new: bool) -> Iterator[str]:
    if evaluation.repeats:
        yield f"{plural(evaluation.repeats, 'row')} that repeated others left out, as in training"
    yield from model.encoder.unseen(table)
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


def scores_document(evaluation: Scores) -> dict[str, Any]:
    """Every score, unrounded; `null` where there is nothing to divide by."""
    majority, majority_accuracy = evaluation.majority
    by_chance, limit = evaluation.chance_calibration_errors
    return {
        "rows": len(evaluation),
        "judged_by": "networks that never saw the row"
        if evaluation.out_of_fold
        else "all networks",
        "rows_in_training_table": evaluation.known,
        "rows_in_training_table_is_exact": evaluation.is_exact,
        "new_rows": evaluation.new if evaluation.out_of_fold else len(evaluation),
        "repeats_left_out": evaluation.repeats,
        "correct": evaluation.correct,
        "accuracy": evaluation.accuracy,
        "accuracy_95_interval": list(evaluation.accuracy_interval),
        "majority_class": majority,
        "majority_accuracy": majority_accuracy,
        "log_loss": evaluation.log_loss,
        "class_shares_log_loss": evaluation.baseline_log_loss,
        "log_loss_gain_95_interval": [
            _or_none(bound) for bound in evaluation.log_loss_gain_interval
        ],
        "learned": evaluation.is_learned,
        "balanced_accuracy": evaluation.balanced_accuracy,
        "area_under_roc_curve": _or_none(evaluation.area_under_roc_curve),
        "average_precision": _or_none(evaluation.average_precision),
        "calibration_error": evaluation.calibration_error,
        "calibration_error_by_chance": by_chance,
        "calibration_error_chance_limit": limit,
        "top_label_calibration_error": evaluation.top_label_calibration_error,
        "warnings": evaluation.warnings,
        "classes": {
            name: {key: _or_none(score) for key, score in scores._asdict().items()}
            for name, scores in evaluation.class_scores.items()
        },
        "confusion": evaluation.confusion.tolist(),
        "selection": asdict(evaluation.selection) if evaluation.selection else None,
    }


def _or_none(score: float) -> float | None:
    return score if math.isfinite(score) else None


def _report(evaluation: Evaluation) -> str:
    majority, majority_share = evaluation.majority
    low, high = evaluation.accuracy_interval
    correct, accuracy = evaluation.correct, text.percent(evaluation.accuracy)
    names = short_names(evaluation.class_names)
    whose = "each class against the rest, mean"
    if len(names) == 2:
        whose = (
            f"{names[1]!r}, {text.percent(evaluation.class_counts[1] / len(evaluation))} of rows"
        )
    scores = [
        [name, *(_share(score) for score in scores[:3]), f"{scores.rows:,}"]
        for name, scores in zip(names, evaluation.class_scores.values(), strict=True)
    ]
    confusion = [
        [name, *(f"{count:,}" for count in row)]
        for name, row in zip(names, evaluation.confusion.tolist(), strict=True)
    ]
    return "\n".join(
        (
            f"{plural(len(evaluation), 'row')}, {evaluation.judged_by}",
            *([str(evaluation.selection)] if evaluation.selection else ()),
            *_threshold(evaluation),
            *_subsets(evaluation),
            f"accuracy           {correct:,} correct ({accuracy}, "
            f"95 % interval {100 * low:.1f}-{100 * high:.1f})",
            f"                   majority class {majority!r}: {text.percent(majority_share)}",
            f"log loss           {evaluation.log_loss:.3f} nats per row "
            f"(class shares: {evaluation.baseline_log_loss:.3f})",
            f"calibration error  {evaluation.calibration_in_words}",
            f"balanced accuracy  {text.percent(evaluation.balanced_accuracy)}",
            f"area under ROC     {_share(evaluation.area_under_roc_curve)} ({whose})",
            f"average precision  {_share(evaluation.average_precision)}",
            *evaluation.warnings,
            "",
            text.table([["class", "precision", "recall", "F1", "rows"], *scores]),
            "",
            text.table([["observed \\ predicted", *names], *confusion]),
        )
    )


def _threshold(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.threshold != 0.5:
        yield f"predicted {evaluation.class_names[1]!r} from p = {evaluation.threshold:g} on"


def _subsets(evaluation: Evaluation) -> Iterator[str]:
    for name, subset in evaluation.subsets.items():
        low, high = subset.accuracy_interval
        yield (
            f"  {name.replace('_', ' '):<17}{plural(len(subset), 'row')}: accuracy "
            f"{text.percent(subset.accuracy)} (95 % interval {100 * low:.1f}-{100 * high:.1f}), "
            f"log loss {subset.log_loss:.3f}"
        )


def _share(score: float) -> str:
    return "-" if math.isnan(score) else f"{score:.3f}"
