"""What commands are told: the options that several of them share, and the request these make.

Kinds of parameters: files, columns and choices, and what a shell offers for them behind Tab.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from functools import partial, wraps
from typing import Any, get_args

import click
from click.shell_completion import CompletionItem

from minnet.cli import INTERRUPTED
from minnet.data.cells import CellFormat, TableFormat, default_names
from minnet.data.columns import TableSummary
from minnet.data.csv import CsvReader, files_of
from minnet.data.encoding import Encoder, Roles
from minnet.data.table import FilePart, Reader, Table
from minnet.errors import DataError, FileError, MinnetError, did_you_mean, plural, printable
from minnet.model import diagnostics
from minnet.model.document import is_model, load
from minnet.model.model import Model
from minnet.model.threshold import as_decision
from minnet.report import Section, as_text, wrapped
from minnet.storage import check_replaceable
from minnet.training import settings as training
from minnet.training.workers import in_order

Option = Callable[[Callable[..., Any]], Callable[..., Any]]
MOST_NOTES = 20


class _Column(click.ParamType):  # type: ignore[type-arg]
    """Name of a column of DATA: offered if DATA stands before it and its header can be read."""

    name = "column"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        # While its value is missing, click leaves what it has read in `args`.
        files = filter(None, [ctx.params.get("data"), *ctx.args])
        data = next(filter(os.path.isfile, files), "")
        for naming in (None, default_names):  # as --no-header has them, if it needs that
            with suppress(MinnetError):
                names = FilePart(data, TableFormat(name_columns=naming)).names()
                return offered(names, incomplete)
        return []


def widths(value: str) -> tuple[int, ...]:
    """Read `32`, or `16,16` for two layers, or `0` for none."""
    try:
        return () if value.strip() == "0" else tuple(map(int, value.split(",")))
    except ValueError:
        expected = "a width like 32 or a list like 16,16"
        raise click.BadParameter(f"{value!r} is not {expected}") from None


def of_class(value: str, *words: str) -> Any:
    """Read `yes=0.3`, the name of a class and a number, or one of some words."""
    class_name, _, number = value.rpartition("=")
    if value in words:
        return value
    with suppress(ValueError):
        if class_name:
            return class_name, float(number)
    others = "".join(f", or {word}" for word in words)
    raise click.BadParameter(f"{value!r} is not a class and a number, like yes=0.3{others}")


class Choice(click.Choice):  # type: ignore[type-arg]
    """One of some words; another one is answered with the nearest of them."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Say which word was perhaps meant, or else which there are."""
        if guess := did_you_mean(str(value), self.choices):
            return f"{value!r} is unknown{guess}"
        return super().get_invalid_choice_message(value, ctx)


FILE = click.Path(readable=False)
FILE.name = "file"
COLUMN = _Column()


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


DEFAULTS = training.TrainingSettings()
_RATES = ", ".join(f"{rate:g} for {name}" for name, rate in training.LEARNING_RATES.items())
_RATES += f"; {training.WIDE_TABLE_RATE:g} of that for more features than rows"
_SIZES = (
    f"{training.BATCH_SIZE}, or {training.LARGE_BATCH_SIZE} for over {training.SMALL_TABLE:,} rows"
)
SETTINGS: dict[str, tuple[Any, str]] = {
    "networks": (int, "Networks trained together."),
    "hidden": (widths, "Width of each hidden layer: 32, or 16,16 for two, 0 for none."),
    "bins": (int, "Piecewise-linear features beside each number, at most; 0 for none."),
    "sharp_bins": (bool, "Do not scale bins by 1 / the root of their number: for sharp steps."),
    "epochs": (int, "Maximum epochs: passes over the rows."),
    "patience": (int, "Stop after so many epochs without a better holdout loss."),
    "learning_rate": (float, f"Learning rate.  [default: {_RATES}]"),
    "batch_size": (int, f"Batch size, in rows.  [default: {_SIZES}]"),
    "weight_decay": (float, "How strongly weights are pulled towards 0."),
    "optimizer": (Choice(get_args(training.OptimizerName)), "Optimizer."),
    "loss": (Choice(get_args(training.LossName)), "Loss that training minimizes."),
    "balanced": (bool, "Weight each class by 1 / its frequency."),
    "seed": (int, "Random seed."),
}
"""Of each training setting that is an option: the type of its values, and its help."""


def option(names: str, kind: Any, text: str, **details: Any) -> Option:
    """Make an option, a flag if its kind is `bool`; the help shows its default, if it has one.

    Parameters
    ----------
    names
        As click takes them, with blanks between them.
    """
    usual = {"is_flag": True} if kind is bool else {"type": kind, "show_default": True}
    return click.option(*names.split(), help=text, **(usual | details))


def setting_option(name: str, **details: Any) -> Option:
    """Make the option of a training setting, with the setting's own default."""
    kind, text = SETTINGS[name]
    default = getattr(DEFAULTS, name)
    if name == "hidden":
        default = training.shown_value(default)
    usual = {"kind": kind, "text": text, "default": default}
    return option(f"--{name.replace('_', '-')}", **(usual | details))


def threshold_option(more: str, *words: str) -> Option:
    """Make the option that decides for one of two classes, or by a word how to decide."""
    return option(
        "--threshold",
        lambda value: of_class(value, *words),
        f"Of two classes, predict CLASS where its probability is P or more{more}.",
        metavar="|".join(["CLASS=P", *words]),
    )


TABLE = "data", "target", "ignore", "categorical"
GROUPS = "group", "group_feature", "drop_repeats"
READING = "no_header", "missing", "decimal", "strip"
RUNNING = "json", "workers", "scheduler", "quiet"
_SHARED: dict[str, Option] = {
    "data": click.argument("data", type=FILE),
    "model": option("-m --model", FILE, "The model.", default="model.json"),
    "threshold": threshold_option(", whatever the model says"),
    "target": option("-t --target", COLUMN, "The label column.  [default: the last one]"),
    "ignore": option("--ignore", COLUMN, "Leave a column out (repeatable).", multiple=True),
    "categorical": option(
        "--categorical",
        COLUMN,
        "Read numbers or dates in a column as categories (repeatable).",
        multiple=True,
    ),
    "group": option(
        "--group",
        COLUMN,
        "Keep rows with the same value (a patient, a shop) in one fold; no feature.",
    ),
    "group_feature": option("--group-feature", bool, "Use the group column as a feature as well."),
    "drop_repeats": option(
        "--drop-repeats", bool, "Train on one of each set of rows that repeat each other."
    ),
    **{name: setting_option(name) for name in SETTINGS},
    "no_header": option(
        "--no-header", bool, "The first line is data: name the columns column1, column2 ..."
    ),
    "missing": option(
        "--missing",
        str,
        "Read WORD as a missing value, as NA and null are (repeatable). With an empty WORD, "
        "NA and null are classes in the label column.",
        multiple=True,
        metavar="WORD",
    ),
    "decimal": option(
        "--decimal",
        click.Choice([".", ","]),
        "The decimal mark.  [default: . and, unless commas separate the cells, a comma where "
        "a whole column has it]",
    ),
    "strip": option(
        "--strip",
        str,
        "Leave these out of numbers, such as '$,' of $1,234.",
        metavar="CHARACTERS",
    ),
    "json": option("--json as_json", bool, "Print one JSON object."),
    "workers": option(
        "--workers",
        click.IntRange(1, 1024),
        "Processes to use; no result depends on it.  [default: the cores there are]",
    ),
    "scheduler": option(
        "--scheduler",
        str,
        "Work on the Dask cluster of this scheduler, such as tcp://host:8786.",
        metavar="ADDRESS",
    ),
    "quiet": option("-q --quiet", bool, "No messages: progress, notes, hints."),
}


class _Command(click.Command):
    """Answers what is typed by habit, an option or the name of a model, with what it means."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = {name for one in self.params for name in one.opts if name.startswith("--")}
        learns = {"--model", "--target"} <= words
        try:
            given, rest, _ = self.make_parser(ctx).parse_args([*args])
        except click.NoSuchOption as error:
            meant = [*words, "DATA", "-m FILE" if learns else "> FILE"]
            guess = did_you_mean(error.option_name, meant)
            ctx.fail(f"No such option {error.option_name!r}{guess}")
        if "--model" in words and not learns and "model" not in given:
            for word in map(str, (given.get("kind"), given.get("data"), *rest)):
                if os.path.isfile(word) and is_model(word):
                    ctx.fail(f"{word!r} is a model; did you mean '-m {word}'?")
        return super().parse_args(ctx, args)


def command(name: str, *takes: str | Option) -> Callable[[Callable[..., None]], click.Command]:
    """Make a command of a function that is given a `Request`, and its own options by name.

    Parameters
    ----------
    takes
        What the command takes, in the order of its help: names of what several commands take, and
        click's decorators for what is its own.
    """

    def decorate(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def run(**given: Any) -> None:
            workers = given.get("workers")
            if workers and given.get("scheduler") is not None:
                raise click.UsageError(
                    "--workers is of processes here: it does not go with --scheduler"
                )
            given["workers"] = workers or click.get_current_context().obj

            def taken(names: Iterable[str]) -> dict[str, Any]:
                there = {name: given.pop(name) for name in names if name in given}
                return {name: value for name, value in there.items() if value is not None}

            settings, roles = taken(SETTINGS), Roles(**taken(one.name for one in fields(Roles)))
            shared = taken(one.name for one in fields(Request))
            function(Request(roles=roles, settings=settings, **shared), **given)

        decorated: Callable[..., Any] = run
        for one in reversed(takes):
            decorated = (_SHARED[one] if isinstance(one, str) else one)(decorated)
        return click.command(name, _Command)(decorated)

    return decorate


@dataclass(frozen=True)
class Request:
    """What a command is told by options that several commands share; empty what it is not told.

    Attributes
    ----------
    data, model
        Names of files: DATA, or `-` for standard input, and the model.
    roles
        What the columns of DATA are for.
    no_header, missing, decimal, strip
        How to read DATA; see `CellFormat`.
    settings
        Training settings, by name.
    class_weight
        Names of classes, and how much a row of each counts.
    threshold
        The name of one of two classes and the probability that it is predicted from; or how to
        choose them.
    picture
        Name of the file of a picture.
    resume
        Whether to resume a training.
    as_json, quiet
        Whether to print JSON; whether to print no messages.
    workers
        How many processes to use.
    scheduler
        Address of the scheduler of a Dask cluster.
    """

    data: str = ""
    model: str = ""
    roles: Roles = field(default_factory=Roles)
    no_header: bool = False
    missing: tuple[str, ...] = ()
    decimal: str = ""
    strip: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    class_weight: tuple[tuple[str, float], ...] = ()
    threshold: Any = None
    picture: str = ""
    resume: bool = False
    as_json: bool = False
    workers: int = 1
    scheduler: str | None = None
    quiet: bool = False

    def __post_init__(self) -> None:
        """Refuse `--group-feature` without the group."""
        if self.roles.group_feature and not self.roles.group:
            raise click.UsageError("--group-feature needs --group COLUMN")

    def say(self, message: str) -> None:
        """Print a message, unless they are suppressed."""
        for line in [] if self.quiet else wrapped(message):
            print_message(line)

    def note(self, notes: Iterable[str]) -> None:
        """Print the first notes, and how many more there are."""
        notes = [] if self.quiet else list(notes)
        for note in notes[:MOST_NOTES]:
            self.say(f"note: {note}")
        if len(notes) > MOST_NOTES:
            self.say(f"note: ... and {len(notes) - MOST_NOTES:,} more notes")

    def print_result(
        self, document: Callable[[], dict[str, Any]], report: Callable[[], Iterable[Section]]
    ) -> None:
        """Print what the command was asked for: a JSON document, or a report."""
        print_lines(json.dumps(document()) if self.as_json else as_text(report()))

    def suggest(self, command: str, why: str) -> None:
        """Print which command may come next, with the option that it needs to find the model.

        In one line, however long, as a terminal copies it.
        """
        model = "" if self.model == "model.json" else f" --model {quoted(self.model)}"
        if not self.quiet:
            print_message(f"next: {command}{model} ({why})")

    def if_interrupted(self, kept: str) -> None:
        """Set the line that Ctrl-C and SIGTERM end this command with: what was kept."""
        if not self.quiet:
            click.get_current_context().meta[INTERRUPTED] = kept

    @property
    def form(self) -> TableFormat:
        """How DATA is read to learn from it."""
        cells = CellFormat(self.missing, self.decimal, self.strip)
        naming = default_names if self.no_header else None
        return replace(self.roles.form, cells=cells, name_columns=naming)

    def load_model(self) -> Model:
        """Load the model, with the threshold that is asked for."""
        model = load(self.model)
        decision = as_decision(self.threshold, "the model", model.class_names)
        return replace(model, threshold=decision or model.threshold)

    def read_data(self, encoder: Encoder) -> Table:
        """Read all of DATA, at least one row, as a model's training table was read."""
        table = self._read(encoder.form)
        self.note(diagnostics.header_diagnostics(table.repeated_headers))
        return table

    def read_training_data(self) -> tuple[Table, Encoder, TableSummary]:
        """Read all of DATA to learn from it, and tell how it was read."""
        from minnet.model.fit import training_table

        table, encoder, summary = training_table(self._read(self.form), self.roles)
        self.report_reading(encoder, summary)
        return table, encoder, summary

    def _read(self, form: TableFormat) -> Table:
        """Read the file that DATA names, or all files of the pattern that it is, as one table."""
        spread = None if self.workers == 1 else partial(in_order, self.workers)
        source = "standard input" if self.data == "-" else self.data
        files = (open_data(file, form) for file in files_of(self.data))
        table = Table.from_files(files, source, form, spread)
        if not len(table):
            raise DataError(f"{table.source}: a header but no rows")
        return table

    def report_reading(self, encoder: Encoder, summary: TableSummary) -> None:
        """Print how DATA was read where it might have been meant otherwise.

        Labels that were left out are told even if messages are suppressed, because that may have
        left out a class.
        """
        self.note(diagnostics.reading_diagnostics(encoder, summary))
        replace(self, quiet=False).note(diagnostics.label_diagnostics(encoder, summary))

    @contextmanager
    def cluster(self, *, here: bool = False) -> Iterator[Any]:
        """Connect to the Dask cluster that is asked for, if any; else give the number of workers.

        Parameters
        ----------
        here
            Whether to start one of processes on this machine if none is asked for.
        """
        if self.scheduler is None and not here:
            yield self.workers
            return
        import logging

        from minnet.dask import connected, local_cluster

        before = logging.root.manager.disable
        logging.disable()  # Dask would print on its own what the command tells in one line
        address = self.scheduler
        place = local_cluster(self.workers) if address is None else connected(address)
        try:
            with place as client:
                if address is not None:
                    workers = plural(len(client.scheduler_info()["workers"]), "worker")
                    link = f"; dashboard: {client.dashboard_link}" if client.dashboard_link else ""
                    self.say(f"{workers} at {address}{link}")
                yield client
        finally:
            logging.disable(before)

    def check_output(
        self, path: str, *endings: str, check: Callable[[str], None] = check_replaceable
    ) -> None:
        """Find out before the work what would keep a file from being written.

        Parameters
        ----------
        endings
            One of them, if there are any, ends the name of the file.
        """
        check_outputs([path], self.data, self.model, check=check)
        if endings and os.path.splitext(path)[1].lower() not in endings:
            shown = " or ".join(filter(None, endings))
            raise click.UsageError(f"{path}: its name must end in {shown}")
        self.if_interrupted(f"{path} was not written")

    def check_picture(self, path: str) -> None:
        """Find out before the work what would keep a picture, if any, from being written.

        Raises
        ------
        SettingsError
            If the ending is none of .png, .svg and .pdf.
        """
        if not path:
            return
        from minnet.plots import figure

        figure.check_format(path)
        self.check_output(path)
        figure.isolate()

    def save_picture(self, draw: Callable[[], Any]) -> None:
        """Write the picture that is asked for beside the result, if any."""
        if self.picture:
            from minnet.plots import figure

            figure.save(draw(), self.picture)


@contextmanager
def open_data(data: str, form: TableFormat) -> Iterator[Reader]:
    """Open DATA, `-` for standard input.

    Raises
    ------
    DataError
        If the file cannot be read, or is neither CSV nor Parquet.
    """
    if data == "-":
        if sys.stdin is None:
            raise DataError("standard input is closed")
        yield CsvReader(sys.stdin.buffer, "standard input", form)
        return
    with FilePart(data, form, folder="").open() as reader:
        if form.name_columns is default_names and not isinstance(reader, CsvReader):
            raise click.UsageError("--no-header is for CSV: a Parquet file names its columns")
        yield reader


def check_outputs(
    paths: Iterable[str], *inputs: str, check: Callable[[str], None] = check_replaceable
) -> None:
    """Find out before the work what would keep files from being written.

    Parameters
    ----------
    inputs
        What the command reads: files, patterns of files, or nothing.

    Raises
    ------
    MinnetError
        If one is among the files that the command reads, or is refused by `check`.
    """
    read: set[str] = set()
    for source in filter(None, inputs):
        with suppress(MinnetError):  # which reading it will tell
            read.update(os.path.realpath(file.removeprefix("file://")) for file in files_of(source))
    for path in paths:
        if os.path.realpath(path) in read:
            raise FileError(f"{path}: cannot be written: the command reads it")
        check(path)


def print_lines(report: str) -> None:
    """Print the lines that the command was asked for."""
    lines = "\n".join(map(printable, report.split("\n")))
    # Without its file, click would take an ASCII terminal for one that can show everything.
    click.echo(lines, file=sys.stdout)


def print_message(message: str) -> None:
    """Print a line to standard error, apart from the report."""
    click.echo(printable(message), file=sys.stderr)


def quoted(path: str) -> str:
    """Write a file's name as a shell, and then the command line, take it."""
    return shlex.quote(f"./{path}" if path.startswith("-") and path != "-" else path)


def is_terminal() -> bool:
    """Whether the user sees standard error."""
    return sys.stderr.isatty()


def is_attended() -> bool:
    """Whether the user sees the messages and the report, too."""
    return is_terminal() and sys.stdout.isatty()
