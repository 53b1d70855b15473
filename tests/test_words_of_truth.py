"""A column of `true` and `false`, however they are spelled, is one of the numbers 1 and 0."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pandas
import polars
import pyarrow
import pytest
from pyarrow import parquet

import minnet
from minnet.data.columns import CategoricalColumn, NumericColumn
from minnet.data.encoding import Encoder
from minnet.data.table import as_table
from minnet.errors import DataError
from minnet.model.document import from_bytes, load, save, to_bytes
from minnet.onnx import export
from minnet.sklearn import MinnetClassifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from minnet.model.model import Model
    from tests.conftest import Run

    Write = Callable[[str, str | bytes], Path]

ROWS = 60
FLAGS = np.random.default_rng(0).random(ROWS) < 0.45
X = np.random.default_rng(1).normal(size=ROWS).round(3)
LABELS = np.where(X + FLAGS > 0.6, "up", "down").tolist()
QUICK = {"epochs": 8, "networks": 4}

SPELLINGS: dict[str, Sequence[str]] = {
    "Python": ("False", "True"),
    "spreadsheet": ("FALSE", "TRUE"),
    "polars": ("false", "true"),
    "with spaces": (" fAlse", "tRue "),
    "whole numbers": ("0", "1"),
    "floats": ("0.0", "1.0"),
}
FRAMES: dict[str, Any] = {
    "numpy": FLAGS,
    "list": FLAGS.tolist(),
    "objects": np.array(FLAGS, object),
    "pandas": pandas.Series(FLAGS),
    "pandas nullable": pandas.array(FLAGS, dtype="boolean"),
    "pandas with arrow": pandas.Series(FLAGS, dtype="bool[pyarrow]"),
    "polars": polars.Series(FLAGS),
    "pyarrow": pyarrow.array(FLAGS),
    "integers": FLAGS.astype(int),
    "float32": FLAGS.astype(np.float32),
    "words and numbers": ["TRUE" if flag else 0 for flag in FLAGS.tolist()],
}


def text_of(words: Sequence[str], rows: slice = slice(None), *, header: bool = True) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    if header:
        writer.writerow(["flag", "x", "y"])
    cells = [words[int(flag)] for flag in FLAGS]
    writer.writerows([*zip(cells, X.tolist(), LABELS, strict=True)][rows])
    return file.getvalue()


def data_of(flags: Any) -> dict[str, Any]:
    return {"flag": flags, "x": X, "y": LABELS}


def model_of(data: Any) -> Model:
    return minnet.train(data, "y", **QUICK)


@pytest.fixture(scope="module")
def of_numbers() -> Model:
    return model_of(data_of(FLAGS.astype(int)))


def assert_alike(one: Model, other: Model, data: Any) -> None:
    """Two models judge a table alike, and know which of their networks may judge each row."""
    judged, expected = (minnet.evaluate(model, data) for model in (one, other))
    assert judged.known == expected.known == len(judged)
    np.testing.assert_array_equal(judged.probabilities, expected.probabilities)


@pytest.mark.parametrize("words", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_in_a_file_is_the_same_table_in_training_and_in_evaluation(
    words: Sequence[str], of_numbers: Model, write: Write
) -> None:
    path = write("data.csv", text_of(words))
    trained = model_of(path)
    assert_alike(trained, of_numbers, path)
    assert_alike(trained, of_numbers, data_of(FLAGS))


@pytest.mark.parametrize("flags", FRAMES.values(), ids=FRAMES)
def test_booleans_of_every_frame_are_the_numbers_0_and_1(flags: Any, of_numbers: Model) -> None:
    trained = model_of(data_of(flags))
    assert_alike(trained, of_numbers, data_of(flags))
    assert_alike(trained, of_numbers, data_of(FLAGS.astype(float)))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimator_takes_booleans_and_numbers_for_the_same() -> None:
    kinds = np.random.default_rng(2).choice(["p", "q", "r"], 200)
    noise = np.random.default_rng(3).random(200) < 0.1
    labels = np.where((kinds == "q") ^ noise, "yes", "no")
    dummies = pandas.get_dummies(pandas.Series(kinds))
    assert {str(dtype) for dtype in dummies.dtypes} == {"bool"}
    model = MinnetClassifier(max_iter=30, n_networks=3).fit(dummies, labels)
    expected = model.predict_proba(dummies)
    assert model.score(dummies, labels) > 0.85
    for same in (dummies.astype(int), dummies.astype(float), dummies.astype("boolean")):
        np.testing.assert_array_equal(model.predict_proba(same), expected)


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["True", "", "FALSE", "NA"], [1, np.nan, 0, np.nan]),
        (["1", "true", "0.0", "False"], [1, 1, 0, 0]),
        (["false", "false"], [0, 0]),
        (["true", "3.5", "2"], None),
        (["true", "1", "-1"], None),
        (["yes", "no"], None),
        (["t", "f"], None),
        (["true", "maybe", ""], None),
        (["true", "inf"], None),
    ],
)
def test_words_of_truth_are_numbers_among_each_other_and_0_and_1_alone(
    cells: list[str], numbers: list[float] | None, write: Write
) -> None:
    rows = "".join(f"{cell},1\n" for cell in cells)
    column = minnet.read_csv(write("data.csv", f"x,y\n{rows}"))["x"]
    if numbers is None:
        assert column.numbers is None
    else:
        np.testing.assert_array_equal(column.numbers, numbers)
    present = [cell for cell in cells if cell not in ("", "NA")]
    assert list(column.spellings) == list(dict.fromkeys(present))


def test_missing_words_come_before_words_of_truth(write: Write) -> None:
    path = write("data.csv", "x,y\ntrue,1\n1,1\n2,1\n")
    column = minnet.read_csv(path, missing=["true"])["x"]
    np.testing.assert_array_equal(column.numbers, [np.nan, 1, 2])


def test_word_after_many_numbers_is_a_bad_cell_in_training(write: Write, run: Run) -> None:
    rows = "".join(f"{number},{'ab'[number % 2]}\n" for number in range(1200))
    write("data.csv", f"x,y\n{rows}true,a\n")
    ending = run("train", "data.csv")
    assert "data.csv:1202: column 'x': 'true' is not a number" in ending.only_error


@pytest.mark.parametrize("labels", [[True, False], ["TRUE", "FALSE"], [1, 0]])
def test_labels_keep_their_text(labels: list[Any]) -> None:
    encoder = Encoder.fit(as_table({"x": [1, 2, 3, 4], "y": labels * 2}), "y")
    assert set(encoder.class_names) == {str(label) for label in labels}


def test_words_are_shown_as_words(run: Run, write: Write, monkeypatch: Any) -> None:
    write("data.csv", text_of(("False", "True")))
    run("train", "data.csv", "--epochs", 3, "--networks", 2, "-q")
    assert "flag  numeric, false to true, median false\n" in run("show").out
    row = int(FLAGS.argmax()) + 1
    (line,) = [
        line
        for line in run("explain", "data.csv", "--row", row).out.splitlines()
        if line.startswith("flag ") and "(true)" in line
    ]
    assert line.split()[:3] == ["flag", "1", "(true)"]
    document = json.loads(run("explain", "data.csv", "--row", row, "--json").out)
    assert document["values"][document["features"].index("flag")] == 1.0


def test_numbers_are_shown_as_numbers(run: Run, write: Write) -> None:
    write("data.csv", text_of(("0", "1")))
    run("train", "data.csv", "--epochs", 3, "--networks", 2, "-q")
    assert "flag  numeric, 0 to 1, median 0\n" in run("show").out
    assert "(true)" not in run("explain", "data.csv", "--row", 1).out


def test_half_of_a_word_is_no_median() -> None:
    (column,) = Encoder.fit(as_table({"x": [True, False] * 2, "y": [*"aabb"]}), "y").columns
    assert column == NumericColumn("x", 0.0, 0.0, 1.0, has_missing=False, is_boolean=True)


def test_prompt_takes_words_and_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    from minnet.cli.predict import ask

    model = model_of(data_of(FLAGS))
    asked: list[str] = []
    answers = iter(["maybe", "TRUE", "true", "0.5"])

    def prompt(question: str, *_: Any, **__: Any) -> str:
        asked.append(question)
        return next(answers)

    monkeypatch.setattr("click.prompt", prompt)
    table = ask(model)
    # A word is no number where the numbers were others.
    assert asked == ["flag (false to true)"] * 2 + [f"x ({X.min():g} to {X.max():g})"] * 2
    np.testing.assert_array_equal(table["flag"].numbers, [1])


def test_model_file_keeps_that_numbers_are_words(tmp_path: Path) -> None:
    model = model_of(data_of(FLAGS))
    save(model, tmp_path / "model.json")
    assert load(tmp_path / "model.json").encoder == model.encoder
    assert model.encoder.is_boolean.tolist() == [True, False]
    assert b'"is_boolean": true' not in to_bytes(model_of(data_of(FLAGS.astype(int))))
    assert from_bytes(to_bytes(model), "m").encoder == model.encoder


def test_graph_takes_words_as_numbers() -> None:
    model = model_of(data_of(FLAGS))
    session = onnxruntime.InferenceSession(export(model).SerializeToString())
    assert [one.type for one in session.get_inputs()] == ["tensor(double)"] * 2
    feed = {"flag": FLAGS.astype(float)[:, None], "x": X[:, None]}
    _, probabilities, _ = session.run(None, feed)
    expected = minnet.predict(model, data_of(FLAGS)).probabilities
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
@pytest.mark.parametrize("trained", ["0", "True"])
def test_prediction_block_by_block_takes_words_for_numbers(
    name: str, trained: str, run: Run, write: Write, tmp_path: Path
) -> None:
    write("numbers.csv", text_of(("0", "1")))
    write("table.csv", text_of(("0", "1") if trained == "0" else ("False", "True")))
    run("train", "table.csv", "--epochs", 3, "--networks", 2, "-q")
    if name == "data.csv":
        # Words begin in a later block than numbers, and end before them.
        blocks = [
            text_of(words, header=number == 0)
            for number, words in enumerate([("0", "1")] * 40 + [("FALSE", "TRUE")] * 40)
        ]
        write(name, "".join(blocks))
        times = 80
    else:
        parquet.write_table(pyarrow.table(data_of(FLAGS)), tmp_path / name)
        times = 1
    columns = ("--columns", "p(down),p(up),caution")
    expected = run("predict", "numbers.csv", *columns).out.splitlines()
    ending = run("predict", name, *columns)
    assert ending.code == 0
    assert ending.out.splitlines() == [expected[0], *expected[1:] * times]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0)])
def test_files_of_a_pattern_may_spell_them_in_their_own_ways(
    order: Sequence[int], run: Run, write: Write
) -> None:
    spellings = [("False", "True"), ("0", "1"), ("false", "true")]
    for number, kind in enumerate(order):
        write(f"{number}.csv", text_of(spellings[kind], slice(20 * number, 20 * number + 20)))
    write("whole.csv", text_of(("0", "1")))
    train = ("train", "?.csv", "--epochs", 3, "--networks", 5, "-q")
    assert run(*train).code == 0
    flag, _ = load("model.json").encoder.columns
    assert isinstance(flag, NumericColumn)
    assert flag.is_boolean
    judged = run("evaluate", "?.csv").out
    assert judged.startswith(f"{ROWS} rows, all in the training table")
    assert run("evaluate", "whole.csv").out == judged


@pytest.mark.parametrize("order", [("words", "numbers"), ("numbers", "words")])
def test_words_in_one_file_and_other_numbers_in_another_are_categories(
    order: tuple[str, str], run: Run, write: Write
) -> None:
    cells = {"words": ["True", "False"] * 9, "numbers": ["3.5", "0"] * 9}
    for number, kind in enumerate(order):
        rows = "".join(f"{cell},{i},{'ab'[i % 2]}\n" for i, cell in enumerate(cells[kind]))
        write(f"part{number}.csv", f"x,z,y\n{rows}")
    assert run("train", "part*.csv", "--epochs", 2, "--networks", 2, "-q").code == 0
    column, _ = load("model.json").encoder.columns
    assert isinstance(column, CategoricalColumn)
    assert set(column.categories) == {"True", "False", "3.5", "0"}


def test_word_where_training_had_other_numbers_is_named(run: Run, write: Write) -> None:
    rows = "".join(f"{number},{'ab'[number % 2]}\n" for number in range(40))
    write("data.csv", f"x,y\n{rows}")
    run("train", "data.csv", "--epochs", 2, "--networks", 2, "-q")
    write("new.csv", "x,y\n3,a\ntrue,b\n")
    for command in ("evaluate", "predict"):
        error = run(command, "new.csv").only_error
        assert error == "Error: new.csv:3: column 'x': 'true' is not a number"
    model = load("model.json")
    with pytest.raises(DataError, match="column 'x': 'True' is not a number"):
        minnet.predict(model, {"x": [True, False]})
