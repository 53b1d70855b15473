"""Which classes the label column of a training table holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minnet.data.cells import NOT_A_NUMBER, parse_number
from minnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection

    from minnet.data.summaries import ColumnSummary, TableSummary

MOST_CLASSES = 1000
LEAST_SHARE = 0.05
FEWEST_LABELS = 5
"""A word for "no value" is the name of a class if it is in so many labels, and that share."""


def class_names_of(summary: TableSummary, target: str) -> list[str]:
    """Find the classes in the label column of a training table, in natural order.

    Raises
    ------
    DataError
        If they cannot be told apart or learned.
    """
    column = summary[target]
    source, counts = summary.source, column.counts or {}
    words = _words_for_classes(column, summary.cell_format.missing_words)
    names = [*counts, *words]
    labelled = column.rows - column.missing + sum(map(column.missing_counts.__getitem__, words))
    if not summary.rows:
        raise DataError(f"{source}: a header but no rows")
    if not labelled:
        raise DataError(f"{source}: column {target!r}: every label is missing")
    classes = len(names) + column.left_out
    number = column.cell_format.number
    # The column may have been read as text.
    if column.counts is None or (
        classes > max(20, labelled / 5) and all(number(name) is not None for name in counts)
    ):
        raise DataError(
            f"{source}: column {target!r} looks like a number to be predicted, not a class "
            f"({'over 1,000' if column.counts is None else classes} different values in {labelled} "
            "rows): minnet tells classes apart; choose a label column with `target`"
        )
    if classes == 1:
        raise DataError(
            f"{source}: column {target!r}: every label is {names[0]!r}: "
            "there is nothing to tell apart"
        )
    if classes == labelled or classes > MOST_CLASSES:
        raise DataError(
            f"{source}: column {target!r}: {classes:,} different labels in {labelled:,} "
            "rows: nothing to learn from; choose a label column with `target`"
        )
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{source}: column {target!r}: the label {name!r} is not Unicode text"
            ) from None
    return sorted(names, key=lambda name: (parse_number(name) or 0.0, name))


def _words_for_classes(column: ColumnSummary, missing_words: Collection[str]) -> list[str]:
    """Which words for "no value" are the names of classes, such as `None`: the frequent ones.

    None that was given by hand; all others, if the empty cell was given by hand.
    """
    if not column.counts:
        return []
    by_hand = "" in missing_words
    fewest = 1 if by_hand else max(FEWEST_LABELS, LEAST_SHARE * column.rows)
    never = {"", *missing_words, *(() if by_hand else NOT_A_NUMBER)}
    return [
        word
        for word, count in column.missing_counts.items()
        if count >= fewest and word.strip() not in never
    ]
