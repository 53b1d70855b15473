from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.data.cells import TableFormat
from minnet.data.columns import CategoricalColumn, NumericColumn
from minnet.data.encoding import Encoder, Roles
from minnet.data.table import Table
from minnet.errors import DataError, SettingsError

nan = float("nan")


def table_of(**columns: Any) -> Table:
    return Table.from_columns(columns, source="data.csv")


def names_of(labels: list[Any]) -> tuple[str, ...]:
    """Class names of a table with these labels, each of them twice."""
    return Encoder.fit(table_of(x=range(2 * len(labels)), y=labels * 2), "y").class_names


def names_up_to(count: int) -> tuple[str, ...]:
    return tuple(f"c{number}" for number in range(count))


PETS = {
    "weight": [4.0, 30.0, None, 25.0],
    "coat": ["long", "short", "short", None],
    "legs": [4, 4, 4, 4],
    "species": ["cat", "dog", "cat", "dog"],
}


@pytest.fixture
def pets() -> Encoder:
    return Encoder.fit(table_of(**PETS), "species")


def test_columns_become_features_in_the_order_of_the_training_table(pets: Encoder) -> None:
    assert pets.features == [
        "weight",
        "weight is missing",
        "coat = short",
        "coat = long",
        "coat is missing",
        "legs",
    ]
    np.testing.assert_array_equal(
        pets.transform(table_of(**PETS)),
        [
            [4, 0, 0, 1, 0, 4],
            [30, 0, 1, 0, 0, 4],
            [nan, 1, 1, 0, 0, 4],
            [25, 0, 0, 0, 1, 4],
        ],
    )


def test_only_numbers_are_scaled(pets: Encoder) -> None:
    assert pets.scaled.tolist() == [True, False, False, False, False, True]


def test_flag_with_the_name_of_a_column_is_not_scaled() -> None:
    columns = {"a": [1, None, 3, 4], "a is missing": [5, 6, 7, 8], "y": ["p", "q"] * 2}
    encoder = Encoder.fit(Table.from_columns(columns), "y")
    assert encoder.features == ["a", "a is missing", "a is missing"]
    assert encoder.scaled.tolist() == [True, False, True]


def test_columns_of_text_and_the_target_must_be_read_as_text(pets: Encoder) -> None:
    assert (pets.form.text, pets.form.numbers) == ({"coat", "species"}, {"weight", "legs"})


def test_columns_are_found_by_name_and_extra_ones_ignored(pets: Encoder) -> None:
    new = table_of(extra=["?"], legs=[3], species=["fish"], coat=["bald"], weight=["2"])
    np.testing.assert_array_equal(pets.transform(new), [[2, 0, 0, 0, 0, 3]])


cells = st.lists(st.none() | st.floats(-1e9, 1e9), min_size=4, max_size=4)
texts = st.lists(st.none() | st.sampled_from("abc"), min_size=4, max_size=4)


@given(
    columns=st.dictionaries(st.sampled_from("uvwxz"), cells | texts, min_size=1),
    more=st.randoms(use_true_random=False),
)
def test_transform_does_not_depend_on_the_order_of_columns(
    columns: dict[str, list[Any]], more: Any
) -> None:
    columns = {**columns, "known": [1, 2, 3, 4], "y": ["p", "q", "p", "q"]}
    shuffled = list(columns)
    more.shuffle(shuffled)
    table, other = table_of(**columns), table_of(**{name: columns[name] for name in shuffled})
    encoder = Encoder.fit(table, "y")

    np.testing.assert_array_equal(encoder.transform(other), encoder.transform(table))
    assert encoder.cautions(other) == encoder.cautions(table) == [[]] * 4
    refitted = Encoder.fit(other, "y")
    assert sorted(refitted.columns, key=str) == sorted(encoder.columns, key=str)


def test_missing_column_is_refused_with_a_guess(pets: Encoder) -> None:
    new = table_of(wieght=[1], coat=["long"], legs=[4])
    with pytest.raises(DataError) as error:
        pets.transform(new)
    assert str(error.value) == (
        "data.csv has no column 'weight'; did you mean 'wieght'? It has: wieght, coat, legs"
    )


def test_column_without_any_value_is_left_out() -> None:
    encoder = Encoder.fit(table_of(x=[1, 2, 3], empty=[None, "NA", ""], y=["a", "b", "a"]), "y")
    assert [column.name for column in encoder.columns] == ["x"]


def test_ignored_columns_are_left_out_and_not_needed_later() -> None:
    encoder = Encoder.fit(table_of(**PETS), "species", ignore=["coat", "weight"])
    assert encoder.features == ["legs"]
    np.testing.assert_array_equal(encoder.transform(table_of(legs=[2])), [[2]])


def test_numbers_and_categories_are_told_apart() -> None:
    encoder = Encoder.fit(table_of(x=["1", "2", ""], z=["1", "2", "b"], y=["p", "q", "p"]), "y")
    assert [type(column) for column in encoder.columns] == [NumericColumn, CategoricalColumn]


@pytest.mark.parametrize(
    ("labels", "class_names"),
    [
        (["10", "2", "9"], ("2", "9", "10")),
        (["1", "01", "1.0"], ("01", "1", "1.0")),
        ([1, -1, 0.5], ("-1", "0.5", "1")),
        (["b", "B", "a", " a"], (" a", "B", "a", "b")),
        (["true", "TRUE", "True"], ("TRUE", "True", "true")),
        (["🐧", "=cmd|x", "a,b", 'say "hi"'], ("=cmd|x", "a,b", 'say "hi"', "🐧")),
        ([False, True], ("False", "True")),
        (["b", "2", "a", "-1", "0.5"], ("-1", "a", "b", "0.5", "2")),
        (
            ["site10 b", "site2", "site10 a2", "site10 a12"],
            ("site2", "site10 a2", "site10 a12", "site10 b"),
        ),
        (["c" + "9" * 5000, "c01", "c1", "c2"], ("c01", "c1", "c2", "c" + "9" * 5000)),
        ([f"c{number}" for number in range(999, -1, -1)], names_up_to(1000)),
    ],
)
def test_class_names_are_verbatim_and_in_natural_order(
    labels: list[Any], class_names: tuple[str, ...]
) -> None:
    assert names_of(labels) == class_names


@pytest.mark.parametrize(("classes", "rows"), [(20, 60), (20, 21), (30, 150)])
def test_label_may_be_a_number_of_few_values(classes: int, rows: int) -> None:
    labels = [number % classes for number in range(rows)]
    encoder = Encoder.fit(table_of(x=range(rows), y=labels), "y")
    assert encoder.class_names == tuple(str(number) for number in range(classes))
    assert encoder.labels(table_of(x=[0, 0], y=[10, 9])).tolist() == [10, 9]


def test_labels_are_positions_among_the_class_names_and_minus_one_where_missing() -> None:
    table = table_of(x=range(6), y=["b", "a", None, "b", "NA", "c"])
    encoder = Encoder.fit(table, "y")
    assert encoder.class_names == ("a", "b", "c")
    assert encoder.labels(table).tolist() == [1, 0, -1, 1, -1, 2]


@pytest.mark.parametrize("label", ["1", "01.0", "3"])
def test_unknown_class_is_refused_with_line_and_column(label: str) -> None:
    encoder = Encoder.fit(table_of(x=range(4), y=["01", "2", "01", "2"]), "y")
    with pytest.raises(DataError) as error:
        encoder.labels(table_of(y=["2", None, "01", label, "4"]))
    assert str(error.value).startswith(f"data.csv:4: column 'y': the model has no class '{label}'")
    assert str(error.value).endswith("It has: 01, 2")


def test_labels_of_a_table_without_the_target_are_refused(pets: Encoder) -> None:
    with pytest.raises(DataError, match=r"data.csv has no column 'species'"):
        pets.labels(table_of(weight=[1]))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["a"] * 3, "column 'y': every label is 'a'"),
        (["a", "a", None], "column 'y': every label is 'a'"),
        (["a"], "column 'y': every label is 'a'"),
        ([], "a header but no rows"),
        ([None, "NA"], "column 'y': every label is missing"),
        (["a", "b", "c"], "column 'y': 3 different labels in 3 rows"),
        (["a", "b", None, None], "column 'y': 2 different labels in 2 rows"),
        ([f"c{number // 2}" for number in range(2002)], "1,001 different labels in 2,002 rows"),
        ([number + 0.5 for number in range(30)], "(30 different values in 30 rows)"),
        ([number % 30 for number in range(149)], "(30 different values in 149 rows)"),
        ([number // 2 for number in range(42)], "(21 different values in 42 rows)"),
        ([number // 2 for number in range(2400)], "(over 1,000 different values in 2400 rows)"),
    ],
    ids=[
        "one-class",
        "one-class-and-missing",
        "one-row",
        "header-only",
        "all-missing",
        "all-different",
        "all-labelled-different",
        "over-1000-classes",
        "continuous",
        "one-in-five-different",
        "many-whole-numbers",
        "very-many-numbers",
    ],
)
def test_target_that_cannot_be_learned_is_refused_in_plain_words(
    labels: list[Any], words: str
) -> None:
    with pytest.raises(DataError) as error:
        Encoder.fit(table_of(x=[1] * len(labels), y=labels), "y")
    assert str(error.value).startswith("data.csv: ")
    assert words in str(error.value)


def test_continuous_target_is_called_a_number_to_be_predicted() -> None:
    with pytest.raises(DataError, match=r"column 'y' looks like a number to be predicted, not a"):
        Encoder.fit(table_of(x=range(50), y=[number / 7 for number in range(50)]), "y")


@pytest.mark.parametrize("rows", [300, 2400])
def test_number_to_be_predicted_is_refused_whether_or_not_it_was_read_as_text(rows: int) -> None:
    columns = {"x": range(rows), "y": [number % (rows // 4) / 8 for number in range(rows)]}
    for text in ([], ["y"]):
        with pytest.raises(DataError, match="column 'y' looks like a number to be predicted"):
            Encoder.fit(Table.from_columns(columns, form=TableFormat(text)), "y")
    words = columns | {"y": [f"c{number % 70}" for number in range(rows)]}
    assert (
        len(Encoder.fit(Table.from_columns(words, form=TableFormat(["y"])), "y").class_names) == 70
    )


@pytest.mark.parametrize(
    ("target", "ignore", "message"),
    [
        ("specis", (), "data.csv has no column 'specis'; did you mean 'species'?"),
        ("species", ("wings",), "data.csv has no column 'wings'"),
        ("species", ("legs", "species"), "column 'species' is the target: it cannot be ignored"),
    ],
)
def test_columns_that_cannot_be_used_as_asked_are_refused(
    target: str, ignore: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SettingsError) as error:
        Encoder.fit(table_of(**PETS), target, ignore)
    assert str(error.value).startswith(message)


def test_target_needs_a_column_to_learn_from() -> None:
    with pytest.raises(DataError, match=r"no column to learn from besides the target 'y'"):
        Encoder.fit(table_of(x=[None, None, None], y=["a", "b", "a"]), "y")


def test_cautions_say_for_each_row_why_and_which_columns(pets: Encoder) -> None:
    new = table_of(
        weight=[10, 99, None, 1], coat=["long", "bald", "short", None], legs=[4, 3, 4, None]
    )
    assert pets.cautions(new) == [
        [],
        ["outside training range: weight, legs", "unseen category: coat"],
        [],
        ["outside training range: weight", "missing, but never missing in training: legs"],
    ]


def test_training_table_itself_deserves_no_caution(pets: Encoder) -> None:
    assert pets.cautions(table_of(**PETS)) == [[], [], [], []]


@pytest.mark.parametrize(
    ("width", "names"),
    [
        (3, ["column1", "column2", "column3"]),
        (2, ["column1", "column3"]),
        (1, ["column1"]),
        (4, ["column1", "column2", "column3", "column4"]),
    ],
)
def test_file_without_header_may_come_with_or_without_its_labels(
    width: int, names: list[str]
) -> None:
    table = table_of(column1=[1, 2, 3], column2=["a", "b", "a"], column3=[4, 5, 6])
    table.has_header = False
    encoder = Encoder.fit(table, "column2")
    assert encoder.unnamed_columns == 3
    assert encoder.names_without_header(["1"] * width) == names
    header = ["column3", "column1", "more"]
    assert encoder.names_without_header(header) == header


def test_file_with_header_leaves_no_unnamed_columns(pets: Encoder) -> None:
    assert pets.unnamed_columns == 0


def test_digest_tells_the_content_of_rows_and_not_their_order() -> None:
    def digest(x: list[float], y: str, group: str) -> str:
        table = table_of(x=x, y=[*y], g=[*group])
        return Encoder.fit(table, "y", group="g").examples(table).digest

    one = digest([1, 2, 3, 4], "abab", "pqpq")
    assert one == digest([4, 3, 2, 1], "baba", "qpqp")
    others = [
        digest([1, 2, 3, 5], "abab", "pqpq"),
        digest([1, 2, 3, 4 + 1e-12], "abab", "pqpq"),
        digest([1, 2, 3, 4], "abba", "pqpq"),
        digest([1, 2, 3, 4], "abab", "pqqp"),
    ]
    assert one not in others


def test_roles_refuse_a_categorical_column_that_is_no_feature() -> None:
    table = Table.from_columns({"a": [1, 2], "g": [1, 2], "y": ["p", "q"]})
    for roles, other in (
        (Roles("y", categorical="y"), "the target"),
        (Roles("y", "a", categorical=["a"]), "ignored"),
        (Roles("y", weights="a", categorical="a"), "the weights"),
    ):
        with pytest.raises(SettingsError, match=f"is {other}: it cannot be categorical"):
            roles.target_among("table", table.columns)
    with pytest.raises(SettingsError, match="column 'g' is the group: it cannot be categorical"):
        Roles("y", group="g", categorical="g").target_among("table", table.columns)
    Roles("y", group="g", group_feature=True, categorical="g").target_among("t", table.columns)
    with pytest.raises(SettingsError, match="no column 'b'"):
        Roles("y", categorical="b").target_among("table", table.columns)
