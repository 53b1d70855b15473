"""Model files of every format version are read for ever, and answer as they did."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from minnet.model.document import VERSION
from minnet.model.model_file import load, save

if TYPE_CHECKING:
    from tests.helpers import Run

GOLDEN = Path(__file__).parent / "golden"
MODELS = [path for path in sorted(GOLDEN.glob("version-*.json")) if "evaluation" not in path.name]
CURRENT = [path for path in MODELS if path.name.startswith(f"version-{VERSION}")]
WITH_TABLE = [path for path in MODELS if path.name != "version-1.json"]


def named(paths: list[Path]) -> Any:
    return pytest.mark.parametrize("model", paths, ids=[path.stem for path in paths])


def answers(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def assert_predicts_as_it_did(run: Run, model: Path, name: str) -> None:
    ending = run("predict", GOLDEN / "rows.csv", "-m", model)
    assert ending.code == 0, ending
    expected = answers((GOLDEN / f"{name}-predictions.csv").read_text(encoding="utf-8"))
    for row, before in zip(answers(ending.out), expected, strict=True):
        assert row.keys() == before.keys()
        for name, cell in before.items():
            if name.startswith("p(") or name == "spread":
                assert float(row[name]) == pytest.approx(float(cell), abs=1e-5)
            else:
                assert row[name] == cell


def assert_evaluates_as_it_did(run: Run, model: Path, name: str) -> None:
    ending = run("evaluate", GOLDEN / "table.csv", "-m", model, "--json")
    assert ending.code == 0, ending
    expected = json.loads((GOLDEN / f"{name}-evaluation.json").read_text(encoding="utf-8"))
    scores = json.loads(ending.out)
    for key in ("rows", "judged_by", "correct", "confusion", "majority_class"):
        assert scores[key] == expected[key]
    for key in ("log_loss", "class_shares_log_loss", "top_label_calibration_error"):
        assert scores[key] == pytest.approx(expected[key], abs=1e-5)


@named(MODELS)
def test_old_model_file_gives_the_answers_it_gave(run: Run, model: Path) -> None:
    assert_predicts_as_it_did(run, model, model.stem)


@named(WITH_TABLE)
def test_old_model_file_is_judged_by_its_training_table_as_it_was(run: Run, model: Path) -> None:
    assert_evaluates_as_it_did(run, model, model.stem)


@named(MODELS)
def test_old_model_that_is_saved_anew_answers_and_is_judged_as_it_was(
    run: Run, model: Path, tmp_path: Path
) -> None:
    anew = tmp_path / "anew.json"
    save(load(model), anew)
    assert json.loads(anew.read_text(encoding="utf-8"))["version"] == VERSION
    assert_predicts_as_it_did(run, anew, model.stem)
    if model in WITH_TABLE:
        assert_evaluates_as_it_did(run, anew, model.stem)


@named(CURRENT)
def test_model_file_of_the_current_version_is_saved_as_it_was(model: Path, tmp_path: Path) -> None:
    save(load(model), tmp_path / "model.json")
    assert (tmp_path / "model.json").read_bytes() == model.read_bytes()


def test_model_of_version_1_knows_its_training_file_only_as_a_whole(
    run: Run, tmp_path: Path
) -> None:
    shutil.copy(GOLDEN / "table.csv", tmp_path / "more.csv")
    with open(tmp_path / "more.csv", "a", encoding="utf-8") as file:
        file.write("kurz,1,1,h1,01\n")
    ending = run("evaluate", "more.csv", "-m", GOLDEN / "version-1-table.json")
    assert ending.out.startswith("64 rows, judged by the mean of 5 networks\n")


def test_there_is_a_model_of_every_version() -> None:
    assert {f"version-{number}.json" for number in range(1, VERSION + 1)} <= {
        path.name for path in MODELS
    }
