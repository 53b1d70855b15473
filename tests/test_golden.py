"""Model files that were written once: what every command makes of them is what it was.

Where the format or the training changes on purpose, `python -m tests.test_golden` writes them anew.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from contextlib import redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from minnet.__main__ import main
from minnet.data.table import read_csv
from minnet.model.document import load, save
from minnet.pages import page_document

GOLDEN = Path(__file__).parent / "golden"
TRAINED = {
    "model": ["--ignore", "hof", "--bins", "0"],
    "groups": ["--group", "hof", "--drop-repeats", "--bins", "3"],
}
SETTINGS = ["--networks", "5", "--hidden", "3,2", "--epochs", "15", "-q"]
ANSWERS: dict[str, list[str]] = {
    **{f"{name}-predictions": ["predict", "rows.csv", "-m", f"{name}.json"] for name in TRAINED},
    **{f"{name}-evaluation": ["evaluate", "table.csv", "-m", f"{name}.json"] for name in TRAINED},
    "comparison": ["compare", "model.json", "groups.json", "table.csv"],
    "seeds": [
        "seeds",
        "table.csv",
        "-t",
        "art",
        "--networks",
        "4",
        "--hidden",
        "2",
        "--epochs",
        "3",
    ],
}
"""Of each file of answers, the command that printed it."""


def printed(words: list[str]) -> Any:
    """What a command prints as JSON; predictions as the rows of their CSV."""
    is_table = words[0] == "predict"
    out = TextIOWrapper(BytesIO(), encoding="utf-8")
    with redirect_stdout(out), pytest.MonkeyPatch.context() as patch:
        patch.chdir(GOLDEN)
        patch.setattr(sys, "argv", ["minnet", *words, *(["--json"] * (not is_table)), "-q"])
        with pytest.raises(SystemExit) as ending:
            main()
    assert not ending.value.code
    out.seek(0)
    return [*map(numbers_read, csv.DictReader(out))] if is_table else json.load(out)


def numbers_read(row: dict[str, str]) -> dict[str, str | float]:
    are_numbers = {name for name in row if name.startswith("p(") or name == "spread"}
    return {name: float(cell) if name in are_numbers else cell for name, cell in row.items()}


def page_of_groups() -> Any:
    document = page_document(load(GOLDEN / "groups.json"), read_csv(GOLDEN / "table.csv"))
    del document["version"]
    return json.loads(json.dumps(document))


def expected(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def assert_close(answer: Any, before: Any, tolerance: float, where: str = "") -> None:
    """The same in all but the last digits of numbers."""
    assert type(answer) is type(before), where
    if isinstance(answer, float):
        assert answer == pytest.approx(before, abs=tolerance, rel=tolerance), where
    elif isinstance(answer, dict):
        assert answer.keys() == before.keys(), where
        for key in answer:
            assert_close(answer[key], before[key], tolerance, f"{where}.{key}")
    elif isinstance(answer, list):
        assert len(answer) == len(before), where
        for place, pair in enumerate(zip(answer, before, strict=True)):
            assert_close(*pair, tolerance, f"{where}[{place}]")
    else:
        assert answer == before, where


@pytest.mark.parametrize("name", ANSWERS)
def test_a_command_answers_as_it_did(name: str) -> None:
    # Of seeds, networks are trained anew: in float32, the order of sums may differ.
    assert_close(printed(ANSWERS[name]), expected(name), 1e-3 if name == "seeds" else 1e-5)


def test_a_page_shows_what_it_did() -> None:
    assert_close(page_of_groups(), expected("page"), 1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_model_file_is_saved_as_it_was(name: str, tmp_path: Path) -> None:
    save(load(GOLDEN / f"{name}.json"), tmp_path / "model.json")
    assert (tmp_path / "model.json").read_bytes() == (GOLDEN / f"{name}.json").read_bytes()


def write() -> None:
    os.chdir(GOLDEN)
    for name, options in TRAINED.items():
        sys.argv = ["minnet", "train", "table.csv", "-t", "art", *options, *SETTINGS]
        sys.argv += ["-m", f"{name}.json"]
        with pytest.raises(SystemExit):
            main()
    answers = {name: printed(words) for name, words in ANSWERS.items()} | {"page": page_of_groups()}
    for name, answer in answers.items():
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        (GOLDEN / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    write()
