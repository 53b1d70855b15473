"""Rows that do not fit the model."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.bad_inputs.helpers import MODEL_READERS, READERS, with_data
from tests.helpers import IRIS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.bad_inputs.helpers import Refused
    from tests.helpers import Run

    Write = Callable[[str, str | bytes], Path]

HEADER = "sepal_length,sepal_width,petal_length,petal_width"
OWN_DATA = [name for name in READERS if name in MODEL_READERS]


def answers(out: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(out, newline="")))


def test_rows_may_come_without_labels_in_any_order_with_more_columns(
    survived: Run, write: Write
) -> None:
    write("plain.csv", f"{HEADER}\n5,3,1,0.2\n")
    write("other.csv", 'petal_width;note;sepal_width;petal_length;sepal_length\n0.2;"a;b";3;1;5\n')
    plain, other = (survived("predict", f"{name}.csv") for name in ("plain", "other"))
    assert (plain.code, other.code) == (0, 0)
    answer = plain.out.splitlines()[1].removeprefix("5,3,1,0.2,").replace(",", ";")
    assert other.out.splitlines()[1] == f'0.2;"a;b";3;1;5;{answer}'


@pytest.mark.parametrize("command", OWN_DATA)
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            f"{HEADER.replace('petal_width', 'petal_widht')},species\n1,2,3,4,setosa\n",
            "no column 'petal_width'",
        ),
        ("a,b,species\n1,2,setosa\n", "no column '"),
        (
            f"{HEADER},species\n1,2,3,x,setosa\n",
            "data.csv:2: column 'petal_width': 'x' is not a number",
        ),
        (f"{HEADER},species\n1,2,3,1e999,setosa\n", "is not a finite number"),
    ],
    ids=["misspelt", "others", "text", "infinite"],
)
def test_rows_that_do_not_fit_the_model_are_refused(
    refused: Refused, write: Write, command: str, text: str, says: str
) -> None:
    write("data.csv", text)
    refused(*with_data(READERS[command], "data.csv"), says=says)


@pytest.mark.parametrize(
    "command", ["evaluate", "plot confusion", "plot calibration", "importance"]
)
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{HEADER}\n1,2,3,4\n", "data.csv has no column 'species'"),
        (f"{HEADER},species\n1,2,3,4,\n", "no row has a label in column 'species'"),
        (f"{HEADER},species\n1,2,3,4,Setosa\n", "has no class 'Setosa'; did you mean 'setosa'?"),
        (f"{HEADER},species\n1,2,3,4,\x1b[31m\n", "has no class '\\x1b[31m'"),
    ],
    ids=["no-label-column", "no-label", "other-class", "control"],
)
def test_labels_that_do_not_fit_the_model_are_refused(
    refused: Refused, write: Write, command: str, text: str, says: str
) -> None:
    write("data.csv", text)
    refused(*with_data(READERS[command], "data.csv"), says=says)


@pytest.mark.parametrize("command", OWN_DATA)
def test_model_and_data_swapped_are_refused(refused: Refused, command: str, tmp_path: Path) -> None:
    (tmp_path / "iris.csv").write_bytes(IRIS.read_bytes())
    arguments = with_data(READERS[command], "model.json")
    refused(*arguments, "--model", "iris.csv", says="iris.csv: not a usable minnet model")
    refused(*arguments, says="'model.json' is a model; did you mean '-m model.json'?", code=2)


@pytest.mark.parametrize("name", ["predicted", "p(setosa)", "spread", "caution"])
def test_predict_keeps_a_column_of_a_name_of_its_own(
    survived: Run, write: Write, name: str
) -> None:
    write("data.csv", f"{HEADER},{name}\n1,2,3,4,x\n")
    ending = survived("predict", "data.csv")
    assert ending.code == 0
    (row,) = answers(ending.out)
    assert (row[name], row["minnet_predicted"]) == ("x", "virginica")
    assert f"data.csv has a column '{name}': those that predict adds are minnet_pr" in ending.err


@pytest.mark.parametrize(
    "cell", ["1e6", "-1e6", "1e308", "-1.7e308", "5e-324", "1e-320", "0", "", "NA", "9" * 300]
)
def test_values_far_outside_still_give_probabilities(
    survived: Run, write: Write, cell: str
) -> None:
    rows = "".join(
        ",".join(cell if i == column else "1" for i in range(4)) + "\n" for column in range(4)
    )
    write("data.csv", f"{HEADER}\n{rows}" + ",".join([cell] * 4) + "\n")
    ending = survived("predict", "data.csv")
    assert ending.code == 0
    for row in answers(ending.out):
        probabilities = np.array([float(row[name]) for name in row if name.startswith("p(")])
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        assert probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert row["caution"]
