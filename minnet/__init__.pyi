"""Names that `import minnet` offers, and where they are: read by `__init__.py`, too."""

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

__version__: str
