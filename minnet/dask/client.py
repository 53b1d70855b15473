"""Clients of Dask clusters, whose troubles are told in one line each."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

import minnet
from minnet.errors import MinnetError, PackageError, SettingsError, WorkerError
from minnet.training.processes import block_signals, unblock_signals

if TYPE_CHECKING:
    from distributed import Client

try:
    import dask
    import distributed
except ImportError:
    raise PackageError("dask", "dask") from None


SECONDS_TO_CONNECT = 10
OURS = "__import__('minnet').__version__"
# Parameters are sent as part of a task, so that they can be sent again.
_CONFIGURATION = {
    "distributed.admin.large-graph-warning-threshold": "1GB",
    "distributed.comm.timeouts.connect": f"{SECONDS_TO_CONNECT}s",
    "distributed.comm.retry.count": 0,
}

# Dask has its workers give memory back at once: then a round takes twice as long.
KEEP_MEMORY = {
    f"distributed.nanny.pre-spawn-environ.MALLOC_{name}_THRESHOLD_": 2**28
    for name in ("TRIM", "MMAP")
}


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Connect to a scheduler, such as `tcp://host:8786`, whose workers have this minnet.

    Raises
    ------
    SettingsError
        If that is no address.
    WorkerError
        If it is not there or goes away, or its workers cannot do the work.
    """
    with _errors(address), dask.config.set(_CONFIGURATION):
        try:
            client = distributed.Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
        except ValueError:
            raise SettingsError(
                f"is {address!r}: it is no address, such as tcp://host:8786", "scheduler"
            ) from None
        except (OSError, TimeoutError) as error:
            raise WorkerError(f"no scheduler answers at {address}: {_reason(error)}") from None
        with client:
            _check_workers(client, address)
            yield client


@contextmanager
def local_cluster(workers: int | None = None) -> Iterator[Client]:
    """Start processes on this machine, by default one for each core, and end them."""
    with _errors("the local cluster"), dask.config.set(_CONFIGURATION | KEEP_MEMORY):
        # On a terminal, Ctrl-C goes to all processes, but only the command is to heed it.
        resource_tracker.ensure_running()  # else it would let the signal through as it starts
        before = block_signals(signal.SIGINT)
        try:
            cluster = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=100
            )
        finally:
            unblock_signals(before)
        with cluster, distributed.Client(cluster, set_as_default=False) as client:
            yield client


def _check_workers(client: Client, address: str) -> None:
    """Refuse a cluster without workers, or with workers of another minnet."""
    versions = client.run(eval, OURS, on_error="return")
    if not versions:
        raise WorkerError(f"the scheduler at {address} has no workers")
    for worker, version in versions.items():
        if isinstance(version, ModuleNotFoundError):
            raise WorkerError(f"the worker at {worker} has no minnet: install minnet-trainer there")
        if isinstance(version, BaseException):
            raise WorkerError(f"the worker at {worker} does not answer: {_reason(version)}")
        if version != minnet.__version__:
            raise WorkerError(
                f"the worker at {worker} has minnet {version}, and here is {minnet.__version__}: "
                "install the same everywhere"
            )


@contextmanager
def _errors(where: str) -> Iterator[None]:
    """Tell what Dask raises in one line."""
    try:
        yield
    except MinnetError:
        raise
    except distributed.KilledWorker:
        raise WorkerError(
            "a worker was killed again and again, perhaps for lack of memory: "
            "give workers more memory, or the table more and smaller parts"
        ) from None
    except (CancelledError, distributed.client.ClosedClientError):
        raise WorkerError(
            f"the work at {where} was lost: the scheduler went away, or workers that held the data "
            "were killed"
        ) from None
    except (OSError, TimeoutError) as error:
        raise WorkerError(f"the connection to {where} was lost: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
