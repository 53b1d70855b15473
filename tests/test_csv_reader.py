from __future__ import annotations

import codecs
import csv
import io
import signal
from contextlib import nullcontext
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minnet.data import csv as csv_reader
from minnet.data import csv as text_source
from minnet.data.cells import USUAL, TableFormat, default_names, parse_number
from minnet.data.csv import LINES_AT_ONCE, Block, CsvReader, RowParser
from minnet.data.table import Table
from minnet.errors import DataError, MinnetError
from tests.helpers import chunks_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

BOM = "\N{BYTE ORDER MARK}"
IRIS = "5.1,3.5,1.4,0.2,Iris-setosa\n4.9,3.0,1.4,0.2,Iris-setosa\n"


def open_csv(data: str | bytes, *, header: bool = True) -> CsvReader:
    data = data.encode() if isinstance(data, str) else data
    return CsvReader(
        io.BytesIO(data), "data.csv", TableFormat(name_columns=None if header else default_names)
    )


def read(
    data: str | bytes, *, header: bool = True, rows_at_once: int = csv_reader.LINES_AT_ONCE
) -> tuple[list[str], list[list[str]], list[int]]:
    """Names, rows, and the line each row starts on."""
    reader = open_csv(data, header=header)
    chunks = list(chunks_of(reader, rows_at_once))
    return reader.names, rows_of(chunks), [line for chunk in chunks for line in chunk.lines]


def refusal(data: str | bytes, *, header: bool = True) -> str:
    with pytest.raises(DataError) as error:
        read(data, header=header)
    return str(error.value)


@pytest.fixture
def half_a_second() -> Iterator[None]:
    """Fail rather than hang."""

    def stop(*_: object) -> NoReturn:
        pytest.fail("still not done after half a second")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiter_is_the_one_the_first_line_has_most_of(delimiter: str) -> None:
    lines = [["a", "b", "c"], ["1,5;2", "x\ty", "z"]]
    cells = [[f'"{cell}"' if delimiter in cell else cell for cell in line] for line in lines]
    text = "\n".join(delimiter.join(line) for line in cells)
    reader = open_csv(text)
    assert reader.parser.delimiter == delimiter
    assert rows_of(chunks_of(reader)) == lines[1:]


def test_delimiters_inside_quotes_of_the_header_do_not_count() -> None:
    names, rows, _ = read('"a;b;c;d",e\n1,2\n')
    assert (names, rows) == (["a;b;c;d", "e"], [["1", "2"]])


def test_delimiters_before_a_quoted_newline_in_the_header_do_not_count() -> None:
    names, rows, lines = read('"a;b;c\nd;e",f\n1,2\n')
    assert (names, rows, lines) == (["a;b;c\nd;e", "f"], [["1", "2"]], [3])


def test_delimiters_after_a_quoted_newline_in_the_header_count() -> None:
    names, rows, lines = read('\n"a\nb";c\n1;2\n')
    assert (names, rows, lines) == (["a\nb", "c"], [["1", "2"]], [4])


def test_lines_of_spaces_are_skipped() -> None:
    names, rows, lines = read("a,b\n1,2\n   \n3,4\n\t\n")
    assert (names, rows, lines) == (["a", "b"], [["1", "2"], ["3", "4"]], [2, 4])


def test_a_stray_quote_in_the_header_leaves_the_line_numbers_right() -> None:
    names, rows, lines = read('a",b\n1,2\n3,4\n')
    assert (names, rows, lines) == (['a"', "b"], [["1", "2"], ["3", "4"]], [2, 3])


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("mark", ["", BOM], ids=["", "BOM"])
@pytest.mark.parametrize("end", ["", "\n"], ids=["", "final-newline"])
def test_line_ends_and_byte_order_mark_change_nothing(newline: str, mark: str, end: str) -> None:
    text = mark + "a,b\n1,2\n3,4" + end
    names, rows, lines = read(text.replace("\n", newline))
    assert (names, rows, lines) == (["a", "b"], [["1", "2"], ["3", "4"]], [2, 3])


def test_quoted_cells_hold_delimiters_newlines_and_quotes() -> None:
    _, rows, _ = read('a,b\n"1,5","say ""hi""\r\nthere"\n"",x\n')
    assert rows == [["1,5", 'say "hi"\r\nthere'], ["", "x"]]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_rows_know_their_physical_line(newline: str) -> None:
    text = 'a,b\n\n"x\ny\n",1\n\n\n2,3\n4,"\n"\n5,6\n'.replace("\n", newline)
    _, rows, lines = read(text)
    assert [row[0].replace(newline, "|") for row in rows] == ["x|y|", "2", "4", "5"]
    assert lines == [3, 8, 9, 11]


def test_blank_lines_before_the_header_are_skipped_and_counted() -> None:
    names, rows, lines = read("\n\r\na,b\n\n1,2\n")
    assert (names, rows, lines) == (["a", "b"], [["1", "2"]], [5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", "data.csv:3: 1 cell, but there are 2 columns"),
        ("a,b,c\n1,2\n", "data.csv:2: 2 cells, but there are 3 columns"),
        ("a,b\n1.5,2,3\n", "data.csv:2: 3 cells, but there are 2 columns"),
        ("a,b\n1,2,\n1,2\n", "data.csv:2: 3 cells, but there are 2 columns"),
        ('a,b\n"x\ny",2\n\n3\n', "data.csv:5: 1 cell, but there are 2 columns"),
        ('a,b\n1,2\n"x\ny"\n', "data.csv:3: 1 cell, but there are 2 columns"),
    ],
)
def test_ragged_row_is_refused_with_its_line(text: str, message: str) -> None:
    assert refusal(text) == message


def test_ragged_row_in_a_late_chunk_is_refused_with_its_line() -> None:
    assert refusal("a,b\n" + "1,2\n" * 9000 + "3\n").startswith("data.csv:9002: 1 cell,")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,b,a\n1,2,3\n",
            "data.csv:1: two columns are named 'a': rename one, or, if the file has no header "
            "line, train with --no-header",
        ),
        ("a,,c\n1,2,3\n", "data.csv:1: column 2 has no name in the header"),
        ("a,b, \n1,2,3\n", "data.csv:1: column 3 has no name in the header"),
        ("\n\na,b,\n1,2,3\n", "data.csv:3: column 3 has no name in the header"),
    ],
)
def test_header_with_repeated_or_empty_names_is_refused(text: str, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(
    "first_line", [IRIS, "1,2.5,a\n", "3.5,7\n", "inf,x,y\n", "x,-3,y\n", "0,1,9,a\n"]
)
def test_first_line_that_looks_like_data_is_refused_with_advice(first_line: str) -> None:
    message = refusal(first_line)
    assert message.startswith("data.csv:1: the first line looks like data (")
    assert "--no-header" in message


def test_refusal_of_a_header_with_a_newline_is_one_line() -> None:
    assert len(refusal('"x\ny",5.5\n').splitlines()) == 1


def test_file_without_header_keeps_its_first_row_and_names_the_columns() -> None:
    names, rows, lines = read(IRIS, header=False)
    assert names == ["column1", "column2", "column3", "column4", "column5"]
    assert rows == [line.split(",") for line in IRIS.splitlines()]
    assert lines == [1, 2]


def test_file_without_header_may_have_been_given_the_names_it_would_get() -> None:
    assert read("column1,column2\n1,2\n", header=False) == (
        ["column1", "column2"],
        [["1", "2"]],
        [2],
    )


def test_file_without_header_may_repeat_values_in_its_first_row() -> None:
    assert read("p,x,p\n", header=False)[1] == [["p", "x", "p"]]


@pytest.mark.parametrize("header", ["0,1,2,label", "1,2,3,label", "id,1,2,label", "0", "1"])
def test_column_positions_are_accepted_as_names(header: str) -> None:
    names = header.split(",")
    assert read(header + "\n" + ",".join("x" for _ in names) + "\n")[0] == names


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("a,b\n1,2\nné,4\n".encode("latin-1"), 3),
        (b"\xff,b\n1,2\n", 1),
        (b'a,b\n"x\n\ny\x80",2\n', 4),
        (b"a,b\n" + b"1,2\n" * 20_000 + b"\xe9,4\n" + b"1,2\n" * 9, 20_002),
        (b"a,b\n\xed\xa0\x80,2\n", 2),
    ],
    ids=["latin-1", "header", "quoted", "late", "surrogate"],
)
def test_text_that_is_not_utf_8_is_refused_with_its_line(data: bytes, line: int) -> None:
    assert refusal(data).startswith(f"data.csv:{line}: not UTF-8 text")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\x03\x04\x14\0", "a zip archive or an Excel workbook"),
        (b"\x28\xb5\x2f\xfd\x04", "compressed with zstd"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16 text"),
        (codecs.BOM_UTF16_BE + "a,b\n1,2\n".encode("utf-16-be"), "UTF-16 text"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"\n <!DOCTYPE html>\n<html>", "a web page"),
        (b'[\n {"a": 1}\n]', "JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "JSON"),
        (b'{\n "format": "minnet-model",\n "version": 1', "a minnet model"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_file_of_another_kind_is_recognised(data: bytes, kind: str) -> None:
    assert refusal(data).startswith(f"data.csv: not a CSV file but {kind}")


def test_utf_8_beyond_ascii_is_kept() -> None:
    assert read("größe,鳥\n½,🐧\n")[:2] == (["größe", "鳥"], [["½", "🐧"]])


@pytest.mark.parametrize(("text", "line"), [("a,b\n1,\0\n", 2), ("\0", 1), ('a\n"\n\0"\n', 3)])
def test_nul_byte_is_refused_with_its_line(text: str, line: int) -> None:
    assert refusal(text).startswith(f"data.csv:{line}: a NUL byte")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b\n1,2\n"3,4\n5,6\n', 3),
        ('a,b\n"x\ny",2\n\n3,"4\n5,6\n7,8', 5),
        ('a,b\n1,2\n"x\ny","3,4\n5,6\n', 3),
        ('a,b\r\n1,2\r\n"x\r\ny","3 ""4""\r\n5,6\r\n7,8\r\n', 3),
        ('a,b\r"x\ry","\r\r', 2),
        ('a,b\n1,2\n3,"', 3),
        ("a,b\n" + "1,2\n" * 999 + '3,"4\n' + "5,6\n" * 20_000, 1001),
        ('a,"b\n1,2\n', 1),
        ('\n\n"a,b\n1,2\n', 3),
    ],
    ids=[
        "data",
        "row-after-quoted-newline",
        "cell-after-quoted-newline",
        "CRLF",
        "CR",
        "at-the-end",
        "far-from-the-end",
        "header",
        "header-after-blank",
    ],
)
def test_quote_that_is_never_closed_is_refused_with_the_line_where_its_row_starts(
    text: str, line: int
) -> None:
    broken = "the row that starts here is broken: a quote is never closed"
    assert refusal(text) == f"data.csv:{line}: {broken}"


def test_broken_quoting_is_refused_naming_where_its_row_starts() -> None:
    assert refusal('a,b\n1,2\n"x"y,3\n').startswith(
        "data.csv:3: the row that starts here is broken: "
    )


@pytest.mark.parametrize("text", ["", BOM, "\n", "\r\n\r\n", "  \n\t\n"])
@pytest.mark.parametrize("header", [True, False])
def test_file_without_content_is_refused(text: str, header: bool) -> None:
    assert refusal(text, header=header) == "data.csv: the file is empty"


def test_header_alone_gives_no_rows() -> None:
    assert read("a,b\n") == (["a", "b"], [], [])


def test_endless_line_is_refused_before_all_of_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_source, "LONGEST_LINE", 1000)
    file = io.BytesIO(b"a,b\n" + b"x" * 1_000_000)
    with pytest.raises(DataError, match=r"data.csv:2: a line of over 1,000 characters"):
        list(chunks_of(CsvReader(file, "data.csv")))
    assert file.tell() < 100_000


def test_line_that_is_just_short_enough_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_source, "LONGEST_LINE", 1000)
    assert read("a\n" + "x" * 999 + "\n")[1] == [["x" * 999]]
    assert refusal("a\n" + "x" * 1000 + "\n").startswith("data.csv:2: a line of over 1,000")


def test_cell_that_is_far_too_long_is_refused_with_its_line() -> None:
    assert refusal("a,b\n1,2\n" + "x" * 200_000 + ",4\n") == (
        "data.csv:3: the row that starts here is broken: a cell of over 131,072 characters: is a "
        "quote not closed?"
    )


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("0", 0.0),
        ("-1", -1.0),
        ("+2.50", 2.5),
        (".5", 0.5),
        ("5.", 5.0),
        (" 7 ", 7.0),
        ("1e3", 1000.0),
        ("1E-3", 0.001),
        ("007", 7.0),
        ("1e309", float("inf")),
        ("-inf", float("-inf")),
        ("Infinity", float("inf")),
        ("9" * 400, float("inf")),
        ("1_000", None),
        ("1,5", None),
        ("1 000", None),
        ("٣", None),  # a digit of another script
        ("１", None),  # noqa: RUF001  # a full-width digit is what is tested
        ("½", None),
        ("0x10", None),
        ("\xa01\u2003", 1.0),
        ("0\x1f", None),  # a space to `str.strip`, not to `float`
        ("\x1c0", None),
        ("1e", None),
        ("e5", None),
        (".", None),
        ("+", None),
        ("", None),
        ("--1", None),
        ("1.2.3", None),
        ("nan", None),
        ("infinit", None),
        ("true", None),
        ("1j", None),
    ],
)
def test_number_is_what_a_person_would_call_one(cell: str, number: float | None) -> None:
    assert parse_number(cell) == number


@given(st.floats(allow_nan=False))
def test_every_float_is_read_back_exactly(number: float) -> None:
    assert parse_number(repr(number)) == number
    assert parse_number(f"{number:.17e}") == number


@given(st.text("0123456789+-.eEinfINFtyx_ \t") | st.text())
def test_parse_number_never_disagrees_with_float(cell: str) -> None:
    number = parse_number(cell)
    assert number is None or number == float(cell)


@pytest.mark.usefixtures("half_a_second")
def test_many_digits_before_a_letter_are_soon_told_from_a_number() -> None:
    assert parse_number("1" * 20_000 + "x") is None


@pytest.mark.parametrize(
    ("cell", "missing"),
    [(cell, True) for cell in ["", " ", "NA", "N/A", "NaN", "nan", "null", "None", "?", " NA "]]
    + [(cell, False) for cell in ["0", "-", "no", "NaNa", "nil", "??", "Null Island", "."]],
)
def test_missing_cells_are_told_apart(cell: str, missing: bool) -> None:
    assert USUAL.is_missing(cell) is missing


@given(
    st.lists(
        st.floats().map(str)
        | st.integers().map(str)
        | st.sampled_from(
            ["", "NA", " 7 ", "1e309", "-nan", "inf", "1_0", "٣", " NA", "a", "1e308"]
        )
    )
)
def test_numbers_read_many_at_once_are_those_read_cell_by_cell(cells: list[str]) -> None:
    numbers = [float("nan") if USUAL.is_missing(cell) else parse_number(cell) for cell in cells]
    at_once = USUAL.plain_numbers(cells)
    plain = None not in numbers and float("inf") not in numbers and float("-inf") not in numbers
    assert plain or at_once is None
    assert at_once is None or repr(at_once.tolist()) == repr(numbers)


def test_plain_numbers_and_missing_cells_are_read_many_at_once() -> None:
    cells = ["1", " -2.5e3 ", "", "NA", "1e308", "1e308", "?"]
    at_once = USUAL.plain_numbers(cells)
    assert at_once is not None
    assert repr(at_once.tolist()) == "[1.0, -2500.0, nan, nan, 1e+308, 1e+308, nan]"
    assert USUAL.plain_numbers(["1", "2"]) is not None


text_cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
tricky_cells = st.text('",;\t\r\n \N{BYTE ORDER MARK}\x85\u2028\x1cx1', max_size=6)
csv_cells = text_cells | tricky_cells


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    name = csv_cells.filter(lambda name: name.strip() and parse_number(name) is None)
    names = draw(st.lists(name, min_size=2, max_size=5, unique=True))
    row = st.lists(csv_cells, min_size=len(names), max_size=len(names))
    return names, draw(st.lists(row, max_size=8))


def written(
    rows: list[list[str]], delimiter: str = ",", line_end: str = "\r\n", *, quote_all: bool = False
) -> str:
    file = io.StringIO(newline="")
    csv.writer(
        file,
        delimiter=delimiter,
        lineterminator=line_end,
        quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
    ).writerows(rows)
    return file.getvalue()


@given(
    table=tables(),
    delimiter=st.sampled_from(",;\t"),
    # Before Python 3.13, the csv module quotes a cell with \r only if \r is in the line end.
    form=st.sampled_from([("\r\n", False), ("\r\n", True), ("\n", True), ("\r", True)]),
    mark=st.sampled_from(["", BOM]),
    rows_at_once=st.integers(1, 9),
)
def test_table_written_by_the_csv_module_is_read_back_cell_for_cell(
    table: tuple[list[str], list[list[str]]],
    delimiter: str,
    form: tuple[str, bool],
    mark: str,
    rows_at_once: int,
) -> None:
    names, rows = table
    line_end, quote_all = form
    # The first line alone tells the delimiter, so no other may stand in it unquoted.
    assume(delimiter == "," or not {"\n", "\r"} & set("".join(names)))
    header = written([names], delimiter, line_end, quote_all=True)
    text = mark + header + written(rows, delimiter, line_end, quote_all=quote_all)

    assert read(text, rows_at_once=rows_at_once)[:2] == (names, rows)


@given(st.lists(csv_cells))
def test_single_column_written_by_the_csv_module_is_read_back_cell_for_cell(
    cells: list[str],
) -> None:
    rows = [[cell] for cell in cells]
    assert read(written([["a"], *rows]))[1] == rows


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_in_one_line_that_names_the_file(data: bytes) -> None:
    try:
        names, rows, lines = read(data)
    except DataError as error:
        message = str(error)
    else:
        message = "data.csv: read"
        assert len(rows) == len(lines)
        assert all(len(row) == len(names) for row in rows)
    assert message.startswith("data.csv:")
    assert len(message.splitlines()) == 1


@given(rows=st.lists(st.lists(csv_cells, min_size=2, max_size=2)), rows_at_once=st.integers(1, 5))
def test_size_of_the_chunks_changes_nothing(rows: list[list[str]], rows_at_once: int) -> None:
    text = written([["a", "b"], *rows])
    assert read(text, rows_at_once=rows_at_once) == read(text)


@pytest.mark.parametrize(("text", "header"), [("a\n" + "1\n" * 10, True), ("1\n" * 10, False)])
def test_chunks_have_the_size_asked_for(text: str, header: bool) -> None:
    sizes = [len(chunk.lines) for chunk in chunks_of(open_csv(text, header=header), 4)]
    assert sizes == [4, 4, 2]


class Terminal(io.RawIOBase):
    """Gives its lines one by one, then the end (Ctrl-D) whenever it is asked again."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = [*lines]
        self.ends = 0

    def readable(self) -> bool:
        return True

    def read(self, _: int = -1) -> bytes:
        if self.lines:
            return self.lines.pop(0)
        self.ends += 1
        return b""


def test_end_of_input_is_asked_for_no_more_than_twice() -> None:
    terminal = Terminal(b"a,b\n", b"1,2\n", b"3,4\n")
    reader = CsvReader(terminal, "standard input")
    assert [chunk.columns for chunk in chunks_of(reader)] == [[("1", "3"), ("2", "4")]]
    assert terminal.ends <= 2


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 8, 2**16])
def test_size_of_the_blocks_changes_nothing(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_source, "CHARACTERS_AT_ONCE", at_once)
    names, rows, lines = read('\na,b\r\n1,"x\r\ny"\r\n\r\né,\n"",4')
    assert (names, lines) == (["a", "b"], [3, 6, 7])
    assert rows == [["1", "x\r\ny"], ["é", ""], ["", "4"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ['5" pipe', 'width "', ' "a" or "b"'])
def test_quote_inside_a_name_begins_no_quoted_cell(name: str, delimiter: str) -> None:
    lines = [[name, "b", '"c\nd"'], ["1", '5" pipe', '"two\nlines"'], ["2", "x", "y"]]
    text = "\n".join(delimiter.join(row) for row in lines)
    names, rows, numbers = read(text.encode())
    assert names == [name.strip(), "b", "c\nd"]
    assert rows == [["1", '5" pipe', "two\nlines"], ["2", "x", "y"]]
    assert numbers == [3, 5]


PLAIN_ROWS = "1.5,x\n-2e3,y y\n" * LINES_AT_ONCE
PLAIN_FORM = TableFormat(text={"b", "2"}, numbers={"a", "1"})


def table_of(text: str, monkeypatch: pytest.MonkeyPatch) -> Table:
    """A table of which all but the first lines may be read as plain ones."""
    monkeypatch.setattr("minnet.data.table.BLOCKS_ALONE", 1)
    reader = CsvReader(io.BytesIO(text.encode()), "data.csv", PLAIN_FORM)
    return Table.from_files([nullcontext(reader)], "data.csv", PLAIN_FORM)


@pytest.mark.parametrize("names", ["a,b", "1,2"])
@pytest.mark.parametrize(
    "odd",
    [
        *(
            "7,z\n",
            " 7 ,z\n",
            "7,\n",
            "7,\xe9\n",
            "7,z\r\n",
            "7,z\r",
            "7, z \n",
            "\xa07,z\n",
            "-0,z\n",
        ),
        *('7,"a,b"\n', '7,"a\nb"\n', '7,5" pipe\n', '7,"z\n', "7,'z\n", "#7,z\n"),
        *("\n", " \n", "a,b\n", " a,b\n", "NA,z\n", ",z\n", "nan,z\n", "-nan,z\n"),
        *(
            "inf,z\n",
            "1e999,z\n",
            "true,z\n",
            "1_0,z\n",
            "0x1,z\n",
            "x,z\n",
            "9007199254740993,z\n",
        ),
        *("7\n", "7,z,\n", "7,z,8\n", f"7,{'z' * 140_000}\n"),
    ],
)
def test_plain_lines_are_read_as_the_csv_module_reads_them(
    odd: str, names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{names}\n{PLAIN_ROWS}{odd.replace('a,b', names)}{PLAIN_ROWS}"

    def read() -> object:
        try:
            table = table_of(text, monkeypatch)
        except MinnetError as error:
            return str(error)
        columns = [repr(vars(one)) for one in table.columns.values()]
        return table.lines.tolist(), columns, table.repeated_headers

    plain = read()
    monkeypatch.setattr(RowParser, "plain_chunk", lambda *_: None)
    assert plain == read()


@pytest.mark.parametrize(("line", "blocks"), [("", 1), ('7,"z"\n', 2)])
def test_only_blocks_that_are_not_plain_are_left_to_the_csv_module(
    line: str, blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    split: list[Block] = []
    real = RowParser.split
    monkeypatch.setattr(
        RowParser, "split", lambda parser, block: (split.append(block), real(parser, block))[1]
    )
    table = table_of(f"a,b\n{PLAIN_ROWS}{line}{PLAIN_ROWS}", monkeypatch)
    assert len(table) == 4 * LINES_AT_ONCE + bool(line)
    assert len([block for block in split if len(block.text) > 1]) == blocks
