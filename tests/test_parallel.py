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
from minnet.errors import WorkerError
from minnet.model.fit import TrainingData, fit_model
from minnet.training import checkpoint, loop
from minnet.training.checkpoint import Checkpointer
from minnet.training.loop import EachEpoch
from tests.bad_inputs.helpers import children, finish, is_running, minnet, time_limit
from tests.helpers import IRIS, PENGUINS, Run, recorded_pools

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from minnet.training.settings import Epoch

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only"),
    # The test run itself may have threads, from torch; the command line has none.
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the workers after the first epoch, however short."""
    monkeypatch.setattr(loop, "SECONDS_ALONE", 0.0)
    monkeypatch.setattr(loop, "SHORTEST_EPOCH", 0.0)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many workers were started, each time."""
    return recorded_pools(monkeypatch)


def trained(
    settings: TrainingSettings,
    count: int,
    on_epoch: Callable[[Epoch], None] | None = None,
    checkpointer: Checkpointer | None = None,
) -> Model:
    table = read_csv(PENGUINS)
    encoder = Encoder.fit(table, "species")
    data = TrainingData.of(encoder, table.source, encoder.examples(table), settings)
    callbacks = [checkpointer] if checkpointer else []
    return fit_model(data, settings, [*callbacks, EachEpoch(on_epoch)], count)


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
def test_any_number_of_workers_gives_the_bits_of_one(options: Any, started: list[int]) -> None:
    settings = TrainingSettings(epochs=4, **options)
    alone = trained(settings, 1)
    assert not started
    assert_same(trained(settings, 2), alone)
    assert_same(trained(settings, 3), alone)
    assert started == [2, min(3, settings.networks)]


@pytest.mark.usefixtures("_at_once", "started")
def test_seeds_are_the_same_with_any_number_of_workers() -> None:
    table = read_csv(IRIS)
    encoder = Encoder.fit(table, "species")
    settings = TrainingSettings(networks=5, epochs=4, hidden=(2,))
    studies = [study_seeds(encoder, table, settings, workers=most) for most in (1, 2, 3)]
    for name, figures in vars(studies[0]).items():
        if name != "table":
            np.testing.assert_array_equal(figures, getattr(studies[1], name))
            np.testing.assert_array_equal(figures, getattr(studies[2], name))


@pytest.mark.usefixtures("_at_once")
def test_interrupted_with_two_workers_and_resumed_with_one_changes_nothing(
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
    name: str, monkeypatch: pytest.MonkeyPatch, started: list[int]
) -> None:
    monkeypatch.setattr(loop, name, 1000.0)
    trained(TrainingSettings(epochs=4, networks=2), 2)
    assert not started


@pytest.mark.usefixtures("_at_once")
def test_one_network_stays_in_one_process(started: list[int]) -> None:
    trained(TrainingSettings(epochs=4, networks=1), 2)
    assert not started


@pytest.mark.usefixtures("_at_once")
def test_workers_end_with_the_training_however_it_ends(started: list[int]) -> None:
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


@pytest.mark.usefixtures("_at_once")
def test_signal_to_the_workers_alone_ends_all_or_nothing(started: list[int]) -> None:
    def send(number: int) -> Callable[[Epoch], None]:
        def on_epoch(_: Epoch) -> None:
            for process in multiprocessing.active_children():
                with suppress(ProcessLookupError):
                    os.kill(process.pid or 0, number)
                if number == signal.SIGTERM:
                    process.join()

        return on_epoch

    settings = TrainingSettings(epochs=5, networks=2)
    assert_same(trained(settings, 2, send(signal.SIGINT)), trained(settings, 1))
    with pytest.raises(WorkerError):
        trained(TrainingSettings(epochs=50, networks=2), 2, send(signal.SIGTERM))
    assert len(started) == 2


@pytest.mark.parametrize("error", [ZeroDivisionError, MemoryError])
@pytest.mark.usefixtures("_at_once")
def test_error_in_a_worker_is_raised_here(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    here, learn = os.getpid(), loop.take_steps

    def fail(*arguments: Any, **options: Any) -> Any:
        if os.getpid() != here:
            raise error("on purpose")
        return learn(*arguments, **options)

    monkeypatch.setattr(loop, "take_steps", fail)
    with pytest.raises(error, match="on purpose"):
        trained(TrainingSettings(epochs=5, networks=2), 2)
    assert capfd.readouterr() == ("", "")
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        ("kill", "a worker process was killed, perhaps for lack of memory: try --workers 1"),
        ("memory", "not enough memory"),
    ],
)
@pytest.mark.parametrize("has_checkpoint", [False, True])
@pytest.mark.usefixtures("_at_once")
def test_train_whose_worker_ends_tells_how_to_resume(
    ends: str,
    says: str,
    has_checkpoint: bool,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0 if has_checkpoint else 1000.0)
    here, learn = os.getpid(), loop.take_steps

    def fail(*arguments: Any, **options: Any) -> Any:
        if os.getpid() != here:
            if ends == "memory":
                raise MemoryError
            os.kill(os.getpid(), signal.SIGKILL)
        return learn(*arguments, **options)

    monkeypatch.setattr(loop, "take_steps", fail)
    train = ("train", IRIS, "--epochs", "4", "--networks", "2", "-q")
    ending = run(*train, "--workers", 2)
    checkpoints = list(tmp_path.iterdir())
    assert len(checkpoints) == has_checkpoint
    resume_hint = (
        "; the same command with --resume resumes after epoch 1, from " if checkpoints else ""
    )
    assert ending.only_error == f"Error: {says}{resume_hint}{''.join(map(str, checkpoints))}"
    assert (ending.code, ending.out) == (1, "")
    assert multiprocessing.active_children() == []
    if has_checkpoint:
        assert run(*train, "--resume", "--workers", 1).code == 0


@pytest.mark.parametrize("allowed", [0, 1])
@pytest.mark.parametrize("error", [BlockingIOError, MemoryError])
@pytest.mark.usefixtures("_at_once")
def test_training_goes_on_alone_where_no_worker_can_be_started(
    error: type[Exception], allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_fork, forks = os.fork, []

    def fork() -> int:
        forks.append(0)
        if len(forks) > allowed:
            raise error
        return real_fork()

    settings = TrainingSettings(epochs=4, networks=2)
    alone = trained(settings, 1)
    monkeypatch.setattr(os, "fork", fork)
    assert_same(trained(settings, 2), alone)
    assert len(forks) == allowed + 1
    with time_limit():
        while multiprocessing.active_children():
            time.sleep(0.001)


@pytest.mark.usefixtures("_at_once")
def test_training_of_one_epoch_stays_in_one_process(started: list[int]) -> None:
    trained(TrainingSettings(epochs=1, networks=2), 2)
    assert not started


def test_epoch_of_many_rows_starts_with_workers(
    monkeypatch: pytest.MonkeyPatch, started: list[int]
) -> None:
    settings = TrainingSettings(epochs=1, networks=2)
    alone = trained(settings, 2)
    assert not started
    monkeypatch.setattr(loop, "ROWS_ALONE", 100)
    assert_same(trained(settings, 2), alone)
    assert started == [2]


@pytest.mark.skipif(
    sys.platform == "linux" and len(os.sched_getaffinity(0)) < 2, reason="needs two cores"
)
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
    ids=["Ctrl-C", "SIGTERM", "SIGKILL"],
)
def test_signal_ends_all_processes_quietly(tmp_path: Path, number: int, code: int) -> None:
    environment = {k: value for k, value in os.environ.items() if k not in THREAD_SETTINGS}
    long = ("--hidden", "400", "--networks", "20", "--epochs", "100000", "--patience", "100000")
    # In a group of its own, where Ctrl-C reaches all processes.
    process = minnet(
        "train", IRIS, "-q", *long, cwd=tmp_path, env=environment, start_new_session=True
    )
    try:
        with time_limit():
            while len(found := children(process.pid)) < 2:
                time.sleep(0.001)
            if number == signal.SIGINT:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            ending = finish(process)
            while any(map(is_running, found)):
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
    assert _use_cores() == len(os.sched_getaffinity(0))
    assert os.environ == dict.fromkeys(THREAD_SETTINGS, "1")
    monkeypatch.setattr(os, "environ", {name: "4"})
    assert _use_cores() == 1
    assert os.environ == {name: "4"}
