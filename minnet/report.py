"""How results are shown: said once, drawn for a terminal or a notebook, or encoded as JSON."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import pairwise
from typing import Any

from minnet.data.cells import short_name
from minnet.errors import plural, printable

WIDTH, NARROWEST = 80, 20
"""Characters that a line takes on a terminal, and the text in a column at most or at least."""
MOST_SHOWN = 12
"""Rows, and columns, of a table in a notebook."""
LONGEST_CELL = 100
_BLOCKS, _ASCII_BLOCKS = "▁▂▃▄▅▆▇█", "_.-:=+*#"


@dataclass(frozen=True)
class Cells:
    """Cells that stand in columns.

    Attributes
    ----------
    rows
        Of cells, all of one length.
    heads
        What stands above the columns; nothing without any.
    left
        Columns that are set to the left; all others are set to the right. If the last one is, a
        text that is too wide for a terminal goes on below itself.
    indent
        Before each line, on a terminal.
    repeated
        A table that is too wide for a terminal is set as several: how many columns, the first
        ones, stand in each of them.
    count
        How many rows there are, if not all are given.
    """

    rows: Sequence[Sequence[str]]
    heads: Sequence[str] = ()
    left: Sequence[int] = (0,)
    indent: str = ""
    repeated: int = 1
    count: int = 0

    def with_rows(self, rows: Iterable[Sequence[str]]) -> Cells:
        """Add rows below the others."""
        return replace(self, rows=[*self.rows, *rows])


@dataclass(frozen=True)
class Section:
    """What belongs together in a report.

    Attributes
    ----------
    title
        A line; empty if there is none.
    parts
        Lines and tables.
    """

    title: str
    parts: Sequence[str | Cells] = ()


class Shown:
    """A result that has a report; a notebook shows it."""

    def report(self) -> list[Section]:
        """Say what there is to say of it."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return as_html(self.report())


def as_text(report: Iterable[Section]) -> str:
    """Draw a report for a terminal, an empty line between its sections."""
    return "\n\n".join("\n".join(_lines(section)) for section in report)


def _lines(section: Section) -> Iterator[str]:
    for part in [section.title] * bool(section.title) + [*section.parts]:
        if isinstance(part, str):
            yield from wrapped(part)
        elif part.rows:
            yield from _aligned(part)


def wrapped(text: str, behind: int | None = None) -> list[str]:
    """Break a text that is too wide at blanks; the rest is indented so far, or by two more."""
    text = printable(text)
    if len(text) <= WIDTH:
        return [text]
    indent = " " * (len(text) - len(text.lstrip()) + 2 if behind is None else behind)
    return textwrap.wrap(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _aligned(table: Cells) -> Iterator[str]:
    """Line cells up in columns; a table that is too wide becomes several."""
    rows = [
        [printable(cell) for cell in row] for row in [table.heads, *table.rows][not table.heads :]
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    whole, last = WIDTH - len(table.indent), len(widths) - 1
    if last in table.left:
        room = whole - sum(width + 2 for width in widths[:last])
        widths[last] = min(widths[last], max(room, NARROWEST))
    start = min(table.repeated, last)
    kept = [*range(start)]
    while start < len(widths):
        stop, room = start + 1, whole - sum(widths[column] + 2 for column in [*kept, start])
        while stop < len(widths) and room >= widths[stop]:
            room -= widths[stop] + 2
            stop += 1
        chosen = [*kept, *range(start, stop)]
        behind = len(table.indent) + sum(widths[column] + 2 for column in chosen[:-1]) + 2
        for row in rows:
            cells = (
                row[i].ljust(widths[i]) if i in table.left else row[i].rjust(widths[i])
                for i in chosen
            )
            yield from wrapped(f"{table.indent}{'  '.join(cells)}".rstrip(), behind)
        start = stop


def as_html(report: Iterable[Section]) -> str:
    """Draw a report as HTML tables, in whatever colours a notebook has."""
    return "".join(
        f"<table>{_element('caption', section.title) if section.title else ''}"
        f"{''.join(map(_html, section.parts))}</table>"
        for section in report
    )


def _html(part: str | Cells) -> str:
    """Make rows of a table; cells are shortened, and what is left out is counted."""
    if isinstance(part, str):
        return f'<tr><td colspan="{MOST_SHOWN}">{_element("", part)}</td></tr>'
    rows = [
        _element("th", name) + "".join(_element("td", cell) for cell in cells[: MOST_SHOWN - 1])
        for name, *cells in part.rows[:MOST_SHOWN]
    ]
    if part.heads:
        rows.insert(0, "".join(_element("th", head) for head in part.heads[:MOST_SHOWN]))
    html = "".join(f"<tr>{row}</tr>" for row in rows)
    left_out = max(part.count, len(part.rows)) - MOST_SHOWN
    return html + (_html(f"... {plural(left_out, 'more row')}") if left_out > 0 else "")


def _element(tag: str, text: str) -> str:
    from html import escape  # takes time that commands need not spend

    inner = escape(short_name(text, LONGEST_CELL) if tag in ("th", "td") else text)
    return f"<{tag}>{inner}</{tag}>" if tag else inner


def encode(value: Any) -> Any:
    """Make plain JSON: dataclasses as objects, arrays as lists, what is not finite as `null`."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value):
        return attributes(value, *(field.name for field in fields(value)))
    if hasattr(value, "_asdict"):
        return encode(value._asdict())
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    return encode(value.tolist()) if hasattr(value, "tolist") else value


def attributes(value: Any, *names: str) -> dict[str, Any]:
    """Encode these attributes of a value, by their names."""
    return {name: encode(getattr(value, name)) for name in names}


def records(**columns: Iterable[Any]) -> list[dict[str, Any]]:
    """Make an object of each row of columns of one length."""
    rows = zip(*(encode([*column]) for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def span(low: float, high: float, shown: Callable[[float], str]) -> str:
    """Two numbers as `0.03 to 0.2`; only one if they look alike."""
    return " to ".join(dict.fromkeys(map(shown, (low, high))))


def four(number: float, digits: int = 4) -> str:
    """Write a number with four significant digits; 0 is exact."""
    return f"{number:#.{digits}g}".rstrip(".") if number else "0"


def six(number: float) -> str:
    """Write a number of which a difference or a logarithm is taken."""
    return four(number, 6)


def percent(share: float) -> str:
    """0.953 as `95.3 %`."""
    return f"{100 * share:.1f} %"


def three_decimals(score: float) -> str:
    """0.953 as it is, and NaN as a dash."""
    return "-" if math.isnan(score) else f"{score:.3f}"


def _blocks() -> str:
    """Eight rising marks that the terminal's encoding can show."""
    try:
        _BLOCKS.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return _ASCII_BLOCKS
    return _BLOCKS


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """Draw values as a row of marks, at most `width`, each the mean of its share of them."""
    width = min(width, len(values))
    bounds = [round(i * len(values) / width) for i in range(width + 1)]
    means = [sum(values[start:stop]) / (stop - start) for start, stop in pairwise(bounds)]
    low, high = min(means), max(means)
    marks = _blocks()
    step = (high - low) / (len(marks) - 1) or 1.0
    return "".join(marks[round((mean - low) / step)] for mean in means)


def bar(share: float, width: int) -> str:
    """Draw a share of 0..1 as a bar of at most `width` marks."""
    return _blocks()[-1] * round(share * width)
