"""What `import minnet` offers: documented with examples that run, and the same as the commands."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import minnet
from minnet.errors import PackageError
from tests import measure
from tests.helpers import IRIS, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers import Run

FUNCTIONS = [name for name in dir(minnet) if inspect.isfunction(getattr(minnet, name))]
# Their examples need a cluster, or files that are not here.
MODULES = [name for name in measure.sources() if not name.startswith(("minnet.dask", "minnet.__"))]
PLAIN = ("model", "evaluation", "explanation", "importance", "path", "ax")
QUICK: dict[str, Any] = {"networks": 3, "epochs": 3}
ODD = "id;x;y\n" + "".join(f"{k};{k % 7},5;{'ab'[k % 2]}\n" for k in range(40)) + ";;NA\n9;1;a\n"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_says_what_it_returns_and_shows_it(name: str) -> None:
    text = inspect.getdoc(getattr(minnet, name)) or ""
    assert "\nReturns\n-------\n" in text
    assert "\nExamples\n--------\n>>> " in text
    for parameter in inspect.signature(getattr(minnet, name)).parameters:
        assert parameter in text or parameter in PLAIN


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_give_what_they_show(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    loaded = importlib.import_module(module)
    assert doctest.testmod(loaded).failed == 0


def test_the_new_names_are_offered() -> None:
    assert {"train", "seeds", "check", "page", "export", "tune", "explain"} <= {*FUNCTIONS}


@pytest.mark.parametrize("command", ["train", "tune"])
def test_notes_of_a_model_are_what_the_command_prints(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "odd.csv").write_text(ODD)
    arguments = ("--networks", 3, "--epochs", 3) + ("--budget", 2) * (command == "tune")
    err = run(command, "odd.csv", "--target", "y", *arguments).err
    printed = [line.removeprefix("note: ") for line in err.splitlines() if line.startswith("note")]
    model = (
        minnet.train("odd.csv", "y", **QUICK)
        if command == "train"
        else minnet.tune("odd.csv", "y", trials=2, **QUICK).model
    )
    assert [*model.notes] == printed
    assert len(printed) == 3
    assert capsys.readouterr() == ("", "")


def test_a_loaded_model_has_no_notes(tmp_path: Path) -> None:
    model = minnet.train(IRIS, "species", **QUICK)
    minnet.save(model, tmp_path / "model.json")
    assert model.notes
    assert minnet.load(tmp_path / "model.json").notes == ()


def test_seeds_and_check_are_those_of_the_commands(run: Run) -> None:
    study = minnet.seeds(IRIS, "species", ignore="petal_width", hidden=3, **QUICK)
    quick = ("--networks", 3, "--epochs", 3, "--hidden", 3, "--ignore", "petal_width")
    document = json.loads(run("seeds", IRIS, *quick, "--json").out)
    np.testing.assert_allclose([seed["holdout_loss"] for seed in document["seeds"]], study.losses)
    assert len(minnet.seeds(IRIS, "species", epochs=1, hidden=2)) == 100
    checked = minnet.check(IRIS, "species", ignore="petal_width", hidden=3, seed=1)
    said = run("check", IRIS, "--ignore", "petal_width", "--hidden", 3, "--seed", 1).out
    assert f"{len(checked.names):,} parameters" in said
    assert f"{checked.relative_error:.1e} = " in said
    assert f"{checked.rows} of {checked.available} rows" in said


def test_page_and_export_write_what_the_commands_write(with_iris_model: Run) -> None:
    model = minnet.load("model.json")
    with_iris_model("page", IRIS, "-o", "a.html")
    with_iris_model("export", "-o", "a.onnx")
    minnet.page(model, "b.html", IRIS)
    minnet.export(model, "b.onnx")
    for ending in ("html", "onnx"):
        with open(f"a.{ending}", "rb") as a, open(f"b.{ending}", "rb") as b:
            assert a.read() == b.read() != b""


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_predictions_become_frames(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = minnet.train(IRIS, "species", **QUICK)
    predictions = minnet.predict(model, IRIS)
    make: Callable[[], Any] = getattr(predictions, f"to_{package}")
    frame = make()
    assert type(frame).__module__.startswith(package)
    classes = [f"p({name})" for name in model.class_names]
    assert [*frame.columns] == ["predicted", *classes, "spread", "caution"]
    assert [*frame["predicted"]] == predictions.predicted
    np.testing.assert_array_equal(frame["p(virginica)"], predictions.probabilities[:, 2])
    assert [*frame["caution"]] == ["; ".join(reasons) for reasons in predictions.cautions]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PackageError, match=f"this needs the package {package}: pip install it"):
        make()
