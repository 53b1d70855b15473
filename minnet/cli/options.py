"""Options that several commands share, and the files they name."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from minnet.cli import INTERRUPTED
from minnet.errors import DataError, FileError, printable
from minnet.storage.files import check_replaceable
from minnet.training.settings import (
    BATCH_SIZE,
    LARGE_BATCH_SIZE,
    LEARNING_RATES,
    SMALL_TABLE,
    LossName,
    OptimizerName,
    TrainingSettings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from minnet.data.csv_reader import CsvReader
    from minnet.data.encoding import Encoder
    from minnet.data.parquet import ParquetReader
    from minnet.data.table import Table

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")
DEFAULTS = TrainingSettings()


def _hidden_sizes(
    context: click.Context, parameter: click.Parameter, value: str
) -> tuple[int, ...]:
    """Read `32`, or `16,16` for two layers, or `0` for none."""
    if value.strip() == "0":
        return ()
    sizes = [size.strip() for size in value.split(",")]
    if not all(size.isascii() and size.isdigit() and len(size) < 20 for size in sizes):
        raise click.BadParameter(f"{value!r} is not a width like 32 or a list like 16,16")
    return tuple(map(int, sizes))


data_argument = click.argument("data")
model_option = click.option(
    "-m", "--model", default="model.json", show_default=True, metavar="FILE", help="The model."
)
target_option = click.option(
    "-t", "--target", metavar="COLUMN", help="The label column.  [default: the last one]"
)
ignore_option = click.option(
    "--ignore", multiple=True, metavar="COLUMN", help="Leave a column out (repeatable)."
)
group_option = click.option(
    "--group",
    metavar="COLUMN",
    help="Keep rows with the same value (a patient, a shop) in one fold; no feature.",
)
drop_repeats_option = click.option(
    "--drop-repeats", is_flag=True, help="Train on one of each set of rows that repeat each other."
)
no_header_option = click.option(
    "--no-header",
    is_flag=True,
    help="The first line is data: name the columns column1, column2 ...",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="No messages: progress, notes, hints."
)


def _setting(name: str, text: str, **details: Any) -> Callable[[Decorated], Decorated]:
    """Make an option of a training setting, with the setting's own default."""
    defaults = {"default": getattr(DEFAULTS, name), "show_default": True}
    return click.option(f"--{name.replace('_', '-')}", help=text, **(defaults | details))


_RATES = ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())
_SIZES = f"{BATCH_SIZE}, or {LARGE_BATCH_SIZE} for over {SMALL_TABLE:,} rows"
_SETTING_OPTIONS = {
    "networks": _setting("networks", "Networks trained together.", type=int),
    "hidden": _setting(
        "hidden",
        "Width of each hidden layer: 32, or 16,16 for two, 0 for none.",
        callback=_hidden_sizes,
        default=",".join(map(str, DEFAULTS.hidden)),
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
    "optimizer": _setting("optimizer", "Optimizer.", type=click.Choice(get_args(OptimizerName))),
    "loss": _setting(
        "loss", "Loss that training minimizes.", type=click.Choice(get_args(LossName))
    ),
    "balanced": _setting(
        "balanced", "Weight each class by 1 / its frequency.", is_flag=True, show_default=False
    ),
    "seed": _setting("seed", "Random seed.", type=int),
}


def training_options(*left_out: str) -> Callable[[Decorated], Decorated]:
    """Add an option for each training setting, but for those left out."""

    def decorate(function: Decorated) -> Decorated:
        for name, option in reversed(_SETTING_OPTIONS.items()):
            if name not in left_out:
                function = option(function)
        return function

    return decorate


@contextmanager
def open_data(
    data: str, encoder: Encoder | None = None, *, no_header: bool = False
) -> Iterator[CsvReader | ParquetReader]:
    """Open DATA, `-` for standard input; with an `encoder`, in the form its model was trained on.

    Raises
    ------
    DataError
        If the file cannot be read, or is neither CSV nor Parquet.
    """
    from minnet.data.csv_reader import CsvReader, default_names
    from minnet.data.table import make_reader

    _claim_memory()
    naming: Callable[[Sequence[str]], list[str]] | None = default_names if no_header else None
    if encoder is not None and encoder.unnamed_columns:
        naming = encoder.names_without_header
    if data == "-":
        if sys.stdin is None:
            raise DataError("standard input is closed")
        yield CsvReader(sys.stdin.buffer, "standard input", naming)
        return
    try:
        file = open(data, "rb")
    except OSError as error:
        raise DataError(f"{data}: cannot be read: {error.strerror or error}") from None
    with file:
        reader = make_reader(file, data, naming)
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


def read_data(
    data: str, encoder: Encoder | None = None, *, text: Iterable[str] = (), no_header: bool = False
) -> Table:
    """Read all of DATA, at least one row; see `open_data`."""
    from minnet.data.table import read_table

    with open_data(data, encoder, no_header=no_header) as reader:
        table = read_table(reader, text if encoder is None else encoder.category_columns)
    if not len(table):
        raise DataError(f"{table.source}: a header but no rows")
    return table


def read_training_data(
    data: str, target: str | None, *, no_header: bool = False
) -> tuple[Table, str]:
    """Read all of DATA to learn from it, and settle the target: the last column unless named."""
    table = read_data(data, text=[] if target is None else [target], no_header=no_header)
    return table, list(table.columns)[-1] if target is None else target


def check_output(path: str, *inputs: str, check: Callable[[str], None] = check_replaceable) -> None:
    """Find out before the work what would keep a file from being written.

    Raises
    ------
    MinnetError
        If it is one of the files that the command reads, or is refused by `check`.
    """
    for source in inputs:
        if os.path.realpath(path) == os.path.realpath(source):
            raise FileError(f"{path}: cannot be written: the command reads it")
    check(path)


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


def say(answer: str) -> None:
    """Print the lines that the command was asked for."""
    lines = "\n".join(map(printable, answer.split("\n")))
    # Without its file, click would take an ASCII terminal for one that can show everything.
    click.echo(lines, file=sys.stdout)


def talk(message: str, *, quiet: bool = False) -> None:
    """Say one line to the person at the terminal, apart from the data."""
    if not quiet:
        click.echo(printable(message), file=sys.stderr)


def if_interrupted(kept: str) -> None:
    """Set the line that Ctrl-C and SIGTERM end this command with: what was kept."""
    context = click.get_current_context()
    if not context.params.get("quiet"):
        context.meta[INTERRUPTED] = kept


def is_terminal() -> bool:
    """Whether a person sees standard error."""
    return sys.stderr.isatty()
