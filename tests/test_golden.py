"""Model files of every format version are read for ever, and answer as they did."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from minnet.model.model_file import load, save

if TYPE_CHECKING:
    from tests.helpers import Run

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = sorted(GOLDEN.glob("version-*.json"))


def answers(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize("model", VERSIONS, ids=[path.stem for path in VERSIONS])
def test_old_model_file_gives_the_answers_it_gave(run: Run, model: Path) -> None:
    ending = run("predict", GOLDEN / "rows.csv", "-m", model)
    assert ending.code == 0, ending
    expected = answers((GOLDEN / "predictions.csv").read_text(encoding="utf-8"))
    for row, before in zip(answers(ending.out), expected, strict=True):
        assert row.keys() == before.keys()
        for name, cell in before.items():
            if name.startswith("p(") or name == "spread":
                assert float(row[name]) == pytest.approx(float(cell), abs=1e-5)
            else:
                assert row[name] == cell


@pytest.mark.parametrize("model", VERSIONS, ids=[path.stem for path in VERSIONS])
def test_old_model_file_is_saved_as_it_was(model: Path, tmp_path: Path) -> None:
    save(load(model), tmp_path / "model.json")
    assert (tmp_path / "model.json").read_bytes() == model.read_bytes()


def test_there_is_a_model_of_every_version() -> None:
    from minnet.model.document import VERSION

    names = [f"version-{number}.json" for number in range(1, VERSION + 1)]
    assert [path.name for path in VERSIONS] == names
