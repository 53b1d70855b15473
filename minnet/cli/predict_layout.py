"""Which columns a table of predictions has: those of DATA, and those that minnet adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from minnet.errors import SettingsError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from minnet.data.csv_reader import CsvReader
    from minnet.data.parquet import ParquetReader
    from minnet.model.model import Model


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


def lay_out(
    model: Model, reader: CsvReader | ParquetReader, ids: Sequence[str], columns: Sequence[str]
) -> Layout:
    """Choose the columns: those asked for by `ids` and `columns`, or all.

    Raises
    ------
    SettingsError
        If there is none of a name.
    """
    from minnet.data.column_names import INDEX
    from minnet.model.prediction import added_names

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


def _chosen(reader: CsvReader | ParquetReader, ids: Sequence[str]) -> list[str]:
    for name in ids:
        if name not in reader.names:
            raise SettingsError(unknown_name(reader.source, "column", name, reader.names))
    return [*dict.fromkeys(ids)]


def _without_predictions(model: Model, names: list[str]) -> list[str]:
    """Leave out what an earlier predict added.

    That is all columns that it adds to the columns before them, in this order and at the end,
    unless the model was trained on one of them.
    """
    from minnet.model.prediction import added_names

    number = len(added_names(model, ()))
    kept, last = names[:-number], names[-number:]
    used = {column.name for column in model.encoder.columns} | {model.encoder.target}
    return kept if last == added_names(model, kept) and used.isdisjoint(last) else names
