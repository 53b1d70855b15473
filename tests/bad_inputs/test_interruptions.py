"""Faults in mid-run: signals, the power button, and two at once."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from minnet.model.document import load
from tests.bad_inputs.helpers import contents, finish, minnet, time_limit
from tests.helpers import IRIS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Ending

KILLS = 20
ENDLESS = ("train", IRIS, "--epochs", "1000000", "--patience", "1000000")


@pytest.fixture
def folder(iris_model: Path, tmp_path: Path) -> Path:
    """A folder with a model in it."""
    shutil.copy(iris_model, tmp_path / "model.json")
    return tmp_path


def running(*arguments: object, folder: Path) -> subprocess.Popen[bytes]:
    """Start a minnet process and wait until Python itself has started: till then, none can help."""
    code = "from minnet import __main__\nprint(flush=True)\n__main__.main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def signalled_in_training(number: int, folder: Path) -> Ending:
    """Start a training that never ends, and send it a signal once it has begun."""
    process = minnet(*ENDLESS, cwd=folder)
    assert process.stderr is not None
    summary = process.stderr.readline()
    assert summary.startswith(b"150 rows"), summary
    process.send_signal(number)
    return finish(process)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_signal_ends_training_quietly_and_leaves_the_old_model(
    folder: Path, number: int, code: int
) -> None:
    before = contents(folder)
    ending = signalled_in_training(number, folder)
    assert (ending.code, ending.out) == (code, "")
    assert ending.err.strip() == "Interrupted: no model was written"
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("name", "reaction", "code"),
    [
        ("SIGINT", "raise ImportError('it failed') from None", 130),
        ("SIGTERM", "raise ImportError('it failed') from None", 143),
        ("SIGINT", "pass", 0),
    ],
)
def test_signal_that_a_package_makes_an_error_of_or_swallows_ends_quietly(
    name: str, reaction: str, code: int
) -> None:
    program = f"""
import os, signal, sys
from minnet import __main__
from minnet.cli import show

def load_and_work(*_, **options):
    try:
        os.kill(os.getpid(), signal.{name})
        signal.pause()
    except BaseException:
        {reaction}

show.command.callback = load_and_work
sys.argv = ["minnet", "show"]
__main__.main()
"""
    with time_limit():
        ending = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (ending.returncode, ending.stdout, ending.stderr.strip()) == (code, b"", b"")


@pytest.mark.parametrize(("place", "code"), [("__init__", -signal.SIGINT), ("__del__", 0)])
def test_interrupt_that_nothing_catches_leaves_no_traceback(place: str, code: int) -> None:
    program = f"""
import signal
from minnet import __main__, cli

class Interrupted:
    def {place}(self):
        signal.raise_signal(signal.SIGINT)

cli.main = Interrupted
__main__.main()
"""
    ending = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (ending.returncode, ending.stderr) == (code, b"")


@pytest.mark.parametrize(
    ("number", "codes"),
    # At the very end Python has already taken its handlers away.
    [
        (signal.SIGINT, {0, 130, -signal.SIGINT}),
        (signal.SIGTERM, {0, 143, -signal.SIGTERM}),
        (signal.SIGKILL, {0, -signal.SIGKILL}),
    ],
    ids=["Ctrl-C", "SIGTERM", "SIGKILL"],
)
def test_model_is_the_old_or_the_new_one_whenever_a_signal_comes(
    folder: Path, number: int, codes: set[int]
) -> None:
    random_times = random.Random(number)
    train = ("train", IRIS, "-q", "--epochs", "3", "--seed", "1")
    old = (folder / "model.json").read_bytes()
    process = running(*train, folder=folder)
    start = time.monotonic()
    assert finish(process).code == 0
    duration = time.monotonic() - start
    new = (folder / "model.json").read_bytes()
    assert new != old
    for _ in range(KILLS if number == signal.SIGKILL else 5):
        (folder / "model.json").write_bytes(old)
        process = running(*train, folder=folder)
        time.sleep(random_times.uniform(0.02, 1) * duration)
        process.send_signal(number)
        ending = finish(process)
        assert ending.code in codes, ending
        assert "Traceback" not in ending.err
        assert (folder / "model.json").read_bytes() in (old, new)
        if number != signal.SIGKILL:
            assert [path.name for path in folder.iterdir()] == ["model.json"]


def test_model_is_whole_whenever_a_process_that_saves_all_the_time_is_killed(
    folder: Path,
) -> None:
    code = (
        "from minnet import load, save\nmodels = [load('a.json'), load('b.json')]\n"
        "print(flush=True)\nwhile True:\n for model in models: save(model, 'model.json')\n"
    )
    train = ("train", IRIS, "-q", "--epochs", "3")
    for name, seed in (("a", 1), ("b", 2)):
        assert finish(minnet(*train, "--seed", seed, "-m", f"{name}.json", cwd=folder)).code == 0
    whole = [(folder / f"{name}.json").read_bytes() for name in "ab"]
    random_times = random.Random(0)
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random_times.uniform(0.05, 0.2))
        process.kill()
        process.communicate()
        assert (folder / "model.json").read_bytes() in whole
    # What a kill leaves behind is in nobody's way.
    assert finish(minnet(*train, "--seed", "1", cwd=folder)).code == 0
    assert (folder / "model.json").read_bytes() == whole[0]


def test_of_two_trainings_at_once_one_wins_whole(tmp_path: Path) -> None:
    train = ("train", IRIS, "-q", "--epochs", "3")
    alone = []
    for seed in "12":
        assert finish(minnet(*train, "--seed", seed, cwd=tmp_path)).code == 0
        alone.append((tmp_path / "model.json").read_bytes())
    for _ in range(3):
        both = [minnet(*train, "--seed", seed, cwd=tmp_path) for seed in "12"]
        assert [finish(process).code for process in both] == [0, 0]
        assert (tmp_path / "model.json").read_bytes() in alone
        assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_signal_in_the_middle_of_predictions_leaves_no_file(folder: Path, number: int) -> None:
    before = contents(folder)
    process = minnet("predict", "-", "-o", "out.csv", cwd=folder, stdin=subprocess.PIPE)
    assert process.stdin is not None
    lines = IRIS.read_bytes().splitlines(keepends=True)
    process.stdin.write(lines[0] + b"".join(lines[1:]) * 300)
    process.stdin.flush()
    for _ in range(200):
        if len(list(folder.iterdir())) > 1:
            break
        time.sleep(0.05)
    assert len(list(folder.iterdir())) > 1
    process.send_signal(number)
    ending = finish(process)
    assert (ending.code, ending.out) == (128 + number, "")
    assert ending.err.strip() == "Interrupted: out.csv was not written"
    assert contents(folder) == before


def test_model_loads_while_it_is_replaced_again_and_again(folder: Path) -> None:
    code = (
        "from minnet import Model\nmodel = load('model.json')\n"
        "print(flush=True)\nwhile True: save(model, 'model.json')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(20):
            load(folder / "model.json")
    finally:
        process.kill()
        process.communicate()
