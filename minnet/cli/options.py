"""Kinds of parameters: files, columns and choices, and what a shell offers for them behind Tab.

The options of the training settings, each with the setting's own default.

Options that several commands share, and the files they name.

The cluster that a command works on, if it is asked to.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, get_args

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from minnet.analysis.tuning import shown_value
from minnet.cli import INTERRUPTED
from minnet.cli.text import Reading
from minnet.data.cells import TableFormat
from minnet.data.columns import TableSummary
from minnet.data.csv import CsvReader
from minnet.data.encoding import Encoder
from minnet.data.table import FilePart, Reader, Table
from minnet.errors import DataError, FileError, MinnetError, did_you_mean, plural, printable
from minnet.storage import check_replaceable
from minnet.training.settings import (
    BATCH_SIZE,
    LARGE_BATCH_SIZE,
    LEARNING_RATES,
    SMALL_TABLE,
    LossName,
    OptimizerName,
    TrainingSettings,
)


class _File(click.ParamType):  # type: ignore[type-arg]  # no type takes one in click 8.2
    """Name of a file; nothing is looked up yet."""

    name = "file"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


class _Column(click.ParamType):  # type: ignore[type-arg]
    """Name of a column of DATA: offered if DATA stands before it and its header can be read."""

    name = "column"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        # While its value is missing, click leaves what it has read in `args`.
        data = next(filter(_is_file, [ctx.params.get("data"), *ctx.args]), None)
        return offered(_names(data), incomplete) if data else []


class _HiddenSizes(click.ParamType):  # type: ignore[type-arg]
    """Reads `32`, or `16,16` for two layers, or `0` for none."""

    name = "text"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if value.strip() == "0":
            return ()
        sizes = [size.strip() for size in value.split(",")]
        if not all(size.isascii() and size.isdigit() and len(size) < 20 for size in sizes):
            self.fail(f"{value!r} is not a width like 32 or a list like 16,16", param, ctx)
        return tuple(map(int, sizes))


class Choice(click.Choice):  # type: ignore[type-arg]
    """One of some words; another one is answered with the nearest of them."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Say which word was perhaps meant, or else which there are."""
        if guess := did_you_mean(str(value), self.choices):
            return f"{value!r} is unknown{guess}"
        return super().get_invalid_choice_message(value, ctx)


FILE = _File()
COLUMN = _Column()
HIDDEN = _HiddenSizes()


def _is_file(name: str | None) -> bool:
    return name is not None and os.path.isfile(name)


def _names(data: str) -> list[str]:
    """Names of the columns of a table, as --no-header has them if it needs that; none on errors."""
    from minnet.data.cells import default_names

    for naming in (None, default_names):
        with suppress(MinnetError, OSError), open(data, "rb") as file:
            return CsvReader(file, data, naming).names
    with suppress(MinnetError, OSError):
        return FilePart(data).names()
    return []


def offered(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Those of the names that begin like this, written as the shell takes them.

    bash alone puts a word on the command line as it is, so for bash it is quoted.
    """
    is_bash = os.environ.get("_MINNET_COMPLETE", "").startswith("bash")
    return [
        CompletionItem(shlex.quote(name) if is_bash else name)
        for name in names
        if name.startswith(incomplete) and name.isprintable()
    ]


Decorated = TypeVar("Decorated", bound="Callable[..., Any]")
DEFAULTS = TrainingSettings()


def _setting(name: str, text: str, **details: Any) -> dict[str, Any]:
    """Describe the option of a training setting, with the setting's own default."""
    return {"help": text, "default": getattr(DEFAULTS, name), "show_default": True} | details


_RATES = ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())
_SIZES = f"{BATCH_SIZE}, or {LARGE_BATCH_SIZE} for over {SMALL_TABLE:,} rows"
_SETTING_OPTIONS = {
    "networks": _setting("networks", "Networks trained together.", type=int),
    "hidden": _setting(
        "hidden",
        "Width of each hidden layer: 32, or 16,16 for two, 0 for none.",
        type=HIDDEN,
        default=",".join(map(str, DEFAULTS.hidden)),
    ),
    "bins": _setting(
        "bins",
        "Piecewise-linear features beside each number, 8 for instance; 0 for none.",
        type=int,
    ),
    "epochs": _setting("epochs", "Maximum epochs: passes over the rows.", type=int),
    "patience": _setting(
        "patience", "Stop after so many epochs without a better holdout loss.", type=int
    ),
    "learning_rate": _setting("learning_rate", f"Learning rate.  [default: {_RATES}]", type=float),
    "batch_size": _setting("batch_size", f"Batch size, in rows.  [default: {_SIZES}]", type=int),
    "weight_decay": _setting(
        "weight_decay", "How strongly weights are pulled towards 0.", type=float
    ),
    "optimizer": _setting("optimizer", "Optimizer.", type=Choice(get_args(OptimizerName))),
    "loss": _setting("loss", "Loss that training minimizes.", type=Choice(get_args(LossName))),
    "balanced": _setting(
        "balanced", "Weight each class by 1 / its frequency.", is_flag=True, show_default=False
    ),
    "seed": _setting("seed", "Random seed.", type=int),
}


def training_options(*left_out: str) -> Callable[[Decorated], Decorated]:
    """Add an option for each training setting, but for those left out."""

    def decorate(function: Decorated) -> Decorated:
        for name, details in reversed(_SETTING_OPTIONS.items()):
            if name not in left_out:
                function = click.option(f"--{name.replace('_', '-')}", **details)(function)
        return function

    return decorate


def tried_options(tried: Mapping[str, Sequence[Any]]) -> Callable[[Decorated], Decorated]:
    """Add an option for each training setting, to be given once or as several values to try.

    Parameters
    ----------
    tried
        The values of each setting that has several if it is not given.
    """

    def decorate(function: Decorated) -> Decorated:
        for name, details in reversed(_SETTING_OPTIONS.items()):
            flag = f"--{name.replace('_', '-')}"
            if details.get("is_flag") or name == "networks":
                function = click.option(flag, **details)(function)
                continue
            text = details["help"]
            values = tried.get(name, [details["default"]])
            if values != [None]:
                known = (DEFAULTS.effective_learning_rate if v is None else v for v in values)
                shown = ", ".join(map(shown_value, known))
                text = f"{text.partition('  [')[0]}  [default: {shown}]"
            several = {"help": text, "multiple": True, "default": None, "show_default": False}
            function = click.option(flag, **(details | several))(function)
        return function

    return decorate


data_argument = click.argument("data", type=FILE)
model_option = click.option(
    "-m", "--model", default="model.json", show_default=True, type=FILE, help="The model."
)
target_option = click.option(
    "-t", "--target", type=COLUMN, help="The label column.  [default: the last one]"
)
ignore_option = click.option(
    "--ignore", multiple=True, type=COLUMN, help="Leave a column out (repeatable)."
)
group_option = click.option(
    "--group",
    type=COLUMN,
    help="Keep rows with the same value (a patient, a shop) in one fold; no feature.",
)
group_feature_option = click.option(
    "--group-feature", is_flag=True, help="Use the group column as a feature as well."
)
drop_repeats_option = click.option(
    "--drop-repeats", is_flag=True, help="Train on one of each set of rows that repeat each other."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
workers_option = click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    callback=lambda context, _, value: value or context.obj or 1,
    help="Processes to use; no result depends on it.  [default: the cores there are]",
)
scheduler_option = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Work on the Dask cluster of this scheduler, such as tcp://host:8786.",
)
quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="No messages: progress, notes, hints."
)


def check_group(group: str | None, *, group_feature: bool) -> None:
    """Refuse `--group-feature` without the group."""
    if group_feature and group is None:
        raise click.UsageError("--group-feature needs --group COLUMN")


@contextmanager
def open_data(
    data: str, encoder: Encoder | None = None, *, no_header: bool = False
) -> Iterator[Reader]:
    """Open DATA, `-` for standard input; with an `encoder`, in the form its model was trained on.

    Raises
    ------
    DataError
        If the file cannot be read, or is neither CSV nor Parquet.
    """
    from minnet.data.cells import default_names

    _claim_memory()
    naming: Callable[[Sequence[str]], list[str]] | None = default_names if no_header else None
    if encoder is not None and encoder.unnamed_columns:
        naming = encoder.names_without_header
    if data == "-":
        if sys.stdin is None:
            raise DataError("standard input is closed")
        yield CsvReader(sys.stdin.buffer, "standard input", naming)
        return
    with FilePart(data, TableFormat(name_columns=naming), folder="").open() as reader:
        if no_header and not isinstance(reader, CsvReader):
            raise click.UsageError("--no-header is for CSV: a Parquet file names its columns")
        yield reader


def _claim_memory() -> None:
    """Have numpy's linear algebra take its memory now, while there is some.

    OpenBLAS takes it at the first product that is not small, and without it ends the process,
    which leaves a file half written if one is open by then.
    """
    import numpy as np

    matrix = np.ones((128, 128), np.float32)
    matrix @ matrix


def read_data(data: str, encoder: Encoder, workers: int = 1) -> Table:
    """Read all of DATA, at least one row, as the model's training table was read."""
    return _read(data, partial(open_data, encoder=encoder), encoder.form, workers)


def read_training_data(
    data: str,
    target: str | None,
    ignore: tuple[str, ...],
    reading: Reading,
    group: str | None = None,
    *,
    group_feature: bool = False,
    drop_repeats: bool = False,
    workers: int = 1,
    quiet: bool,
) -> tuple[Table, Encoder, TableSummary]:
    """Read all of DATA to learn from it, and report how; the default target is the last column."""
    from minnet.data.columns import summarize
    from minnet.data.encoding import Encoder, Roles

    roles = Roles(target, ignore, group or "", group_feature, drop_repeats)
    form = replace(roles.form, cells=reading.cell_format)
    opening = partial(open_data, no_header=reading.no_header)
    table = _read(data, opening, form, workers)
    summary = summarize(table, ignore)
    encoder = Encoder.from_summary(summary, roles)
    report_reading(encoder, summary, quiet=quiet)
    return table, encoder, summary


def _read(
    data: str,
    opening: Callable[[str], AbstractContextManager[Reader]],
    form: TableFormat,
    workers: int,
) -> Table:
    """Read the file that DATA names, or all files of the pattern that it is, as one table."""
    from minnet.data.csv import files_of
    from minnet.data.table import Table
    from minnet.training.workers import in_order

    spread = None if workers == 1 else partial(in_order, workers)
    source = "standard input" if data == "-" else data
    table = Table.from_files(map(opening, files_of(data)), source, form, spread)
    if not len(table):
        raise DataError(f"{table.source}: a header but no rows")
    return table


def report_reading(encoder: Encoder, summary: TableSummary, *, quiet: bool) -> None:
    """Print how DATA was read where it might have been meant otherwise.

    Labels that were left out are told even if messages are suppressed, because that may have left
    out a class.
    """
    from minnet.analysis.diagnostics import label_diagnostics, reading_diagnostics

    for note in reading_diagnostics(encoder, summary):
        print_message(f"note: {note}", quiet=quiet)
    for note in label_diagnostics(encoder, summary):
        print_message(f"note: {note}")


def report_unseen(encoder: Encoder, table: Table, *, quiet: bool) -> None:
    """Print of which columns most cells hold categories that training did not have."""
    for note in encoder.unseen(table):
        print_message(f"note: {note}", quiet=quiet)


def check_output(path: str, *inputs: str, check: Callable[[str], None] = check_replaceable) -> None:
    """Find out before the work what would keep a file from being written.

    Raises
    ------
    MinnetError
        If it is one of the files that the command reads, or is refused by `check`.
    """
    check_outputs([path], *inputs, check=check)


def check_outputs(
    paths: Iterable[str], *inputs: str, check: Callable[[str], None] = check_replaceable
) -> None:
    """Find out the same of several files; an input may be a pattern."""
    from minnet.data.csv import files_of

    read: set[str] = set()
    for source in inputs:
        with suppress(MinnetError):  # which reading it will tell
            read.update(os.path.realpath(file.removeprefix("file://")) for file in files_of(source))
    for path in paths:
        if os.path.realpath(path) in read:
            raise FileError(f"{path}: cannot be written: the command reads it")
        check(path)


def check_ending(path: str, *endings: str) -> None:
    """Refuse a name that says it is another kind of file."""
    if os.path.splitext(path)[1].lower() not in ("", *endings):
        raise click.UsageError(f"{path}: its name must end in {' or '.join(endings)}")


def check_picture(path: str, *inputs: str) -> None:
    """Find out before the work what would keep a picture from being written; see `check_output`.

    Raises
    ------
    SettingsError
        If the ending is none of .png, .svg and .pdf.
    """
    from minnet.plots import figure

    _claim_memory()
    figure.check_format(path)
    check_output(path, *inputs)
    figure.isolate()


def print_lines(report: str) -> None:
    """Print the lines that the command was asked for."""
    lines = "\n".join(map(printable, report.split("\n")))
    # Without its file, click would take an ASCII terminal for one that can show everything.
    click.echo(lines, file=sys.stdout)


def print_message(message: str, *, quiet: bool = False) -> None:
    """Print a line to standard error, apart from the report."""
    if not quiet:
        click.echo(printable(message), file=sys.stderr)


def quoted(path: str) -> str:
    """Write a file's name as a shell, and then the command line, take it."""
    return shlex.quote(f"./{path}" if path.startswith("-") and path != "-" else path)


def unless_default(model: str) -> str:
    """Write the option that a command needs to find the model."""
    return "" if model == "model.json" else f" --model {quoted(model)}"


def if_interrupted(kept: str) -> None:
    """Set the line that Ctrl-C and SIGTERM end this command with: what was kept."""
    context = click.get_current_context()
    if not context.params.get("quiet"):
        context.meta[INTERRUPTED] = kept


def is_terminal() -> bool:
    """Whether the user sees standard error."""
    return sys.stderr.isatty()


def is_attended() -> bool:
    """Whether the user sees the messages and the report, too."""
    return is_terminal() and sys.stdout.isatty()


def refuse_workers(scheduler: str | None) -> None:
    """Refuse `--workers` where it would not be heeded: the cluster does all the work."""
    source = click.get_current_context().get_parameter_source("workers")
    if scheduler is not None and source is ParameterSource.COMMANDLINE:
        raise click.UsageError("--workers is of processes here: it does not go with --scheduler")


@contextmanager
def cluster(scheduler: str | None, *, quiet: bool) -> Iterator[Any]:
    """Connect to the Dask cluster of a scheduler, if there is to be one, else give `None`."""
    if scheduler is None:
        yield None
        return
    from minnet.dask.client import connected

    with _silence(), connected(scheduler) as client:
        workers = plural(len(client.scheduler_info()["workers"]), "worker")
        link = f"; dashboard: {client.dashboard_link}" if client.dashboard_link else ""
        print_message(f"{workers} at {scheduler}{link}", quiet=quiet)
        yield client


@contextmanager
def processes_here(workers: int) -> Iterator[Any]:
    """Start a Dask cluster of so many processes on this machine."""
    from minnet.dask.client import local_cluster

    with _silence(), local_cluster(workers) as client:
        yield client


@contextmanager
def _silence() -> Iterator[None]:
    """Let Dask print nothing on its own: the command tells it in one line."""
    import logging

    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)
