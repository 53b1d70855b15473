"""minnet on the partitions of Dask frames; needs the extra `dask`.

>>> import dask.dataframe, minnet.dask
>>> frame = dask.dataframe.read_csv("parts/*.csv")
>>> model = minnet.dask.train(frame, "species")
>>> minnet.dask.predict(model, frame).to_parquet("predictions")
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from minnet.dask.client import local_cluster
from minnet.dask.training import PartedTable
from minnet.data.encoding import Roles
from minnet.errors import PackageError
from minnet.model.model import Model, added_names
from minnet.model.model import predict as predict_table
from minnet.training.loop import EachEpoch
from minnet.training.settings import Epoch, TrainingSettings

if TYPE_CHECKING:
    from distributed import Client

try:
    import dask.dataframe  # noqa: F401  # what frames are
    import distributed
    import pandas
except ImportError:
    raise PackageError("dask", "dask") from None


def train(
    data: Any,
    target: str,
    *,
    client: Client | None = None,
    ignore: Collection[str] = (),
    group: str = "",
    group_feature: bool = False,
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
    on_epoch
        Called after each epoch; if it returns True, the training stops there.
    settings
        Fields of `TrainingSettings`.

    Raises
    ------
    DataError, SettingsError, TrainingError
        If the partitions, the settings or both together cannot be trained on.
    """
    roles = Roles(target, ignore, group, group_feature)
    made_settings = TrainingSettings.of(**settings)
    with _client(client) as used:
        table = PartedTable(used, data, roles)
        return table.train(made_settings, [EachEpoch(on_epoch)])[0]


def predict(model: Model, frame: Any) -> Any:
    """Add predictions to each partition of a Dask frame, when it is computed.

    Adds the predicted class, `predicted`; a probability for each class, `p(name)`; `spread` and
    `caution`; all with the prefix `minnet_` where the frame has one of these columns.

    Raises
    ------
    DataError
        On computing, if the frame does not fit the model.
    """
    names = added_names(model, [*map(str, frame.columns)])
    examples = ["", *[0.0] * len(model.class_names), 0.0, ""]
    added = {name: pandas.Series([one])[:0] for name, one in zip(names, examples, strict=True)}
    meta = frame._meta.assign(**added)
    return frame.map_partitions(_predict_partition, model, names, meta=meta)


def _predict_partition(frame: Any, model: Model, names: list[str]) -> Any:
    predictions = predict_table(model, frame)
    return frame.assign(**dict(zip(names, predictions.columns, strict=True)))


@contextmanager
def _client(client: Client | None) -> Iterator[Client]:
    if client is not None:
        yield client
        return
    try:
        current = distributed.default_client()
    except ValueError:  # there is none
        current = None
    if current is not None:
        yield current
        return
    with local_cluster() as own:
        yield own
