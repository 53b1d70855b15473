"""Options that several commands share, and the files they name."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from minnet.settings import LEARNING_RATES, LossName, OptimizerName, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from minnet.csv_reader import CsvReader
    from minnet.encoding import Encoder
    from minnet.table import Table

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
no_header_option = click.option(
    "--no-header",
    is_flag=True,
    help="The first line is data: name the columns column1, column2 ...",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress, notes or hints.")

_SETTING_OPTIONS = {
    "networks": click.option(
        "--networks",
        type=int,
        default=DEFAULTS.networks,
        show_default=True,
        help="Networks trained side by side.",
    ),
    "hidden": click.option(
        "--hidden",
        callback=_hidden_sizes,
        default=",".join(map(str, DEFAULTS.hidden)),
        show_default=True,
        help="Width of each hidden layer: 32, or 16,16 for two, 0 for none.",
    ),
    "epochs": click.option(
        "--epochs",
        type=int,
        default=DEFAULTS.epochs,
        show_default=True,
        help="The most passes over the rows.",
    ),
    "patience": click.option(
        "--patience",
        type=int,
        default=DEFAULTS.patience,
        show_default=True,
        help="Stop after so many epochs without a better holdout loss.",
    ),
    "learning_rate": click.option(
        "--learning-rate",
        type=float,
        help="Size of a step.  [default: "
        + ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())
        + "]",
    ),
    "batch_size": click.option(
        "--batch-size",
        type=int,
        default=DEFAULTS.batch_size,
        show_default=True,
        help="Rows in a step.",
    ),
    "weight_decay": click.option(
        "--weight-decay",
        type=float,
        default=DEFAULTS.weight_decay,
        show_default=True,
        help="How strongly weights are pulled towards 0.",
    ),
    "optimizer": click.option(
        "--optimizer",
        type=click.Choice(get_args(OptimizerName)),
        default=DEFAULTS.optimizer,
        show_default=True,
        help="How gradients become a step.",
    ),
    "loss": click.option(
        "--loss",
        type=click.Choice(get_args(LossName)),
        default=DEFAULTS.loss,
        show_default=True,
        help="What training makes small.",
    ),
    "balanced": click.option(
        "--balanced", is_flag=True, help="Weight each class by 1 / its frequency."
    ),
    "seed": click.option(
        "--seed",
        type=int,
        default=DEFAULTS.seed,
        show_default=True,
        help="Decides the random start.",
    ),
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
def open_csv(
    data: str, encoder: Encoder | None = None, *, no_header: bool = False
) -> Iterator[CsvReader]:
    """Open DATA, `-` for standard input; with an `encoder`, in the form its model was trained on.

    Raises
    ------
    DataError
        If the file cannot be read or is not a CSV.
    """
    from minnet.csv_reader import CsvReader, default_names
    from minnet.errors import DataError

    naming: Callable[[int], list[str]] | None = default_names if no_header else None
    if encoder is not None and encoder.unnamed_columns:
        naming = encoder.names_without_header
    source = "standard input" if data == "-" else data
    try:
        with nullcontext(sys.stdin.buffer) if data == "-" else open(data, "rb") as file:
            yield CsvReader(file, source, naming)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise DataError(f"{source}: cannot be read: {error.strerror or error}") from None


def read_data(
    data: str, encoder: Encoder | None = None, *, text: Iterable[str] = (), no_header: bool = False
) -> Table:
    """Read all of DATA; see `open_csv`."""
    from minnet.table import read_table

    with open_csv(data, encoder, no_header=no_header) as reader:
        return read_table(reader, text if encoder is None else encoder.category_columns)


def talk(message: str, *, quiet: bool = False) -> None:
    """Say something to the person at the terminal, apart from the data."""
    if not quiet:
        click.echo(message, err=True)


def is_terminal() -> bool:
    """Whether a person sees standard error."""
    return sys.stderr.isatty()
