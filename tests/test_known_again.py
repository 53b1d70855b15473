"""Categories and classes in another file than the training table: known again, or told of."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from minnet.model.model_file import load
from minnet.page.page import write_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.conftest import Run

    Write = Callable[[str, str | bytes], Path]

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
    codes: list[str], again: list[str], run: Run, write: Write
) -> None:
    for name, spellings in (("data.csv", codes), ("again.csv", again)):
        kinds = [spellings[len(shop) % 3] for shop in SHOPS]
        write(name, table(kind=kinds, x=X, y=LABELS))
    assert run("train", "data.csv", *QUICK).code == 0
    expected = scores(run, "data.csv")
    assert expected["rows_in_training_table"] == ROWS
    assert scores(run, "again.csv") == expected
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
    classes: list[str], again: list[str], run: Run, write: Write
) -> None:
    for name, names in (("data.csv", classes), ("again.csv", again)):
        write(name, table(x=X, shop=SHOPS, y=[names[label == "up"] for label in LABELS]))
    assert run("train", "data.csv", *QUICK).code == 0
    assert list(load("model.json").class_names) == classes
    assert scores(run, "again.csv") == scores(run, "data.csv")
    assert "not trained on this row" in run("explain", "again.csv", "--row", 7).out


def test_codes_that_begin_with_a_0_are_no_numbers(run: Run, write: Write) -> None:
    write("data.csv", table(x=X, y=["01" if label == "up" else "2" for label in LABELS]))
    write("again.csv", table(x=X, y=["1" if label == "up" else "2" for label in LABELS]))
    run("train", "data.csv", "-t", "y", *QUICK)
    error = run("evaluate", "again.csv").only_error
    assert "the model has no class '1'" in error
