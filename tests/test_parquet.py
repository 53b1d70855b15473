from __future__ import annotations

import datetime
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas
import pyarrow
import pytest
from pyarrow import parquet

import minnet
from minnet.data.frames import is_parquet
from minnet.data.table import as_table
from tests.helpers import IRIS, PENGUINS
from tests.test_frames import assert_same

if TYPE_CHECKING:
    from tests.helpers import Run


@pytest.fixture
def iris_parquet(tmp_path: Path) -> Path:
    path = tmp_path / "iris.parquet"
    pandas.read_csv(IRIS).to_parquet(path)
    return path


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    parquet.write_table(pyarrow.table(columns), path, **options)
    return path


@pytest.mark.parametrize("path", [IRIS, PENGUINS], ids=["iris", "penguins"])
def test_parquet_holds_the_same_table_as_the_csv_it_was_made_of(path: Path, tmp_path: Path) -> None:
    frame = pandas.read_csv(path, dtype=str, keep_default_na=False)
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=50)
    table = as_table(tmp_path / "t.parquet")
    assert_same(table, minnet.read_csv(path))
    assert table.lines.tolist() == list(range(1, len(frame) + 1))


def test_parquet_is_known_by_its_content(run: Run, iris_parquet: Path, tmp_path: Path) -> None:
    iris_parquet.rename(tmp_path / "iris.data")
    ending = run("train", "iris.data", "--epochs", 2)
    assert ending.code == 0, ending
    assert "150 rows, 4 numeric columns, target 'species'" in ending.err


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PAR1\x15", True),
        (b"PAR1,x\n1,2\n", False),
        (b"PAR1,x\n1,PAR1", False),
        (b"PAR1", False),
        (b"", False),
        (b"x\nPAR1", False),
    ],
)
def test_a_csv_that_begins_like_parquet_is_a_csv(content: bytes, expected: bool) -> None:
    file = io.BytesIO(content)
    assert is_parquet(file, "data") is expected
    assert file.tell() == 0


def test_device_without_an_end_is_not_searched_for_one() -> None:
    with open("/dev/zero", "rb") as file:
        assert not is_parquet(file, "data")


def test_every_command_reads_parquet(run: Run, iris_parquet: Path) -> None:
    for arguments in (
        ["train", iris_parquet],
        ["evaluate", iris_parquet],
        ["explain", iris_parquet, "--row", 3],
        ["seeds", iris_parquet, "--networks", 3, "--epochs", 2],
        ["check", iris_parquet],
        ["plot", "confusion", iris_parquet, "-o", "confusion.png"],
        ["predict", iris_parquet],
    ):
        assert run(*arguments).code == 0
    assert "all in the training table: judged by networks" in run("evaluate", iris_parquet).out


def test_parquet_trains_the_same_model_as_its_csv(run: Run, iris_parquet: Path) -> None:
    run("train", iris_parquet, "-m", "one.json", "--epochs", 5)
    run("train", IRIS, "-m", "other.json", "--epochs", 5)
    one, other = (minnet.load(name) for name in ("one.json", "other.json"))
    np.testing.assert_array_equal(one.network.values, other.network.values)


def test_an_index_without_a_name_is_left_out(run: Run, tmp_path: Path) -> None:
    pandas.read_csv(IRIS).sample(frac=1, random_state=0).to_parquet(tmp_path / "t.parquet")
    ending = run("train", "t.parquet", "--epochs", 2)
    told = "note: column 6 has no name: read as '__index_level_0__' and left out\n"
    assert ending.err.startswith(f"{told}150 rows, 4 numeric columns, target 'species'")
    assert "is empty" not in ending.err


def test_predict_writes_the_same_csv_for_parquet(with_iris_model: Run, iris_parquet: Path) -> None:
    assert with_iris_model("predict", iris_parquet).out == with_iris_model("predict", IRIS).out


def test_predict_writes_parquet_with_the_columns_as_they_were(
    with_iris_model: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minnet.cli.predict.ROW_GROUP", 40)
    frame = pandas.read_csv(IRIS)
    frame["day"] = datetime.date(2024, 2, 29)
    frame["truth"] = frame["sepal_width"] > 3
    frame["few"] = frame["sepal_width"].astype("float32")
    frame.to_parquet(tmp_path / "t.parquet")
    ending = with_iris_model("predict", "t.parquet", "-o", "out.Parquet")
    assert (ending.code, ending.out) == (0, ""), ending
    written = parquet.read_table(tmp_path / "out.Parquet")
    original = parquet.read_table(tmp_path / "t.parquet")
    added = ["predicted", *(f"p({name})" for name in sorted(set(frame["species"])))]
    assert written.column_names == [*frame, *added, "spread", "caution"]
    assert written.select([*frame]).equals(original)
    model = minnet.load(tmp_path / "model.json")
    predictions = minnet.predict(model, IRIS)
    assert written["predicted"].to_pylist() == predictions.predicted
    np.testing.assert_allclose(written["p(setosa)"].to_numpy(), predictions.probabilities[:, 0])
    np.testing.assert_allclose(written["spread"].to_numpy(), predictions.spread)
    assert written["caution"].to_pylist() == ["; ".join(row) for row in predictions.cautions]


@pytest.mark.parametrize("ids", [(), ("species", "petal_width")], ids=["no id", "ids"])
def test_predict_writes_the_chosen_columns_of_parquet(
    with_iris_model: Run, iris_parquet: Path, tmp_path: Path, ids: tuple[str, ...]
) -> None:
    words = [word for name in ids for word in ("--id", name)]
    chosen = ["--columns", "spread,predicted", *words]
    with_iris_model("predict", iris_parquet, *chosen, "-o", "out.parquet")
    with_iris_model("predict", iris_parquet, *chosen, "-o", "out.csv")
    with_iris_model("predict", IRIS, *chosen, "-o", "same.csv")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "same.csv").read_bytes()
    written = parquet.read_table(tmp_path / "out.parquet").to_pandas()
    expected = pandas.read_csv(tmp_path / "out.csv")
    assert [*written] == [*ids, "spread", "predicted"]
    pandas.testing.assert_frame_equal(written, expected, atol=1e-6, check_dtype=False)


def test_tabs_separate_what_predict_writes_for_parquet_as_tsv(
    with_iris_model: Run, iris_parquet: Path, tmp_path: Path
) -> None:
    with_iris_model("predict", iris_parquet, "-o", "out.tsv")
    assert (tmp_path / "out.tsv").read_text().startswith("sepal_length\tsepal_width\t")


@pytest.mark.parametrize("decimal", [[], ["--decimal", ","]], ids=["point", "comma"])
def test_missing_words_and_decimal_marks_of_parquet_are_those_of_its_csv(
    run: Run, tmp_path: Path, decimal: list[str]
) -> None:
    mark = "," if decimal else "."
    frame = pandas.DataFrame(
        {
            "number": [1.5, -99.0, None, 2.5] * 10,
            "whole": [3, -99, 4, 5] * 10,
            "written": [f"1{mark}5", "unknown", f"2{mark}5", "-99"] * 10,
            "word": ["a", "unknown", None, "b"] * 10,
            "label": ["x", "y", "unknown", "x", "y"] * 8,
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    text = frame.astype({"number": object})
    if decimal:
        text["number"] = [str(cell).replace(".", ",") for cell in frame["number"]]
        text["number"] = text["number"].replace({"-99,0": "-99.0"})
    text.to_csv(tmp_path / "t.csv", index=False)
    words = ["--missing", "unknown", "--missing", "-99", "--missing", "-99.0", *decimal]
    for name in ("csv", "parquet"):
        ending = run("train", f"t.{name}", "-m", f"{name}.json", "--epochs", 3, *words)
        assert ending.code == 0, ending
    one, other = (minnet.load(f"{name}.json") for name in ("csv", "parquet"))
    assert one.encoder == other.encoder
    assert one.class_names == ("x", "y")
    np.testing.assert_array_equal(one.network.values, other.network.values)
    predicted = [minnet.predict(one, tmp_path / f"t.{name}") for name in ("csv", "parquet")]
    np.testing.assert_array_equal(*(each.probabilities for each in predicted))
    assert "number is missing" in one.encoder.features
    assert "whole is missing" in one.encoder.features


def test_predict_replaces_the_columns_of_an_earlier_predict_in_parquet(
    with_iris_model: Run, iris_parquet: Path, tmp_path: Path
) -> None:
    with_iris_model("predict", iris_parquet, "-o", "once.parquet")
    ending = with_iris_model("predict", "once.parquet", "-o", "twice.parquet")
    assert "the columns predicted to caution of an earlier predict are replaced" in ending.err
    once, twice = (parquet.read_table(tmp_path / f"{name}.parquet") for name in ("once", "twice"))
    assert once.equals(twice)


def test_cells_of_parquet_are_written_as_a_csv_would_hold_them(
    with_iris_model: Run, iris_parquet: Path, tmp_path: Path
) -> None:
    columns = {
        "whole": pyarrow.array([1, None], pyarrow.int64()),
        "few": pyarrow.array([0.1, None], pyarrow.float32()),
        "nan": [float("nan"), 2.5],
        "truth": [True, None],
        "day": [datetime.date(2024, 2, 29), None],
        "text": ["a,b", None],
        "category": pyarrow.array(["x", None]).dictionary_encode(),
        **{f"{part}_{size}": [1.0, 2.0] for part in ("sepal", "petal") for size in ("length",)},
        "sepal_width": [1.0, 2.0],
        "petal_width": [1.0, 2.0],
    }
    write(tmp_path / "t.parquet", columns)
    lines = with_iris_model("predict", "t.parquet").out.splitlines()
    assert lines[1].startswith('1,0.1,,True,2024-02-29,"a,b",x,1.0,1.0,1.0,1.0,')
    assert lines[2].startswith(",,2.5,,,,,2.0,2.0,2.0,2.0,")


def test_error_in_parquet_names_file_and_row(with_iris_model: Run, tmp_path: Path) -> None:
    frame = pandas.read_csv(IRIS)
    frame.loc[106, "petal_width"] = np.inf
    frame.to_parquet(tmp_path / "t.parquet")
    for command in (["train", "t.parquet"], ["predict", "t.parquet"]):
        error = with_iris_model(*command, "-m", "model.json").only_error
        assert "t.parquet:107: column 'petal_width': 'inf' is not a finite number" in error
    frame.astype({"petal_width": str}).to_parquet(tmp_path / "t.parquet")
    error = with_iris_model("predict", "t.parquet", "-o", "out.parquet").only_error
    assert "t.parquet:107: column 'petal_width': 'inf' is not a finite number" in error
    assert not (tmp_path / "out.parquet").exists()


def test_durations_in_parquet_are_refused_unless_ignored(run: Run, tmp_path: Path) -> None:
    frame = pandas.read_csv(IRIS)
    frame.insert(0, "time", pandas.Timedelta(1, "h"))
    frame.to_parquet(tmp_path / "t.parquet")
    error = run("train", "t.parquet").only_error
    assert "t.parquet: column 'time': it holds durations or periods" in error
    assert run("train", "t.parquet", "--ignore", "time", "--epochs", 1).code == 0


@pytest.mark.parametrize("size", [5, 100, 1000])
def test_parquet_cut_off_is_one_plain_error(
    run: Run, iris_parquet: Path, tmp_path: Path, size: int
) -> None:
    (tmp_path / "cut.parquet").write_bytes(iris_parquet.read_bytes()[:size])
    assert "cut.parquet: cannot be read as Parquet: " in run("train", "cut.parquet").only_error


def test_damage_inside_parquet_is_one_plain_error(
    with_iris_model: Run, iris_parquet: Path, tmp_path: Path
) -> None:
    content = bytearray(iris_parquet.read_bytes())
    content[10:400] = b"\xff" * 390
    (tmp_path / "bad.parquet").write_bytes(content)
    for command in ("evaluate", "predict"):
        error = with_iris_model(command, "bad.parquet").only_error
        assert "bad.parquet: cannot be read as Parquet: " in error


def test_parquet_without_rows_is_refused(with_iris_model: Run, tmp_path: Path) -> None:
    write(tmp_path / "t.parquet", {"x": pyarrow.array([], pyarrow.float64()), "y": []})
    for command in (["train"], ["predict"], ["predict", "-o", "out.parquet"]):
        assert "no rows" in with_iris_model(*command, "t.parquet").only_error
    assert not (tmp_path / "out.parquet").exists()


def test_parquet_through_a_pipe_is_refused(run: Run, iris_parquet: Path) -> None:
    error = run("train", "-", stdin=iris_parquet.read_bytes()).only_error
    assert error == (
        "Error: standard input: not a CSV file but a Parquet file, not read compressed or from a "
        "pipe: give its name"
    )


def test_missing_pyarrow_is_one_line_that_says_what_to_install(
    run: Run, iris_parquet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    error = run("train", "iris.parquet").only_error
    assert error == (
        "Error: iris.parquet: Parquet needs the package pyarrow: "
        "pip install '.[parquet]' in a clone of minnet"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", IRIS, "-o", "out.parquet"],
        ["predict", "iris.parquet", "--json", "-o", "out.parquet"],
        ["train", "iris.parquet", "--no-header"],
    ],
    ids=["CSV to Parquet", "JSON to Parquet", "no header"],
)
def test_what_parquet_cannot_do_is_wrong_usage(
    with_iris_model: Run, iris_parquet: Path, tmp_path: Path, arguments: list[Any]
) -> None:
    ending = with_iris_model(*arguments)
    assert ending.code == 2, ending
    assert "Parquet" in ending.only_error
    assert not (tmp_path / "out.parquet").exists()
