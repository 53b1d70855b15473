"""`minnet predict`: classes and probabilities for new rows.

One reader of blocks, and writers of CSV, JSON and Parquet. Without DATA, on a terminal: one row is
asked for, and its prediction drawn as bars.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

import click
import numpy as np
from click.shell_completion import CompletionItem

from minnet import errors, report
from minnet.cli import options
from minnet.cli.progress import Progress
from minnet.data import csv
from minnet.data.cells import INDEX, TableFormat, short_names
from minnet.data.columns import DateColumn, FeatureColumn, NumericColumn
from minnet.data.frames import ROW_GROUP, ParquetReader, unpack, write_parquet
from minnet.data.table import Reader, Table
from minnet.errors import DataError, FileError, SettingsError, plural, printable
from minnet.model.diagnostics import header_diagnostics
from minnet.model.judges import Known, count_known
from minnet.model.model import OWN_COLUMNS, Model, Predictions, added_names, predict
from minnet.storage import made_folder, replaced_file, replaced_files, written_file
from minnet.training.workers import in_order

BAR_WIDTH = 30
LINES_AT_ONCE = 2048
BLOCKS_ALONE = 16
"""Fewer take less time in this process than workers take to start."""
BYTES_IN_MEMORY = 32 * 2**20
SEPARATOR = ",\n"
JSON_KEYS = "line", "predicted", "probabilities", "spread", "caution"


def _complete_columns(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer those of minnet's columns that need no model, also after a comma."""
    before, comma, _ = incomplete.rpartition(",")
    return options.offered((before + comma + name for name in OWN_COLUMNS), incomplete)


@options.command(
    "predict",
    click.argument("data", type=options.FILE, required=False),
    "model",
    "threshold",
    options.option("-o --output", options.FILE, "Write here.  [default: standard output]"),
    options.option(
        "--columns",
        str,
        "Write only these of minnet's columns, such as predicted,spread, and of DATA only "
        "what --id names (repeatable).",
        multiple=True,
        metavar="NAMES",
        shell_complete=_complete_columns,
    ),
    options.option(
        "--id ids", options.COLUMN, "Write only this column of DATA (repeatable).", multiple=True
    ),
    *options.RUNNING,
)
def command(
    request: options.Request, output: str | None, columns: tuple[str, ...], ids: tuple[str, ...]
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
    if request.as_json and (columns or ids):
        raise click.UsageError("--columns and --id are for a table, not for --json")
    model = request.load_model()
    in_parts = request.data and (csv.is_pattern(request.data) or request.scheduler is not None)
    data = request.data or "-"
    if output is not None and not in_parts:
        request.check_output(output)
    if not request.data and sys.stdin is not None and sys.stdin.isatty():
        if output is not None or request.as_json or columns or ids:
            raise click.UsageError("name a CSV file, or - for standard input")
        request.say("One row to predict; press Enter where a value is missing.")
        options.print_lines(draw(model, ask(model)))
        return
    wanted = Wanted(model, ids, columns, request.as_json)
    if in_parts:
        notes, known = predict_files(request, wanted, output)
    else:
        notes, known = wanted.predict(data, output, _whole(output), request.workers)
    request.note([*notes, *filter(None, [known.note(model.folds)])])


def ask(model: Model) -> Table:
    """Ask for each feature in turn, showing what training saw; nothing entered is missing."""
    form = TableFormat(cells=model.encoder.form.cells.for_file(""))
    try:
        cells = {column.name: [_ask(column, form)] for column in model.encoder.columns}
    except click.Abort:
        click.echo(err=True)
        raise
    return Table.from_columns(cells, "what you entered", form)


def _ask(column: FeatureColumn, form: TableFormat) -> str:
    """Ask for a cell until it is one that training could have had."""
    if isinstance(column, DateColumn):
        seen = column.example
    elif isinstance(column, NumericColumn):
        seen = f"{column.shown(column.minimum)} to {column.shown(column.maximum)}"
    else:
        seen = errors.listed([*map(errors.in_list, column.categories)])
    question = printable(f"{column.name} ({seen})")
    while True:
        cell: str = click.prompt(question, "", show_default=False, err=True)
        table = Table.from_columns({column.name: [cell]}, "what you entered", form)
        try:
            if isinstance(column, DateColumn):
                column.derive(table)
            elif isinstance(column, NumericColumn):
                column.fill(np.empty((1, len(column.features))), table)
            elif column.caution(table)[1].any():
                raise DataError(
                    errors.unknown_name(column.name, "category", cell, column.categories)
                )
            return cell
        except DataError as error:
            options.print_message(str(error).removeprefix(f"{table.at(0)}: "))


def draw(model: Model, table: Table) -> str:
    """Draw a bar for each class, the most probable first, with the range over the networks."""
    each = model.member_probabilities(table)[:, 0]
    prediction = predict(model, table)
    probabilities = prediction.probabilities[0]
    names = short_names(model.encoder.class_names)
    predicted = names[prediction.labels[0]]
    rows = [
        [
            names[label],
            report.bar(probabilities[label], BAR_WIDTH),
            report.percent(probabilities[label]),
            f"{100 * each[:, label].min():.1f} to {100 * each[:, label].max():.1f} %",
        ]
        for label in (-probabilities).argsort(kind="stable")
    ]
    heads = ["class", "", "probability", f"over {plural(len(model.network), 'network')}"]
    lines = [
        f"predicted: {predicted}, spread over the networks {prediction.spread[0]:.3f}",
        *(printable(f"caution: {caution}") for caution in prediction.cautions[0]),
    ]
    return report.as_text(
        [report.Section("", [report.Cells(rows, heads, left=(0, 1))]), report.Section("", lines)]
    )


class _CsvWriter(NamedTuple):
    """Writes the rows as lines of a CSV: some columns of DATA, and some of minnet's own."""

    names: Sequence[str]
    places: Sequence[int]
    own: Collection[int]
    delimiter: str
    on_terminal: bool

    def piece(self, table: Table, read: Any, predictions: Predictions) -> str:
        is_text = isinstance(read, csv.Chunk)
        of_data = read.columns if is_text else [unpack(one).cells for one in read.columns]
        own = predictions.columns
        added = (
            own[k] if isinstance(own[k], list) else [*map("{:.6f}".format, own[k].tolist())]
            for k in self.own
        )
        return self._lines([*(of_data[k] for k in self.places), *added])

    def write(self, file: BinaryIO, pieces: Iterator[str]) -> None:
        file.write(self._lines([[name] for name in self.names]).encode())
        file.writelines(piece.encode() for piece in pieces)

    def _lines(self, columns: Sequence[Sequence[str]]) -> str:
        if self.on_terminal:
            columns = [[*map(printable, column)] for column in columns]
        return csv.csv_lines(columns, self.delimiter)


class _JsonWriter(NamedTuple):
    """Writes what is predicted for each row as one JSON object."""

    class_names: Sequence[str]

    def piece(self, table: Table, read: Any, predictions: Predictions) -> str:
        """Write rows, each with the separator that comes before it."""
        by_class = predictions.probabilities.tolist()
        figures = zip(
            table.lines.tolist(),
            predictions.predicted,
            (dict(zip(self.class_names, of_row, strict=True)) for of_row in by_class),
            predictions.spread.tolist(),
            predictions.cautions,
            strict=True,
        )
        documents = (dict(zip(JSON_KEYS, of_row, strict=True)) for of_row in figures)
        return "".join(SEPARATOR + json.dumps(document) for document in documents)

    def write(self, file: BinaryIO, pieces: Iterator[str]) -> None:
        file.write(b'{"predictions": [' + next(pieces).removeprefix(SEPARATOR).encode())
        file.writelines(piece.encode() for piece in pieces)
        file.write(b"]}\n")


class _ParquetWriter(NamedTuple):
    """Writes some columns of a Parquet file as they were, and some of minnet's own."""

    kept: Sequence[str]
    own: dict[int, str]

    def piece(
        self, table: Table, read: Any, predictions: Predictions
    ) -> tuple[Any, dict[str, Any]]:
        columns = predictions.columns
        return read, {name: columns[place] for place, name in self.own.items()}

    def write(self, file: BinaryIO, pieces: Iterator[tuple[Any, dict[str, Any]]]) -> None:
        write_parquet(file, self.kept, pieces)


def _predict_block(
    model: Model, parser: csv.RowParser, writer: Any, block: Any
) -> tuple[Any, Known, Sequence[str]]:
    """Make of a block of lines, or of Parquet, what a writer writes; `None` if no row is in it.

    Also tells which rows the training had, and where lines are that repeat the header.
    """
    form = model.encoder.form
    if isinstance(block, csv.Block):
        read: Any = parser.chunk(block)
        table = Table.from_chunk(parser, read, form)
    else:
        first_row, read = block
        table = Table.from_columns(read, parser.source, form, first_row)
    piece, known = None, Known()
    if len(table):
        piece = writer.piece(table, read, predict(model, table))
        known = count_known(model, table)
    return piece, known, table.repeated_headers


class Wanted(NamedTuple):
    """What is to be predicted and written, in whichever process.

    Attributes
    ----------
    ids, columns
        Columns of DATA, and of minnet's own, that are asked for; all if none is.
    as_json
        Whether to write JSON.
    """

    model: Model
    ids: Sequence[str] = ()
    columns: Sequence[str] = ()
    as_json: bool = False

    def predict(
        self,
        data: str,
        output: str | None,
        place: AbstractContextManager[BinaryIO],
        workers: int = 1,
    ) -> tuple[list[str], Known]:
        """Write a table's rows and what is predicted for them, block by block.

        So memory does not grow with the rows. Returns what is to be told of the columns, and of
        the rows that have the features of training rows.

        Parameters
        ----------
        output
            Name of the file to write, for its ending; `None` for standard output.
        place
            Opens it.
        """
        known = Known()
        headers: list[str] = []

        def pieces() -> Generator[Any]:
            nonlocal known
            with closing(found):
                for piece, known_of_piece, headers_of_piece in found:
                    known = known.merge(known_of_piece)
                    headers.extend(headers_of_piece)
                    if piece is not None:
                        yield piece
            if not known.rows:
                raise DataError(f"{reader.source}: a header but no rows")

        with options.open_data(data, self.model.encoder.form) as reader:
            writer, notes = self.writer(reader, output)
            if isinstance(reader, ParquetReader):
                workers = 1  # the threads of pyarrow do not live on in a forked process
            blocks = reader.blocks(
                ROW_GROUP if isinstance(writer, _ParquetWriter) else LINES_AT_ONCE
            )
            common = self.model, reader.parser, writer
            found = in_order(workers, _predict_block, blocks, *common, alone=BLOCKS_ALONE)
            with place as file, closing(pieces()) as written:
                writer.write(file, written)
        return [*notes, *header_diagnostics(headers)], known

    def writer(self, reader: Reader, output: str | None) -> tuple[Any, list[str]]:
        """Choose what writes the predictions of an open file, and what is to be told of it."""
        ending = "" if output is None else os.path.splitext(output)[1].lower()
        if self.as_json:
            if ending == ".parquet":
                raise click.UsageError(f"-o {output}: --json is not written as Parquet")
            return _JsonWriter(self.model.encoder.class_names), []
        kept, own, notes = self._layout(reader)
        if ending == ".parquet":
            if not isinstance(reader, ParquetReader):
                raise click.UsageError(f"-o {output}: only Parquet is written as Parquet")
            return _ParquetWriter(kept, own), notes
        delimiter = reader.parser.delimiter
        writer = _CsvWriter(
            [*kept, *own.values()],
            [*map(reader.names.index, kept)],
            [*own],
            # No cell then has to be told from the blanks around it.
            "\t" if ending == ".tsv" or delimiter == csv.BLANK else delimiter,
            on_terminal=output is None and sys.stdout.isatty(),
        )
        return writer, notes

    def _layout(self, reader: Reader) -> tuple[list[str], dict[int, str], list[str]]:
        """Choose the columns: those that are asked for, or all.

        Returns
        -------
        tuple
            Columns of DATA to write again; columns of minnet to write, the place of each among all
            of them and its name here; what is to be told about the columns.

        Raises
        ------
        SettingsError
            If there is none of a name.
        """
        names, source = reader.names, reader.source
        plain = added_names(self.model.class_names)
        # A word may hold several names, with commas.
        words = ([word] if word in plain else word.split(",") for word in self.columns)
        chosen = [*chain.from_iterable(words)]
        for place, asked, known in ((source, self.ids, names), ("predict", chosen, plain)):
            for name in asked:
                if name not in known:
                    raise SettingsError(errors.unknown_name(place, "column", name, known))
        is_chosen = bool(self.ids or chosen)
        kept = [*dict.fromkeys(self.ids)] if is_chosen else _without_predictions(self.model, names)
        added = added_names(self.model.class_names, kept)
        own = {place: added[place] for place in map(plain.index, chosen or plain)}
        names_added = f"{added[0]} to {added[-1]}"
        notes = []
        if INDEX in kept:
            notes.append(f"{source}: the first column has no name: not used, written as {INDEX!r}")
        taken = [name for name in plain if name in kept]
        if not is_chosen and len(kept) < len(names):
            notes.append(f"{source}: the columns {names_added} of an earlier predict are replaced")
        elif taken:
            notes.append(
                f"{source} has a column {taken[0]!r}: those that predict adds are {names_added}"
            )
        return kept, own, notes


def predict_files(
    request: options.Request, wanted: Wanted, folder: str | None
) -> tuple[Iterable[str], Known]:
    """Write a file of predictions for each of the files that DATA is, all of them or none."""
    files = csv.files_of(request.data)
    if folder is None or request.as_json:
        raise click.UsageError(
            f"{request.data}: name a folder for the files of predictions with -o"
        )
    request.if_interrupted(f"{folder} was not written")
    # What is written is not packed.
    outputs = {
        os.path.join(folder, re.sub(r"(?i)\.(gz|bz2|xz)\Z", "", os.path.basename(file))): file
        for file in files
    }
    if len(outputs) < len(files):
        raise FileError(
            f"{request.data}: two of the files have one name, and would be written to one file"
        )
    for output, file in outputs.items():
        if csv.REMOTE not in file:  # a look into each of those takes long
            with options.open_data(file, wanted.model.encoder.form) as reader:
                wanted.writer(reader, output)
                empty = Table.from_columns(dict.fromkeys(reader.names, ()), file)
                for column in wanted.model.encoder.columns:
                    empty[column.name]
    notes: dict[str, None] = {}
    known = Known()
    with made_folder(folder):
        options.check_outputs(outputs, request.data, request.model)
        with (
            replaced_files(outputs) as new,
            request.cluster() as workers,
            Progress("{}/{} files", len(files), quiet=request.quiet) as progress,
        ):
            places = files
            if request.scheduler is not None:  # its workers start from other folders
                places = [file if csv.REMOTE in file else os.path.abspath(file) for file in files]
            names = zip(new, outputs, places, strict=True)
            with closing(in_order(workers, _predict_into, names, wanted)) as told:
                for of_file, known_of_file in told:
                    notes |= dict.fromkeys(of_file)
                    known = known.merge(known_of_file)
                    progress.advance()
    request.say(f"wrote {plural(len(files), 'file')} to {folder}")
    return notes, known


def _predict_into(wanted: Wanted, names: tuple[str, str, str]) -> tuple[list[str], Known]:
    """Write predictions into a new file of `replaced_files`, in whichever process."""
    new, output, data = names
    return wanted.predict(data, output, written_file(new, output))


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


def _without_predictions(model: Model, names: list[str]) -> list[str]:
    """Leave out what an earlier predict added.

    That is all columns that it adds to the columns before them, in this order and at the end,
    unless the model was trained on one of them.
    """
    number = len(added_names(model.class_names))
    kept, last = names[:-number], names[-number:]
    used = {column.name for column in model.encoder.columns} | {model.encoder.target}
    return kept if last == added_names(model.class_names, kept) and used.isdisjoint(last) else names
