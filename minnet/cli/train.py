"""The checkpoint of a command that trains: whose it is, and how to go on from it.

What `minnet train` tells: what there is to learn from, how it went, and what is noteworthy.

`minnet train` on a table in parts that the workers of a Dask cluster read and keep.

`minnet train`: learn from a labelled CSV, write a model.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import click

import minnet
from minnet.arrays import IntArray
from minnet.cli import options, text
from minnet.cli.options import FILE, cluster, processes_here
from minnet.cli.progress import TrainingProgress
from minnet.cli.text import Reading, reading_options
from minnet.data.columns import TableSummary
from minnet.data.encoding import Encoder, Examples, Roles
from minnet.data.table import Table
from minnet.errors import TrainingError, WorkerError, in_list, plural
from minnet.model.model import Model
from minnet.model.scores import Scores
from minnet.training.checkpoint import Checkpointer
from minnet.training.settings import TrainingSettings

if TYPE_CHECKING:
    from minnet.dask.training import Start, Trained


class CommandCheckpointer(Checkpointer):
    """Saves the state of the training of a command beside the model's path.

    Parameters
    ----------
    content
        Tells the rows of the training table from all others.
    rows
        How many are learned from.

    Attributes
    ----------
    resume_hint
        How to resume from the checkpoint, to end a message with; empty if there is none.
    """

    def __init__(
        self,
        path: str,
        content: str,
        encoder: Encoder,
        settings: TrainingSettings,
        rows: int,
        progress: TrainingProgress,
        *,
        resuming: bool,
        quiet: bool,
    ) -> None:
        key = repr((minnet.__version__, content, vars(encoder), settings, rows))
        self.resume_hint = ""
        super().__init__(
            path,
            hashlib.sha256(key.encode()).hexdigest(),
            resuming=resuming,
            on_resume=progress.on_resume,
            on_save=self._tell,
            warn=lambda message: options.print_message(f"warning: {message}", quiet=quiet),
        )
        if self.others:
            others = ", ".join(self.others)
            options.print_message(
                f"note: checkpoints of other data or settings are kept: {others}", quiet=quiet
            )

    def _tell(self, epoch: int) -> None:
        self.resume_hint = (
            f"; the same command with --resume resumes after epoch {epoch}, from {self.path}"
        )
        options.if_interrupted(f"no model was written{self.resume_hint}")


MOST_NOTES = 20


class Finished(NamedTuple):
    """What a training came to.

    Attributes
    ----------
    stopped
        What to tell if Ctrl-C stopped it; else empty.
    checkpointer
        What is not needed any more once the model is saved.
    """

    model: Model
    scores: Scores
    notes: list[str]
    stopped: str
    checkpointer: Checkpointer | None = None


def data_summary(encoder: Encoder, rows: int, class_counts: IntArray) -> str:
    """Tell in a line what there is to learn from: so many rows, and those of each class."""
    from minnet.data.columns import NumericColumn

    numbers = sum(isinstance(column, NumericColumn) for column in encoder.columns)
    categories = len(encoder.columns) - numbers
    columns = [plural(numbers, "numeric column")] if numbers else []
    if categories:
        columns.append(plural(categories, "categorical column"))
    names = encoder.class_names
    counts = class_counts.tolist()
    classes = [
        f"{in_list(name)} {count:,}" for name, count in zip(names[:10], counts, strict=False)
    ]
    more = [f"... ({len(names)} classes)"] if len(names) > 10 else []
    left = f"{sum(counts):,} of " if sum(counts) < rows else ""
    return (
        f"{left}{plural(rows, 'row')}, {', '.join(columns)}, "
        f"target {encoder.target!r}: {', '.join(classes + more)}"
    )


def report(model: Model, scores: Scores) -> str:
    """Tell how the training went, and how good the model is."""
    history = model.history
    losses = history.holdout_loss.mean(axis=1, dtype="float64").tolist()
    majority, majority_share = scores.majority
    low, high = scores.accuracy_interval
    judged = "each judged by a network that never saw it"
    if len(model.network) == 1:
        judged = "by which the network chose its epoch: that flatters"
    correct = f"{scores.correct:,} of {plural(len(scores), 'row')}"
    return "\n".join(
        (
            f"holdout loss       {text.sparkline(losses)}  {losses[0]:.3f} -> "
            f"{history.kept_losses.mean():.3f} at {history.kept} of {len(history)}",
            f"accuracy           {correct} ({text.percent(scores.accuracy)}, 95 % interval "
            f"{100 * low:.1f}-{100 * high:.1f}),",
            f"                   {judged}",
            f"                   majority class {majority!r}: {text.percent(majority_share)}",
            f"log loss           {scores.log_loss:.3f} nats per row "
            f"(class shares: {scores.baseline_log_loss:.3f})",
            f"calibration error  {scores.calibration_in_words}",
            *scores.warnings,
        )
    )


def document(model: Model, scores: Scores, path: str) -> dict[str, Any]:
    """Tell the same as JSON."""
    from minnet.cli.evaluate import scores_document

    history = model.history
    return {
        "model": path,
        "networks": len(model.network),
        "parameters_per_network": model.network.values.shape[1],
        "epochs": len(history),
        "best_epochs": history.best_epochs.tolist(),
        "holdout_loss": float(history.kept_losses.mean()),
        **scores_document(scores),
    }


def notes_on(
    model: Model,
    table: Table,
    summary: TableSummary,
    examples: Examples,
    ignored: Collection[str],
) -> list[str]:
    """Tell what is noteworthy about a training table, its folds and the model of it."""
    from minnet.analysis.diagnostics import (
        are_repeats_by_chance,
        model_diagnostics,
        split_diagnostics,
        table_diagnostics,
    )

    by_chance = are_repeats_by_chance(model.encoder, table, examples)
    return [
        *table_diagnostics(model, table, summary, ignored, examples),
        *split_diagnostics(model, examples.repeats, by_chance=by_chance),
        *model_diagnostics(model, examples.features),
    ]


def notes_on_parts(trained: Trained, ignored: Collection[str]) -> list[str]:
    """Tell what is noteworthy about a training table in parts, and its folds."""
    from minnet.analysis.diagnostics import parts_diagnostics, split_diagnostics

    model = trained.model
    return [
        *parts_diagnostics(model, trained.summary, trained.parts, trained.class_counts, ignored),
        *split_diagnostics(model, trained.repeats, "--group", by_chance=model.folds.is_coarse),
    ]


def print_notes(notes: Sequence[str]) -> None:
    """Print the first notes, and how many more there are."""
    for note in notes[:MOST_NOTES]:
        options.print_message(f"note: {note}")
    if len(notes) > MOST_NOTES:
        options.print_message(f"note: ... and {len(notes) - MOST_NOTES:,} more notes")


# Measured at the peak of a training, in bytes for a byte of a file.
BYTES_OF_A_BYTE, BYTES_OF_A_PACKED_BYTE = 10, 40
PACKED = (".parquet", ".gz", ".bz2", ".xz")
NO_DROP_REPEATS = (
    "--drop-repeats needs the whole table on one machine: it does not go with --scheduler, nor "
    "with files that do not fit into memory"
)


def is_too_large(data: str, *, drop_repeats: bool) -> bool:
    """Whether files hold more than fits into the memory of this machine.

    A single one is tried all the same if it could not be trained on otherwise.
    """
    from minnet.data.csv import REMOTE, find_files, is_pattern
    from minnet.training.settings import total_memory

    if REMOTE in data:
        return False
    files = find_files(data) if is_pattern(data) else [data] if os.path.isfile(data) else []
    needed = sum(
        os.path.getsize(file)
        * (BYTES_OF_A_PACKED_BYTE if file.lower().endswith(PACKED) else BYTES_OF_A_BYTE)
        for file in files
    )
    if needed <= total_memory():
        return False
    if is_pattern(data):
        return True
    from importlib.util import find_spec

    return not drop_repeats and find_spec("distributed") is not None


def train_in_parts(
    data: str,
    target: str | None,
    ignore: tuple[str, ...],
    reading: Reading,
    settings: TrainingSettings,
    scheduler: str | None,
    workers: int,
    *,
    group: str | None,
    group_feature: bool,
    path: str,
    resume: bool,
    quiet: bool,
) -> Finished:
    """Train on the cluster of that scheduler, or else on one of processes here."""
    from minnet.cli.progress import TrainingProgress
    from minnet.dask.training import train_on_parts
    from minnet.data.cells import TableFormat, default_names
    from minnet.data.csv import find_files, is_pattern
    from minnet.data.table import FilePart

    if data == "-":
        raise click.UsageError("--scheduler needs files, not standard input")
    files = find_files(data) if is_pattern(data) else [data]
    naming = default_names if reading.no_header else None
    form = TableFormat(cells=reading.cell_format, name_columns=naming)
    roles = Roles(target, ignore, group or "", group_feature)
    if target is None:
        roles = replace(roles, target=roles.target_among(data, FilePart(files[0], form).names()))
    form = replace(form, text=(str(roles.target),))
    parts = [FilePart(file, form) for file in files]
    progress = TrainingProgress(settings.epochs, resuming=resume, quiet=quiet)
    checkpointer: CommandCheckpointer | None = None

    def on_start(start: Start) -> CommandCheckpointer:
        nonlocal checkpointer
        options.report_reading(start.encoder, start.summary, quiet=quiet)
        counts = start.class_counts
        options.print_message(data_summary(start.encoder, start.summary.rows, counts), quiet=quiet)
        progress.rows = int(counts.sum())
        checkpointer = CommandCheckpointer(
            path,
            start.content,
            start.encoder,
            settings,
            progress.rows,
            progress,
            resuming=resume,
            quiet=quiet,
        )
        stack.enter_context(progress)
        return checkpointer

    place = processes_here(workers) if scheduler is None else cluster(scheduler, quiet=quiet)
    try:
        with place as client, ExitStack() as stack:
            trained = train_on_parts(
                client,
                parts,
                roles,
                settings,
                on_start,
                progress.on_epoch,
                name=data,
            )
    except WorkerError as error:
        raise WorkerError(f"{error}{checkpointer.resume_hint if checkpointer else ''}") from None
    assert checkpointer is not None
    model = trained.model
    return Finished(
        model,
        trained.scores,
        notes_on_parts(trained, ignore),
        progress.stopped(model.history, checkpointer.resume_hint),
        checkpointer,
    )


@click.command("train")
@options.data_argument
@options.target_option
@options.ignore_option
@options.group_option
@options.group_feature_option
@options.drop_repeats_option
@options.model_option
@options.training_options()
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
    from minnet.model.document import refuse_to_overwrite, save
    from minnet.training.settings import TrainingSettings

    options.check_group(group, group_feature=group_feature)
    options.if_interrupted("no model was written")
    made_settings = TrainingSettings(**settings)
    options.check_output(model, data, check=refuse_to_overwrite)
    if picture:
        options.check_picture(picture, data, model)
    if scheduler is not None or is_too_large(data, drop_repeats=drop_repeats):
        if drop_repeats:
            raise click.UsageError(NO_DROP_REPEATS)
        options.refuse_workers(scheduler)
        finished = train_in_parts(
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
        options.print_lines(json.dumps(document(trained, scores, model)))
    else:
        options.print_lines(report(trained, scores))
    if quiet:
        return
    print_notes(finished.notes)
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
    from minnet.cli.progress import TrainingProgress
    from minnet.model.fit import fit_model
    from minnet.model.judges import judges_of_split, split
    from minnet.model.scores import judge

    whole = encoder.examples(table)
    examples = encoder.learned_from(whole)
    dealt = split(examples, settings)
    counts = examples.class_counts(len(encoder.class_names))
    options.print_message(data_summary(encoder, len(table), counts), quiet=quiet)
    progress = TrainingProgress(settings.epochs, resuming=resume, quiet=quiet)
    checkpointer = CommandCheckpointer(
        path,
        examples.digest,
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
        [] if quiet else notes_on(model, table, summary, whole, ignored),
        progress.stopped(model.history, checkpointer.resume_hint),
        checkpointer,
    )


def _hint(data: str, scores: Scores) -> str:
    """Suggest a look at the row that the networks that never saw it got most wrong."""
    from minnet.model.scores import Evaluation

    if data == "-" or not isinstance(scores, Evaluation):
        return "minnet show"
    return f"minnet explain {options.quoted(data)} --row {scores.rows[scores.most_wrong] + 1}"
