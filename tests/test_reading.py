"""Tables as they come: how cells, names and lines are read, and what is told about it."""

from __future__ import annotations

import csv
import io
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet import Table, read_csv
from minnet.data.cells import USUAL, CellFormat, TableFormat, suggest_options
from minnet.data.csv import CsvReader
from minnet.data.encoding import Encoder
from minnet.errors import DataError, SettingsError
from minnet.model.document import load
from tests.helpers import IRIS, PENGUINS, chunks_of, cut_in_three, known_note, read_text, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.helpers import Run

    Write = Callable[[str, str | bytes], Path]
    WriteTable = Callable[[str, str], str]

QUICK = ("--epochs", 2, "--networks", 2)


def read(text: str, **cell_format: Any) -> Table:
    """Read a table; cut into three files it must be the same."""
    form = TableFormat(cells=CellFormat(**cell_format))
    table = read_text(text, form)
    readers = (
        CsvReader(io.BytesIO(part.encode()), f"{number}.csv")
        for number, part in enumerate(cut_in_three(text))
    )
    of_parts = Table.from_files(map(nullcontext, readers), "all", form)
    for name, column in table.columns.items():
        other = of_parts[name]
        assert other.spellings == column.spellings
        np.testing.assert_array_equal(other.codes, column.codes)
        np.testing.assert_equal(other.numbers, column.numbers)
        np.testing.assert_array_equal(other.missing, column.missing)
    return table


def numbers(text: str, **cell_format: Any) -> list[float] | None:
    column = read(text, **cell_format)["x"]
    return None if column.numbers is None else column.numbers.tolist()


def rows(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text().splitlines()))


def text_of(rows: Sequence[Sequence[str]], delimiter: str = ",") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return file.getvalue()


def with_commas(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Write the numbers of a table with decimal commas."""
    header, *others = rows
    return [[*header], *([cell.replace(".", ",") for cell in row] for row in others)]


def probabilities(output: str, delimiter: str = ",") -> list[str]:
    return [row["p(Adelie)"] for row in csv.DictReader(io.StringIO(output), delimiter=delimiter)]


def indexed(names: str = "sepal_length,sepal_width,petal_length,petal_width,species") -> str:
    lines = IRIS.read_text().splitlines()[1:]
    return f",{names}\n" + "".join(f"{i},{line}\n" for i, line in enumerate(lines))


def test_nameless_first_column_is_an_index_and_left_out(run: Run, write: Write) -> None:
    write("index.csv", indexed())
    ending = run("train", "index.csv", *QUICK)
    assert "note: column 1 has no name: read as '(index)' and left out" in ending.err
    assert "is empty: left out" not in ending.err
    assert [column.name for column in load("model.json").encoder.columns] == [
        "sepal_length",
        "sepal_width",
        "petal_length",
        "petal_width",
    ]
    ending = run("predict", "index.csv")
    assert ending.out.startswith("(index),sepal_length,")
    assert ending.err == (
        "note: index.csv: the first column has no name: not used, written as '(index)'\n"
        + known_note(150)
    )
    plain = run("predict", IRIS).out.splitlines()
    assert [line.partition(",")[2] for line in ending.out.splitlines()] == plain


def test_nameless_first_column_may_stand_before_positions_as_names() -> None:
    names = CsvReader(io.BytesIO(b",0,1,label\n0,5.1,3.5,a\n"), "data.csv").names
    assert names == ["(index)", "0", "1", "label"]


def test_only_the_first_column_may_be_nameless() -> None:
    with pytest.raises(DataError, match=r"data\.csv:1: column 3 has no name in the header"):
        read(",a,\n1,2,3\n")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_column_with_decimal_commas_is_numeric(delimiter: str) -> None:
    text = f"x{delimiter}y\n3,75{delimiter}a\nNA{delimiter}b\n4{delimiter}c\n-1,5e2{delimiter}d\n"
    assert repr(numbers(text)) == "[3.75, nan, 4.0, -150.0]"


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["3,75", "abc"], "text"),
        (["3,75", "3.75"], "text"),
        (["999", "1,234"], "thousands"),
        (["1,234,567"], "thousands"),
        (["1.234,5"], "both"),
    ],
)
def test_column_that_is_not_all_decimal_commas_stays_text(cells: list[str], told: str) -> None:
    assert numbers("x;y\n" + "".join(f"{cell};a\n" for cell in cells)) is None, told


def test_decimal_commas_in_a_file_separated_by_commas_are_read_if_asked_for() -> None:
    text = 'x,y\n"3,75",a\n4,b\n'
    assert numbers(text) is None
    assert numbers(text, decimal=",") == [3.75, 4]
    assert numbers("x;y\n3,75;a\n", decimal=".") is None
    assert numbers("x;y\n1.234;a\n", decimal=",") is None


def test_many_distinct_decimal_commas_are_numbers_and_a_late_text_is_named() -> None:
    cells = [f"{number},5" for number in range(3000)]
    text = "x;y\n" + "".join(f"{cell};a\n" for cell in cells)
    assert numbers(text) == [number + 0.5 for number in range(3000)]
    assert read(text + "unknown;a\n")["x"].bad_cell == (3000, "unknown")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_decimal_commas_give_the_same_numbers_as_points(values: list[float]) -> None:
    commas = CellFormat(decimal=",")
    cells = [repr(value).replace(".", ",") for value in values]
    assert [commas.number(cell) for cell in cells] == values
    at_once = commas.plain_numbers(cells)
    assert at_once is not None
    assert at_once.tolist() == values


def test_penguins_with_decimal_commas_are_learned_as_with_points(run: Run, write: Write) -> None:
    write("commas.csv", text_of(with_commas(rows(PENGUINS)), ";"))
    plain = run("train", PENGUINS, *QUICK, "-t", "species", "-m", "plain.json")
    ending = run("train", "commas.csv", *QUICK, "-t", "species", "-m", "commas.json")
    assert ending.out == plain.out
    assert ending.err.count("decimal commas") == 1
    assert load("commas.json").encoder == load("plain.json").encoder
    by_point = probabilities(run("predict", PENGUINS, "-m", "commas.json").out)
    by_comma = run("predict", "commas.csv", "-m", "plain.json").out
    assert by_point == probabilities(by_comma, ";")
    assert run("evaluate", "commas.csv", "-m", "plain.json").code == 0


def test_model_remembers_a_decimal_mark_given_by_hand(run: Run, write: Write) -> None:
    write("commas.csv", text_of(with_commas(rows(PENGUINS))))
    run("train", "commas.csv", *QUICK, "-t", "species", "--decimal", ",")
    assert len(load("model.json").encoder.form.numbers) == 5
    commas, points = run("predict", "commas.csv"), run("predict", PENGUINS)
    assert probabilities(commas.out) == probabilities(points.out) != []
    assert run("evaluate", "commas.csv").out == (
        run("evaluate", "commas.csv", "-m", "model.json").out
    )
    assert run("explain", "commas.csv", "--row", 1).code == 0


@pytest.mark.parametrize(
    ("cells", "options"),
    [
        (["1,234", "999"], ["--strip", ","]),
        (["21 064", "69 639"], ["--strip", " "]),
        (["21\u202f064", "1\xa0000"], ["--strip", " "]),
        (["69'639", "1'234.5"], ["--strip", "'"]),
        (["$1,234.50", "$7"], ["--strip", "$,"]),
        (["12 %", "3.5 %"], ["--strip", " %"]),
        (["3,75", "12,5"], ["--decimal", ","]),
        (["1.234,56 €", "12 €"], ["--strip", ". €", "--decimal", ","]),
        (["4.29 cm", "-0.3 cm"], ["--strip", " cm"]),
        (["1,5mg/dl", "12 mg/dl"], ["--strip", "mg/dl ", "--decimal", ","]),
        (["21 °C", "-1 °C"], ["--strip", " °C"]),
        (['="4.29"', '="7"'], ["--strip", '="']),
    ],
)
def test_column_that_looks_like_numbers_is_told_with_the_options_that_read_it(
    run: Run, cells: list[str], options: list[str]
) -> None:
    lines = [["x", "z", "y"], *([cells[i % 2], str(i % 7), "ab"[i % 2]] for i in range(40))]
    ending = run("train", "-", *QUICK, stdin=text_of(lines))
    assert f"column 'x' looks like numbers, such as {cells[0]!r}" in ending.err.replace(
        "'999'", repr(cells[0])
    )
    import shlex

    advice = next(line for line in ending.err.splitlines() if "looks like" in line)
    assert shlex.split(advice.partition("but is read as categories: add ")[2]) == options
    ending = run("train", "-", *QUICK, *options, stdin=text_of(lines))
    assert "2 numeric columns" in ending.err
    assert "looks like" not in ending.err


@pytest.mark.parametrize("cells", [["c1", "c2"], ["12:30"], ["a", "b"], ["1", "2"], ["7 ", " 8"]])
@pytest.mark.parametrize("units", [False, True])
def test_what_is_no_spelling_of_numbers_is_not_taken_for_one(cells: list[str], units: bool) -> None:
    assert suggest_options(cells, units=units) == {}


@pytest.mark.parametrize(
    "cells", [["4 cm", "4 mm"], ["4 cm", "5"], ["1st", "2nd"], ["4 m2", "5 m2"], ["c 4 cm"]]
)
def test_numbers_of_different_units_or_none_are_not_made_alike(cells: list[str]) -> None:
    assert suggest_options(cells, 0.9, units=True) == {}
    assert suggest_options(["4 cm"], 0.9) == {}
    assert suggest_options(["4 cm"] * 19 + ["cm", "7"], 0.9, units=True) == {"strip": "' cm'"}


def test_stripped_numbers_are_read_alike_by_predict(run: Run, write: Write) -> None:
    table = rows(PENGUINS)
    mass = table[0].index("body_mass_g")
    dollars = [
        [*row[:mass], f"${row[mass]}" if row[mass][:1].isdigit() else row[mass], *row[mass + 1 :]]
        for row in table
    ]
    write("dollars.csv", text_of(dollars))
    run("train", "dollars.csv", *QUICK, "-t", "species", "--strip", "$")
    assert load("model.json").encoder.cell_format == CellFormat(strip="$")
    output = run("predict", "dollars.csv").out
    assert probabilities(output) == probabilities(run("predict", PENGUINS).out) != []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"strip": "5"}, "`strip` is '5': digits and minus signs make a number"),
        ({"decimal": ";"}, "`decimal` is ';'"),
        ({"decimal": ",", "strip": "$,"}, "',' cannot be the decimal mark and be left out"),
    ],
)
def test_options_that_cannot_read_numbers_are_refused(options: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError) as error:
        CellFormat(**options)
    assert says in str(error.value)


def test_word_for_missing_among_numbers_is_an_error_that_names_the_way_out(run: Run) -> None:
    lines = [f"{i / 7},{'ab'[i % 2]}" for i in range(2000)]
    lines[70] = "not known,a"
    table = "\n".join(["x,y", *lines])
    error = run("train", "-", stdin=table).only_error
    assert error.startswith("Error: standard input:72: column 'x': 'not known' is not a number")
    assert error.endswith("if it stands for a missing value: --missing 'not known'")
    ending = run("train", "-", *QUICK, "--missing", "not known", stdin=table)
    assert "1 missing cell in 1 column, the first in line 72" in ending.err
    assert run("seeds", "-", *QUICK, "--missing", "not known", stdin=table).code == 0
    assert run("check", "-", "--missing", "not known", stdin=table).code == 0


def test_model_remembers_the_words_for_missing(run: Run, write_table: WriteTable) -> None:
    data = write_table("data.csv", "x,y\n" + "1,a\n2.5,b\nunknown,a\n" * 20)
    run("train", data, *QUICK, "--missing", "unknown")
    assert load("model.json").encoder.cell_format.missing_words == ("unknown",)
    words = run("predict", stdin="x\nunknown\n").out.splitlines()
    empty = run("predict", stdin="x\nNA\n").out.splitlines()
    assert words[1].partition(",")[2] == empty[1].partition(",")[2]
    for command in (["evaluate", data], ["explain", data, "--row", 3]):
        assert run(*command).code == 0
    assert run("plot", "confusion", data).code == 0


def test_prompt_takes_the_words_and_the_decimal_comma(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minnet.cli import predict as ask

    write("data.csv", "x;z;y\n" + "1,5;1;a\n2,5;2;b\nunknown;3;a\n" * 20)
    assert run("train", "data.csv", *QUICK, "--missing", "unknown").code == 0
    cells = iter(["unknown", "2,5"])
    monkeypatch.setattr("click.prompt", lambda *_, **__: next(cells))
    table = ask.ask(load("model.json"))
    assert table["x"].missing.tolist() == [True]
    assert table["z"].numbers is not None
    assert table["z"].numbers.tolist() == [2.5]


def test_number_may_stand_for_missing() -> None:
    text = "x,y\n" + "".join(f"{i / 7},a\n" for i in range(2000)) + "-999,b\n -999 ,b\n"
    column = read(text, missing_words=("-999",))["x"]
    assert column.missing.sum() == 2
    assert column.missing[-2:].all()


def test_model_says_that_cells_are_read_as_usual(run: Run) -> None:
    run("train", IRIS, *QUICK)
    assert load("model.json").encoder.cell_format == USUAL


def labelled(word: str, count: int, of: int = 100) -> str:
    labels = [word] * count + ["a", "b"] * of
    return "x,y\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels[:of]))


@pytest.mark.parametrize("word", ["None", "NA", "null", "?"])
def test_frequent_word_for_missing_is_a_class(run: Run, write_table: WriteTable, word: str) -> None:
    data = write_table("data.csv", labelled(word, 20))
    ending = run("train", data, "--epochs", 2)
    assert f"20 rows labelled '{word}', read as a class; if that stands for a" in ending.err
    assert load("model.json").encoder.class_names == tuple(sorted([word, "a", "b"]))
    assert run("evaluate", data).out.startswith("100 rows,")
    assert run("explain", data, "--row", 1).code == 0
    ending = run("train", data, "--epochs", 2, "--missing", word)
    assert load("model.json").encoder.class_names == ("a", "b")
    assert "20 rows without a label left out" in ending.err
    assert run("evaluate", data).out.startswith("80 rows,")


def test_rare_word_for_missing_is_left_out_and_told_even_if_quiet(
    run: Run, write_table: WriteTable
) -> None:
    data = write_table("data.csv", labelled("None", 3))
    note = "note: 3 rows labelled 'None' left out as missing; if that is a class: --missing ''\n"
    for command in ("train", "seeds", "check"):
        options = () if command == "check" else QUICK
        assert run(command, data, "-q", *options).err == note
    assert load("model.json").encoder.class_names == ("a", "b")
    assert run("train", data, "-q", *QUICK, "--missing", "").err == ""
    assert load("model.json").encoder.class_names == ("None", "a", "b")
    assert run("train", data, "-q", *QUICK, "--missing", "None").err == ""
    assert load("model.json").encoder.class_names == ("a", "b")


def test_empty_and_not_a_number_labels_are_never_a_class() -> None:
    for word in ("", "nan", "NaN"):
        assert Encoder.fit(read(labelled(word, 50)), "y").class_names == ("a", "b")


def test_labels_that_differ_in_case_or_space_are_noted_in_quotes(run: Run) -> None:
    table = "x,z,y\n" + "1,no,True\n2,no ,true\n3,yes, true\n" * 9
    err = run("train", "-", *QUICK, stdin=table).err
    assert "note: classes ' true', 'True' and 'true' differ only in case and white space\n" in err
    assert "note: column 'z': categories 'no' and 'no ' differ only in white space\n" in err


def test_names_are_stripped_unless_quotes_protect_them() -> None:
    reader = CsvReader(io.BytesIO(b'a, b ,"  c "," ""d"" ",e \n1,2,3,4,5\n'), "data.csv")
    assert reader.names == ["a", "b", "  c ", ' "d" ', "e"]
    assert rows_of(chunks_of(reader)) == [["1", "2", "3", "4", "5"]]


def test_column_is_found_whatever_space_is_around_its_name(run: Run) -> None:
    table = "a, year, y\n" + "1,2007,u\n2,2008,v\n" * 20
    assert run("train", "-", *QUICK, stdin=table).code == 0
    outs = [
        run("predict", stdin=f"a,{name}\n1,2007\n").out.splitlines()[1]
        for name in ("year", " year", '" year"', '"year "')
    ]
    assert len(set(outs)) == 1
    with pytest.raises(DataError, match="has no column 'x'"):
        Table.from_columns({" x": [1], "x ": [2]})["x"]


def test_bar_separates_cells(run: Run) -> None:
    table = IRIS.read_text()
    assert run("train", "-", *QUICK, "-m", "a.json", stdin=table.replace(",", "|")).code == 0
    run("train", IRIS, *QUICK, "-m", "b.json")
    assert load("a.json").encoder == load("b.json").encoder


@pytest.mark.parametrize(
    ("before", "lines"), [("# iris\n", 1), ("# by Fisher, 1936\n\n#\n", 3), ('# "open\n', 1)]
)
def test_comments_before_the_header_are_skipped(before: str, lines: int) -> None:
    reader = CsvReader(io.BytesIO(f"{before}a,b\n1,2\n#3,4\n".encode()), "data.csv")
    (chunk,) = chunks_of(reader)
    assert reader.names == ["a", "b"]
    assert rows_of([chunk]) == [["1", "2"], ["#3", "4"]]
    assert list(chunk.lines) == [lines + 2, lines + 3]


def test_header_may_begin_like_a_comment() -> None:
    reader = CsvReader(io.BytesIO(b"# made by a tool\n#id,x,y\n1,2.5,a\n"), "data.csv")
    assert reader.names == ["#id", "x", "y"]
    assert list(next(chunks_of(reader)).lines) == [3]


@pytest.mark.parametrize("options", [(), ("-t", "species")])
def test_table_of_one_column_is_told_before_anything_about_its_labels(
    run: Run, options: tuple[str, ...]
) -> None:
    error = run("train", "-", *options, stdin="species\n" + "a\nb\nb\n" * 9).only_error
    assert error == (
        "Error: standard input: only one column, 'species': are cells separated by commas, "
        "semicolons, tabs, bars or blanks?"
    )
    assert "only one column" in run("train", "-", stdin=IRIS.read_text().replace(",", "~")).err


def test_title_before_the_header_is_told(run: Run) -> None:
    error = run("train", "-", stdin="Flowers\n" + IRIS.read_text()).only_error
    assert error == (
        "Error: standard input:2: 5 cells, but there is 1 column: is the first line a title, not a "
        "header?"
    )


@pytest.mark.parametrize("form", ["2020/03/{:02}", "{:02}.03.2020 12:30", "3/{}/20"])
def test_dates_are_told_with_what_to_do(run: Run, form: str) -> None:
    lines = [f"{form.format(i % 28 + 1)},{i % 5},{'ab'[i % 2]}\n" for i in range(60)]
    err = run("train", "-", *QUICK, stdin="when,x,y\n" + "".join(lines)).err
    assert (
        f"note: column 'when' holds dates, such as {form.format(1)!r}, read as 28 categories: "
        "columns of their own for year, month and weekday say more\n"
    ) in err


def test_text_that_is_almost_always_different_is_told_like_an_identifier(run: Run) -> None:
    lines = [f"name {min(i, 331)},{i % 5},{'ab'[i % 2]}\n" for i in range(333)]
    err = run("train", "-", *QUICK, stdin="who,x,y\n" + "".join(lines)).err
    assert (
        "note: column 'who' is different in 332 of 333 rows: if it is an identifier, leave it out "
        "with --ignore\n"
    ) in err


def test_read_csv_takes_the_same_options(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text('x,y\n"$1.234,5",a\nunknown,b\n')
    table = read_csv(tmp_path / "data.csv", missing=["unknown"], decimal=",", strip="$.")
    assert repr(table["x"].numbers.tolist()) == "[1234.5, nan]"  # type: ignore[union-attr]
