"""minnet: a tiny neural-network trainer in NumPy, from a CSV to a classifier you can trust.

>>> import minnet
>>> table = minnet.read_csv("data/iris.csv")
>>> model = minnet.Model.fit(table, target="species")
>>> model.predict(table)[0]
'setosa'

The names below are imported when they are first used, so that `import minnet` stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minnet.data.table import Table, read_csv
    from minnet.errors import MinnetError
    from minnet.model.evaluation import evaluate
    from minnet.model.model import Model
    from minnet.training.settings import TrainingSettings

__version__ = "0.1.0"

__all__ = ["MinnetError", "Model", "Table", "TrainingSettings", "evaluate", "read_csv"]

_HOME = {
    "MinnetError": "minnet.errors",
    "Model": "minnet.model.model",
    "Table": "minnet.data.table",
    "TrainingSettings": "minnet.training.settings",
    "evaluate": "minnet.model.evaluation",
    "read_csv": "minnet.data.table",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'minnet' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
