from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection

import numpy as np
import pytest

from minnet.errors import TrainingError
from minnet.training.workers import in_order, open_pool
from tests.bad_inputs.helpers import is_running, time_limit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")


def fail(message: str) -> None:
    raise ZeroDivisionError(message)


def test_one_worker_is_this_process() -> None:
    with open_pool(1) as pool:
        assert pool.submit(os.getpid).result() == os.getpid()
        with pytest.raises(ZeroDivisionError, match="on purpose"):
            pool.submit(fail, "on purpose").result()


def test_several_workers_are_other_processes_that_end_with_the_block() -> None:
    with open_pool(2) as pool:
        found = {pool.submit(os.getpid).result() for _ in range(8)}
        assert os.getpid() not in found
        with pytest.raises(ZeroDivisionError, match="on purpose"):
            pool.submit(fail, "on purpose").result()
    assert multiprocessing.active_children() == []
    assert not any(map(is_running, found))


def test_error_ends_workers_at_their_work() -> None:
    found: set[int] = set()

    def use() -> None:
        with open_pool(2) as pool:
            found.update(pool.submit(os.getpid).result() for _ in range(8))
            for _ in range(4):
                pool.submit(time.sleep, 1000)
            raise InterruptedError

    with time_limit(), pytest.raises(InterruptedError):
        use()
    assert multiprocessing.active_children() == []
    assert not any(map(is_running, found))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_worker_is_one_line(number: int, capfd: pytest.CaptureFixture[str]) -> None:
    def use() -> None:
        with open_pool(2) as pool:
            victim = pool.submit(os.getpid).result()
            busy = [pool.submit(time.sleep, 1000) for _ in range(2)]
            os.kill(victim, number)
            busy[0].result()

    with time_limit(), pytest.raises(TrainingError, match="a worker process was killed"):
        use()
    assert multiprocessing.active_children() == []
    assert capfd.readouterr() == ("", "")


def test_workers_killed_between_tasks_are_one_line() -> None:
    def use() -> None:
        with open_pool(2) as pool:
            pool.submit(os.getpid).result()
            for process in multiprocessing.active_children():
                process.kill()
                process.join()
            pool.submit(os.getpid).result()

    with time_limit(), pytest.raises(TrainingError, match="a worker process was killed"):
        use()
    assert multiprocessing.active_children() == []


def kill_at(number: int, item: int) -> int:
    if item == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_worker_killed_among_items_is_one_line() -> None:
    results = in_order(2, kill_at, range(9), 4)
    with time_limit(), pytest.raises(TrainingError, match="a worker process was killed"):
        list(results)
    assert multiprocessing.active_children() == []


def send_half_a_result() -> str:
    def send_half(self: Connection, buffer: bytes) -> None:
        os.write(self.fileno(), buffer[: len(buffer) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    Connection._send = send_half  # type: ignore[attr-defined]
    return "result" * 100


@pytest.mark.parametrize("busy", [0, 1])
def test_worker_killed_in_the_middle_of_a_result_is_one_line(busy: int) -> None:
    def use() -> None:
        with open_pool(2) as pool:
            for _ in range(busy):
                pool.submit(time.sleep, 1000)
            pool.submit(send_half_a_result).result()

    with time_limit(), pytest.raises(TrainingError, match="a worker process was killed"):
        use()
    assert multiprocessing.active_children() == []


def test_ctrl_c_is_left_to_the_first_process() -> None:
    with open_pool(2) as pool:
        for process in multiprocessing.active_children():
            os.kill(process.pid or 0, signal.SIGINT)
        assert pool.submit(sum, (1, 2)).result() == 3


PARENT = """
import multiprocessing, sys, time
from minnet.training.workers import open_pool
with open_pool(3) as pool:
    for _ in range(3):
        pool.submit(time.sleep, 1000)
    print(*(process.pid for process in multiprocessing.active_children()), flush=True)
    time.sleep(1000)
"""


def test_workers_end_when_the_first_process_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with parent, time_limit():
        assert parent.stdout is not None
        workers = list(map(int, parent.stdout.readline().split()))
        assert len(workers) == 3
        assert all(map(is_running, workers))
        parent.kill()
        while any(map(is_running, workers)):
            time.sleep(0.01)
        assert parent.stderr is not None
        assert parent.stderr.read() == ""


def test_number_of_workers_may_be_one_of_numpy() -> None:
    assert [*in_order(np.int64(2), abs, [-1, 2, -3])] == [1, 2, 3]
