from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import minnet
from minnet.analysis.seeds import study_seeds
from minnet.cli.progress import Progress
from minnet.errors import SettingsError, WorkerError
from minnet.model.document import to_bytes
from minnet.training.settings import TrainingSettings
from minnet.training.workers import in_order
from tests.bad_inputs.helpers import time_limit
from tests.dask_helpers import cluster_of, mortal_cluster
from tests.helpers import IRIS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Run

pytest.importorskip("distributed", reason="these are the tests of Dask")

from distributed import Client, LocalCluster

import minnet.dask
from minnet.dask import connected, local_cluster

pytestmark = [
    pytest.mark.xdist_group("dask_client"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

FEW = {"epochs": 3, "networks": 5}
QUIET: dict[str, Any] = {"dashboard_address": ":0", "silence_logs": 100}


@pytest.fixture(autouse=True)
def _limit() -> Iterator[None]:
    """Fail rather than wait for ever for a cluster."""
    with time_limit(200):
        yield


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with cluster_of(2) as cluster:
        yield cluster


@pytest.fixture
def address(cluster: LocalCluster) -> str:
    with Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2)  # some tests kill them
    return str(cluster.scheduler_address)


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2)
        yield client


def tuned(executor: Any) -> list[Any]:
    tuning = minnet.tune(IRIS, "species", trials=4, workers=executor or 1, **FEW)
    return [[replace(trial, seconds=0) for trial in tuning.trials], to_bytes(tuning.model)]


def seeds(executor: Any) -> list[Any]:
    encoder = minnet.train(IRIS, "species", epochs=1, networks=2).encoder
    settings = TrainingSettings(epochs=3, networks=50)
    study = study_seeds(encoder, minnet.read_csv(IRIS), settings, workers=executor)
    return [study.losses.tobytes(), study.probabilities.tobytes(), study.predicted.tobytes()]


def importance(executor: Any) -> list[Any]:
    model = minnet.train(IRIS, "species", **FEW)
    found = minnet.importance(model, IRIS, shuffles=3, workers=executor)
    return [found.increases.tobytes()]


def evaluation(executor: Any) -> list[Any]:
    model = minnet.train(IRIS, "species", **FEW)
    found = minnet.evaluate(model, IRIS, workers=executor)
    return [found.probabilities.tobytes(), found.accuracy_interval]


@pytest.mark.parametrize("work", [tuned, seeds, importance, evaluation])
def test_any_executor_gives_the_same_bytes(
    work: Callable[[Any], list[Any]], client: Client
) -> None:
    expected = work(1)
    assert work(client) == expected
    with ThreadPoolExecutor(2) as threads:
        assert work(threads) == expected
        assert threads.submit(int).result() == 0, "an executor is not ours to shut down"


@pytest.mark.parametrize(
    "command",
    [
        ("tune", IRIS, "--budget", 4, "--epochs", 3, "--networks", 5, "--json", "-m", "{}.json"),
        ("seeds", IRIS, "--epochs", 3, "--networks", 50),
        ("importance", IRIS, "--shuffles", 3),
        ("evaluate", IRIS),
    ],
    ids=lambda command: command[0],
)
def test_command_on_a_cluster_gives_the_same_bytes(
    command: tuple[object, ...], with_iris_model: Run, address: str, tmp_path: Path
) -> None:
    def outcome(name: str, *where: str) -> tuple[str, str, bytes]:
        ending = with_iris_model(*(str(word).format(name) for word in command), *where)
        assert ending.code == 0, ending.err
        file = tmp_path / f"{name}.json"
        out = re.sub(rf'{name}|"seconds": [^,]*', "", ending.out)
        return out, ending.err, file.read_bytes() if file.exists() else b""

    here, there = outcome("1x1"), outcome("2x2", "--scheduler", address)
    assert (there[0], there[2]) == (here[0], here[2])
    assert f"2 workers at {address}" in there[1]


def test_common_arguments_are_sent_once(client: Client) -> None:
    sizes = in_order(client, _add, range(40), Counted())
    assert list(sizes) == list(range(40))
    pickled = client.submit(Counted.unpickled, pure=False)
    assert pickled.result() <= 2


class Counted:
    """Counts how often a process has got one."""

    count = 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).count += 1

    def __getstate__(self) -> dict[str, Any]:
        return {"some": "state"}

    @classmethod
    def unpickled(cls) -> int:
        return cls.count


def _add(_: Counted, number: int) -> int:
    return number


SEEDS = ("seeds", IRIS, "--epochs", 3, "--networks", 400)


def test_what_is_no_executor_is_one_line() -> None:
    with pytest.raises(SettingsError, match=r"`executor` is 'tcp://127\.0\.0\.1:1': it must be"):
        evaluation("tcp://127.0.0.1:1")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://256.1.1.1:1"])
def test_scheduler_that_is_not_there_is_one_line(
    address: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minnet.dask, "SECONDS_TO_CONNECT", 1)
    ending = run(*SEEDS, "--scheduler", address)
    assert ending.code == 1
    assert f"no scheduler answers at {address}: " in ending.only_error


@pytest.mark.parametrize("address", ["nonsense", "foo://host:1", "tcp://", ""])
def test_what_is_no_address_is_wrong_usage(address: str, run: Run) -> None:
    ending = run(*SEEDS, "--scheduler", address)
    assert ending.code == 2
    line = f"--scheduler is {address!r}: it is no address, such as tcp://host:8786"
    assert line in ending.only_error


def test_cluster_without_workers_is_one_line(run: Run) -> None:
    with LocalCluster(n_workers=0, processes=False, **QUIET) as empty:
        ending = run(*SEEDS, "--scheduler", empty.scheduler_address)
    assert ending.code == 1
    assert ending.only_error.endswith("has no workers")


@pytest.mark.parametrize(
    ("home", "name", "value", "line"),
    [
        (minnet.dask, "OURS", "__import__('minnet_x').__version__", "has no minnet: install"),
        (minnet.dask, "OURS", "1 / 0", "does not answer: division by zero"),
        (minnet, "__version__", "0.0.1", f"has minnet {minnet.__version__}, and here is 0.0.1"),
    ],
)
def test_workers_without_this_minnet_are_one_line(
    home: Any,
    name: str,
    value: str,
    line: str,
    run: Run,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(home, name, value)
    ending = run(*SEEDS, "--scheduler", address)
    assert ending.code == 1
    assert line in ending.only_error


def test_task_that_kills_its_workers_is_one_line(address: str) -> None:
    with (
        pytest.raises(WorkerError, match="a worker was killed again"),
        connected(address) as client,
    ):
        client.submit(os._exit, 1).result()


def test_workers_that_die_with_the_data_are_one_line(address: str) -> None:
    with (
        pytest.raises(WorkerError, match="workers that held the data"),
        connected(address) as client,
    ):
        list(in_order(client, os._exit, [1]))


def test_scheduler_that_goes_away_in_the_middle_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mortal_cluster() as (process, address):
        monkeypatch.setattr(Progress, "advance", lambda *_: process.kill())
        ending = run(*SEEDS, "--scheduler", address, "-q")
    assert process.returncode == -signal.SIGKILL
    assert ending.code == 1
    assert "was lost" in ending.only_error


def test_interruption_ends_with_one_line_and_leaves_no_task(client: Client, address: str) -> None:
    command = ["seeds", IRIS, "--epochs", "400", "--networks", "9000", "--scheduler", address]
    with subprocess.Popen(
        [sys.executable, "-m", "minnet", *map(str, command)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("2 workers")
        while not client.run_on_scheduler(_tasks):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert rest.strip().count("\n") == 0
    for _ in range(600):
        if not client.run_on_scheduler(_tasks):
            break
        time.sleep(0.1)
    assert client.run_on_scheduler(_tasks) == 0


def _tasks(dask_scheduler: Any) -> int:
    return len(dask_scheduler.tasks)


def test_logging_is_as_before_once_the_command_is_done(
    run: Run, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    import logging

    run(*SEEDS[:3], 1, "--networks", 2, "--scheduler", address)
    logging.getLogger("mine").warning("still told")
    assert "still told" in caplog.text


def test_library_changes_no_logging(address: str, caplog: pytest.LogCaptureFixture) -> None:
    import logging

    before = logging.getLogger("distributed").level, logging.root.manager.disable
    with connected(address):
        assert (logging.getLogger("distributed").level, logging.root.manager.disable) == before


def test_processes_here_leave_ctrl_c_to_the_command() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with local_cluster(1) as client:
        for restart in (None, client.restart):
            if restart is not None:
                restart()
            blocked = client.run(signal.pthread_sigmask, signal.SIG_BLOCK, ())
            assert [signal.SIGINT in mask for mask in blocked.values()] == [True]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
