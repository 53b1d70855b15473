"""What you should know about a training table and the model it gave, one sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minnet.analysis.column_diagnostics import (
    column_diagnostics,
    names_taken_for_others,
    words_left_out,
)
from minnet.data.columns import codes_of
from minnet.data.csv_reader import is_index
from minnet.data.names import short_name
from minnet.errors import plural
from minnet.model.model import PREDICTED_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from minnet.arrays import Array
    from minnet.data.examples import Examples
    from minnet.data.table import Table
    from minnet.model.model import Model

MOST_NAMED = 3


def table_diagnostics(model: Model, table: Table, ignored: Collection[str] = ()) -> Iterator[str]:
    """Tell what is odd about the training table."""
    target = table[model.encoder.target]
    unlabelled = codes_of(target, model.class_names) < 0
    words = words_left_out(model.encoder, table)
    if words:  # which `label_diagnostics` tells
        unlabelled &= codes_of(target, list(words)) < 0
    if unlabelled.any():
        yield (
            f"{plural(int(unlabelled.sum()), 'row')} without a label left out, the first in line "
            f"{table.lines[unlabelled.argmax()]}"
        )
    used = {column.name for column in model.encoder.columns}
    for name in table.columns:
        known = {*used, model.encoder.target, model.encoder.group, *ignored}
        if name not in known and not is_index(name):
            yield f"column {name!r} is empty: left out"
    missing = {name: table[name].missing for name in table.columns if name in used}
    counts = {name: int(rows.sum()) for name, rows in missing.items() if rows.any()}
    if counts:
        first = min(counts, key=lambda name: int(missing[name].argmax()))
        yield (
            f"{plural(sum(counts.values()), 'missing cell')} in {plural(len(counts), 'column')}, "
            f"the first in line {table.lines[missing[first].argmax()]}, column {first!r}"
        )
    yield from names_taken_for_others("classes", model.encoder.class_names)
    yield from names_taken_for_others("columns", table.columns)
    for column in model.encoder.columns:
        yield from column_diagnostics(column, table)


def split_diagnostics(model: Model, examples: Examples) -> Iterator[str]:
    """Tell what about the rows, all of the table, makes scores flatter or uncertain."""
    repeats = int((examples.occurrences > 0).sum())
    yield from repeats_diagnostics(repeats, dropped=model.encoder.drop_repeats)
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


def repeats_diagnostics(repeats: int, *, dropped: bool) -> Iterator[str]:
    """Tell how many of all labelled rows repeat others."""
    if repeats and dropped:
        yield f"{plural(repeats, 'row')} that repeated others left out"
    elif repeats:
        yield (
            f"{plural(repeats, 'row')} {'repeats another' if repeats == 1 else 'repeat others'}: "
            "copies flatter the scores (see --drop-repeats and --group)"
        )


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
