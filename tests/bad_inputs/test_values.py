"""Cells that are odd, one by one or together."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from minnet.cli import options
from minnet.model.document import load
from tests.bad_inputs.helpers import error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.bad_inputs.helpers import Refused
    from tests.helpers import Run

    Write = Callable[[str, str | bytes], Path]
    WriteTable = Callable[[str, str], str]

QUICK = ("--epochs", "2", "--networks", "2")


def table(x: Sequence[object], label: Sequence[object] = ("a", "b")) -> str:
    """Write a table of a plain column, the column in question and a label."""
    lines = [["plain", "x", "label"]]
    lines += [[str(i), str(cell), str(label[i % len(label)])] for i, cell in enumerate(x)]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(lines)
    return file.getvalue()


NUMBERS = [0.5 * i for i in range(60)]


@pytest.mark.parametrize(
    "cell",
    ["inf", "-1e309", "9" * 400],
    ids=lambda cell: cell[:9],
)
def test_infinite_cell_is_refused_with_line_and_column(
    refused: Refused, write: Write, cell: str
) -> None:
    write("data.csv", table([*NUMBERS, cell]))
    says = f"data.csv:62: column 'x': {cell!r} is not a finite number"
    refused("train", "data.csv", says=says[:200])


@pytest.mark.parametrize("cell", ["abc", "1,5", "\x1b[31m"])
def test_text_among_numbers_is_refused_with_line_and_column(
    refused: Refused, write: Write, cell: str
) -> None:
    write("data.csv", table([*NUMBERS, cell]))
    refused("train", "data.csv", says=f"data.csv:62: column 'x': {cell!r} is not a number")


@pytest.mark.parametrize(
    "cells",
    [
        [1e308, -1e308, 0],
        [1e308, 1e308],
        [1.7e308, -1.7e308],
        [1e-320, 2e-320, 0],
        [5e-324, 0],
        [1e15, 1e15 + 1],
        [1e15],
        [0, -0.0],
        ["1." + "3" * 400, 2],
        [2**53, 2**53 + 1],
        ["1e-400", "1"],
    ],
    ids=str,
)
def test_extreme_numbers_are_learned_from_without_a_warning(
    survived: Run, write_table: WriteTable, cells: list[object]
) -> None:
    data = write_table("data.csv", table(cells * 30))
    assert survived("train", data, *QUICK).code == 0
    for command in (
        ["evaluate"],
        ["predict", "-o", "out.csv" if data == "data.csv" else "out"],
        ["explain", "--row", "1"],
        ["importance", "--json"],
    ):
        assert survived(*command, data).code == 0


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["01", "1", "1.0"], ["01", "1", "1.0"]),
        (["True", "true", "TRUE"], ["TRUE", "True", "true"]),
        (["no", "No", " no"], [" no", "No", "no"]),
        (["a,b", 'c"d', "e\nf"], ["a,b", 'c"d', "e\nf"]),
        (["🐧", "é", "e\u0301"], ["e\u0301", "é", "🐧"]),
        (["=cmd|' /C calc'!A0", "@SUM(1)", "+1"], ["=cmd|' /C calc'!A0", "@SUM(1)", "+1"]),
        (["\x1b[31mred", "\x9bred", "\u202ered"], ["\x1b[31mred", "\x9bred", "\u202ered"]),
        (["10", "9", "2"], ["2", "9", "10"]),
        (["x" * 5000, "y"], ["x" * 5000, "y"]),
    ],
    ids=["numbers", "truths", "noes", "quoted", "letters", "formulas", "control", "order", "long"],
)
def test_labels_are_kept_verbatim_and_shown_harmlessly(
    survived: Run, write: Write, labels: list[str], names: list[str]
) -> None:
    write("data.csv", table(range(60), labels))
    for command in (
        ("train", "data.csv", *QUICK),
        ("show",),
        ("evaluate", "data.csv"),
        ("explain", "data.csv", "--row", "1"),
        ("seeds", "data.csv", *QUICK),
        ("tune", "data.csv", *QUICK, "--budget", "2"),
    ):
        ending = survived(*command)
        assert ending.code == 0, ending
        assert (ending.out + ending.err).replace("\n", "").isprintable(), ending
    assert list(json.loads(survived("show", "--json").out)["classes"]) == names
    rows = list(csv.DictReader(io.StringIO(survived("predict", "data.csv").out, newline="")))
    assert [row["label"] for row in rows] == (labels * 60)[:60]
    assert {row["predicted"] for row in rows} <= set(labels)
    assert {f"p({name})" for name in labels} <= set(rows[0])


def test_control_characters_anywhere_are_shown_harmlessly(survived: Run, write: Write) -> None:
    nasty = "\x1b]0;title\x07\x1b[2J\nError: nothing is wrong\r"
    rows = [[f"{nasty}{i % 3}", i, nasty + "ab"[i % 2], f"{nasty}{i}", ""] for i in range(70)]
    file = io.StringIO()
    csv.writer(file).writerows([[f"{name}{nasty}" for name in "caldm"], *rows])
    name = "\x1b[31mred.csv"
    write(name, file.getvalue())
    label = f"l{nasty}"
    for command in (
        ("train", name, "-t", label, *QUICK, "--plot", "x.svg"),
        ("show",),
        ("evaluate", name),
        ("explain", name, "--row", "1"),
        ("check", name, "-t", label, "--hidden", "2", "--ignore", f"d{nasty}"),
        ("seeds", name, "-t", label, *QUICK),
        ("plot", "confusion", name),
        ("plot", "importance", name),
        ("importance", name),
        ("tune", name, "-t", label, *QUICK, "--budget", "2", "--plot", "y.svg"),
        ("plot", "network", name, "--row", "2"),
    ):
        ending = survived(*command)
        assert ending.code == 0, ending
        assert "\x1b" not in ending.out + ending.err
        assert "\nError: " not in ending.out + ending.err
        assert (ending.out + ending.err).replace("\n", "").isprintable()


def test_answers_and_talk_are_escaped_in_one_place(capsys: pytest.CaptureFixture[str]) -> None:
    options.print_lines("one\x1b[2J\ntwo\x9b")
    options.print_message("three\r\n\u202efour")
    out, err = capsys.readouterr()
    assert out == "one\\x1b[2J\ntwo\\x9b\n"
    assert err == "three\\r\\n\\u202efour\n"


@pytest.mark.parametrize("missing", ["", "NA", "unknown"])
def test_missing_labels_are_left_out_and_noted(
    survived: Run, write: Write, missing: str, tmp_path: Path
) -> None:
    write("data.csv", table(range(60), ["a", "b", missing]))
    ending = survived("train", "data.csv", *QUICK, *(["--missing", missing] if missing else []))
    assert ending.code == 0
    assert "20 rows without a label left out, the first in line 4" in ending.err
    assert load(tmp_path / "model.json").encoder.class_names == ("a", "b")


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([""], "column 'label': every label is missing"),
        (["NA"], "column 'label': every label is missing"),
        (["a"], "column 'label': every label is 'a': there is nothing to tell apart"),
        (["a", ""], "column 'label': every label is 'a': there is nothing to tell apart"),
        ([f"name {i}" for i in range(60)], "60 different labels in 60 rows: nothing to learn"),
        ([i / 7 for i in range(60)], "looks like a number to be predicted, not a class"),
        (list(range(30)), "looks like a number to be predicted, not a class"),
        ([*range(59), "x"], "60 different labels in 60 rows"),
    ],
    ids=["empty", "missing", "one", "one-or-missing", "names", "continuous", "counts", "mixed"],
)
def test_labels_that_cannot_be_learned_are_refused_in_plain_words(
    refused: Refused, write_table: WriteTable, labels: list[object], says: str
) -> None:
    data = write_table("data.csv", table(range(60), labels))
    refused("train", data, says=says)
    refused("seeds", data, says=says)
    refused("check", data, says=says)


def test_over_a_thousand_different_numbers_are_no_classes(
    refused: Refused, write_table: WriteTable
) -> None:
    labels = np.random.default_rng(0).normal(size=3000).tolist()
    data = write_table("data.csv", table(range(3000), labels))
    refused("train", data, says="looks like a number to be predicted, not a class (over 1,0")


def test_one_to_seven_rows_are_learned_from_or_refused(
    survived: Run, write_table: WriteTable
) -> None:
    for rows in range(1, 8):
        data = write_table(f"{rows}.csv", table(range(rows)))
        survived("train", data, *QUICK)
        survived("check", data, "--hidden", "2")
        survived("seeds", data, *QUICK)


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        (["NA"], "column 'x' is empty: left out"),
        (["same"], "column 'x' is constant: the same in every row"),
    ],
    ids=["missing", "text"],
)
def test_column_that_tells_nothing_is_noted(
    survived: Run, write_table: WriteTable, cells: list[object], note: str
) -> None:
    data = write_table("data.csv", table(cells * (60 // len(cells))))
    ending = survived("train", data, *QUICK)
    assert ending.code == 0
    assert note in ending.err


def test_thousands_of_notes_are_cut(survived: Run, write: Write) -> None:
    header = ",".join(f"c{i}" for i in range(500))
    rows = "".join("7," * 500 + f"{i % 2}\n" for i in range(20))
    write("data.csv", f"{header},label\n{rows}")
    ending = survived("train", "data.csv", *QUICK)
    assert ending.code == 0
    assert ending.err.count("\nnote: ") == 21
    assert "more notes" in ending.err


def test_label_column_alone_is_refused(run: Run, write: Write) -> None:
    write("data.csv", "label\n" + "a\nb\n" * 9)
    assert "only one column, 'label'" in error_of(run("train", "data.csv"))
