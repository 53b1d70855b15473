from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from minnet.analysis import gradient_check
from minnet.network.layers import Dense
from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from minnet.arrays import Array
    from tests.helpers import Run


def number_after(text: str, label: str) -> float:
    found = re.search(rf"^{label} +(\S+)", text, re.MULTILINE)
    assert found, text
    return float(found[1])


@pytest.mark.parametrize(
    ("options", "shape", "parameters"),
    [
        ((IRIS,), "36 -> 32 -> 3", 1283),
        ((IRIS, "--hidden", "0", "--seed", 3), "36 -> 3", 111),
        ((IRIS, "--hidden", "5,4", "--bins", 0), "4 -> 5 -> 4 -> 3", 64),
        ((IRIS, "--hidden", "4", "--bins", 3, "--sharp-bins"), "16 -> 4 -> 3", 83),
        (
            (PENGUINS, "-t", "species", "--ignore", "year", "--ignore", "island"),
            "43 -> 32 -> 3",
            1507,
        ),
    ],
)
def test_check_finds_that_the_gradients_agree(
    run: Run, options: tuple[object, ...], shape: str, parameters: int
) -> None:
    ending = run("check", *options)
    assert (ending.code, ending.err) == (0, "")
    assert f"one network, {shape}" in ending.out
    assert f"{parameters:,} parameters, each moved" in ending.out
    assert re.search("64 of (150|344) rows", ending.out)
    assert "backpropagation and finite differences agree to 1e-06" in ending.out
    assert re.search(r"^worst +(weights|bias) of layer \d, ", ending.out, re.MULTILINE)


def test_reported_relative_error_follows_from_the_numbers_beside_it(run: Run) -> None:
    out = run("check", IRIS).out
    back, difference = (
        number_after(out, label) for label in ("backpropagation", "central difference")
    )
    found = re.search(r"relative error +(\S+) = (\S+) / (\S+) ", out)
    assert found
    error, distance, scale = map(float, found.groups())
    assert distance == pytest.approx(abs(back - difference), abs=2e-12)
    assert error == pytest.approx(distance / scale, rel=0.1)
    assert error < 1e-6
    assert scale >= 0.95 * abs(back)


def test_skipped_parameters_are_told_only_when_there_are_some(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient_check, "STEP", 0.01)
    without_relu, with_relu = (
        run("check", IRIS, "--bins", 0, "--hidden", width).out for width in (0, 32)
    )
    assert "15 parameters, each moved 0.01 up and down\n" in without_relu
    assert "skipped" not in without_relu
    assert re.search("^[1-9][0-9]* of them skipped: ", with_relu, re.MULTILINE)


def test_check_takes_another_start_with_another_seed(run: Run) -> None:
    outputs = [run("check", IRIS, "--hidden", 4, "--seed", seed).out for seed in (0, 0, 1)]
    assert outputs[0] == outputs[1] != outputs[2]


def test_check_of_a_broken_backward_reports_and_fails(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Dense, output_gradients: Array) -> Array:
        return 1.001 * output_gradients @ self.weights.values.mT

    monkeypatch.setattr(Dense, "input_gradients", broken)
    ending = run("check", IRIS, "--hidden", 4)
    assert ending.code == 1
    assert "finite differences DO NOT agree" in ending.out
    assert re.search(r"^worst +\S+ of layer 1, ", ending.out, re.MULTILINE)
    assert ending.err == ("Error: backpropagation and finite differences do not agree to 1e-06\n")


def test_check_reads_a_file_without_a_header_from_standard_input(run: Run) -> None:
    rows = IRIS.read_text().partition("\n")[2]
    ending = run("check", "-", "--no-header", "--target", "column5", stdin=rows)
    assert ending.code == 0
    assert "36 -> 32 -> 3" in ending.out


def test_check_of_a_wide_table_takes_fewer_rows(run: Run) -> None:
    header = ",".join(f"x{i}" for i in range(300))
    lines = [f"{','.join(str((i * j) % 17) for i in range(300))},{'ab'[j % 2]}" for j in range(90)]
    ending = run(
        "check", "-", "--hidden", "30", "--bins", 0, stdin="\n".join([f"{header},y", *lines])
    )
    assert ending.code == 0
    assert "54 of 90 rows" in ending.out
