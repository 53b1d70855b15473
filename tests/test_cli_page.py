from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Run


def document_of(path: Path) -> dict[str, Any]:
    """The data that a page shows."""
    block = re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"))
    assert block is not None
    return json.loads(block[1])


def test_the_page_of_the_training_table_is_small_and_judged_out_of_fold(
    with_iris_model: Run, tmp_path: Path
) -> None:
    ending = with_iris_model("page", IRIS)
    assert (ending.code, ending.out) == (0, "")
    told = r"wrote page\.html \(0\.\d MB\)\nit holds 150 rows of the table: who passes it on .*\n"
    assert re.fullmatch(told, ending.err)
    document = document_of(tmp_path / "page.html")
    assert document["evaluation"]["out_of_fold"]
    assert (tmp_path / "page.html").stat().st_size < 1e6


def test_output_rows_and_quiet(with_iris_model: Run, tmp_path: Path) -> None:
    ending = with_iris_model("page", IRIS, "-o", "other.html", "--rows", 10, "-q")
    assert (ending.code, ending.out, ending.err) == (0, "", "")
    assert 10 <= len(document_of(tmp_path / "other.html")["table"]["numbers"]) <= 20


def test_the_model_alone_makes_a_page(with_iris_model: Run, tmp_path: Path) -> None:
    assert with_iris_model("page").err.startswith("wrote page.html")
    document = document_of(tmp_path / "page.html")
    assert "table" not in document


def test_another_table_is_judged_by_all_networks(with_iris_model: Run, tmp_path: Path) -> None:
    lines = IRIS.read_text().splitlines()
    other = tmp_path / "other.csv"
    other.write_text("\n".join([lines[0], "9,9,9,9,setosa", "1,1,1,1,virginica"]) + "\n")
    assert with_iris_model("page", other).err.startswith("wrote page.html")
    assert not document_of(tmp_path / "page.html")["evaluation"]["out_of_fold"]


def test_data_may_come_from_standard_input(with_iris_model: Run, tmp_path: Path) -> None:
    with_iris_model("page", IRIS, "-o", "a.html")
    with_iris_model("page", "-", "-o", "b.html", stdin=IRIS.read_bytes())
    a, b = document_of(tmp_path / "a.html"), document_of(tmp_path / "b.html")
    assert b["table"].pop("name") == "standard input"
    assert a["table"].pop("name") == "iris.csv"
    assert a == b


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--rows", 0), 2, "0 is not in the range 1<=x<=1000000"),
        (("-o", "model.json"), 1, "model.json: cannot be written: the command reads it"),
        (("-o", "page.png"), 2, "page.png: its name must end in .html or .htm (see"),
        (("-o", "nowhere/page.html"), 1, "the folder does not exist"),
        ((PENGUINS,), 1, "penguins.csv has no column 'sepal_length'"),
    ],
)
def test_mistakes_get_one_line_and_leave_no_file(
    with_iris_model: Run, tmp_path: Path, arguments: tuple[object, ...], code: int, message: str
) -> None:
    ending = with_iris_model("page", *arguments)
    assert ending.code == code
    assert message in ending.only_error
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def test_an_old_page_survives_an_error(with_iris_model: Run, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("old")
    assert with_iris_model("page", PENGUINS).code == 1
    assert (tmp_path / "page.html").read_text() == "old"
