from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from minnet.data import csv as text_source
from minnet.data.csv import text_blocks
from minnet.data.table import read_csv
from minnet.errors import DataError
from tests.helpers import IRIS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Run

PACKERS = [gzip.compress, bz2.compress, lzma.compress]
packed = pytest.mark.parametrize("pack", PACKERS, ids=["gzip", "bzip2", "xz"])
Pack = "Callable[[bytes], bytes]"


def lines(data: bytes) -> list[str]:
    return [line for block in text_blocks(io.BytesIO(data), "data.csv") for line in block]


@packed
def test_compressed_table_is_recognised_by_its_content(tmp_path: Path, pack: Pack) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(pack(IRIS.read_bytes()))
    table, plain = read_csv(path), read_csv(IRIS)
    assert list(table.columns) == list(plain.columns)
    assert table["species"].spellings == plain["species"].spellings
    assert table["petal_width"].numbers.tolist() == plain["petal_width"].numbers.tolist()


def test_files_packed_one_after_the_other_are_read_as_one() -> None:
    assert lines(gzip.compress(b"a\n1\n") + gzip.compress(b"2\n")) == ["a\n", "1\n", "2\n"]


@packed
def test_byte_order_mark_and_encoding_are_those_of_what_is_inside(pack: Pack) -> None:
    assert lines(pack("\ufeffgröße\n½\n".encode())) == ["größe\n", "½\n"]
    with pytest.raises(DataError, match=r"data\.csv:2: not UTF-8 text"):
        lines(pack(b"a\n\xe9\n"))


@packed
def test_unpacking_takes_no_more_memory_than_some_blocks(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_source, "LARGE", 2**30)
    data = pack((b"1,2,3," * 100 + b"\n") * 1_000) * 50
    blocks = text_blocks(io.BytesIO(data), "data.csv")
    tracemalloc.start()
    try:
        assert sum(map(len, blocks)) == 50_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


@packed
def test_file_that_unpacks_to_far_more_than_its_size_is_refused(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_source, "LARGE", 100_000)
    assert len(lines(pack(b"1\n" * 49_000))) == 49_000
    with pytest.raises(DataError, match="over 500 times larger than its file: unpack it first"):
        lines(pack(b"1,2,3,4,5,6,7,8\n" * 100_000) * 10)


@packed
def test_bomb_is_refused_early(pack: Pack) -> None:
    packed = pack(b"1,2,a\n" * 150_000) * 40
    read: list[int] = []
    blocks = text_blocks(io.BytesIO(packed), "data.csv")
    with pytest.raises(DataError, match="over 500 times larger than its file: unpack it first"):
        read.extend(sum(map(len, lines)) for lines in blocks)
    assert sum(read) < 30_000_000


def test_error_of_the_disk_is_not_taken_for_a_damaged_file() -> None:
    class Broken(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 0:
                raise OSError(5, "Input/output error")
            return super().read1(10)

    with pytest.raises(DataError, match=r"^data\.csv: cannot be read: Input/output error$"):
        next(text_blocks(Broken(gzip.compress(b"a\n1\n")), "data.csv"))


@packed
def test_train_and_predict_take_a_compressed_table(run: Run, tmp_path: Path, pack: Pack) -> None:
    data = tmp_path / "iris.csv.packed"
    data.write_bytes(pack(IRIS.read_bytes()))
    assert run("train", data, "--epochs", 2).code == 0
    assert run("predict", data).out == run("predict", IRIS).out
    assert run("predict", "-", stdin=data.read_bytes()).out == run("predict", IRIS).out


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="this system has no such file")
@pytest.mark.parametrize("name", ["/proc/self/mem", "/proc/self/m[e]m"])
@pytest.mark.parametrize(
    "command",
    [["train"], ["evaluate"], ["predict"], ["predict", "-o", "out"], ["seeds"], ["page"]],
    ids=" ".join,
)
def test_read_error_is_told_of_the_file_that_is_read(
    with_iris_model: Run, command: list[str], name: str
) -> None:
    if name != "/proc/self/mem" and command == ["predict"]:
        pytest.skip("it needs a folder")
    error = with_iris_model(*command, name).only_error
    assert error == "Error: /proc/self/mem: cannot be read: Input/output error"
