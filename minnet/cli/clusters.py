"""The cluster that a command works on, if it is asked to."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from minnet.cli import options
from minnet.errors import plural

if TYPE_CHECKING:
    from collections.abc import Iterator


def refuse_workers(scheduler: str | None) -> None:
    """Refuse `--workers` where it would not be heeded: the cluster does all the work."""
    source = click.get_current_context().get_parameter_source("workers")
    if scheduler is not None and source is ParameterSource.COMMANDLINE:
        raise click.UsageError("--workers is of processes here: it does not go with --scheduler")


@contextmanager
def cluster(scheduler: str | None, *, quiet: bool) -> Iterator[Any]:
    """Connect to the Dask cluster of a scheduler, if there is to be one, else give `None`."""
    if scheduler is None:
        yield None
        return
    from minnet.dask.client import connected

    with _silence(), connected(scheduler) as client:
        workers = plural(len(client.scheduler_info()["workers"]), "worker")
        link = f"; dashboard: {client.dashboard_link}" if client.dashboard_link else ""
        options.print_message(f"{workers} at {scheduler}{link}", quiet=quiet)
        yield client


@contextmanager
def processes_here(workers: int) -> Iterator[Any]:
    """Start a Dask cluster of so many processes on this machine."""
    from minnet.dask.client import local_cluster

    with _silence(), local_cluster(workers) as client:
        yield client


@contextmanager
def _silence() -> Iterator[None]:
    """Let Dask print nothing on its own: the command tells it in one line."""
    import logging

    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)
