from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import minnet
from minnet.cli import COMMANDS, OPTIONS, THREAD_SETTINGS, options
from minnet.training.settings import TrainingSettings
from tests.helpers import IRIS, known_note, unfolded

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Run


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )


def modules_after(*arguments: str) -> set[str]:
    code = (
        "import sys\nfrom minnet.cli import main\n"
        f"try: main({list(arguments)!r})\nexcept SystemExit: pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    return set(python(code).stderr.split())


def test_help_lists_every_command_under_its_heading(run: Run) -> None:
    out = run("--help").out
    sections = re.findall(r"^([A-Z][\w ]+):\n((?:  .+\n)+)", out + "\n", re.MULTILINE)
    listed = {
        heading: re.findall(r"^  (\w+) +(.+)$", text, re.MULTILINE) for heading, text in sections
    }
    del listed["Options"]
    assert list(listed) == ["Use", "Look closer", "Learn"]
    assert [line for lines in listed.values() for line in lines] == list(COMMANDS.items())
    assert len(set(map(len, re.findall(r"^  \w+ +(?=[A-Z])", out, re.MULTILINE)))) == 1
    assert run().out == out


def test_help_is_a_command_too(run: Run) -> None:
    assert run("help").out == run("--help").out
    assert run("help", "train").out == run("train", "--help").out
    assert run("help", "plot").code == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_each_commands_help_gives_two_examples(run: Run, name: str) -> None:
    out = run(name, "--help").out
    assert len(re.findall(rf"^    minnet {name}\b", out, re.MULTILINE)) >= 2
    assert importlib.import_module(f"minnet.cli.{name}").command.name == name


EVERY_COMMAND = {
    "train": ("train", IRIS, "--epochs", 2, "-m", "new.json"),
    "predict": ("predict", "taken.csv"),
    "evaluate": ("evaluate", IRIS, "--fail-under", 1),
    "explain": ("explain", IRIS, "--row", 1),
    "seeds": ("seeds", IRIS, "--networks", 2, "--epochs", 2),
    "check": ("check", IRIS, "--hidden", 2),
    "plot": ("plot", "seeds", IRIS, "--networks", 2),
    "show": ("show",),
    "importance": ("importance", IRIS),
    "tune": ("tune", IRIS, "--networks", 2, "--epochs", 2, "-m", "new.json"),
    "export": ("export",),
    "page": ("page", IRIS),
    "compare": ("compare", "model.json", "model.json", IRIS),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_quiet_takes_away_the_messages_of_every_command_and_nothing_else(
    with_iris_model: Run, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken.csv").write_text(IRIS.read_text().replace("species", "caution"))
    usual, quiet = (with_iris_model(*EVERY_COMMAND[name], *more) for more in ((), ("-q",)))
    usual_out, quiet_out = (re.sub(r"\d+\.\d+$", "", e.out, flags=re.M) for e in (usual, quiet))
    assert (usual.code, usual_out) == (quiet.code, quiet_out)  # but for seconds
    assert (usual.err != "", quiet.err) == (
        name not in ("check", "show", "compare"),
        "",
    )
    monkeypatch.setattr(options, "is_terminal", lambda: True)
    assert with_iris_model(*EVERY_COMMAND[name], "--quiet").err == ""


MODEL_WRITTEN, PRINTED = "-m FILE", "> FILE"
OUTPUT = {"train": MODEL_WRITTEN, "tune": MODEL_WRITTEN, "seeds": "--plot"}


@pytest.mark.parametrize("habit", ["-o", "--output", "--out"])
@pytest.mark.parametrize("name", COMMANDS)
def test_an_output_is_answered_by_how_the_command_names_it(
    with_iris_model: Run, name: str, habit: str
) -> None:
    has_output = name in ("predict", "plot", "page", "export")
    if has_output and habit != "--out":
        return
    meant = "--output" if has_output else OUTPUT.get(name, PRINTED)
    said = with_iris_model(*EVERY_COMMAND[name], habit, "file").only_error
    assert f"No such option '{habit}'; did you mean '{meant}'? (see `minnet {name} --help`)" in said


@pytest.mark.parametrize("name", [one for one in COMMANDS if one != "compare"])
def test_a_model_without_its_option_is_answered_by_it(
    with_iris_model: Run, tmp_path: Path, name: str
) -> None:
    shutil.copy("model.json", "five.json")
    (tmp_path / "taken.csv").write_text(IRIS.read_text())
    command, *arguments = EVERY_COMMAND[name]
    meant = "'five.json' is a model; did you mean '-m five.json'?"
    for words in (["five.json", *arguments], [*arguments, "five.json"]):
        said = with_iris_model(command, *words).only_error
        assert (meant in said) == (name not in ("train", "tune", "seeds", "check"))


def test_a_model_named_beside_another_is_data(with_iris_model: Run) -> None:
    shutil.copy("model.json", "five.json")
    said = with_iris_model("evaluate", "five.json", "-m", "model.json").only_error
    assert "not a CSV file but a minnet model" in said


@pytest.mark.parametrize("name", COMMANDS)
def test_quiet_keeps_the_error(run: Run, name: str) -> None:
    assert run(*EVERY_COMMAND[name], "-q", "--nonsense").only_error.startswith("Error: ")
    (command, *arguments) = EVERY_COMMAND[name]
    arguments = ["nowhere.csv" if argument == IRIS else argument for argument in arguments]
    assert run(command, *arguments, "-q").only_error.startswith("Error: ")


def test_help_imports_neither_numpy_nor_matplotlib() -> None:
    assert not {"numpy", "matplotlib"} & modules_after("--help")


def test_train_imports_matplotlib_only_to_plot(tmp_path: Path) -> None:
    train = ("train", str(IRIS), "-q", "--epochs", "1", "-m", str(tmp_path / "m.json"))
    without = modules_after(*train)
    assert "numpy" in without
    assert not {"matplotlib", "sklearn", "scipy", "torch", "onnx", "dask", "distributed"} & without
    assert "matplotlib" in modules_after(*train, "--plot", str(tmp_path / "loss.png"))


def test_export_alone_imports_onnx(iris_model: Path, tmp_path: Path) -> None:
    model = ("-m", str(iris_model))
    for name in ("predict", "evaluate", "explain", "show"):
        assert "onnx" not in modules_after(*map(str, EVERY_COMMAND[name]), *model), name
    assert "onnx" not in modules_after("export", "--help")
    after = modules_after("export", *model, "-o", str(tmp_path / "model.onnx"))
    assert "onnx" in after
    assert not {"matplotlib", "onnxruntime"} & after


def test_python_dash_m_minnet_is_the_same_command() -> None:
    command = [sys.executable, "-m", "minnet", "--version"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out == f"minnet {minnet.__version__}\n"


def test_linear_algebra_gets_one_thread_unless_the_user_says_otherwise() -> None:
    code = (
        "import os\nfrom minnet.cli import main\n"
        "try: main(['--version'])\nexcept SystemExit: pass\n"
        f"print([os.environ.get(name) for name in {THREAD_SETTINGS!r}])"
    )
    clean = dict.fromkeys(THREAD_SETTINGS, "")
    unset = "import os\n" + "".join(f"os.environ.pop({name!r}, None)\n" for name in clean)
    assert python(unset + code).stdout.splitlines()[-1] == str(["1"] * len(THREAD_SETTINGS))
    own = python(unset + "os.environ['OMP_NUM_THREADS'] = '2'\n" + code)
    assert "'2'" in own.stdout
    assert "'1'" not in own.stdout


def test_importing_the_library_sets_no_threads() -> None:
    code = (
        "import os\n"
        f"for name in {THREAD_SETTINGS!r}: os.environ.pop(name, None)\n"
        "import minnet; minnet.Model\n"
        f"assert not set({THREAD_SETTINGS!r}) & set(os.environ)"
    )
    python(code)


def test_wrong_usage_points_to_the_help_of_the_command(run: Run) -> None:
    assert "`minnet --help`)" in run("tran").only_error
    assert "`minnet train --help`)" in run("train", "x.csv", "--sed", "1").only_error


def test_a_message_is_never_longer_than_four_hundred_characters(run: Run) -> None:
    assert len(run("train", "x" * 200 + "/" + "y" * 600).only_error) <= 400


def test_every_training_setting_is_an_option_with_the_same_default(run: Run) -> None:
    out = " ".join(run("train", "--help").out.split())
    for name in vars(TrainingSettings()):
        assert f"--{OPTIONS.get(name, name).replace('_', '-')}" in out
    for name in ("networks", "epochs", "patience", "weight_decay", "seed"):
        default = getattr(TrainingSettings(), name)
        assert re.search(rf"--{name.replace('_', '-')} \w+ [^-]*\[default: {default}\]", out)


def test_a_closed_pipe_ends_quietly(iris_model: Path) -> None:
    command = f"{sys.executable} -m minnet predict {IRIS} -m {iris_model} | head -n 1"
    ending = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert unfolded(ending.stderr) == known_note(150)
    assert ending.stdout.startswith("sepal_length")
