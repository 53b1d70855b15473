"""minnet on the partitions of Dask frames; needs the extra `dask`.

>>> import dask.dataframe, minnet.dask
>>> frame = dask.dataframe.read_csv("parts/*.csv")
>>> model = minnet.dask.train(frame, "species")
>>> minnet.dask.predict(model, frame).to_parquet("predictions")
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing import resource_tracker
from typing import Any

import minnet
from minnet.dask.training import PartedTable
from minnet.data.encoding import Roles
from minnet.errors import PackageError, SettingsError, WorkerError
from minnet.model.diagnostics import reading_notes
from minnet.model.model import Model, added_names
from minnet.model.model import predict as predict_table
from minnet.model.threshold import as_decision
from minnet.training.loop import EachEpoch
from minnet.training.processes import signals_blocked
from minnet.training.settings import Epoch, TrainingSettings

try:
    import dask.dataframe  # what frames are
    import distributed
    import pandas
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


def train(
    data: Any,
    target: str,
    *,
    client: distributed.Client | None = None,
    ignore: Collection[str] = (),
    group: str = "",
    group_feature: bool = False,
    categorical: Collection[str] = (),
    weights: str = "",
    class_weights: Mapping[str, float] | None = None,
    threshold: tuple[str, float] | str | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    **settings: Any,
) -> Model:
    """Train on a table that no single machine has to hold.

    Each round, every partition takes some steps from the same parameters; the mean of where they
    led is where the next round starts, after an outer step (see `minnet.training.rounds`). The
    model does not depend on how many workers there are, but on how the rows are parted.

    Parameters
    ----------
    data
        A Dask frame; or a pattern of files' names, such as `parts/*.csv` or
        `s3://bucket/*.parquet`: each file is a partition, a large one several.
    target
        Name of the label column. Rows without a label are left out.
    client
        Of the cluster to use; `None` takes the current one or, without one, processes here, for
        which a script needs `if __name__ == "__main__":`, as all that start processes do.
    ignore
        Names of columns to leave out.
    group
        Name of a column whose equal cells keep rows in one fold (a patient, a shop).
    group_feature
        Whether that column is a feature as well.
    categorical
        Names of columns whose numbers or dates are categories.
    weights, class_weights, threshold
        See `minnet.train`.
    on_epoch
        Called after each epoch; if it returns True, the training stops there.
    settings
        Fields of `TrainingSettings`.

    Raises
    ------
    DataError, SettingsError, TrainingError
        If the partitions, the settings or both together cannot be trained on.
    """
    roles = Roles(target, ignore, group, group_feature, False, categorical, weights)
    made_settings = TrainingSettings.of(**settings)
    if client is None:
        with suppress(ValueError):  # there is no current one
            client = distributed.default_client()
    with local_cluster() if client is None else nullcontext(client) as used:
        table = PartedTable(used, data, roles)
        source, names = table.summary.source, table.encoder.class_names
        decision = as_decision(threshold, source, names)
        made_settings = made_settings.weighted(class_weights, source, names)
        model = table.train(made_settings, [EachEpoch(on_epoch)], decision)[0]
        model.notes = (*reading_notes(table.encoder, table.summary), *table.notes(model))
    return model


def predict(model: Model, frame: Any) -> Any:
    """Add predictions to each partition of a Dask frame, when it is computed.

    Adds the predicted class, `predicted`; a probability for each class, `p(name)`; `spread` and
    `caution`; all with the prefix `minnet_` where the frame has one of these columns.

    Raises
    ------
    DataError
        On computing, if the frame does not fit the model.
    """
    names = added_names(model.class_names, [*map(str, frame.columns)])
    examples = ["", *[0.0] * len(model.class_names), 0.0, ""]
    added = {name: pandas.Series([one])[:0] for name, one in zip(names, examples, strict=True)}
    meta = frame._meta.assign(**added)
    return frame.map_partitions(_predict_partition, model, names, meta=meta)


def _predict_partition(frame: Any, model: Model, names: list[str]) -> Any:
    predictions = predict_table(model, frame)
    return frame.assign(**dict(zip(names, predictions.columns, strict=True)))


@contextmanager
def connected(address: str) -> Iterator[distributed.Client]:
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
def local_cluster(workers: int | None = None) -> Iterator[distributed.Client]:
    """Start processes on this machine, by default one for each core, and end them."""
    with _errors("the local cluster"), dask.config.set(_CONFIGURATION | KEEP_MEMORY):
        # On a terminal, Ctrl-C goes to all processes, but only the command is to heed it.
        resource_tracker.ensure_running()  # else it would let the signal through as it starts
        with signals_blocked(signal.SIGINT):
            cluster = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=100
            )
        with cluster, distributed.Client(cluster, set_as_default=False) as client:
            yield client


def _check_workers(client: distributed.Client, address: str) -> None:
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
