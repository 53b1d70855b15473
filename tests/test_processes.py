from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from minnet import Model, TrainingSettings, read_csv
from minnet.analysis.seeds import study_seeds
from minnet.cli import THREAD_SETTINGS
from minnet.data.encoding import Encoder
from minnet.model.fit import fit_model
from minnet.model.judges import split
from minnet.training import checkpoint, loop, processes
from minnet.training.checkpoint import Checkpointer
from tests.bad_inputs.helpers import finish, minnet, time_limit
from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from minnet.training.history import Epoch

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only"),
    # The test run itself may have threads, from torch; the command line has none.
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the second process after the first epoch, however short."""
    monkeypatch.setattr(processes, "SECONDS_ALONE", 0.0)
    monkeypatch.setattr(processes, "SHORTEST_EPOCH", 0.0)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was handed to a second process, whenever one was started."""
    networks = []

    class Recorded(processes._Halves):
        def __init__(self, run: Any, network: Any, *rest: Any) -> None:
            networks.append(network)
            super().__init__(run, network, *rest)

    monkeypatch.setattr(processes, "_Halves", Recorded)
    return networks


def trained(
    settings: TrainingSettings,
    most: int,
    on_epoch: Callable[[Epoch], None] | None = None,
    checkpointer: Checkpointer | None = None,
) -> Model:
    table = read_csv(PENGUINS)
    encoder = Encoder.fit(table, "species")
    examples = encoder.examples(table)
    dealt = split(examples, settings)
    return fit_model(encoder, table, examples, dealt, settings, on_epoch, checkpointer, most)


def assert_same(one: Model, other: Model) -> None:
    np.testing.assert_array_equal(one.network.values, other.network.values)
    for name, figures in vars(one.history).items():
        np.testing.assert_array_equal(figures, getattr(other.history, name))


# Folds of penguins differ by a row, so the networks of one half alone would take other steps.
@pytest.mark.parametrize(
    "options",
    [
        {"networks": 2},
        {"networks": 3, "optimizer": "sgd", "balanced": True},
        {"networks": 5, "loss": "squared-residuals", "batch_size": 7},
        {"networks": 8, "hidden": ()},
        {"networks": 7, "hidden": (5, 4), "weight_decay": 0.0},
    ],
    ids=str,
)
@pytest.mark.usefixtures("_at_once")
def test_two_processes_give_the_bits_of_one(options: Any, started: list[Any]) -> None:
    settings = TrainingSettings(epochs=4, **options)
    alone = trained(settings, 1)
    assert not started
    assert_same(trained(settings, 2), alone)
    assert len(started) == 1


@pytest.mark.usefixtures("_at_once", "started")
def test_seeds_are_the_same_in_two_processes() -> None:
    table = read_csv(IRIS)
    encoder = Encoder.fit(table, "species")
    settings = TrainingSettings(networks=5, epochs=4, hidden=(2,))
    studies = [study_seeds(encoder, table, settings, processes=most) for most in (1, 2)]
    for name, figures in vars(studies[0]).items():
        np.testing.assert_array_equal(figures, getattr(studies[1], name))


@pytest.mark.usefixtures("_at_once")
def test_interrupted_in_two_processes_and_resumed_in_one_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    settings = TrainingSettings(epochs=6, networks=3)
    epochs = []

    def stop(epoch: Epoch) -> None:
        epochs.append(epoch)
        if len(epochs) == 4:
            raise InterruptedError

    file = str(tmp_path / "model.json")
    with pytest.raises(InterruptedError):
        trained(settings, 2, stop, Checkpointer(file, "0" * 64))
    resumed = trained(settings, 1, checkpointer=Checkpointer(file, "0" * 64, resuming=True))
    assert_same(resumed, trained(settings, 1))


@pytest.mark.parametrize("name", ["SECONDS_ALONE", "SHORTEST_EPOCH"])
@pytest.mark.usefixtures("_at_once")
def test_short_trainings_and_short_epochs_stay_in_one_process(
    name: str, monkeypatch: pytest.MonkeyPatch, started: list[Any]
) -> None:
    monkeypatch.setattr(processes, name, 1000.0)
    trained(TrainingSettings(epochs=4, networks=2), 2)
    assert not started


@pytest.mark.usefixtures("_at_once")
def test_one_network_stays_in_one_process(started: list[Any]) -> None:
    trained(TrainingSettings(epochs=4, networks=1), 2)
    assert not started


@pytest.mark.usefixtures("_at_once")
def test_second_process_ends_with_the_training_however_it_ends(started: list[Any]) -> None:
    def stop(_: Epoch) -> None:
        if started:
            raise InterruptedError

    trained(TrainingSettings(epochs=4, networks=2), 2)
    assert multiprocessing.active_children() == []
    started.clear()
    with pytest.raises(InterruptedError):
        trained(TrainingSettings(epochs=4, networks=2), 2, stop)
    assert len(started) == 1
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("_at_once", "started")
def test_end_of_the_second_process_ends_the_training_as_too_little_memory_does() -> None:
    def kill(_: Epoch) -> None:
        for process in multiprocessing.active_children():
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()

    with pytest.raises(MemoryError):
        trained(TrainingSettings(epochs=9, networks=2), 2, kill)
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("_at_once")
def test_signal_to_the_second_process_alone_ends_it_or_nothing(started: list[Any]) -> None:
    def send(number: int) -> Callable[[Epoch], None]:
        def on_epoch(_: Epoch) -> None:
            for process in multiprocessing.active_children():
                os.kill(process.pid or 0, number)

        return on_epoch

    settings = TrainingSettings(epochs=5, networks=2)
    assert_same(trained(settings, 2, send(signal.SIGINT)), trained(settings, 1))
    with pytest.raises(MemoryError):
        trained(TrainingSettings(epochs=50, networks=2), 2, send(signal.SIGTERM))
    assert len(started) == 2


@pytest.mark.parametrize("error", [ZeroDivisionError, MemoryError])
@pytest.mark.usefixtures("_at_once")
def test_error_in_the_second_process_is_raised_here(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    here, run = os.getpid(), loop.run_epoch

    def fail(*arguments: Any, **options: Any) -> Epoch:
        if os.getpid() != here:
            raise error("on purpose")
        return run(*arguments, **options)

    monkeypatch.setattr(loop, "run_epoch", fail)
    with pytest.raises(error, match="on purpose"):
        trained(TrainingSettings(epochs=5, networks=2), 2)
    assert capfd.readouterr() == ("", "")
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("error", [BlockingIOError, MemoryError])
@pytest.mark.usefixtures("_at_once")
def test_training_goes_on_alone_where_no_second_process_can_be_started(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> int:
        raise error

    settings = TrainingSettings(epochs=4, networks=2)
    alone = trained(settings, 1)
    monkeypatch.setattr(os, "fork", fork)
    assert_same(trained(settings, 2), alone)


@pytest.mark.usefixtures("_at_once")
def test_training_of_one_epoch_stays_in_one_process(started: list[Any]) -> None:
    trained(TrainingSettings(epochs=1, networks=2), 2)
    assert not started


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(
    sys.platform == "linux" and len(os.sched_getaffinity(0)) < 2, reason="needs two cores"
)
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
    ids=["Ctrl-C", "SIGTERM", "SIGKILL"],
)
def test_signal_ends_both_processes_quietly(tmp_path: Path, number: int, code: int) -> None:
    environment = {k: value for k, value in os.environ.items() if k not in THREAD_SETTINGS}
    long = ("--hidden", "400", "--networks", "20", "--epochs", "100000", "--patience", "100000")
    # In a group of its own, where Ctrl-C reaches both processes.
    process = minnet(
        "train", IRIS, "-q", *long, cwd=tmp_path, env=environment, start_new_session=True
    )
    try:
        with time_limit():
            while not (found := children(process.pid)):
                time.sleep(0.001)
            if number == signal.SIGINT:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            ending = finish(process)
            while is_running(found[0]):
                time.sleep(0.05)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (ending.code, ending.out, ending.err.strip()) == (code, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", THREAD_SETTINGS)
def test_own_setting_of_threads_keeps_to_one_process(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minnet.cli import _use_cores

    monkeypatch.setattr(os, "environ", {})
    assert _use_cores() == min(2, len(os.sched_getaffinity(0)))
    assert os.environ == dict.fromkeys(THREAD_SETTINGS, "1")
    monkeypatch.setattr(os, "environ", {name: "4"})
    assert _use_cores() == 1
    assert os.environ == {name: "4"}
