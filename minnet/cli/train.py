"""`minnet train`: learn from a labelled CSV, write a model."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import click

import minnet
from minnet.cli import options, setting_options, text
from minnet.cli.parameters import FILE
from minnet.cli.reading import Reading, reading_options
from minnet.errors import TrainingError, WorkerError, in_list, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from minnet.data.encoding import Encoder
    from minnet.data.examples import Examples
    from minnet.data.table import Table
    from minnet.model.evaluation import Evaluation
    from minnet.model.model import Model
    from minnet.training.settings import TrainingSettings

MOST_NOTES = 20


@click.command("train")
@options.data_argument
@options.target_option
@options.ignore_option
@options.group_option
@options.group_feature_option
@options.drop_repeats_option
@options.model_option
@setting_options.training_options()
@reading_options
@click.option("--plot", "picture", type=FILE, help="Also draw the loss curves.")
@click.option(
    "--resume", is_flag=True, help="Resume from the checkpoint of an interrupted training."
)
@options.json_option
@options.workers_option
@options.quiet_option
def command(
    data: str,
    target: str | None,
    ignore: tuple[str, ...],
    group: str | None,
    group_feature: bool,
    drop_repeats: bool,
    model: str,
    reading: Reading,
    picture: str | None,
    resume: bool,
    as_json: bool,
    workers: int,
    quiet: bool,
    **settings: Any,
) -> None:
    """Learn from a labelled CSV, write a model.

    DATA is a CSV file with a header line, or - for standard input. On a terminal, Ctrl-C stops the
    training after its epoch and keeps the best so far. One that lasts over 30 seconds saves a
    checkpoint beside the model; after an interruption, the same command with --resume resumes from
    there and ends with the same model.

    \b
    Examples:
      minnet train iris.csv
      minnet train penguins.csv --target species --ignore year --plot loss.png
    """
    from minnet.cli.progress import TrainingProgress
    from minnet.model.evaluation import judge
    from minnet.model.fit import fit_model
    from minnet.model.judges import judges_of_split, split
    from minnet.model.model_file import refuse_to_overwrite, save
    from minnet.training.checkpoint import Checkpointer
    from minnet.training.settings import TrainingSettings

    options.check_group(group, group_feature=group_feature)
    options.if_interrupted("no model was written")
    made_settings = TrainingSettings(**settings)
    options.check_output(model, data, check=refuse_to_overwrite)
    if picture:
        options.check_picture(picture, data, model)
    table, encoder = options.read_training_data(
        data,
        target,
        ignore,
        reading,
        group,
        group_feature=group_feature,
        drop_repeats=drop_repeats,
        workers=workers,
        quiet=quiet,
    )
    whole = encoder.examples(table)
    examples = encoder.learned_from(whole)
    dealt = split(examples, made_settings)
    options.print_message(summary(encoder, table, examples), quiet=quiet)
    progress = TrainingProgress(made_settings.epochs, resuming=resume, quiet=quiet)
    way_on = ""

    def on_save(epoch: int) -> None:
        nonlocal way_on
        way_on = (
            f"; the same command with --resume resumes after epoch {epoch}, "
            f"from {checkpointer.path}"
        )
        options.if_interrupted(f"no model was written{way_on}")

    checkpointer = Checkpointer(
        model,
        _key(table, encoder, made_settings, len(examples)),
        resuming=resume,
        on_resume=progress.on_resume,
        on_save=on_save,
        warn=lambda message: options.print_message(f"warning: {message}", quiet=quiet),
    )
    if checkpointer.others:
        others = ", ".join(checkpointer.others)
        options.print_message(
            f"note: checkpoints of other data or settings are kept: {others}", quiet=quiet
        )
    try:
        with progress:
            trained = fit_model(
                encoder,
                table,
                examples,
                dealt,
                made_settings,
                progress.on_epoch,
                checkpointer,
                workers,
            )
    except WorkerError as error:
        raise WorkerError(f"{error}{way_on}") from None
    except MemoryError:
        raise TrainingError(f"not enough memory{way_on}") from None
    evaluation = judge(trained, examples, judges_of_split(dealt), workers)
    notes = [] if quiet else notes_on(trained, table, whole, ignore)
    save(trained, model)
    options.if_interrupted(f"{model} was written")
    if progress.has_stopped:
        history = trained.history
        stopped = f"stopped after epoch {len(history)}: kept {history.kept}{way_on}"
        options.print_message(stopped, quiet=quiet)
    else:
        checkpointer.remove()
    if picture:
        from minnet.plots import figure, scores

        figure.save(scores.plot_loss(trained), picture)
    if as_json:
        options.print_lines(json.dumps(_document(trained, evaluation, model)))
    else:
        options.print_lines(_report(trained, evaluation))
    if quiet:
        return
    print_notes(notes)
    parameters = trained.network.values.shape[1]
    options.print_message(
        f"wrote {model} ({plural(len(trained.network), 'network')} of {parameters:,} parameters)"
        + (f" and {picture}" if picture else "")
    )
    options.print_message(f"next: {_hint(data, evaluation)}{options.unless_default(model)}")


def notes_on(model: Model, table: Table, examples: Examples, ignored: Collection[str]) -> list[str]:
    """Tell what is noteworthy about a training table, its folds and the model of it."""
    from minnet.analysis.diagnostics import (
        model_diagnostics,
        split_diagnostics,
        table_diagnostics,
    )

    return [
        *table_diagnostics(model, table, ignored),
        *split_diagnostics(model, examples),
        *model_diagnostics(model, examples.features),
    ]


def print_notes(notes: Sequence[str]) -> None:
    """Print the first notes, and how many more there are."""
    for note in notes[:MOST_NOTES]:
        options.print_message(f"note: {note}")
    if len(notes) > MOST_NOTES:
        options.print_message(f"note: ... and {len(notes) - MOST_NOTES:,} more notes")


def _key(table: Table, encoder: Encoder, settings: TrainingSettings, rows: int) -> str:
    """Tell a training from all others: by its data, its columns, its settings and the program."""
    return hashlib.sha256(
        repr((minnet.__version__, table.sha256, vars(encoder), settings, rows)).encode()
    ).hexdigest()


def summary(encoder: Encoder, table: Table, examples: Examples) -> str:
    """Tell in a line what there is to learn from."""
    import numpy as np

    from minnet.data.columns import NumericColumn

    numbers = sum(isinstance(column, NumericColumn) for column in encoder.columns)
    categories = len(encoder.columns) - numbers
    columns = [plural(numbers, "numeric column")] if numbers else []
    if categories:
        columns.append(plural(categories, "categorical column"))
    names = encoder.class_names
    counts = np.bincount(examples.labels, minlength=len(names)).tolist()
    classes = [
        f"{in_list(name)} {count:,}" for name, count in zip(names[:10], counts, strict=False)
    ]
    more = [f"... ({len(names)} classes)"] if len(names) > 10 else []
    left = f"{len(examples):,} of " if len(examples) < len(table) else ""
    return (
        f"{left}{plural(len(table), 'row')}, {', '.join(columns)}, "
        f"target {encoder.target!r}: {', '.join(classes + more)}"
    )


def _report(model: Model, evaluation: Evaluation) -> str:
    from minnet.cli.evaluate import nothing_learned

    history = model.history
    losses = history.holdout_loss.mean(axis=1).tolist()
    majority, majority_share = evaluation.majority
    low, high = evaluation.accuracy_interval
    judged = "each judged by a network that never saw it"
    if len(model.network) == 1:
        judged = "by which the network chose its epoch: that flatters"
    correct = f"{evaluation.correct:,} of {plural(len(evaluation), 'row')}"
    return "\n".join(
        (
            f"holdout loss  {text.sparkline(losses)}  {losses[0]:.3f} -> "
            f"{history.kept_losses.mean():.3f} at {history.kept} of {len(history)}",
            f"accuracy      {correct} ({text.percent(evaluation.accuracy)}, 95 % interval "
            f"{100 * low:.1f}-{100 * high:.1f}),",
            f"              {judged}",
            f"              majority class {majority!r}: {text.percent(majority_share)}",
            f"log loss      {evaluation.log_loss:.3f} nats per row "
            f"(class shares: {evaluation.baseline_log_loss:.3f})",
            *nothing_learned(evaluation),
        )
    )


def _document(model: Model, evaluation: Evaluation, path: str) -> dict[str, Any]:
    from minnet.cli.evaluate import scores_document

    history = model.history
    return {
        "model": path,
        "networks": len(model.network),
        "parameters_per_network": model.network.values.shape[1],
        "epochs": len(history),
        "best_epochs": history.best_epochs.tolist(),
        "holdout_loss": float(history.kept_losses.mean()),
        **scores_document(evaluation),
    }


def _hint(data: str, evaluation: Evaluation) -> str:
    """Suggest a look at the row that the networks that never saw it got most wrong."""
    if data == "-":
        return "minnet show"
    return (
        f"minnet explain {options.quoted(data)} --row {evaluation.rows[evaluation.most_wrong] + 1}"
    )
