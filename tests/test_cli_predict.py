from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from minnet.cli.ask import answer, ask
from minnet.model.model_file import load
from tests.helpers import IRIS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers import Run

    Write = Callable[[str, str | bytes], Path]

HEADER = "sepal_length,sepal_width,petal_length,petal_width\n"
SETOSA = "5.1,3.5,1.4,0.2\n"
VIRGINICA = "6.3,3.3,6.0,2.5\n"


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_predict_adds_class_probabilities_spread_and_caution(with_iris_model: Run) -> None:
    ending = with_iris_model("predict", "-", stdin=HEADER + SETOSA + VIRGINICA)
    assert ending.code == 0
    assert ending.err == ""
    assert ending.out.splitlines()[0] == (
        HEADER.strip() + ",predicted,p(setosa),p(versicolor),p(virginica),spread,caution"
    )
    first, second = rows_of(ending.out)
    assert (first["predicted"], second["predicted"]) == ("setosa", "virginica")
    for row in (first, second):
        total = sum(float(row[f"p({name})"]) for name in ("setosa", "versicolor", "virginica"))
        assert total == pytest.approx(1, abs=3e-6)
        assert 0 <= float(row["spread"]) <= 1
    assert first["sepal_length"] == "5.1"


def test_predict_finds_columns_by_name_and_passes_extra_ones_through(with_iris_model: Run) -> None:
    plain = rows_of(with_iris_model("predict", stdin=HEADER + SETOSA).out)[0]
    shuffled = "species,petal_width,note,sepal_width,sepal_length,petal_length\n"
    ending = with_iris_model("predict", stdin=shuffled + 'x,0.2,"a, ""b""",3.5,5.1,1.4\n')
    row = rows_of(ending.out)[0]
    assert row["note"] == 'a, "b"'
    assert row["species"] == "x"
    assert {key: row[key] for key in plain} == plain


def test_predict_says_when_to_be_cautious(with_iris_model: Run) -> None:
    rows = HEADER + "5.1,3.5,1.4,99\n" + ",3.5,1.4,0.2\n" + SETOSA
    far, missing, plain = rows_of(with_iris_model("predict", stdin=rows).out)
    assert "outside training range: petal_width" in far["caution"]
    assert "missing, never so in training: sepal_length" in missing["caution"]
    assert plain["caution"] == ""


def test_predict_says_where_networks_disagree(with_iris_model: Run) -> None:
    rows = rows_of(with_iris_model("predict", IRIS).out)
    torn = [row for row in rows if "networks disagree" in row["caution"]]
    assert 0 < len(torn) < 30
    spreads = [float(row["spread"]) for row in torn]
    assert min(spreads) > sorted(float(row["spread"]) for row in rows)[75]


def test_predict_says_unseen_category(run: Run) -> None:
    table = "colour,y\n" + "red,a\nblue,b\n" * 10
    run("train", "-", "-q", "--epochs", 2, stdin=table)
    seen, unseen = rows_of(run("predict", stdin="colour\nred\ngreen\n").out)
    assert "unseen" not in seen["caution"]
    assert "unseen category: colour" in unseen["caution"]


def test_predict_keeps_the_delimiter_of_its_input(with_iris_model: Run) -> None:
    ending = with_iris_model("predict", stdin=(HEADER + SETOSA).replace(",", ";"))
    assert ending.out.splitlines()[1].startswith("5.1;3.5;1.4;0.2;setosa;")


def test_predict_writes_a_file(with_iris_model: Run, tmp_path: Path) -> None:
    ending = with_iris_model("predict", IRIS, "-o", "out.csv")
    assert ending.out == ""
    assert len(rows_of((tmp_path / "out.csv").read_text())) == 150


def test_json_gives_the_numbers_unrounded(with_iris_model: Run) -> None:
    ending = with_iris_model("predict", "--json", stdin=HEADER + SETOSA + VIRGINICA)
    first, second = json.loads(ending.out)["predictions"]
    assert (first["predicted"], second["predicted"]) == ("setosa", "virginica")
    assert sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-12)
    assert (first["line"], second["line"]) == (2, 3)


def test_more_rows_than_a_chunk_are_predicted_alike(with_iris_model: Run) -> None:
    rows = IRIS.read_text().splitlines()
    many = "\n".join([rows[0], *rows[1:] * 60])
    answers = rows_of(with_iris_model("predict", stdin=many).out)
    assert len(answers) == 9000
    assert answers[:150] == answers[-150:]


@pytest.mark.parametrize(
    ("table", "arguments", "code", "message"),
    [
        (None, (), 1, "new.csv: cannot be read: No such file"),
        ("", (), 1, "new.csv: the file is empty"),
        (HEADER, (), 1, "new.csv: a header but no rows"),
        (HEADER + "5.1,abc,1.4,0.2\n", (), 1, "new.csv:2: column 'sepal_width': 'abc' is not a nu"),
        (HEADER + SETOSA + "1,2,inf,4\n", (), 1, "new.csv:3: column 'petal_length': 'inf' is not"),
        ("sepal_length,sepal_width\n1,2\n", (), 1, "new.csv has no column 'petal_length'"),
        (HEADER + "5.1,3.5,1.4\n", (), 1, "new.csv:2: 3 cells, but there are 4 columns"),
        (HEADER + SETOSA, ("-m", "no.json"), 1, "no.json: there is no such model"),
        (HEADER + SETOSA, ("-m", "new.csv"), 1, "new.csv: not a usable minnet model: it is not JS"),
        (HEADER + SETOSA, ("-o", "no/out.csv"), 1, "no/out.csv: cannot be written"),
        ("spread," + HEADER + "1," + SETOSA, (), 1, "new.csv: there is already a column 'spread'"),
        (HEADER + SETOSA * 5000 + "x,1,1,1\n", ("-o", "out.csv"), 1, "new.csv:5002: column"),
        (HEADER + SETOSA * 5000 + "x,1,1,1\n", (), 1, "new.csv:5002: column"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(
    with_iris_model: Run,
    write: Write,
    tmp_path: Path,
    table: str | None,
    arguments: tuple[object, ...],
    code: int,
    message: str,
) -> None:
    if table is not None:
        write("new.csv", table)
    ending = with_iris_model("predict", "new.csv", *arguments)
    assert message in ending.only_error
    assert ending.code == code
    assert {path.name for path in tmp_path.iterdir()} <= {"model.json", "new.csv"}


def test_asking_repeats_what_is_not_a_number_and_takes_enter_as_missing(
    iris_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = iter(["6.3", "abc", "3.3", "", "99"])
    asked: list[str] = []

    def reply(prompt: str) -> str:
        asked.append(prompt)
        return next(replies)

    monkeypatch.setattr("click.termui.visible_prompt_func", reply)
    model = load(iris_model)
    table = ask(model)
    assert [float(table[name].numbers[0]) for name in ("sepal_length", "sepal_width")] == [6.3, 3.3]
    assert table["petal_length"].missing.tolist() == [True]
    said = capsys.readouterr().err
    assert "'abc' is not a number" in said
    lines = answer(model, table).splitlines()
    assert lines[0].split() == ["class", "probability", "over", "8", "networks"]
    assert len([line for line in lines if line.startswith(("setosa", "versic", "virgin"))]) == 3
    assert "caution: outside training range: petal_width" in lines
    assert any(line.startswith("predicted: ") for line in lines)
