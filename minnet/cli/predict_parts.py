"""`minnet predict` for the files of a pattern: a file of predictions for each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minnet.cli import options
from minnet.cli.clusters import cluster
from minnet.cli.predict_files import predict_file
from minnet.data.files import REMOTE
from minnet.errors import FileError, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet.model.model import Model


def predict_parts(
    model: Model,
    data: str,
    folder: str,
    chosen: tuple[Sequence[str], Sequence[str]],
    path: str,
    scheduler: str | None,
    workers: int,
    *,
    quiet: bool,
) -> list[str]:
    """Write a file of predictions for each file of a pattern, each whole or not at all."""
    from minnet.cli.progress import Progress
    from minnet.data.files import find_files
    from minnet.training.spread import in_order

    files = find_files(data)
    outputs = {os.path.join(folder, _plain_name(file)): file for file in files}
    if len(outputs) < len(files):
        raise FileError(f"{data}: two of the files have one name, and would be written to one file")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: no folder to write to: {error.strerror or error}") from None
    options.check_outputs(outputs, data, path)
    progress = Progress("{}/{} files", len(files), quiet=quiet)
    notes: dict[str, None] = {}
    with cluster(scheduler, quiet=quiet) as client, progress:
        spread = workers if client is None else client
        # Workers elsewhere start from other folders.
        pairs = outputs.items() if client is None else map(_absolute, outputs.items())
        for of_file in in_order(spread, _predict_pair, pairs, model, *chosen):
            notes |= dict.fromkeys(of_file)
            progress.advance()
    options.print_message(f"wrote {plural(len(files), 'file')} to {folder}", quiet=quiet)
    return [*notes]


def _absolute(pair: tuple[str, str]) -> tuple[str, str]:
    output, file = pair
    return os.path.abspath(output), file if REMOTE in file else os.path.abspath(file)


def _predict_pair(
    model: Model, ids: Sequence[str], columns: Sequence[str], pair: tuple[str, str]
) -> list[str]:
    output, file = pair
    return predict_file(model, ids, columns, file, output)


def _plain_name(file: str) -> str:
    """Name what is written for a file: as that, but not packed."""
    name = os.path.basename(file)
    root, ending = os.path.splitext(name)
    return root if ending.lower() in (".gz", ".bz2", ".xz") else name
