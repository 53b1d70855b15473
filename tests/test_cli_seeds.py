from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Run

QUICK = ("--networks", 4, "--epochs", 4, "--hidden", 3)


REPEATS = (
    "note: 1 row repeats another, as chance alone makes rows repeat in this table: the scores "
    "hold\n"
)


def test_report_says_what_the_seed_decides(run: Run) -> None:
    ending = run("seeds", IRIS, *QUICK)
    lines = ending.out.splitlines()
    assert ending.code == 0
    assert lines[0] == "4 networks, seeds 0 to 3, trained on the same 120 of 150 rows"
    assert re.match(r"accuracy +smallest \d+\.\d %, median .* on 30 rows held out", lines[1])
    assert re.match(r"failed +\d of 4 networks never beat the class shares", lines[2])
    assert re.match(r"dead units +\d of 4 networks have some", lines[3])
    assert re.match(r"unstable +\d+ of 150 rows changed class with the seed", lines[4])
    assert "so trust a single network's probability no further than that" in " ".join(lines)
    hint = "next: the same command with --plot seeds.png (each row's probabilities)\n"
    assert ending.err == REPEATS + hint


def test_report_and_json_agree(run: Run) -> None:
    report = run("seeds", IRIS, *QUICK).out
    document = json.loads(run("seeds", IRIS, *QUICK, "--json").out)
    rows = {row["row"]: row for row in document["rows"]}
    accuracy = document["accuracy"]
    for name, share in accuracy.items():
        assert f"{name} {100 * share:.1f} %" in report
    assert f"{document['unstable_rows']} of 150 rows changed class" in report
    assert f"{document['failed']} of 4 networks never" in report
    assert f"{document['with_dead_units']} of 4 networks have some" in report
    shown = re.findall(
        r"row (\d+) +(\w+) +(held out|trained on) +([\d.]+) +([\d.]+) +([\d.]+) +(\d) of 4", report
    )
    assert len(shown) == min(10, document["unstable_rows"])
    assert len(shown) > 1
    for line, observed, was, smallest, median, largest, right in shown:
        row = rows[int(line)]
        assert row["observed"] == observed
        assert row["held_out"] == (was == "held out")
        assert row["predictions"][observed] == int(right)
        probability = row["probability_of_observed"]
        assert [smallest, median, largest] == [f"{value:.3f}" for value in probability.values()]
        assert list(probability) == ["smallest", "median", "largest"]


def test_json_holds_every_row_and_every_seed(run: Run) -> None:
    document = json.loads(run("seeds", IRIS, *QUICK, "--seed", 5, "--json").out)
    assert [row["row"] for row in document["rows"]] == list(range(1, 151))
    assert [network["seed"] for network in document["seeds"]] == [5, 6, 7, 8]
    assert document["held_out_rows"] == sum(row["held_out"] for row in document["rows"]) == 30
    unstable = [row for row in document["rows"] if 4 not in row["predictions"].values()]
    assert len(unstable) == document["unstable_rows"]
    assert all(sum(row["predictions"].values()) == 4 for row in document["rows"])
    accuracies = sorted(network["accuracy"] for network in document["seeds"])
    assert document["accuracy"]["smallest"] == accuracies[0]
    assert document["accuracy"]["largest"] == accuracies[-1]


def test_at_most_ten_unstable_rows_are_listed_and_the_rest_counted(run: Run) -> None:
    out = run("seeds", IRIS, "--networks", 6, "--epochs", 1, "--hidden", 2).out
    unstable = int(re.search(r"unstable +(\d+)", out)[1])  # type: ignore[index]
    assert unstable > 10
    assert len(re.findall(r"^  row ", out, re.MULTILINE)) == 10
    assert f"... and {unstable - 10} more, less unstable" in out


def test_without_unstable_rows_there_is_no_list(run: Run) -> None:
    cells = "\n".join(f"{10 * (i % 2) + i / 100},{'ab'[i % 2]}" for i in range(40))
    out = run("seeds", "-", "--networks", 2, "-q", stdin=f"x,y\n{cells}\n").out
    assert "unstable    0 of 40 rows changed class with the seed\n" in out
    assert "row was" not in out


def test_without_hidden_layers_nothing_is_said_of_dead_units(run: Run) -> None:
    assert "dead units" not in run("seeds", IRIS, *QUICK[:4], "--hidden", 0).out


@pytest.mark.parametrize(
    ("option", "key", "value"),
    [
        (("--hidden", "5,4"), "hidden_units", 9),
        (("--networks", 3), "networks", 3),
        (("--target", "petal_width", "--ignore", "species"), "networks", 4),
    ],
)
def test_options_reach_the_training(
    run: Run, option: tuple[object, ...], key: str, value: int
) -> None:
    usual = json.loads(run("seeds", IRIS, *QUICK, "--json").out)
    other = json.loads(run("seeds", IRIS, *QUICK, *option, "--json").out)
    assert other[key] == value
    assert other["seeds"] != usual["seeds"]


@pytest.mark.parametrize(
    "option",
    [
        ("--epochs", 2),
        ("--learning-rate", 0.1),
        ("--batch-size", 64),
        ("--weight-decay", 0.5),
        ("--optimizer", "sgd"),
        ("--loss", "squared-residuals"),
        ("--seed", 1),
        ("--ignore", "petal_width"),
    ],
)
def test_no_option_is_ignored(run: Run, option: tuple[object, ...]) -> None:
    usual = json.loads(run("seeds", IRIS, *QUICK, "--json").out)
    assert json.loads(run("seeds", IRIS, *QUICK, *option, "--json").out)["rows"] != usual["rows"]


def test_balanced_counts_rare_classes_more(run: Run) -> None:
    arguments = ("seeds", PENGUINS, "-t", "species", *QUICK, "--json")
    usual = json.loads(run(*arguments).out)
    assert json.loads(run(*arguments, "--balanced").out)["rows"] != usual["rows"]


def test_file_without_a_header_is_taken_when_told(run: Run) -> None:
    text = "\n".join(IRIS.read_text().splitlines()[1:])
    assert "looks like data" in run("seeds", "-", *QUICK, stdin=text).only_error
    document = json.loads(run("seeds", "-", *QUICK, "--no-header", "--json", stdin=text).out)
    assert document["rows"][0]["place"] == "standard input:1"


def test_picture_is_written_and_nothing_else(run: Run, tmp_path: Path) -> None:
    ending = run("seeds", IRIS, *QUICK, "--plot", "seeds.svg")
    assert ending.err == REPEATS + "wrote seeds.svg\n"
    assert [path.name for path in tmp_path.iterdir()] == ["seeds.svg"]
    assert (tmp_path / "seeds.svg").read_bytes().startswith(b"<?xml")


def test_quiet_says_nothing_but_the_report(run: Run) -> None:
    assert run("seeds", IRIS, *QUICK, "-q").err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((IRIS, "--networks", 1), 2, "1 is not in the range x>=2"),
        ((IRIS, "--learning-rate", 1e30, "--networks", 2), 1, "is too large: try 0.01"),
    ],
)
def test_mistakes_get_one_line(
    run: Run, arguments: tuple[object, ...], code: int, message: str
) -> None:
    ending = run("seeds", *arguments)
    assert ending.code == code
    assert message in ending.only_error
