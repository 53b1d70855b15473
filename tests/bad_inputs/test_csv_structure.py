"""Files that are not the CSV they should be."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.bad_inputs.helpers import READERS, contents, error_of, finish, minnet, with_data
from tests.helpers import IRIS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.bad_inputs.helpers import Refused
    from tests.helpers import Run

HEADER, ROW = "sepal_length,sepal_width,petal_length,petal_width,species", "1,2,3,4,setosa"
TABLE = f"{HEADER}\n" + f"{ROW}\n" * 3
NOISE = (TABLE + "".join(f"{random.Random(row).random()},2,3,4,a\n" for row in range(99))).encode()
BOM = "\ufeff"


def damaged(data: bytes) -> bytes:
    """With a byte in the middle changed."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", TABLE)
    return file.getvalue()


CASES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "data.csv: the file is empty"),
    "mark-only": (BOM, "data.csv: the file is empty"),
    "newlines-only": ("\n\r\n\n", "data.csv: the file is empty"),
    "spaces-only": ("  \n\t\n", "data.csv: the file is empty"),
    "header-only": (HEADER, "data.csv: a header but no rows"),
    "header-and-blank-lines": (HEADER + "\n\n\n", "data.csv: a header but no rows"),
    "name-twice": (f"{HEADER},species\n{ROW},x\n", "data.csv:1: two columns are named 'species'"),
    "no-name": (f"{HEADER},\n{ROW},x\n", "data.csv:1: column 6 has no name in the header"),
    "no-header": ("5.1,3.5,setosa\n" * 3, "data.csv:1: the first line looks like data"),
    "short": (f"{TABLE}1,2,3\n", "data.csv:5: 3 cells, but there are 5 columns"),
    "long": (f"{TABLE}{ROW},5\n", "data.csv:5: 6 cells, but there are 5 columns"),
    "short-after-quoted-newlines": (
        f'{TABLE}1,2,3,4,"a\n\nb"\n1,2\n',
        "data.csv:8: 2 cells, but there are 5 columns",
    ),
    "short-after-carriage-returns": (
        f"{TABLE}1,2\n".replace("\n", "\r"),
        "data.csv:5: 2 cells, but there are 5 columns",
    ),
    "quote-never-closed": (
        f'{TABLE}1,2,3,4,"a\n{ROW}\n{ROW}\n',
        "data.csv:5: the row that starts here is broken: a quote is never closed",
    ),
    "text-after-quote": (f'{TABLE}1,2,3,4,"a"b\n', "data.csv:5: the row that starts here is"),
    "nul": (f"{TABLE}1,2,3,\0,a\n", "data.csv:5: a NUL byte"),
    "latin-1": (f"{TABLE}1,2,3,4,é\n".encode("latin-1"), "data.csv:5: not UTF-8 text"),
    "utf-16": (TABLE.encode("utf-16"), "data.csv: not a CSV file but UTF-16 text"),
    "utf-16-no-mark": (TABLE.encode("utf-16-le"), "data.csv:1: a NUL byte"),
    "gzip-cut": (gzip.compress(NOISE)[:-9], "data.csv: cannot be read as gzip: Compressed file"),
    "gzip-cut-soon": (b"\x1f\x8b", "data.csv: cannot be read as gzip: Compressed file"),
    "bzip2-cut": (bz2.compress(NOISE)[:-9], "data.csv: cannot be read as bzip2: Compressed fi"),
    "xz-cut": (lzma.compress(NOISE)[:-9], "data.csv: cannot be read as xz: Compressed file"),
    "gzip-damaged": (damaged(gzip.compress(NOISE)), "data.csv: cannot be read as gzip: "),
    "bzip2-damaged": (damaged(bz2.compress(NOISE)), "data.csv: cannot be read as bzip2: "),
    "xz-damaged": (damaged(lzma.compress(NOISE)), "data.csv: cannot be read as xz: "),
    "gzip-twice": (gzip.compress(gzip.compress(NOISE)), "data.csv: gzip inside gzip: unpack it"),
    "gzip-of-nothing": (gzip.compress(b""), "data.csv: the file is empty"),
    "gzip-of-json": (gzip.compress(b'{"a": 1}'), "data.csv: not a CSV file but JSON"),
    "gzip-of-short": (gzip.compress(f"{TABLE}1,2,3\n".encode()), "data.csv:5: 3 cells, but there"),
    "excel": (zipped(), "data.csv: not a CSV file but a zip archive or an Excel workbook"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "data.csv: not a CSV file but a PNG picture"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\n", "data.csv: not a CSV file but a PDF document"),
    "json": (json.dumps([{"a": 1, "b": 2}]), "data.csv: not a CSV file but JSON"),
    "json-lines": ('{"a": 1, "b": 2}\n{"a": 2, "b": 3}\n', "data.csv: not a CSV file but JSON"),
    "json-indented": (json.dumps({"a": [1, 2]}, indent=1), "data.csv: not a CSV file but JSON"),
    "html": (f"{BOM}\n<!DOCTYPE html>\n<p>no such file", "data.csv: not a CSV file but a web page"),
    "xml": ("<?xml version='1.0'?>\n<a/>\n", "data.csv: not a CSV file but an XML file"),
    "pickle": (b"\x80\x04\x95\x1a\0\0\0", "data.csv:1: not UTF-8 text"),
    "random": (random.Random(0).randbytes(10_000), "data.csv:1: "),
    "long-cell": (f"{TABLE}1,2,3,4," + "x" * 10_000_000, "data.csv:5: the row that starts here"),
    "long-line": (f"{TABLE}" + "1," * 12_000_000, "data.csv:5: a line of over 20,000,000 char"),
    "million-quotes": (f"{TABLE}" + '"' * 1_000_001, "data.csv:5: the row that starts here is"),
    "million-even-quotes": (f"{TABLE}" + '"' * 1_000_000, "data.csv:5: the row that starts here"),
    "million-cells": (f"{TABLE}" + "," * 1_000_000, "data.csv:5: 1,000,001 cells, but there"),
    "million-names": (",".join(f"a{i}" for i in range(500_000)) + ",a7\n", "two columns are named"),
}
ROWLESS = ("header-only", "header-and-blank-lines")  # one file of several may be so


@pytest.mark.parametrize(
    ("data", "case"),
    [
        *(("data.csv", case) for case in CASES),
        *(("*.csv", case) for case in CASES if case not in ROWLESS),
    ],
)
def test_file_that_cannot_be_read_is_refused(
    refused: Refused, write: Callable[[str, str | bytes], Path], data: str, case: str
) -> None:
    content, says = CASES[case]
    write("data.csv", content)
    if data != "data.csv":
        write("a.csv", TABLE)
    refused("train", data, "--target", "species", says=says)


@pytest.mark.parametrize("command", [name for name in READERS if name != "train"])
@pytest.mark.parametrize("case", ["header-only", "short", "excel"])
def test_every_command_refuses_it(
    refused: Refused, write: Callable[[str, str | bytes], Path], command: str, case: str
) -> None:
    content, says = CASES[case]
    write("data.csv", content)
    refused(*with_data(READERS[command], "data.csv"), says=says)


@pytest.mark.parametrize("command", list(READERS))
@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("none.csv", "none.csv: cannot be read: No such file or directory"),
        (".", ".: cannot be read: Is a directory"),
        ("-", "standard input: the file is empty"),
    ],
)
def test_place_without_a_table_is_refused(
    refused: Refused, command: str, data: str, says: str
) -> None:
    if command == "compare" and data == "-":
        pytest.skip("it reads DATA twice, so it takes no standard input")
    refused(*with_data(READERS[command], data), says=says)


@pytest.mark.parametrize("command", ["train", "seeds", "check", "tune", "compare"])
def test_model_is_no_table(refused: Refused, command: str) -> None:
    refused(*with_data(READERS[command], "model.json"), says="model.json: ")


@pytest.mark.parametrize("command", ["train", "predict", "evaluate"])
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_endless_device_is_refused_soon(refused: Refused, command: str, device: str) -> None:
    refused(command, device, says=f"{device}:")


@pytest.mark.parametrize("case", ["short", "nul", "gzip-cut", "html", "long-cell"])
def test_standard_input_is_refused_alike(refused: Refused, case: str) -> None:
    content, says = CASES[case]
    says = says.replace("data.csv", "standard input")
    refused("train", "-", "--target", "species", says=says, stdin=content)


def test_file_nobody_may_read_is_refused(
    refused: Refused, write: Callable[[str, str | bytes], Path]
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    write("data.csv", TABLE).chmod(0)
    refused("train", "data.csv", says="cannot be read: Permission denied")


def test_pipe_is_read_like_a_file(run: Run, tmp_path: Path) -> None:
    assert run("train", IRIS, "--epochs", "2", "-m", "a.json").code == 0
    os.mkfifo(tmp_path / "pipe")
    process = minnet("train", "pipe", "--epochs", "2", "-m", "b.json", cwd=tmp_path)
    (tmp_path / "pipe").write_bytes(IRIS.read_bytes())
    assert finish(process).code == 0
    other = (tmp_path / "a.json").read_bytes().replace(b'"iris.csv"', b'"pipe"')
    assert (tmp_path / "b.json").read_bytes().split(b"\n")[4:] == other.split(b"\n")[4:]


def test_input_that_ends_in_the_middle_is_refused(run: Run, tmp_path: Path) -> None:
    before = contents(tmp_path)
    table = IRIS.read_text()
    ending = run("train", "-", stdin=table[: table.rindex(",")])
    assert "standard input:151: 4 cells" in error_of(ending)
    assert contents(tmp_path) == before
