"""`minnet train` on a table in parts that the workers of a Dask cluster read and keep."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from minnet.cli import options
from minnet.cli.clusters import cluster, processes_here
from minnet.cli.train_report import Finished, notes_on_parts, summary
from minnet.errors import WorkerError

if TYPE_CHECKING:
    from minnet.cli.checkpoints import CommandCheckpointer
    from minnet.cli.reading import Reading
    from minnet.dask.training import Start
    from minnet.training.settings import TrainingSettings

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
    from minnet.data.files import REMOTE, find_files, is_pattern
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


def train(
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
    from minnet.cli.checkpoints import CommandCheckpointer
    from minnet.cli.progress import TrainingProgress
    from minnet.dask.training import train_on_parts
    from minnet.data.column_names import default_target
    from minnet.data.file_parts import FilePart
    from minnet.data.files import find_files, is_pattern

    if data == "-":
        raise click.UsageError("--scheduler needs files, not standard input")
    files = find_files(data) if is_pattern(data) else [data]
    first = FilePart(files[0], (), reading.cell_format, reading.no_header)
    chosen = default_target(first.names()) if target is None else target
    parts = [replace(first, path=file, text=(chosen,)) for file in files]
    progress = TrainingProgress(settings.epochs, resuming=resume, quiet=quiet)
    checkpointer: CommandCheckpointer | None = None

    def on_start(start: Start) -> CommandCheckpointer:
        nonlocal checkpointer
        options.report_reading(start.encoder, start.summary, quiet=quiet)
        counts = start.class_counts
        options.print_message(summary(start.encoder, start.summary.rows, counts), quiet=quiet)
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
                chosen,
                ignore,
                settings,
                on_start,
                progress.on_epoch,
                group=group or "",
                group_feature=group_feature,
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
