"""Options that several commands share, and the files they name."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import click

from minnet.cli import INTERRUPTED
from minnet.cli.parameters import COLUMN, FILE
from minnet.errors import DataError, FileError, MinnetError, printable
from minnet.storage.files import check_replaceable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from minnet.cli.reading import Reading
    from minnet.data.cells import CellFormat
    from minnet.data.csv_reader import CsvReader
    from minnet.data.encoding import Encoder
    from minnet.data.parquet import ParquetReader
    from minnet.data.summaries import TableSummary
    from minnet.data.table import Table

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
) -> Iterator[CsvReader | ParquetReader]:
    """Open DATA, `-` for standard input; with an `encoder`, in the form its model was trained on.

    Raises
    ------
    DataError
        If the file cannot be read, or is neither CSV nor Parquet.
    """
    from minnet.data.column_names import default_names
    from minnet.data.csv_reader import CsvReader
    from minnet.data.files import open_file
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
    with open_file(data) as file:
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


def read_data(data: str, encoder: Encoder, workers: int = 1) -> Table:
    """Read all of DATA, at least one row, as the model's training table was read."""
    columns = encoder.category_columns, encoder.number_columns
    return _read(
        data, partial(open_data, encoder=encoder), *columns, encoder.reading_format, workers
    )


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
    from minnet.data.column_names import default_target
    from minnet.data.encoding import Encoder
    from minnet.data.summaries import summarize

    text = [] if target is None else [target]
    opening = partial(open_data, no_header=reading.no_header)
    table = _read(data, opening, text, [], reading.cell_format, workers)
    summary = summarize(table, ignore)
    encoder = Encoder.of(
        summary,
        default_target([*table.columns]) if target is None else target,
        ignore,
        group=group or "",
        group_feature=group_feature,
        drop_repeats=drop_repeats,
    )
    report_reading(encoder, summary, quiet=quiet)
    return table, encoder, summary


def _read(
    data: str,
    opening: Callable[[str], AbstractContextManager[CsvReader | ParquetReader]],
    text: Iterable[str],
    numbers: Iterable[str],
    cell_format: CellFormat,
    workers: int,
) -> Table:
    """Read the file that DATA names, or all files of the pattern that it is, as one table."""
    from minnet.data.files import files_of
    from minnet.data.table import read_files
    from minnet.training.spread import in_order

    def readers() -> Generator[CsvReader | ParquetReader]:
        for file in files_of(data):
            with opening(file) as reader:
                yield reader

    spread = None if workers == 1 else partial(in_order, workers)
    with closing(readers()) as opened:
        source = "standard input" if data == "-" else data
        table = read_files(opened, source, text, numbers, cell_format, spread)
    if not len(table):
        raise DataError(f"{table.source}: a header but no rows")
    return table


def report_reading(encoder: Encoder, summary: TableSummary, *, quiet: bool) -> None:
    """Print how DATA was read where it might have been meant otherwise.

    Labels that were left out are told even if messages are suppressed, because that may have left
    out a class.
    """
    from minnet.analysis.column_diagnostics import label_diagnostics, reading_diagnostics

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
    from minnet.data.files import files_of

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
