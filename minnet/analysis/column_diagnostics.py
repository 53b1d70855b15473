"""How the cells of a training table were read, and what is odd about its columns."""

from __future__ import annotations

import re
import shlex
import unicodedata
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from minnet.data.cells import suggest_options, without_zeros
from minnet.data.column_names import is_index
from minnet.data.columns import LONGEST_WORD, CategoricalColumn
from minnet.data.names import cut_middle, short_name
from minnet.errors import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from minnet.data.column import Column
    from minnet.data.columns import NumericColumn
    from minnet.data.encoding import Encoder
    from minnet.data.summaries import ColumnSummary, TableSummary
    from minnet.data.table import Table

LONGEST_IN_A_NOTE = 80
MOST_NAMES = 4
ALMOST = 0.9
_DATE = re.compile(
    r"\s*(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3(\d{4}|\d{2}))"
    r"([T\s]\s*\d{1,2}:\d{2}.*)?\s*"
)


def reading_diagnostics(encoder: Encoder, summary: TableSummary) -> Iterator[str]:
    """Tell how the cells were read, where they might have been meant otherwise."""
    for position, name in enumerate(summary.columns, start=1):
        if is_index(name) and name != encoder.target:
            yield f"column {position} has no name: read as {name!r} and left out"
    columns = [summary[column.name] for column in encoder.columns]
    commas = [column.name for column in columns if column.decimal_mark == ","]
    points = [column.name for column in columns if column.decimal_mark == "."]
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


def label_diagnostics(encoder: Encoder, summary: TableSummary) -> Iterator[str]:
    """Tell which labels were left out as missing though they are words and nobody said so."""
    for word, count in words_left_out(encoder, summary).items():
        yield (
            f"{plural(count, 'row')} labelled {word!r} left out as missing; if that is a "
            "class: --missing ''"
        )


def words_left_out(encoder: Encoder, table: Table | TableSummary) -> dict[str, int]:
    """Count the labels left out for each word that stands for "no value" by itself."""
    known = {"", *table.cell_format.missing_words}
    return {
        word: count
        for word, count in table[encoder.target].missing_counts.items()
        if word not in encoder.class_names and word.strip() not in known
    }


def column_diagnostics(
    column: NumericColumn | CategoricalColumn, cells: ColumnSummary, different: int | None
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
    is_text = isinstance(column, CategoricalColumn)
    if is_text and (meant := _meant(cells)):
        yield f"{name} {meant}"
    elif different == cells.rows:
        yield f"{name} is different in every row: {identifier}"
    elif is_text and different and 1 < ALMOST * rows <= different:
        yield f"{name} is different in {different:,} of {plural(rows, 'row')}: {identifier}"
    elif isinstance(column, CategoricalColumn) and column.left_out:
        yield (
            f"{name} has {different:,} categories: the {len(column.categories)} most frequent are "
            "used"
        )
    if isinstance(column, CategoricalColumn):
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
            *others, last = ways or ["Unicode form"]  # which may be one of two ways that do alone
            reasons = f"{', '.join(others)} and {last}" if others else last
            shown = _listed(forms, ascii if "Unicode form" in (*others, last) else repr)
            yield f"{kind} {shown} differ only in {reasons}"
            break
    if alike:
        yield f"{kind} {_listed(alike)} look alike in reports and pictures, cut short"


def _listed(names: Sequence[str], quoted: Callable[[str], str] = repr) -> str:
    """Write names as `'a', 'b' and 3 more`, in quotes and not too long."""
    shown = [cut_middle(quoted(name), LONGEST_IN_A_NOTE) for name in names[:MOST_NAMES]]
    more = len(names) - len(shown)
    last = f"{more:,} more" if more else shown.pop()
    return f"{', '.join(shown)} and {last}" if shown else last


def _meant(cells: ColumnSummary) -> str | None:
    """Say what a text column looks like, if it looks like anything but categories."""
    spellings = [*(cells.counts or ())]
    texts = [cell for cell in spellings if cells.cell_format.number(cell) is None]
    written = next((cell for cell in texts if suggest_options([cell])), None)
    if written and (options := suggest_options(spellings, ALMOST)):
        added = " ".join(f"--{name} {value}" for name, value in options.items())
        return f"looks like numbers, such as {written!r}, but is read as categories: add {added}"
    dates = [cell for cell in texts if _DATE.fullmatch(cell)]
    if len(dates) > ALMOST * len(spellings):
        count = len(spellings) + cells.left_out
        return (
            f"holds dates, such as {dates[0]!r}, read as {count:,} categories: "
            "columns of their own for year, month and weekday say more"
        )
    if 0 < len(texts) < len(spellings):
        reason = f"is read as categories: {texts[0]!r} is not a number"
        if len(texts) == 1 and len(texts[0]) <= LONGEST_WORD:
            word = shlex.quote(texts[0].strip())
            reason += f"; if it stands for a missing value: --missing {word}"
        return reason
    return None


def distinct(cells: Column) -> int | None:
    """Count the categories or integers of a column; `None` if there are other numbers in it."""
    if cells.numbers is not None and not np.equal(np.mod(cells.numbers, 1), 0).all():
        return None
    return cells.distinct
