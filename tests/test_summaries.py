from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet import read_csv
from minnet.data import columns as summaries
from minnet.data.cells import TableFormat
from minnet.data.columns import merge, summarize
from minnet.data.encoding import Encoder, Roles
from minnet.data.table import Table
from minnet.errors import DataError
from tests.helpers import PENGUINS

if TYPE_CHECKING:
    from pathlib import Path

CELLS = st.sampled_from(["", "1", "2.50", "2.5", "-3", "NA", "red", "blue", "None"])
ROWS = st.lists(
    st.tuples(CELLS, CELLS, st.sampled_from(["yes", "no", ""])), min_size=2, max_size=20
)


def tables_of(rows: list[tuple[str, ...]], cuts: list[int]) -> list[Table]:
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    return [
        Table.from_columns(
            {name: [row[k] for row in rows[first:last]] for k, name in enumerate("abc")},
            f"part {first}",
            TableFormat(["c"]),
        )
        for first, last in pairwise(bounds)
    ]


def learned(tables: list[Table]) -> object:
    try:
        encoder = Encoder.from_summary(merge([*map(summarize, tables)]), Roles("c"))
    except DataError:
        return None
    kinds = [(type(column), column.features, column.has_missing) for column in encoder.columns]
    return encoder.class_names, kinds


@given(rows=ROWS, cuts=st.lists(st.integers(0, 20), max_size=3))
def test_parts_teach_what_the_whole_does(rows: list[tuple[str, ...]], cuts: list[int]) -> None:
    assert learned(tables_of(rows, cuts)) == learned(tables_of(rows, []))


def test_numbers_of_too_many_spellings_merge(tmp_path: Path) -> None:
    parts = []
    for part in range(3):
        path = tmp_path / f"{part}.csv"
        rows = (f"{part * 5000 + k / 3},{'ab'[k % 2]}" for k in range(1500))
        path.write_text("\n".join(["x,y", *rows]))
        parts.append(summarize(read_csv(path)))
    column = merge(parts)["x"]
    assert column.counts is None
    assert (column.minimum, column.maximum) == (0, 10000 + 1499 / 3)
    assert column.rows == 4500
    assert column.median == pytest.approx(5000 + 1499 / 6)


def test_only_the_most_frequent_spellings_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "MOST_KEPT", 2)
    tables = [
        Table.from_columns({"x": ["a", "b", "b", "c"], "y": ["0", "1", "0", "1"]}),
        Table.from_columns({"x": ["d", "b", "c", "c"], "y": ["0", "1", "0", "1"]}),
    ]
    column = merge([*map(summarize, tables)])["x"]
    assert column.counts == {"b": 3, "c": 3}
    assert column.left_out == 2


def test_ignored_columns_are_not_summarized() -> None:
    table = read_csv(PENGUINS)
    summary = summarize(table, ["year"])
    assert summary.columns["year"] is None
    assert merge([summary, summary]).columns["year"] is None
    assert summary["sex"].missing == table["sex"].missing.sum()


@pytest.mark.parametrize("order", [1, -1])
def test_comma_is_the_decimal_mark_of_parts_with_both(order: int, tmp_path: Path) -> None:
    parts = []
    for name, cell in (("comma", "1,5"), ("point", "1.5"), ("neither", "2")):
        path = tmp_path / f"{name}.csv"
        path.write_text(f"x;y\n{cell};a\n")
        parts.append(summarize(read_csv(path)))
    assert merge(parts[::order])["x"].decimal_mark == ","
    assert merge(parts[1:])["x"].decimal_mark == "."
