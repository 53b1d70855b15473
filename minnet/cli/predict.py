"""`minnet predict` without DATA on a terminal: ask for one row, draw its prediction as bars.

What `minnet predict` writes: one reader of blocks, and writers of CSV, JSON and Parquet.

`minnet predict`: classes and probabilities for new rows.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from minnet.cli import options, text
from minnet.cli.options import COLUMN, FILE, cluster, offered, refuse_workers
from minnet.cli.progress import Progress
from minnet.data.cells import INDEX, CellFormat, TableFormat, short_names
from minnet.data.columns import CategoricalColumn, NumericColumn
from minnet.data.csv import REMOTE, Block, Chunk, RowParser, csv_lines
from minnet.data.frames import ROW_GROUP, ParquetReader, ParquetWriter, columns_of_cells
from minnet.data.table import Table
from minnet.errors import (
    DataError,
    FileError,
    SettingsError,
    in_list,
    plural,
    printable,
    unknown_name,
)
from minnet.model.judges import Known, count_known
from minnet.model.model import Model, added_names, predict
from minnet.storage import made_folder, replaced_file, replaced_files, written_file
from minnet.training.workers import in_order

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

BAR_WIDTH = 30
MOST_SHOWN = 8


def ask(model: Model, *, quiet: bool = False) -> Table:
    """Ask for each feature in turn, showing what training saw; nothing entered is missing."""
    from minnet.data.table import Table

    cell_format = model.encoder.form.cells.for_file("")
    options.print_message("One row to predict; press Enter where a value is missing.", quiet=quiet)
    try:
        cells = {column.name: [_ask(column, cell_format)] for column in model.encoder.columns}
    except click.Abort:
        click.echo(err=True)
        raise
    return Table.from_columns(cells, "what you entered", TableFormat(cells=cell_format))


def _ask(column: NumericColumn | CategoricalColumn, cell_format: CellFormat) -> str:
    from minnet.data.cells import truth
    from minnet.data.columns import NumericColumn

    if isinstance(column, NumericColumn):
        seen = f"{column.shown(column.minimum)} to {column.shown(column.maximum)}"
    else:
        more = ", ..." if len(column.categories) > MOST_SHOWN else ""
        seen = ", ".join(map(in_list, column.categories[:MOST_SHOWN])) + more
    question = printable(f"{column.name} ({seen})")
    while True:
        cell: str = click.prompt(question, "", show_default=False, err=True)
        if cell_format.is_missing(cell):
            return cell
        if isinstance(column, NumericColumn):
            number = cell_format.number(cell)
            if number is None and column.takes_words:
                number = truth(cell)
            if number is not None and math.isfinite(number):
                return cell
            reason = f"{cell!r} is not a number, such as {column.shown(column.median)}"
        elif cell in column.categories:
            return cell
        else:
            reason = f"{cell!r} is not a known category: {_known(cell, column.categories)}"
        options.print_message(reason)


def _known(cell: str, categories: Sequence[str]) -> str:
    """Offer the categories there are: all if they are few, else those that look alike."""
    import difflib  # only needed after a mistake

    if len(categories) <= MOST_SHOWN:
        return f"enter {', '.join(map(repr, categories))} or nothing"
    by_form = {category.casefold(): category for category in categories}
    close = difflib.get_close_matches(cell.casefold(), by_form, n=MOST_SHOWN)
    if close:
        guess = " or ".join(repr(by_form[form]) for form in close)
        return f"did you mean {guess}? ({len(categories)} are known)"
    return f"{len(categories)} are known, such as {', '.join(map(repr, categories[:MOST_SHOWN]))}"


def draw(model: Model, table: Table) -> str:
    """Draw a bar for each class, the most probable first, with the range over the networks."""
    from minnet.model.model import predict

    each = model.member_probabilities(table)[:, 0]
    prediction = predict(model, table)
    probabilities = prediction.probabilities[0]
    networks = len(model.network)
    names = short_names(model.encoder.class_names)
    rows = [
        [
            names[label],
            text.bar(probabilities[label], BAR_WIDTH),
            text.percent(probabilities[label]),
            f"{100 * each[:, label].min():.1f} to {100 * each[:, label].max():.1f} %",
        ]
        for label in (-probabilities).argsort(kind="stable")
    ]
    header = ["class", "", "probability", f"over {plural(networks, 'network')}"]
    lines = [
        text.table([header, *rows], left=2),
        "",
        f"predicted: {rows[0][0]}, spread over the networks {prediction.spread[0]:.3f}",
        *(printable(f"caution: {caution}") for caution in prediction.cautions[0]),
    ]
    return "\n".join(lines)


if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from minnet.data.cells import CellFormat
    from minnet.data.csv import CsvReader
    from minnet.model.model import Model, Predictions

    Reader = CsvReader | ParquetReader

LINES_AT_ONCE = 2048
BLOCKS_ALONE = 16
"""Fewer take less time in this process than workers take to start."""
BYTES_IN_MEMORY = 32 * 2**20
SEPARATOR = ",\n"


class Request(NamedTuple):
    """What is to be written: these columns of DATA and of minnet's own, or all; or JSON."""

    ids: Sequence[str] = ()
    columns: Sequence[str] = ()
    as_json: bool = False


class Rows(NamedTuple):
    """Some rows: as a table, as they were read (cells, or a record batch), and predicted."""

    table: Table
    read: Any
    predictions: Predictions

    @property
    def cells(self) -> Sequence[Sequence[str]]:
        """Cells of DATA, column by column."""
        if isinstance(self.read, Chunk):
            return [*zip(*self.read.rows, strict=True)]
        return columns_of_cells(self.read)

    def own_cells(self, place: int) -> list[str]:
        """Cells of one of the columns that minnet adds, of all in their order."""
        predictions = self.predictions
        if place == 0:
            return predictions.predicted
        numbers = [*predictions.probabilities.T, predictions.spread]
        if place > len(numbers):
            return ["; ".join(reasons) for reasons in predictions.cautions]
        return [*map("{:.6f}".format, numbers[place - 1].tolist())]


class _CsvWriter(NamedTuple):
    """Writes the rows as lines of a CSV: some columns of DATA, and some of minnet's own."""

    names: Sequence[str]
    places: Sequence[int]
    own: Sequence[int]
    delimiter: str
    on_terminal: bool

    def piece(self, rows: Rows) -> str:
        cells = rows.cells
        return self._lines([*(cells[k] for k in self.places), *map(rows.own_cells, self.own)])

    def write(self, file: BinaryIO, pieces: Iterator[str]) -> None:
        file.write(self._lines([[name] for name in self.names]).encode())
        file.writelines(piece.encode() for piece in pieces)

    def _lines(self, columns: Sequence[Sequence[str]]) -> str:
        if self.on_terminal:
            columns = [[*map(printable, column)] for column in columns]
        return csv_lines(columns, self.delimiter)


class _JsonWriter(NamedTuple):
    """Writes what is predicted for each row as one JSON object."""

    class_names: Sequence[str]

    def piece(self, rows: Rows) -> str:
        """Write rows, each with the separator that comes before it."""
        predictions = rows.predictions
        figures = zip(
            rows.table.lines.tolist(),
            predictions.predicted,
            predictions.probabilities.tolist(),
            predictions.spread.tolist(),
            predictions.cautions,
            strict=True,
        )
        documents = (
            {
                "line": line,
                "predicted": predicted,
                "probabilities": dict(zip(self.class_names, probabilities, strict=True)),
                "spread": spread,
                "caution": cautions,
            }
            for line, predicted, probabilities, spread, cautions in figures
        )
        return "".join(SEPARATOR + json.dumps(document) for document in documents)

    def write(self, file: BinaryIO, pieces: Iterator[str]) -> None:
        file.write(b'{"predictions": [' + next(pieces).removeprefix(SEPARATOR).encode())
        file.writelines(piece.encode() for piece in pieces)
        file.write(b"]}\n")


class _ParquetWriter(NamedTuple):
    """Writes some columns of a Parquet file as they were, and some of minnet's own."""

    kept: Sequence[str]
    own: dict[int, str]

    def piece(self, rows: Rows) -> tuple[Any, dict[str, Any]]:
        columns = rows.predictions.columns
        return rows.read, {name: columns[place] for place, name in self.own.items()}

    def write(self, file: BinaryIO, pieces: Iterator[tuple[Any, dict[str, Any]]]) -> None:
        with ParquetWriter(file, self.kept) as writer:
            for piece in pieces:
                writer.write(*piece)


class _Predicting(NamedTuple):
    """What turns a block into what a writer writes, in whichever process: it needs no file."""

    model: Model
    parser: RowParser
    writer: Any

    def piece(self, block: Any) -> Any:
        """Predict a block of lines, or of Parquet; gives `None` if there is no row in it."""
        form = self.model.encoder.form
        if isinstance(block, Block):
            read: Any = self.parser.chunk(block)
            table = Table.from_chunks(self.parser, [read], form)
        else:
            first_row, read = block
            table = Table.from_columns(read, self.parser.source, form, first_row)
        if not len(table):
            return None
        known = count_known(self.model, table)
        return self.writer.piece(Rows(table, read, predict(self.model, table))), known


def predict_file(
    model: Model, request: Request, data: str, output: str | None, workers: int = 1
) -> list[str]:
    """Write a table's rows and what is predicted for them; return what is to be told of it."""
    with (
        _opened(model, request, data, output) as (reader, writer, notes),
        _whole(output) as file,
    ):
        known = _write(model, reader, writer, file, workers)
    return [*notes, *filter(None, [known.note(model.folds)])]


def predict_files(
    model: Model,
    request: Request,
    files: Sequence[str],
    folder: str,
    read: tuple[str, str],
    scheduler: str | None,
    workers: int,
    *,
    quiet: bool,
) -> list[str]:
    """Write a file of predictions for each of several files, all of them or none.

    Parameters
    ----------
    read
        What the command reads: the pattern that the files match, and the model's file.
    """
    outputs = {os.path.join(folder, _plain_name(file)): file for file in files}
    if len(outputs) < len(files):
        raise FileError(
            f"{read[0]}: two of the files have one name, and would be written to one file"
        )
    for output, file in outputs.items():
        if REMOTE not in file:  # a look into each of those takes long
            with _opened(model, request, file, output) as (reader, *_):
                empty = Table.from_columns(dict.fromkeys(reader.names, ()), file)
                for column in model.encoder.columns:
                    empty[column.name]
    progress = Progress("{}/{} files", len(files), quiet=quiet)
    notes: dict[str, None] = {}
    known = Known()
    with made_folder(folder):
        options.check_outputs(outputs, *read)
        with replaced_files(outputs) as new, cluster(scheduler, quiet=quiet) as client, progress:
            # Workers elsewhere start from other folders.
            places = files if client is None else [*map(_absolute, files)]
            names = zip(new, outputs, places, strict=True)
            spread = workers if client is None else client
            with closing(in_order(spread, _predict_into, names, model, request)) as told:
                for of_file, known_of_file in told:
                    notes |= dict.fromkeys(of_file)
                    known = known.merge(known_of_file)
                    progress.advance()
    options.print_message(f"wrote {plural(len(files), 'file')} to {folder}", quiet=quiet)
    return [*notes, *filter(None, [known.note(model.folds)])]


def _predict_into(
    model: Model, request: Request, names: tuple[str, str, str]
) -> tuple[list[str], Known]:
    """Write predictions into a new file of `replaced_files`, in whichever process."""
    new, output, data = names
    with (
        _opened(model, request, data, output) as (reader, writer, notes),
        written_file(new, output) as file,
    ):
        known = _write(model, reader, writer, file)
    return notes, known


def _absolute(file: str) -> str:
    return file if REMOTE in file else os.path.abspath(file)


def _plain_name(file: str) -> str:
    """Name what is written for a file: as that, but not packed."""
    name = os.path.basename(file)
    root, ending = os.path.splitext(name)
    return root if ending.lower() in (".gz", ".bz2", ".xz") else name


@contextmanager
def _opened(
    model: Model, request: Request, data: str, output: str | None
) -> Iterator[tuple[Reader, Any, list[str]]]:
    """Open DATA; also gives what writes its predictions, and what is to be told of the columns."""
    ending = "" if output is None else os.path.splitext(output)[1].lower()
    with options.open_data(data, model.encoder) as reader:
        if request.as_json:
            if ending == ".parquet":
                raise click.UsageError(f"-o {output}: --json is not written as Parquet")
            yield reader, _JsonWriter(model.encoder.class_names), []
            return
        kept, own, notes = lay_out(model, reader, request)
        if ending == ".parquet":
            if not isinstance(reader, ParquetReader):
                raise click.UsageError(f"-o {output}: only Parquet is written as Parquet")
            yield reader, _ParquetWriter(kept, own), notes
            return
        writer = _CsvWriter(
            [*kept, *own.values()],
            [*map(reader.names.index, kept)],
            [*own],
            "\t" if ending == ".tsv" else reader.delimiter,
            on_terminal=output is None and sys.stdout.isatty(),
        )
        yield reader, writer, notes


@contextmanager
def _whole(path: str | None) -> Iterator[BinaryIO]:
    """Open a file, or standard output, that all rows reach when all went well, or none."""
    if path is not None:
        with replaced_file(path) as file:
            yield file
        return
    with tempfile.SpooledTemporaryFile(BYTES_IN_MEMORY) as spool:
        yield spool  # type: ignore[misc]  # it is a binary file
        spool.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(spool, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _write(model: Model, reader: Reader, writer: Any, file: BinaryIO, workers: int = 1) -> Known:
    """Write all rows, and count those that have the features of training rows."""
    known = Known()

    def pieces() -> Generator[Any]:
        nonlocal known
        with closing(_pieces(model, reader, writer, workers)) as found:
            for piece, known_of_piece in found:
                known = known.merge(known_of_piece)
                yield piece

    with closing(pieces()) as written:
        writer.write(file, written)
    return known


def _pieces(
    model: Model, reader: Reader, writer: Any, workers: int
) -> Generator[tuple[Any, Known]]:
    """Predict block by block, so that memory does not grow with the rows."""
    parser = RowParser(reader.source, reader.names, reader.delimiter)
    predicting = _Predicting(model, parser, writer)
    blocks: Iterable[Any]
    if isinstance(reader, ParquetReader):
        blocks = reader.blocks(ROW_GROUP if isinstance(writer, _ParquetWriter) else LINES_AT_ONCE)
        workers = 1  # the threads of pyarrow do not live on in a forked process
    else:
        blocks = reader.blocks(LINES_AT_ONCE)
    pieces = in_order(workers, _Predicting.piece, blocks, predicting, alone=BLOCKS_ALONE)
    is_empty = True
    with closing(pieces):
        for piece in pieces:
            if piece is not None:
                is_empty = False
                yield piece
    if is_empty:
        raise DataError(f"{reader.source}: a header but no rows")


class Layout(NamedTuple):
    """What a table of predictions looks like.

    Attributes
    ----------
    kept
        Columns of DATA to write again.
    own
        Columns of minnet to write: the place of each among all of them, and its name here.
    notes
        What is to be told about the columns.
    """

    kept: list[str]
    own: dict[int, str]
    notes: list[str]


def lay_out(model: Model, reader: Reader, request: Request) -> Layout:
    """Choose the columns: those that are asked for, or all.

    Raises
    ------
    SettingsError
        If there is none of a name.
    """
    ids, columns, _ = request
    is_chosen = bool(ids or columns)
    kept = _chosen(reader, ids) if is_chosen else _without_predictions(model, reader.names)
    plain = added_names(model, ())
    added = added_names(model, kept)
    own = {plain.index(name): added[plain.index(name)] for name in _own_names(plain, columns)}
    names = f"{added[0]} to {added[-1]}"
    source, notes = reader.source, []
    if INDEX in kept:
        notes.append(f"{source}: the first column has no name: not used, written as {INDEX!r}")
    taken = [name for name in plain if name in kept]
    if not is_chosen and len(kept) < len(reader.names):
        notes.append(f"{source}: the columns {names} of an earlier predict are replaced")
    elif taken:
        notes.append(f"{source} has a column {taken[0]!r}: those that predict adds are {names}")
    return Layout(kept, own, notes)


def _own_names(names: Collection[str], words: Sequence[str]) -> list[str]:
    """Which of minnet's columns to write: a word may hold several names, with commas."""
    chosen = [name for word in words for name in ([word] if word in names else word.split(","))]
    for name in chosen:
        if name not in names:
            raise SettingsError(unknown_name("predict", "column", name, names))
    return [*dict.fromkeys(chosen)] or [*names]


def _chosen(reader: Reader, ids: Sequence[str]) -> list[str]:
    for name in ids:
        if name not in reader.names:
            raise SettingsError(unknown_name(reader.source, "column", name, reader.names))
    return [*dict.fromkeys(ids)]


def _without_predictions(model: Model, names: list[str]) -> list[str]:
    """Leave out what an earlier predict added.

    That is all columns that it adds to the columns before them, in this order and at the end,
    unless the model was trained on one of them.
    """
    number = len(added_names(model, ()))
    kept, last = names[:-number], names[-number:]
    used = {column.name for column in model.encoder.columns} | {model.encoder.target}
    return kept if last == added_names(model, kept) and used.isdisjoint(last) else names


def _complete_columns(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer those of minnet's columns that need no model, also after a comma."""
    from minnet.model.model import OWN_COLUMNS

    before, comma, _ = incomplete.rpartition(",")
    return offered((before + comma + name for name in OWN_COLUMNS), incomplete)


@click.command("predict")
@click.argument("data", type=FILE, required=False)
@options.model_option
@click.option("-o", "--output", type=FILE, help="Write here.  [default: standard output]")
@click.option(
    "--columns",
    multiple=True,
    metavar="NAMES",
    shell_complete=_complete_columns,
    help="Write only these of minnet's columns, such as predicted,spread, and of DATA only what "
    "--id names (repeatable).",
)
@click.option(
    "--id",
    "ids",
    multiple=True,
    type=COLUMN,
    help="Write only this column of DATA (repeatable).",
)
@options.json_option
@options.workers_option
@options.scheduler_option
@options.quiet_option
def command(
    data: str | None,
    model: str,
    output: str | None,
    columns: tuple[str, ...],
    ids: tuple[str, ...],
    as_json: bool,
    workers: int,
    scheduler: str | None,
    quiet: bool,
) -> None:
    """Classes and probabilities for new rows.

    DATA is a CSV or a Parquet file. Writes its rows as they are, then the predicted class, a
    probability for each class, the spread of the predicted class's probability over the networks,
    and a caution where there is reason for one. Where DATA has columns of these names, minnet's
    get the prefix minnet_; the columns of an earlier predict are replaced. The label column may be
    there or not; columns are found by name. Cells are written verbatim, a spreadsheet's formula
    too, but with control characters escaped on a terminal. Without DATA, asks for one row at the
    terminal, or reads standard input from a pipe. Of Parquet, a file that ends in .parquet is
    Parquet again; a file that ends in .tsv gets tabs, any other table the delimiter of DATA. For a
    quoted pattern of files, -o names a folder, which gets a file for each of them, or none.

    \b
    Examples:
      minnet predict new.csv
      minnet predict new.csv --id name --columns predicted,spread
      minnet predict - --json < new.csv
      minnet predict new.parquet -o predictions.parquet
      minnet predict 'parts/*.csv' -o predictions
    """
    from minnet.data.csv import files_of, is_pattern
    from minnet.model.document import load

    if as_json and (columns or ids):
        raise click.UsageError("--columns and --id are for a table, not for --json")
    loaded = load(model)
    in_parts = data is not None and (is_pattern(data) or scheduler is not None)
    if output is not None:
        options.if_interrupted(f"{output} was not written")
        if not in_parts:
            options.check_output(output, data or "-", model)
    if data is None and sys.stdin is not None and sys.stdin.isatty():
        if output is not None or as_json or columns or ids:
            raise click.UsageError("name a CSV file, or - for standard input")

        options.print_lines(draw(loaded, ask(loaded, quiet=quiet)))
        return
    request = Request(ids, columns, as_json)
    if data is not None and in_parts:
        refuse_workers(scheduler)
        files = files_of(data)
        if output is None or as_json:
            raise click.UsageError(f"{data}: name a folder for the files of predictions with -o")
        notes = predict_files(
            loaded, request, files, output, (data, model), scheduler, workers, quiet=quiet
        )
    else:
        notes = predict_file(loaded, request, data or "-", output, workers)
    for note in notes:
        options.print_message(f"note: {note}", quiet=quiet)
