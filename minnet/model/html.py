"""Small tables for notebooks, in whatever colours the notebook has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from minnet.data.cells import short_name
from minnet.errors import plural

if TYPE_CHECKING:
    from minnet.model.scores import Evaluation

MOST_SHOWN = 12
LONGEST_CELL = 100


def few(texts: Iterable[str], most: int = MOST_SHOWN) -> str:
    """List the first texts, and say how many there are if there are more."""
    listed = list(texts)
    more = f", ... ({len(listed):,} in all)" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def summary(caption: str, lines: Mapping[str, str]) -> str:
    """Make a table of names and what there is to say of each."""
    rows = (f"<tr><th>{_escaped(name)}</th>{_cell(text)}</tr>" for name, text in lines.items())
    return f"<table><caption>{_escaped(caption)}</caption>{''.join(rows)}</table>"


def grid(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], count: int | None = None
) -> str:
    """Make a table of the first rows, each beginning with its name; cells are shortened.

    Parameters
    ----------
    count
        How many rows there are, if not all are given: those left out are counted.
    """
    left_out = (count or len(rows)) - MOST_SHOWN
    head = "".join(f"<th>{_escaped(_short(name))}</th>" for name in heads)
    lines = [
        f"<tr><th>{_escaped(_short(name))}</th>{''.join(map(_cell, map(_short, cells)))}</tr>"
        for name, *cells in rows[:MOST_SHOWN]
    ]
    if left_out > 0:
        more = plural(left_out, "more row")
        lines.append(f'<tr><td colspan="{len(heads)}">... {more}</td></tr>')
    return f"<table><caption>{_escaped(caption)}</caption><tr>{head}</tr>{''.join(lines)}</table>"


def scores(evaluation: Evaluation) -> str:
    """Make tables of an evaluation's scores, and of those of each class."""
    low, high = evaluation.accuracy_interval
    majority, share = evaluation.majority
    lines = {
        "rows": f"{len(evaluation):,}, {evaluation.judged_by}",
        "accuracy": f"{evaluation.accuracy:.1%}, 95 % interval {low:.1%} to {high:.1%}",
        "majority class": f"{majority}: {share:.1%}",
        "log loss": f"{evaluation.log_loss:.3f}, class shares: {evaluation.baseline_log_loss:.3f}",
        "calibration error": evaluation.calibration_in_words,
        "balanced accuracy": f"{evaluation.balanced_accuracy:.1%}",
        "area under the ROC curve": f"{evaluation.area_under_roc_curve:.3f}",
        "average precision": f"{evaluation.average_precision:.3f}",
    }
    if evaluation.selection:
        lines["selection"] = str(evaluation.selection)
    lines |= {f"warning {number}": text for number, text in enumerate(evaluation.warnings, 1)}
    of_classes = [
        [name, *(f"{score:.3f}" for score in of_class[:-1]), f"{of_class.rows:,}"]
        for name, of_class in evaluation.class_scores.items()
    ]
    heads = ["class", "precision", "recall", "F1", "rows"]
    return summary("minnet evaluation", lines) + grid("each class", heads, of_classes)


def _cell(text: str) -> str:
    return f"<td>{_escaped(text)}</td>"


def _short(text: str) -> str:
    return short_name(text, LONGEST_CELL)


def _escaped(text: str) -> str:
    from html import escape  # takes time that commands need not spend

    return escape(text)
