from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from minnet import evaluate, importance, read_csv
from minnet.model.document import load
from minnet.plots import figure
from minnet.plots.figure import save
from minnet.plots.network import plot_network
from minnet.plots.regions import plot_regions
from minnet.plots.scores import plot_calibration, plot_confusion, plot_importance, plot_loss
from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Run

KINDS = {
    "loss": (),
    "confusion": (IRIS,),
    "calibration": (IRIS,),
    "regions": (IRIS,),
    "network": (),
    "seeds": (IRIS, "--networks", 3),
    "importance": (IRIS,),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_written_under_its_name(
    with_iris_model: Run, tmp_path: Path, kind: str
) -> None:
    ending = with_iris_model("plot", kind, *KINDS[kind])
    assert (ending.code, ending.out, ending.err) == (0, "", f"wrote {kind}.png\n")
    assert (tmp_path / f"{kind}.png").read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize(
    "kind", ["loss", "confusion", "calibration", "regions", "network", "importance"]
)
def test_each_kind_is_the_library_s_picture_of_that_name(
    with_iris_model: Run, tmp_path: Path, kind: str
) -> None:
    with_iris_model("plot", kind, *KINDS[kind], "-o", "command.svg")
    model, table = load("model.json"), read_csv(IRIS)
    axes = {
        "loss": lambda: plot_loss(model),
        "confusion": lambda: plot_confusion(evaluate(model, table)),
        "calibration": lambda: plot_calibration(evaluate(model, table)),
        "regions": lambda: plot_regions(model, table),
        "network": lambda: plot_network(model),
        "importance": lambda: plot_importance(importance(model, table)),
    }[kind]()
    save(axes, "library.svg")
    assert (tmp_path / "command.svg").read_bytes() == (tmp_path / "library.svg").read_bytes()


@pytest.mark.parametrize("kind", ["row", "roc", "pr", "tune", *KINDS])
def test_title_of_every_picture_names_the_file(
    with_iris_model: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(figure, "save", lambda axes, _: titles.append(axes.get_title(loc="left")))
    if kind == "tune":
        quick = ("--epochs", 2, "--networks", 2, "--hidden", 2, "--hidden", 3, "--budget", 2)
        ending = with_iris_model("tune", IRIS, *quick, "--json", "--plot", "tune.png")
        (tmp_path / "tune.json").write_text(ending.out)
    others = {"row": ("network", IRIS, "--row", 5), "tune": ("tune", "tune.json")}
    arguments = others.get(kind, (kind, *KINDS.get(kind, (IRIS,))))
    assert with_iris_model("plot", *arguments).code == 0
    assert titles
    assert all(title.startswith("iris.csv: ") for title in titles)


def test_loss_is_the_picture_one_gets_without_asking(with_iris_model: Run, tmp_path: Path) -> None:
    with_iris_model("plot")
    with_iris_model("plot", "loss", "-o", "asked.png")
    assert (tmp_path / "loss.png").read_bytes() == (tmp_path / "asked.png").read_bytes()


@pytest.mark.parametrize(
    ("name", "beginning"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")]
)
def test_ending_of_the_output_decides_the_format(
    with_iris_model: Run, tmp_path: Path, name: str, beginning: bytes
) -> None:
    assert with_iris_model("plot", "-o", name).err == f"wrote {name}\n"
    assert (tmp_path / name).read_bytes().startswith(beginning)


@pytest.mark.parametrize(
    ("arguments", "others"),
    [
        (("regions", IRIS), ("--x", "sepal_width")),
        (("regions", IRIS), ("--y", "sepal_width")),
        (("network",), ("--network", 2)),
        (("network",), (IRIS, "--row", 107)),
        (("network", IRIS, "--row", 107), ("--network", 5)),
        (("seeds", IRIS, "--networks", 3), ("--networks", 4)),
    ],
)
def test_each_option_changes_the_picture(
    with_iris_model: Run, tmp_path: Path, arguments: tuple[object, ...], others: tuple[object, ...]
) -> None:
    for name, more in (("usual", ()), ("other", others)):
        assert with_iris_model("plot", *arguments, *more, "-o", f"{name}.svg").code == 0
    assert (tmp_path / "usual.svg").read_bytes() != (tmp_path / "other.svg").read_bytes()


def test_model_option_names_another_model(run: Run, iris_model: Path, tmp_path: Path) -> None:
    shutil.copy(iris_model, tmp_path / "other.json")
    assert "model.json: there is no such model" in run("plot").only_error
    assert run("plot", "-m", "other.json").code == 0


def test_row_in_its_training_file_is_shown_in_a_network_that_never_saw_it(
    with_iris_model: Run, tmp_path: Path
) -> None:
    with_iris_model("plot", "network", IRIS, "--row", 107, "-o", "default.png")
    explained = json.loads(with_iris_model("explain", IRIS, "--row", 107, "--json").out)
    judge = next(value for key, value in explained.items() if key == "network")
    with_iris_model("plot", "network", IRIS, "--row", 107, "--network", judge, "-o", "named.png")
    assert (tmp_path / "default.png").read_bytes() == (tmp_path / "named.png").read_bytes()


def test_seeds_are_trained_like_the_model(with_iris_model: Run, tmp_path: Path) -> None:
    with_iris_model("plot", "seeds", IRIS, "--networks", 3, "-o", "a.png")
    with_iris_model("seeds", IRIS, "--networks", 3, "--plot", "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_data_may_come_from_standard_input(with_iris_model: Run, tmp_path: Path) -> None:
    ending = with_iris_model("plot", "confusion", "-", "-o", "a.svg", stdin=IRIS.read_bytes())
    assert ending.code == 0
    assert "standard input" in (tmp_path / "a.svg").read_text()


OPTIONS = {"--x": "a", "--y": "a", "--row": 1, "--network": 1, "--networks": 9}
TAKEN = {
    "loss": (),
    "confusion": (),
    "calibration": (),
    "regions": ("--x", "--y"),
    "network": ("--row", "--network"),
    "seeds": ("--networks",),
    "importance": (),
}


@pytest.mark.parametrize(
    ("kind", "option"),
    [(kind, option) for kind in KINDS for option in OPTIONS if option not in TAKEN[kind]],
)
def test_option_that_a_kind_does_not_look_at_is_refused(
    with_iris_model: Run, tmp_path: Path, kind: str, option: str
) -> None:
    ending = with_iris_model("plot", kind, *KINDS[kind], option, OPTIONS[option])
    assert ending.code == 2
    assert f"`plot {kind}` takes no {option} " in ending.only_error
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("confusion",), 2, "`plot confusion` needs DATA, a labelled CSV file"),
        (("calibration",), 2, "`plot calibration` needs DATA"),
        (("regions",), 2, "`plot regions` needs DATA"),
        (("seeds",), 2, "`plot seeds` needs DATA"),
        (("importance",), 2, "`plot importance` needs DATA"),
        (("loss", IRIS), 2, "`plot loss` takes no DATA"),
        (("network", IRIS), 2, "`plot network` takes DATA and --row together"),
        (("network", "--row", 3), 2, "`plot network` takes DATA and --row together"),
        (("network", IRIS, "--row", 151), 2, "there is no row 151"),
        (("network", "--network", 9), 2, "there is no network 9: the model has 8"),
        (("network", IRIS, "--row", 1, "--network", 9), 2, "there is no network 9"),
        (("regions", IRIS, "--x", "species"), 2, "no numeric column 'species'"),
        (("regions", IRIS, "--x", "petal_widt"), 2, "did you mean 'petal_width'?"),
        (("regions", IRIS, "--y", "species"), 2, "no numeric column 'species'"),
        (("seeds", IRIS, "--networks", 1), 2, "1 is not in the range x>=2"),
        (("pie",), 2, "'pie' is not one of 'loss', 'confusion'"),
        (("loss", "-o", "a.gif"), 2, "must end in .png, .svg or .pdf"),
        (("confusion", PENGUINS), 1, "penguins.csv:2: column 'species': the model has no class"),
    ],
)
def test_mistakes_get_one_line_and_leave_no_file(
    with_iris_model: Run, tmp_path: Path, arguments: tuple[object, ...], code: int, message: str
) -> None:
    ending = with_iris_model("plot", *arguments)
    assert ending.code == code
    assert message in ending.only_error
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def test_rows_without_a_label_are_left_out(with_iris_model: Run, tmp_path: Path) -> None:
    text = re.sub(",virginica", ",", IRIS.read_text())
    assert with_iris_model("plot", "confusion", "-", stdin=text).code == 0
    unlabelled = re.sub(r",(setosa|versicolor)", ",", text)
    assert (
        "no row has a label"
        in with_iris_model("plot", "confusion", "-", stdin=unlabelled).only_error
    )
