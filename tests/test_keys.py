from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnet.data.cells import TableFormat
from minnet.data.encoding import Encoder
from minnet.data.keys import mixed, occurrences, order_of
from minnet.data.table import Table
from tests.helpers import read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn

    from minnet.data.encoding import Examples

NAMES = ("number", "word", "few", "label")
SPELLINGS = ("{}", "{}0", "0{}", " {} ", "+{}", "{}e0")


@st.composite
def rows(draw: DrawFn, least: int = 3) -> list[list[str]]:
    """Rows of a number, a word, one of two numbers, and a label; some cells missing, some twins."""
    cells = st.tuples(
        st.sampled_from(["", *(f"{number / 4:.2f}" for number in range(40))]),
        st.sampled_from(["", "a", "b,c", 'd"', "e f"]),
        st.sampled_from(["1.5", "2.5"]),
        st.sampled_from(["x", "y"]),
    )
    drawn = draw(st.lists(cells, min_size=least, max_size=30))
    first = [["0.25", "a", "1.5", "x"], ["9.75", "b,c", "2.5", "y"], ["1.25", "a", "1.5", "x"]]
    return first + [list(row) for row in drawn]


def written(
    cells: Sequence[Sequence[str]],
    names: Sequence[str] = NAMES,
    quoting: Any = csv.QUOTE_MINIMAL,
    line_ending: str = "\n",
) -> Table:
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=line_ending)
    writer.writerows([names, *cells])
    return read_text(text.getvalue(), TableFormat(["label", "word"]))


def examples(encoder: Encoder, table: Table) -> Examples:
    """Make examples in the order of the table."""
    made = encoder.examples(table)
    return made.select(np.argsort(made.rows))


def contents(encoder: Encoder, table: Table) -> list[int]:
    return encoder.keys(table).contents.tolist()


@settings(max_examples=30)
@given(rows(), st.permutations(range(len(NAMES))))
def test_contents_do_not_depend_on_the_order_of_the_columns(
    cells: list[list[str]], order: list[int]
) -> None:
    table = written(cells)
    encoder = Encoder.fit(table, "label")
    moved = written([[row[k] for k in order] for row in cells], [NAMES[k] for k in order])
    assert contents(encoder, moved) == contents(encoder, table)


@settings(max_examples=30)
@given(rows(), st.sampled_from(SPELLINGS))
def test_contents_do_not_depend_on_the_spelling_of_numbers(
    cells: list[list[str]], spelling: str
) -> None:
    table = written(cells)
    encoder = Encoder.fit(table, "label")
    other = [
        [cell and spelling.format(cell) if k in (0, 2) else cell for k, cell in enumerate(row)]
        for row in cells
    ]
    assert contents(encoder, written(other)) == contents(encoder, table)


@settings(max_examples=30)
@given(rows(), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
def test_contents_do_not_depend_on_quoting_and_line_endings(
    cells: list[list[str]], quoting: Any
) -> None:
    table = written(cells)
    encoder = Encoder.fit(table, "label")
    other = written(cells, quoting=quoting, line_ending="\r\n")
    assert contents(encoder, other) == contents(encoder, table)


@settings(max_examples=30)
@given(rows(), st.randoms())
def test_rows_in_another_order_are_the_same_examples(cells: list[list[str]], random: Any) -> None:
    table = written(cells)
    encoder = Encoder.fit(table, "label")
    shuffled = list(cells)
    random.shuffle(shuffled)
    one, other = encoder.examples(table), encoder.examples(written(shuffled))
    for name in ("contents", "wholes", "labels", "features", "occurrences"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@settings(max_examples=30)
@given(rows())
def test_rows_repeat_others_with_the_same_features_and_label(cells: list[list[str]]) -> None:
    table = written(cells)
    encoder = Encoder.fit(table, "label", drop_repeats=True)
    made = examples(encoder, table)
    distinct = {tuple(row) for row in cells}
    assert made.repeats == len(cells) - len(distinct)
    assert len(encoder.learned_from(made)) == len(distinct)
    features = {tuple(row[:3]) for row in cells}
    assert len(np.unique(made.contents)) == len(features)


@settings(max_examples=30)
@given(rows(), st.integers(0, 2))
def test_one_edited_cell_changes_the_content_of_its_row_alone(
    cells: list[list[str]], column: int
) -> None:
    table = written(cells)
    encoder = Encoder.fit(table, "label")
    edited = [list(row) for row in cells]
    edited[0][column] = ["77", "new", "8.5"][column]
    before, after = contents(encoder, table), contents(encoder, written(edited))
    assert [one == other for one, other in zip(before, after, strict=True)] == [False] + [True] * (
        len(cells) - 1
    )


def test_the_label_is_no_part_of_the_content() -> None:
    cells = [["1", "a", "1.5", "x"], ["2", "b", "2.5", "y"]]
    encoder = Encoder.fit(written(cells * 2), "label")
    other = [[*row[:3], {"x": "y", "y": "x"}[row[3]]] for row in cells]
    assert contents(encoder, written(other)) == contents(encoder, written(cells))


def test_the_same_cell_in_another_column_is_another_row() -> None:
    cells = {"a": ["1", "2"] * 5, "b": ["2", "1"] * 5, "y": ["x", "z"] * 5}
    encoder = Encoder.fit(Table.from_columns(cells), "y")
    swapped = Table.from_columns({"b": cells["a"], "a": cells["b"], "y": cells["y"]})
    one, other = contents(encoder, Table.from_columns(cells)), contents(encoder, swapped)
    assert one[0] == other[1] != other[0]


def test_text_that_is_not_the_same_number_to_a_class_is_another_label() -> None:
    table = Table.from_columns({"x": ["5"] * 4, "y": ["1", "01", "1", "01"]})
    made = Encoder.fit(table, "y").examples(table)
    assert sorted(made.occurrences.tolist()) == [0, 0, 1, 1]


def numbers(form: str) -> Table:
    values = np.random.default_rng(3).standard_normal((200, 3)) * [1, 1e3, 1e-5]
    columns = {f"x{k}": [form.format(value) for value in values[:, k].tolist()] for k in range(3)}
    return Table.from_columns(columns | {"y": ["a", "b"] * 100})


@pytest.mark.parametrize("form", ["{:.15g}", "{:.14g}", "{:.12g}", "{!r}"])
def test_content_outlives_saving_with_fewer_digits(form: str) -> None:
    encoder = Encoder.fit(numbers("{!r}"), "y")
    assert contents(encoder, numbers(form)) == contents(encoder, numbers("{!r}"))


def test_content_outlives_saving_as_float32() -> None:
    values = np.random.default_rng(3).standard_normal(200)
    table = Table.from_columns({"x": values, "y": ["a", "b"] * 100})
    encoder = Encoder.fit(table, "y")
    rounded = Table.from_columns({"x": values.astype(np.float32), "y": ["a", "b"] * 100})
    assert contents(encoder, rounded) == contents(encoder, table)


def accounts(first: int, dtype: Any = np.int64) -> Table:
    return Table.from_columns(
        {"account": np.arange(first, first + 64).astype(dtype), "y": ["no", "yes"] * 32}
    )


def test_whole_numbers_that_float32_does_not_hold_tell_rows_apart() -> None:
    table = accounts(4000123412341000)
    encoder = Encoder.fit(table, "y")
    keys = encoder.keys(table)
    assert len(np.unique(keys.contents)) == 1
    assert len(np.unique(keys.wholes)) == 64
    assert encoder.examples(table).repeats == 0
    assert not encoder.keys(accounts(4000123412341000, np.float32)).wholes.any()
    assert not encoder.keys(accounts(2**24 - 64)).wholes.any()


def test_groups_are_equal_only_if_their_values_are() -> None:
    isbn = [str(9780306406150 + k // 8) for k in range(64)]
    table = Table.from_columns({"isbn": isbn, "x": list(range(64)), "y": ["a", "b"] * 32})
    made = Encoder.fit(table, "y", group="isbn").examples(table)
    assert made.groups is not None
    assert len(np.unique(made.groups)) == 8


def test_equal_rows_of_two_groups_are_no_repeats() -> None:
    table = Table.from_columns({"who": ["p", "q"] * 4, "x": [1] * 8, "y": ["a", "a", "b", "b"] * 2})
    made = Encoder.fit(table, "y", group="who").examples(table)
    assert made.repeats == 4


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50, unique=True))
def test_mixing_is_one_to_one_and_leaves_its_argument(numbers: list[int]) -> None:
    argument = np.array(numbers, dtype=np.uint64)
    assert len(np.unique(mixed(argument))) == len(numbers)
    assert argument.tolist() == numbers


@given(st.lists(st.integers(0, 5), max_size=30))
def test_occurrences_count_the_equal_keys_before(keys: list[int]) -> None:
    counted = occurrences(np.array(keys, dtype=np.uint64))
    assert counted.tolist() == [keys[:row].count(key) for row, key in enumerate(keys)]


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3)), st.integers(0, 2**64 - 4))
def test_order_is_that_of_all_keys(rows: list[tuple[int, int, int]], offset: int) -> None:
    keys, *ties = np.array(rows, np.uint64).reshape(-1, 3).T
    order = order_of(keys + np.uint64(offset), *ties)
    assert order.tolist() == sorted(range(len(rows)), key=lambda row: rows[row])
