"""Files that are not the model they should be, or a model that means harm."""

from __future__ import annotations

import io
import json
import os
import pickle
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from minnet.errors import ModelError
from minnet.model.document import LARGEST_FILE, from_bytes
from tests.bad_inputs.helpers import MODEL_READERS, error_of, finish, minnet, with_data
from tests.helpers import IRIS
from tests.test_model_file import DATA, edited

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.bad_inputs.helpers import Refused
    from tests.helpers import Run

    Write = Callable[[str, bytes], Path]

NOT_A_MODEL = "not a usable minnet model: "


class Harm:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("harm",)


def archive(**parts: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in parts.items():
            zipped.writestr(name, content)
    return file.getvalue()


def saved_by_numpy() -> bytes:
    file = io.BytesIO()
    np.savez(file, weights=np.ones(3))
    return file.getvalue()


CASES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is not JSON"),
    "text": (b"sepal_length,species\n5.1,setosa\n", "it is not JSON"),
    "random": (bytes(range(256)) * 10, "it is not JSON"),
    "pickle": (pickle.dumps(Harm()), "it is not JSON"),
    "npz": (saved_by_numpy(), "it is not JSON"),
    "zip-bomb": (archive(model=b"\0" * 50_000_000), "it is not JSON"),
    "zeros": (b"\0" * 1_000_000, "it is not JSON"),
    "half": (DATA[: len(DATA) // 2], "it is not JSON"),
    "trailing": (DATA + b"{}", "it is not JSON"),
    "other-json": (b'{"a": 1}', 'it does not say "format": "minnet-model"'),
    "list": (b"[1, 2]", "it is not a JSON object"),
    "deep": (b"[" * 200_000, "it is nested too deeply"),
    "deep-inside": (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "it is nested too deeply"),
    "many-digits": (b'{"a": ' + b"9" * 20_000 + b"}", "a whole number in it has 20,000 digits"),
    "nan": (DATA.replace(b'"seed": 7', b'"seed": NaN'), "NaN is not a finite number"),
    "key-twice": (b'{"a": 1, "a": 1}', "a key stands in it twice"),
    "newer": (edited({("version",): 2}), "written by a newer minnet"),
    "newer-and-damaged": (DATA.replace(b'"version": 1', b'"version": 2'), "upgrade minnet"),
    "damaged": (DATA.replace(b'"seed": 7', b'"seed": 8'), "the checksum does not match"),
    "key-too-many": (edited({("run",): "import os"}), "the file has an unknown key 'run'"),
    "shape-lies": (edited({("settings", "networks"): 9_999}), "is not of shape (9999, 4)"),
    "control": (edited({("format",): "\x1b[2J"}), 'it does not say "format"'),
    "nasty-key": (edited({("\x1b[2J\n",): 1}), "unknown key '\\x1b[2J\\n'"),
    "long-key": (edited({("x" * 100_000,): 1}), "the file has an unknown key"),
}


@pytest.mark.parametrize("case", CASES)
def test_file_that_is_no_model_is_refused(refused: Refused, write: Write, case: str) -> None:
    content, says = CASES[case]
    write("bad.json", content)
    refused("show", "-m", "bad.json", says=says)
    refused("predict", IRIS, "-m", "bad.json", says=f"bad.json: {NOT_A_MODEL}")


@pytest.mark.parametrize("command", list(MODEL_READERS))
@pytest.mark.parametrize("case", ["half", "newer"])
def test_every_command_refuses_it(refused: Refused, write: Write, command: str, case: str) -> None:
    content, says = CASES[case]
    write("bad.json", content)
    refused(*with_data(MODEL_READERS[command], IRIS), "-m", "bad.json", says=says)


@pytest.mark.parametrize("command", list(MODEL_READERS))
def test_every_command_names_a_missing_model(refused: Refused, command: str) -> None:
    says = "none.json: there is no such model: `minnet train` writes one"
    refused(*with_data(MODEL_READERS[command], IRIS), "-m", "none.json", says=says)


@pytest.mark.parametrize("command", list(MODEL_READERS))
def test_every_command_refuses_a_pipe_as_model_at_once(
    refused: Refused, tmp_path: Path, command: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    says = "pipe: cannot be read: a model is a regular file"
    refused(*with_data(MODEL_READERS[command], IRIS), "-m", "pipe", says=says)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (".", ".: cannot be read: Is a directory"),
        ("model.json/model.json", "cannot be read: Not a directory"),
        ("/dev/zero", "/dev/zero: cannot be read: a model is a regular file"),
        ("loop", "loop: cannot be read: "),
    ],
)
def test_place_without_a_model_is_refused_at_once(
    refused: Refused, tmp_path: Path, model: str, says: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    refused("show", "-m", model, says=says)


def test_file_that_is_far_too_long_is_refused_at_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 8_000_000_000)
    error = error_of(run("show", "-m", "sparse"))
    assert "sparse: not a usable minnet model: it is 8,000,000,000 bytes long" in error


def test_model_is_read_from_a_redirected_file(with_iris_model: Run, tmp_path: Path) -> None:
    with open(tmp_path / "model.json", "rb") as model:
        ending = finish(minnet("show", "-m", "/dev/stdin", cwd=tmp_path, stdin=model))
    assert ending.code == 0
    assert "trained on iris.csv" in ending.out


def test_weights_that_overflow_give_an_error_and_no_answer(
    refused: Refused, run: Run, write: Write, tmp_path: Path
) -> None:
    document = json.loads((tmp_path / "model.json").read_bytes())
    del document["checksum"]
    for layer in document["network"]["dense"]:
        layer["weights"] = (np.array(layer["weights"]) * 0 + 3e38).tolist()
    write("bad.json", json.dumps(document).encode())
    for command in ("predict", "evaluate"):
        refused(command, IRIS, "-m", "bad.json", says="no prediction is finite")


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": [' + b"[]," * 200_000 + b"[]]}",
        b'{"a": [' + b"{}," * 200_000 + b"{}]}",
        b'{"a": [' + b"0," * 500_000 + b"0]}",
        b'{"a": [' + b"1e5," * 300_000 + b"0]}",
        b'{"a": [' + b'"",' * 300_000 + b"0]}",
        b'{"a": "' + "é".encode() * 500_000 + b'\xf0\x9f\x90\xa7"}',
        b"{" + b",".join(b'"%d":0' % i for i in range(100_000)) + b"}",
        edited({("network", "means"): ["x" * 1_000_000, *["y"] * 200_000]}),
        edited({("network", "means"): [[0, 0, 0, "x" * 1_000_000]] * 2}),
        edited({("settings", "networks"): 10_000, ("settings", "hidden"): [10_000] * 50}),
        edited({("encoder", "columns", 1, "categories"): [str(i) for i in range(100_000)]}),
    ],
    ids=lambda data: repr(data[:12]) + str(len(data)),
)
def test_loading_takes_no_more_than_a_small_multiple_of_the_file(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ModelError):
            from_bytes(data, "model.json")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * len(data) + 1_000_000


def test_columns_that_a_model_claims_take_no_memory() -> None:
    names = {("encoder", "columns", 0, "name"): "column1", ("encoder", "target"): "column9"}
    claims: dict[tuple[str | int, ...], Any]
    claims = {("encoder", "columns", 1, "name"): "column2", ("encoder", "unnamed_columns"): 10**6}
    claims[("encoder", "group")] = ""
    claims[("folds", "groups")] = claims[("folds", "fold_of_group")] = None
    encoder = from_bytes(edited({**names, **claims}), "model.json").encoder
    tracemalloc.start()
    try:
        assert encoder.names_without_header(["5", "6"]) == ["column1", "column2"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_largest_file_is_far_below_what_fills_a_computer() -> None:
    assert LARGEST_FILE <= 2**30
