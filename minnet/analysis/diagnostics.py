"""What you should know about a training table and the model it gave, one sentence each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from minnet.analysis.column_diagnostics import (
    column_diagnostics,
    distinct,
    names_taken_for_others,
    words_left_out,
)
from minnet.data.column_names import is_index
from minnet.data.columns import CategoricalColumn, NumericColumn, codes_of
from minnet.data.keys import cell_keys
from minnet.data.names import short_name
from minnet.data.summaries import summarize
from minnet.errors import plural
from minnet.model.model import PREDICTED_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from minnet.arrays import Array, IntArray
    from minnet.data.encoding import Encoder
    from minnet.data.examples import Examples
    from minnet.data.summaries import ColumnSummary, TableSummary
    from minnet.data.table import Table
    from minnet.model.model import Model

MOST_NAMED = 3
MOST_TIMES_CHANCE = 3.0
SAME_PLACE = 2e-3
REMEDIES = "--drop-repeats and --group"


def table_diagnostics(
    model: Model,
    table: Table,
    summary: TableSummary,
    ignored: Collection[str] = (),
    examples: Examples | None = None,
) -> Iterator[str]:
    """Tell what is odd about the training table, given its summary, too.

    Parameters
    ----------
    examples
        All of the table's; missing cells of those that the model did not learn from do not count.
    """
    target = table[model.encoder.target]
    unlabelled = codes_of(target, model.class_names) < 0
    words = words_left_out(model.encoder, table)
    if words:  # which `label_diagnostics` tells
        unlabelled &= codes_of(target, list(words)) < 0
    if unlabelled.any():
        yield (
            f"{plural(int(unlabelled.sum()), 'row')} without a label left out, the first in "
            f"{table.line(int(unlabelled.argmax()))}"
        )
    yield from _empty_columns(model.encoder, table.columns, ignored)
    used = {column.name for column in model.encoder.columns}
    is_left = np.ones(len(table), np.bool_)
    if examples is not None:
        is_left[examples.rows] = False
        is_left[model.encoder.learned_from(examples).rows] = True
    missing = {name: table[name].missing & is_left for name in table.columns if name in used}
    counts = {name: int(rows.sum()) for name, rows in missing.items() if rows.any()}
    if counts:
        first = min(counts, key=lambda name: int(missing[name].argmax()))
        yield (
            f"{plural(sum(counts.values()), 'missing cell')} in {plural(len(counts), 'column')}, "
            f"the first in {table.line(int(missing[first].argmax()))}, column {first!r}"
        )
    yield from names_taken_for_others("classes", model.encoder.class_names)
    yield from names_taken_for_others("columns", table.columns)
    for column in model.encoder.columns:
        yield from column_diagnostics(
            column, summary[column.name], distinct(table.columns[column.name])
        )


def _empty_columns(
    encoder: Encoder, names: Iterable[str], ignored: Collection[str]
) -> Iterator[str]:
    known = {encoder.target, encoder.group, *ignored}
    known |= {column.name for column in encoder.columns}
    for name in names:
        if name not in known and not is_index(name):
            yield f"column {name!r} is empty: left out"


def parts_diagnostics(
    model: Model,
    whole: TableSummary,
    parts: Sequence[TableSummary],
    class_counts: Sequence[IntArray],
    ignored: Collection[str] = (),
) -> Iterator[str]:
    """Tell what is odd about a training table in parts.

    Parameters
    ----------
    whole
        The summary of all parts.
    parts, class_counts
        The summary of each, and its rows of each class; several may be of one file.
    """
    encoder = model.encoder
    rows: Counter[str] = Counter()
    labelled: dict[str, IntArray] = {}
    for part, counts in zip(parts, class_counts, strict=True):
        rows[part.source] += part.rows
        labelled[part.source] = labelled.get(part.source, 0) + counts
    for source, counts in labelled.items():
        if not rows[source]:
            yield f"{source} has a header but no rows"
        elif not counts.any():
            yield f"{source}: no row has a label in column {encoder.target!r}"
    unlabelled = whole.rows - sum(model.class_counts)
    unlabelled -= sum(words_left_out(encoder, whole).values())  # which `label_diagnostics` tells
    if unlabelled:
        yield f"{plural(unlabelled, 'row')} without a label left out"
    yield from _empty_columns(encoder, whole.columns, ignored)
    columns = [whole[column.name] for column in encoder.columns]
    if missing := [column.missing for column in columns if column.missing]:
        yield f"{plural(sum(missing), 'missing cell')} in {plural(len(missing), 'column')}"
    yield from names_taken_for_others("classes", encoder.class_names)
    yield from names_taken_for_others("columns", whole.columns)
    for column, cells in zip(encoder.columns, columns, strict=True):
        different = None
        if isinstance(column, CategoricalColumn) and cells.counts is not None:
            different = len(cells.counts) + cells.left_out
        yield from column_diagnostics(column, cells, different)
    for label, name in enumerate(encoder.class_names):
        having = [source for source, counts in labelled.items() if counts[label]]
        if len(having) == 1 < len(labelled):
            yield f"class {name!r} is in {having[0]} alone"


def split_diagnostics(
    model: Model, repeats: int, remedies: str = REMEDIES, *, by_chance: bool
) -> Iterator[str]:
    """Tell what makes scores flatter or uncertain; see `repeats_diagnostics`."""
    dropped = model.encoder.drop_repeats
    yield from repeats_diagnostics(repeats, remedies, dropped=dropped, by_chance=by_chance)
    folds = len(model.folds)
    if model.encoder.group and folds < model.settings.folds:
        yield (
            f"column {model.encoder.group!r} has only {plural(folds, 'group')}: that many folds, "
            f"not {model.settings.folds}"
        )
    yield from _rare_classes(model, folds)


def _rare_classes(model: Model, folds: int) -> Iterator[str]:
    counts = zip(model.class_counts, model.encoder.class_names, strict=True)
    rare = sorted((count, name) for count, name in counts if count < folds)
    if len(rare) == 1:
        ((count, name),) = rare
        yield (
            f"class {name!r} has only {plural(count, 'row')} for {folds} folds: "
            "its scores are uncertain"
        )
    elif rare:
        shown = ", ".join(f"{short_name(name)!r} {count}" for count, name in rare[:MOST_NAMED])
        yield (
            f"{len(rare):,} classes have fewer rows than the {folds} folds: their scores are "
            f"uncertain: {shown}" + (", ..." if len(rare) > MOST_NAMED else "")
        )


def repeats_diagnostics(
    repeats: int, remedies: str = REMEDIES, *, dropped: bool, by_chance: bool = False
) -> Iterator[str]:
    """Tell how many of all labelled rows repeat others, and what to do about it.

    Parameters
    ----------
    remedies
        Options that help.
    dropped
        Whether they were left out.
    by_chance
        Whether so many are to be expected of different rows with few different cells.
    """
    rows = f"{plural(repeats, 'row')} {'repeats another' if repeats == 1 else 'repeat others'}"
    if repeats and dropped:
        yield f"{plural(repeats, 'row')} that repeated others left out" + (
            ", as chance alone makes rows repeat in this table: these were rows of their own"
            if by_chance
            else ""
        )
    elif repeats and by_chance:
        yield f"{rows}, as chance alone makes rows repeat in this table: the scores hold"
    elif repeats:
        yield f"{rows}: copies flatter the scores (see {remedies})"


def are_repeats_by_chance(encoder: Encoder, table: Table, examples: Examples) -> bool:
    """Whether rows repeat others as often as chance would have it, not since they were copied.

    Two rows of a class are alike in a column as often as the sum of its squared shares of cells,
    and in all columns as often as the product of these, if they have nothing to do with each other.
    They mostly have, which makes more rows alike; so three times as many are let pass.
    """
    if examples.is_coarse or not examples.repeats:
        return examples.is_coarse
    counts = examples.class_counts(len(encoder.class_names)).tolist()
    alike = np.array([rows * (rows - 1) / 2 for rows in counts])
    for column in encoder.columns:
        keys = cell_keys(table[column.name]).exact[examples.rows]
        for label, rows in enumerate(counts):
            cells = np.sort(keys[examples.labels == label])
            runs = np.diff(np.flatnonzero(cells[1:] != cells[:-1]), prepend=-1, append=rows - 1)
            alike[label] *= (runs / max(1, rows)) @ (runs / max(1, rows))
    return examples.repeats <= MOST_TIMES_CHANCE * float(alike.sum())


def is_changed_table(model: Model, table: Table) -> bool:
    """Whether a table of which no row is known looks like the training table, changed.

    It has as many rows of each class, and the median of each numeric column lies at the same place
    between the extremes, as it does when numbers are rounded or converted to another unit.
    """
    encoder = model.encoder
    labels = encoder.labels(table, refuse_unknown=False)
    numeric = [column for column in encoder.columns if isinstance(column, NumericColumn)]
    counts = np.bincount(labels[labels >= 0], minlength=len(model.class_counts))
    if not numeric or counts.tolist() != list(model.class_counts):
        return False
    used = {column.name for column in numeric}
    summary = summarize(table, [name for name in table.columns if name not in used])
    for column in numeric:
        place, other = (_median_place(cells) for cells in (column, summary[column.name]))
        if min(abs(place - other), abs(1 - place - other)) > SAME_PLACE:
            return False
    return True


def _median_place(cells: NumericColumn | ColumnSummary) -> float:
    """Where the median lies between the extremes, 0 to 1."""
    extent = cells.maximum - cells.minimum
    return (cells.median - cells.minimum) / extent if extent else 0.5


def model_diagnostics(model: Model, features: Array) -> Iterator[str]:
    """Tell what is odd about the trained networks; `features` are those of the training table."""
    dead, units = dead_units(model, features)
    if dead:
        are = "is" if dead == 1 else "are"
        yield f"{dead} of {plural(units, 'hidden unit')} {are} dead (never above 0 on these rows)"


def dead_units(model: Model, features: Array) -> tuple[int, int]:
    """Count the hidden units, over all networks, that are 0 for every row; and all of them."""
    starts = range(0, len(features), PREDICTED_AT_ONCE)
    blocks = [features[None, start : start + PREDICTED_AT_ONCE] for start in starts]
    live = np.any([model.network.live_units(block) for block in blocks], axis=0)
    return int((~live).sum()), live.size
