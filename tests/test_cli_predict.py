from __future__ import annotations

import csv
import io
import json
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from minnet import Model, Table, read_csv
from minnet.cli.predict import ask, draw
from minnet.model.document import load
from minnet.model.threshold import Threshold
from minnet.training.settings import TrainingSettings
from tests.helpers import IRIS, PENGUINS, fit, known_note

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
    assert ending.err == known_note(2)
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
    assert "missing, but never missing in training: sepal_length" in missing["caution"]
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


def test_file_that_ends_in_tsv_gets_tabs(with_iris_model: Run, tmp_path: Path) -> None:
    usual = list(csv.reader(with_iris_model("predict", IRIS).out.splitlines()))
    for name in ("out.tsv", "OUT.TSV"):
        assert with_iris_model("predict", IRIS, "-o", name).code == 0
        text = (tmp_path / name).read_text()
        assert list(csv.reader(text.splitlines(), delimiter="\t")) == usual
    assert with_iris_model("predict", "out.tsv", "-o", "again.csv").code == 0
    assert "\t" in (tmp_path / "again.csv").read_text()


OWN = ["predicted", "p(setosa)", "p(versicolor)", "p(virginica)", "spread", "caution"]


@pytest.mark.parametrize(
    ("arguments", "header"),
    [
        (("--columns", "predicted,spread"), ["predicted", "spread"]),
        (("--columns", "spread", "--columns", "predicted,spread"), ["spread", "predicted"]),
        (("--columns", "p(setosa)"), ["p(setosa)"]),
        (("--id", "species"), ["species", *OWN]),
        (
            ("--id", "species", "--id", "petal_width", "--id", "species"),
            ["species", "petal_width", *OWN],
        ),
        (("--id", "species", "--columns", "predicted"), ["species", "predicted"]),
    ],
)
def test_predict_writes_only_the_columns_asked_for(
    with_iris_model: Run, arguments: tuple[str, ...], header: list[str]
) -> None:
    whole = rows_of(with_iris_model("predict", IRIS).out)
    out = with_iris_model("predict", IRIS, *arguments).out
    assert out.splitlines()[0].split(",") == header
    assert rows_of(out) == [{name: row[name] for name in header} for row in whole]


def test_class_with_a_comma_has_a_column_that_can_be_asked_for(run: Run) -> None:
    table = 'x,y\n1,"a,b"\n2,c\n3,"a,b"\n' * 5
    run("train", "-", "-q", "--epochs", 2, "--networks", 2, stdin=table)
    out = run("predict", "--columns", "p(a,b)", "--columns", "spread,p(c)", stdin=table).out
    assert out.startswith('"p(a,b)",spread,p(c)\n')


def test_columns_asked_for_keep_their_names_unless_one_of_the_data_has_them(
    with_iris_model: Run,
) -> None:
    once = with_iris_model("predict", stdin=HEADER + SETOSA).out
    assert with_iris_model("predict", "--columns", "predicted", stdin=once).out == (
        "predicted\nsetosa\n"
    )
    ending = with_iris_model("predict", "--id", "predicted", "--columns", "predicted", stdin=once)
    assert ending.out == "predicted,minnet_predicted\nsetosa,setosa\n"
    assert "has a column 'predicted'" in ending.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--id", "specie"), "no column 'specie'; did you mean 'species'?"),
        (("--columns", "predited"), "no column 'predited'; did you mean 'predicted'?"),
        (("--columns", "species"), "no column 'species'"),
        (("--columns", "predicted,"), "no column ''"),
        (("--columns", ""), "no column ''"),
        (("--columns", "spread", "--json"), "--columns and --id are for a table, not for --json"),
        (("--id", "species", "--json"), "--columns and --id are for a table, not for --json"),
    ],
)
def test_columns_that_cannot_be_written_are_refused(
    with_iris_model: Run, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    ending = with_iris_model("predict", IRIS, *arguments, "-o", "out.csv")
    assert ending.code == 2
    assert says in ending.only_error
    assert not (tmp_path / "out.csv").exists()


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


def test_drawn_prediction_follows_the_threshold() -> None:
    model = fit(read_csv(PENGUINS), "sex", networks=2, epochs=5)
    for name in model.class_names:
        model = replace(model, threshold=Threshold(name, 0.0))
        drawn = draw(model, read_csv(PENGUINS))
        assert f"\npredicted: {name}, spread" in drawn


def entered(model: Model, cells: list[str], monkeypatch: pytest.MonkeyPatch) -> Table:
    """The row that comes of it when this is entered at the terminal, all of it."""
    left = iter(cells)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: next(left))
    table = ask(model)
    assert list(left) == []
    return table


def unknown(err: str) -> list[str]:
    """What is said of categories that are not known; click may print its questions, too."""
    return re.findall(r"\w+ has no category '.*", err)


def test_category_that_is_not_known_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = TrainingSettings(networks=1, epochs=1)
    penguins = fit(read_csv(PENGUINS), "species", settings, ignore=["year"])
    names = [column.name for column in penguins.encoder.columns]
    assert (names[0], names[-1]) == ("island", "sex")
    cells = ["Biscoe", "", "", "", "", "alien", "Male", "male"]
    table = entered(penguins, cells, monkeypatch)
    assert (table["island"].spellings, table["sex"].spellings) == (("Biscoe",), ("male",))
    assert unknown(capsys.readouterr().err) == [
        f"sex has no category {cell!r}; did you mean 'male'? It has: male, female"
        for cell in ("alien", "Male")
    ]
    table = entered(penguins, ["Biscoe", "", "", "", "", "alien", ""], monkeypatch)
    assert table["sex"].missing.tolist() == [True]
    assert len(unknown(capsys.readouterr().err)) == 1


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("option", ["", "--quiet"])
def test_asking_tells_how_unless_quiet(
    with_iris_model: Run, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr(io, "TextIOWrapper", Terminal)  # which standard input is in tests
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "")
    ending = with_iris_model("predict", *filter(None, [option]))
    assert ending.out.startswith("class ")
    assert ("press Enter where a value is missing" in ending.err) == (not option)


def test_of_many_categories_those_that_look_alike_are_offered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    towns = ["Aachen", "Bonn", "Celle", "Düren", "Emden", "Fulda", "Gera", "Halle", "Jena"]
    table = Table.from_columns({"town": towns * 4, "y": ["a", "b"] * 18})
    model = fit(table, "y", TrainingSettings(networks=1, epochs=1))
    assert entered(model, ["aachn", "Tokyo", "Jena"], monkeypatch)["town"].spellings == ("Jena",)
    close, far = unknown(capsys.readouterr().err)
    assert close.startswith(
        "town has no category 'aachn'; did you mean 'Aachen'? It has: Aachen, B"
    )
    assert far.startswith("town has no category 'Tokyo'. It has: Aachen, Bonn, ")


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
    lines = draw(model, table).splitlines()
    assert lines[0].split() == ["class", "probability", "over", "8", "networks"]
    assert len([line for line in lines if line.startswith(("setosa", "versic", "virgin"))]) == 3
    assert "caution: outside training range: petal_width" in lines
    assert any(line.startswith("predicted: ") for line in lines)


ADDED = ["predicted", "p(a)", "p(b)", "spread", "caution"]


def prefixed(names: list[str], times: int = 1) -> list[str]:
    return ["minnet_" * times + name for name in names]


def test_model_trained_on_columns_named_like_those_of_predict_predicts_again_and_again(
    run: Run, tmp_path: Path
) -> None:
    table = ["predicted,p(a),note,y", *(f"{i},{i % 7},n{i},{'ab'[i % 2]}" for i in range(20))]
    (tmp_path / "0.csv").write_text("\n".join(table) + "\n")
    assert run("train", "0.csv", "-q", "--epochs", 2, "--ignore", "note").code == 0
    notes = [run("predict", f"{i}.csv", "-o", f"{i + 1}.csv").err for i in range(3)]
    first, second, third = ((tmp_path / f"{i}.csv").read_bytes() for i in (1, 2, 3))
    assert first == second == third
    lines = first.decode().splitlines()
    assert lines[0].split(",") == [*table[0].split(","), *prefixed(ADDED)]
    assert all(line.startswith(row) for line, row in zip(lines, table, strict=True))
    names = "minnet_predicted to minnet_caution"
    assert notes == [
        f"note: 0.csv has a column 'predicted': those that predict adds are {names}\n"
        + known_note(20),
        f"note: 1.csv: the columns {names} of an earlier predict are replaced\n" + known_note(20),
        f"note: 2.csv: the columns {names} of an earlier predict are replaced\n" + known_note(20),
    ]


@pytest.mark.parametrize("label", ["", ",setosa"])
def test_predict_replaces_its_own_columns_in_its_own_output(
    with_iris_model: Run, write: Write, label: str
) -> None:
    write("new.csv", HEADER.strip() + (",species" if label else "") + f"\n5.1,3.5,1.4,0.2{label}\n")
    once = with_iris_model("predict", "new.csv").out
    stale = re.sub(r"0\.\d{6}", "0.5", once)
    again = with_iris_model("predict", stdin=stale)
    assert again.out == once != stale
    assert again.err == (
        "note: standard input: the columns predicted to caution of an earlier predict are "
        "replaced\n" + known_note(1)
    )


def test_columns_are_replaced_only_if_they_are_all_there_in_order_at_the_end(
    with_iris_model: Run,
) -> None:
    added = ["predicted", "p(setosa)", "p(versicolor)", "p(virginica)", "spread", "caution"]
    for last in (added[1:], [*added, "more"], [added[1], added[0], *added[2:]]):
        names = [*HEADER.strip().split(","), *last]
        row = [*SETOSA.strip().split(","), *("mine" for _ in last)]
        ending = with_iris_model("predict", stdin=f"{','.join(names)}\n{','.join(row)}\n")
        written = list(csv.reader(ending.out.splitlines()))
        assert written[0] == [*names, *prefixed(added)]
        assert written[1][: len(row)] == row
        assert "standard input has a column " in ending.err


@pytest.mark.parametrize("target", ["y", "predicted"])
def test_column_that_the_model_was_trained_on_is_never_replaced(run: Run, target: str) -> None:
    names = ["x", "y", *ADDED] if target == "y" else ["x", *ADDED]
    others = ",b,0.2,0.8,0.1," if target == "y" else ",0.2,0.8,0.1,"
    rows = [f"{i},{'ab'[i % 2]}{others}{i % 3}" for i in range(20)]
    text = "\n".join([",".join(names), *rows]) + "\n"
    assert run("train", "-", "-q", "-t", target, "--epochs", 2, stdin=text).code == 0
    once = run("predict", stdin=text).out
    lines = once.splitlines()
    assert lines[0].split(",") == [*names, *prefixed(ADDED)]
    assert all(line.startswith(row) for line, row in zip(lines[1:], rows, strict=True))
    assert run("predict", stdin=once).out == once


def test_two_models_with_other_classes_keep_each_other_s_columns(run: Run) -> None:
    for model, classes in (("one.json", "ab"), ("two.json", "cd")):
        table = "x,y\n" + "".join(f"{i},{classes[i % 2]}\n" for i in range(20))
        run("train", "-", "-q", "--epochs", 2, "-m", model, stdin=table)
    text = "x\n1\n"
    for model in ("one.json", "two.json", "two.json", "one.json", "one.json"):
        text = run("predict", "-m", model, stdin=text).out
    names = text.splitlines()[0].split(",")
    assert names[:6] == ["x", *ADDED]
    assert names[6:9] == prefixed(["predicted", "p(c)", "p(d)"])
    assert names[11:] == prefixed(ADDED, times=2)


def test_output_for_a_file_without_a_header_is_predicted_again(run: Run) -> None:
    rows = "".join(f"{'ab'[i % 2]},{i},{i % 3}\n" for i in range(20))
    run("train", "-", "-q", "--no-header", "-t", "column1", "--epochs", 2, stdin=rows)
    for given in (rows, "1,2\n3,4\n"):
        once = run("predict", stdin=given).out
        assert once.count("\n") == given.count("\n") + 1
        assert run("predict", stdin=once).out == once


def test_text_that_would_break_a_line_is_quoted(run: Run) -> None:
    table = "x,note,y\n" + '1,"a\rb",yes\n2," c",\x1cno\n' * 10
    assert run("train", "-", "-q", "--epochs", 2, "--ignore", "note", stdin=table).code == 0
    out = run("predict", stdin=table).out
    rows = list(csv.reader(io.StringIO(out, newline=""), strict=True))
    assert [len(row) for row in rows] == [8] * 21
    assert rows[1][:3] == ["1", "a\rb", "yes"]
    assert rows[2][:3] == ["2", " c", "\x1cno"]
    assert rows[0][4:6] == ["p(\x1cno)", "p(yes)"]
    assert len(out.splitlines()) > out.count("\n") == 21
    assert run("predict", stdin=out).out == out


def test_control_characters_are_escaped_on_a_terminal_only(
    with_iris_model: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cell = "\x1b[31mred\nline"
    text = f'{HEADER.strip()},"n\x9bote"\n5.1,3.5,1.4,0.2,"{cell}"\n'
    verbatim = with_iris_model("predict", stdin=text).out
    assert f'0.2,"{cell}",setosa,' in verbatim
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = with_iris_model("predict", stdin=text).out
    assert "0.2,\\x1b[31mred\\nline,setosa," in shown
    assert all(line.isprintable() for line in shown.splitlines())
    assert with_iris_model("predict", "-o", "out.csv", stdin=text).out == ""
    assert (tmp_path / "out.csv").read_bytes() == verbatim.encode()
