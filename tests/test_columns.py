from __future__ import annotations

import statistics
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.data import columns
from minnet.data.cells import TableFormat
from minnet.data.columns import (
    CategoricalColumn,
    FeatureColumn,
    NumericColumn,
    codes_of,
    summarize,
)
from minnet.data.encoding import Encoder
from minnet.data.table import Table
from minnet.errors import DataError
from tests.helpers import read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnet.arrays import Array

nan = float("nan")


def table_of(cells: Sequence[object], *, text: Sequence[str] = ()) -> Table:
    """Read a CSV that has these cells in a column `x`; the first row stands on line 2."""
    return read_text("\n".join(["x", *(f'"{cell}"' for cell in cells)]), TableFormat(text))


def described(cells: Sequence[object]) -> FeatureColumn:
    table = table_of(cells)
    return summarize(table)["x"].describe()


def filled(column: NumericColumn | CategoricalColumn, cells: Sequence[object]) -> Array:
    features = np.full((len(cells), len(column.features)), 99.0)
    column.fill(features, table_of(cells))
    return features


def cautions(
    column: NumericColumn | CategoricalColumn, cells: Sequence[object]
) -> dict[str, list[int]]:
    """Which rows each caution is about."""
    rows: dict[str, list[int]] = {}
    encoder = Encoder((column,), "label", ("a", "b"))
    for row, reasons in enumerate(encoder.cautions(table_of(cells))):
        for reason in reasons:
            rows.setdefault(reason.removesuffix(": x"), []).append(row)
    return rows


def test_column_of_numbers_is_described_by_what_it_holds() -> None:
    assert described([4, -1.5, 2, 100]) == NumericColumn("x", -1.5, 3.0, 100.0, has_missing=False)
    assert described([4, "", 2, "NA"]) == NumericColumn("x", 2.0, 3.0, 4.0, has_missing=True)


@given(st.lists(st.floats(-1.7e308, 1.7e308), min_size=1, max_size=9))
def test_median_is_the_middle_and_never_overflows(numbers: list[float]) -> None:
    column = described(numbers)
    assert isinstance(column, NumericColumn)
    exact = float(statistics.median(map(Fraction, numbers)))
    assert column.median == pytest.approx(exact, rel=1e-15, abs=1e-320)


def test_column_of_text_is_described_by_its_categories_most_frequent_first() -> None:
    cells = ["a", "b", "c", "b", "?", "d", "c", "b"]
    expected = CategoricalColumn("x", ("b", "c", "a", "d"), left_out=0, has_missing=True)
    assert described(cells) == expected


def test_column_of_text_keeps_fifty_categories_however_rare() -> None:
    cells = [f"c{number}" for number in range(60) for _ in range(1 + (number > 30))]
    column = described(cells)
    assert isinstance(column, CategoricalColumn)
    assert (len(column.categories), column.left_out, column.most_left_out) == (50, 10, 1)


def test_column_of_text_keeps_categories_of_five_rows_and_more() -> None:
    cells = [f"c{number}" for number in range(70) for _ in range(number + 1)]
    column = described(cells)
    assert isinstance(column, CategoricalColumn)
    assert column.categories == tuple(f"c{number}" for number in range(69, 3, -1))
    assert (column.left_out, column.most_left_out) == (4, 4)


def test_categories_of_a_column_stay_few_where_rows_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = [f"c{number}" for number in range(200)] * 5
    for most, kept in ((1000 * 70, 70), (1000, 50)):
        monkeypatch.setattr(columns, "MOST_ONE_HOT", most)
        column = described(cells)
        assert isinstance(column, CategoricalColumn)
        assert (len(column.categories), column.left_out) == (kept, 200 - kept)


def test_numbers_among_categories_are_one_if_their_value_is() -> None:
    column = described(["1.0", "01", "1", "1", "x", "2.50", "01", "2.5"])
    assert column == CategoricalColumn("x", ("1", "01", "2.5", "x"), 0, False)


def test_number_is_one_feature() -> None:
    column = described([1, 2])
    assert [*column.features] == ["x"]
    np.testing.assert_array_equal(filled(column, [7, " -1e3", ""]), [[7], [-1000], [nan]])


def test_number_that_was_missing_in_training_has_a_flag() -> None:
    column = described([1, "NA"])
    assert [*column.features] == ["x", "x is missing"]
    np.testing.assert_array_equal(filled(column, [5, "?"]), [[5, 0], [nan, 1]])


def test_each_category_is_a_feature_and_an_unseen_one_is_all_zeros() -> None:
    column = described(["a", "b", "b"])
    assert [*column.features] == ["x = b", "x = a"]
    np.testing.assert_array_equal(
        filled(column, ["a", "b", "c", " a", ""]), [[0, 1], [1, 0], [0, 0], [0, 0], [0, 0]]
    )


def test_missing_category_is_a_category_of_its_own() -> None:
    column = described(["a", "b", ""])
    assert [*column.features] == ["x = a", "x = b", "x is missing"]
    np.testing.assert_array_equal(
        filled(column, ["None", "b", "c"]), [[0, 0, 1], [0, 1, 0], [0, 0, 0]]
    )


def test_categories_that_look_like_numbers_now_are_found_as_they_were_written() -> None:
    column = described(["01", "2", "x"])
    np.testing.assert_array_equal(filled(column, ["2", "01", "1"]), [[0, 1, 0], [1, 0, 0], [0] * 3])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1", "", "abc"], "data.csv:4: column 'x': 'abc' is not a number"),
        (["1_000"], "data.csv:2: column 'x': '1_000' is not a number"),
        (["a\nb", "2"], r"data.csv:2: column 'x': 'a\nb' is not a number"),
        (["?", "inf"], "data.csv:3: column 'x': 'inf' is not a finite number"),
        (["1", "-1e309"], "data.csv:3: column 'x': '-1e309' is not a finite number"),
        ([*range(9000), "abc"], "data.csv:9002: column 'x': 'abc' is not a number"),
        (["1", "inf", "abc"], "data.csv:4: column 'x': 'abc' is not a number"),
    ],
    ids=["text", "underscore", "newline", "infinite", "too-large", "late", "infinite-and-text"],
)
def test_cell_that_is_no_number_in_a_column_of_numbers_is_named(
    cells: Sequence[object], message: str
) -> None:
    with pytest.raises(DataError) as error:
        filled(described([1, 2]), cells)
    assert str(error.value) == message


@pytest.mark.parametrize("cell", ["inf", "1e309", "9" * 400])
def test_infinite_cell_in_training_is_refused(cell: str) -> None:
    with pytest.raises(DataError) as error:
        described([1, "", cell])
    assert str(error.value) == (
        f"data.csv:4: column 'x': '{cell}' is not a finite number: correct it, empty it, or "
        "leave the column out with `ignore`"
    )


def test_few_bad_cells_in_a_column_of_many_numbers_are_refused_with_advice() -> None:
    with pytest.raises(DataError) as error:
        described([*range(60), "", "n.a.", *range(37), "-"])
    assert str(error.value) == (
        "data.csv:63: column 'x': 'n.a.' is not a number, as 97 of the column's 99 cells are: "
        "correct it, empty it, or leave the column out with `ignore`; if it stands for a missing "
        "value: `missing` n.a."
    )


def test_five_bad_cells_in_a_hundred_are_few() -> None:
    with pytest.raises(DataError, match=r"'a' is not a number, as 95 of the column's 100 cells"):
        described([*range(95), *"abcde"])


@pytest.mark.parametrize(
    "cells",
    [[*range(60), *"abcd"], [*range(50), *range(50), "a"]],
    ids=["many-bad-cells", "few-distinct-numbers"],
)
def test_mixed_column_that_is_not_mainly_many_numbers_is_one_of_categories(
    cells: Sequence[object],
) -> None:
    assert isinstance(described(cells), CategoricalColumn)


def test_numbers_read_as_text_are_categories() -> None:
    table = table_of(range(60), text=["x"])
    assert isinstance(summarize(table)["x"].describe(), CategoricalColumn)


def test_numbers_read_as_text_are_not_blamed_for_being_numbers() -> None:
    table = table_of([7], text=["x"])
    with pytest.raises(DataError) as error:
        described([1, 2]).fill(np.empty((1, 1)), table)
    assert "'7' is not a finite number" not in str(error.value)


def test_codes_are_positions_among_the_names_as_they_were_written() -> None:
    column = table_of(["1", "01", "", "2", "1.0"])["x"]
    assert codes_of(column, ["2", "1", "01"]).tolist() == [1, 2, -1, 0, 1]


@pytest.mark.parametrize(
    ("cells", "codes"),
    [
        (["3", "3.0", "3.", "3.000"], [0, 0, 0, 0]),
        (["2.5", "2.50", "02.5", "2.05"], [1, 1, -1, -1]),
        (["-4.0", "-4", "4", "+3", "03", " 3", "3e0", "3.0 "], [2, 2, -1, -1, -1, -1, -1, -1]),
        (["10", "1", "10.0", "100"], [3, -1, 3, -1]),
        (["9007199254740993", "9007199254740993.0", "9007199254740992"], [4, 4, -1]),
        (["7", "7.0", "7.00", "0", "-0"], [5, 6, -1, -1, -1]),
    ],
)
def test_numbers_are_the_same_category_by_value(cells: list[str], codes: list[int]) -> None:
    names = ["3", "2.50", "-4", "10", "9007199254740993", "7", "7.0", "x"]
    assert codes_of(table_of(["x", *cells])["x"], names).tolist() == [7, *codes]


def test_too_many_distinct_numbers_cannot_be_categories_unless_read_as_text() -> None:
    cells = [f"{number:05}" for number in range(2000)]
    with pytest.raises(DataError, match=r"column 'x' .* read the file with text=\['x'\]"):
        codes_of(table_of(cells)["x"], cells)
    assert codes_of(table_of(cells, text=["x"])["x"], cells).tolist() == list(range(2000))


def test_number_outside_the_training_range_is_a_caution() -> None:
    column = described([1, 5])
    assert cautions(column, [1, 5, 3]) == {}
    assert cautions(column, [0.99, 3, 5.01]) == {"outside training range": [0, 2]}


def test_unseen_category_is_a_caution() -> None:
    assert cautions(described(["a", "b"]), ["b", "c", "a"]) == {"unseen category": [1]}


def test_category_that_was_left_out_may_have_been_rare() -> None:
    column = described([f"c{number}" for number in range(51)])
    assert cautions(column, ["c9", "c0"]) == {"rare or unseen category": [0]}


@pytest.mark.parametrize(("without", "with_missing"), [([1, 2], [1, ""]), (["a"], ["a", "NA"])])
def test_missing_cell_is_a_caution_where_none_was_missing_in_training(
    without: list[object], with_missing: list[object]
) -> None:
    cells = [without[0], ""]
    assert cautions(described(without), cells) == {"missing, but never missing in training": [1]}
    assert cautions(described(with_missing), cells) == {}
