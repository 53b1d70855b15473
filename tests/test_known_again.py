"""Categories and classes in another file than the training table: known again, or told of."""

from __future__ import annotations

import csv
import io
import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas
import pytest
from sklearn.exceptions import ConvergenceWarning

import minnet
from minnet.errors import UnseenCategoriesWarning
from minnet.model.document import load
from minnet.pages import page as write_page
from minnet.sklearn import MinnetClassifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.conftest import Run

    Write = Callable[[str, str | bytes], Path]
    WriteTable = Callable[[str, str], str]

ROWS = 60
RANDOM = np.random.default_rng(0)
SHOPS = RANDOM.choice(["Berlin", "Paris", "Rome"], ROWS).tolist()
X = RANDOM.normal(size=ROWS).round(3).tolist()
LABELS = ["up" if (shop == "Paris") ^ (x > 1) else "down" for shop, x in zip(SHOPS, X, strict=True)]
QUICK = ("--epochs", 3, "--networks", 5, "-q")


def table(**columns: Sequence[Any]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([columns, *zip(*columns.values(), strict=True)])
    return file.getvalue()


def scores(run: Run, data: str) -> Mapping[str, Any]:
    ending = run("evaluate", data, "--json")
    assert ending.code == 0, ending
    document: dict[str, Any] = json.loads(ending.out)
    return document


@pytest.mark.parametrize(
    ("codes", "again"),
    [
        (["3", "12", "B"], ["3.0", "12.0", "B"]),
        (["3.0", "12.0", "B"], ["3", "12", "B"]),
        (["2.50", "7", "-"], ["2.5", "7.0", "-"]),
    ],
)
def test_numbers_of_a_category_written_otherwise_make_the_same_rows(
    codes: list[str], again: list[str], run: Run, write: Write, write_table: WriteTable
) -> None:
    texts = [
        table(kind=[spellings[len(shop) % 3] for shop in SHOPS], x=X, y=LABELS)
        for spellings in (codes, again)
    ]
    data, other = map(write_table, ("data.csv", "again.csv"), texts)
    assert run("train", data, *QUICK).code == 0
    expected = scores(run, data)
    assert expected["rows_in_training_table"] == ROWS
    assert scores(run, other) == expected
    for name, text in zip(("data.csv", "again.csv"), texts, strict=True):
        write(name, text)
    assert run("predict", "again.csv", "--columns", "predicted,caution").out == (
        run("predict", "data.csv", "--columns", "predicted,caution").out
    )


def test_page_shows_the_categories_of_the_model(run: Run, write: Write, tmp_path: Path) -> None:
    kinds = [["3", "12", "B"][len(shop) % 3] for shop in SHOPS]
    write("data.csv", table(kind=kinds, x=X, y=LABELS))
    again = [{"3": "3.0", "12": "012"}.get(kind, "") for kind in kinds]
    write("again.csv", table(kind=again, x=X, y=LABELS))
    run("train", "data.csv", *QUICK)
    document = write_page(load("model.json"), tmp_path / "page.html", "again.csv")
    expected = [{"3": "3", "12": "012"}.get(kind) for kind in kinds]
    assert document["table"]["cells"][0] == expected


@pytest.mark.parametrize(
    ("classes", "again"),
    [
        (["0", "1"], ["0.0", "1.0"]),
        (["0.0", "1.0"], ["0", "1"]),
        (["1", "2.5"], ["1.00", "2.50"]),
    ],
)
def test_classes_that_are_numbers_are_known_by_value(
    classes: list[str], again: list[str], run: Run, write_table: WriteTable
) -> None:
    data, other = (
        write_table(name, table(x=X, shop=SHOPS, y=[names[label == "up"] for label in LABELS]))
        for name, names in (("data.csv", classes), ("again.csv", again))
    )
    assert run("train", data, *QUICK).code == 0
    assert list(load("model.json").class_names) == classes
    assert scores(run, other) == scores(run, data)
    assert "not trained on this row" in run("explain", other, "--row", 7).out


def test_codes_that_begin_with_a_0_are_no_numbers(run: Run, write_table: WriteTable) -> None:
    data, other = (
        write_table(name, table(x=X, y=[code if label == "up" else "2" for label in LABELS]))
        for name, code in (("data.csv", "01"), ("again.csv", "1"))
    )
    run("train", data, "-t", "y", *QUICK)
    error = run("evaluate", other).only_error
    assert "the model has no class '1'" in error


def renamed(shops: Sequence[str], **names: str) -> list[str]:
    return [names.get(shop, shop) for shop in shops]


@pytest.mark.parametrize("command", ["evaluate", "importance"])
def test_commands_say_where_most_rows_hold_categories_that_training_did_not_have(
    command: str, run: Run, write_table: WriteTable
) -> None:
    few = renamed(SHOPS, Paris="Lima") if SHOPS.count("Paris") <= ROWS / 2 else SHOPS
    files = {
        name: write_table(f"{name}.csv", table(shop=shops, x=X, y=LABELS))
        for name, shops in {
            "data": SHOPS,
            "lower": [*map(str.lower, SHOPS)],
            "upper": [*map(str.upper, SHOPS)],
            "else": ["Zzyzx"] * ROWS,
            "few": few,
        }.items()
    }
    run("train", files["data"], *QUICK)
    most = max(("Berlin", "Paris", "Rome"), key=SHOPS.count)
    note = "note: 60 of 60 rows of 'shop' hold categories that training did not have, such as"
    for name, spelled in (("lower", most.lower()), ("upper", most.upper())):
        ending = run(command, files[name])
        assert f"{note} {spelled!r}; did you mean {most!r}?\n" in ending.err
        assert "note" not in run(command, files[name], *["-q"]).err
    assert f"{note} 'Zzyzx'\n" in run(command, files["else"]).err
    for name in ("data", "few"):
        ending = run(command, files[name])
        assert ending.code == 0
        assert "note" not in ending.err


def test_missing_cells_are_no_unseen_categories() -> None:
    model = minnet.train({"shop": [*"abc"] * 10, "y": [*"pq"] * 15}, "y", epochs=2, networks=2)
    told = [
        model.encoder.unseen(model.encoder.table({"shop": cells}))
        for cells in ([None] * 4, [None, None, "a", "d"], [None, None, "d"], [])
    ]
    assert told[:2] == told[3:] * 2 == [[], []]
    assert told[2] == [
        "1 of 3 rows of 'shop' hold categories that training did not have, such as 'd'"
    ]


def test_where_rare_categories_were_left_out_only_a_table_without_any_known_one_is_told_of() -> (
    None
):
    names = [f"name {number:03}" for number in range(200)]
    model = minnet.train({"name": names * 2, "y": [*"pq"] * 200}, "y", epochs=2, networks=2)
    encoder = model.encoder
    assert encoder.unseen(encoder.table({"name": names})) == []
    (note,) = encoder.unseen(encoder.table({"name": ["A. N. Other"] * 9 + ["name 150"]}))
    assert note == (
        "10 of 10 rows of 'name' hold categories that training did not have or had too rarely, "
        "such as 'A. N. Other'"
    )


def still_improving(rows: pandas.DataFrame) -> MinnetClassifier:
    with pytest.warns(ConvergenceWarning):
        return MinnetClassifier(max_iter=3, n_networks=5).fit(rows, LABELS)


def test_estimator_warns_once_where_most_rows_hold_unseen_categories() -> None:
    rows = pandas.DataFrame({"shop": SHOPS, "other": SHOPS, "x": X})
    model = still_improving(rows)
    strange = rows.assign(shop=[*map(str.lower, SHOPS)], other="?!")
    for method in (model.predict, model.predict_proba, model.spread, model.member_probabilities):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            method(strange)
            method(rows)
        (warning,) = caught
        assert warning.category is UnseenCategoriesWarning
        assert issubclass(UnseenCategoriesWarning, UserWarning)
        assert "60 of 60 rows of 'shop' hold categories" in str(warning.message)
        assert "60 of 60 rows of 'other'" in str(warning.message)
    with pytest.warns(UnseenCategoriesWarning, match="'shop'"):
        model.score(strange, LABELS)


def test_categories_of_whole_numbers_that_became_floats_predict_the_same() -> None:
    codes = pandas.Series([len(shop) for shop in SHOPS], dtype="category")
    model = still_improving(pandas.DataFrame({"k": codes}))
    floats = pandas.DataFrame({"k": codes.astype(float).astype("category")})
    np.testing.assert_array_equal(
        model.predict_proba(floats), model.predict_proba(pandas.DataFrame({"k": codes}))
    )
