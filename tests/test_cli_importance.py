from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from minnet import importance, load
from minnet.analysis import importance as module
from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers import Run

    Write = Callable[[str, str | bytes], Path]


def test_columns_are_listed_with_bars_the_most_important_first(with_iris_model: Run) -> None:
    out = with_iris_model("importance", IRIS).out
    said, _, table = out.partition("\n\n")
    assert said.startswith(
        "150 rows, all in the training table: judged by networks that never saw them\n"
    )
    assert "mean of 10 shuffles" in said
    header, *lines = table.splitlines()
    assert header.split() == ["column", "increase", "by", "chance", "networks"]
    measured = importance(load("model.json"), IRIS)
    assert [line.split()[0] for line in lines] == list(measured.columns)
    for line, mean, chance in zip(lines, measured.means, measured.chance, strict=True):
        assert line.split()[1:3] == [f"{mean:.3f}", f"{chance:.3f}"]
        assert ("█" in line) == (mean > chance)
        assert ("no more than chance" in line) == (mean <= chance)
    bars = [line.count("█") for line in lines]
    assert bars == sorted(bars, reverse=True)
    assert bars[0] == 14


def test_json_holds_every_number(with_iris_model: Run) -> None:
    ending = with_iris_model("importance", IRIS, "--json", "--shuffles", 4, "--seed", 3)
    document = json.loads(ending.out)
    measured = importance(load("model.json"), IRIS, shuffles=4, seed=3)
    head = {key: value for key, value in document.items() if key != "columns"}
    assert head == {
        "rows": 150,
        "available_rows": 150,
        "judged_by": measured.judged_by,
        "out_of_fold": True,
        "rows_in_training_table": 150,
        "rows_in_training_table_is_exact": True,
        "log_loss": measured.log_loss,
        "shuffles": 4,
        "seed": 3,
    }
    for column, own in enumerate(document["columns"]):
        assert own == {
            "column": measured.columns[column],
            "increase": measured.means[column],
            "chance": measured.chance[column],
            "more_than_chance": bool(measured.matters[column]),
            "shuffles": measured.increases[column].tolist(),
            "networks": measured.network_increases[column].tolist(),
        }


def test_new_rows_are_judged_by_all_networks(with_iris_model: Run, write: Write) -> None:
    fresh = write("fresh.csv", IRIS.read_text().replace(".", ".00"))
    assert with_iris_model("importance", fresh).out.startswith(
        "150 rows, judged by the mean of 8 networks\n"
    )
    document = json.loads(with_iris_model("importance", fresh, "--json").out)
    assert document["judged_by"] == "judged by the mean of 8 networks"
    assert not document["out_of_fold"]


def test_networks_that_judged_no_row_are_null(with_iris_model: Run, write: Write) -> None:
    lines = IRIS.read_text().splitlines()
    few = write("few.csv", "\n".join([lines[0], *lines[1:150:15]]))
    networks = json.loads(with_iris_model("importance", few, "--json").out)["columns"][0][
        "networks"
    ]
    assert None in networks
    assert any(value is not None and math.isfinite(value) for value in networks)
    assert with_iris_model("importance", few).code == 0


def test_rows_that_were_drawn_are_told(
    with_iris_model: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    out = with_iris_model("importance", IRIS, "--seed", 5).out
    assert out.startswith(
        "100 rows, drawn by seed 5 from 150, all in the training table: judged by"
    )


def test_hint_names_the_model_unless_it_is_the_usual_one(with_iris_model: Run) -> None:
    assert with_iris_model("importance", IRIS).err == (
        f"next: minnet plot importance {IRIS} (the same as a picture)\n"
    )
    other = with_iris_model("importance", IRIS, "-m", "./model.json").err
    assert other == (
        f"next: minnet plot importance {IRIS} --model ./model.json (the same as a picture)\n"
    )
    Path("my model (1).json").write_bytes(Path("model.json").read_bytes())
    spaced = with_iris_model("importance", IRIS, "-m", "my model (1).json").err
    assert " --model 'my model (1).json' (" in spaced


def test_of_many_columns_the_first_are_shown(run: Run) -> None:
    names = [f"x{k}" for k in range(40)]
    cells = [[(row * (k + 3)) % 17 for k in range(40)] for row in range(60)]
    rows = [",".join(map(str, [*own, "ab"[own[0] > 8]])) for own in cells]
    table = "\n".join([",".join([*names, "y"]), *rows])
    run("train", "-", "-q", "--epochs", 3, stdin=table)
    lines = run("importance", "-", stdin=table).out.splitlines()
    assert len(lines) == 5 + 1 + 30 + 1
    assert lines[-1].startswith("10 other columns, ")
    assert len(json.loads(run("importance", "-", "--json", stdin=table).out)["columns"]) == 40


def test_categories_and_missing_cells_are_measured(run: Run) -> None:
    run("train", PENGUINS, "-t", "species", "-q", "--epochs", 20)
    out = run("importance", PENGUINS).out
    assert {line.split()[0] for line in out.splitlines()[6:]} == {
        "island",
        "bill_length_mm",
        "bill_depth_mm",
        "flipper_length_mm",
        "body_mass_g",
        "sex",
        "year",
    }


@pytest.mark.parametrize("option", ["--shuffles", "--seed"])
def test_each_option_changes_the_numbers(with_iris_model: Run, option: str) -> None:
    usual = with_iris_model("importance", IRIS).out
    assert with_iris_model("importance", IRIS, option, 7).out != usual
