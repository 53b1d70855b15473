from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import onnxruntime
import pytest

import minnet
from minnet.onnx import export
from tests.helpers import IRIS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Run


def test_export_writes_what_the_library_exports(with_iris_model: Run, tmp_path: Path) -> None:
    ending = with_iris_model("export")
    told = "wrote model.onnx: from 4 columns to label, probabilities, spread\n"
    assert (ending.code, ending.out, ending.err) == (0, "", told)
    model = minnet.load(tmp_path / "model.json")
    written = (tmp_path / "model.onnx").read_bytes()
    assert written == export(model).SerializeToString()
    assert with_iris_model("export", "-o", "again.onnx", "-q").err == ""
    assert (tmp_path / "again.onnx").read_bytes() == written


def test_exported_file_runs_without_minnet(with_iris_model: Run, tmp_path: Path) -> None:
    assert with_iris_model("export", "--model", "model.json", "--output", "flowers").code == 0
    session = onnxruntime.InferenceSession(tmp_path / "flowers")
    names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    flower = dict(zip(names, ([[5.1]], [[3.5]], [[1.4]], [[0.2]]), strict=True))
    assert session.run(["label"], flower)[0] == ["setosa"]


def test_export_replaces_an_earlier_export(with_iris_model: Run, tmp_path: Path) -> None:
    assert with_iris_model("export").code == 0
    assert with_iris_model("train", IRIS, "--epochs", 1, "--networks", 2, "-q").code == 0
    before = (tmp_path / "model.onnx").read_bytes()
    assert with_iris_model("export").code == 0
    assert (tmp_path / "model.onnx").read_bytes() != before


def test_another_ending_is_refused(with_iris_model: Run, tmp_path: Path) -> None:
    ending = with_iris_model("export", "-o", "x.txt")
    says = "Error: x.txt: its name must end in .onnx (see `minnet export --help`)"
    assert (ending.code, ending.only_error) == (2, says)
    assert not (tmp_path / "x.txt").exists()


def test_missing_package_is_one_line(
    with_iris_model: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "minnet.onnx")
    monkeypatch.delattr(minnet, "onnx")
    ending = with_iris_model("export")
    says = "Error: this needs the package onnx: pip install '.[onnx]' in a clone of minnet"
    assert (ending.code, ending.only_error) == (1, says)
    assert not (tmp_path / "model.onnx").exists()
