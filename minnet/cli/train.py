"""`minnet train`: learn from a labelled CSV, write a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from minnet.cli import clusters, options, setting_options, train_report
from minnet.cli.parameters import FILE
from minnet.cli.reading import Reading, reading_options
from minnet.cli.train_report import Finished
from minnet.errors import TrainingError, WorkerError, plural

if TYPE_CHECKING:
    from minnet.data.encoding import Encoder
    from minnet.data.summaries import TableSummary
    from minnet.data.table import Table
    from minnet.model.scores import Scores
    from minnet.training.settings import TrainingSettings


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
@options.scheduler_option
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
    scheduler: str | None,
    quiet: bool,
    **settings: Any,
) -> None:
    """Learn from a labelled CSV, write a model.

    DATA is a CSV or Parquet file with named columns, - for standard input, or a quoted pattern of
    files that hold a table in parts. With --scheduler, or if it does not fit into memory, it is
    read and kept in parts by the workers of a Dask cluster, and only parameters travel. On a
    terminal, Ctrl-C stops the training after its epoch and keeps the best so far. A training of
    over 30 seconds saves a checkpoint beside the model; after an interruption, the same command
    with --resume resumes from there and ends with the same model.

    \b
    Examples:
      minnet train iris.csv
      minnet train penguins.csv --target species --ignore year --plot loss.png
    """
    from minnet.cli import train_parts
    from minnet.model.model_file import refuse_to_overwrite, save
    from minnet.training.settings import TrainingSettings

    options.check_group(group, group_feature=group_feature)
    options.if_interrupted("no model was written")
    made_settings = TrainingSettings(**settings)
    options.check_output(model, data, check=refuse_to_overwrite)
    if picture:
        options.check_picture(picture, data, model)
    if scheduler is not None or train_parts.is_too_large(data, drop_repeats=drop_repeats):
        if drop_repeats:
            raise click.UsageError(train_parts.NO_DROP_REPEATS)
        clusters.refuse_workers(scheduler)
        finished = train_parts.train(
            data,
            target,
            ignore,
            reading,
            made_settings,
            scheduler,
            workers,
            group=group,
            group_feature=group_feature,
            path=model,
            resume=resume,
            quiet=quiet,
        )
    else:
        table, encoder, summary = options.read_training_data(
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
        finished = _train(
            table,
            encoder,
            summary,
            ignore,
            made_settings,
            model,
            workers,
            resume=resume,
            quiet=quiet,
        )
    trained, scores = finished.model, finished.scores
    save(trained, model)
    options.if_interrupted(f"{model} was written")
    if finished.stopped:
        options.print_message(finished.stopped, quiet=quiet)
    elif finished.checkpointer is not None:
        finished.checkpointer.remove()
    if picture:
        from minnet.plots import figure
        from minnet.plots.scores import plot_loss

        figure.save(plot_loss(trained), picture)
    if as_json:
        options.print_lines(json.dumps(train_report.document(trained, scores, model)))
    else:
        options.print_lines(train_report.report(trained, scores))
    if quiet:
        return
    train_report.print_notes(finished.notes)
    parameters = trained.network.values.shape[1]
    options.print_message(
        f"wrote {model} ({plural(len(trained.network), 'network')} of {parameters:,} parameters)"
        + (f" and {picture}" if picture else "")
    )
    options.print_message(f"next: {_hint(data, scores)}{options.unless_default(model)}")


def _train(
    table: Table,
    encoder: Encoder,
    summary: TableSummary,
    ignored: tuple[str, ...],
    settings: TrainingSettings,
    path: str,
    workers: int,
    *,
    resume: bool,
    quiet: bool,
) -> Finished:
    """Train on a table, with progress and checkpoints beside the model's path."""
    from minnet.cli.checkpoints import CommandCheckpointer
    from minnet.cli.progress import TrainingProgress
    from minnet.model.evaluation import judge
    from minnet.model.fit import fit_model
    from minnet.model.judges import judges_of_split, split

    whole = encoder.examples(table)
    examples = encoder.learned_from(whole)
    dealt = split(examples, settings)
    counts = examples.class_counts(len(encoder.class_names))
    options.print_message(train_report.summary(encoder, len(table), counts), quiet=quiet)
    progress = TrainingProgress(settings.epochs, resuming=resume, quiet=quiet)
    checkpointer = CommandCheckpointer(
        path,
        table.sha256,
        encoder,
        settings,
        len(examples),
        progress,
        resuming=resume,
        quiet=quiet,
    )
    try:
        with progress:
            model = fit_model(
                encoder,
                table,
                examples,
                dealt,
                settings,
                progress.on_epoch,
                checkpointer,
                workers,
            )
    except WorkerError as error:
        raise WorkerError(f"{error}{checkpointer.resume_hint}") from None
    except MemoryError:
        raise TrainingError(f"not enough memory{checkpointer.resume_hint}") from None
    return Finished(
        model,
        judge(model, examples, judges_of_split(dealt, examples), workers),
        [] if quiet else train_report.notes_on(model, table, summary, whole, ignored),
        progress.stopped(model.history, checkpointer.resume_hint),
        checkpointer,
    )


def _hint(data: str, scores: Scores) -> str:
    """Suggest a look at the row that the networks that never saw it got most wrong."""
    from minnet.model.evaluation import Evaluation

    if data == "-" or not isinstance(scores, Evaluation):
        return "minnet show"
    return f"minnet explain {options.quoted(data)} --row {scores.rows[scores.most_wrong] + 1}"
