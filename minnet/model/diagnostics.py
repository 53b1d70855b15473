"""What you should know about a training table and the model it gave, one sentence each."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from minnet.arrays import Array, IntArray
from minnet.data import columns, dates
from minnet.data.cells import cut_middle, is_index, short_name, suggest_options, without_zeros
from minnet.data.encoding import Encoder, Examples
from minnet.data.keys import cell_keys
from minnet.data.table import Table
from minnet.errors import plural
from minnet.model.model import OWN_COLUMNS, PREFIX, Model, row_blocks

LONGEST_IN_A_NOTE = 80
MOST_NAMES = 4
ALMOST = 0.9
MOST_TIMES_CHANCE = 3.0
SAME_PLACE = 2e-3
FEW_UNITS = 8
ROWS_LOOKED_AT = 512
REMEDIES = "--drop-repeats and --group"
_DATE = re.compile(
    r"\s*(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3(\d{4}|\d{2}))"
    r"([T\s]\s*\d{1,2}:\d{2}.*)?\s*"
)

_PREDICTED = re.compile(rf"({PREFIX})*({'|'.join(OWN_COLUMNS)}|p\(.*\))", re.DOTALL)


def reading_diagnostics(encoder: Encoder, summary: columns.TableSummary) -> Iterator[str]:
    """Tell how the cells were read, where they might have been meant otherwise."""
    counts = [(name, column.counts or ()) for name, column in summary.columns.items() if column]
    if all(name in cells for name, cells in counts):
        header = _listed([*summary.columns])
        yield (
            f"each name in the header is a cell of its column, too ({header}): if the file has no "
            "header, train with --no-header"
        )
    yield from header_diagnostics(summary.repeated_headers)
    for position, name in enumerate(summary.columns, start=1):
        if is_index(name) and name != encoder.target:
            yield f"column {position} has no name: read as {name!r} and left out"
    used = [summary[column.name] for column in encoder.columns]
    names = [encoder.target, *(column.name for column in used)]
    if len(predicted := [name for name in names if _PREDICTED.fullmatch(name)]) > 1:
        yield (
            f"columns {_listed(predicted)} are learned from, and predict writes columns of such "
            "names: if they hold predictions, leave them out with --ignore"
        )
    commas = [column.name for column in used if column.decimal_mark == ","]
    points = [column.name for column in used if column.decimal_mark == "."]
    if commas and not summary.cell_format.decimal:
        note = f"numbers with decimal commas in {_listed(commas)}"
        if points:
            yield (
                f"{note}, with decimal points in {_listed(points)}; if these points stand between "
                "thousands: --decimal , --strip ."
            )
        else:
            yield f"{note}; if the commas are no decimal marks: --decimal ."
    for word, count in summary[encoder.target].missing_counts.items():
        if word in encoder.class_names:
            yield (
                f"{plural(count, 'row')} labelled {word!r}, read as a class; if that stands for a "
                f"missing label: --missing {shlex.quote(word.strip())}"
            )


def header_diagnostics(places: Sequence[str]) -> Iterator[str]:
    """Tell which lines of a table in files repeat the header."""
    if places:
        yield f"lines that repeat the header left out: {_listed(places, str)}"


def label_diagnostics(encoder: Encoder, summary: columns.TableSummary) -> Iterator[str]:
    """Tell which labels were left out as missing though they are words and nobody said so."""
    for word, count in words_left_out(encoder, summary).items():
        yield (
            f"{plural(count, 'row')} labelled {word!r} left out as missing; if that is a "
            "class: --missing ''"
        )


def words_left_out(encoder: Encoder, table: Table | columns.TableSummary) -> dict[str, int]:
    """Count the labels left out for each word that stands for "no value" by itself."""
    known = {"", *table.cell_format.missing_words}
    return {
        word: count
        for word, count in table[encoder.target].missing_counts.items()
        if word not in encoder.class_names and word.strip() not in known
    }


def reading_notes(encoder: Encoder, summary: columns.TableSummary) -> list[str]:
    """Tell all that is noteworthy about how a table was read."""
    return [*reading_diagnostics(encoder, summary), *label_diagnostics(encoder, summary)]


def column_diagnostics(
    column: columns.FeatureColumn, cells: columns.ColumnSummary, different: int | None
) -> Iterator[str]:
    """Tell what is odd about a feature column.

    Parameters
    ----------
    different
        How many categories or integers it holds; `None` if that is not known.
    """
    name = f"column {column.name!r}"
    rows = cells.rows - cells.missing
    if (different == 1 or cells.minimum == cells.maximum) and not cells.missing:
        yield f"{name} is constant: the same in every row"
    identifier = "if it is an identifier, leave it out with --ignore"
    is_text = isinstance(column, columns.CategoricalColumn)
    if is_text and (meant := _meant(cells)):
        yield f"{name} {meant}"
    elif different == cells.rows and not isinstance(column, columns.DateColumn):
        yield f"{name} is different in every row: {identifier}"
    elif is_text and different and 1 < ALMOST * rows <= different:
        yield f"{name} is different in {different:,} of {plural(rows, 'row')}: {identifier}"
    elif isinstance(column, columns.CategoricalColumn) and column.left_out:
        yield (
            f"{name} has {different:,} categories: the {len(column.categories)} most frequent are "
            "used"
        )
    if isinstance(column, columns.CategoricalColumn):
        yield from names_taken_for_others(f"{name}: categories", column.categories)


_SAME_BUT_FOR: dict[str, Callable[[str], str]] = {
    "case": str.casefold,
    "white space": lambda name: " ".join(name.split()),
    "Unicode form": partial(unicodedata.normalize, "NFC"),
    "how the number is written": without_zeros,
}


def _plain_form(name: str, but_for: str = "") -> str:
    """Write alike what means the same, but for one of the ways in which it may differ."""
    for way, written in _SAME_BUT_FOR.items():
        name = name if way == but_for else written(name)
    return name


def names_taken_for_others(kind: str, names: Iterable[str]) -> Iterator[str]:
    """Tell of the first names that differ only in how they are written, and two cut alike."""
    by_form: dict[str, list[str]] = {}
    by_short_name: dict[str, str] = {}
    alike: tuple[str, str] | None = None
    for name in names:
        forms = by_form.setdefault(_plain_form(name), [])
        forms.append(name)
        other = by_short_name.setdefault(short_name(name), name)
        if other != name and other not in forms:
            alike = alike or (other, name)
    for forms in by_form.values():
        if len(forms) > 1:
            ways = [way for way in _SAME_BUT_FOR if len({_plain_form(f, way) for f in forms}) > 1]
            ways = ways or ["Unicode form"]  # which may be one of two ways that do alone
            shown = _listed(forms, ascii if "Unicode form" in ways else repr)
            yield f"{kind} {shown} differ only in {_listed(ways, str)}"
            break
    if alike:
        yield f"{kind} {_listed(alike)} look alike in reports and pictures, cut short"


def _listed(names: Sequence[str], quoted: Callable[[str], str] = repr) -> str:
    """Write names as `'a', 'b' and 3 more`, in quotes and not too long."""
    shown = [cut_middle(quoted(name), LONGEST_IN_A_NOTE) for name in names[:MOST_NAMES]]
    more = len(names) - len(shown)
    last = f"{more:,} more" if more else shown.pop()
    return f"{', '.join(shown)} and {last}" if shown else last


def _meant(cells: columns.ColumnSummary) -> str | None:
    """Say what a text column looks like, if it looks like anything but categories."""
    spellings = [*(cells.counts or ())]
    texts = [cell for cell in spellings if cells.cell_format.number(cell) is None]
    written = next((cell for cell in texts if suggest_options([cell], units=True)), None)
    if written and (options := suggest_options(spellings, ALMOST, units=True)):
        added = " ".join(f"--{name} {value}" for name, value in options.items())
        return f"looks like numbers, such as {written!r}, but is read as categories: add {added}"
    no_dates = [cell for cell in spellings if not dates.moment(cell)]
    if 0 < len(no_dates) < (1 - ALMOST) * len(spellings):
        return _not_all(no_dates, "a date")
    dated = [cell for cell in no_dates if _DATE.fullmatch(cell)]
    if len(dated) > ALMOST * len(spellings):
        count = len(spellings) + cells.left_out
        return (
            f"holds dates, such as {dated[0]!r}, read as {count:,} categories: "
            "columns of their own for year, month and weekday say more"
        )
    return _not_all(texts, "a number") if 0 < len(texts) < len(spellings) else None


def _not_all(texts: Sequence[str], what: str) -> str:
    """Say why a column is read as categories, given the cells that keep it from being numbers."""
    reason = f"is read as categories: {texts[0]!r} is not {what}"
    if len(texts) == 1 and len(texts[0]) <= columns.LONGEST_WORD:
        reason += f"; if it stands for a missing value: --missing {shlex.quote(texts[0].strip())}"
    return reason


def table_diagnostics(
    model: Model,
    summary: columns.TableSummary,
    table: Table | None = None,
    parts: Sequence[tuple[columns.TableSummary, IntArray]] = (),
) -> Iterator[str]:
    """Tell what is odd about a training table, of one part or many.

    Parameters
    ----------
    summary
        Of the whole table.
    table
        If there is one that is whole: then lines are told, and integers are looked at, too.
    parts
        Else the summary of each part, and its rows of each class; several may be of one file.
    """
    encoder = model.encoder
    rows: Counter[str] = Counter()
    labelled: dict[str, IntArray] = {}
    for part, counts in parts:
        rows[part.source] += part.rows
        labelled[part.source] = labelled.get(part.source, 0) + counts
    for source, counts in labelled.items():
        if not rows[source]:
            counted = " of a weight above 0" if encoder.weights else ""
            yield f"{source} has a header but no rows{counted}"
        elif not counts.any():
            yield f"{source}: no row has a label in column {encoder.target!r}"
    # Of the words left out, `label_diagnostics` tells.
    known = {*encoder.class_names, *words_left_out(encoder, summary)}
    target = summary[encoder.target]
    unlabelled = target.missing - sum(target.missing_counts.get(word, 0) for word in known)
    if unlabelled:
        place = ""
        if table:
            is_unlabelled = columns.codes_of(table[target.name], [*known]) < 0
            place = f", the first in {table.line(int(is_unlabelled.argmax()))}"
        yield f"{plural(unlabelled, 'row')} without a label left out{place}"
    for name, found in summary.columns.items():
        if found and found.missing == found.rows and not is_index(name):
            yield f"column {name!r} is empty: left out"
    features = [summary[column.name] for column in encoder.columns]
    if missing := [column for column in features if column.missing]:
        count = plural(sum(column.missing for column in missing), "missing cell")
        place = ""
        if table:
            firsts = {one.name: int(table[one.name].missing.argmax()) for one in missing}
            name = min(firsts, key=firsts.__getitem__)
            place = f", the first in {table.line(firsts[name])}, column {name!r}"
        yield f"{count} in {plural(len(missing), 'column')}{place}"
    yield from names_taken_for_others("classes", encoder.class_names)
    yield from names_taken_for_others("columns", summary.columns)
    dated = [one.name for one in encoder.columns if isinstance(one, columns.DateColumn)]
    if dated:
        yield (
            f"dates in {_listed(dated)}: rows are dealt to folds at random; to judge forecasts, "
            "evaluate on later rows"
        )
    for column, cells in zip(encoder.columns, features, strict=True):
        different = None
        if table:
            own = table[column.name]
            if own.numbers is None or np.equal(np.mod(own.numbers, 1), 0).all():
                different = own.distinct
        elif isinstance(column, columns.CategoricalColumn) and cells.counts is not None:
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
    yield from repeats_diagnostics(model.encoder, repeats, remedies, by_chance=by_chance)
    folds = len(model.folds)
    if model.encoder.group and folds < model.settings.folds:
        yield (
            f"column {model.encoder.group!r} has only {plural(folds, 'group')}: that many folds, "
            f"not {model.settings.folds}"
        )
    counts = zip(model.encoder.class_names, model.class_counts, strict=True)
    if rare := sorted((one for one in counts if one[1] < folds), key=itemgetter(1)):
        shown = _listed([f"{short_name(name)!r} {count}" for name, count in rare], str)
        yield (
            f"{'1 class has' if len(rare) == 1 else f'{len(rare):,} classes have'} fewer rows than "
            f"the {folds} folds, which makes scores uncertain: {shown}"
        )


def repeats_diagnostics(
    encoder: Encoder, repeats: int, remedies: str = REMEDIES, *, by_chance: bool
) -> Iterator[str]:
    """Tell how many of all labelled rows repeat others, and what to do about it.

    Parameters
    ----------
    remedies
        Options that help.
    by_chance
        Whether so many are to be expected of different rows with few different cells.
    """
    rows = plural(repeats, "row")
    chance = ", as chance alone makes rows repeat in this table" if by_chance else ""
    if repeats and encoder.drop_repeats:
        own = ": these were rows of their own" if by_chance else ""
        yield f"{rows} that repeated others left out{chance}{own}"
    elif repeats:
        repeat = "repeats another" if repeats == 1 else "repeat others"
        flatter = "the scores hold" if by_chance else f"copies flatter the scores (see {remedies})"
        yield f"{rows} {repeat}{chance}: {flatter}"


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
    labels = encoder.labels(table, refused=False)
    numeric = [column for column in encoder.columns if isinstance(column, columns.NumericColumn)]
    counts = np.bincount(labels[labels >= 0], minlength=len(model.class_counts))
    if not numeric or counts.tolist() != list(model.class_counts):
        return False
    used = {column.name for column in numeric}
    summary = columns.summarize(table, [name for name in table.columns if name not in used])

    def median_place(cells: columns.NumericColumn | columns.ColumnSummary) -> float:
        extent = cells.maximum - cells.minimum
        return (cells.median - cells.minimum) / extent if extent else 0.5

    places = [(median_place(one), median_place(summary[one.name])) for one in numeric]
    return all(min(abs(a - b), abs(1 - a - b)) <= SAME_PLACE for a, b in places)


def model_diagnostics(model: Model, features: Array, network: int | None = None) -> Iterator[str]:
    """Tell what is odd about the trained networks; `features` are those of the training table.

    Some dead units are no matter where there are many, but for whoever looks into a `network`.
    """
    networks = model.network.select(slice(None) if network is None else slice(network, network + 1))
    live: Any = False
    for rows in row_blocks(len(features), ROWS_LOOKED_AT):
        live = live | networks.live_units(features[None, rows])
        dead = int((~live).sum())
        are_told = network is not None or live.shape[1] <= FEW_UNITS
        if dead <= (0 if are_told else live.size / 2):
            return
    of_network = "" if network is None else f" of network {network + 1}"
    are = "is" if dead == 1 else "are"
    said = f"{dead} of {plural(live.size, 'hidden unit')}{of_network} {are} dead"
    said += " (never above 0 on these rows)"
    if dead > live.size / 2:
        rate = model.settings.effective_learning_rate
        said += f": the learning rate {rate:g} is too large (--learning-rate)"
    yield said


def notes_on(
    model: Model, table: Table, summary: columns.TableSummary, examples: Examples
) -> Iterator[str]:
    """Tell what is noteworthy about a training table, its folds and the model of it.

    Parameters
    ----------
    examples
        All labelled rows, also those that repeat others.
    """
    by_chance = are_repeats_by_chance(model.encoder, table, examples)
    yield from table_diagnostics(model, summary, table)
    yield from split_diagnostics(model, examples.repeats, by_chance=by_chance)
    yield from model_diagnostics(model, examples.features)
