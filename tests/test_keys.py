from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from minnet.data.csv_reader import CsvReader
from minnet.data.encoding import Encoder
from minnet.data.keys import mixed
from minnet.data.table import Table, read_table
from minnet.training.folds import deal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn

    from minnet.data.examples import Examples

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
    return read_table(CsvReader(io.BytesIO(text.getvalue().encode()), "t.csv"), ["label", "word"])


def examples(encoder: Encoder, table: Table) -> Examples:
    """Make examples in the order of the table."""
    made = encoder.examples(table)
    return made.select(np.argsort(made.rows))


@settings(max_examples=30)
@given(rows(), st.permutations(range(len(NAMES))))
def test_keys_do_not_depend_on_the_order_of_the_columns(
    cells: list[list[str]], order: list[int]
) -> None:
    table = written(cells)
    encoder = Encoder.fit(table, "label")
    moved = written([[row[k] for k in order] for row in cells], [NAMES[k] for k in order])
    np.testing.assert_array_equal(examples(encoder, moved).keys, examples(encoder, table).keys)


@settings(max_examples=30)
@given(rows(), st.sampled_from(SPELLINGS))
def test_keys_do_not_depend_on_the_spelling_of_numbers(
    cells: list[list[str]], spelling: str
) -> None:
    table = written(cells)
    encoder = Encoder.fit(table, "label")
    other = [
        [cell and spelling.format(cell) if k in (0, 2) else cell for k, cell in enumerate(row)]
        for row in cells
    ]
    np.testing.assert_array_equal(
        examples(encoder, written(other)).keys, examples(encoder, table).keys
    )


@settings(max_examples=30)
@given(rows(), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
def test_keys_do_not_depend_on_quoting_and_line_endings(
    cells: list[list[str]], quoting: Any
) -> None:
    table = written(cells)
    encoder = Encoder.fit(table, "label")
    other = written(cells, quoting=quoting, line_ending="\r\n")
    np.testing.assert_array_equal(examples(encoder, other).keys, examples(encoder, table).keys)


@settings(max_examples=30)
@given(rows(), st.randoms())
def test_rows_in_another_order_are_the_same_examples(cells: list[list[str]], random: Any) -> None:
    table = written(cells)
    encoder = Encoder.fit(table, "label")
    shuffled = list(cells)
    random.shuffle(shuffled)
    one, other = encoder.examples(table), encoder.examples(written(shuffled))
    for name in ("keys", "labels", "features", "occurrences"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@settings(max_examples=30)
@given(rows())
def test_keys_are_all_different_and_those_of_twins_too(cells: list[list[str]]) -> None:
    table = written(cells)
    made = examples(Encoder.fit(table, "label"), table)
    assert len(np.unique(made.keys)) == len(cells)
    contents = [tuple(row) for row in cells]
    before = [contents[:row].count(content) for row, content in enumerate(contents)]
    assert made.occurrences.tolist() == before
    assert len(made.without_repeats()) == len(set(contents))


@settings(max_examples=30)
@given(rows())
def test_where_repeats_are_dropped_they_have_the_key_of_the_first(cells: list[list[str]]) -> None:
    table = written(cells)
    made = examples(Encoder.fit(table, "label", drop_repeats=True), table)
    contents = [tuple(row) for row in cells]
    first = [contents.index(content) for content in contents]
    np.testing.assert_array_equal(made.keys, made.keys[first])
    assert len(np.unique(made.keys)) == len(set(contents))


@settings(max_examples=30)
@given(rows(), st.integers(0, 3))
def test_one_edited_cell_changes_the_key_of_its_row_alone(
    cells: list[list[str]], column: int
) -> None:
    table = written(cells)
    encoder = Encoder.fit(table, "label")
    edited = [list(row) for row in cells]
    edited[0][column] = ["77", "new", "8.5", "y"][column]
    one, other = (examples(encoder, table), examples(encoder, written(edited)))
    assert one.keys[0] != other.keys[0]
    known = np.isin(other.keys, one.keys)
    # The last twin of the row's old content moves up, so that one number of occurrence is gone.
    assert (~known).sum() == 1 or tuple(edited[0]) in map(tuple, cells)


def test_the_same_cell_in_another_column_is_another_row() -> None:
    cells = {"a": ["1", "2"] * 5, "b": ["2", "1"] * 5, "y": ["x", "z"] * 5}
    table = Table.from_columns(cells)
    encoder = Encoder.fit(table, "y")
    swapped = Table.from_columns({"b": cells["a"], "a": cells["b"], "y": cells["y"]})
    assert not np.isin(encoder.examples(swapped).keys, encoder.examples(table).keys).any()


def test_text_that_is_not_the_same_number_to_a_class_is_another_label() -> None:
    table = Table.from_columns({"x": ["5"] * 4, "y": ["1", "01", "1", "01"]})
    made = Encoder.fit(table, "y").examples(table)
    assert sorted(made.occurrences.tolist()) == [0, 0, 1, 1]


def test_twins_are_spread_over_the_folds() -> None:
    table = Table.from_columns({"x": ["a", "b"] * 400, "y": ["x", "z"] * 400})
    made = Encoder.fit(table, "y").examples(table)
    folds = deal(made.keys, made.labels, 8).of(made.keys, made.labels)
    for label in (0, 1):
        assert np.bincount(folds[made.labels == label]).tolist() == [50] * 8


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50, unique=True))
def test_mixing_is_one_to_one_and_leaves_its_argument(numbers: list[int]) -> None:
    argument = np.array(numbers, dtype=np.uint64)
    assert len(np.unique(mixed(argument))) == len(numbers)
    assert argument.tolist() == numbers
