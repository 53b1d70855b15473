"""Everything that is printed fits 80 columns, however many classes and however long the names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Run

QUICK = ("--epochs", 2, "--networks", 2)
TRIED = [f"--{name}={k}" for name in ("hidden", "patience", "batch-size") for k in (8, 16)]
COLUMNS, CLASSES = 80, 60
LONG = "a rather long name of the {} number {} of all that there are in this table"


@pytest.fixture(scope="module")
def wide_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 classes, 30 numeric columns and one of long categories, all of long names."""
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), 5)
    names = [LONG.format("class", k + 1) for k in range(CLASSES)]
    columns = [LONG.format("column", k + 1) for k in range(31)]
    lines = [",".join([*columns, "kind"])]
    for label in labels:
        numbers = (f"{label + number:.3f}" for number in draw.normal(size=30))
        lines.append(",".join([*numbers, LONG.format("category", label % 9), names[label]]))
    path = tmp_path_factory.mktemp("wide") / "wide.csv"
    path.write_text("\n".join(lines))
    return path


def test_every_report_and_message_fits_a_terminal(run: Run, wide_table: Path) -> None:
    run("train", wide_table, *QUICK, "--hidden", 4, "-m", "other.json")
    for arguments in (
        ("train", wide_table, *QUICK),
        ("evaluate", wide_table),
        ("explain", wide_table, "--row", 3),
        ("explain", wide_table, "--row", 3, "--all"),
        ("importance", wide_table, "--shuffles", 2),
        ("show",),
        ("compare", "model.json", "other.json", wide_table),
        ("seeds", wide_table, *QUICK),
        ("check", wide_table, "--hidden", 2),
        ("tune", wide_table, *QUICK, "--budget", 3, *TRIED),
    ):
        ending = run(*arguments)
        assert ending.code == 0, ending.err
        assert 60 < ending.widest <= COLUMNS, arguments


def test_of_very_many_classes_the_most_frequent_confusions_are_listed(
    run: Run, wide_table: Path
) -> None:
    run("train", wide_table, *QUICK)
    confusion = np.array(json.loads(run("evaluate", wide_table, "--json").out)["confusion"])
    out = run("evaluate", wide_table).out
    wrong = confusion - np.diag(confusion.diagonal())
    title, heads, *pairs = out.rstrip().split("\n\n")[-1].splitlines()
    assert title.startswith(f"most frequent of {np.count_nonzero(wrong)} confusions")
    assert heads.split() == ["observed", "predicted", "rows"]
    counts = [int(line.split()[-1]) for line in pairs]
    assert counts == sorted(wrong[wrong > 0].tolist(), reverse=True)[:10]


@pytest.mark.parametrize("classes", [12, 13])
def test_of_a_dozen_classes_all_pairs_are_shown(run: Run, classes: int) -> None:
    cells = "\n".join(f"{k % classes + k % 5 / 2},class{k % classes}" for k in range(12 * classes))
    run("train", "-", *QUICK, stdin=f"x,y\n{cells}\n")
    out = run("evaluate", "-", stdin=f"x,y\n{cells}\n").out
    assert ("observed \\ predicted" in out) == (classes == 12)
    assert ("confusions" in out) == (classes == 13)
