from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

from minnet.report import (
    WIDTH,
    Cells,
    Section,
    as_html,
    as_text,
    attributes,
    encode,
    records,
    wrapped,
)
from tests.helpers import unfolded


class Pair(NamedTuple):
    first: float
    second: int


@dataclass(frozen=True)
class Nested:
    name: str
    values: np.ndarray
    pairs: tuple[Pair, ...]

    @property
    def total(self) -> float:
        return float(self.values.sum())


def test_columns_are_lined_up_and_nothing_trails() -> None:
    table = Cells([["a", "1", "x"], ["long", "22", ""]], ["", "n", ""], left=(0, 2), indent=" ")
    report = [Section("title", ["line", table]), Section("", ["last"])]
    assert as_text(report) == "title\nline\n        n\n a      1  x\n long  22\n\nlast"


def test_what_moves_the_cursor_is_escaped_in_a_cell_before_it_is_lined_up() -> None:
    assert as_text([Section("", [Cells([["a\n", "1"], ["b", "2"]])])]) == "a\\n  1\nb    2"


@pytest.mark.parametrize("columns", [1, 9, 40])
def test_a_wide_table_is_set_as_several_that_repeat_their_first_columns(columns: int) -> None:
    heads = ["", *(f"column {k}" for k in range(columns))]
    row = ["name", *(f"{k}.25" for k in range(columns))]
    lines = as_text([Section("", [Cells([row], heads)])]).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert all(line.startswith("name ") for line in lines[1::2])
    assert [cell for line in lines[1::2] for cell in line.split()[1:]] == row[1:]
    assert all(lines[0].count("column") > 5 for _ in lines[2:])


@pytest.mark.parametrize("indent", ["", "  "])
def test_texts_that_are_too_wide_go_on_below_themselves(indent: str) -> None:
    words = " ".join(f"word{k}" for k in range(40))
    table = Cells([["a", "1", words], ["b", "22", "short"]], left=(0, 2), indent=indent)
    text = as_text([Section(words, [indent + words, table])])
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert min(len(line) for line in lines if "word39" not in line and "short" not in line) > 60
    below = [line for line in lines if not line.strip().startswith(("word0", "a ", "b "))]
    assert {len(line) - len(line.lstrip()) for line in below} == {
        2,
        len(indent) + 2,
        len(indent) + 9,
    }
    assert unfolded(text).splitlines() == [
        words,
        indent + words,
        f"{indent}a   1  {words}",
        f"{indent}b  22  short",
    ]


def test_a_word_that_is_too_wide_stays_whole() -> None:
    path = "/a/folder-of/" + "x" * 90 + ".csv"
    assert wrapped(f"wrote {path} and more") == ["wrote", f"  {path}", "  and more"]


def test_a_table_of_one_column_is_shown() -> None:
    assert as_text([Section("", [Cells([["only"], ["one"]])])]) == "only\none"


def test_a_notebook_gets_the_same_lines_and_cells_escaped() -> None:
    page = as_html([Section("a < b", ["line & line", Cells([["x", "<1>"]], ["", "n"])])])
    assert page == (
        "<table><caption>a &lt; b</caption>"
        '<tr><td colspan="12">line &amp; line</td></tr>'
        "<tr><th></th><th>n</th></tr><tr><th>x</th><td>&lt;1&gt;</td></tr></table>"
    )


def test_json_names_fields_and_has_null_for_what_is_not_finite() -> None:
    value = Nested("n", np.array([1.5, np.nan]), (Pair(math.inf, 2),))
    expected = {"name": "n", "values": [1.5, None], "pairs": [{"first": None, "second": 2}]}
    assert encode(value) == expected
    assert json.loads(json.dumps(encode({"a": np.int64(3), "b": np.bool_(True), "c": None}))) == {
        "a": 3,
        "b": True,
        "c": None,
    }
    assert attributes(value, "total", "name") == {"total": None, "name": "n"}


def test_records_are_rows_of_columns_of_one_length() -> None:
    assert records(a=np.array([1, 2]), b=("x", "y")) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    with pytest.raises(ValueError, match="shorter"):
        records(a=[1, 2], b=["x"])
