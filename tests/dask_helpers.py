"""A cluster that can be killed."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import LocalCluster

CLUSTER = """
from distributed import LocalCluster
with LocalCluster(protocol='tcp', processes=False, n_workers=1, dashboard_address=':0') as c:
    print(c.scheduler_address, flush=True)
    input()
"""


def cluster_of(workers: int) -> LocalCluster:
    """Start so many worker processes, for a `with` statement."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=100
    )


@contextmanager
def mortal_cluster() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a process with scheduler and worker; give it and the scheduler's address."""
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
