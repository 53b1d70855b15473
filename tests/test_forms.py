"""The forms that files of tables come in: each must be the table that a plain CSV of it is."""

from __future__ import annotations

import csv
import gzip
import io
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import minnet
from minnet.data.cells import INDEX, PLAIN, TableFormat, default_names
from minnet.data.csv import LINES_AT_ONCE, CsvReader
from minnet.data.table import FilePart, Table
from minnet.errors import DataError
from minnet.model.document import load
from tests.helpers import IRIS, PENGUINS, chunks_of, read_text, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.helpers import Run

    Rows = Sequence[Sequence[str]]
    Write = Callable[[str, str | bytes], Path]

QUICK = ("--epochs", 2, "--networks", 2)
BOM = "\ufeff"


def quoted(cell: str, unless: str = "") -> str:
    """Put a cell in quotes, unless it is plain without some characters."""
    is_plain = unless and cell and {*cell}.isdisjoint(unless + '"\r\n') and cell == cell.strip()
    return cell if is_plain else '"' + cell.replace('"', '""') + '"'


def joined(rows: Rows, delimiter: str = ",") -> str:
    return "".join(delimiter.join(quoted(c, delimiter) for c in row) + "\n" for row in rows)


def aligned(rows: Rows) -> str:
    cells = [[quoted(cell, " ") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sides = (str.rjust, str.ljust)
    return "".join(
        " ".join(sides[k % 2](c, widths[k] + 1) for k, c in enumerate(row)) + "\n" for row in cells
    )


def from_r(rows: Rows, delimiter: str) -> str:
    header, *others = rows
    lines = [[*map(quoted, header)]] + [
        [f'"{number}"', *(quoted(cell, delimiter) for cell in row)]
        for number, row in enumerate(others, start=1)
    ]
    return "".join(delimiter.join(line) + "\n" for line in lines)


def wrapped(rows: Rows) -> str:
    return "".join(quoted(line) + "\n" for line in joined(rows).splitlines())


def margin(rows: Rows, of_header: str, of_others: str) -> str:
    header, *others = joined(rows).splitlines()
    return header + of_header + "\n" + "".join(f"{line}{of_others}\n" for line in others)


FORMS: dict[str, Callable[[Rows], str]] = {
    "plain": joined,
    "blanks": lambda rows: joined(rows, " "),
    "blanks at the ends": lambda rows: joined(rows, " ").replace("\n", "  \n"),
    "blanks at some ends": lambda rows: joined(rows, " ").replace("a\n", "a  \n"),
    "aligned": aligned,
    "aligned, CRLF": lambda rows: aligned(rows).replace("\n", "\r\n"),
    "R, blanks": lambda rows: from_r(rows, " "),
    "R, commas": lambda rows: from_r(rows, ","),
    "R, tabs": lambda rows: from_r(rows, "\t"),
    "sep": lambda rows: "sep=;\n" + joined(rows, ";"),
    "sep in quotes": lambda rows: '"SEP=|"\r\n' + joined(rows, "|"),
    "sep of tabs": lambda rows: BOM + "sep=\t\n" + joined(rows, "\t"),
    "blanks before quotes": lambda rows: "".join(", ".join(map(quoted, r)) + "\n" for r in rows),
    "blanks before quotes, not in the header": lambda rows: (
        ", ".join(rows[0]) + "\n" + "".join(", ".join(map(quoted, r)) + "\n" for r in rows[1:])
    ),
    "wrapped": wrapped,
    "margin": lambda rows: margin(rows, ",", ","),
    "margin of blanks": lambda rows: margin(rows, ", ", ", "),
    "wide margin": lambda rows: margin(rows, ",,,", ",,,"),
    "margin of the header": lambda rows: margin(rows, ",", ""),
    "margin of all but the header": lambda rows: margin(rows, "", ","),
    "two marks": lambda rows: BOM + BOM + joined(rows),
}
ALL_FORMS = pytest.mark.parametrize("form", FORMS)

words = st.text("abc", min_size=1, max_size=3)
cells = st.text('a1 ,;"|', max_size=5) | words
numbers = st.integers(-99, 99).map(str) | st.floats(-9, 9).map("{:.3f}".format)


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    """Names, and rows of a word, a number, a cell of anything in a line, and a word."""
    names = [name + draw(words) for name in "wxyz"]
    row = st.tuples(words, numbers, cells, words)
    return [names, *draw(st.lists(row, min_size=2, max_size=12))]


def read(
    text: str, form: TableFormat = PLAIN, lines_at_once: int = 512
) -> tuple[list[str], list[list[str]], list[int]]:
    reader = CsvReader(io.BytesIO(text.encode()), "data.csv", form)
    chunks = [*chunks_of(reader, lines_at_once)]
    return reader.names, rows_of(chunks), [line for chunk in chunks for line in chunk.lines]


def without_index(names: list[str], rows: Rows) -> list[list[str]]:
    first = int(names[0] == INDEX)
    return [[*row][first:] for row in (names, *rows)]


@ALL_FORMS
@settings(max_examples=30)
@given(table=tables(), lines_at_once=st.integers(1, 9))
@example(table=[["a", "b"], ["x", "1"], ["y", "2"]], lines_at_once=1)
@example(table=[["a", "b c"], ["1", "x, y"], ["2.5", 'say "x"']], lines_at_once=2)
def test_table_is_read_cell_for_cell_from_each_form(
    form: str, table: Rows, lines_at_once: int
) -> None:
    names, rows, lines = read(FORMS[form](table), lines_at_once=lines_at_once)
    assert without_index(names, rows) == [[*row] for row in table]
    first = 3 if form.startswith("sep") else 2
    assert lines == [*range(first, first + len(rows))]


@ALL_FORMS
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(table=tables(), most_bytes=st.integers(20, 99))
def test_pieces_of_a_file_of_each_form_are_the_whole(
    tmp_path: Path, form: str, table: Rows, most_bytes: int
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(FORMS[form](table), newline="")
    pieces = FilePart(str(path)).cut(most_bytes, 1)
    read_pieces = []
    for piece in pieces:
        with piece.open() as reader:
            assert isinstance(reader, CsvReader)
            read_pieces += rows_of(chunks_of(reader))
    assert without_index(FilePart(str(path)).names(), read_pieces) == [[*row] for row in table]


@ALL_FORMS
def test_model_reads_new_rows_in_each_form(with_iris_model: Run, form: str, write: Write) -> None:
    with IRIS.open(newline="") as file:
        rows = [*csv.reader(file)]
    plain = with_iris_model("predict", IRIS).out
    path = write("form.csv", gzip.compress(FORMS[form](rows).encode()))
    out = with_iris_model("predict", path).out
    delimiter = "".join({*";|\t"} & {*out})[:1] or ","
    found = [*csv.reader(io.StringIO(out), delimiter=delimiter)]
    assert without_index(found[0], found[1:]) == [*csv.reader(io.StringIO(plain))]
    evaluated = with_iris_model("evaluate", path)
    assert evaluated.out == with_iris_model("evaluate", IRIS).out
    again = write("again.csv", out)
    assert with_iris_model("predict", again).out == out


def test_files_of_different_forms_are_one_table(run: Run, write: Write) -> None:
    with PENGUINS.open(newline="") as file:
        header, *rows = csv.reader(file)
    forms = [name for name in FORMS if not name.startswith("R")]
    for number, name in enumerate(forms):
        write(f"{number:02}.csv", FORMS[name]([header, *rows[number :: len(forms)]]))
    in_order = [row for number in range(len(forms)) for row in rows[number :: len(forms)]]
    write("all.txt", joined([header, *in_order]))
    assert run("train", "*.csv", *QUICK, "-t", "species", "-m", "a.json").code == 0
    run("train", "all.txt", *QUICK, "-t", "species", "-m", "b.json")
    assert load("a.json").encoder == load("b.json").encoder
    assert (load("a.json").network.values == load("b.json").network.values).all()
    run("predict", "*.csv", "-m", "a.json", "-o", "predictions")
    assert run("predict", "predictions/01.csv", "-m", "a.json").code == 0


def test_decimal_commas_are_read_between_blanks() -> None:
    text = "x y z\n1,5 0,25 a\n-2,5 3 b\n"
    table = Table.from_files([nullcontext(CsvReader(io.BytesIO(text.encode()), "t"))], "t")
    assert table["x"].numbers is not None
    assert table["x"].numbers.tolist() == [1.5, -2.5]


@pytest.mark.parametrize("form", ["blanks", "aligned", "wrapped", "sep", "blanks before quotes"])
def test_file_without_a_header_may_have_each_form(form: str) -> None:
    rows = [["1.5", "a b", "x"], ["2", "", "y"]]
    read_rows = read(FORMS[form](rows), TableFormat(name_columns=default_names))
    assert read_rows[:2] == (["column1", "column2", "column3"], rows)
    with pytest.raises(DataError, match=r"the first line looks like data \(1.5, a b, x\)"):
        read(FORMS[form](rows))


ONE_COLUMN = [
    "name\nJohn Smith\nJane Doe\n",
    "full name\nJohn Smith\nJane Doe\nJim Poe\nJo Lee\n",
    "review\nbad product number 0\ngood product number 1\n",
    "the review\nbad\nvery good indeed\n1 2\n",
    "when it was\n2024-01-01 10:00\n2024-01-02 11:00\n",
    '"name, first"\n"Smith, John"\n"Doe, Jane"\n',
    '"a b c"\n"1 2 3"\n"4 5 6"\n',
    '"x"\n"1,2,3"\n"4,5,6"\n',
    "x\n 1\n2 \n",
    "street address\n",
]


@pytest.mark.parametrize("text", ONE_COLUMN)
def test_list_is_not_taken_apart(text: str) -> None:
    names, rows, _ = read(text)
    assert [[*names], *rows] == [*csv.reader(io.StringIO(text))]


@pytest.mark.parametrize(
    "text",
    [
        "street address\n12 Main\n7 Oak\n",
        "full legal name\nJohn F Smith\nJane X Doe\nJim B Poe\n",
        '"street, number"\n"Main, 12"\n"Oak, 7"\n',
    ],
)
def test_column_that_the_model_has_is_not_taken_apart(text: str) -> None:
    [name], *rows = csv.reader(io.StringIO(text))
    assert len(read(text)[0]) > 1
    for form in (TableFormat(text=[name]), TableFormat(numbers=[name])):
        assert read(text, form)[:2] == ([name], rows)


ORDINARY = [
    'a,b\nx y,"1 2"\nz w, v\n',  # blanks in cells
    'a,b\n1, say "x"\n2,"x, ""y"""\n',  # quotes in cells
    'a,b\n1,"x, "\n2,", y"\n',
    'a,b\n1, "x" y\n2, "z" w\n',
    'a,b,c\n1,"x, ","\nz"\n2, v,w\n',
    'a;b\n1;x, "y"\n2;z, "w"\n',
    'a\tb\n1\t said "x" twice\n2\t5" pipe\n',
    "a,b\n 1, x\n 2, y\n",
    "a,b,c\n1,2,\n3,4,\n",  # a column without values
    "a,b\na,1\nb,a\n",
    "(index),a\na,b\nx,y\n",
    '"a,b",c\n"1,2",3\n',
    "sep=,b\n1,2\n",
    "x sep=;,b\n1,2\n",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_table_is_read_verbatim(text: str) -> None:
    delimiter = text[1] if text[1] in ";\t" else ","
    names, rows, _ = read(text)
    assert [names, *rows] == [*csv.reader(io.StringIO(text), delimiter=delimiter)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,\n1,2,3\n", r"data.csv:1: column 3 has no name in the header"),
        ("a,b,\n1,2,\n" + "3,4,\n" * 200 + "5,6,7\n", "data.csv:203: 3 cells, but there are 2"),
        ("a,b\n1.5,2,3\n2.5,3,4\n", "data.csv:2: 3 cells, but there are 2 columns"),
        ("a,b\n1,2,3\n1,3,4\n", "data.csv:2: 3 cells, but there are 2 columns"),
        ("A title, long\na,b,c\n1,2,3\n", "data.csv:2: 3 cells, but there are 2 columns"),
        ("A title\na,b\n1,2\n", "data.csv:2: 2 cells, but there is 1 column: is the first line a"),
        ("A title\na,b\nc,d\n", "data.csv:2: 2 cells, but there is 1 column: is the first line a"),
        ("a b c\n1 2 3\n4 5\n", "."),
        ("a b c\n" + "1 2 3\n" * 200 + "4 5\n", "data.csv:202: 2 cells, but there are 3 columns"),
    ],
)
def test_broken_table_is_not_taken_for_one_of_another_form(text: str, message: str) -> None:
    if message == ".":
        assert read(text)[0] == ["a b c"]
        return
    with pytest.raises(DataError, match=message):
        read(text)


REPEATED = "len,kind\n" + "1,a\n2,b\n" * 20


@pytest.mark.parametrize("mark", ["", BOM])
@pytest.mark.parametrize("header", ["len,kind", '"len","kind"'])
def test_header_that_is_repeated_is_dropped_with_a_note(
    run: Run, write: Write, mark: str, header: str
) -> None:
    part = REPEATED.replace("len,kind", header)
    write("both.csv", part + mark + part + "\n" + part)
    path = "both.csv"
    ending = run("train", path, *QUICK)
    note = "note: lines that repeat the header left out: both.csv:42 and both.csv:84\n"
    assert note in ending.err
    assert "120 rows, 1 numeric column" in ending.err
    for command in (["predict", path], ["evaluate", path], ["explain", path, "--row", 41]):
        assert note in run(*command).err
    assert len(run("predict", path).out.splitlines()) == 121


def test_header_is_found_again_in_files_pieces_and_by_workers(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minnet.data.table.BLOCKS_ALONE", 1)
    path = write("data.csv", REPEATED + ("1,a\n2,b\n" * 600 + "len,kind\n") * 2)
    write("more.csv", REPEATED * 2)
    left_out = "note: lines that repeat the header left out: "
    note = f"{left_out}data.csv:1242, data.csv:2443 and more.csv:42\n"
    for workers in (1, 2):
        assert note in run("train", "*.csv", *QUICK, "--workers", workers).err
    pieces = FilePart("data.csv").cut(500, 1)
    places = [place for piece in pieces for place in piece.read().repeated_headers]
    assert places == ["data.csv:1242", "data.csv:2443"]
    assert len(pieces) > 9
    assert path.read_text().count("len") == 3
    from minnet.data.columns import merge, summarize

    summary = merge([summarize(piece.read()) for piece in pieces])
    assert summary.repeated_headers == (*places,)
    notes = run("predict", "*.csv", "-o", "predictions").err
    assert f"{left_out}data.csv:1242 and data.csv:2443\n" in notes
    assert f"{left_out}more.csv:42\n" in notes


@pytest.mark.parametrize("form", ["R, blanks", "margin", "wrapped", "blanks before quotes"])
def test_header_is_found_again_in_each_form(form: str) -> None:
    table = [["len", "wid", "kind"], ["1", "2", "a"], ["3", "4", "b"]]
    text = FORMS[form](table)
    names, rows, lines = read(text + text)
    assert without_index(names, rows) == table + table[1:]
    assert lines == [2, 3, 5, 6]


def test_header_that_is_repeated_after_all_rows_is_told() -> None:
    table = read_text("a,b\n" + "1,x\n" * LINES_AT_ONCE + "a,b\n")
    assert len(table) == LINES_AT_ONCE
    assert table.repeated_headers == (f"data.csv:{LINES_AT_ONCE + 2}",)


def test_row_of_a_file_without_a_header_may_be_repeated() -> None:
    form = TableFormat(name_columns=default_names)
    assert len(read("a,b\nc,d\na,b\n", form)[1]) == 3
    assert len(read("a\nb\na\n")[1]) == 2


WEATHER = ["hot,dry,no", "hot,wet,no", "cold,dry,yes", "hot,dry,no", "cold,wet,no"]


def test_file_that_may_have_no_header_is_noted(run: Run, write: Write) -> None:
    path = write("weather.csv", "\n".join(WEATHER * 9))
    ending = run("train", path, *QUICK)
    note = (
        "note: each name in the header is a cell of its column, too ('hot', 'dry' and 'no'): if "
        "the file has no header, train with --no-header\n"
    )
    assert note in ending.err
    ending = run("train", path, *QUICK, "--no-header")
    assert "45 rows" in ending.err
    assert "header" not in ending.err
    named = write("named.csv", "\n".join(["sky,wet,play", *WEATHER * 9]))
    assert "header" not in run("train", named, *QUICK).err


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("@RELATION x\n\n@ATTRIBUTE len NUMERIC\n@DATA\n1\n", "an ARFF file"),
        ("% a\n%\n\n% c\n" * 90 + "@relation 'x'\n", "an ARFF file"),
        ("1 1:0.5 3:2\n-1 2:1 5:1e-3\n", "LIBSVM text"),
        ("-1.5 qid:3 1:0.5 3:-2 # a comment\n", "LIBSVM text"),
    ],
)
def test_format_of_another_program_is_named(text: str, kind: str) -> None:
    with pytest.raises(DataError, match=f"^data.csv: not a CSV file but {kind}: save it as CSV$"):
        read(text)


@pytest.mark.parametrize("text", ["%,b\n1,2\n", "@relation,b\n1,2\n", "5 12:30\n6 13:45\n"])
def test_what_only_begins_alike_is_read(text: str) -> None:
    assert len(read(text, TableFormat(name_columns=default_names))[1]) == 2


def test_columns_that_predict_wrote_are_noted_as_features(run: Run) -> None:
    run("train", IRIS, *QUICK)
    run("predict", IRIS, "-o", "predictions.csv")
    note = (
        "columns 'predicted', 'p(setosa)', 'p(versicolor)', 'p(virginica)' and 2 more are learned "
        "from, and predict writes columns of such names: if they hold predictions, leave them out "
        "with --ignore"
    )
    ending = run("train", "predictions.csv", *QUICK, "-t", "species")
    assert note.replace(" and 2 more", " and 1 more") in ending.err or note in ending.err
    assert "predict writes" not in run("train", IRIS, *QUICK).err
    with_p = "x,predicted,y\n" + "1,2,a\n2,3,b\n" * 9
    assert "predict writes" not in run("train", "-", *QUICK, stdin=with_p).err


def test_read_csv_reads_each_form(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("len  wid kind\n 1.5    2    a\n")
    assert [*minnet.read_csv(path).columns] == ["len", "wid", "kind"]
