"""minnet: small neural networks by hand in NumPy, from a CSV to a classifier you can trust.

>>> import minnet
>>> model = minnet.train("data/iris.csv", target="species")
>>> minnet.predict(model, "data/iris.csv").predicted[0]
'setosa'

The names below are imported when they are first used, so that `import minnet` stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minnet.analysis.explanation import explain as explain
    from minnet.analysis.gradient_check import check as check
    from minnet.analysis.importance import importance as importance
    from minnet.analysis.seeds import seeds as seeds
    from minnet.analysis.tuning import compare as compare
    from minnet.analysis.tuning import tune as tune
    from minnet.data.table import Table as Table
    from minnet.data.table import read_csv as read_csv
    from minnet.errors import MinnetError as MinnetError
    from minnet.model.document import load as load
    from minnet.model.document import save as save
    from minnet.model.fit import train as train
    from minnet.model.model import Model as Model
    from minnet.model.model import predict as predict
    from minnet.model.scores import evaluate as evaluate
    from minnet.onnx import export as export
    from minnet.pages import page as page
    from minnet.plots.curves import plot_precision_recall as plot_precision_recall
    from minnet.plots.curves import plot_roc as plot_roc
    from minnet.plots.curves import plot_trials as plot_trials
    from minnet.plots.network import plot_network as plot_network
    from minnet.plots.network import plot_row as plot_row
    from minnet.plots.regions import plot_regions as plot_regions
    from minnet.plots.scores import plot_calibration as plot_calibration
    from minnet.plots.scores import plot_confusion as plot_confusion
    from minnet.plots.scores import plot_importance as plot_importance
    from minnet.plots.scores import plot_loss as plot_loss
    from minnet.training.settings import TrainingSettings as TrainingSettings

__version__ = "0.1.0"

_NAMES = {
    "analysis.explanation": "explain",
    "analysis.gradient_check": "check",
    "analysis.importance": "importance",
    "analysis.seeds": "seeds",
    "analysis.tuning": "compare tune",
    "data.table": "Table read_csv",
    "errors": "MinnetError",
    "model.document": "load save",
    "model.fit": "train",
    "model.model": "Model predict",
    "model.scores": "evaluate",
    "onnx": "export",
    "pages": "page",
    "plots.curves": "plot_precision_recall plot_roc plot_trials",
    "plots.network": "plot_network plot_row",
    "plots.regions": "plot_regions",
    "plots.scores": "plot_calibration plot_confusion plot_importance plot_loss",
    "training.settings": "TrainingSettings",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [name for name in _HOME if name != "export"]  # which cannot be had without its package


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'minnet' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"minnet.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*_HOME, "__version__"]
