"""minnet as a scikit-learn classifier; needs the extra `sklearn`."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from minnet.arguments import as_list, as_names
from minnet.arrays import Array
from minnet.data.cells import CellFormat, TableFormat
from minnet.data.column import Column
from minnet.data.frames import columns_of
from minnet.data.table import Table
from minnet.errors import CautionWarning, MinnetError, PackageError, UnseenCategoriesWarning
from minnet.model.document import from_bytes, to_bytes
from minnet.model.fit import train
from minnet.model.model import predict
from minnet.model.scores import evaluate, nats
from minnet.training.settings import Epoch, total_memory

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils import check_consistent_length, check_random_state
    from sklearn.utils.class_weight import compute_class_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    needed = f"scikit-learn, 1.6 or newer ({error})"
    raise PackageError(needed, "sklearn", "minnet.sklearn") from None


BYTES_OF_A_CELL = 16
"""Of a sparse array that is made dense, and of the table that is made of that."""
PARAMETERS = {
    "hidden": "hidden_layer_sizes",
    "learning_rate": "learning_rate_init",
    "weight_decay": "alpha",
    "epochs": "max_iter",
    "patience": "n_iter_no_change",
    "batch_size": "batch_size",
    "optimizer": "solver",
    "networks": "n_networks",
    "seed": "random_state",
    "class_weights": "class_weight",
    "bins": "bins",
    "loss": "loss",
}
"""What scikit-learn calls minnet's settings."""


@contextmanager
def _as_value_errors() -> Iterator[None]:
    """Raise minnet's errors as the kind that scikit-learn's own tools expect, in its words."""
    try:
        yield
    except MinnetError as error:
        message = error.naming(lambda name: f"`{PARAMETERS.get(name, name)}`")
        # What has no parameter here is up to whoever makes `X` and `y`.
        unknown = " with `(ignore|target)`|; [^;]*: `missing` .*"
        raise ValueError(re.sub(unknown, "", message)) from error


@dataclass(kw_only=True, eq=False, repr=False)
class MinnetClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """Several small neural networks, trained together, that predict with their mean.

    Takes arrays and frames (pandas, polars, pyarrow) as they are: numbers, text, categories,
    booleans and missing cells need no encoder and no imputer in front. The names of a frame's
    columns are checked as scikit-learn does; without names they are called x0, x1, ... The same
    rows and settings give the same probabilities as `minnet train` on the CSV of the frame with
    its labels. Predictions warn, with an `UnseenCategoriesWarning` of `minnet.errors`, where most
    rows of a column hold categories that training did not have; else with a `CautionWarning`, once
    from each place, if a row deserves caution, as `minnet predict` has it. To decide by a threshold
    there are scikit-learn's `FixedThresholdClassifier` and `TunedThresholdClassifierCV`.

    Parameters
    ----------
    hidden_layer_sizes
        Width of each hidden layer; `()` for none. minnet's `hidden`.
    learning_rate_init
        Learning rate; `None` is the solver's own: 0.01 for adam, 0.03 for sgd. `learning_rate`.
    alpha
        Decoupled weight decay: each step multiplies the weights by 1 - learning rate * this. (In
        `MLPClassifier`, a penalty added to the loss.) `weight_decay`.
    max_iter
        Maximum epochs. `epochs`.
    n_iter_no_change
        Stop after so many epochs without a better holdout loss; `numpy.inf` never stops.
        `patience`.
    batch_size
        Rows of a batch; "auto" chooses by the number of rows. `batch_size`.
    solver
        "adam" or "sgd". `optimizer`.
    class_weight
        `None`; "balanced" weights each row by 1 / the frequency of its class, `balanced`; or a
        mapping from classes to weights, where a class that is not named weighs 1.
    categorical_features
        Columns whose numbers or dates are categories: names, positions, or a mask of all columns.
        Text and categories of frames always are. `categorical`.
    bins, loss
        Piecewise-linear features beside each number, and what training minimizes: see
        `TrainingSettings`.
    n_networks
        Networks trained together, each holding out another fold of the rows. `networks`.
    random_state
        `seed`: decides the starting weights and the order of rows, not the folds. `None` draws
        one from numpy's global generator.
    verbose
        Print the losses of each epoch.

    Attributes
    ----------
    model_
        The ordinary `Model`: save it, explain it, plot it. It knows classes by their text.
    classes_
        The labels, sorted, of the type they were given in.
    loss_curve_, validation_loss_curve_
        Mean training loss and mean holdout loss over the networks, of each epoch.
    loss_, best_loss_
        The last of the former; the mean holdout loss of the epochs that were kept.
    n_iter_
        Epochs that were run.
    oof_probabilities_
        `(rows, classes)`: predictions for the training rows, each by the networks that never saw
        it; NaN where all networks trained on the row, which happens with fewer than 5 of them.
    oof_score_
        Accuracy of these.
    n_features_in_, feature_names_in_
        As any estimator of scikit-learn has them.
    """

    hidden_layer_sizes: int | Sequence[int] = (32,)
    learning_rate_init: float | None = None
    alpha: float = 0.05
    max_iter: int = 300
    n_iter_no_change: int = 12
    batch_size: Any = "auto"
    solver: str = "adam"
    class_weight: Any = None
    categorical_features: Any = None
    bins: int = 8
    loss: str = "cross-entropy"
    n_networks: int = 8
    random_state: Any = 0
    verbose: bool = False

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train on rows `X`, an array or a frame, and their labels `y`, of any type.

        Parameters
        ----------
        sample_weight
            How much each row counts, `(rows,)`, in loss, scaling and scores; 0 leaves a row out.
        groups
            Of each row: rows of one group (a patient, a shop) are kept in one fold, `(rows,)`.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` ended the training before `n_iter_no_change` did.

        Raises
        ------
        ValueError
            If these or the settings cannot be trained on; a classifier that was fitted before stays
            as it was.
        """
        before = vars(self).copy()
        try:
            return self._fit(X, y, sample_weight, groups)
        except BaseException:  # Ctrl-C, too
            self.__dict__ = before
            raise

    @_as_value_errors()
    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> Self:
        labels = validate_data(self, y=_plain_labels(y))  # first: it forgets the features' names
        columns = self._columns(X, reset=True)
        check_consistent_length(X, labels, groups)
        try:
            check_classification_targets(labels)
            self.classes_, codes = np.unique(labels, return_inverse=True)
        except TypeError as error:
            raise ValueError(f"y holds labels of several types, or missing ones: {error}") from None
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if len(np.unique(codes if sample_weight is None else codes[sample_weight != 0])) < 2:
            raise ValueError("minnet needs at least 2 classes, and y holds only one class")
        name, weights = getattr(y, "name", None), ""
        target = _new_name(name if name and isinstance(name, str) else "target", columns)
        categorical = self._categorical([*columns])
        table = Table.from_columns(columns, form=TableFormat(categorical))
        # Not read as a CSV would be, where a class of the name "NA" is a missing label.
        names, verbatim = tuple(map(str, self.classes_.tolist())), CellFormat(("",))
        codes = codes.astype(np.int32)
        table.columns[target] = Column(target, None, codes, names, cell_format=verbatim)
        if sample_weight is not None:
            weights = _new_name("weights", table.columns)
            table.columns[weights] = Column(weights, sample_weight, None, ())
        settings = self._settings(labels, names) | {"categorical": categorical, "weights": weights}
        if groups is not None:
            group = settings["group"] = _new_name("group", table.columns)
            table.columns[group] = Table.from_columns({group: groups}).columns[group]
        on_epoch = _print if self.verbose else None
        self.model_ = train(table, target, on_epoch=on_epoch, **settings)
        self.classes_ = self.classes_[np.isin(names, self.model_.class_names)]
        self._order = [*map(self.model_.class_names.index, map(str, self.classes_.tolist()))]
        history = self.model_.history
        self.loss_curve_ = history.training_loss.mean(axis=1, dtype=np.float64).tolist()
        self.validation_loss_curve_ = np.nanmean(history.holdout_loss, 1, np.float64).tolist()
        self.n_iter_, self.loss_ = len(history), self.loss_curve_[-1]
        self.best_loss_ = float(history.kept_losses.mean())
        if self.n_iter_ == self.max_iter < history.best_epochs.max() + self.n_iter_no_change:
            told = f"after max_iter={self.max_iter} epochs the networks were still improving"
            warnings.warn(told, ConvergenceWarning, stacklevel=4)
        evaluation = evaluate(self.model_, table)
        self.oof_probabilities_ = np.full((len(table), len(self._order)), np.nan)
        self.oof_probabilities_[evaluation.rows] = evaluation.probabilities[:, self._order]
        self.oof_score_ = evaluation.accuracy
        return self

    def predict(self, X: Any) -> Any:
        """Predict the most probable class of each row, `(rows,)`."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    @_as_value_errors()
    def predict_proba(self, X: Any) -> Array:
        """Predict each row, the mean over the networks: `(rows, classes)`, as in `classes_`."""
        table = self._table(X)
        return self.model_.probabilities(table)[:, self._order]

    def predict_log_proba(self, X: Any) -> Array:
        """Natural logarithms of `predict_proba`, `(rows, classes)`."""
        return -nats(self.predict_proba(X))

    @_as_value_errors()
    def member_probabilities(self, X: Any) -> Array:
        """Let each network predict each row: `(networks, rows, classes)`."""
        table = self._table(X)
        return self.model_.member_probabilities(table)[:, :, self._order]

    @_as_value_errors()
    def spread(self, X: Any) -> Array:
        """Tell how far the networks disagree, `(rows,)`.

        Largest minus smallest probability that they give the predicted class.
        """
        table = self._table(X)
        return predict(self.model_, table).spread

    def _table(self, X: Any) -> Table:
        check_is_fitted(self)
        table = self.model_.encoder.table(self._columns(X))
        if notes := self.model_.encoder.unseen(table):
            warnings.warn("; ".join(notes), UnseenCategoriesWarning, stacklevel=4)
        elif any(self.model_.encoder.cautions(table)):
            why = "minnet.predict(classifier.model_, X).cautions tells which and why"
            warnings.warn(f"some rows deserve caution: {why}", CautionWarning, stacklevel=4)
        return table

    def _columns(self, X: Any, *, reset: bool = False) -> dict[str, Any]:
        """Check what is given as scikit-learn does, and take it apart into named columns."""
        if hasattr(X, "columns") or hasattr(X, "column_names"):
            # Not made an array, which would have one type for all columns.
            validate_data(self, X, reset=reset, skip_check_array=True)
            if not X.shape[0]:
                raise ValueError(f"Found array with 0 sample(s) (shape={X.shape})")
            columns = list(columns_of(X).values())
        else:
            checks = {"reset": reset, "dtype": None, "ensure_all_finite": "allow-nan"}
            X = validate_data(self, X, accept_sparse="csc", **checks)
            needed = BYTES_OF_A_CELL * math.prod(X.shape)
            if hasattr(X, "toarray") and needed > total_memory():
                shape = f"X of {X.shape[0]:,} rows and {X.shape[1]:,} columns"
                raise ValueError(f"{shape} is too large to be made dense: {needed / 2**30:,.1f} GB")
            columns = [*(X.toarray() if hasattr(X, "toarray") else X).T]
        names = getattr(self, "feature_names_in_", [f"x{k}" for k in range(len(columns))])
        return dict(zip(names, columns, strict=True))

    def _categorical(self, names: list[str]) -> tuple[str, ...]:
        """Name the columns that are to be categories."""
        chosen = np.array(as_list(self.categorical_features))
        if chosen.dtype.kind not in "biu":
            return as_names(self.categorical_features)
        try:
            return tuple(np.array(names, object)[chosen].tolist())
        except IndexError as error:
            raise ValueError(f"`categorical_features`: {error}") from None

    def _settings(self, labels: Any, names: Sequence[str]) -> dict[str, Any]:
        """Translate the parameters to minnet's settings, which check them."""
        settings = {name: getattr(self, parameter) for name, parameter in PARAMETERS.items()}
        seed, weights = self.random_state, self.class_weight
        if seed is None or hasattr(seed, "randint"):
            settings["seed"] = check_random_state(seed).randint(2**31)
        if self.n_iter_no_change == np.inf:
            settings["patience"] = self.max_iter
        if isinstance(self.batch_size, str) and self.batch_size == "auto":
            settings["batch_size"] = None
        if isinstance(weights, str) and weights == "balanced":
            settings |= {"class_weights": None, "balanced": True}
        elif weights is not None:
            try:
                numbers = compute_class_weight(weights, classes=self.classes_, y=labels)
            except (TypeError, ValueError) as error:
                raise ValueError(f"`class_weight` is {weights!r}: {error}") from None
            settings["class_weights"] = dict(zip(names, numbers.tolist(), strict=True))
        return settings

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the model as its file would hold it, without what the last rows left in it."""
        state = super().__getstate__()
        return state | {"model_": to_bytes(self.model_)} if "model_" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "model_" in state:
            self.model_ = from_bytes(state["model_"], "the pickled model")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def _plain_labels(y: Any) -> Any:
    """Take pandas' labels of types of its own for what they hold, not for floats as sklearn does.

    Those are nullable, Arrow's and categorical ones.
    """
    dtypes = as_list(getattr(y, "dtypes", None))
    if hasattr(y, "infer_objects") and not all(isinstance(dtype, np.dtype) for dtype in dtypes):
        if np.any(y.isna()):
            raise ValueError("Input y contains NaN.")
        return y.astype(object).infer_objects()
    return y


def _new_name(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _print(epoch: Epoch) -> None:
    training_loss, holdout_loss = epoch.training_loss.mean(), np.nanmean(epoch.holdout_loss)
    print(f"loss {training_loss:.4f}, holdout loss {holdout_loss:.4f}")
