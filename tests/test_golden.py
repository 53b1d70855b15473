"""Model files that were written once: they predict, are judged and are saved as they were.

Where the format or the training changes on purpose, `python -m tests.test_golden` writes them anew.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from minnet.__main__ import main
from minnet.model.document import load, save

if TYPE_CHECKING:
    from tests.helpers import Run

GOLDEN = Path(__file__).parent / "golden"
TRAINED = {
    "model": ["--ignore", "hof"],
    "groups": ["--group", "hof", "--drop-repeats"],
}
SETTINGS = ["--networks", "5", "--hidden", "3,2", "--bins", "0", "--epochs", "15", "-q"]
NAMES = pytest.mark.parametrize("name", TRAINED)


def answers(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def assert_predicts_as_it_did(run: Run, model: Path, name: str) -> None:
    ending = run("predict", GOLDEN / "rows.csv", "-m", model)
    assert ending.code == 0, ending
    expected = answers((GOLDEN / f"{name}-predictions.csv").read_text(encoding="utf-8"))
    for row, before in zip(answers(ending.out), expected, strict=True):
        assert row.keys() == before.keys()
        for column, cell in before.items():
            if column.startswith("p(") or column == "spread":
                assert float(row[column]) == pytest.approx(float(cell), abs=1e-5)
            else:
                assert row[column] == cell


def assert_is_judged_as_it_was(run: Run, model: Path, name: str) -> None:
    ending = run("evaluate", GOLDEN / "table.csv", "-m", model, "--json")
    assert ending.code == 0, ending
    expected = json.loads((GOLDEN / f"{name}-evaluation.json").read_text(encoding="utf-8"))
    scores = json.loads(ending.out)
    for key in ("rows", "judged_by", "rows_in_training_table", "correct", "confusion"):
        assert scores[key] == expected[key]
    for key in ("log_loss", "baseline_log_loss", "calibration_error"):
        assert scores[key] == pytest.approx(expected[key], abs=1e-5)


@NAMES
def test_model_file_predicts_and_is_judged_as_it_did(run: Run, name: str) -> None:
    model = GOLDEN / f"{name}.json"
    assert_predicts_as_it_did(run, model, name)
    assert_is_judged_as_it_was(run, model, name)


@NAMES
def test_model_file_is_saved_as_it_was(name: str, tmp_path: Path) -> None:
    save(load(GOLDEN / f"{name}.json"), tmp_path / "model.json")
    assert (tmp_path / "model.json").read_bytes() == (GOLDEN / f"{name}.json").read_bytes()


def write() -> None:
    os.chdir(GOLDEN)
    for name, options in TRAINED.items():
        commands = {
            os.devnull: ["train", "table.csv", "-t", "art", *options, *SETTINGS],
            f"{name}-predictions.csv": ["predict", "rows.csv", "-q"],
            f"{name}-evaluation.json": ["evaluate", "table.csv", "--json", "-q"],
        }
        for output, words in commands.items():
            with open(output, "w", encoding="utf-8") as file, redirect_stdout(file):
                sys.argv = ["minnet", *words, "-m", f"{name}.json"]
                with pytest.raises(SystemExit):
                    main()


if __name__ == "__main__":
    write()
